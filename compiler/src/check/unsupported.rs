//! What the language has and this compiler does not yet: said at its place, never passed over.

use super::errors;
use l4c_grammar::{Diag, Name, Span};

/// Fields that are not there yet.
const FIELDS: &[&str] = &["iface", "rx_queue", "mark", "cpu"];

/// Actions that are not there yet.
pub(crate) const ACTIONS: &[&str] =
    &["reject", "redirect", "syncookie", "truncate", "add", "del", "mark"];

/// Kinds of hook that are not there yet.
pub(crate) const HOOKS: &[&str] = &["socket", "xt", "tc", "cgroup", "netfilter"];

/// Properties of sets that are not there yet.
pub(crate) const SET_PROPS: &[&str] = &["dynamic", "timeout"];

/// Predicates in form of a call that are not there yet.
pub(crate) const CALLS: &[&str] = &["over", "under"];

/// The error for `what` (in words, or quoted as code) at its place.
pub(crate) fn at(span: Span, what: &str) -> Diag {
    errors::not_supported(span, what)
}

/// `use std::NAME`
pub(crate) fn standard_library(name: &Name) -> Diag {
    at(name.span, "`use std::`")
}

/// True if `name` is a field of the language that is not there yet.
pub(crate) fn is_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

/// True if `name` is the first word of a field that is not there yet.
pub(crate) fn is_first_word(name: &str) -> bool {
    FIELDS.contains(&name)
}
