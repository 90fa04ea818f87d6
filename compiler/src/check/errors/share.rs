//! What is said of shares of packets: `sample`, `random`, `nth`.

use l4c_grammar::{Diag, Span};

/// What to write instead of most mistakes here.
fn form(verb: &str) -> String {
    format!("`{verb} 1/100` picks one packet in a hundred, `{verb} 1/1` every one")
}

/// `sample` alone.
pub(crate) fn no_share(verb: Span) -> Diag {
    Diag::error("E0320", verb, "`sample` needs to know how many packets")
        .label("no share")
        .help(form("sample"))
}

/// `10%`
pub(crate) fn share_form(span: Span, verb: &str, instead: &str) -> Diag {
    Diag::error("E0320", span, "a share of packets is written `N/M`")
        .label("not so")
        .help(format!("write `{verb} {instead}`"))
}

/// What is no share in any form.
pub(crate) fn no_ratio(span: Span, verb: &str, is: &str) -> Diag {
    Diag::error("E0320", span, format!("behind `{verb}` stands a share of packets, not {is}"))
        .label("no share")
        .help(form(verb))
}

/// `2/1`
pub(crate) fn share(span: Span, verb: &str, (part, whole): (u64, u64)) -> Diag {
    let none = format!("0 packets are none: leave the `{verb}` out");
    let why = if whole == 0 {
        "of 0 packets none can be picked"
    } else if part == 0 {
        &none
    } else if part > whole {
        "of so many packets no more can be picked than there are"
    } else {
        "both numbers are at most 4294967295"
    };
    Diag::error("E0320", span, why).label("no share").help(form(verb))
}

/// `snap 0`
pub(crate) fn snap(span: Span, why: &str) -> Diag {
    Diag::error("E0307", span, why)
        .label("not that")
        .help("`snap 96` keeps the first 96 bytes of each packet; 1 to 65535, all if left out")
}

/// Too many words.
pub(crate) fn sample_words(span: Span) -> Diag {
    Diag::error("E0307", span, "behind `sample N/M` stands nothing but `snap BYTES`")
        .label("not that")
        .help("`sample 1/100 snap 96`; a comma goes before the next action")
}
