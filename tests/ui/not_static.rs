use fast_async::spawn;

fn not_moved() {
    let text = String::from("text");
    let _ = spawn(|| text.len());
}

fn on_the_stack_of_the_caller() {
    let local = String::from("local");
    let borrowed = &local;
    let _ = spawn(move || borrowed.len());
}

fn changed_by_a_continuation() {
    let mut count = 0;
    let _ = spawn(|| 1).then(|n| count += n);
    println!("{count}");
}

fn main() {}
