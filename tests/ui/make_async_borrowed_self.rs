use fast_async::make_async;
use std::pin::Pin;
use std::sync::Arc;

#[derive(Default)]
struct Counter(u32);

impl Counter {
    #[make_async]
    fn get(&self) -> u32 {
        self.0
    }

    #[make_async]
    fn add(&mut self, n: u32) {
        self.0 += n;
    }

    #[make_async]
    fn typed(self: &Self) -> u32 {
        self.0
    }

    #[make_async]
    fn pinned(self: Pin<&mut Self>) -> u32 {
        self.0
    }

    #[make_async]
    fn shared(self: Arc<Self>) -> u32 {
        self.0
    }
}

fn main() {
    let mut counter = Counter::default();
    counter.add(1).wait().unwrap();
    let _: u32 = Pin::new(&mut counter).pinned().wait().unwrap();
    let sum: u32 = counter.get().wait().unwrap() + counter.typed().wait().unwrap();
    let _: u32 = Arc::new(counter).shared().wait().unwrap() + sum;
}
