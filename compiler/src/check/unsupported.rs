//! What the language has and this compiler does not yet: said at its place, never passed over.

use super::errors;
use l4c_grammar::{Diag, Name, Span};

/// Actions that are not there yet.
pub(crate) const ACTIONS: &[&str] = &["syncookie", "truncate"];

/// Kinds of hook that are not there yet.
pub(crate) const HOOKS: &[&str] = &["socket", "xt", "tc", "cgroup", "netfilter"];

/// The error for `what` (in words, or quoted as code) at its place.
pub(crate) fn at(span: Span, what: &str) -> Diag {
    errors::not_supported(span, what)
}

/// `use std::NAME`
pub(crate) fn standard_library(name: &Name) -> Diag {
    at(name.span, "`use std::`")
}
