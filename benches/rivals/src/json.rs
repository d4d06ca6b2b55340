//! The report for machines: one document, written by hand because it is so small.

use crate::contest::Kind;
use crate::measure::{Bout, Ratio, Series};

/// Everything measured, with every round's figure.
pub(crate) fn report(
    bouts: &[Bout],
    machine: &str,
    versions: &[(&str, &str)],
    rounds: usize,
) -> String {
    let versions = versions
        .iter()
        .map(|(name, version)| format!("{}: {}", quoted(name), quoted(version)));
    format!(
        "{{\n\"machine\": {},\n\"unit\": \"ns per operation\",\n\"rounds\": {rounds},\n\"versions\": {{{}}},\n\"bouts\": [\n{}\n]\n}}\n",
        quoted(machine),
        joined(versions, ", "),
        joined(bouts.iter().map(bout), ",\n"),
    )
}

fn bout(bout: &Bout) -> String {
    let over = |other: Option<&Series>| match bout.ours().zip(other) {
        Some((ours, other)) => ratio(other, ours.over(other)),
        None => "null".to_owned(),
    };
    format!(
        "{{\"workload\": {}, \"heap\": {}, \"n\": {}, \"operations\": {}, \"operation\": {}, \"over_best_peer\": {}, \"over_floor\": {}, \"contestants\": [\n{}\n]}}",
        quoted(bout.workload.name),
        quoted(bout.heap.name()),
        bout.n,
        (bout.workload.operations)(bout.n),
        quoted(bout.workload.operation),
        over(bout.best_peer()),
        over(bout.floor()),
        joined(bout.series.iter().map(series), ",\n"),
    )
}

fn series(one: &Series) -> String {
    let kind = match one.contestant.kind {
        Kind::Ours => "fast-async",
        Kind::Peer => "peer",
        Kind::Floor => "floor",
        Kind::Reference => "reference",
        Kind::Foreign => "other language",
    };
    format!(
        "  {{\"name\": {}, \"kind\": {}, \"n\": {}, \"median\": {:.2}, \"least\": {:.2}, \"most\": {:.2}, \"spread\": {:.4}, \"rounds\": [{}]}}",
        quoted(one.contestant.name),
        quoted(kind),
        one.n,
        one.median(),
        one.least(),
        one.most(),
        one.spread(),
        joined(one.rounds.iter().map(|ns| format!("{ns:.2}")), ", "),
    )
}

fn ratio(other: &Series, ratio: Ratio) -> String {
    format!(
        "{{\"name\": {}, \"median\": {:.4}, \"least\": {:.4}, \"most\": {:.4}}}",
        quoted(other.contestant.name),
        ratio.median,
        ratio.least,
        ratio.most,
    )
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_and_control_characters_do_not_end_a_string() {
        assert_eq!(super::quoted("a \"b\" \\ c\nd"), r#""a \"b\" \\ c d""#);
    }
}
