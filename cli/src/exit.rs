//! Exit codes, and how a command gives up.

use crate::ui::Ui;
use std::process::ExitCode;

/// What the exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, and nothing wrong.
    Done = 0,
    /// The rules or the tests failed.
    Failed = 1,
    /// Bad usage.
    Usage = 2,
    /// The kernel or the system refused.
    Refused = 3,
    /// Input could not be read.
    Unreadable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that gave up.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong; empty if the user has been told already.
    message: String,
    /// What to do about it.
    help: Option<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    /// The diagnostics have been printed.
    pub fn told(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Rules or tests that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Arguments that make no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A refusal by kernel or system.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Input that can't be read.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreadable, message)
    }

    /// A command or flag of a later version.
    pub fn later(what: &str) -> Self {
        Self::usage(format!("`{what}` is not supported yet: a later version of l4c brings it"))
    }

    /// With the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With something more to do about it.
    #[must_use]
    pub fn add(self, help: &str) -> Self {
        let help = self.help.as_ref().map_or(help.to_owned(), |first| format!("{first}; {help}"));
        self.help(help)
    }

    /// Tells the user, unless that has been done.
    pub fn print(&self, ui: &mut Ui) {
        if !self.message.is_empty() {
            ui.error(&self.message);
        }
        if let Some(help) = &self.help {
            ui.say(&format!("  help: {help}"));
        }
    }
}
