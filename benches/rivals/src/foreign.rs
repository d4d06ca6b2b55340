//! Contestants in other languages: where their tools are, and how their programs are started.
//!
//! They speak as `serve` does: requests on standard input, nanoseconds on standard output. A tool
//! that is not installed leaves its contestants out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const JAVA: &str = include_str!("../foreign/Rivals.java");
const NODE: &str = include_str!("../foreign/rivals.js");
const GO: &str = include_str!("../foreign/rivals.go");

/// A language whose programs take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Jvm,
    Node,
    Go,
}

const ALL: [Language; 3] = [Language::Jvm, Language::Node, Language::Go];

/// The tools that were found, and the folder with what they have compiled. The folder goes when
/// this is dropped.
#[derive(Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
    found: Vec<(Language, String)>,
}

impl Tools {
    /// None: no contestant in another language takes part.
    pub(crate) fn none() -> Tools {
        Tools {
            folder: std::env::temp_dir().join(format!("rivals-{}", std::process::id())),
            found: Vec::new(),
        }
    }

    /// Looks for the tools of the `wanted` languages, and compiles what has to be. Says which are
    /// missing.
    pub(crate) fn find(wanted: impl Fn(Language) -> bool) -> Result<Tools, String> {
        let mut tools = Tools::none();
        for language in ALL.into_iter().filter(|language| wanted(*language)) {
            match language.version() {
                None => eprintln!(
                    "rivals: no `{}` here, so its contestants do not take part",
                    language.tool()
                ),
                Some(version) => {
                    language.build(&tools.folder)?;
                    tools.found.push((language, version));
                }
            }
        }
        Ok(tools)
    }

    pub(crate) fn has(&self, language: Language) -> bool {
        self.found.iter().any(|(found, _)| *found == language)
    }

    /// What each tool says of itself.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.found
            .iter()
            .map(|(language, version)| (language.tool(), version.as_str()))
    }

    /// The program of a language, which serves one workload.
    pub(crate) fn command(&self, language: Language, workload: &str) -> Command {
        let file = self.folder.join(language.source().0);
        let mut command = match language {
            Language::Jvm => {
                let mut command = Command::new("java");
                command.arg("-cp").arg(&self.folder).arg("Rivals");
                command
            }
            Language::Node => {
                let mut command = Command::new("node");
                command.arg(file);
                command
            }
            Language::Go => Command::new(file.with_extension("")),
        };
        command.arg(workload);
        command
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        // It is not there if nothing was found.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Language {
    fn tool(self) -> &'static str {
        match self {
            Language::Jvm => "java",
            Language::Node => "node",
            Language::Go => "go",
        }
    }

    fn source(self) -> (&'static str, &'static str) {
        match self {
            Language::Jvm => ("Rivals.java", JAVA),
            Language::Node => ("rivals.js", NODE),
            Language::Go => ("rivals.go", GO),
        }
    }

    /// `None`: the language is not installed, or cannot compile here.
    fn version(self) -> Option<String> {
        let said = |tool: &str, argument: &str| {
            let output = Command::new(tool).arg(argument).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            output
                .status
                .success()
                .then(|| text.lines().next().unwrap_or("").trim().to_owned())
        };
        match self {
            Language::Jvm => {
                said("javac", "--version")?;
                said("java", "--version")
            }
            Language::Node => said("node", "--version"),
            Language::Go => said("go", "version"),
        }
    }

    /// Writes the source into `folder`, and compiles it there if the language needs that.
    fn build(self, folder: &Path) -> Result<(), String> {
        let (name, text) = self.source();
        let file = folder.join(name);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, text))
            .map_err(|why| format!("{}: {why}", file.display()))?;
        let mut command = match self {
            Language::Jvm => {
                let mut command = Command::new("javac");
                command.arg("-d").arg(folder).arg(&file);
                command
            }
            Language::Node => return Ok(()),
            Language::Go => {
                let mut command = Command::new("go");
                command
                    .args(["build", "-o"])
                    .arg(file.with_extension(""))
                    .arg(&file);
                command
            }
        };
        // Standard output is the report's.
        let ended = command.stdout(Stdio::null()).status();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{name} did not compile ({status})")),
            Err(why) => Err(format!("{name} did not compile: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wanted_is_not_looked_for() {
        let tools = Tools::find(|_| false).expect("nothing fails");
        assert!(!ALL.into_iter().any(|language| tools.has(language)));
        assert!(!tools.folder.exists());
    }

    #[test]
    fn the_folder_goes_with_the_tools() {
        let tools = Tools::none();
        Language::Node
            .build(&tools.folder)
            .expect("a file is written");
        let folder = tools.folder.clone();
        assert!(folder.join("rivals.js").is_file());
        drop(tools);
        assert!(!folder.exists());
    }
}
