//! What the checker says: every diagnostic with its code, on this page and in [`values`].
//!
//! Messages are one sentence in the user's words; the help says what to write instead.

mod limits;
mod p0f;
mod sets;
mod share;
mod text;
mod values;

pub(crate) use limits::*;
pub(crate) use p0f::*;
pub(crate) use sets::*;
pub(crate) use share::*;
pub(crate) use text::*;
pub(crate) use values::*;

use super::names::Symbol;
use super::operand;
use super::unsupported;
use crate::source::FileError;
use l4c_grammar::{Diag, Name, S, Span};
use l4c_manifest::HookKind;
use std::fmt::Display;

/// Codes of the checker and their titles.
pub const CODES: &[(&str, &str)] = &[
    ("E0101", "unknown field"),
    ("E0102", "unknown name"),
    ("E0103", "unknown set"),
    ("E0104", "unknown chain"),
    ("E0105", "unknown action"),
    ("E0106", "a name is defined twice"),
    ("E0107", "a name that is not to be had"),
    ("E0108", "names that need each other"),
    ("E0109", "a set without `@`"),
    ("E0110", "a name of another sort"),
    ("E0111", "unknown hook"),
    ("E0112", "unknown rule"),
    ("E0113", "unknown property"),
    ("E0114", "a field that the hook does not see"),
    ("E0201", "a word that is no value"),
    ("E0202", "a number that begins with 0"),
    ("E0203", "a number too large"),
    ("E0204", "nothing in a range or list"),
    ("E0205", "a value of another type"),
    ("E0206", "a wrong prefix length"),
    ("E0207", "a wrong unit"),
    ("E0208", "a range with a colon"),
    ("E0209", "no such word for a value"),
    ("E0210", "a value is no predicate"),
    ("E0211", "what is only there or not is compared"),
    ("E0212", "an operator that does not go with the field"),
    ("E0213", "a set of another type"),
    ("E0214", "a slice that cannot be"),
    ("E0215", "bytes of another length"),
    ("E0216", "a mask that does not fit"),
    ("E0217", "one value is asked for"),
    ("E0218", "a match with too few or too many values"),
    ("E0219", "what no interface can be called"),
    ("E0231", "a question to bytes that does not go with them"),
    ("E0232", "`within` that cannot be"),
    ("E0233", "no name"),
    ("E0240", "a list of TCP options that cannot be read"),
    ("E0241", "a p0f signature that cannot be read"),
    ("E0301", "a file that cannot be read"),
    ("E0302", "a path that is not allowed"),
    ("E0303", "files that include each other"),
    ("E0304", "two actions that steer"),
    ("E0305", "chains that reach themselves"),
    ("E0306", "a default that cannot be"),
    ("E0307", "an action with wrong words behind it"),
    ("E0308", "more than the compiler takes"),
    ("E0309", "more elements than the set may hold"),
    ("E0310", "a line of a set file that is no element"),
    ("E0311", "a property with wrong values"),
    ("E0312", "words of a hook that do not go with its kind"),
    ("E0313", "an expectation that cannot be"),
    ("E0314", "an action that the hook does not have"),
    ("E0320", "a share of packets that cannot be"),
    ("E0330", "a limit that cannot be"),
    ("E0340", "what a set cannot hold"),
    ("E0341", "a key that is not the set's"),
    ("E0342", "what changes a set is written otherwise"),
    ("E0343", "a set that does not change"),
    ("E0331", "a key that cannot be"),
    ("E0390", "more errors than are shown"),
    ("E0900", "not supported yet"),
    ("W0101", "host bits in a prefix"),
    ("W0102", "a predicate that is always the same"),
    ("W0103", "a name that nobody uses"),
    ("W0104", "a set without elements"),
    ("W0105", "a drop by a very short prefix"),
    ("W0106", "a rule that can never match"),
    ("W0107", "ARP or neighbour discovery is taken away"),
    ("W0108", "a limit that does not do what it seems to"),
    ("W0109", "a limit that is asked too early"),
    ("W0190", "more warnings than are shown"),
];

/// A piece of the user's text, cut where it is long, its control characters made visible.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut out: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

/// `` did you mean `like`? ``
fn meant(diag: Diag, like: Option<impl Display>) -> Diag {
    match like {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag,
    }
}

// E0101 to E0114: names

pub(crate) fn unknown_field(span: Span, name: &str, like: Option<String>) -> Diag {
    let diag = Diag::error("E0101", span, format!("there is no field `{}`", shown(name)));
    meant(diag.label("unknown field"), like)
}

pub(crate) fn unknown_name(span: Span, name: &str, like: Option<String>) -> Diag {
    let diag = Diag::error("E0102", span, format!("nothing is called `{}`", shown(name)));
    meant(diag.label("unknown name"), like)
}

