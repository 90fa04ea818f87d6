//! Diagnostics as plain data: every stage makes them, only the command line prints them.

use crate::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Compiles, but look at it.
    Warning,
    /// Does not compile.
    Error,
}

/// One mistake, in the user's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diag {
    /// Stable code such as `E0104`; explained by `l4c explain-error CODE`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// The place that is underlined.
    pub span: Span,
    /// What stands under the underline; empty for none.
    pub label: String,
    /// Further places, each with its own words (the first definition of a duplicate, say).
    pub others: Vec<(Span, String)>,
    /// What to write instead, if that is known.
    pub help: Option<String>,
}

impl Diag {
    /// An error at `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            others: Vec::new(),
            help: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// With words under the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With a second place.
    #[must_use]
    pub fn other(mut self, span: Span, words: impl Into<String>) -> Self {
        self.others.push((span, words.into()));
        self
    }

    /// With the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
