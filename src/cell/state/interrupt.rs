//! What interrupts a driver: a cancel that is left to it, or the raise of a token.

use super::{Phase, State};
use crate::cancel::Membership;
use crate::cell::step::Step;
use crate::cell::steps::Steps;
use crate::error::TaskError;

/// A cancel that came while observers had their turn, or were about to: their driver carries it
/// out, so that they see the outcome that they subscribed to, and do not run beside each other.
pub(crate) struct DeferredCancel {
    /// The epoch of the driver it is left to: others, whom an earlier cancel has superseded, may
    /// come by.
    pub(crate) driver: u32,
    /// These still see the outcome in the driver's hands.
    pub(crate) before: Steps,
    /// These are told of the cancel.
    pub(crate) steps: Steps,
    pub(crate) held: Option<Box<dyn Step>>,
    pub(crate) error: TaskError,
}

/// The raise of a token that came while links were running: their driver fails the task.
pub(super) struct Due {
    error: TaskError,
    /// Observers were running, or next: they see the outcome that they subscribed to.
    spares_observers: bool,
}

impl State {
    /// The failure says that the task was cancelled, and that was asked for: at this task, or at
    /// one whose outcome it has taken over. A cancelled failure that the task's own code has
    /// received elsewhere and passed on is a failure like others.
    pub(crate) fn was_asked_for(&self, error: &TaskError) -> bool {
        error.is_cancelled() && (self.called_off || !error.is_passed_on())
    }

    /// Puts the task under tokens. Gives back what it was under.
    pub(crate) fn enlist(&mut self, membership: Box<Membership>) -> Option<Box<Membership>> {
        let rare = self.rare.get_or_insert_default();
        rare.membership.replace(membership)
    }

    pub(crate) fn membership(&mut self) -> Option<&mut Membership> {
        self.rare.as_mut()?.membership.as_deref_mut()
    }

    /// Leaves the raise of a token to the driver. Gives back what another raise has left.
    pub(crate) fn fail_later(&mut self, error: TaskError) -> Option<TaskError> {
        let spares_observers = match self.phase {
            Phase::Driving => self.observing,
            _ => self.steps.begins_with_observer(),
        };
        let due = Due {
            error,
            spares_observers,
        };
        let before = self.rare.get_or_insert_default().due.replace(due);
        before.map(|before| before.error)
    }

    /// Another cancel comes before it.
    pub(crate) fn clear_due(&mut self) -> Option<TaskError> {
        let due = self.rare.as_mut()?.due.take()?;
        Some(due.error)
    }

    /// What the driver fails the task with now.
    pub(crate) fn take_due(&mut self) -> Option<TaskError> {
        let observer_is_next = self.steps.begins_with_observer();
        let due = &mut self.rare.as_mut()?.due;
        let due = due.take_if(|due| !(due.spares_observers && observer_is_next))?;
        self.cancelled = true;
        self.called_off = true;
        Some(due.error)
    }

    /// A cancel or the raise of a token is left to the driver.
    #[inline]
    pub(crate) fn is_interrupted(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.deferred_cancel.is_some() || rare.due.is_some())
    }

    pub(crate) fn has_deferred_cancel(&self) -> bool {
        self.deferred_cancel_driver().is_some()
    }

    /// The driver to whom a cancel is left already.
    pub(crate) fn deferred_cancel_driver(&self) -> Option<u32> {
        let deferred_cancel = self.rare.as_ref()?.deferred_cancel.as_ref()?;
        Some(deferred_cancel.driver)
    }

    /// Leaves a cancel to the driver. One that was left to it before is carried out with it, so
    /// that nobody loses his turn. Gives back what that one held.
    pub(crate) fn defer_cancel(
        &mut self,
        mut deferred_cancel: DeferredCancel,
    ) -> Option<Box<dyn Step>> {
        let place = &mut self.rare.get_or_insert_default().deferred_cancel;
        let before = place.take();
        let replaced = before.and_then(|mut before| {
            before.steps.append(deferred_cancel.before.take());
            before.steps.append(deferred_cancel.steps.take());
            (deferred_cancel.before, deferred_cancel.steps) = (before.before, before.steps);
            before.held
        });
        *place = Some(deferred_cancel);
        replaced
    }

    /// What is left to the driver with this epoch.
    pub(crate) fn deferred_cancel(&mut self, driver: u32) -> Option<&mut DeferredCancel> {
        let deferred_cancel = self.rare.as_mut()?.deferred_cancel.as_mut()?;
        (deferred_cancel.driver == driver).then_some(deferred_cancel)
    }

    /// What the driver with this epoch is to carry out.
    pub(crate) fn take_deferred_cancel(&mut self, driver: u32) -> Option<DeferredCancel> {
        let deferred_cancel = &mut self.rare.as_mut()?.deferred_cancel;
        deferred_cancel.take_if(|deferred_cancel| deferred_cancel.driver == driver)
    }

    /// Whoever comes next to drive a task in `HandedOff` has this epoch.
    pub(crate) fn pass_deferred_cancel_to(&mut self, driver: u32) {
        if let Some(deferred_cancel) = self
            .rare
            .as_mut()
            .and_then(|rare| rare.deferred_cancel.as_mut())
        {
            deferred_cancel.driver = driver;
        }
    }
}
