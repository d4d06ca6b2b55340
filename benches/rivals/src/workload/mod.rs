//! The workloads: one question a file.

mod adopt;
mod all;
mod cancel;
mod chain;
mod fanin;
mod fanout;
mod forkjoin;
mod group;
mod late;
mod map_limit;
mod mix;
mod mix_room;
mod next_cancel;
mod observed;
mod producers;
mod producers8;
mod publish;
mod pubsub;
mod queue;
mod race;
mod retry;
mod roundtrip;
mod roundtrip_worker;
mod spawn_join;
mod subjects;
mod timer_cancel;
mod timer_fire;
mod timer_late;

use crate::contest::Workload;

/// In the order of the reports.
pub(crate) const ALL: &[&Workload] = &[
    &spawn_join::WORKLOAD,
    &producers8::WORKLOAD,
    &roundtrip::WORKLOAD,
    &roundtrip_worker::WORKLOAD,
    &chain::WORKLOAD,
    &late::WORKLOAD,
    &adopt::WORKLOAD,
    &fanout::WORKLOAD,
    &fanin::WORKLOAD,
    &all::WORKLOAD,
    &forkjoin::WORKLOAD,
    &mix::WORKLOAD,
    &mix_room::WORKLOAD,
    &cancel::WORKLOAD,
    &producers::WORKLOAD,
    &race::WORKLOAD,
    &map_limit::WORKLOAD,
    &retry::WORKLOAD,
    &timer_cancel::WORKLOAD,
    &timer_fire::WORKLOAD,
    &timer_late::WORKLOAD,
    &group::WORKLOAD,
    &queue::WORKLOAD,
    &publish::WORKLOAD,
    &pubsub::WORKLOAD,
    &next_cancel::WORKLOAD,
    &subjects::WORKLOAD,
    &observed::OBSERVED,
    &observed::CHAIN,
    &observed::UNHANDLED,
];

/// Short rounds are repeated until they have done this many operations.
const FILL: usize = 10_000;
