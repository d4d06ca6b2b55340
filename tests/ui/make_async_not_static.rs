use fast_async::make_async;

struct Borrowing<'a>(&'a str);

impl<'a> Borrowing<'a> {
    #[make_async]
    fn receiver(self) -> usize {
        self.0.len()
    }
}

#[make_async]
fn generic<T: Send>(item: T) {
    drop(item);
}

#[make_async]
fn elided(item: Borrowing) {
    drop(item);
}

#[make_async]
fn value<T: Default + Send>() -> T {
    T::default()
}

fn main() {}
