use fast_async::make_async;
use std::rc::Rc;

#[derive(Debug)]
struct NoError;

#[derive(Debug)]
struct Local(Rc<u8>);

impl std::fmt::Display for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Local {}

type Result<T, E = NoError> = std::result::Result<T, E>;

#[make_async]
fn named(n: u8) -> Result<u8, NoError> {
    Ok(n)
}

#[make_async]
fn hidden(n: u8) -> Result<Vec<u8>> {
    Ok(vec![n])
}

#[make_async]
fn local(n: u8) -> Result<u8, Local> {
    Ok(n)
}

fn main() {}
