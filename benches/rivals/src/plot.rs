//! One workload as a picture: nanoseconds per operation over N, both logarithmic, a line a
//! contestant.

mod axis;

use std::fmt::Write as _;

use crate::contest::{Kind, Workload};
use crate::measure::{Bout, Series};
use axis::Axis;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 640.0;
/// The field the lines are drawn in; the names stand to the right of it.
const LEFT: f64 = 118.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 470.0;

/// Colours that colour-blind readers can tell apart; fast-async has its own.
const OURS: &str = "#d55e00";
const FLOOR: &str = "#000000";
const PEERS: [&str; 10] = [
    "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7b3fa0", "#5f6b6d", "#8c2d2d",
    "#7fa800", "#2e4057",
];

const SMALL: &str = "font-size=\"12\" fill=\"#444444\"";

/// One contestant's line: sizes and what they took.
struct Line<'a> {
    name: &'static str,
    kind: Kind,
    note: Option<&'static str>,
    colour: &'static str,
    points: Vec<Point<'a>>,
}

/// How many operations one run did, and what they took.
#[derive(Clone, Copy)]
struct Point<'a> {
    operations: f64,
    took: &'a Series,
}

/// The picture as an SVG document.
pub(crate) fn svg(workload: &Workload, bouts: &[Bout], machine: &str) -> String {
    let lines = lines(workload, bouts);
    let across = Axis::over(points(&lines).map(|one| one.operations), LEFT, RIGHT);
    let up = Axis::over(
        points(&lines).flat_map(|one| [one.took.least(), one.took.most()]),
        BOTTOM,
        TOP,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    text(
        &mut svg,
        LEFT,
        28.0,
        "font-size=\"18\" font-weight=\"bold\"",
        workload.name,
    );
    text(&mut svg, LEFT, 48.0, "fill=\"#444444\"", workload.question);
    grid(&mut svg, &across, &up);
    titles(&mut svg, workload);
    // The band of fast-async is below the thin lines of the others: where they coincide, both show.
    let (ours, others): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.kind == Kind::Ours);
    for line in ours.into_iter().chain(others) {
        draw(&mut svg, line, &across, &up);
    }
    legend(&mut svg, &lines, &up);
    let mut notes = footnote(&lines);
    notes.extend(workload.reading.iter().map(|&words| words.to_owned()));
    for (row, words) in (1..).zip(notes.iter().rev()) {
        text(
            &mut svg,
            LEFT,
            HEIGHT - 18.0 - 17.0 * f64::from(row),
            SMALL,
            words,
        );
    }
    let rounds = points(&lines)
        .map(|one| one.took.rounds.len())
        .max()
        .unwrap_or(0);
    let heap = bouts.first().map_or("", |bout| bout.heap.description());
    let caption =
        format!("{machine}; {heap}. Medians of {rounds} rounds; bars from the least to the most.");
    text(&mut svg, LEFT, HEIGHT - 18.0, SMALL, &caption);
    svg.push_str("</svg>\n");
    svg
}

