//! Permits that come back while others ask for them, or leave the line (Contract: Q3).

use super::{explore, go};
use crate::{CancelOutcome, Semaphore};

/// The last permit comes back while the next `acquire` finds none.
#[test]
fn a_permit_that_comes_back_meets_an_acquire() {
    explore(&["free", "waited"], || {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.try_acquire(1).expect("it is free");
        let giver = go(move || drop(permit));
        let next = semaphore.acquire(1);
        let end = match next.is_settled() {
            true => "free",
            false => "waited",
        };
        drop(next.wait().unwrap());
        giver.join().unwrap();
        assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
        end
    });
}

/// The one that is cancelled has its permit, or the next one has it.
#[test]
fn a_cancel_meets_the_permit() {
    explore(&["granted", "cancelled"], || {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.try_acquire(1).expect("it is free");
        let (first, second) = (semaphore.acquire(1), semaphore.acquire(1));
        let giver = go(move || drop(permit));
        let outcome = first.cancel();
        let end = match first.wait() {
            Ok(permit) => {
                assert_eq!(outcome, CancelOutcome::TooLate);
                drop(permit);
                "granted"
            }
            Err(error) => {
                assert!(error.is_cancelled());
                "cancelled"
            }
        };
        drop(second.wait().unwrap());
        giver.join().unwrap();
        assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
        end
    });
}

/// The first in the line asks for more than is free. When it leaves, one for less may pass, whether
/// that one stands in the line already or is about to.
#[test]
fn one_for_less_passes_when_one_for_more_leaves() {
    explore(&["at once", "later"], || {
        let semaphore = Semaphore::new(2);
        let permit = semaphore.try_acquire(1).expect("it is free");
        let more = semaphore.acquire(2);
        let own = semaphore.clone();
        let other = go(move || {
            let less = own.acquire(1);
            let end = match less.is_settled() {
                true => "at once",
                false => "later",
            };
            drop(less.wait().unwrap());
            end
        });
        assert_eq!(more.cancel(), CancelOutcome::Prevented);
        let end = other.join().unwrap();
        drop(permit);
        assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
        end
    });
}
