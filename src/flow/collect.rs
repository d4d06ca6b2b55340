//! What becomes of the outcomes: a list in the order of the elements, or nothing.

use std::convert::Infallible;

use super::control::Collect;
use crate::cell::slot::Outcome;
use crate::error::TaskError;
use crate::unhandled;

/// A list in the order of the elements.
pub(super) struct InOrder<V> {
    /// `None`: the outcome is not in.
    values: Vec<Option<V>>,
}

impl<V> InOrder<V> {
    pub(super) fn new() -> InOrder<V> {
        InOrder { values: Vec::new() }
    }

    fn put(&mut self, index: usize, value: V) {
        if self.values.len() <= index {
            self.values.resize_with(index + 1, || None);
        }
        self.values[index] = Some(value);
    }

    fn take(&mut self) -> impl Iterator<Item = Option<V>> + use<V> {
        std::mem::take(&mut self.values).into_iter()
    }

    fn finish(mut self) -> Vec<V> {
        let values = self.take();
        values
            .map(|value| value.expect("every outcome is in"))
            .collect()
    }
}

impl<V> Drop for InOrder<V> {
    fn drop(&mut self) {
        unhandled::drop_each(self.take());
    }
}

/// All values, or the first failure.
pub(super) struct Values<U>(pub(super) InOrder<U>);

impl<U: Send + 'static> Collect<U> for Values<U> {
    type Output = Vec<U>;
    type Effect = Infallible;

    fn put(&mut self, index: usize, outcome: Outcome<U>) -> Result<Option<Infallible>, TaskError> {
        self.0.put(index, outcome?);
        Ok(None)
    }

    fn act(effect: Infallible) -> usize {
        match effect {}
    }

    fn finish(self) -> Vec<U> {
        self.0.finish()
    }
}

/// All outcomes.
pub(super) struct Outcomes<U>(pub(super) InOrder<Outcome<U>>);

impl<U: Send + 'static> Collect<U> for Outcomes<U> {
    type Output = Vec<Outcome<U>>;
    type Effect = Infallible;

    fn put(&mut self, index: usize, outcome: Outcome<U>) -> Result<Option<Infallible>, TaskError> {
        self.0.put(index, outcome);
        Ok(None)
    }

    fn act(effect: Infallible) -> usize {
        match effect {}
    }

    fn finish(self) -> Vec<Outcome<U>> {
        self.0.finish()
    }
}

/// The values that are there, or the first failure.
pub(super) struct Present<U>(pub(super) InOrder<Option<U>>);

impl<U: Send + 'static> Collect<Option<U>> for Present<U> {
    type Output = Vec<U>;
    type Effect = Infallible;

    fn put(
        &mut self,
        index: usize,
        outcome: Outcome<Option<U>>,
    ) -> Result<Option<Infallible>, TaskError> {
        self.0.put(index, outcome?);
        Ok(None)
    }

    fn act(effect: Infallible) -> usize {
        match effect {}
    }

    fn finish(mut self) -> Vec<U> {
        self.0.take().filter_map(Option::flatten).collect()
    }
}

/// Nothing, or the first failure.
pub(super) struct Nothing;

impl Collect<()> for Nothing {
    type Output = ();
    type Effect = Infallible;

    fn put(&mut self, _: usize, outcome: Outcome<()>) -> Result<Option<Infallible>, TaskError> {
        outcome.map(|()| None)
    }

    fn act(effect: Infallible) -> usize {
        match effect {}
    }

    fn finish(self) {}
}
