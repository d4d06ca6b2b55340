//! fast-async beside its peers: the same workloads, in one process, round by round.

#![forbid(unsafe_code)]

mod args;
mod contest;
mod json;
mod machine;
mod measure;
mod peer;
mod plot;
mod stage;
mod table;
mod workload;

use std::path::Path;
use std::process::{Command, ExitCode};

use args::{Args, Asked};
use contest::Workload;
use measure::Bout;

/// Stack of the thread that runs the workloads, in bytes. Futures boxed in futures recurse: the usual 8 MB end before a chain of
/// 200 000 of them does.
const STACK: usize = 32 << 20;

/// The `blocking` crate takes its limit from the environment alone, and reads it once.
const BLOCKING_LIMIT: &str = "BLOCKING_MAX_THREADS";

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Asked::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Asked::List) => {
            print!("{}", table::list(workload::ALL));
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Run(args)) => args,
        Err(why) => {
            eprintln!("rivals: {why}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    if std::env::var_os(BLOCKING_LIMIT).is_none() {
        return again_with_limit();
    }
    let run = std::thread::Builder::new()
        .name("workloads".to_owned())
        .stack_size(STACK)
        .spawn(move || compete(&args))
        .expect("a thread starts");
    match run.join() {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(why)) => {
            eprintln!("rivals: {why}");
            ExitCode::FAILURE
        }
        // It has said why on its way.
        Err(_panic) => ExitCode::FAILURE,
    }
}

/// Runs this program once more with the limit set: a process may not change its own environment safely once it has threads.
fn again_with_limit() -> ExitCode {
    let limit = peer::MANY.to_string();
    let child = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(BLOCKING_LIMIT, limit)
            .status()
    });
    match child {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("rivals: the run ended early ({status})");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("rivals: could not start the run: {why}");
            ExitCode::FAILURE
        }
    }
}

fn compete(args: &Args) -> Result<(), String> {
    let machine = args.machine.clone().unwrap_or_else(machine::describe);
    if !args.json {
        println!("{}", table::heading(&machine, args.rounds));
    }
    let mut bouts = Vec::new();
    for workload in args.workloads.iter().copied() {
        let held = hold(workload, args);
        if !args.json {
            for bout in &held {
                println!("{}", table::bout(bout));
            }
        }
        if let Some(folder) = &args.plot {
            draw(folder, workload, &held, &machine)?;
        }
        bouts.extend(held);
    }
    if args.json {
        print!("{}", json::report(&bouts, &machine, args.rounds));
    } else {
        println!("{}", table::summary(&bouts));
    }
    Ok(())
}

/// Every size of one workload, smallest first.
fn hold(workload: &'static Workload, args: &Args) -> Vec<Bout> {
    let sizes = workload.sizes(args.size);
    sizes
        .iter()
        .map(|&n| {
            eprintln!("{} at {n} ..", workload.name);
            measure::bout(workload, n, sizes, args.rounds)
        })
        .collect()
}

fn draw(folder: &Path, workload: &Workload, bouts: &[Bout], machine: &str) -> Result<(), String> {
    let file = folder.join(format!("{}.svg", workload.name));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, plot::svg(workload, bouts, machine)))
        .map_err(|why| format!("{}: {why}", file.display()))
}
