//! Where the mistakes of one source are gathered, with a bound on their number.

use crate::{Diag, FileId, Span, errors, limits};

/// Collects [`Diag`]s up to [`limits::DIAGS`], and counts the values read from lists.
#[derive(Debug)]
pub(crate) struct Sink {
    /// In the order found.
    pub(crate) diags: Vec<Diag>,
    /// No more are taken; whoever reads on may stop.
    pub(crate) full: bool,
    elements: usize,
}

impl Sink {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { diags: Vec::new(), full: false, elements: 0 }
    }

    /// Keeps `diag`, or says once that there are too many.
    pub(crate) fn push(&mut self, diag: Diag) {
        if self.full {
            return;
        }
        if self.diags.len() >= limits::DIAGS {
            self.diags.push(errors::too_many_errors(diag.span));
            self.full = true;
        } else {
            self.diags.push(diag);
        }
    }

    /// Counts one value of a list at `span`; false when the source holds too many.
    pub(crate) fn element(&mut self, span: Span) -> bool {
        self.elements += 1;
        if self.elements == limits::ELEMENTS + 1 {
            self.push(errors::too_many_elements(span));
        }
        self.elements <= limits::ELEMENTS
    }
}

/// A source text with its place in the caller's list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Which file.
    pub(crate) file: FileId,
    /// All of it.
    pub(crate) text: &'a str,
}

impl<'a> Source<'a> {
    /// A span of this file; offsets in bytes.
    pub(crate) fn span(self, start: usize, end: usize) -> Span {
        Span::new(self.file, to_u32(start), to_u32(end))
    }

    /// The text under `span`, which must be one of this file.
    pub(crate) fn at(self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

/// Offsets fit: longer sources are refused before anything reads them.
fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
