use fast_async::{Task, make_async};

trait Load {
    #[make_async]
    fn load(self, times: u8) -> Result<u8, std::fmt::Error>;
}

impl Load for u8 {
    fn load(self, times: u8) -> Task<u8> {
        Task::builder().spawn(move || self * times)
    }
}

unsafe extern "C" {
    #[make_async]
    safe fn abs(n: i32) -> i32;
}

fn main() {
    let _: u8 = 1.load(2).wait().unwrap();
}
