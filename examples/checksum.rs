//! Hashes every file below a directory, one task per file, and finds the duplicates among them.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt::{self, Display};
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{MAIN_SEPARATOR_STR, Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fast_async::{BoxError, Pool, Task, all, attempt, set_max_threads};
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use lexopt::prelude::{Long, Short, Value, ValueExt};
use walkdir::WalkDir;

const HELP: &str = "\
Hash every file below a directory with BLAKE3 and find the duplicates.

Usage: checksum [OPTIONS] [PATH]

  PATH                   a directory, or one file (default: the current directory)
  -l, --list             print `hash  path` for every file, as b3sum does
  -d, --duplicates       print the files of equal content, group by group
  -t, --threads N        use at most N threads
  -x, --one-file-system  stay on the file system of PATH
  -h, --help             print this help

Output is sorted by path. The summary goes to standard output, or to standard
error beside --list and --duplicates. Symbolic links are not followed; pipes,
sockets and devices are not opened; the summary counts both. Empty files and
further hard links to a file waste nothing and are no duplicates.

Exit status: 0 all is well, 1 something could not be read or written,
2 the command line makes no sense.
";

const BAR: &str =
    "{elapsed_precise} [{bar:30}] {decimal_bytes} of {decimal_total_bytes}, {eta} left";

fn main() -> ExitCode {
    let done = match parse_args() {
        Ok(Some(args)) => run(&args),
        Ok(None) => print(|out| write!(out, "{HELP}")).map(|()| ExitCode::SUCCESS),
        Err(err) => {
            complain(format_args!("{err} (try --help)"));
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|err| {
        complain(err);
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode, BoxError> {
    let started = Instant::now();
    let bar = progress_bar();
    let mut report = Report::default();
    let tasks = walk(args, &bar, &mut report);

    let report = all(tasks)
        .then(move |outcomes| report.complete(outcomes))
        .finally(move || bar.finish_and_clear())
        .wait()?;

    let elapsed = started.elapsed();
    report.problems.iter().for_each(complain);
    match args.output {
        Output::Summary => print(|out| report.summary(out, elapsed))?,
        Output::List => print(|out| report.list(out))?,
        Output::Duplicates => print(|out| report.duplicates(out))?,
    }
    if args.output != Output::Summary {
        let _ = report.summary(&mut io::stderr(), elapsed);
    }
    match report.problems.len() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

// Arguments.

struct Args {
    root: PathBuf,
    /// With links resolved: whoever names a link means what it points to.
    root_kind: FileType,
    one_file_system: bool,
    output: Output,
}

/// What goes to standard output.
#[derive(PartialEq)]
enum Output {
    Summary,
    List,
    Duplicates,
}

/// `None` when the help text is wanted.
fn parse_args() -> Result<Option<Args>, BoxError> {
    let mut root = PathBuf::new();
    let mut one_file_system = false;
    let mut output = Output::Summary;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Short('x') | Long("one-file-system") => one_file_system = true,
            Short('l') | Long("list") => output = Output::List,
            Short('d') | Long("duplicates") => output = Output::Duplicates,
            Short('t') | Long("threads") => {
                let threads = parser.value()?.parse()?;
                set_max_threads(threads).map_err(|err| format!("--threads {threads}: {err}"))?;
            }
            Value(path) if root.as_os_str().is_empty() => root = path.into(),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if root.as_os_str().is_empty() {
        root.push(".");
    }
    let root_kind = match fs::metadata(&root) {
        Ok(found) => found.file_type(),
        Err(err) => return Err(format!("{}: {err}", shown(&root)).into()),
    };
    if !root_kind.is_dir() && !root_kind.is_file() {
        return Err(format!("{}: neither a directory nor a regular file", shown(&root)).into());
    }
    Ok(Some(Args {
        root,
        root_kind,
        one_file_system,
        output,
    }))
}

// Walking: every regular file becomes a task, and the first ones run while the walk goes on.

fn walk(args: &Args, bar: &ProgressBar, report: &mut Report) -> Vec<Task<Outcome>> {
    let mut tasks = Vec::new();
    for entry in WalkDir::new(&args.root).same_file_system(args.one_file_system) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(err) => {
                let path = err.path().unwrap_or(&args.root);
                report.problems.push(Problem::new(path, &err));
                continue;
            }
        };
        let kind = match entry.depth() {
            0 => args.root_kind,
            _ => entry.file_type(),
        };
        if kind.is_file() {
            let size = entry.metadata().map_or(0, |found| found.len());
            tasks.push(checked(entry.into_path(), size, bar));
        } else if kind.is_symlink() {
            report.links += 1;
        } else if !kind.is_dir() {
            report.special += 1;
        }
    }
    tasks
}

// One task: it holds a path until its turn comes, and only then an open file and a buffer.

/// A file that cannot be read is a result like any other, and stops nothing.
type Outcome = Result<Checked, Problem>;

struct Checked {
    path: PathBuf,
    bytes: u64,
    hash: blake3::Hash,
    identity: Option<(u64, u64)>,
}

fn checked(path: PathBuf, size: u64, bar: &ProgressBar) -> Task<Outcome> {
    let file = path.clone();
    let hashing = attempt(move || Ok(hash_file(file)?));

    bar.inc_length(size);
    let bar = bar.clone();
    hashing.on_settled(move |_| bar.inc(size));

    hashing
        .then(Ok)
        .catch(move |err| Err(Problem::new(&path, &err)))
}

/// Reads in chunks of a fixed size, however big the file is.
fn hash_file(path: PathBuf) -> io::Result<Checked> {
    let file = File::open(&path)?;
    let identity = identity(&file.metadata()?);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(Checked {
        path,
        bytes: hasher.count(),
        hash: hasher.finalize(),
        identity,
    })
}

/// What all hard links to one file have in common, where the system tells.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Something that could not be read, and why.
struct Problem {
    path: PathBuf,
    cause: String,
}

impl Problem {
    /// Behind a task's error, and behind the walk's, is the system's own: that one says all there
    /// is to say.
    fn new(path: &Path, err: &dyn Error) -> Problem {
        Problem {
            path: path.to_path_buf(),
            cause: err.source().unwrap_or(err).to_string(),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.path), self.cause)
    }
}

// Reporting.

/// Everything that was found, sorted by path.
#[derive(Default)]
struct Report {
    files: Vec<Checked>,
    /// Files of equal content, as indices of `files`.
    groups: Vec<Vec<usize>>,
    problems: Vec<Problem>,
    links: usize,
    special: usize,
}

impl Report {
    fn complete(mut self, outcomes: Vec<Outcome>) -> Report {
        for outcome in outcomes {
            match outcome {
                Ok(file) => self.files.push(file),
                Err(problem) => self.problems.push(problem),
            }
        }
        self.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.problems.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.groups = group(&self.files);
        self
    }

    /// The lines `b3sum --check` reads: a backslash in front says that the path is escaped.
    fn list(&self, out: &mut dyn Write) -> io::Result<()> {
        for file in &self.files {
            let path = shown(&file.path);
            let mark = if path.contains('\\') { "\\" } else { "" };
            writeln!(out, "{mark}{}  {path}", file.hash)?;
        }
        Ok(())
    }

    fn duplicates(&self, out: &mut dyn Write) -> io::Result<()> {
        for group in &self.groups {
            let Checked { hash, bytes, .. } = &self.files[group[0]];
            let size = DecimalBytes(*bytes);
            writeln!(out, "{hash}: {} files of {size}", group.len())?;
            for &file in group {
                writeln!(out, "  {}", shown(&self.files[file].path))?;
            }
        }
        Ok(())
    }

    fn summary(&self, out: &mut dyn Write, elapsed: Duration) -> io::Result<()> {
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        let spare = |group: &Vec<usize>| self.files[group[0]].bytes * (group.len() as u64 - 1);
        let wasted: u64 = self.groups.iter().map(spare).sum();
        write!(
            out,
            "files       {files}\n\
             bytes       {size} in {elapsed:.2?}, {speed:.1} MB/s\n\
             duplicates  groups: {groups}, wasted: {wasted}\n\
             skipped     symbolic links: {links}, special files: {special}\n\
             errors      {errors}\n\
             threads     {threads}\n",
            files = self.files.len(),
            size = DecimalBytes(bytes),
            speed = bytes as f64 / 1e6 / elapsed.as_secs_f64(),
            groups = self.groups.len(),
            wasted = DecimalBytes(wasted),
            links = self.links,
            special = self.special,
            errors = self.problems.len(),
            threads = Pool::global().metrics().peak_threads,
        )
    }
}

/// An empty file and a second name of the same file waste nothing: they join no group.
fn group(files: &[Checked]) -> Vec<Vec<usize>> {
    let mut seen = HashSet::new();
    let mut by_hash = HashMap::<_, Vec<usize>>::new();
    for (index, file) in files.iter().enumerate() {
        if file.bytes > 0 && file.identity.is_none_or(|identity| seen.insert(identity)) {
            by_hash.entry(file.hash).or_default().push(index);
        }
    }
    let mut groups: Vec<_> = by_hash.into_values().collect();
    groups.retain(|group| group.len() > 1);
    groups.sort_unstable();
    groups
}

// Printing: unlike `println!` and `eprintln!`, nothing here panics when the other end is closed.

/// A reader that leaves early (`| head`) has what it wanted: that is no failure.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), BoxError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|err| format!("standard output: {err}").into()),
    }
}

fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "checksum: {what}");
}

/// One line for every path, without a leading `./` and with forward slashes on every system.
fn shown(path: &Path) -> String {
    let path = path.to_string_lossy().replace(MAIN_SEPARATOR_STR, "/");
    let short = path.strip_prefix("./").filter(|short| !short.is_empty());
    let short = short.unwrap_or(&path);
    short.replace('\\', "\\\\").replace('\n', "\\n")
}

fn progress_bar() -> ProgressBar {
    if !io::stdout().is_terminal() || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(BAR).expect("a fixed template"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
