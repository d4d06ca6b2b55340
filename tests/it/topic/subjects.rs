//! `Topics`: values by subject, for those whose patterns match.

use fast_async::topic::{Message, Receiver, SubjectError, Topics};

use super::{Log, Overflow, within};

fn receiver(topics: &Topics<u32>, pattern: &str) -> Receiver<Message<u32>> {
    topics.topic(pattern).unwrap().receiver(100, Overflow::Fail)
}

fn values(receiver: Receiver<Message<u32>>) -> Vec<u32> {
    receiver.map(|message| **message).collect()
}

// Contract: B10
#[test]
fn a_star_is_one_token_and_the_rest_is_one_or_more() {
    within(|| {
        let topics = Topics::new();
        let patterns = [
            "a", "a.b", "a.*", "*", "a.>", ">", "*.b", "*.*.c", "a.*.>", "b.>",
        ];
        let receivers = patterns.map(|pattern| receiver(&topics, pattern));
        for (n, subject) in (0..).zip(["a", "a.b", "a.b.c", "b", "b.b"]) {
            topics.publish(subject, n).unwrap();
        }
        topics.close();
        let got = receivers.map(values);
        let expected: [&[u32]; 10] = [
            &[0],
            &[1],
            &[1],
            &[0, 3],
            &[1, 2],
            &[0, 1, 2, 3, 4],
            &[1, 4],
            &[2],
            &[2],
            &[4],
        ];
        for ((pattern, got), expected) in patterns.iter().zip(got).zip(expected) {
            assert_eq!(got, expected, "{pattern}");
        }
    });
}

// Contract: B10
#[test]
fn bad_subjects_and_patterns_are_refused() {
    within(|| {
        let topics = Topics::<u32>::new();
        for bad in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(topics.publish(bad, 1), Err(SubjectError::EmptyToken));
            assert_eq!(topics.topic(bad).unwrap_err(), SubjectError::EmptyToken);
        }
        for bad in [">.a", "a.>.b"] {
            assert_eq!(topics.topic(bad).unwrap_err(), SubjectError::NotAtTheEnd);
        }
        for bad in ["*", "a.*", "a.>"] {
            assert_eq!(topics.publish(bad, 1), Err(SubjectError::Wildcard));
        }
        // A token may contain them.
        let next = topics.topic("a*.>b").unwrap().next();
        topics.publish("a*.>b", 1).unwrap();
        assert_eq!(**next.wait().unwrap(), 1);
    });
}

// Contract: B1, B10
#[test]
fn all_patterns_have_one_order_also_when_a_callback_publishes() {
    within(|| {
        let topics = Topics::new();
        let (own, log) = (topics.clone(), Log::new());
        let (one, two) = (log.clone(), log.clone());
        // The pattern is no matter: the one that came first is called first.
        topics
            .topic("a.>")
            .unwrap()
            .subscribe(move |n: &Message<u32>| {
                one.push(("first", **n));
                if **n == 1 {
                    own.publish("a.c", 2).unwrap();
                }
            });
        topics
            .topic("a.*")
            .unwrap()
            .subscribe(move |n| two.push(("second", **n)));
        topics.publish("a.b", 1).unwrap();
        let expected = [("first", 1), ("second", 1), ("first", 2), ("second", 2)];
        assert_eq!(log.take(), expected);
        topics.close();
    });
}

// Contract: B9, B10
#[test]
fn a_pattern_is_there_as_long_as_it_has_subscribers() {
    within(|| {
        let topics = Topics::new();
        let none = format!("{topics:?}");
        let topic = topics.topic("a.*").unwrap();
        assert_eq!(format!("{topics:?}"), none);
        let subscription = topic.subscribe(|_: &Message<u32>| ());
        let next = topic.next();
        assert!(format!("{topics:?}").contains('1'));
        topics.publish("a.b", 1).unwrap();
        assert_eq!(**next.wait().unwrap(), 1);
        subscription.unsubscribe();
        assert_eq!(format!("{topics:?}"), none);
        // The last handle ends those that are there, and those that come later.
        let receiver = topic.receiver(1, Overflow::Block);
        drop(topics);
        assert_eq!(receiver.count(), 0);
        assert!(topic.next().wait().is_err());
        assert!(topic.is_closed());
    });
}
