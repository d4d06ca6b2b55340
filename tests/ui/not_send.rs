use fast_async::spawn;
use std::cell::RefCell;
use std::rc::Rc;

fn captured() {
    let list = Rc::new(RefCell::new(vec![1]));
    let _ = spawn(move || list.borrow().len());
}

fn returned() {
    let _ = spawn(|| Rc::new(1));
}

fn captured_by_a_continuation() {
    let list = Rc::new(vec![1]);
    let _ = spawn(|| 1).then(move |n| n + list[0]);
}

fn returned_by_a_continuation() {
    let _ = spawn(|| 1).then(|n| Rc::new(n));
}

fn captured_by_an_observer() {
    let list = Rc::new(vec![1]);
    let _ = spawn(|| 1).subscribe(move |n| assert_eq!(*n, list[0]), |_| ());
}

fn main() {}
