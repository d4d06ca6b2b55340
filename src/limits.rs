//! The numbers that may be tuned, each with its unit and the reason for its value.
//!
//! Where a model needs another value, the constant has it: a model has few jobs and steps.

use crate::sync::Duration;

// pool/worker.rs

/// Searches by a worker without work before it sleeps, with a pause before each: about twenty
/// microseconds in all. One is enough for a model checker.
pub(crate) const SEARCH_ROUNDS: u32 = if cfg!(shuttle) { 1 } else { 12 };
pub(crate) const SPINS_PER_ROUND: u32 = if cfg!(shuttle) { 1 } else { 32 };

// pool/queue/injector.rs

/// Jobs that one worker takes at once; the others can steal them from its local queue.
pub(crate) const INJECTOR_BATCH: usize = 64;

// pool/queue/jobs.rs

/// Places that an empty queue keeps.
pub(crate) const QUEUE_KEPT: usize = 1024;
/// Jobs in a queue from which on a push sweeps for spent ones. In a model every push onto another
/// job sweeps.
pub(crate) const SWEEP_FROM: usize = if cfg!(any(loom, shuttle)) { 1 } else { 64 };
/// How far from each end a waiting worker looks for the job that it waits for: as many siblings as
/// a task commonly spawns before it waits.
pub(crate) const UNPUSH_WINDOW: usize = 8;

// pool/monitor/mod.rs

/// The time between two ticks of the monitor while there is a backlog.
pub(crate) const MONITOR_TICK: Duration = Duration::from_millis(1);
/// The same while the monitor can do nothing: the pool is as large as it may be.
pub(crate) const MONITOR_LONG_TICK: Duration = Duration::from_millis(16);
/// Ticks without a backlog before the monitor sleeps, and ticks without effect before they become
/// rarer.
pub(crate) const MONITOR_IDLE_TICKS: u32 = 20;

// pool/monitor/sampler.rs

/// Upper bounds per tick: workers queried; already blocked workers queried again; workers queried
/// only because jobs wait in their local queue.
pub(crate) const MAX_QUERIES: usize = 64;
pub(crate) const MAX_RECHECKS: usize = 8;

// pool/monitor/policy.rs

/// The first growth. Each of the next is twice as large, while the shortage lasts.
pub(crate) const FIRST_STEP: usize = 2;
/// Looks in a row that must find a shortage while some thread of the process runs, before the first
/// growth, and before each of the next.
pub(crate) const FIRST_STEP_SAMPLES: u32 = 16;
pub(crate) const NEXT_STEP_SAMPLES: u32 = 4;
/// The number of ticks for which a flood of short jobs is remembered. A shortage during a flood is
/// probably none: while some thread runs, it adds at most `FIRST_STEP` workers beyond the cores.
pub(crate) const FLOOD_SAMPLES: u32 = 40;
/// Looks in a row without a shortage after which the next one begins small again. The threads of
/// the last growth need a few to be found blocked.
pub(crate) const RESET_SAMPLES: u32 = 8;
/// For systems without thread states, while no processor is idle: the time without a job start
/// after which workers are added. `STALL` applies to the first step, `STANDSTILL` to the later
/// ones, which add one worker, then two, four, and so on. They are for jobs that wait for a queued
/// job while other processes keep all processors busy.
pub(crate) const STALL: Duration = Duration::from_millis(10);
pub(crate) const STANDSTILL: Duration = Duration::from_secs(5);

// pool/monitor/probe.rs

/// The time for which the probe must run without interruption. A scheduler favours a thread that
/// has slept, and may let it run for two or three milliseconds on a busy machine.
pub(crate) const PROBE_TIME: Duration = Duration::from_millis(3);
/// What counts as being kept from running: less than any system's time slice, and more than an
/// interrupt takes.
pub(crate) const PROBE_GAP: Duration = Duration::from_micros(500);
/// Ticks between two probes, doubled each time that no processor is idle, up to the second number.
/// A probe on a busy machine takes time from threads that compute.
pub(crate) const PROBE_FIRST_PAUSE: u32 = 2;
pub(crate) const PROBE_LAST_PAUSE: u32 = 64;
/// Probes in a row that must find an idle processor where one alone would prove too little.
pub(crate) const PROBE_PROOF: u32 = 2;

