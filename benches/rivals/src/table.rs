//! Reports for people.

use std::fmt::Write as _;

use crate::contest::Workload;
use crate::heap::Heap;
use crate::measure::{Bout, Ratio, Series};

pub(crate) fn heading(machine: &str, versions: &[(&str, &str)], rounds: usize) -> String {
    let versions: Vec<_> = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    format!(
        "{machine}\n{}\n{rounds} rounds; ns per operation\n",
        versions.join(", ")
    )
}

pub(crate) fn list(workloads: &[&Workload]) -> String {
    let mut text = String::new();
    for workload in workloads {
        let _ = writeln!(text, "{:18}{}", workload.name, workload.question);
    }
    text
}

/// One size of one workload: a line a contestant, the fastest first.
pub(crate) fn bout(bout: &Bout) -> String {
    let mut text = format!(
        "{}  N = {}  ns per {}, {}\n{}\n\n",
        bout.workload.name,
        grouped(bout.n),
        bout.workload.operation,
        bout.heap.description(),
        bout.workload.question
    );
    let _ = writeln!(
        text,
        "  {:40}{:>12}{:>12}{:>12}{:>9}{:>10}{:>15}",
        "", "median", "least", "most", "spread", "/ floor", "/ fast-async"
    );
    let mut notes = Vec::new();
    for one in ranked(&bout.series) {
        let mut name = one.contestant.name.to_owned();
        if let Some(note) = note(one, bout.n) {
            notes.push(format!("{name}{note}"));
            let _ = write!(name, " [{}]", notes.len());
        }
        let _ = writeln!(
            text,
            "  {name:40}{:>12}{:>12}{:>12}{:>8.0}%{:>10}{:>15}",
            figure(one.median()),
            figure(one.least()),
            figure(one.most()),
            100.0 * one.spread(),
            times(bout.floor().map(|floor| one.over(floor))),
            times(bout.ours().map(|ours| one.over(ours))),
        );
    }
    for (number, note) in (1..).zip(notes) {
        let _ = writeln!(text, "  [{number}] {note}");
    }
    for words in bout.workload.reading {
        let _ = writeln!(text, "  {words}");
    }
    if let Some(ours) = bout.ours() {
        let peer = bout
            .best_peer()
            .map(|peer| (format!("best peer, {}", peer.contestant.name), peer));
        let foreign = bout.best_foreign().map(|other| {
            (
                format!("best other language, {}", other.contestant.name),
                other,
            )
        });
        let floor = bout.floor().map(|floor| ("floor".to_owned(), floor));
        for (title, other) in peer.into_iter().chain(foreign).chain(floor) {
            let ratio = ours.over(other);
            let _ = writeln!(
                text,
                "  fast-async / {title}: {:.2}, rounds from {:.2} to {:.2}",
                ratio.median, ratio.least, ratio.most
            );
        }
    }
    text
}

/// One line a bout, of those with `heap`.
pub(crate) fn summary(bouts: &[Bout], heap: &Heap) -> String {
    let mut text = format!(
        "With {}:\n{:18}{:>10}{:>10}{:>12}{:>11}  {:28}{:>8}{:>9}{:>11}  {:20}{:>8}\n",
        heap.description(),
        "workload",
        "N",
        "floor",
        "fast-async",
        "best peer",
        "",
        "/ it",
        "/ floor",
        "language",
        "",
        "/ it"
    );
    for bout in bouts.iter().filter(|bout| bout.heap == *heap) {
        let (floor, ours, peer) = (bout.floor(), bout.ours(), bout.best_peer());
        let foreign = bout.best_foreign();
        let over = |other: Option<&Series>| times(ours.zip(other).map(|(a, b)| a.over(b)));
        let _ = writeln!(
            text,
            "{:18}{:>10}{:>10}{:>12}{:>11}  {:28}{:>8}{:>9}{:>11}  {:20}{:>8}",
            bout.workload.name,
            grouped(bout.n),
            median(floor),
            median(ours),
            median(peer),
            peer.map_or("", |peer| peer.contestant.name),
            over(peer),
            over(floor),
            median(foreign),
            foreign.map_or("", |other| other.contestant.name),
            over(foreign),
        );
    }
    text
}

/// What is said about a line below the table: why it ran at a smaller size than the others, and
/// what else is to be known.
fn note(one: &Series, n: usize) -> Option<String> {
    let stops = one.contestant.stops.filter(|_| one.n < n);
    let stops = stops.map(|why| format!(" at N = {}: {why}", grouped(one.n)));
    let known = one.contestant.note.map(|note| match stops {
        Some(_) => format!("; {note}"),
        None => format!(": {note}"),
    });
    (stops.is_some() || known.is_some())
        .then(|| stops.unwrap_or_default() + &known.unwrap_or_default())
}

fn ranked(series: &[Series]) -> Vec<&Series> {
    let mut ranked: Vec<_> = series.iter().collect();
    ranked.sort_by(|a, b| a.median().total_cmp(&b.median()));
    ranked
}

fn median(series: Option<&Series>) -> String {
    series.map_or_else(|| "-".to_owned(), |one| figure(one.median()))
}

fn times(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median))
}

/// A digit behind the point where it still says something.
fn figure(ns: f64) -> String {
    match ns {
        ns if ns < 100.0 => format!("{ns:.1}"),
        ns => grouped(ns.round() as usize),
    }
}

/// Digits in threes, as in `12 345`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let grouped: Vec<_> = [0, 999, 1_000, 1_234_567].map(super::grouped).into();
        assert_eq!(grouped, ["0", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn small_figures_keep_a_digit_behind_the_point() {
        assert_eq!([figure(7.25), figure(1_234.4)], ["7.2", "1 234"]);
    }
}
