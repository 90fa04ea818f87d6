//! Diagnostics as plain text, and files of mistakes with what is said about them below.
//!
//! ```text
//! #: E0101 2:5 `udp.dprt`: there is no field `udp.dprt`
//! #:     unknown field
//! #:     help: did you mean `udp.dport`?
//! ```

use crate::case::{Case, MARK, split};
use l4c_compiler::check::{CheckOptions, check};
use l4c_compiler::source::{DiskFiles, Files, Input, InputText, Sources, load};
use l4c_grammar::{Diag, Span};
use std::fmt::Write as _;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Quoted source text is cut to so many characters.
const MAX_QUOTE_CHARS: usize = 60;

/// Diagnostics as text, one below the other, without colours.
#[must_use]
pub fn plain(diags: &[Diag], sources: &Sources) -> String {
    let mut out = String::new();
    for diag in diags {
        let place = place(diag.span, sources);
        writeln!(out, "{} {place}: {}", diag.code, diag.message).expect("a string takes it");
        if !diag.label.is_empty() {
            writeln!(out, "    {}", diag.label).expect("a string takes it");
        }
        for (span, words) in &diag.others {
            let place = self::place(*span, sources);
            writeln!(out, "    {place}: {words}").expect("a string takes it");
        }
        if let Some(help) = &diag.help {
            writeln!(out, "    help: {help}").expect("a string takes it");
        }
    }
    out
}

/// Line, column, and the text that is underlined; the file's name if it is not the root.
fn place(span: Span, sources: &Sources) -> String {
    let (line, column) = sources.line_column(span.file, span.start);
    let file = match sources.get(span.file) {
        Some(source) if span.file.0 > 0 => format!("{}:", source.name),
        Some(_) | None => String::new(),
    };
    let text = sources.text(span).escape_debug().to_string();
    let cut = text.chars().count() > MAX_QUOTE_CHARS;
    let quote: String = text.chars().take(MAX_QUOTE_CHARS).collect();
    format!("{file}{line}:{column} `{quote}{}`", if cut { "…" } else { "" })
}

/// The disk, but for the file of mistakes itself, which is read without what is expected of it.
struct WithoutExpectations(DiskFiles);

impl Files for WithoutExpectations {
    fn resolve(
        &self,
        base: l4c_compiler::source::Base<'_>,
        written: &str,
    ) -> Result<PathBuf, l4c_compiler::source::FileError> {
        self.0.resolve(base, written)
    }

    fn read_root(
        &self,
        path: &Path,
    ) -> Result<(Vec<u8>, PathBuf), l4c_compiler::source::FileError> {
        let (text, dir) = self.0.read_root(path)?;
        Ok((split(&text).0.to_vec(), dir))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, l4c_compiler::source::FileError> {
        let text = self.0.read(path)?;
        Ok(split(&text).0.to_vec())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn BufRead>, l4c_compiler::source::FileError> {
        self.0.open(path)
    }
}

/// Everything that is said about a file.
///
/// # Errors
/// When it can't be read.
pub fn of_file(case: &Case) -> Result<(Vec<Diag>, Sources), String> {
    let files = WithoutExpectations(DiskFiles::default());
    let text = InputText::Path(case.path.clone());
    let input = Input { name: case.name.clone(), text };
    let loaded = load(input, &files).map_err(|e| e.to_string())?;
    let checked = check(loaded, &files, CheckOptions::default());
    Ok((checked.diags, checked.sources))
}

/// Everything that is said about a text.
#[must_use]
pub fn of_text(text: String) -> Vec<Diag> {
    let files = l4c_compiler::source::MemoryFiles::new();
    let input = Input { name: "rules.l4".to_owned(), text: InputText::Text(text) };
    match load(input, &files) {
        Ok(loaded) => check(loaded, &files, CheckOptions::default()).diags,
        Err(_) => Vec::new(),
    }
}

/// Diagnostics as lines of expectations.
#[must_use]
pub fn expectations(diags: &[Diag], sources: &Sources) -> String {
    let mut out = String::new();
    for line in plain(diags, sources).lines() {
        writeln!(out, "{MARK} {line}").expect("a string takes it");
    }
    out
}
