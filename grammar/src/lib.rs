//! The l4 language: text to syntax tree and back.

mod ast;
mod diag;
mod span;

pub use ast::*;
pub use diag::{Diag, Severity};
pub use span::{FileId, S, Span, Spanned, spanned};
