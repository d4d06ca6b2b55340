use fast_async::make_async;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

struct Local(Rc<u8>);

impl Local {
    #[make_async]
    fn receiver(self) -> u8 {
        *self.0
    }

    #[make_async]
    fn pointer(self: Arc<Self>) -> u8 {
        *self.0
    }
}

#[make_async]
fn argument(n: u8, list: Vec<Rc<u8>>, (_, cell): (u8, &'static Cell<u8>)) -> u8 {
    n + *list[0] + cell.get()
}

#[make_async]
fn generic<T>(item: T) {
    drop(item);
}

#[make_async]
fn value(n: u8) -> Option<Rc<u8>> {
    Some(Rc::new(n))
}

#[make_async]
fn fallible(n: u8) -> Result<Rc<u8>, std::fmt::Error> {
    Ok(Rc::new(n))
}

fn main() {}
