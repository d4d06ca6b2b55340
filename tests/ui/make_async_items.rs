use fast_async::make_async;

#[make_async]
#[derive(Default)]
pub struct Page(u8);

#[make_async]
impl Page {
    fn load(self) -> u8 {
        self.0
    }
}

#[make_async]
trait Load {
    fn load(self) -> u8;
}

#[make_async]
mod pages {
    pub const FIRST: u8 = 1;
}

#[make_async]
const LIMIT: u8 = 1;

#[make_async]
unsafe impl Send for Unsent {}

struct Unsent(*const u8);

fn main() {
    let _ = Page::default().load() + pages::FIRST + LIMIT;
    let _ = Unsent(&1);
}
