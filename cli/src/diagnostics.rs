//! Mistakes of rule files, shown to people and to programs.

mod sheet;
mod shown;
#[cfg(test)]
mod tests;

use crate::table::count;
use crate::ui::Ui;
use l4c_compiler::source::Sources;
use l4c_grammar::{Diag, FileId, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;
use sheet::Sheet;
use shown::Shown;
use std::collections::BTreeMap;

/// So many are shown in full; of the others only their number.
const MAX_SHOWN: usize = 100;

/// Columns that reports are laid out for.
const WIDTH: usize = 100;

/// A mistake as `l4c check --format json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    code: &'a str,
    severity: &'static str,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    message: &'a str,
    help: Option<&'a str>,
}

/// How many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
}

impl Tally {
    /// Counts a list.
    pub fn of<'d>(diags: impl IntoIterator<Item = &'d Diag>) -> Self {
        let mut tally = Self::default();
        for diag in diags {
            match diag.severity {
                Severity::Error => tally.errors += 1,
                Severity::Warning => tally.warnings += 1,
            }
        }
        tally
    }

    /// `2 errors, 1 warning`.
    pub fn in_words(self) -> String {
        let parts = [(self.errors, "error"), (self.warnings, "warning")];
        let parts = parts.into_iter().filter(|&(n, _)| n > 0).map(|(n, word)| count(n, word));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Texts, prepared when first asked for.
struct Sheets<'a> {
    sources: &'a Sources,
    made: BTreeMap<FileId, Sheet<'a>>,
}

impl<'a> Sheets<'a> {
    fn new(sources: &'a Sources) -> Self {
        Self { sources, made: BTreeMap::new() }
    }

    fn prepare(&mut self, file: FileId) {
        let sources = self.sources;
        self.made.entry(file).or_insert_with(|| {
            let source = sources.get(file);
            Sheet::new(source.map_or("", |s| &s.name), source.map_or("", |s| &s.text))
        });
    }

    fn get(&self, file: FileId) -> &Sheet<'a> {
        self.made.get(&file).expect("a sheet is prepared before it is asked for")
    }
}

/// Prints mistakes for people on standard error, in the order of their places.
pub fn print(ui: &mut Ui, sources: &Sources, diags: &[Diag]) {
    let mut diags: Vec<&Diag> =
        diags.iter().filter(|d| !ui.quiet || d.severity == Severity::Error).collect();
    diags.sort_by_key(|d| (d.span.file, d.span.start));
    let hidden = diags.split_off(diags.len().min(MAX_SHOWN));
    let mut sheets = Sheets::new(sources);
    let handler = handler(ui.color_err);
    for diag in diags {
        ui.say(&render(&handler, &mut sheets, diag));
    }
    if !hidden.is_empty() {
        ui.say(&format!("… and {} more", Tally::of(hidden).in_words()));
    }
}

/// Prints mistakes for programs on standard output, one a line, in the order of their places.
pub fn print_json(ui: &mut Ui, sources: &Sources, diags: &[Diag]) {
    let mut diags: Vec<&Diag> = diags.iter().collect();
    diags.sort_by_key(|d| (d.span.file, d.span.start));
    let mut sheets = Sheets::new(sources);
    for diag in diags {
        sheets.prepare(diag.span.file);
        let sheet = sheets.get(diag.span.file);
        let (line, column) = sheet.line_column(diag.span.start as usize);
        let (end_line, end_column) = sheet.line_column(diag.span.end as usize);
        let severity = match diag.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        ui.json_line(&Line {
            code: diag.code,
            severity,
            file: sheet.name(),
            line,
            column,
            end_line,
            end_column,
            message: &diag.message,
            help: diag.help.as_deref(),
        });
    }
}

fn handler(color: bool) -> GraphicalReportHandler {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .with_show_related_as_nested(true)
}

fn render(handler: &GraphicalReportHandler, sheets: &mut Sheets<'_>, diag: &Diag) -> String {
    sheets.prepare(diag.span.file);
    for (span, _) in &diag.others {
        sheets.prepare(span.file);
    }
    let shown = Shown::new(diag, &|file| sheets.get(file));
    let mut text = String::new();
    // The only thing that can fail is the sink, and a string takes everything.
    let _ = handler.render_report(&mut text, &shown);
    text.trim_end().to_owned() + "\n"
}
