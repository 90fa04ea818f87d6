//! E0201 to E0218: values and types.

use super::{meant, shown};
use crate::check::value::Val;
use crate::check::words::Problem;
use l4c_grammar::{Diag, Name, Span};
use std::fmt::Display;

/// Well-known ports that users write by name elsewhere.
const PORTS: &[(&str, u16)] = &[
    ("ssh", 22),
    ("smtp", 25),
    ("dns", 53),
    ("domain", 53),
    ("http", 80),
    ("ntp", 123),
    ("snmp", 161),
    ("https", 443),
];

/// What is wrong with a word, in one sentence.
pub(crate) fn problem_words(word: &str, problem: &Problem) -> String {
    let word = shown(word);
    match problem {
        Problem::Nothing => format!("`{word}` is no value"),
        Problem::LeadingZero { .. } => format!("the number `{word}` begins with 0"),
        Problem::TooLarge => format!("`{word}` has more than 64 bits"),
        Problem::Unit { unit, .. } => format!("there is no unit `{}`", shown(unit)),
        Problem::ColonRange { .. } => format!("a range is written with `-`, not as `{word}`"),
        Problem::DashedMac { .. } => {
            format!("a hardware address is written with colons, not as `{word}`")
        }
        Problem::PrefixLength { written, max } => {
            format!("the prefix length `{}` is no number from 0 to {max}", shown(written))
        }
        Problem::Netmask { .. } => format!("`{word}` has a mask where a prefix length belongs"),
        Problem::Address { why } => format!("`{word}` is no address: {why}"),
        Problem::Fraction => format!("`{word}` has a fraction, and numbers here are whole"),
        Problem::Negative => format!("`{word}` is negative, and no number here is"),
        Problem::Field => format!("`{word}` looks like a field, and a value must stand here"),
    }
}

/// A word that is no value.
pub(crate) fn word(span: Span, word: &str, problem: Problem) -> Diag {
    let message = problem_words(word, &problem);
    let (code, help) = match problem {
        Problem::Nothing => ("E0201", None),
        Problem::LeadingZero { decimal } => {
            ("E0202", Some(format!("write `{decimal}`; there are no octal numbers, hex is `0x…`")))
        }
        Problem::TooLarge => ("E0203", Some(format!("the largest number is {}", u64::MAX))),
        Problem::Unit { instead, .. } => {
            let help = match instead {
                Some(instead) => format!("write `{instead}`"),
                None => "sizes end in k M G Ki Mi Gi, durations in ms s m h d".to_owned(),
            };
            ("E0207", Some(help))
        }
        Problem::ColonRange { instead } => ("E0208", Some(format!("write `{instead}`"))),
        Problem::DashedMac { instead } => ("E0201", Some(format!("write `{instead}`"))),
        Problem::PrefixLength { .. } => ("E0206", None),
        Problem::Netmask { instead } => ("E0206", instead.map(|i| format!("write `{i}`"))),
        Problem::Address { .. } | Problem::Fraction | Problem::Negative => ("E0201", None),
        Problem::Field => (
            "E0201",
            Some(
                "two fields cannot be compared with each other; a text stands in quotes".to_owned(),
            ),
        ),
    };
    let diag = Diag::error(code, span, message).label("not a value");
    match help {
        Some(help) => diag.help(help),
        None => diag,
    }
}

pub(crate) fn too_big(span: Span, n: u128, by: &str, words: &str, max: u128) -> Diag {
    Diag::error("E0203", span, format!("{n} is too large for {by}"))
        .label(format!("not {words}"))
        .help(format!("the largest is {max}"))
}

pub(crate) fn range_empty(
    span: Span,
    low: &(impl Display + ?Sized),
    high: &(impl Display + ?Sized),
) -> Diag {
    let (low, high) = (low.to_string(), high.to_string());
    let (low, high) = (shown(&low), shown(&high));
    Diag::error("E0204", span, format!("nothing lies between {low} and {high}"))
        .label("an empty range")
        .help(format!("write the smaller end first: `{high}-{low}`"))
}

pub(crate) fn list_empty(span: Span) -> Diag {
    Diag::error("E0204", span, "there is nothing in this list").label("an empty list")
}

