//! Topics of values that come less often than those of their source: `debounce` and `throttle`.
//!
//! A value that is not passed on at once waits, and a later one takes its place. One thread at a
//! time passes values on, so they come in the order of the source: the thread that delivers the
//! source, or a job of the pool when the time has come.

// Lock: `state` of a pacer. No value is passed on or dropped under it, and no timer is armed or
// cancelled.

use std::panic::Location;

use super::entry::Listener;
use super::handle::Topic;
use super::hub::Hub;
use super::source::{Attached, Source};
use crate::sync::{Arc, Duration, Instant, Mutex, chaos_point};
use crate::time::alarm::{self, Alarm, Rung};
use crate::time::rule::{Moment, Rule};
use crate::time::time_of;
use crate::unhandled;

impl<T: Send + Sync + 'static> Topic<T> {
    /// Returns a topic of the values after which none has come for `wait`.
    ///
    /// Each value waits, and a later one takes its place and waits anew. The one that waits when
    /// this topic ends comes at once, and then the end. The values come on the topic's pool, by its
    /// clock; see [`Pool::topic`](crate::Pool::topic). If no timer can be had, a value comes at
    /// once. What waits is not published yet: [`flush`](Topic::flush) does not wait for it.
    ///
    /// [The module](super) says what holds for all derived topics, and
    /// [`Debounce`](crate::time::Debounce) does the same for calls.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    /// use fast_async::topic::Overflow;
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let typed = pool.topic();
    /// let searched = typed.debounce(Duration::from_millis(300)).receiver(8, Overflow::Block);
    /// for text in ["f", "fa", "fast"] {
    ///     typed.publish(text)?;
    ///     clock.advance(Duration::from_millis(100));
    /// }
    /// clock.advance(Duration::from_millis(300));
    /// typed.publish("fast-async")?;
    /// typed.close();
    /// assert_eq!(searched.map(|text| *text).collect::<Vec<_>>(), ["fast", "fast-async"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn debounce(&self, wait: Duration) -> Topic<T> {
        pace(self.hub(), move || Rule::debounce(wait))
    }

    /// Returns a topic of at most one value in a `period`: the first at once, and of the following
    /// ones the last, at the end of the period.
    ///
    /// The first comes where this topic delivers it, and later ones on the topic's pool, by its
    /// clock. The last value is never lost: the one that waits when this topic ends comes at once,
    /// and then the end. If no timer can be had, a value comes at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use fast_async::{Clock, Pool};
    /// use fast_async::topic::Overflow;
    ///
    /// let clock = Clock::manual();
    /// let pool = Pool::builder().clock(&clock).build()?;
    /// let percent = pool.topic();
    /// let drawn = percent.throttle(Duration::from_millis(50)).receiver(200, Overflow::Block);
    /// for n in 0..=100 {
    ///     percent.publish(n)?;
    ///     clock.advance(Duration::from_millis(1));
    /// }
    /// percent.close();
    /// assert_eq!(drawn.map(|n| *n).collect::<Vec<_>>(), [0, 49, 99, 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn throttle(&self, period: Duration) -> Topic<T> {
        pace(self.hub(), move || Rule::throttle(period))
    }
}

#[track_caller]
fn pace<T, R>(source: &Arc<Hub<T>>, rule: R) -> Topic<T>
where
    T: Send + Sync + 'static,
    R: Fn() -> Rule + Send + Sync + 'static,
{
    let location = Location::caller();
    let source = source.clone();
    let hub = source.derived();
    let me = hub.me();
    hub.set_source(Source::new(move |attached: &mut Attached| {
        if let Some(to) = me.upgrade() {
            let pacer = Pacer::new(to, rule(), location);
            source.attach(Box::new(Paced(pacer)), attached);
        }
    }));
    Topic::of_hub(hub)
}

/// The entry of a pacer in the list of the source. Its drop ends the pacer.
struct Paced<T: Send + Sync + 'static>(Arc<Pacer<T>>);

impl<T: Send + Sync + 'static> Listener<T> for Paced<T> {
    fn hear(&mut self, value: &Arc<T>) -> bool {
        self.0.take(value.clone());
        true
    }

    fn end(self: Box<Self>) {
        self.0.end();
    }
}

impl<T: Send + Sync + 'static> Drop for Paced<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Passes on the values of a source at its pace.
struct Pacer<T: Send + Sync + 'static> {
    to: Arc<Hub<T>>,
    location: &'static Location<'static>,
    state: Mutex<State<T>>,
}

struct State<T> {
    rule: Rule,
    /// The value whose time is to come.
    waiting: Option<Waiting<T>>,
    /// A value whose time came while another one was passed on.
    due: Option<Arc<T>>,
    /// A thread passes a value on. It looks here for the next one, and for the end, before it
    /// leaves.
    is_passing: bool,
    /// Until then a value belongs to the earlier ones.
    quiet: Moment,
    alarm: Alarm,
    /// The source has ended.
    has_ended: bool,
}

struct Waiting<T> {
    value: Arc<T>,
    /// When the first of the values came whose place it has taken.
    since: Instant,
    due: Moment,
}

/// What is to be done without the lock.
#[must_use = "a value would be lost"]
struct Effects<T> {
    next: Next<T>,
    /// The alarm is to be armed for then; its number.
    arm: Option<(Instant, u64)>,
    /// Values that later ones have replaced.
    replaced: [Option<Arc<T>>; 2],
}

