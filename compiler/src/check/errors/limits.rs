//! What is said of `limit`.

use super::{meant, shown};
use crate::hir::{Kept, Limit};
use l4c_grammar::{Diag, Name, Span};
use l4c_manifest::HookKind;

/// `over(nothing)`
pub(crate) fn unknown_limit(span: Span, name: &str, like: Option<String>) -> Diag {
    let diag = Diag::error("E0102", span, format!("there is no limit `{}`", shown(name)));
    meant(diag.label("unknown limit"), like)
}

/// `over()`, `over(a, b)`, `over(5)`
pub(crate) fn limit_name(span: Span, word: &str) -> Diag {
    Diag::error("E0330", span, format!("`{word}` asks one limit, by its name"))
        .label("no name")
        .help(format!("write `{word}(NAME)`"))
}

/// What is missing, twice there, or contradicts another property.
pub(crate) fn limit(span: Span, why: &str, help: &str) -> Diag {
    Diag::error("E0330", span, why).label("not so").help(help)
}

/// `rate fast`
pub(crate) fn rate_form(span: Span) -> Diag {
    limit(
        span,
        "this is no rate",
        "a rate is written `1000 packets/s`, `10M bytes/s` or `1G bit/s`; `/m`, `/h` and `/d` are read too",
    )
}

/// `burst many`
pub(crate) fn amount_form(span: Span, word: &str) -> Diag {
    limit(
        span,
        &format!("this is no `{word}`"),
        &match word {
            "allow" | "max" | "sketch" => format!("write `{word} 100`"),
            _ => format!("write `{word} 2000`, or with its unit `{word} 2000 packets`"),
        },
    )
}

/// A burst that is counted in another unit than the rate.
pub(crate) fn other_unit(span: Span, word: &str, unit: &str) -> Diag {
    limit(
        span,
        &format!("this limit counts {unit}"),
        &format!("leave the unit of `{word}` out, or say it in {unit}"),
    )
}

/// Numbers that do not go into 64 bits.
pub(crate) fn limit_numbers(span: Span, why: &str) -> Diag {
    limit(span, why, "a smaller `burst` or another `rate` does")
}

/// A part of a key.
pub(crate) fn key(span: Span, why: &str, help: &str) -> Diag {
    Diag::error("E0331", span, why).label("no key").help(help)
}

/// A byte burst that the largest packets never fit in.
pub(crate) fn small_burst(span: Span, bytes: u64) -> Diag {
    let why = format!("a packet of more than {bytes} bytes is always over this limit");
    Diag::warning("W0108", span, why)
        .label("less than a full Ethernet frame of 1514 bytes")
        .help("leave `burst` out, or make it 1514 at least")
}

/// A rate that no network reaches.
pub(crate) fn cannot_bind(span: Span) -> Diag {
    Diag::warning("W0108", span, "no network is so fast: this limit never binds")
        .label("more than one packet a nanosecond")
}

/// A token is spent before a packet is known to be meant.
pub(crate) fn asked_early(name: Span, limit: &Limit, later: Span) -> Diag {
    let flows = matches!(limit.kept, Kept::Flows { .. });
    let limit = &limit.name;
    let (why, label) = if flows {
        let why = format!("packets open flows of `{limit}` that this rule is not about");
        (why, "a flow is opened here")
    } else {
        let why = format!("packets spend tokens of `{limit}` that this rule is not about");
        (why, "a token is spent here")
    };
    Diag::warning("W0109", name, why)
        .label(label)
        .other(later, "and this is asked later")
        .help(format!("write `over({limit})` last"))
}

/// A `conns` in a hook whose programs may not lock.
pub(crate) fn needs_lock(span: Span, kind: HookKind) -> Diag {
    let kind = kind.name();
    Diag::error("E0314", span, format!("hook {kind} can't ask this: its programs may not lock"))
        .label("not here")
        .help("a `limit` without `sketch` needs no lock")
}

/// A property of a limit of another kind.
pub(crate) fn limit_property(name: &Name, why: &str, help: &str) -> Diag {
    limit(name.span, why, help)
}