pub(crate) fn unknown_match(name: &Name, like: Option<String>) -> Diag {
    let message = format!("there is no match `{}`", shown(&name.node));
    meant(Diag::error("E0102", name.span, message).label("unknown match"), like)
}

pub(crate) fn unknown_set(span: Span, name: &str, like: Option<String>) -> Diag {
    let diag = Diag::error("E0103", span, format!("there is no set `{}`", shown(name)));
    meant(diag.label("unknown set"), like.map(|l| format!("@{l}")))
}

pub(crate) fn unknown_chain(span: Span, name: &str, like: Option<String>) -> Diag {
    let diag = Diag::error("E0104", span, format!("there is no chain `{}`", shown(name)));
    meant(diag.label("unknown chain"), like)
}

pub(crate) fn unknown_action(verb: &Name, like: Option<&str>) -> Diag {
    let message = format!("there is no action `{}`", shown(&verb.node));
    meant(Diag::error("E0105", verb.span, message).label("unknown action"), like)
}

pub(crate) fn name_twice(name: &Name, sort: &str, first: Span) -> Diag {
    let message = format!("the name `{}` is taken already", shown(&name.node));
    Diag::error("E0106", name.span, message)
        .label("defined again")
        .other(first, format!("{sort} has this name"))
        .help("give one of them another name")
}

pub(crate) fn setting_twice(name: &Name, first: Span) -> Diag {
    Diag::error("E0106", name.span, format!("`{}` stands here twice", shown(&name.node)))
        .label("again")
        .other(first, "the first time")
        .help("write all values behind the first")
}

pub(crate) fn name_reserved(name: &Name, why: &str) -> Diag {
    let message = format!("the name `{}` is not to be had: {why}", shown(&name.node));
    let help = format!("write another, such as `my_{}`", shown(&name.node));
    Diag::error("E0107", name.span, message).label("not free").help(help)
}

pub(crate) fn name_length(span: Span, bytes: usize, max: usize) -> Diag {
    let message = if bytes == 0 {
        "a name has at least one character".to_owned()
    } else {
        format!("this name has {bytes} bytes, and {max} are the most")
    };
    Diag::error("E0107", span, message).label("wrong length")
}

pub(crate) fn name_cycle(names: &[&Name]) -> Diag {
    let shown_path: Vec<String> =
        names.iter().chain(names.first()).take(12).map(|n| shown(&n.node)).collect();
    let (first, rest) = names.split_first().expect("a cycle has at least one name");
    let mut diag = Diag::error(
        "E0108",
        first.span,
        format!("`{}` needs itself: {}", shown(&first.node), shown_path.join(" → ")),
    )
    .label("begins here");
    for name in rest.iter().take(10) {
        diag = diag.other(name.span, "and goes on here");
    }
    diag
}

pub(crate) fn set_without_at(span: Span, name: &str) -> Diag {
    Diag::error("E0109", span, format!("`{}` is a set, and sets are written with `@`", shown(name)))
        .label("a set")
        .help(format!("write `@{}`", shown(name)))
}

pub(crate) fn wrong_sort(span: Span, name: &str, symbol: &Symbol, asked: &str) -> Diag {
    let is = symbol.sort.words();
    Diag::error("E0110", span, format!("`{}` is {is}, and {asked} must stand here", shown(name)))
        .label(format!("{is}, not {asked}"))
        .other(symbol.span, "defined here")
}

pub(crate) fn param_as_field(span: Span, name: &str) -> Diag {
    let message = format!("`{}` is a value, and a field must stand here", shown(name));
    Diag::error("E0110", span, message).label("a value, not a field")
}

pub(crate) fn unknown_hook_kind(name: &Name, like: Option<&str>) -> Diag {
    let message = format!("there is no kind of hook `{}`", shown(&name.node));
    let diag = Diag::error("E0111", name.span, message).label("unknown kind");
    meant(diag, like.or(Some("xdp")))
}

pub(crate) fn unknown_hook(name: &Name, like: Option<String>) -> Diag {
    let message = format!("there is no hook `{}`", shown(&name.node));
    meant(Diag::error("E0111", name.span, message).label("unknown hook"), like)
}

pub(crate) fn unknown_rule(name: &Name, hook: &str, like: Option<&str>) -> Diag {
    let message = format!("the hook `{}` has no rule `{}`", shown(hook), shown(&name.node));
    meant(Diag::error("E0112", name.span, message).label("unknown rule"), like)
}

pub(crate) fn unknown_property(name: &Name, of: &str, like: Option<&str>) -> Diag {
    let message = format!("a {of} has no property `{}`", shown(&name.node));
    meant(Diag::error("E0113", name.span, message).label("unknown property"), like)
}

