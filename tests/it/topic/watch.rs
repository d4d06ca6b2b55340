//! `Watch`: the latest value, and the subscribers to its changes.

use std::thread;

use fast_async::ErrorKind;
use fast_async::topic::Watch;

use super::{Gate, Log, Overflow, expected, within};

// Case: 193
// Contract: B8
#[test]
fn a_value_that_was_not_seen_is_seen_after_the_end() {
    within(|| {
        let watch = Watch::new(1);
        let mut receiver = watch.receiver();
        assert_eq!(*receiver.recv().unwrap(), 1);
        for n in [2, 3] {
            watch.set(n).unwrap();
        }
        let changed = watch.changed();
        let reader = watch.clone();
        drop(watch);
        reader.close();
        let got = receiver.recv().unwrap();
        assert_eq!((*got, got.seq(), receiver.lost()), (3, 2, 1));
        assert_eq!(receiver.recv().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_eq!(changed.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert_eq!(*reader.get(), 3);
    });
}

// Case: 193
// Contract: B8
#[test]
fn it_waits_for_a_value_or_finds_it_there() {
    within(|| {
        let watch = Watch::new(5);
        assert!(watch.wait_for(|n| *n == 5).is_settled());
        let later = watch.wait_for(|n| *n > 6);
        let bad = watch.wait_for(|n| match n {
            6 => expected("a predicate of a watch"),
            _ => false,
        });
        let now = watch.wait_for(|_| expected("a predicate at once"));
        assert!(now.wait().unwrap_err().is_panic());
        watch.set(6).unwrap();
        assert!(!later.is_settled());
        assert!(bad.wait().unwrap_err().is_panic());
        watch.set(7).unwrap();
        assert_eq!(*later.wait().unwrap(), 7);
        let never = watch.wait_for(|n| *n == 0);
        let cancelled = watch.wait_for(|n| *n == 0);
        cancelled.cancel();
        assert_eq!(watch.topic().subscribers(), 1);
        watch.close();
        assert_eq!(never.wait().unwrap_err().kind(), ErrorKind::Abandoned);
        assert!(watch.wait_for(|n| *n == 7).is_settled());
        assert!(watch.wait_for(|n| *n == 0).wait().is_err());
    });
}

// Contract: B8
#[test]
fn no_change_comes_between_an_update_and_what_it_has_seen() {
    within(|| {
        let watch = Watch::new(0_u32);
        let adders: Vec<_> = (0..4)
            .map(|_| {
                let watch = watch.clone();
                thread::spawn(move || (0..250).all(|_| watch.update(|n| n + 1).is_ok()))
            })
            .collect();
        for adder in adders {
            assert!(adder.join().unwrap());
        }
        assert_eq!(*watch.get(), 1000);
        // One that is overtaken is called again.
        let (own, calls) = (watch.clone(), Log::new());
        let log = calls.clone();
        let updated = watch.update(|n| {
            log.push(*n);
            if *n == 1000 {
                own.set(2000).unwrap();
            }
            n + 1
        });
        updated.unwrap();
        assert_eq!((calls.take(), *watch.get()), (vec![1000, 2000], 2001));
        watch.close();
        assert_eq!(watch.update(|n| n + 1).unwrap_err().into_inner(), 2002);
    });
}

// Case: 193
// Contract: B8, B2
#[test]
fn a_value_that_is_read_may_be_changed_meanwhile() {
    within(|| {
        let watch = Watch::new(1);
        let (own, log, done) = (watch.clone(), Log::new(), Gate::new());
        let (seen, open) = (log.clone(), done.clone());
        watch.topic().subscribe(move |n: &u32| {
            seen.push((*n, *own.get()));
            if *n < 3 {
                own.set(n + 1).unwrap();
            } else {
                open.open();
            }
        });
        done.pass();
        assert_eq!(log.take(), [(1, 1), (2, 2), (3, 3)]);
        let held = watch.get();
        watch.set(4).unwrap();
        assert_eq!((*held, *watch.get()), (3, 4));
        // It always has a value.
        drop(watch.topic().clone().replay(0));
        assert_eq!(*watch.get(), 4);
        assert_eq!(
            *watch.topic().receiver(4, Overflow::Block).recv().unwrap(),
            4
        );
        watch.close();
    });
}
