//! How paths and hashes are printed.

use std::io::{self, Write};
use std::path::{MAIN_SEPARATOR_STR, Path};

/// One line for every path, without a leading `./` and with forward slashes on every system.
pub(crate) fn shown(path: &Path) -> String {
    let path = path.to_string_lossy().replace(MAIN_SEPARATOR_STR, "/");
    let short = path.strip_prefix("./").filter(|short| !short.is_empty());
    let short = short.unwrap_or(&path);
    short.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A line that `b3sum --check` reads: a backslash in front says that the path is escaped.
pub(crate) fn listed(out: &mut dyn Write, hash: &blake3::Hash, path: &Path) -> io::Result<()> {
    let path = shown(path);
    let mark = if path.contains('\\') { "\\" } else { "" };
    writeln!(out, "{mark}{hash}  {path}")
}
