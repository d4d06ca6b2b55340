//! The contestant's side: a process that runs each request and answers with the time taken.
//!
//! A request is a line `N RUNS` on standard input; the answer is the nanoseconds of all the runs
//! together, a line on standard output. The end of the input is the end of the process. Between
//! requests it sleeps in `read`.
//!
//! How its heap behaves is set in its environment, by `child`.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use crate::contest::Run;

/// Stack of the thread that runs the workloads, in bytes. Futures boxed in futures recurse: the
/// usual 8 MB end before a chain of 200 000 of them does.
const STACK: usize = 32 << 20;

/// Answers requests until there are no more.
pub(crate) fn serve(run: Run) -> ExitCode {
    let served = std::thread::Builder::new()
        .name("workloads".to_owned())
        .stack_size(STACK)
        .spawn(move || answer(run, io::stdin().lock(), io::stdout().lock()))
        .expect("a thread starts")
        .join();
    match served {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(why)) => {
            eprintln!("rivals: {why}");
            ExitCode::FAILURE
        }
        // It has said why on its way.
        Err(_panic) => ExitCode::FAILURE,
    }
}

fn answer(run: Run, requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    for request in requests.lines() {
        let request = request?;
        let (n, runs) =
            read(&request).ok_or_else(|| io::Error::other(format!("`{request}` is no request")))?;
        let spent: Duration = (0..runs).map(|_| run(n)).sum();
        writeln!(answers, "{}", spent.as_nanos())?;
        answers.flush()?;
    }
    Ok(())
}

fn read(request: &str) -> Option<(usize, usize)> {
    let (n, runs) = request.split_once(' ')?;
    Some((n.parse().ok()?, runs.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(requests: &str) -> io::Result<String> {
        let mut answers = Vec::new();
        answer(
            |n| Duration::from_nanos(n as u64),
            requests.as_bytes(),
            &mut answers,
        )?;
        Ok(String::from_utf8(answers).expect("digits"))
    }

    #[test]
    fn every_request_is_answered_by_the_sum_of_its_runs() {
        assert_eq!(answers("7 1\n100 3\n").ok().as_deref(), Some("7\n300\n"));
    }

    #[test]
    fn the_end_of_the_input_is_no_error() {
        assert_eq!(answers("").ok().as_deref(), Some(""));
    }

    #[test]
    fn an_invalid_request_is_rejected() {
        for request in ["7", "7 x", "7 1 1", ""] {
            assert!(answers(&format!("{request}\n")).is_err(), "{request:?}");
        }
    }
}
