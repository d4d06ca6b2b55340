use fast_async::{Task, attempt, spawn};

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

fn parse(n: u8) -> Result<u8, Broken> {
    if n == 0 { Err(Broken) } else { Ok(n) }
}

fn another_error_type() {
    let _ = attempt(|| parse(1));
    let _ = spawn(|| 1).and_then(parse);
    let _ = spawn(|| 1).or_else(|_| parse(1));
}

fn no_result_at_all() {
    let _ = attempt(|| 1);
    let _ = spawn(|| 1).and_then(|n| Some(n));
}

fn as_it_should_be() {
    let task: Task<u8> = attempt(|| Ok(parse(1)?));
    let task: Task<u8> = task.and_then(|n| Ok(parse(n)?));
    let _: Task<u8> = task.or_else(|_| parse(1).map_err(Into::into));
}

fn main() {}
