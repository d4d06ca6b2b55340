//! The window: what it shows, and the search that brings it.

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{
    CentralPanel, Color32, Context, Grid, Key, ProgressBar, RichText, ScrollArea, TextEdit,
    TextStyle, TopBottomPanel, Ui,
};
use fast_async::event::EventKind;
use fast_async::loop_queue::StateQueue;
use fast_async::{CancelOutcome, ErrorKind, Task, TaskError};

use crate::search::{Hit, Summary, search};

/// How long a frame may take in what has arrived.
const PER_FRAME: Duration = Duration::from_millis(5);
/// How long a closed window waits for the closures of its search. Each looks a few times a
/// millisecond whether it is still wanted.
const AT_THE_END: Duration = Duration::from_secs(5);

pub(crate) struct App {
    directory: String,
    text: String,
    shown: Shown,
    /// Brings results from the threads of the pool to `shown`.
    arrivals: StateQueue<Shown>,
    running: Option<Running>,
}

struct Running {
    /// Settles when the summary is shown.
    task: Task<()>,
    /// Settles when no closure of the search runs any more.
    stopped: Task<()>,
}

/// What the window shows of its last search.
#[derive(Default)]
struct Shown {
    /// Which search it is: an earlier one may still have results under way.
    number: u64,
    /// Its end is shown, and events that come later are not.
    is_over: bool,
    status: String,
    /// Files that are read, of so many.
    progress: Option<(u64, u64)>,
    hits: Vec<Hit>,
}

impl App {
    /// With a text, the search begins at once.
    pub(crate) fn new(context: &Context, directory: PathBuf, text: Option<String>) -> App {
        let window = context.clone();
        let mut app = App {
            directory: directory.display().to_string(),
            text: text.unwrap_or_default(),
            shown: Shown::default(),
            // A window that sleeps draws a frame for each arrival.
            arrivals: StateQueue::with_notify(move || window.request_repaint()),
            running: None,
        };
        if !app.text.is_empty() {
            app.search();
        }
        app
    }

    fn search(&mut self) {
        self.cancel("a new search");
        let number = self.shown.number + 1;
        self.shown = Shown {
            number,
            status: "looking for files".into(),
            ..Shown::default()
        };
        let arrivals = self.arrivals.clone();
        let found = move |hits| {
            bring(hits, number, &arrivals, |shown, hits| {
                shown.hits.extend(hits)
            })
        };
        let task = search(self.directory.clone().into(), self.text.clone(), found);
        let arrivals = self.arrivals.clone();
        task.on_event(move |event| bring(event.kind().clone(), number, &arrivals, Shown::tell));
        let stopped = task.stopped();
        let task = task.deliver_outcome(&self.arrivals, Shown::end);
        self.running = Some(Running { task, stopped });
    }

    fn cancel(&mut self, why: &str) -> Option<Task<()>> {
        let running = self.running.take()?;
        if running.task.cancel() != CancelOutcome::TooLate {
            self.shown.is_over = true;
            self.shown.progress = None;
            self.shown.status = format!("stopped: {why}");
        }
        Some(running.stopped)
    }

    fn is_running(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| !running.task.is_settled())
    }

    fn controls(&mut self, ui: &mut Ui) {
        Grid::new("controls").num_columns(2).show(ui, |ui| {
            ui.label("Directory");
            ui.add(TextEdit::singleline(&mut self.directory).desired_width(f32::INFINITY));
            ui.end_row();
            ui.label("Text");
            let text = TextEdit::singleline(&mut self.text).desired_width(f32::INFINITY);
            let text = ui.add(text);
            let enter = text.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            if enter && !self.text.is_empty() {
                self.search();
            }
            ui.end_row();
            let button = ui.button(if self.is_running() { "Stop" } else { "Search" });
            if button.clicked() && self.is_running() {
                drop(self.cancel("by its button"));
            } else if button.clicked() && !self.text.is_empty() {
                self.search();
            }
            self.shown.show_progress(ui);
            ui.end_row();
        });
    }
}

/// Takes a value to the window, which drops it if it shows another search by then.
fn bring<T: Send + 'static>(
    value: T,
    number: u64,
    arrivals: &StateQueue<Shown>,
    show: fn(&mut Shown, T),
) {
    let brought = Task::ready(value).deliver(arrivals, move |shown, value| {
        if shown.number == number {
            show(shown, value);
        }
    });
    let brought = brought.or_else(|error| match error.kind() {
        // The window was closed meanwhile.
        ErrorKind::Rejected => Ok(()),
        _ => Err(error.into()),
    });
    brought.detach();
}

impl eframe::App for App {
    fn update(&mut self, context: &Context, _: &mut eframe::Frame) {
        self.arrivals.run_pending_for(&mut self.shown, PER_FRAME);
        if self.arrivals.queue().pending() > 0 {
            context.request_repaint();
        }
        TopBottomPanel::top("controls").show(context, |ui| {
            ui.add_space(6.0);
            self.controls(ui);
            ui.add_space(6.0);
        });
        CentralPanel::default().show(context, |ui| self.shown.show_hits(ui));
    }
}

/// A window that is closed ends what it has started, and waits until nothing of it runs.
impl Drop for App {
    fn drop(&mut self) {
        if let Some(stopped) = self.cancel("the window was closed") {
            let _ = stopped.wait_timeout(AT_THE_END);
        }
    }
}

impl Shown {
    fn tell(&mut self, event: EventKind) {
        match event {
            _ if self.is_over => {}
            EventKind::Progress { done, total } => {
                self.progress = Some((done, total));
                self.status = format!("{done} of {total} files");
            }
            EventKind::Message(message) => self.status = message.to_string(),
            _ => {}
        }
    }

    fn end(&mut self, outcome: Result<Summary, TaskError>) {
        self.is_over = true;
        self.progress = None;
        self.status = match outcome {
            Ok(summary) => summary.to_string(),
            Err(error) => error.to_string(),
        };
    }

    fn show_progress(&self, ui: &mut Ui) {
        match self.progress {
            Some((done, total)) => {
                let part = done as f32 / total.max(1) as f32;
                ui.add(ProgressBar::new(part).text(&self.status));
            }
            None => drop(ui.label(&self.status)),
        }
    }

    /// Only the rows that can be seen are laid out.
    fn show_hits(&self, ui: &mut Ui) {
        let height = ui.text_style_height(&TextStyle::Monospace);
        let area = ScrollArea::both().auto_shrink(false);
        area.show_rows(ui, height, self.hits.len(), |ui, rows| {
            for hit in &self.hits[rows] {
                ui.horizontal(|ui| {
                    let place = format!("{}:{}", hit.file.display(), hit.line);
                    ui.label(RichText::new(place).monospace().color(Color32::LIGHT_BLUE));
                    ui.label(RichText::new(&hit.text).monospace());
                });
            }
        });
    }
}
