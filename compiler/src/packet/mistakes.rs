//! The words for what can be wrong with a packet of a test.

use super::header::{FORMS, Kind};
use super::names;
use crate::check::errors::{not_supported, shown};
use crate::fields::Field;
use l4c_grammar::{Diag, Name, Span};
use l4c_manifest::HookKind;

/// Codes of packets and their titles.
pub const CODES: &[(&str, &str)] = &[
    ("E0501", "unknown header"),
    ("E0502", "a field that the header has not"),
    ("E0503", "a change to a header that is not there"),
    ("E0504", "a field without value, or a value without field"),
    ("E0505", "a field given twice"),
    ("E0506", "a number that the field cannot hold"),
    ("E0507", "a payload that cannot be"),
    ("E0508", "a packet that the hook is not shown"),
    ("E0509", "a packet of too many parts"),
    ("E0510", "TCP options that cannot be"),
];

/// Headers that there will be.
const LATER: &[&str] = &["ospf", "pim", "vrrp"];

pub(super) fn unknown_header(name: &Name) -> Diag {
    let word = name.node.as_str();
    if LATER.contains(&word) {
        return not_supported(name.span, &format!("building a `{word}` header"))
            .help("spell its bytes out: `payload(hex\"…\")`");
    }
    let known = || FORMS.iter().map(|form| form.0);
    let message = format!("no packet has a header called `{}`", shown(word));
    let diag = Diag::error("E0501", name.span, message).label("unknown header");
    match nearest(word, known()) {
        _ if word == "ipip" => diag.help("IP in IP has no header of its own: write `ip / ip`"),
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag.help(format!("there are {}", known().collect::<Vec<_>>().join(", "))),
    }
}

pub(super) fn unknown_field(name: &Name, layer: &Name, kind: Kind) -> Diag {
    let (word, header) = (name.node.as_str(), layer.node.as_str());
    let known = names::words(header, kind);
    let message = format!("a packet's `{header}` takes no `{}`", shown(word));
    let diag = Diag::error("E0502", name.span, message).label("unknown field");
    match nearest(word, known.iter().copied()) {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag.help(format!("it takes {}", known.join(", "))),
    }
}

pub(super) fn unknown_change<'a>(name: &Name, known: impl Iterator<Item = &'a str>) -> Diag {
    let message = format!("`{}` is no field", shown(&name.node));
    let diag = Diag::error("E0502", name.span, message).label("unknown field");
    match nearest(&name.node, known) {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag.help("`with` wants the field's whole name, such as `ip.src`"),
    }
}

pub(super) fn no_such_header(name: &Name) -> Diag {
    Diag::error("E0503", name.span, format!("this packet has no place for `{}`", name.node))
        .label("no such header here")
        .help("add the header that holds it, or change a field of a header that is there")
}

pub(super) fn value_without_field(span: Span, layer: &Name) -> Diag {
    Diag::error("E0504", span, format!("which field of `{}` is this value for?", layer.node))
        .label("no field in front of it")
        .help(format!("write the field first: `{}(FIELD VALUE)`", layer.node))
}

pub(super) fn no_value(name: &Name) -> Diag {
    Diag::error("E0504", name.span, format!("`{}` needs a value", name.node))
        .label("no value")
        .help(format!("write it behind the name: `{} VALUE`", name.node))
}

pub(super) fn given_twice(name: &Name) -> Diag {
    Diag::error("E0505", name.span, format!("bits of `{}` are already given", name.node))
        .label("given before")
        .help("give each field once")
}

/// `allowed`: what the field can hold, in words.
pub(super) fn does_not_fit(span: Span, field: &Field, allowed: &str) -> Diag {
    Diag::error("E0506", span, format!("`{}` cannot hold this number", field.name))
        .label("does not fit")
        .help(format!("what it can hold: {allowed}"))
}

pub(super) fn not_a_payload(span: Span) -> Diag {
    Diag::error("E0507", span, "a payload is text, hex or a number of bytes")
        .label("none of these")
        .help("write `\"text\"`, `hex\"00 ff\"`, `payload(\"text\")` or `payload(100)`")
}

pub(super) fn unknown_byte(span: Span) -> Diag {
    Diag::error("E0507", span, "a packet needs every one of its bytes")
        .label("`??` is any byte")
        .help("write a byte for each `??`")
}

pub(super) fn not_a_name(span: Span, why: &str) -> Diag {
    Diag::error("E0233", span, format!("this is no name: {why}"))
        .label("not a name")
        .help("write it as a text, `\"example.com\"`, or byte by byte: `hex\"03 63 6f 6d 00\"`")
}

pub(super) fn no_arp(span: Span, kind: HookKind) -> Diag {
    Diag::error("E0508", span, format!("a {} hook sees no ARP", kind.name()))
        .label("never shown to this hook")
        .help("its packets begin at the IP header")
}

pub(super) fn too_long(span: Span, kind: HookKind) -> Diag {
    let (name, most) = (kind.name(), kind.max_visible_bytes());
    Diag::error("E0508", span, format!("this packet has more bytes than a {name} hook is shown"))
        .label(format!("more than {most} bytes"))
        .help(format!("a test packet for it has at most {most} bytes"))
}

pub(super) fn too_short(span: Span, bytes: usize, kind: HookKind) -> Diag {
    let (name, least) = (kind.name(), kind.min_bytes());
    Diag::error("E0508", span, format!("this packet is shorter than what a {name} hook is shown"))
        .label(format!("{bytes} bytes"))
        .help(format!("a test packet for it has at least {least} bytes"))
}

pub(super) fn options_too_long(first: &Name, bytes: usize, most: usize) -> Diag {
    Diag::error("E0510", first.span, format!("these TCP options take {bytes} bytes"))
        .label("the first of too many")
        .help(format!("a TCP header has room for {most}"))
}

pub(super) fn options_hex(span: Span) -> Diag {
    Diag::error("E0510", span, "the bytes of TCP options are written in hex")
        .label("a text")
        .help("write `opts hex\"02 04 05 b4\"`, or the options by name: `mss 1460, nop`")
}

pub(super) fn option_with_value(span: Span, name: &Name) -> Diag {
    Diag::error("E0510", span, format!("the TCP option `{}` has no value", name.node))
        .label("nothing stands here")
        .help(format!("write `{}` alone", name.node))
}

pub(super) fn two_stamps(span: Span) -> Diag {
    Diag::error("E0510", span, "timestamps are two numbers")
        .label("more than two")
        .help("write the own one and the one echoed: `ts 1:0`")
}

pub(super) fn too_many(span: Span, most: usize) -> Diag {
    Diag::error("E0509", span, "this packet has too many parts").label("too many").help(format!(
        "a packet has at most {most} headers and {most} changes, a header {most} entries"
    ))
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
