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
            let mut above = Vec::new();
            let is_tail;
            if let Some(cell) = upstream.clone().cell() {
                let edges = self.edges(&cell, tail, trail);
                is_tail = edges.is_tail;
                above.extend(edges.upstream);
                above.extend(edges.awaited.map(|awaited| awaited as Arc<dyn Upstream>));
                trail.keep(cell);
            } else {
                if !upstream.needs_all() {
                    upstream.mark_at_risk();
                }
                upstream.above(&mut above);
                is_tail = self.is_left_to(tail, &*upstream, trail, &mut above);
            }
            let needs = match above.len() {
                0 => 0,
                _ if !upstream.needs_all() => 1,
                all => all,
            };
            trail.keep(upstream);
            if is_tail {
                // It waits for a task that cannot proceed.
                graph.places[number].needs = usize::MAX;
                above.drain(..).for_each(|upstream| trail.keep(upstream));
                continue;
            }
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
        while let Some(number) = going_on.pop() {
            for waits in std::mem::take(&mut graph.places[number].waits) {
                let place = &mut graph.places[waits];
                if place.needs == usize::MAX || place.needs == 0 {
                    continue;
                }
                place.needs -= 1;
                if place.needs == 0 {
                    going_on.push(waits);
                }
            }
        }
        graph.places[first].needs > 0
    }
}
