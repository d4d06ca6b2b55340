//! A window that searches the files of a directory: results come as they are found, and the search
//! can be stopped at any time.
//!
//! ```sh
//! cargo run --release -p desktop -- [DIRECTORY [TEXT]]
//! ```

mod app;
mod search;

use std::env;
use std::path::PathBuf;

use app::App;
use eframe::egui::ViewportBuilder;

fn main() -> eframe::Result {
    let mut args = env::args_os().skip(1);
    let directory = args.next().map_or_else(|| ".".into(), PathBuf::from);
    let text = args.next().map(|text| text.to_string_lossy().into_owned());
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default().with_inner_size([860.0, 540.0]),
        ..Default::default()
    };
    let make = move |made: &eframe::CreationContext<'_>| {
        let app = App::new(&made.egui_ctx, directory, text);
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("fast-async: search", options, Box::new(make))
}
