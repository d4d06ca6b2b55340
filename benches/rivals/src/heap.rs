//! The allocators a contestant's process may be started with.

use std::fs;
use std::path::{Path, PathBuf};

/// Has the GNU C library keep what was freed, as it does in a program that has been running for a
/// while. With its defaults it gives the end of the heap back to the system whenever much of it is
/// free, and a round of a single workload measures the system's page faults: several hundred
/// nanoseconds a page on a virtual machine.
const KEPT: [(&str, &str); 2] = [
    ("MALLOC_TRIM_THRESHOLD_", "8000000000"),
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
];

/// Where systems keep shared libraries. Debian has a folder for each kind of machine within.
const FOLDERS: [&str; 4] = [
    "/usr/lib",
    "/usr/local/lib",
    "/usr/lib64",
    "/opt/homebrew/lib",
];

/// What allocates for a contestant, and what becomes of memory that it has freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heap {
    /// The C library's allocator keeps what was freed.
    Kept,
    /// The C library's allocator as it comes.
    Default,
    /// mimalloc, loaded from this file in front of the C library.
    Mimalloc(PathBuf),
}

impl Heap {
    /// The heap called `name`. `library` is the file of mimalloc, if the user has named one.
    pub(crate) fn called(name: &str, library: Option<&Path>) -> Result<Heap, String> {
        match name {
            "kept" => Ok(Heap::Kept),
            "default" => Ok(Heap::Default),
            "mimalloc" => library
                .map(Path::to_path_buf)
                .or_else(|| {
                    FOLDERS
                        .iter()
                        .find_map(|folder| mimalloc_below(Path::new(folder)))
                })
                .filter(|library| library.is_file())
                .map(Heap::Mimalloc)
                .ok_or_else(|| {
                    "mimalloc is not here: install it (Debian: libmimalloc2.0), or name its file \
                     with --mimalloc"
                        .to_owned()
                }),
            _ => Err(format!(
                "no heap is called `{name}`: kept, default or mimalloc"
            )),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Heap::Kept => "kept",
            Heap::Default => "default",
            Heap::Mimalloc(_) => "mimalloc",
        }
    }

    /// For reports.
    pub(crate) fn description(&self) -> &'static str {
        match self {
            Heap::Kept => "the C library's heap, kept between rounds",
            Heap::Default => "the C library's heap as it comes",
            Heap::Mimalloc(_) => "mimalloc",
        }
    }

    /// What a process finds in its environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Heap::Kept => KEPT.map(|(name, value)| (name, value.to_owned())).to_vec(),
            Heap::Default => Vec::new(),
            Heap::Mimalloc(library) => vec![("LD_PRELOAD", library.display().to_string())],
        }
    }
}

fn mimalloc_below(folder: &Path) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|one| one.path())
        .collect();
    let is_mimalloc = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("libmimalloc.so"))
    };
    let here = entries.iter().find(is_mimalloc).cloned();
    here.or_else(|| {
        let triples = entries
            .iter()
            .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
        triples
            .into_iter()
            .find_map(|folder| mimalloc_below(folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_heap_and_a_missing_library_are_errors() {
        let why = Heap::called("huge", None).expect_err("there is none");
        assert!(why.contains("kept, default or mimalloc"), "{why}");
        let why = Heap::called("mimalloc", Some(Path::new("/no/such/file")));
        assert!(why.expect_err("it is not there").contains("--mimalloc"));
    }

    #[test]
    fn a_library_is_found_in_the_folder_of_a_kind_of_machine() {
        let folder = std::env::temp_dir().join(format!("rivals-heap-{}", std::process::id()));
        let within = folder.join("x86_64-linux-gnu");
        fs::create_dir_all(&within).expect("a folder");
        fs::write(within.join("libmimalloc.so.2"), "").expect("a file");
        let found = mimalloc_below(&folder);
        fs::remove_dir_all(&folder).expect("it is ours");
        assert_eq!(found, Some(within.join("libmimalloc.so.2")));
    }
}
