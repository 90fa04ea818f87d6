//! What is seen of a long job while it goes on.

use indicatif::{ProgressBar, ProgressStyle};
use l4c_judge::Progress;
use std::io::IsTerminal as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Jobs that are over sooner get no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on standard error; only on a terminal, and only once the job turns out to be long.
pub struct Bar {
    started: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// No bar yet; `wanted` is false where it would be in the way.
    pub fn new(wanted: bool) -> Self {
        let wanted = wanted && std::io::stderr().is_terminal();
        Self { started: Instant::now(), wanted, bar: None }
    }

    /// The job has come this far.
    pub fn update(&mut self, progress: &Progress<'_>) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let elapsed = self.started.elapsed();
        let new = || new_bar(progress.total_bytes).with_elapsed(elapsed);
        let bar = self.bar.get_or_insert_with(new);
        if let Some(total) = progress.total_bytes {
            bar.set_length(total);
        }
        bar.set_position(progress.bytes_read);
        let packets = progress.packets as f64 / elapsed.as_secs_f64();
        bar.set_message(format!("{:.2} M packets/s, {}", packets / 1e6, progress.capture));
    }

    /// Takes the bar away, so that something else can be printed.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Says on a terminal what takes so long, from the first second on, until it is dropped.
pub struct Spinner {
    done: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    /// Nothing is seen yet; `wanted` is false where it would be in the way.
    pub fn new(wanted: bool, message: &'static str) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self { done: None, thread: None };
        }
        let (done, is_done) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            let style = style.expect("the template is well formed");
            let spinner = ProgressBar::new_spinner().with_style(style).with_message(message);
            let spinner = spinner.with_elapsed(PATIENCE);
            spinner.enable_steady_tick(Duration::from_millis(120));
            // Until the other end goes.
            let _ = is_done.recv();
            spinner.finish_and_clear();
        });
        Self { done: Some(done), thread: Some(thread) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            // A thread that only draws: if it panicked, nothing is drawn.
            let _ = thread.join();
        }
    }
}

fn new_bar(total_bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match total_bytes {
        Some(total) => {
            (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes} {elapsed} (left {eta}) {msg}")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {elapsed} {wide_msg}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    bar.with_style(style)
}
