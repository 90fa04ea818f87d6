//! Where mistakes are collected.

use super::errors;
use l4c_grammar::{Diag, Severity, Span};

/// So many errors, and so many warnings, are kept; of more than that, the number.
const MAX_KEPT: usize = 1000;

/// Mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Diags {
    kept: Vec<Diag>,
    errors: usize,
    warnings: usize,
    last: Option<Span>,
}

impl Diags {
    /// Those of the parser, all of them.
    pub(crate) fn starting_with(kept: Vec<Diag>) -> Self {
        let errors = kept.iter().filter(|d| d.severity == Severity::Error).count();
        Self { errors, warnings: kept.len() - errors, kept, last: None }
    }

    /// Adds one.
    pub(crate) fn push(&mut self, diag: Diag) {
        let count = match diag.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MAX_KEPT {
            self.kept.push(diag);
        } else {
            self.last = Some(diag.span);
        }
    }

    /// Adds an error and gives nothing back: `return diags.none(…)`.
    pub(crate) fn none<T>(&mut self, diag: Diag) -> Option<T> {
        self.push(diag);
        None
    }

    /// True if another error would only be counted: not worth a search for its remedy.
    pub(crate) fn full(&self) -> bool {
        self.errors >= MAX_KEPT
    }

    /// True if there is an error.
    pub(crate) fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// All of them by place, each once.
    pub(crate) fn finish(mut self) -> Vec<Diag> {
        if let Some(span) = self.last {
            let (errors, warnings) =
                (self.errors.saturating_sub(MAX_KEPT), self.warnings.saturating_sub(MAX_KEPT));
            if errors > 0 {
                self.kept.push(errors::more_errors(span, errors));
            }
            if warnings > 0 {
                self.kept.push(errors::more_warnings(span, warnings));
            }
        }
        self.kept.sort_by_key(|d| (d.span.file, d.span.start, d.span.end));
        self.kept.dedup();
        self.kept
    }
}
