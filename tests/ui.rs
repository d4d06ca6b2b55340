//! What must not compile, and what the compiler says then.
//!
//! The expected messages are those of one compiler release. `TRYBUILD=overwrite cargo test --test ui` writes them anew.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
