//! The progress of tasks that combine others, of loops over many elements, and of groups.

use fast_async::combine::some;
use fast_async::group::Group;
use fast_async::{ErrorKind, Resolver, all, all_settled, any, group, map_limit, race};

use super::{
    Gate, Log, Receiver, Task, TaskEvent, deferred, gated, lines, next_lines, pool_of, sending,
    until, within,
};

/// Tasks to settle by hand.
fn pending(count: usize) -> (Vec<Resolver<u32>>, Vec<Task<u32>>) {
    (0..count).map(|_| deferred()).unzip()
}

/// The last progress of a task that is settled, and its end.
fn last_two<T: Send + 'static>(task: &Task<T>, events: Receiver<TaskEvent>) -> [String; 2] {
    let told = lines(events);
    assert!(task.is_settled());
    let [.., progress, end] = &told[..] else {
        panic!("{told:?}");
    };
    [progress.clone(), end.clone()]
}

// Contract: E2
#[test]
fn all_tells_how_many_are_settled() {
    within(|| {
        let (mut resolvers, tasks) = pending(3);
        let whole = all(tasks);
        let early = whole.events();
        resolvers.pop().unwrap().resolve(1).unwrap();
        resolvers.pop().unwrap().resolve(2).unwrap();
        let mut late = whole.events();
        assert_eq!(next_lines(&mut late, 1), ["2 of 3"]);
        resolvers.pop().unwrap().resolve(3).unwrap();
        assert_eq!(last_two(&whole, early), ["3 of 3", "settled"]);
        assert_eq!(lines(late), ["3 of 3", "settled"]);
        assert_eq!(whole.wait().unwrap(), [3, 2, 1]);
    });
}

// Contract: E2
#[test]
fn a_chain_behind_a_combined_task_tells_its_progress_too() {
    within(|| {
        let (resolvers, tasks) = pending(2);
        let sum = all(tasks).then(|values| values.iter().sum::<u32>());
        let events = sum.events();
        for resolver in resolvers {
            resolver.resolve(1).unwrap();
        }
        assert_eq!(last_two(&sum, events), ["2 of 2", "settled"]);
        assert_eq!(sum.wait().unwrap(), 2);
    });
}

// Contract: E2
#[test]
fn the_other_combinators_tell_it_too() {
    within(|| {
        let (mut resolvers, tasks) = pending(3);
        let whole = all_settled(tasks);
        let events = whole.events();
        resolvers.pop().unwrap().reject("no").unwrap();
        resolvers.into_iter().for_each(|it| it.resolve(1).unwrap());
        assert_eq!(last_two(&whole, events), ["3 of 3", "settled"]);
        assert_eq!(whole.wait().unwrap().len(), 3);

        let (mut resolvers, tasks) = pending(3);
        let first = any(tasks);
        let events = first.events();
        resolvers.pop().unwrap().reject("no").unwrap();
        resolvers.pop().unwrap().resolve(1).unwrap();
        assert_eq!(last_two(&first, events), ["2 of 3", "settled"]);
        assert_eq!(first.wait().unwrap(), 1);

        let (mut resolvers, tasks) = pending(3);
        let two = some(2, tasks);
        let events = two.events();
        for value in [1, 2] {
            resolvers.pop().unwrap().resolve(value).unwrap();
        }
        assert_eq!(last_two(&two, events), ["2 of 3", "settled"]);
        assert_eq!(two.wait().unwrap().len(), 2);

        let (mut resolvers, tasks) = pending(2);
        let first = race(tasks);
        let events = first.events();
        resolvers.pop().unwrap().reject("no").unwrap();
        assert_eq!(last_two(&first, events), ["1 of 2", "settled: Failed"]);
        assert!(first.wait().is_err());

        let ((one, left), (other, right)) = (deferred::<u32>(), deferred::<u32>());
        let both = left.zip(right);
        let events = both.events();
        one.resolve(1).unwrap();
        other.resolve(2).unwrap();
        assert_eq!(last_two(&both, events), ["2 of 2", "settled"]);
        assert_eq!(both.wait().unwrap(), (1, 2));
    });
}

