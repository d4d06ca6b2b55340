//! What interrupts a driver: a cancel that is left to it, or the raise of a token.

use super::{Phase, State};
use crate::cancel::Membership;
use crate::cell::step::Step;
use crate::cell::steps::Steps;
use crate::error::TaskError;

/// A cancel that came while observers had their turn, or were about to: their driver carries it out,
/// so that they see the outcome that they subscribed to, and do not run beside each other.
pub(crate) struct Doom {
    /// The epoch of the driver it is left to: others, whom an earlier cancel has superseded, may
    /// come by.
    pub(crate) driver: u32,
    /// These still see the outcome in the driver's hands.
    pub(crate) spared: Steps,
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
    /// The failure says that the task was cancelled, and that was asked for: at this task, or at one
    /// whose outcome it has taken over. A cancelled failure that the task's own code has received
    /// elsewhere and passed on is a failure like others.
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
        rare.is_some_and(|rare| rare.doom.is_some() || rare.due.is_some())
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.doom_driver().is_some()
    }

    /// The driver to whom a cancel is left already.
    pub(crate) fn doom_driver(&self) -> Option<u32> {
        let doom = self.rare.as_ref()?.doom.as_ref()?;
        Some(doom.driver)
    }

    /// Leaves a cancel to the driver. One that was left to it before is carried out with it, so
    /// that nobody loses his turn. Gives back what that one held.
    pub(crate) fn set_doom(&mut self, mut doom: Doom) -> Option<Box<dyn Step>> {
        let place = &mut self.rare.get_or_insert_default().doom;
        let before = place.take();
        let replaced = before.and_then(|mut before| {
            before.steps.append(doom.spared.take());
            before.steps.append(doom.steps.take());
            (doom.spared, doom.steps) = (before.spared, before.steps);
            before.held
        });
        *place = Some(doom);
        replaced
    }

    /// What is left to the driver with this epoch.
    pub(crate) fn doom(&mut self, driver: u32) -> Option<&mut Doom> {
        let doom = self.rare.as_mut()?.doom.as_mut()?;
        (doom.driver == driver).then_some(doom)
    }

    /// What the driver with this epoch is to carry out.
    pub(crate) fn take_doom(&mut self, driver: u32) -> Option<Doom> {
        let doom = &mut self.rare.as_mut()?.doom;
        doom.take_if(|doom| doom.driver == driver)
    }

    /// Whoever comes next to drive a task in `Handed` has this epoch.
    pub(crate) fn leave_doom_to(&mut self, driver: u32) {
        if let Some(doom) = self.rare.as_mut().and_then(|rare| rare.doom.as_mut()) {
            doom.driver = driver;
        }
    }
}
