use fast_async::make_async;
use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;
use std::slice::Iter;

#[make_async]
fn text(text: &str) -> usize {
    text.len()
}

#[make_async]
fn path(path: &Path, names: &[String]) -> bool {
    path.exists() && names.is_empty()
}

#[make_async]
fn shown(what: &dyn Display, number: &u32) -> String {
    format!("{what}{number}")
}

#[make_async]
fn changed(list: &mut Vec<u8>) {
    list.push(1);
}

#[make_async]
fn inside(list: Vec<Option<&u8>>) -> usize {
    list.len()
}

#[make_async]
fn lifetimes<'a>(text: Cow<'a, str>, bytes: Iter<'_, u8>, call: Box<dyn Fn() + Send + 'a>) -> usize {
    call();
    text.len() + bytes.len()
}

// `'static`, or borrowed only by a later call: accepted.
#[make_async]
fn fine(text: &'static str, call: Box<dyn Fn(&str) -> usize + Send>) -> usize {
    call(text)
}

fn main() {
    let text: usize = text("text").wait().unwrap();
    let _: bool = path(Path::new("/"), &[]).wait().unwrap();
    let _: String = shown(&1, &2).wait().unwrap();
    changed(&mut Vec::new()).wait().unwrap();
    let _: usize = inside(vec![None]).wait().unwrap();
    let _: usize = lifetimes("text".into(), [1].iter(), Box::new(|| ())).wait().unwrap();
    let _: usize = fine("text", Box::new(str::len)).wait().unwrap() + text;
}