// pool/monitor/history.rs

/// A worker that starts more jobs than this between two samples is not blocked.
pub(crate) const MAX_STARTS_WHILE_BLOCKED: u64 = 4;
/// Looks in a row that must find a worker asleep.
pub(crate) const BLOCKED_SAMPLES: u32 = 2;
/// How long a worker must have been asleep, in nanoseconds, before the jobs in its local queue are
/// taken first. Before that most queues are empty, and a free worker takes the jobs anyway.
pub(crate) const STUCK_NANOS: u64 = 20_000_000;

// pool/counts.rs

/// How long no thread is asked for after the system refused one.
pub(crate) const REFUSAL_PAUSE: Duration = Duration::from_millis(10);
/// For how long the system must have refused threads before a `wait` that needs one fails.
pub(crate) const REFUSAL_GRACE: Duration = Duration::from_secs(1);

// pool/stack.rs

/// The divisor of the stack size beyond which no further task runs on a stack.
///
/// A task may need as much stack as a pool's thread has, and its need is unknown. With a quarter in
/// use at the most, a task finds at least three quarters of the stack size, whether it runs inside
/// a wait or on a new thread. Half would double the number of nested waits that one thread carries,
/// and halve what a task may rely on.
pub(crate) const STACK_SHARE: usize = 4;

// dispatch.rs

/// Subscribers that a worker runs in one dispatch before it checks whether other jobs wait. If so,
/// the rest is handed off, so that a long chain cannot keep a worker from them. A user's thread has
/// no other jobs: it runs what it has settled. Small in a model, so that it is used up.
pub(crate) const DISPATCH_BUDGET: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 1024 };
/// Places that an empty list keeps.
pub(crate) const DISPATCH_KEPT: usize = 64;

// cancel/children.rs

/// Dead entries that a list of any length may keep.
pub(crate) const CHILDREN_KEPT: usize = 16;

// drop_queue.rs

/// The number of drops that may nest; deeper ones wait until the outermost is done.
pub(crate) const MAX_DROP_DEPTH: u32 = 64;

// nesting.rs

/// The greatest number of such calls on one stack. A job may run a loop, whose jobs may run it
/// again; an executor may run its jobs inside the call, and their callbacks may call that executor
/// again.
pub(crate) const MAX_NESTED_CALLS: u32 = 64;
/// The stack in bytes that they may use together: the frames between them are user code. On a
/// thread of a pool also at most `1 / STACK_SHARE` of what is left of its stack.
pub(crate) const MAX_NESTED_BYTES: usize = 256 << 10;

// topic/wait.rs

/// How often a receiver without a value, or a publisher without room, yields before it sleeps.
pub(crate) const TURNS_OF_OTHERS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 4 };

// event/emitter.rs

/// The time between two progresses that are told: a reader sees no more than twenty a second.
pub(crate) const PROGRESS_PAUSE: Duration = Duration::from_millis(50);

// listen/mod.rs

/// Events that wait for a listener: a minute of progress, or the last thousand messages.
pub(crate) const EVENTS_KEPT: usize = 1024;

// flow/runners.rs

/// How long a runner serves elements before other jobs of its pool get their turn.
pub(crate) const RUNNER_SLICE: Duration = Duration::from_millis(1);
/// How many runners may wait in the queue of the pool, or look for an element, beside those that
/// call a closure. Some, so that the pool grows by more than one thread when closures block.
pub(crate) const SPARE_RUNNERS: usize = 4;
/// Looks while another runner pulls an element, with a pause after each: a few microseconds in all.
pub(crate) const RUNNER_LOOKS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 16 };
pub(crate) const RUNNER_PAUSE: u32 = 16;

// task/owed.rs

/// A wait that has lasted so long, in a program with loops, looks whether its own thread is to run
/// the loop that it waits for.
pub(crate) const OWED_AFTER: Duration = Duration::from_secs(1);
