//! The words for what can be wrong with a packet of a test.

use super::header::{FORMS, Kind};
use super::names;
use crate::fields::Field;
use l4c_grammar::{Diag, Name, Span};
use l4c_manifest::HookKind;

/// Headers that there will be.
const LATER: &[&str] = &[
    "dns", "sctp", "gre", "esp", "udplite", "dccp", "vxlan", "gue", "igmp", "ipip", "ospf", "pim",
    "vrrp",
];

pub(super) fn unknown_header(name: &Name) -> Diag {
    let word = name.node.as_str();
    if LATER.contains(&word) {
        return Diag::error(
            "E0501",
            name.span,
            format!("building a `{word}` header is not supported yet"),
        )
        .help("spell its bytes out: `payload(hex\"…\")`");
    }
    let known = || FORMS.iter().map(|form| form.0);
    let diag = Diag::error("E0502", name.span, format!("no packet has a header called `{word}`"));
    match nearest(word, known()) {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag.help(format!("there are {}", known().collect::<Vec<_>>().join(", "))),
    }
}

pub(super) fn unknown_field(name: &Name, layer: &Name, kind: Kind) -> Diag {
    let (word, header) = (name.node.as_str(), layer.node.as_str());
    let known = names::words(header, kind);
    let diag = Diag::error("E0503", name.span, format!("a packet's `{header}` takes no `{word}`"));
    match nearest(word, known.iter().copied()) {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag.help(format!("it takes {}", known.join(", "))),
    }
}

pub(super) fn unknown_change<'a>(name: &Name, known: impl Iterator<Item = &'a str>) -> Diag {
    let diag = Diag::error("E0503", name.span, format!("`{}` is no field", name.node));
    match nearest(&name.node, known) {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag.help("`with` wants the field's whole name, such as `ip.src`"),
    }
}

pub(super) fn no_such_header(name: &Name) -> Diag {
    Diag::error("E0504", name.span, format!("this packet has no place for `{}`", name.node))
        .help("add the header that holds it, or change a field of a header that is there")
}

pub(super) fn value_without_field(span: Span, layer: &Name) -> Diag {
    Diag::error("E0505", span, format!("which field of `{}` is this value for?", layer.node))
        .help(format!("write the field in front of it: `{}(FIELD VALUE)`", layer.node))
}

pub(super) fn no_value(name: &Name) -> Diag {
    Diag::error("E0505", name.span, format!("`{}` needs a value", name.node))
        .help(format!("write it behind the name: `{} VALUE`", name.node))
}

pub(super) fn given_twice(name: &Name) -> Diag {
    Diag::error("E0506", name.span, format!("bits of `{}` are already given", name.node))
        .help("give each field once")
}

/// `allowed` completes "it takes …".
pub(super) fn does_not_fit(span: Span, field: &Field, allowed: &str) -> Diag {
    Diag::error("E0507", span, format!("`{}` cannot hold this number", field.name))
        .help(format!("what it can hold: {allowed}"))
}

pub(super) fn not_a_payload(span: Span) -> Diag {
    Diag::error("E0508", span, "a payload is text, hex or a number of bytes")
        .help("write `\"text\"`, `hex\"00 ff\"`, `payload(\"text\")` or `payload(100)`")
}

pub(super) fn unknown_byte(span: Span) -> Diag {
    Diag::error("E0508", span, "a packet cannot be built of any byte").help("write a byte for `??`")
}

pub(super) fn no_arp(span: Span, kind: HookKind) -> Diag {
    Diag::error("E0509", span, format!("a hook of kind {} sees no ARP", kind.name()))
        .help("its packets begin at the IP header")
}

pub(super) fn too_many(span: Span, most: usize) -> Diag {
    Diag::error("E0510", span, "this packet has too many parts")
        .help(format!("a packet has at most {most} headers and changes, a header {most} entries"))
}

pub(super) fn too_long(span: Span, kind: HookKind) -> Diag {
    let most = kind.max_visible_bytes();
    Diag::error(
        "E0509",
        span,
        format!("a hook of kind {} is shown at most {most} bytes", kind.name()),
    )
    .help("shorten the payload")
}

pub(super) fn too_short(span: Span, bytes: usize, kind: HookKind) -> Diag {
    let (name, least) = (kind.name(), kind.min_bytes());
    Diag::error(
        "E0509",
        span,
        format!("the packet has {bytes} bytes; the shortest that a hook of kind {name} is shown has {least}"),
    )
    .help("put headers in front of it, or make it longer")
}

/// The known word most like `word`, if one is like it.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.len() / 3).clamp(1, 3);
    known
        .filter(|like| like.len().abs_diff(word.len()) <= allowed)
        .map(|like| (strsim::osa_distance(word, like), like))
        .filter(|&(distance, like)| distance <= allowed && distance < like.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, like)| like)
}
