//! Many tasks in one, while they are settled, fail or are cancelled (Contract: S1, C3).

use super::{explore, go, open};
use crate::{all, any};

#[test]
fn the_first_of_two_wins_and_the_other_is_cancelled() {
    explore(&["one", "two"], || {
        let (one, first) = open();
        let (two, second) = open();
        let rival = go(move || one.resolve("one").is_ok());
        let racer = go(move || two.resolve("two").is_ok());
        let winner = any([first, second]).wait().unwrap();
        let (one, two) = (rival.join().unwrap(), racer.join().unwrap());
        assert!(if winner == "one" { one } else { two });
        winner
    });
}

#[test]
fn a_loser_is_cancelled_however_early_the_winner_is() {
    explore(&["done"], || {
        let (one, first) = open();
        let (two, second) = open::<u8>();
        let rival = go(move || one.resolve(1).unwrap());
        assert_eq!(any([first, second]).wait().unwrap(), 1);
        rival.join().unwrap();
        assert!(!two.is_wanted());
        "done"
    });
}

#[test]
fn all_values_come_in_their_order() {
    explore(&["done"], || {
        let (one, first) = open();
        let (two, second) = open();
        let rival = go(move || one.resolve(1).unwrap());
        let racer = go(move || two.resolve(2).unwrap());
        assert_eq!(all([first, second]).wait().unwrap(), [1, 2]);
        rival.join().unwrap();
        racer.join().unwrap();
        "done"
    });
}

#[test]
fn a_failure_cancels_the_rest_at_every_time() {
    explore(&["done"], || {
        let (one, first) = open::<u8>();
        let (two, second) = open::<u8>();
        let rival = go(move || one.reject("no").unwrap());
        assert!(all([first, second]).wait().is_err());
        rival.join().unwrap();
        assert!(!two.is_wanted());
        "done"
    });
}

#[test]
fn a_cancel_cancels_the_inputs_too() {
    explore(&["settled", "cancelled"], || {
        let (one, first) = open();
        let (two, second) = open::<u8>();
        let rival = go(move || one.resolve(1).is_ok());
        let both = all([first, second]);
        let _ = both.cancel();
        let settled = rival.join().unwrap();
        assert!(!two.is_wanted());
        assert!(both.wait().unwrap_err().is_cancelled());
        if settled { "settled" } else { "cancelled" }
    });
}
