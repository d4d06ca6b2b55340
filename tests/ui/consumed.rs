use fast_async::spawn;

fn a_consumer_takes_the_task() {
    let task = spawn(|| 1);
    let next = task.then(|n| n + 1);
    let _ = task.wait();
    let _ = next.wait();
}

fn a_value_is_taken_once() {
    let task = spawn(|| 1);
    let _ = task.wait();
    let _ = task.wait();
}

fn an_observer_is_lent_the_value() {
    let task = spawn(|| String::from("text"));
    let _ = task.subscribe(|text| drop::<String>(text), |_| ());
    let _ = task.wait();
}

fn a_shared_task_lends_its_value() {
    let shared = spawn(|| String::from("text")).share();
    let text: String = shared.wait().unwrap();
    println!("{text}");
}

fn main() {}