fn lines<'a>(workload: &Workload, bouts: &'a [Bout]) -> Vec<Line<'a>> {
    let mut colours = PEERS.into_iter().cycle();
    workload
        .contestants
        .iter()
        .map(|contestant| Line {
            name: contestant.name,
            kind: contestant.kind,
            note: contestant.note,
            colour: match contestant.kind {
                Kind::Ours => OURS,
                Kind::Floor => FLOOR,
                Kind::Peer | Kind::Reference | Kind::Foreign => colours.next().unwrap_or(FLOOR),
            },
            points: bouts
                .iter()
                .flat_map(|bout| &bout.series)
                .filter(|one| one.contestant.name == contestant.name)
                .map(|took| Point {
                    operations: (workload.operations)(took.n) as f64,
                    took,
                })
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect()
}

fn points<'a>(lines: &'a [Line<'a>]) -> impl Iterator<Item = Point<'a>> {
    lines.iter().flat_map(|line| line.points.iter().copied())
}

fn grid(svg: &mut String, across: &Axis, up: &Axis) {
    for value in across.marks() {
        let x = across.place(value);
        rule(svg, x, TOP, x, BOTTOM);
    }
    for (value, label) in across.labels(width_of) {
        let x = across.place(value);
        text(svg, x, BOTTOM + 20.0, "text-anchor=\"middle\"", &label);
    }
    for value in up.marks() {
        let y = up.place(value);
        rule(svg, LEFT, y, RIGHT, y);
    }
    for (value, label) in up.labels(|_| LETTER_HEIGHT) {
        let y = up.place(value);
        text(svg, LEFT - 8.0, y + 4.0, "text-anchor=\"end\"", &label);
    }
}

/// What a letter takes at the size of the labels, at most.
const LETTER_WIDTH: f64 = 8.0;
const LETTER_HEIGHT: f64 = 14.0;

fn width_of(label: &str) -> f64 {
    LETTER_WIDTH * label.len() as f64
}

/// A line of the grid.
fn rule(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

fn titles(svg: &mut String, workload: &Workload) {
    let middle = (LEFT + RIGHT) / 2.0;
    let below = format!("N: {}s in one run", workload.operation);
    text(svg, middle, BOTTOM + 44.0, "text-anchor=\"middle\"", &below);
    let height = (TOP + BOTTOM) / 2.0;
    let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 20 {height})\"");
    let beside = format!("ns per {}, less is better", workload.operation);
    text(svg, 20.0, height, &turned, &beside);
}

fn draw(svg: &mut String, line: &Line<'_>, across: &Axis, up: &Axis) {
    let path: Vec<_> = line
        .points
        .iter()
        .map(|one| {
            format!(
                "{:.1},{:.1}",
                across.place(one.operations),
                up.place(one.took.median())
            )
        })
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" {}/>",
        path.join(" "),
        line.colour,
        stroke(line.kind)
    );
    for one in &line.points {
        let x = across.place(one.operations);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"{}\" stroke-opacity=\"0.5\"/>\
             <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"{}\" fill=\"{}\"/>",
            up.place(one.took.least()),
            up.place(one.took.most()),
            line.colour,
            up.place(one.took.median()),
            radius(line.kind),
            line.colour
        );
    }
}

/// fast-async stands out; the floor, what does less than the job, and other languages are dashed.
fn stroke(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "stroke-width=\"8\"",
        Kind::Peer => "stroke-width=\"1.6\"",
        Kind::Floor => "stroke-width=\"1.6\" stroke-dasharray=\"7 4\"",
        Kind::Reference => "stroke-width=\"1.6\" stroke-dasharray=\"2 3\"",
        Kind::Foreign => "stroke-width=\"1.6\" stroke-dasharray=\"9 3 2 3\"",
    }
}

fn radius(kind: Kind) -> f64 {
    match kind {
        Kind::Ours => 6.0,
        _ => 2.5,
    }
}

/// The names beside the ends of their lines, moved apart where they would cover each other.
fn legend(svg: &mut String, lines: &[Line<'_>], up: &Axis) {
    const APART: f64 = 19.0;
    let mut names: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((up.place(line.points.last()?.took.median()), line)))
        .collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut next = TOP;
    for (y, _) in &mut names {
        *y = y.max(next);
        next = *y + APART;
    }
    // What was pushed out at the bottom pushes back.
    let mut last = BOTTOM + APART;
    for (y, _) in names.iter_mut().rev() {
        *y = y.min(last - APART);
        last = *y;
    }
    for (y, line) in names {
        let x = RIGHT + 14.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"{}\" {}/>",
            x + 26.0,
            line.colour,
            stroke(line.kind)
        );
        let weight = match line.kind {
            Kind::Ours => "font-weight=\"bold\"",
            _ => "",
        };
        text(svg, x + 34.0, y + 4.0, weight, line.name);
    }
}

/// Why the dotted lines do not count as peers, and what limits others: each note once, with the
/// names it is about.
fn footnote(lines: &[Line<'_>]) -> Vec<String> {
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let Some(note) = line.note else { continue };
        match notes.iter_mut().find(|(said, _)| *said == note) {
            Some((_, names)) => names.push(line.name),
            None => notes.push((note, vec![line.name])),
        }
    }
    let said: Vec<_> = notes
        .into_iter()
        .map(|(note, names)| format!("{note}: {}", names.join(", ")))
        .collect();
    wrapped(said)
}

/// As few rows as hold all of it, broken between the notes.
fn wrapped(notes: Vec<String>) -> Vec<String> {
    const WIDEST: usize = 140;
    let mut rows: Vec<String> = Vec::new();
    for note in notes {
        match rows.last_mut() {
            Some(row) if row.len() + note.len() < WIDEST => {
                row.push_str("; ");
                row.push_str(&note);
            }
            _ => rows.push(note),
        }
    }
    rows
}

fn text(svg: &mut String, x: f64, y: f64, style: &str, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn notes_are_kept_whole_and_in_order() {
        let notes: Vec<_> = (0..4).map(|i| format!("{i}{}", "x".repeat(60))).collect();
        let rows = super::wrapped(notes.clone());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.join("; "), notes.join("; "));
    }
}
