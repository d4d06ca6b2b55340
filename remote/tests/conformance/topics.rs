//! Topics over machines.

use fast_async::topic::Overflow;

use crate::bed::{Bed, for_both_engines, value};

for_both_engines! {
    a_topic_reaches_all_in_the_order_of_its_publisher;
}

// Promise: S18
fn a_topic_reaches_all_in_the_order_of_its_publisher(bed: &Bed) {
    const COUNT: u64 = 500;
    let (here, there) = (bed.remote(), bed.remote());
    let publisher = here.topic::<u64>("numbers.even").unwrap();
    let other = there.topic::<u64>("numbers.even").unwrap();
    let alien = there.topic::<u64>("numbers.odd").unwrap();
    let receivers =
        [publisher.topic(), other.topic()].map(|it| it.receiver(1000, Overflow::DropOldest));
    let nothing = alien.topic().next();
    // A subscription is there when the server has seen it: the first value may be one too early.
    let first = other.topic().next();
    crate::bed::until(|| {
        publisher.publish(&0).unwrap();
        first.is_settled()
    });
    value(first);
    for n in 1..=COUNT {
        publisher.publish(&n).unwrap();
    }
    for receiver in receivers {
        let seen: Vec<u64> = receiver
            .map(|it| *it)
            .skip_while(|n| *n == 0)
            .take(COUNT as usize)
            .collect();
        assert!(seen.iter().copied().eq(1..=COUNT), "{seen:?}");
    }
    assert!(!nothing.is_settled());
    assert_eq!((publisher.dropped(), other.dropped()), (0, 0));
}