pub(crate) fn unknown_set_type(name: &Name, like: Option<&str>) -> Diag {
    let message = format!("`{}` is no type of a set", shown(&name.node));
    let diag = Diag::error("E0113", name.span, message).label("unknown type");
    match like {
        Some(like) => diag.help(format!("did you mean `{like}`?")),
        None => diag
            .help("the types are addr addr4 addr6 prefix prefix4 prefix6 port mac u8 u16 u32 u64"),
    }
}

pub(crate) fn not_seen(span: Span, what: &str, hook: &str) -> Diag {
    let message = format!("{hook} does not see `{what}`");
    Diag::error("E0114", span, message)
        .label("not in sight")
        .help("its packets begin with the IP header: the link header is gone before it is asked")
}

/// `why` no hook of this kind is told a field of the packet's surroundings.
pub(crate) fn not_told(span: Span, what: &str, hook: &str, why: &str) -> Diag {
    let message = format!("{hook} is not told `{what}`: {why}");
    Diag::error("E0114", span, message).label("not in sight")
}

// E0301 to E0390: structure

pub(crate) fn file(written: &S<String>, error: &FileError) -> Diag {
    let (code, help) = match error {
        FileError::Absolute => {
            ("E0302", Some("write it relative to this file, or allow its folder with `--root DIR`"))
        }
        FileError::Outside => ("E0302", Some("allow its folder with `--root DIR`")),
        FileError::NotFound => ("E0301", Some("paths count from the folder of this file")),
        FileError::NotAFile | FileError::TooLarge { .. } | FileError::System(_) => ("E0301", None),
    };
    let message = format!("cannot read `{}`: {error}", shown(&written.node));
    let diag = Diag::error(code, written.span, message).label("named here");
    match help {
        Some(help) => diag.help(help),
        None => diag,
    }
}

pub(crate) fn include_cycle(steps: &[Span]) -> Option<Diag> {
    let (last, before) = steps.split_last()?;
    let mut diag = Diag::error("E0303", *last, "these files include each other in a circle")
        .label("closes the circle")
        .help("move what both need into a third file");
    for step in before.iter().take(10) {
        diag = diag.other(*step, "included here");
    }
    Some(diag)
}

pub(crate) fn steers_twice(span: Span, first: Span) -> Diag {
    Diag::error("E0304", span, "a rule has at most one action that decides or leads elsewhere")
        .label("the second")
        .other(first, "the first")
        .help("keep one of them, or write two rules")
}

pub(crate) fn chain_cycle(names: &[&str], steps: &[Span]) -> Diag {
    let path: Vec<String> = names.iter().chain(names.first()).take(12).map(|n| shown(n)).collect();
    let span = steps.last().copied().unwrap_or_default();
    let message = format!("these chains never end: {}", path.join(" → "));
    let mut diag = Diag::error("E0305", span, message).label("leads back");
    for step in steps.iter().rev().skip(1).take(10) {
        diag = diag.other(*step, "by way of this");
    }
    diag
}

pub(crate) fn default_twice(span: Span, first: Span) -> Diag {
    Diag::error("E0306", span, "a hook has one `default`")
        .label("the second")
        .other(first, "the first")
}

pub(crate) fn default_steers(span: Span, verb: &str) -> Diag {
    Diag::error("E0306", span, format!("a `default` decides: `{verb}` cannot stand in it"))
        .label("no verdict")
        .help("write a last rule `all -> …` before the default")
}

pub(crate) fn action_words(span: Span, verb: &str, asked: &str) -> Diag {
    Diag::error("E0307", span, format!("behind `{verb}` stands {asked}")).label("not that")
}

pub(crate) fn too_large(span: Span, what: &str, help: &str) -> Diag {
    Diag::error("E0308", span, what).label("too much").help(help)
}

pub(crate) fn set_too_large(span: Span, name: &str, count: u64, max: u64) -> Diag {
    let message = format!("the set `{}` has {count} elements, and {max} are its most", shown(name));
    Diag::error("E0309", span, message)
        .label("too many elements")
        .help(format!("write `max {count}` or more in the set"))
}

pub(crate) fn bad_line(from: &S<String>, line: u64, why: &str) -> Diag {
    let message = format!("{}:{line}: {why}", shown(&from.node));
    Diag::error("E0310", from.span, message).label("in this file")
}

pub(crate) fn more_bad_lines(from: &S<String>, more: u64) -> Diag {
    let message = format!("{}: {more} more lines are no elements", shown(&from.node));
    Diag::error("E0310", from.span, message).label("in this file")
}