/// What the thread that has changed the state is to do.
enum Next<T> {
    /// It is the one that passes values on.
    Pass(Arc<T>),
    Close,
    Nothing,
}

impl<T: Send + Sync + 'static> Pacer<T> {
    fn new(to: Arc<Hub<T>>, rule: Rule, location: &'static Location<'static>) -> Arc<Pacer<T>> {
        Arc::new(Pacer {
            to,
            location,
            state: Mutex::new(State {
                rule,
                waiting: None,
                due: None,
                is_passing: false,
                quiet: Moment::Past,
                alarm: Alarm::default(),
                has_ended: false,
            }),
        })
    }

    fn now(&self) -> Instant {
        time_of(self.to.pool()).now()
    }

    /// The source has this value.
    fn take(self: &Arc<Self>, value: Arc<T>) {
        let now = self.now();
        let effects = {
            let mut state = self.state.lock();
            // What is due by now comes before it.
            let before = state.take_due(now);
            let replaced = state.join(value, now);
            state.go_on([before, replaced])
        };
        self.carry_out(effects);
    }

    /// The alarm rings.
    fn rung(self: &Arc<Self>, number: u64, how: Rung) {
        let now = self.now();
        let (own, effects) = {
            let mut state = self.state.lock();
            if !state.alarm.is_current(number) {
                return;
            }
            // It is this very task, which ends.
            let own = state.alarm.take_back();
            let replaced = match how {
                Rung::InTime => state.take_due(now),
                // Too early is better than never.
                Rung::Refused(_) | Rung::Cancelled => state.take_waiting(now),
            };
            (own, state.go_on([replaced, None]))
        };
        drop(own);
        self.carry_out(effects);
    }

    /// The source has ended: what waits is the last value.
    fn end(self: &Arc<Self>) {
        let now = self.now();
        let (timer, effects) = {
            let mut state = self.state.lock();
            state.has_ended = true;
            let replaced = state.take_waiting(now);
            let timer = state.alarm.take_back();
            (timer, state.go_on([replaced, None]))
        };
        alarm::cancel(timer);
        self.carry_out(effects);
    }

    /// The last subscriber has left: what waits is dropped.
    fn leave(&self) {
        let (timer, left) = {
            let mut state = self.state.lock();
            if state.has_ended {
                return;
            }
            let waiting = state.waiting.take().map(|waiting| waiting.value);
            (state.alarm.take_back(), [waiting, state.due.take()])
        };
        alarm::cancel(timer);
        unhandled::drop_each(left);
    }

    fn carry_out(self: &Arc<Self>, effects: Effects<T>) {
        if let Some((due, number)) = effects.arm {
            let own = self.clone();
            let ring = move |how| own.rung(number, how);
            let task = alarm::ring_at(due, self.to.pool().cloned(), self.location, ring);
            if let Some(task) = task {
                let unneeded = self.state.lock().alarm.keep(number, task);
                alarm::cancel(unneeded);
            }
        }
        unhandled::drop_each(effects.replaced);
        let mut next = effects.next;
        loop {
            match next {
                Next::Pass(value) => self.to.pass_on(value),
                Next::Close => return self.to.close(),
                Next::Nothing => return,
            };
            chaos_point();
            let mut state = self.state.lock();
            state.is_passing = false;
            next = state.next();
        }
    }
}

impl<T> State<T> {
    /// A value comes. Returns the one that it replaces.
    fn join(&mut self, value: Arc<T>, now: Instant) -> Option<Arc<T>> {
        let is_first = self.quiet.is_over(now);
        if let Some(quiet) = self.rule.quiet_after_call(is_first, now) {
            self.quiet = quiet;
        }
        if is_first && self.rule.leading {
            return self.due.replace(value);
        }
        let since = self.waiting.as_ref().map_or(now, |waiting| waiting.since);
        let due = self.rule.due(since, now, self.quiet);
        let before = self.waiting.replace(Waiting { value, since, due });
        before.map(|waiting| waiting.value)
    }

    /// If the value that waits is due by now, passes it on next; returns the one that it replaces.
    fn take_due(&mut self, now: Instant) -> Option<Arc<T>> {
        let waiting = self.waiting.as_ref();
        match waiting.is_some_and(|waiting| waiting.due.is_over(now)) {
            true => self.take_waiting(now),
            false => None,
        }
    }

    /// The same for a value that is not due yet.
    fn take_waiting(&mut self, now: Instant) -> Option<Arc<T>> {
        let waiting = self.waiting.take()?;
        if let Some(quiet) = self.rule.quiet_after_run(now) {
            self.quiet = quiet;
        }
        self.due.replace(waiting.value)
    }

    /// What is to be done after a change.
    fn go_on(&mut self, replaced: [Option<Arc<T>>; 2]) -> Effects<T> {
        let arm = match self.waiting.as_ref().map(|waiting| waiting.due) {
            Some(Moment::At(due)) => self.alarm.set().map(|number| (due, number)),
            _ => None,
        };
        Effects {
            next: self.next(),
            arm,
            replaced,
        }
    }

    fn next(&mut self) -> Next<T> {
        if self.is_passing {
            return Next::Nothing;
        }
        match self.due.take() {
            Some(value) => {
                self.is_passing = true;
                Next::Pass(value)
            }
            None if self.has_ended => Next::Close,
            None => Next::Nothing,
        }
    }
}
