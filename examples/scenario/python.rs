//! The ways in Python: a script, which measures itself.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fast_async::BoxError;

use crate::Table;
use crate::args::Args;

const SCRIPT: &str = include_str!("ways.py");

/// Adds the rows of the script to the table, or says that there is no Python.
pub(crate) fn run(args: &Args, server: SocketAddr, table: &mut Table<'_>) -> Result<(), BoxError> {
    table.restart()?;
    let mut child = match start(args, server) {
        Ok(child) => child,
        Err(err) if err.kind() == ErrorKind::NotFound => {
            writeln!(table.out, "python3 was not found: no ways in Python")?;
            return Ok(());
        }
        Err(err) => return Err(format!("python3: {err}").into()),
    };
    let rows = child.stdout.take().expect("it is piped");
    for row in BufReader::new(rows).lines() {
        add(&row?, table)?;
    }
    let status = child.wait()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("python3: {status}").into()),
    }
}

fn start(args: &Args, server: SocketAddr) -> io::Result<Child> {
    let mut child = Command::new("python3")
        .arg("-")
        .arg(server.port().to_string())
        .arg(args.computation.as_secs_f64().to_string())
        .arg(args.runs.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut script = child.stdin.take().expect("it is piped");
    // The pipe closes at the end of this function, which is the end of the script.
    script.write_all(SCRIPT.as_bytes())?;
    Ok(child)
}

/// A row is `part` or `way`, a name and seconds, with tabs between.
fn add(row: &str, table: &mut Table<'_>) -> Result<(), BoxError> {
    let fields: Vec<&str> = row.split('\t').collect();
    let [kind, name, seconds] = fields[..] else {
        return Err(format!("python3 printed {row:?}").into());
    };
    let time = Duration::try_from_secs_f64(seconds.parse()?)?;
    match kind {
        "part" => table.part(name, time)?,
        _ => {
            table.way(name, time)?;
        }
    }
    Ok(())
}
