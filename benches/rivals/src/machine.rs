//! What the figures were taken on, and which versions took part.

use std::fs;

use crate::foreign::Tools;

/// Every package's version, as the build resolved it.
const LOCK: &str = include_str!("../../../Cargo.lock");

const PACKAGES: [&str; 15] = [
    "fast-async",
    "tokio",
    "tokio-util",
    "rayon",
    "oneshot",
    "futures",
    "async-executor",
    "blocking",
    "threadpool",
    "promisery",
    "poll-promise",
    "async-broadcast",
    "bus",
    "crossbeam-channel",
    "event-listener",
];

/// Processor, number of threads, operating system.
pub(crate) fn describe() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {threads} threads, {} {}",
        processor().unwrap_or_else(|| "unknown processor".to_owned()),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Name and version of everything compared.
pub(crate) fn versions(tools: &Tools) -> Vec<(&'static str, &str)> {
    let packages = PACKAGES
        .into_iter()
        .filter_map(|name| Some((name, version(LOCK, name)?)));
    packages.chain(tools.versions()).collect()
}

/// The newest version of `name`: a lock file lists them in ascending order.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let quoted = format!("\"{name}\"");
    let mut found = None;
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("name = ") == Some(&quoted) {
            found = lines.next()?.strip_prefix("version = ");
        }
    }
    found.map(|version| version.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_compared_is_in_the_lock_file() {
        assert_eq!(versions(&Tools::none()).len(), PACKAGES.len());
    }

    #[test]
    fn of_two_versions_the_newer_is_named() {
        let lock = "name = \"a\"\nversion = \"0.1.13\"\n\nname = \"a\"\nversion = \"0.2.1\"\n";
        assert_eq!(version(lock, "a"), Some("0.2.1"));
    }
}
