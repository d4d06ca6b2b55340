//! What must not compile, and what the compiler says then.
//!
//! The expected messages are those of one compiler release; with another one this is skipped.
//! `TRYBUILD=overwrite cargo test --test ui` writes them anew.

// Most of the programs use the attribute.
#![cfg(feature = "macros")]

use std::env;
use std::process::Command;

/// The release whose messages lie beside the programs.
const RELEASE: &str = "rustc 1.95.";

#[test]
fn mistakes_are_explained() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-V").output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version);
    if !version.starts_with(RELEASE) {
        eprintln!(
            "skipped: the messages are those of {RELEASE}x, this is {}",
            version.trim()
        );
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
