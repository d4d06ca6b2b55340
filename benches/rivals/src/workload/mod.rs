//! The workloads: one question a file.

mod adopt;
mod all;
mod cancel;
mod chain;
mod fanin;
mod fanout;
mod forkjoin;
mod late;
mod mix;
mod mix_room;
mod observed;
mod producers;
mod producers8;
mod roundtrip;
mod roundtrip_worker;
mod spawn_join;

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
    &observed::OBSERVED,
    &observed::CHAIN,
    &observed::UNHANDLED,
];

/// Short rounds are repeated until they have done this many operations.
const FILL: usize = 10_000;
