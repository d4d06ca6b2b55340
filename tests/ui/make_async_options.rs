use fast_async::{Pool, make_async};
use std::sync::LazyLock;

static POOL: LazyLock<Pool> = LazyLock::new(Pool::new);

#[make_async(threads = 4, name = "load", retry(3))]
fn unknown() {}

#[make_async(name = "a", pool = &POOL, name = "b")]
fn twice() {}

#[make_async(name, pool =)]
fn without_value() {}

#[make_async(pool = , result)]
fn without_value_either() {}

#[make_async(name = 5)]
fn not_text() {}

#[make_async(pool = "POOL")]
fn not_a_pool() {}

#[make_async(result = "no", name = "a" pool = &POOL)]
fn not_a_list() {}

#[make_async("load")]
fn without_key() {}

// These go through, and the compiler sees what is wrong.
#[make_async(pool = POOL)]
fn not_a_reference() {}

#[make_async(name = path)]
fn text_of_another_kind(path: std::path::PathBuf) {}

fn main() {
    let _ = (unknown(), twice(), without_value(), without_value_either(), not_text());
    let _ = (not_a_pool(), not_a_list(), without_key());
}
