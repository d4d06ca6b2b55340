//! What is done after a change, without a lock, in which order.

use super::buffer::Effect;
use super::hub::Hub;
use super::round;
use crate::sync::Arc;
use crate::unhandled;

/// What follows when all effects are carried out.
#[derive(Clone, Copy)]
pub(super) enum Rest {
    Nothing,
    /// To deliver what is queued.
    Deliver,
    /// The same, at the end of the topic.
    End,
}

/// What is done in turn.
pub(super) enum Piece<T: Send + Sync + 'static> {
    Effect(Effect<T>),
    Rest(Arc<Hub<T>>, Rest),
}

impl<T: Send + Sync + 'static> Piece<T> {
    pub(super) fn carry_out(self) {
        match self {
            Piece::Effect(effect) => effect.carry_out(),
            Piece::Rest(hub, rest) => {
                hub.finish(rest);
                unhandled::drop_reporting(hub);
            }
        }
    }
}

impl<T: Send + Sync + 'static> Effect<T> {
    /// It runs no user code.
    pub(super) fn is_ours(&self) -> bool {
        !self.is_foreign() && !matches!(self, Effect::Drop(_))
    }

    /// It calls user code.
    pub(super) fn is_foreign(&self) -> bool {
        match self {
            Effect::Wake(reader) => reader.is_foreign(),
            Effect::Round(buffer) => !buffer.executor.as_ref().is_some_and(|it| it.has_threads()),
            Effect::Drop(_) => false,
        }
    }

    pub(super) fn carry_out(self) {
        match self {
            Effect::Wake(reader) => reader.wake(),
            Effect::Round(buffer) => round::schedule(buffer),
            Effect::Drop(value) => unhandled::drop_reporting(value),
        }
    }
}