pub(crate) fn property_twice(name: &Name) -> Diag {
    let message = format!("`{}` stands here a second time", shown(&name.node));
    Diag::error("E0311", name.span, message).label("the second")
}

pub(crate) fn property_values(span: Span, name: &str, asked: &str) -> Diag {
    Diag::error("E0311", span, format!("behind `{name}` stands {asked}")).label("not that")
}

pub(crate) fn hook_words(word: &Name, kind: &str) -> Diag {
    let message = format!("`hook {kind}` takes no `{}`", shown(&word.node));
    Diag::error("E0312", word.span, message)
        .label("one word too many")
        .help(format!("write `hook {kind} NAME {{ … }}`"))
}

pub(crate) fn expectation(span: Span, why: &str) -> Diag {
    Diag::error("E0313", span, why).label("cannot be")
}

/// An action that programs of other kinds have.
pub(crate) fn action_of_other_hooks(verb: &Name, kind: HookKind) -> Diag {
    let (word, program) = (shown(&verb.node), operand::hook_words(kind));
    let (why, help) = match (verb.node.as_str(), kind) {
        ("mark", HookKind::Xdp) => (
            "it runs before the kernel has anything to put a mark on",
            "tc hooks will have `mark`; here, `count` or `redirect` may do",
        ),
        ("mark", HookKind::Socket) => {
            ("it may look at the packet and not change it", "tc hooks will have `mark`")
        }
        (_, HookKind::Xdp | HookKind::Socket) => (
            "it can only keep a packet from its socket, and send none",
            "`drop` does that; `reject` and `redirect` are for XDP hooks",
        ),
    };
    Diag::error("E0314", verb.span, format!("{program} has no `{word}`: {why}"))
        .label("not in this hook")
        .help(help)
}

pub(crate) fn more_errors(span: Span, more: usize) -> Diag {
    Diag::error("E0390", span, format!("there are {more} more errors")).label("the last of them")
}

// E0900

pub(crate) fn not_supported(span: Span, what: &str) -> Diag {
    Diag::error("E0900", span, format!("{what} is not supported yet")).label("not supported yet")
}

// W0101 to W0190

pub(crate) fn host_bits(span: Span, instead: &str) -> Diag {
    Diag::warning("W0101", span, "this prefix has bits set behind its length")
        .label("they are ignored")
        .help(format!("write `{instead}`, or the address alone"))
}

pub(crate) fn host_bits_in_file(from: &S<String>, line: u64, word: &str, instead: &str) -> Diag {
    let message = format!(
        "{}:{line}: `{}` has bits set behind its length and is read as `{instead}`",
        shown(&from.node),
        shown(word)
    );
    Diag::warning("W0101", from.span, message).label("in this file")
}

pub(crate) fn never_true(span: Span) -> Diag {
    Diag::warning("W0102", span, "this is true for no packet").label("never true")
}

pub(crate) fn always_true(span: Span) -> Diag {
    Diag::warning("W0102", span, "this is true for every packet that has the field")
        .label("says nothing about the value")
}

pub(crate) fn unused(span: Span, sort: &str, name: &str) -> Diag {
    Diag::warning("W0103", span, format!("nobody uses the {sort} `{}`", shown(name)))
        .label("not used")
}

pub(crate) fn set_empty(span: Span, name: &str) -> Diag {
    Diag::warning("W0104", span, format!("the set `{}` has no elements", shown(name)))
        .label("nothing is in it")
}

pub(crate) fn wide_drop(rule: Span, name: &str, prefix: &str, set: Span) -> Diag {
    let message = format!("this drops all of `{prefix}`, which the set `{}` holds", shown(name));
    Diag::warning("W0105", rule, message)
        .label("drops by this set")
        .other(set, "the set")
        .help("take the prefix out if it came in by mistake")
}

pub(crate) fn never_reached(span: Span, more: usize, first: Span) -> Diag {
    let message = match more {
        0 => "this rule can never match".to_owned(),
        n => format!("this rule and {n} behind it can never match"),
    };
    Diag::warning("W0106", span, message)
        .label("no packet comes here")
        .other(first, "this one takes them all")
}

pub(crate) fn takes_away(span: Span, what: &str, rule: &str) -> Diag {
    Diag::warning("W0107", span, format!("this takes {what} away, and nobody passes it before"))
        .label("hosts on the link lose each other")
        .help(format!("put `{rule} -> pass` before it"))
}

pub(crate) fn more_warnings(span: Span, more: usize) -> Diag {
    Diag::warning("W0190", span, format!("there are {more} more warnings"))
        .label("the last of them")
}

/// Kinds of hook, those to come too.
pub(crate) fn hook_kinds() -> impl Iterator<Item = &'static str> {
    ["xdp"].into_iter().chain(unsupported::HOOKS.iter().copied())
}
