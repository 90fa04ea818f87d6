//! Where text goes: results to standard output, everything else to standard error.
//!
//! A reader that has gone away (`l4c … | head`) is no error and never a panic: the rest is not
//! written, and commands that go on for long ask [`Ui::is_closed`].

use crate::args::{Color, Common, Format};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

/// The two streams and how they are to look.
pub struct Ui {
    /// Results are JSON, one document a line.
    pub json: bool,
    /// Only results and errors.
    pub quiet: bool,
    /// More than usual.
    pub verbose: bool,
    /// Standard error takes colours.
    pub color_err: bool,
    /// Standard output takes colours.
    pub color_out: bool,
    out: BufWriter<Stdout>,
    out_is_terminal: bool,
    closed: bool,
    failed: Option<io::Error>,
}

impl Ui {
    /// As the arguments say.
    pub fn new(common: &Common) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = |terminal: bool| match common.color {
            Color::Auto => terminal && !no_color,
            Color::Always => true,
            Color::Never => false,
        };
        let out_is_terminal = io::stdout().is_terminal();
        Self {
            json: common.format == Format::Json,
            quiet: common.quiet,
            verbose: common.verbose,
            color_err: color(io::stderr().is_terminal()),
            color_out: color(out_is_terminal),
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            out_is_terminal,
            closed: false,
            failed: None,
        }
    }

    /// A line of results.
    pub fn line(&mut self, text: impl Display) {
        let written = writeln!(self.out, "{text}");
        self.settle(written);
    }

    /// A text that brings its own line ends.
    pub fn raw(&mut self, bytes: &[u8]) {
        let written = self.out.write_all(bytes);
        self.settle(written);
    }

    /// A JSON document on a line of its own.
    pub fn json_line(&mut self, document: &impl Serialize) {
        let written = serde_json::to_writer(&mut self.out, document).map_err(io::Error::from);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        self.settle(written);
    }

    fn settle(&mut self, written: io::Result<()>) {
        let flushed = if self.out_is_terminal { self.out.flush() } else { Ok(()) };
        if let Err(error) = written.and(flushed) {
            self.closed = true;
            let gone = error.kind() == io::ErrorKind::BrokenPipe;
            self.failed = self.failed.take().or((!gone).then_some(error));
        }
    }

    /// Nobody reads the results any more, or they can't be written.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Standard output is a terminal.
    pub fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Writes out the results so far.
    pub fn flush(&mut self) {
        let flushed = self.out.flush();
        self.settle(flushed);
    }

    /// Text on standard error; the results so far come first.
    pub fn say(&mut self, text: &str) {
        self.flush();
        // If nobody listens, there is nobody to tell.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Something worth knowing, on standard error.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say(&format!("note: {text}"));
        }
    }

    /// Something worth knowing for those who asked for more.
    pub fn detail(&mut self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// What went wrong, on standard error.
    pub fn error(&mut self, text: &str) {
        let word = if self.color_err { "\x1b[31merror\x1b[0m" } else { "error" };
        self.say(&format!("{word}: {text}"));
    }

    /// Writes out what is left.
    ///
    /// # Errors
    /// The first that occurred, unless it was that nobody reads.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.failed.take().map_or(Ok(()), Err)
    }
}
