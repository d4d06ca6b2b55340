// Case: 1, 4, 5. Whoever settles a task gives the means away, so a second outcome cannot even be written down.

use fast_async::{deferred, spawn};

fn a_value_and_then_a_failure() {
    let (resolver, _task) = deferred::<u32>();
    let _ = resolver.resolve(1);
    let _ = resolver.reject("no");
}

fn a_failure_and_then_a_value() {
    let (resolver, _task) = deferred::<u32>();
    let _ = resolver.reject("no");
    let _ = resolver.resolve(1);
}

fn a_task_to_follow_and_then_another() {
    let (resolver, _task) = deferred::<u32>();
    let _ = resolver.settle_with(spawn(|| 1));
    let _ = resolver.settle_with(spawn(|| 2));
}

fn main() {}
