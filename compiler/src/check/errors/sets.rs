//! What is said of sets that change, and of tuples.

use super::shown;
use l4c_grammar::{Diag, Name, Span};

/// `set s: (prefix, port)`
pub(crate) fn prefix_in_tuple(word: &Name) -> Diag {
    Diag::error("E0340", word.span, "a tuple holds whole addresses")
        .label("no type of a column")
        .help("write `addr` here, and mask the field where it is asked for: `(src/24/64, dport)`")
}

/// A tuple of too many columns.
pub(crate) fn tuple_too_wide(span: Span, bytes: u32) -> Diag {
    let most = l4c_manifest::MAX_KEY_BYTES;
    Diag::error(
        "E0340",
        span,
        format!("an element of this set has {bytes} bytes, and {most} are the most"),
    )
    .label("too many columns")
}

/// An element with another number of parts.
pub(crate) fn tuple_parts(span: Span, parts: usize) -> Diag {
    Diag::error("E0340", span, format!("an element of this set has {parts} parts"))
        .label("not so many")
        .help("write them in parentheses: `(192.0.2.1, 53)`")
}

/// A range that a set can't hold one by one, or a tuple of two families.
pub(crate) fn no_element(span: Span, why: &str) -> Diag {
    Diag::error("E0340", span, why).label("no element")
}

/// `timeout` without `dynamic`
pub(crate) fn timeout_static(span: Span, name: &str) -> Diag {
    let why = format!("nothing is added to the set `{}` that could end", shown(name));
    Diag::error("E0340", span, why)
        .label("`timeout` goes with `dynamic`")
        .help("write `dynamic` too, or leave `timeout` out")
}

/// `timeout 0s`
pub(crate) fn lifetime(span: Span) -> Diag {
    Diag::error("E0340", span, "an element stays for a while, and not for longer than 100 years")
        .label("no such time")
}

/// `src in @flows`, where the set holds tuples.
pub(crate) fn set_of_tuples(span: Span, name: &str, ty: &str) -> Diag {
    Diag::error("E0213", span, format!("the set `{}` holds `{ty}`", shown(name)))
        .label("one field is compared")
        .help("compare as many fields in parentheses: `(src, dport) in @set`")
}

/// `(src, dport) in { … }`
pub(crate) fn tuple_without_set(span: Span) -> Diag {
    Diag::error("E0341", span, "several fields together are looked for in a set")
        .label("no set")
        .help("declare `set NAME: (addr, port) { … }` and write `in @NAME`")
}

/// `(l4[0:2], src) in @set`
pub(crate) fn tuple_part(span: Span) -> Diag {
    Diag::error("E0341", span, "a tuple is made of fields")
        .label("no field")
        .help("masks go with addresses: `src/24/64`")
}

/// A key whose parts are not those of the set's elements.
pub(crate) fn key_of_other(span: Span, name: &str, ty: &str) -> Diag {
    Diag::error("E0341", span, format!("the set `{}` holds `{ty}`", shown(name)))
        .label("these are other fields")
        .help("as many fields as the set has columns, of their types and in their order")
}

/// `add src/24/64 to @addresses`
pub(crate) fn masked_element(span: Span, name: &str, key: &str) -> Diag {
    Diag::error("E0341", span, format!("the set `{}` holds whole addresses", shown(name)))
        .label(format!("`{key}` is a prefix"))
        .help("make it a set of `prefix`, or leave the mask out")
}

/// `add src banned`
pub(crate) fn change_form(span: Span, verb: &str, form: &str) -> Diag {
    Diag::error("E0342", span, format!("`{verb}` is written otherwise"))
        .label("not so")
        .help(format!("write `{form}`"))
}

/// `add src to banned`
pub(crate) fn no_set(span: Span) -> Diag {
    Diag::error("E0342", span, "here stands the name of a set")
        .label("no set")
        .help("as in `@banned`")
}

/// `add src to @static`
pub(crate) fn set_never_changes(span: Span, name: &str, set: Span) -> Diag {
    let name = shown(name);
    Diag::error("E0343", span, format!("the set `{name}` does not change while it is loaded"))
        .label("a rule would change it")
        .other(set, "the set")
        .help("write `dynamic` in it")
}
