// Case: 1, 4, 5. Settling consumes the resolver, so a second outcome does not compile.

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
