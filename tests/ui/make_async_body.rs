use fast_async::make_async;

#[make_async]
fn mismatch(n: u32) -> u32 {
    if n == 0 {
        return "zero";
    }
    "many"
}

#[make_async]
fn semicolon(n: u32) -> u32 {
    n + 1;
}

#[make_async]
fn unknown_type(n: Absent) -> u32 {
    n.count
}

#[make_async]
fn moved(text: String) -> usize {
    drop(text);
    text.len()
}

#[make_async]
fn no_result(text: String) -> u32 {
    text.parse()?
}

#[make_async]
fn same_name(n: u32, n: u32) -> u32 {
    n
}

#[make_async]
fn refutable(Some(n): Option<u32>) -> u32 {
    n
}

fn main() {
    mismatch(1).wait().unwrap().no_such_method();
}
