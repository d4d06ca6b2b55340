//! fast-async beside its peers: the same workloads, round by round in one run, a process each.

#![forbid(unsafe_code)]

mod args;
mod child;
mod contest;
mod foreign;
mod heap;
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
use contest::{Program, Workload};
use foreign::{Language, Tools};
use measure::{Bout, Setting};

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
    let tools = Tools::find(|language| is_wanted(language, args))?;
    let setting = Setting {
        rounds: args.rounds,
        heaps: &args.heaps,
        tools: &tools,
    };
    let versions = machine::versions(&tools);
    if !args.json {
        println!("{}", table::heading(&machine, &versions, args.rounds));
    }
    let mut bouts = Vec::new();
    for workload in args.workloads.iter().copied() {
        let held = hold(workload, args, &setting)?;
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
        print!("{}", json::report(&bouts, &machine, &versions, args.rounds));
        return Ok(());
    }
    for heap in &args.heaps {
        println!("{}", table::summary(&bouts, heap));
    }
    Ok(())
}

/// A contestant of the run is written in it.
fn is_wanted(language: Language, args: &Args) -> bool {
    let mut contestants = args.workloads.iter().flat_map(|one| one.contestants);
    let is_in_it = |program: &Program| matches!(program, Program::Foreign(its) if *its == language);
    !args.rust_only && contestants.any(|one| is_in_it(&one.program))
}

/// Every size of one workload, smallest first.
fn hold(
    workload: &'static Workload,
    args: &Args,
    setting: &Setting<'_>,
) -> Result<Vec<Bout>, String> {
    let sizes = workload.sizes(args.size);
    let mut held = Vec::new();
    for &n in sizes {
        eprintln!("{} at {n} ..", workload.name);
        held.extend(measure::bouts(workload, n, sizes, setting)?);
    }
    Ok(held)
}

fn draw(folder: &Path, workload: &Workload, bouts: &[Bout], machine: &str) -> Result<(), String> {
    let file = folder.join(format!("{}.svg", workload.name));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, plot::svg(workload, bouts, machine)))
        .map_err(|why| format!("{}: {why}", file.display()))
}
