//! The calls that the tests and the program `fleet` share.

use fast_async_remote::Call;

/// Which run gave an outcome: the worker and the number of the attempt. It differs from run to run.
pub(crate) type Run = (String, u32);

/// Returns what it is given, and which run it was.
pub(crate) const ECHO: Call<u64, (u64, Run)> = Call::new("echo-v1");

/// Returns the first number, and which run it was, after so many milliseconds.
pub(crate) const NAP: Call<(u64, u64), (u64, Run)> = Call::new("nap-v1");

/// Waits until the program reads the line `open`, or until its token is raised, and says so.
pub(crate) const GATE: Call<u64, Run> = Call::new("gate-v1");

/// Takes so many milliseconds, in which it keeps every thread of the pool busy and blocked.
pub(crate) const BURN: Call<u64, Run> = Call::new("burn-v1");

/// Kills its process.
pub(crate) const ABORT: Call<(), ()> = Call::new("abort-v1");

/// Fails, with an error that has a source.
pub(crate) const FAIL: Call<(), ()> = Call::new("fail-v1");

/// Panics.
pub(crate) const PANIC: Call<(), ()> = Call::new("panic-v1");

/// Runs until its token is raised.
pub(crate) const ENDLESS: Call<(), ()> = Call::new("endless-v1");
