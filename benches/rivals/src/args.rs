//! The command line.

use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::contest::{Program, Run, Size, Workload};
use crate::heap::Heap;
use crate::workload;

pub(crate) const HELP: &str = "\
fast-async beside its peers: nanoseconds per operation, medians over rounds.

Usage: cargo run --release -p rivals -- [OPTIONS]

  --only NAME[,NAME..]  only these workloads (see --list)
  --rounds N            rounds per workload and size [7; 1 with --short]
  --heap NAME[,NAME..]  what allocates for all contestants; several in one run, each contestant once with each [kept]
                        kept: the C library's allocator keeps what it has, as in a program that goes on
                        default: as it comes, which gives freed memory back to the system; rounds are mostly page faults then
                        mimalloc: loaded in front of the C library
  --default-heap        the same as --heap default
  --mimalloc FILE       the library of mimalloc [searched for]
  --rust-only           without the contestants in other languages
  --short               small sizes, to see that everything works; the figures mean nothing
  --sweep               more sizes, from small to large
  --plot DIR            a sweep, drawn: one NAME.svg per workload
  --machine TEXT        the machine's name in reports [from the system]
  --json                one JSON document on standard output instead of tables
  --list                the workloads and their questions
  --help                this text

Every contestant has a process of its own, which lives through all rounds unless the workload starts from rest. One of them
runs at a time, one after another within each round, each round in an order of its own; the others sleep.
Ratios are taken round by round; the median of them is reported. Figures of separate runs do not compare.
";

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    Help,
    List,
    /// Not for people: a run starts itself once for each contestant.
    Serve(Run),
    Run(Args),
}

/// How to run.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) workloads: Vec<&'static Workload>,
    pub(crate) rounds: usize,
    pub(crate) heaps: Vec<Heap>,
    pub(crate) rust_only: bool,
    pub(crate) size: Size,
    pub(crate) json: bool,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) machine: Option<String>,
}

pub(crate) fn parse() -> Result<Asked, lexopt::Error> {
    read(lexopt::Parser::from_env())
}

fn read(mut parser: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    let (mut only, mut rounds, mut size) = (Vec::new(), None, Size::Table);
    let (mut json, mut plot, mut machine) = (false, None, None);
    let (mut heaps, mut library, mut rust_only) = (Vec::<String>::new(), None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("only") => only.extend(named(&parser.value()?.string()?)?),
            Long("rounds") => rounds = Some(parser.value()?.parse::<usize>()?),
            Long("heap") => {
                heaps.extend(parser.value()?.string()?.split(',').map(str::to_owned));
            }
            Long("default-heap") => heaps.push("default".to_owned()),
            Long("mimalloc") => library = Some(PathBuf::from(parser.value()?)),
            Long("rust-only") => rust_only = true,
            Long("short") => size = Size::Short,
            Long("sweep") if size == Size::Table => size = Size::Sweep,
            Long("sweep") => {}
            Long("plot") => plot = Some(PathBuf::from(parser.value()?)),
            Long("machine") => machine = Some(parser.value()?.string()?),
            Long("json") => json = true,
            Long("list") => return Ok(Asked::List),
            Long("help") | Short('h') => return Ok(Asked::Help),
            Long("serve") => {
                let workload = parser.value()?.string()?;
                let contestant = parser.value()?.string()?;
                return Ok(Asked::Serve(serving(&workload, &contestant)?));
            }
            // `cargo bench` passes this on.
            Long("bench") => {}
            Value(_) | Long(_) | Short(_) => return Err(argument.unexpected()),
        }
    }
    if plot.is_some() && size == Size::Table {
        size = Size::Sweep;
    }
    let rounds = rounds.unwrap_or(if size == Size::Short { 1 } else { 7 });
    if rounds == 0 {
        return Err("--rounds must be at least 1".into());
    }
    if heaps.is_empty() {
        heaps.push("kept".to_owned());
    }
    if heaps.len() > 1 && plot.is_some() {
        return Err("a picture shows one heap: give --plot one --heap".into());
    }
    let heaps = heaps
        .iter()
        .map(|name| Heap::called(name, library.as_deref()));
    let heaps = heaps.collect::<Result<_, _>>()?;
    Ok(Asked::Run(Args {
        workloads: if only.is_empty() {
            workload::ALL.to_vec()
        } else {
            only
        },
        rounds,
        heaps,
        rust_only,
        size,
        json,
        plot,
        machine,
    }))
}

fn named(names: &str) -> Result<Vec<&'static Workload>, lexopt::Error> {
    names.split(',').map(workload_called).collect()
}

fn workload_called(name: &str) -> Result<&'static Workload, lexopt::Error> {
    workload::ALL
        .iter()
        .copied()
        .find(|workload| workload.name == name)
        .ok_or_else(|| format!("no workload is called `{name}`; --list shows them").into())
}

fn serving(workload: &str, contestant: &str) -> Result<Run, lexopt::Error> {
    workload_called(workload)?
        .contestants
        .iter()
        .find(|one| one.name == contestant)
        .and_then(|one| match one.program {
            Program::Own(run) => Some(run),
            Program::Foreign(_) => None,
        })
        .ok_or_else(|| format!("`{workload}` has no contestant `{contestant}`").into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::contest::Contestant;

    fn run(args: &[&str]) -> Args {
        match read(lexopt::Parser::from_args(args)) {
            Ok(Asked::Run(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_options_everything_runs_seven_rounds() {
        let args = run(&[]);
        assert_eq!((args.rounds, args.size), (7, Size::Table));
        assert_eq!(args.workloads.len(), workload::ALL.len());
    }

    #[test]
    fn a_plot_needs_a_sweep_unless_it_is_short() {
        assert_eq!(run(&["--plot", "out"]).size, Size::Sweep);
        assert_eq!(run(&["--plot", "out", "--short"]).size, Size::Short);
        assert_eq!(run(&["--short", "--sweep"]).size, Size::Short);
    }

    #[test]
    fn workloads_are_chosen_by_name_and_in_the_order_asked() {
        let names: Vec<_> = run(&["--only", "mix,chain"])
            .workloads
            .iter()
            .map(|workload| workload.name)
            .collect();
        assert_eq!(names, ["mix", "chain"]);
    }

    #[test]
    fn every_contestant_can_be_served_and_none_twice() {
        for workload in workload::ALL {
            let names: HashSet<_> = workload.contestants.iter().map(|one| one.name).collect();
            assert_eq!(names.len(), workload.contestants.len(), "{}", workload.name);
            let own = |one: &&Contestant| matches!(one.program, Program::Own(_));
            for name in workload.contestants.iter().filter(own).map(|one| one.name) {
                let asked = read(lexopt::Parser::from_args(["--serve", workload.name, name]));
                assert!(matches!(asked, Ok(Asked::Serve(_))), "{asked:?}");
            }
        }
    }

    #[test]
    fn several_heaps_are_run_in_the_order_asked() {
        assert_eq!(run(&[]).heaps, [Heap::Kept]);
        assert_eq!(run(&["--default-heap"]).heaps, [Heap::Default]);
        let heaps = run(&["--heap", "default,kept"]).heaps;
        assert_eq!(heaps, [Heap::Default, Heap::Kept]);
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        for args in [
            &["--only", "nothing"][..],
            &["--rounds", "0"],
            &["--fast"],
            &["--heap", "huge"],
            &["--heap", "kept,default", "--plot", "out"],
            &["--serve", "mix", "no-such-contestant"],
        ] {
            assert!(
                read(lexopt::Parser::from_args(args)).is_err(),
                "{args:?} was accepted"
            );
        }
    }
}