// Contract: E2
#[test]
fn a_loop_over_many_tells_how_many_have_an_outcome() {
    within(|| {
        let gate = Gate::new();
        let passes = gate.clone();
        let doubled = map_limit(0..100_u32, 4, move |n| {
            passes.pass();
            Ok(2 * n)
        });
        let events = doubled.events();
        gate.open();
        assert_eq!(last_two(&doubled, events), ["100 of 100", "settled"]);
        assert_eq!(doubled.wait().unwrap().len(), 100);

        // An iterator that does not tell how long it is.
        let (gate, log) = (Gate::new(), Log::new());
        let (passes, own) = (gate.clone(), log.clone());
        let odd = (0..10_u32).filter(|n| n % 2 == 1);
        let odd = map_limit(odd, 1, move |n| {
            own.push(n);
            if n == 9 {
                passes.pass();
            }
            Ok(n)
        });
        until(|| log.len() == 5);
        let mut events = odd.events();
        assert_eq!(next_lines(&mut events, 1), ["4"]);
        gate.open();
        assert_eq!(last_two(&odd, events), ["5 of 5", "settled"]);
        assert_eq!(odd.wait().unwrap(), [1, 3, 5, 7, 9]);
    });
}

// Contract: E2
#[test]
fn a_group_tells_how_many_have_ended() {
    within(|| {
        let (pool, (hear, heard)) = (pool_of(2), sending());
        let mut rest = None;
        let ended = pool.group(|g| {
            let gate = Gate::new();
            let passes = gate.clone();
            g.spawn(move || passes.pass()).detach();
            g.spawn(|| ()).wait().unwrap();
            until(|| format!("{g:?}").contains("running: 1"));
            let mut events = g.events();
            assert_eq!(next_lines(&mut events, 1), ["1 of 2"]);
            g.on_event(hear);
            g.spawn(|| ()).detach();
            rest = Some((events, g.clone()));
            gate.open();
        });
        ended.unwrap();
        let (events, group) = rest.unwrap();
        for told in [lines(events), heard.iter().collect()] {
            assert_eq!(told[told.len() - 2..], ["3 of 3", "settled"]);
        }
        // It has ended: the state as it stands.
        assert_eq!(lines(group.events()), ["3 of 3", "settled"]);
    });
}

// Contract: E2
#[test]
fn a_group_that_fails_tells_that() {
    within(|| {
        let mut events = None;
        let failed = group(|g: &Group| {
            events = Some(g.events());
            g.attempt(|| Err::<(), _>("no".into())).detach();
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Failed);
        let told = lines(events.unwrap());
        assert_eq!(told[told.len() - 2..], ["1 of 1", "settled: Failed"]);
        let mut events = None;
        let failed = group(|g: &Group| -> Result<(), fast_async::BoxError> {
            events = Some(g.events());
            Err("no".into())
        });
        assert!(failed.is_err());
        assert_eq!(lines(events.unwrap()), ["settled: Failed"]);
    });
}

// Contract: E2
#[test]
fn a_task_that_takes_over_another_tells_what_its_own_context_is_given() {
    within(|| {
        let pool = pool_of(2);
        let own = pool.clone();
        let (gate, task) = gated(&pool, move |ctx| {
            let outer = ctx.clone();
            own.spawn_with(move |inner| {
                inner.progress(1, 9);
                outer.progress(1, 2);
                outer.progress(2, 2);
            })
        });
        let task = task.flatten();
        let events = task.events();
        gate.open();
        let told = lines(events);
        assert!(told.ends_with(&["2 of 2".to_owned(), "settled".to_owned()]));
        assert!(!told.contains(&"1 of 9".to_owned()));
        task.wait().unwrap();
    });
}