pub(crate) fn range_end(span: Span, word: &str, is: &str) -> Diag {
    let message = format!("`{}` is {is}, and a range goes from value to value", shown(word));
    Diag::error("E0205", span, message).label("no end of a range")
}

pub(crate) fn range_mixed(span: Span, words: &str) -> Diag {
    Diag::error("E0205", span, format!("this range has ends of two types: {words}"))
        .label("ends of two types")
}

/// A value where some other type is asked for, and no field asks.
pub(crate) fn wrong_type(span: Span, asked: &str, val: &Val) -> Diag {
    let is = val.words();
    let diag = Diag::error("E0205", span, format!("this is {is}, and {asked} must stand here"))
        .label(format!("{is}, not {asked}"));
    if matches!(val, Val::Number(_)) && asked == "a duration" {
        diag.help("a duration ends in ms, s, m, h or d: `10s`")
    } else {
        diag
    }
}

/// A value of a type that the field does not have.
pub(crate) fn wrong_type_for(span: Span, by: &str, asked: &str, val: &Val) -> Diag {
    if let Val::Duration(ns) = val {
        return unit_for(span, by, asked, *ns);
    }
    let is = val.words();
    let diag = Diag::error("E0205", span, format!("this is {is}, but {by} is {asked}"))
        .label(format!("{is}, not {asked}"));
    if matches!(val, Val::Ratio { .. }) && asked.ends_with("address") {
        diag.help("an IPv4 prefix has all four parts: `10.0.0.0/8`")
    } else {
        diag
    }
}

/// `1m` where a number is asked for.
fn unit_for(span: Span, by: &str, asked: &str, ns: u64) -> Diag {
    const MINUTE_NS: u64 = 60_000_000_000;
    let diag = Diag::error("E0207", span, format!("this is a duration, but {by} is {asked}"))
        .label(format!("a duration, not {asked}"));
    if ns.is_multiple_of(MINUTE_NS) && ns / MINUTE_NS < 60 {
        diag.help(format!("`m` are minutes; a million is written `M`: `{}M`", ns / MINUTE_NS))
    } else {
        diag.help("write the number without a unit of time")
    }
}

pub(crate) fn one_address(span: Span, is: &str, by: &str) -> Diag {
    Diag::error("E0205", span, format!("this is {is}, but {by} holds single values"))
        .label("more than one value")
        .help("a set of `prefix` holds addresses, prefixes and ranges")
}

pub(crate) fn no_such_word(span: Span, word: &str, asked: &str, by: &str) -> Diag {
    let message = format!("nothing is called `{}`, and {by} asks for {asked}", shown(word));
    let diag = Diag::error("E0209", span, message).label(format!("not {asked}"));
    let port = PORTS.iter().find(|(name, _)| asked == "a port" && *name == word);
    match port {
        Some((_, number)) => diag.help(format!("write `{number}`")),
        None => diag,
    }
}

pub(crate) fn no_such_value(
    span: Span,
    word: &str,
    by: &str,
    names: &[(&str, u64)],
    like: Option<String>,
) -> Diag {
    let message = format!("{by} has no value called `{}`", shown(word));
    let diag = Diag::error("E0209", span, message).label("unknown word");
    if like.is_some() {
        return meant(diag, like);
    }
    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    diag.help(format!("it knows {}", known.join(", ")))
}

pub(crate) fn number_alone(span: Span, text: &str) -> Diag {
    let text = shown(text);
    Diag::error("E0210", span, format!("`{text}` is a value, not a predicate"))
        .label("neither true nor false")
        .help(format!("compare it: `{text} == …`"))
}

pub(crate) fn flags_alone(span: Span, text: &str, field: &str) -> Diag {
    let text = shown(text);
    Diag::error("E0210", span, format!("`{text}` is a value, not a predicate"))
        .label("neither true nor false")
        .help(format!("write `{field} has FLAG`, `{field} has any A|B`, or compare it"))
}

pub(crate) fn presence_compared(span: Span, field: &str) -> Diag {
    Diag::error("E0211", span, format!("`{field}` is there or not: it has no value"))
        .label("nothing to compare")
        .help(format!("write `{field}` or `not {field}`"))
}

pub(crate) fn has_flags(span: Span) -> Diag {
    Diag::error("E0212", span, "`has` asks for flags, and this has none").label("no flags")
}

