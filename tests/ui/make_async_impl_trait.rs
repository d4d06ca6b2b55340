use fast_async::make_async;
use std::fmt::Display;

#[make_async]
fn call(f: impl Fn() -> u8) -> u8 {
    f()
}

#[make_async]
fn show(what: impl Display + Send, more: Vec<impl Display + 'static>) -> String {
    format!("{what}{}", more.len())
}

#[make_async]
fn numbers(end: u8) -> impl Iterator<Item = u8> + Send {
    0..end
}

#[make_async]
fn perhaps(n: u8) -> Result<impl Display, std::num::TryFromIntError> {
    i8::try_from(n)
}

#[make_async]
fn fine(f: impl Fn() -> u8 + Send + 'static) -> u8 {
    f()
}

fn main() {
    let sum: u8 = call(|| 1).wait().unwrap() + fine(|| 1).wait().unwrap();
    let shown: String = show(sum, vec!["text"]).wait().unwrap();
    for n in numbers(3).wait().unwrap() {
        println!("{n} {shown} {}", perhaps(n).wait().unwrap());
    }
}
