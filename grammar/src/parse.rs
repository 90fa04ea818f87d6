//! From a source text to its tree: checks of the whole, then piece by piece.

use crate::sink::{Sink, Source};
use crate::split::{self, Piece, Top};
use crate::{Diag, File, FileId, Item, ItemKind, chars, errors, items, limits, rules, spanned};

/// What could be read of a source, and what could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Every item and rule without a mistake of form.
    pub file: File,
    /// Every mistake, in the order of their places.
    pub diags: Vec<Diag>,
}

/// Reads a source file. Spans carry `file`.
///
/// Refuses texts of more than 64 MiB as a whole; every other mistake costs only the rule or line it is in.
#[must_use]
pub fn parse(file: FileId, text: &str) -> Parsed {
    read(Source { file, text }, None)
}

/// Reads the body of a hook with items allowed beside its rules, as given on a command line.
///
/// The items come first in the result, then one hook of the given `kind` and `name` that holds the rules,
/// defaults and settings; spans point into `text`.
#[must_use]
pub fn parse_body(file: FileId, text: &str, kind: &str, name: &str) -> Parsed {
    read(Source { file, text }, Some((kind, name)))
}

/// The text of a source file.
///
/// # Errors
///
/// A source that is not UTF-8. The place is that of the replacement character which
/// [`String::from_utf8_lossy`] puts there.
pub fn decode(file: FileId, bytes: &[u8]) -> Result<&str, Box<Diag>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let source = Source { file, text: "" };
        let byte = bytes.get(at).copied().unwrap_or_default();
        Box::new(errors::not_utf8(source.span(at, at + '\u{fffd}'.len_utf8()), byte))
    })
}

fn read(source: Source<'_>, body: Option<(&str, &str)>) -> Parsed {
    let mut sink = Sink::new();
    let mut file = File::default();
    if source.text.len() > limits::FILE_BYTES {
        let (bytes, max) = (source.text.len(), limits::FILE_BYTES);
        sink.push(errors::file_too_long(source.span(0, 0), bytes, max));
        return Parsed { file, diags: sink.diags };
    }
    let bad = chars::check(source, &mut sink);
    let cut = split::split(source, body.is_some(), &mut sink);
    file.comments = cut.comments;
    let whole = source.span(0, source.text.len());
    let start = source.span(0, 0);
    let mut hook = body.map(|(kind, name)| {
        items::empty_hook(spanned(kind.to_owned(), start), Some(spanned(name.to_owned(), start)))
    });
    for mut top in cut.tops {
        if sink.full {
            break;
        }
        mark_broken(&mut top, &bad);
        match (&top, &mut hook) {
            (Top::Line(piece), _) | (Top::Rule(piece), None) => {
                file.items.extend(items::line(source, piece, &mut sink));
            }
            (Top::Block(block), _) => file.items.extend(items::block(source, block, &mut sink)),
            (Top::Rule(piece), Some(hook)) => rules::hook_body(source, piece, hook, &mut sink),
        }
    }
    file.items.extend(hook.map(|hook| Item { kind: ItemKind::Hook(hook), span: whole }));
    let mut diags = sink.diags;
    diags.sort_by_key(|diag| diag.span);
    Parsed { file, diags }
}

/// Pieces with a forbidden character were reported already.
fn mark_broken(top: &mut Top, bad: &[usize]) {
    if bad.is_empty() {
        return;
    }
    let mark = |piece: &mut Piece| {
        piece.broken |= chars::any_within(bad, piece.start, piece.end);
    };
    match top {
        Top::Line(piece) | Top::Rule(piece) => mark(piece),
        Top::Block(block) => {
            mark(&mut block.head);
            block.pieces.iter_mut().for_each(mark);
        }
    }
}