pub(crate) fn no_order(span: Span, by: &str, words: &str) -> Diag {
    Diag::error("E0212", span, format!("{by} is {words}: none is more or less than another"))
        .label("goes with numbers only")
        .help("write `in A-B`, or a list")
}

pub(crate) fn set_of_other(span: Span, name: &str, ty: &str, by: &str, asked: &str) -> Diag {
    let message = format!("the set `{}` holds `{ty}`, but {by} is {asked}", shown(name));
    Diag::error("E0213", span, message).label(format!("not {asked}"))
}

pub(crate) fn slice(span: Span, why: &str) -> Diag {
    Diag::error("E0214", span, format!("this slice cannot be: {why}")).label("out of bounds").help(
        "`l4[OFFSET:LENGTH]`, in bytes: a number or a field such as `tcp.hdr_len`, and 1 to 255",
    )
}

pub(crate) fn layer(span: Span, word: &str) -> Diag {
    Diag::error("E0214", span, format!("there are no bytes of `{}`", shown(word)))
        .label("unknown layer")
        .help("bytes are `l2[…]`, `l3[…]`, `l4[…]` or `payload[…]`")
}

pub(crate) fn bytes_number(span: Span, len_bytes: u32, what: &str) -> Diag {
    let message = format!("{len_bytes} bytes are no number, so {what} does not go with them");
    Diag::error("E0215", span, message).label("text or hex is asked for").help(format!(
        "1, 2, 4 and 8 bytes are numbers; write `hex\"…\"` of {len_bytes} bytes otherwise"
    ))
}

pub(crate) fn bytes_length(span: Span, is: usize, asked: u32) -> Diag {
    Diag::error("E0215", span, format!("this has {is} bytes, and the slice {asked}"))
        .label("never equal")
        .help(format!("write a slice of {is} bytes, or a text of {asked}"))
}

pub(crate) fn mask_misplaced(span: Span, field: &str) -> Diag {
    Diag::error("E0216", span, format!("`{field}` has no bits to mask")).label("no mask here")
}

pub(crate) fn mask_family(span: Span, operand: Span) -> Diag {
    Diag::error("E0216", span, "this address is of another family than the mask")
        .label("another family")
        .other(operand, "the mask")
}

pub(crate) fn mask_text(span: Span) -> Diag {
    Diag::error("E0216", span, "a mask goes with numbers, not with a text")
        .label("a text")
        .help("write `hex\"…\"` with `??` for bytes that do not matter")
}

pub(crate) fn one_value(span: Span, by: &str) -> Diag {
    Diag::error("E0217", span, format!("one value must stand here, and {by} is given several"))
        .label("more than one value")
}

pub(crate) fn match_values(span: Span, name: &str, asked: usize, given: usize) -> Diag {
    let name = shown(name);
    let values = if asked == 1 { "value" } else { "values" };
    let diag =
        Diag::error("E0218", span, format!("`{name}` takes {asked} {values}, {given} given"))
            .label("wrong number of values");
    if asked == 0 { diag.help(format!("write `{name}` alone")) } else { diag }
}

/// A label that stands twice.
pub(crate) fn label_twice(label: &Name, first: Span) -> Diag {
    let message = format!("another rule here is called `{}`", shown(&label.node));
    Diag::error("E0106", label.span, message).label("the second").other(first, "the first")
}

/// A text that is no name of an interface.
pub(crate) fn iface_name(span: Span, why: &str) -> Diag {
    Diag::error("E0219", span, format!("no interface can be called that: {why}"))
        .label("not the name of an interface")
}

/// An interface without quotes.
pub(crate) fn iface_bare(span: Span, word: &str) -> Diag {
    let word = shown(word);
    Diag::error("E0219", span, format!("`{word}` is a word, and interfaces are named in quotes"))
        .label("without quotes")
        .help(format!("write `\"{word}\"`"))
}

/// A value that names no interface.
pub(crate) fn iface_value(span: Span, val: &Val) -> Diag {
    let is = val.words();
    let diag = Diag::error("E0205", span, format!("this is {is}, and interfaces are named"))
        .label(format!("{is}, not a name"));
    if matches!(val, Val::Number(_)) {
        diag.help("an interface gets another number whenever it is made anew: write its name, such as `\"eth0\"`")
    } else {
        diag.help("write its name in quotes, such as `\"eth0\"`")
    }
}
