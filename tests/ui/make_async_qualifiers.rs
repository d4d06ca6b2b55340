use fast_async::make_async;

#[make_async]
const fn one() -> u8 {
    1
}

#[make_async]
unsafe fn read(at: usize) -> u8 {
    unsafe { *(at as *const u8) }
}

#[make_async]
extern "C" fn called_from_c(n: u8) -> u8 {
    n
}

#[make_async]
pub unsafe extern "C" fn count(first: u32, mut rest: ...) -> u32 {
    first
}

fn main() {
    let _: [u8; 3] = [
        one().wait().unwrap(),
        read(1).wait().unwrap(),
        called_from_c(1).wait().unwrap(),
    ];
    let _: u32 = count(1).wait().unwrap();
}
