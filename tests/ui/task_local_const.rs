use fast_async::TaskLocal;

const REQUEST: TaskLocal<u64> = TaskLocal::inherited();

static TRANSACTION: TaskLocal<std::rc::Rc<u64>> = TaskLocal::new();

fn main() {
    REQUEST.scope(17, || assert_eq!(REQUEST.get(), Some(17)));
    let local: TaskLocal<u64> = TaskLocal::new();
    assert_eq!(local.get(), None);
}
