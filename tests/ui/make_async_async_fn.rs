use fast_async::make_async;

struct Page(String);

impl Page {
    #[make_async]
    async fn length(self) -> usize {
        load(self.0).await.len()
    }
}

#[make_async(name = "load")]
async fn load(url: String) -> String {
    std::future::ready(url).await
}

// The callers are right about what they get.
fn main() {
    let text: String = load("url".into()).wait().unwrap();
    let length: usize = Page(text).length().wait().unwrap();
    println!("{length}");
}
