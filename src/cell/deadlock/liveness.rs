//! Decides whether a task is stuck when some tasks wait for any one of several others.
//!
//! A path from a task to a task that is about to wait for it is a cycle only if each task on it
//! waits for all of its upstreams. The task of `any` proceeds as soon as one of its inputs does. So
//! the search works from the ends. A task that waits for nothing can proceed. A task that waits for
//! all of several can proceed if all of them can. A task that waits for any of them can proceed if
//! one of them can.

use std::collections::HashMap;

use super::edges::{Tail, Trail};
use super::graph::Graph;
use crate::cell::{AnyCell, Upstream};
use crate::sync::Arc;

/// The needs of a task that waits for one that cannot proceed.
const STUCK: usize = usize::MAX;

/// One task, or one combinator, and its dependents.
#[derive(Default)]
struct Place {
    waits: Vec<usize>,
    /// The number of its upstreams that must proceed before it can.
    needs: usize,
}

#[derive(Default)]
struct Places {
    numbers: HashMap<usize, usize>,
    places: Vec<Place>,
    /// Places that have not been visited.
    fresh: Vec<(usize, Arc<dyn Upstream>)>,
}

impl Places {
    fn number(&mut self, upstream: Arc<dyn Upstream>) -> usize {
        let key = Arc::as_ptr(&upstream).cast::<()>().addr();
        *self.numbers.entry(key).or_insert_with(|| {
            let number = self.places.len();
            self.places.push(Place::default());
            self.fresh.push((number, upstream));
            number
        })
    }

    /// Lets the places in `going_on` proceed, and all that can proceed after them.
    fn proceed(&mut self, mut going_on: Vec<usize>) {
        while let Some(number) = going_on.pop() {
            for waits in std::mem::take(&mut self.places[number].waits) {
                let place = &mut self.places[waits];
                if place.needs == STUCK || place.needs == 0 {
                    continue;
                }
                place.needs -= 1;
                if place.needs == 0 {
                    going_on.push(waits);
                }
            }
        }
    }
}

impl Graph {
    /// Returns true if `head` cannot settle before `tail` proceeds, or before itself.
    pub(super) fn is_stuck(
        &mut self,
        tail: Option<Tail>,
        head: &Arc<dyn AnyCell>,
        trail: &mut Trail,
    ) -> bool {
        let mut graph = Places::default();
        let first = graph.number(head.clone());
        let mut going_on = Vec::new();
        while let Some((number, upstream)) = graph.fresh.pop() {
            let (above, needs) = self.needs_of(upstream, tail, trail);
            graph.places[number].needs = needs;
            if needs == 0 {
                going_on.push(number);
            }
            for upstream in above {
                trail.keep(upstream.clone());
                let place = graph.number(upstream);
                graph.places[place].waits.push(number);
            }
        }
        graph.proceed(going_on);
        graph.places[first].needs > 0
    }

    /// Returns what `upstream` waits for, and how many of these must proceed before it can:
    /// `STUCK` for one that waits for `tail`.
    fn needs_of(
        &mut self,
        upstream: Arc<dyn Upstream>,
        tail: Option<Tail>,
        trail: &mut Trail,
    ) -> (Vec<Arc<dyn Upstream>>, usize) {
        let mut above = Vec::new();
        let is_tail;
        if let Some(cell) = upstream.clone().cell() {
            let edges = self.edges(&cell, tail, trail);
            is_tail = edges.is_tail;
            above.extend(edges.above());
            trail.keep(cell);
        } else {
            if !upstream.needs_all() {
                upstream.mark_at_risk();
            }
            upstream.above(&mut above);
            is_tail = self.is_left_to(tail, &*upstream, trail, &mut above);
        }
        let needs = match above.len() {
            _ if is_tail => STUCK,
            0 => 0,
            _ if !upstream.needs_all() => 1,
            all => all,
        };
        trail.keep(upstream);
        if is_tail {
            above.drain(..).for_each(|upstream| trail.keep(upstream));
        }
        (above, needs)
    }
}
