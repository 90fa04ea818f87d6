//! E0240 and E0241: p0f's notation.

use crate::check::value::Val;
use l4c_grammar::{Diag, Name, Span};

/// What is wrong inside a text in p0f's notation.
pub(crate) fn p0f_text(code: &'static str, span: Span, message: String, help: String) -> Diag {
    Diag::error(code, span, message).label("not p0f's notation").help(help)
}

pub(crate) fn p0f_layer(layer: &Name) -> Diag {
    let message = format!("a p0f signature has its own places: no `{}` stands here", layer.node);
    Diag::error("E0241", layer.span, message).label("not here").help("write `p0f \"SIGNATURE\"`")
}

pub(crate) fn p0f_never(span: Span, why: &str) -> Diag {
    Diag::warning("W0102", span, format!("no packet matches this signature: {why}"))
        .label("never true")
}

pub(crate) fn options_text(span: Span, val: &Val) -> Diag {
    let is = if let Val::Bytes(_) = val { "a text that leaves bytes open" } else { val.words() };
    Diag::error("E0240", span, format!("this is {is}, and a list of TCP options is a plain text"))
        .label("not a list of options")
        .help("write `tcp.opts == \"mss,sok,ts,nop,ws\"`")
}

pub(crate) fn options_never(span: Span) -> Diag {
    let message = "no TCP header has these options: they take 0 to 40 bytes, in steps of 4";
    Diag::warning("W0102", span, message)
        .label("never true")
        .help("`nop` and `eol+N` fill the header up, N being the bytes behind `eol`")
}

pub(crate) fn too_many_shapes(span: Span) -> Diag {
    Diag::error("E0308", span, "there are too many ways in which such options can lie")
        .label("too many options of any length")
        .help("leave all but two of the `sack` and `?N` away; `tcp.opt.…` asks for one option")
}
