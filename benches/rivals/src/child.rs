//! The parent's hold on a contestant's process: what it is asked for, and what becomes of one that
//! dies or hangs.
//!
//! Every contestant has its own process, because the heap belongs to the process: memory that the
//! tasks of one contestant free, on other threads and in another order, would slow the allocations
//! of the others.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::contest::{Contestant, Program, Workload};
use crate::foreign::Tools;
use crate::heap::Heap;
use crate::peer;

/// Far above what any round takes, on any machine one would measure on: who needs longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// The `blocking` crate takes its limit from the environment alone, and reads it once.
const BLOCKING_LIMIT: &str = "BLOCKING_MAX_THREADS";

/// A contestant in its own process, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    requests: ChildStdin,
    answers: Receiver<String>,
    limit: Duration,
}

impl Child {
    /// Starts a contestant's program: this one again, or that of another language.
    pub(crate) fn start(
        workload: &Workload,
        contestant: &Contestant,
        heap: &Heap,
        tools: &Tools,
    ) -> Result<Self, String> {
        let name = format!("{}: {}", workload.name, contestant.name);
        let mut command = match contestant.program {
            Program::Own(_) => {
                let program = std::env::current_exe().map_err(|why| format!("{name}: {why}"))?;
                let mut command = Command::new(program);
                command.args(["--serve", workload.name, contestant.name]);
                command
            }
            Program::Foreign(language) => tools.command(language, workload.name),
        };
        if contestant.as_it_comes {
            command.env_remove(BLOCKING_LIMIT);
        } else {
            command.env(BLOCKING_LIMIT, peer::MANY.to_string());
        }
        command.envs(heap.environment());
        Self::of(command, name, LIMIT)
    }

    fn of(mut command: Command, name: String, limit: Duration) -> Result<Self, String> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("{name}: could not start: {why}"))?;
        let requests = process.stdin.take().expect("it is piped");
        let output = process.stdout.take().expect("it is piped");
        // A thread that reads, because there is no other way to give up waiting for a line.
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            // Closing the pipe and reaching its end look the same to the reader: no more lines
            // come.
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Ok(Self {
            name,
            process,
            requests,
            answers,
            limit,
        })
    }

    /// How long `runs` runs at size `n` take together.
    pub(crate) fn run(&mut self, n: usize, runs: usize) -> Result<Duration, String> {
        // A process that has died refuses the request or does not answer it: why is found out in
        // one place.
        let _ = writeln!(self.requests, "{n} {runs}");
        match self.answers.recv_timeout(self.limit) {
            Ok(answer) => answer
                .parse()
                .map(Duration::from_nanos)
                .map_err(|_| format!("{} answered `{answer}` at N = {n}", self.name)),
            Err(RecvTimeoutError::Timeout) => Err(format!(
                "{} hangs: no answer at N = {n} for {:?}",
                self.name, self.limit
            )),
            Err(RecvTimeoutError::Disconnected) => {
                let end = match self.process.wait() {
                    Ok(status) => status.to_string(),
                    Err(why) => why.to_string(),
                };
                Err(format!("{} died at N = {n} ({end})", self.name))
            }
        }
    }
}

impl Drop for Child {
    /// Its answers are in, and it has nothing to put away: not asked to end, which it might not do,
    /// but ended.
    fn drop(&mut self) {
        // Either fails only for a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn child(script: &str, limit: Duration) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::of(command, "mix: it".to_owned(), limit).expect("a shell starts")
    }

    #[test]
    fn answers_are_nanoseconds_and_come_one_by_one() {
        let mut child = child("while read n runs; do echo $((n * runs)); done", LIMIT);
        assert_eq!(child.run(500, 3), Ok(Duration::from_nanos(1_500)));
        assert_eq!(child.run(7, 1), Ok(Duration::from_nanos(7)));
    }

    #[test]
    fn one_that_dies_is_named_with_its_end() {
        let why = child("read request; exit 3", LIMIT).run(10, 1);
        let why = why.expect_err("it has died");
        assert!(why.starts_with("mix: it died at N = 10"), "{why}");
        assert!(why.contains('3'), "{why}");
    }

    #[test]
    fn one_that_hangs_is_named() {
        let why = child("exec sleep 60", Duration::from_millis(20)).run(10, 1);
        let why = why.expect_err("it hangs");
        assert!(why.starts_with("mix: it hangs"), "{why}");
    }

    #[test]
    fn an_answer_that_is_no_number_is_an_error() {
        let why = child("read request; echo soon", LIMIT).run(10, 1);
        assert_eq!(why, Err("mix: it answered `soon` at N = 10".to_owned()));
    }
}
