//! A mistake as miette wants it.

use super::sheet::{Sheet, clean};
use l4c_grammar::{Diag, FileId, Severity};
use miette::{Diagnostic, LabeledSpan, SourceCode};
use std::fmt;

/// A mistake with the text it is in, or a remark about another text.
#[derive(Clone)]
pub struct Shown<'a> {
    code: Option<&'a str>,
    severity: miette::Severity,
    message: String,
    help: Option<String>,
    sheet: &'a Sheet<'a>,
    labels: Vec<LabeledSpan>,
    related: Vec<Shown<'a>>,
}

impl<'a> Shown<'a> {
    /// Puts a mistake together; places in other files than its own become remarks.
    pub fn new(diag: &'a Diag, sheet_of: &dyn Fn(FileId) -> &'a Sheet<'a>) -> Self {
        let sheet = sheet_of(diag.span.file);
        let own_words = (!diag.label.is_empty()).then(|| clean(&diag.label).into_owned());
        let own = LabeledSpan::new_primary_with_span(
            own_words,
            sheet.label_span(diag.span.start, diag.span.end),
        );
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            diag.others.iter().partition(|(span, _)| span.file == diag.span.file);
        let here = here.into_iter().map(|(span, words)| {
            let words = clean(words).into_owned();
            LabeledSpan::new_with_span(Some(words), sheet.label_span(span.start, span.end))
        });
        let elsewhere = elsewhere.into_iter().map(|(span, words)| {
            let sheet = sheet_of(span.file);
            let place = sheet.label_span(span.start, span.end);
            Self {
                code: None,
                severity: miette::Severity::Advice,
                message: clean(words).into_owned(),
                help: None,
                sheet,
                labels: vec![LabeledSpan::new_primary_with_span(None, place)],
                related: Vec::new(),
            }
        });
        Self {
            code: Some(diag.code),
            severity: match diag.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            message: clean(&diag.message).into_owned(),
            help: diag.help.as_ref().map(|help| clean(help).into_owned()),
            sheet,
            labels: std::iter::once(own).chain(here).collect(),
            related: elsewhere.collect(),
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'s>(&'s self) -> Option<Box<dyn fmt::Display + 's>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'s>(&'s self) -> Option<Box<dyn fmt::Display + 's>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.sheet)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'s>(&'s self) -> Option<Box<dyn Iterator<Item = &'s dyn Diagnostic> + 's>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|related| related as &dyn Diagnostic)))
    }
}
