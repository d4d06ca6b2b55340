//! What interrupts a driver: a deferred cancel, or the raise of a token.

use super::{Phase, State};
use crate::cancel::Membership;
use crate::cell::step::Step;
use crate::cell::steps::Steps;
use crate::error::TaskError;

/// A cancel that arrived while observers were running or next. The driver applies it after them, so
/// that they see the outcome that they subscribed to and never overlap.
pub(crate) struct DeferredCancel {
    /// The epoch of the driver that applies it. Drivers that an earlier cancel has superseded must
    /// not.
    pub(crate) driver: u32,
    /// These steps still see the outcome that the driver holds.
    pub(crate) before: Steps,
    /// These steps are told of the cancel.
    pub(crate) steps: Steps,
    /// Holds the failure for the owner of the handle.
    pub(crate) held: Option<Box<dyn Step>>,
    /// There is a handle, and the slot of the head will hold the failure.
    pub(crate) in_head: bool,
    pub(crate) error: TaskError,
}

/// The raise of a token that arrived while links were running, or the failure of a rejected
/// hand-off. The driver fails the task.
pub(super) struct DeferredFailure {
    error: TaskError,
    /// Observers were running or next. They see the outcome that they subscribed to.
    spares_observers: bool,
}

impl State {
    /// Returns true if `error` is the failure of a cancel that was requested of this task, or of a
    /// task whose outcome it has adopted. A `Cancelled` failure that the task's own code received
    /// elsewhere and returned is an ordinary failure.
    pub(crate) fn was_asked_for(&self, error: &TaskError) -> bool {
        error.is_cancelled() && (self.called_off || !error.is_passed_on())
    }

    /// Puts the task under tokens. Returns its previous membership.
    pub(crate) fn enlist(&mut self, membership: Box<Membership>) -> Option<Box<Membership>> {
        let rare = self.rare.get_or_insert_default();
        rare.membership.replace(membership)
    }

    pub(crate) fn membership(&mut self) -> Option<&mut Membership> {
        self.rare.as_mut()?.membership.as_deref_mut()
    }

    /// Leaves the raise of a token to the driver. Returns the failure of an earlier raise.
    pub(crate) fn fail_later(&mut self, error: TaskError) -> Option<TaskError> {
        let spares_observers = match self.phase {
            Phase::Driving => self.observing,
            _ => self.steps.begins_with_observer(),
        };
        let deferred = DeferredFailure {
            error,
            spares_observers,
        };
        let rare = self.rare.get_or_insert_default();
        let before = rare.deferred_failure.replace(deferred);
        before.map(|before| before.error)
    }

    /// The waiting steps were rejected where they were sent: the next driver fails the task before
    /// any of them, unless a token was raised before.
    pub(crate) fn reject_later(&mut self, error: TaskError) {
        let rare = self.rare.get_or_insert_default();
        rare.deferred_failure.get_or_insert(DeferredFailure {
            error,
            spares_observers: false,
        });
    }

    /// Another cancel has precedence. Returns the failure of the raise.
    pub(crate) fn clear_deferred_failure(&mut self) -> Option<TaskError> {
        let deferred = self.rare.as_mut()?.deferred_failure.take()?;
        Some(deferred.error)
    }

    /// Returns the failure that the driver applies now.
    pub(crate) fn take_deferred_failure(&mut self) -> Option<TaskError> {
        let observer_is_next = self.steps.begins_with_observer();
        let deferred = &mut self.rare.as_mut()?.deferred_failure;
        let deferred =
            deferred.take_if(|failure| !(failure.spares_observers && observer_is_next))?;
        if deferred.error.is_cancelled() {
            self.cancelled = true;
            self.called_off = true;
        }
        Some(deferred.error)
    }

    /// Returns true if a cancel or the raise of a token is left to the driver.
    #[inline]
    pub(crate) fn is_interrupted(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.deferred_cancel.is_some() || rare.deferred_failure.is_some())
    }

    pub(crate) fn has_deferred_cancel(&self) -> bool {
        self.deferred_cancel_driver().is_some()
    }

    /// Returns the epoch of the driver that applies the deferred cancel.
    pub(crate) fn deferred_cancel_driver(&self) -> Option<u32> {
        let deferred_cancel = self.rare.as_ref()?.deferred_cancel.as_ref()?;
        Some(deferred_cancel.driver)
    }

    /// Defers a cancel to the driver and merges one deferred earlier, so that no step is lost.
    /// Returns the placeholder step of the earlier one.
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

    /// Returns the cancel that is deferred to the driver with this epoch.
    pub(crate) fn deferred_cancel(&mut self, driver: u32) -> Option<&mut DeferredCancel> {
        let deferred_cancel = self.rare.as_mut()?.deferred_cancel.as_mut()?;
        (deferred_cancel.driver == driver).then_some(deferred_cancel)
    }

    /// Takes the cancel that is deferred to the driver with this epoch.
    pub(crate) fn take_deferred_cancel(&mut self, driver: u32) -> Option<DeferredCancel> {
        let deferred_cancel = &mut self.rare.as_mut()?.deferred_cancel;
        deferred_cancel.take_if(|deferred_cancel| deferred_cancel.driver == driver)
    }
}
