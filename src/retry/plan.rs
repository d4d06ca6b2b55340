//! The state of a retry, without the type of its closure, and its decision after a failure.

use std::panic::Location;

use super::{Attempt, Retry};
use crate::error::{At, TaskError};
use crate::guard;
use crate::pool::Pool;
use crate::sync::{Duration, Instant};
use crate::task::TaskContext;
use crate::time::time_of;

/// A retry under way, but for its closure.
pub(super) struct Plan {
    pub(super) policy: Retry,
    /// The last call; its number is 0 before the first. Both of its contexts are the whole's.
    pub(super) attempt: Attempt,
    pub(super) pool: Option<Pool>,
    pub(super) location: &'static Location<'static>,
    /// No pause may end after it.
    pub(super) end: Option<Instant>,
}

impl Plan {
    pub(super) fn new(
        policy: Retry,
        context: &TaskContext,
        pool: Option<Pool>,
        location: &'static Location<'static>,
        end: Option<Instant>,
    ) -> Plan {
        if let Some(budget) = &policy.budget {
            budget.deposit();
        }
        let attempt = Attempt {
            number: 0,
            most: policy.attempts,
            context: context.clone(),
            whole: context.clone(),
        };
        Plan {
            policy,
            attempt,
            pool,
            location,
            end,
        }
    }

    /// Returns the pause before the next call, or the failure of the whole.
    pub(super) fn pause(&mut self, error: TaskError) -> Result<(Duration, TaskError), TaskError> {
        if error.is_cancelled() || self.attempt.is_cancelled() {
            return Err(self.give_up(error));
        }
        let pause = match guard::catch(|| self.policy.pause(&error, &self.attempt)) {
            Ok(pause) => pause,
            Err(payload) => {
                let at = At {
                    location: self.location,
                    task: None,
                };
                return Err(self.give_up(TaskError::panicked(payload, at)));
            }
        };
        match pause.filter(|pause| self.may_pause(*pause)) {
            Some(pause) => {
                let attempt = &self.attempt;
                attempt.whole.retrying(attempt.number, &error, pause);
                Ok((pause, error))
            }
            None => Err(self.give_up(error)),
        }
    }

    /// A pause of this length ends, and does so in time, and the budget has a retry left.
    fn may_pause(&self, pause: Duration) -> bool {
        let end = match (pause.is_zero(), self.end) {
            (true, None) => None,
            _ => match time_of(self.pool.as_ref()).deadline_after(pause) {
                None => return false,
                deadline => deadline,
            },
        };
        if let (Some(end), Some(most)) = (end, self.end)
            && end > most
        {
            return false;
        }
        let budget = self.policy.budget.as_ref();
        budget.is_none_or(|budget| budget.withdraw())
    }

    /// The failure of the whole.
    pub(super) fn give_up(&self, error: TaskError) -> TaskError {
        let error = error.passed_on();
        error.set_attempts(self.attempt.number);
        error
    }
}
