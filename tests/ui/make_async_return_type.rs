use fast_async::make_async;
use std::fmt;

#[make_async]
fn part(text: &'static str, from: usize) -> &str {
    &text[from..]
}

#[make_async]
fn parts<'a>(text: String) -> Result<Vec<&'a str>, fmt::Error> {
    Ok(vec![])
}

#[make_async]
fn never() -> ! {
    loop {}
}

#[make_async]
fn unclear() -> fmt::Result {
    Ok(())
}

type Answer = Result<u8, fmt::Error>;

#[make_async(result = true)]
fn alias() -> Answer {
    Ok(1)
}

fn main() {
    let _: usize = part("text", 1).wait().unwrap().len();
    let _: usize = parts("text".into()).wait().unwrap().len();
    let _ = (never(), unclear(), alias());
}
