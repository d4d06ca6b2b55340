//! fast-async beside its peers: the same workloads, round by round in one run, a process each.

#![forbid(unsafe_code)]

mod args;
mod child;
mod contest;
mod json;
mod machine;
mod measure;
mod peer;
mod plot;
mod serve;
mod stage;
mod table;
mod workload;

use std::path::Path;
use std::process::ExitCode;

use args::{Args, Asked};
use contest::Workload;
use measure::Bout;

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
        Ok(Asked::Serve(run)) => return serve::serve(run),
        Ok(Asked::Run(args)) => args,
        Err(why) => {
            eprintln!("rivals: {why}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    match compete(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("rivals: {why}");
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
        let held = hold(workload, args)?;
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
fn hold(workload: &'static Workload, args: &Args) -> Result<Vec<Bout>, String> {
    let sizes = workload.sizes(args.size);
    sizes
        .iter()
        .map(|&n| {
            eprintln!("{} at {n} ..", workload.name);
            measure::bout(workload, n, sizes, args.rounds, args.heap)
        })
        .collect()
}

fn draw(folder: &Path, workload: &Workload, bouts: &[Bout], machine: &str) -> Result<(), String> {
    let file = folder.join(format!("{}.svg", workload.name));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, plot::svg(workload, bouts, machine)))
        .map_err(|why| format!("{}: {why}", file.display()))
}
