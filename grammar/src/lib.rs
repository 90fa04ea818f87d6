//! The l4 language: text to syntax tree and back.
//!
//! [`parse`] never panics and never stops at the first mistake: it returns every item and rule that could be
//! read, and a [`Diag`] for every other. The source is cut into rules and lines first, so a broken one spoils
//! no other; time and memory stay in proportion to its length.

mod ast;
mod chars;
mod diag;
mod errors;
mod format;
mod items;
mod lex;
mod limits;
mod names;
mod parse;
mod predicate;
mod props;
mod rules;
mod sink;
mod span;
mod split;
mod steps;
mod syntax;
mod values;

pub use ast::*;
pub use diag::{Diag, Severity};
pub use errors::CODES;
pub use format::format;
pub use parse::{Parsed, decode, parse, parse_body};
pub use span::{FileId, S, Span, Spanned, spanned};
