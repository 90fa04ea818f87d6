//! E0231 to E0233: questions to bytes and names.

use super::shown;
use crate::check::value::Val;
use l4c_grammar::{Diag, S, Span, TextOp};

const fn word(op: TextOp) -> &'static str {
    match op {
        TextOp::StartsWith => "starts_with",
        TextOp::EndsWith => "ends_with",
        TextOp::Contains => "contains",
        TextOp::Like => "like",
    }
}

pub(crate) fn text_misplaced(op: &S<TextOp>, operand: Span) -> Diag {
    let message = format!("`{}` asks bytes or names, and this is neither", word(op.node));
    Diag::error("E0231", op.span, message)
        .label("goes with bytes and names")
        .other(operand, "has no bytes to look into")
        .help("bytes are `payload`, `payload[0:20]`, `l4[…]`; a name is `dns.qname`")
}

pub(crate) fn text_asked(span: Span, op: &S<TextOp>, val: &Val) -> Diag {
    let message = format!("`{}` goes with a text, and this is {}", word(op.node), val.words());
    Diag::error("E0231", span, message)
        .label("not a text")
        .help("write `\"…\"`, `i\"…\"` for letters without case, or `hex\"…\"`")
}

pub(crate) fn text_empty(span: Span) -> Diag {
    Diag::error("E0231", span, "there is nothing in this text").label("empty")
}

pub(crate) fn text_too_long(span: Span, is: usize, most: u32) -> Diag {
    let message = format!("this has {is} bytes, and {most} are looked at");
    Diag::error("E0231", span, message).label("never there")
}

pub(crate) fn text_limit(span: Span, is: usize, most: usize) -> Diag {
    Diag::error("E0231", span, format!("this has {is} bytes, and at most {most} are compared"))
        .label("too long")
        .help("a part of it will do")
}

pub(crate) fn text_compared(span: Span, val: &Val) -> Diag {
    let message =
        format!("bytes of any length are compared with a text, and this is {}", val.words());
    Diag::error("E0231", span, message)
        .label("not a text")
        .help("bytes that are a number have a length: `payload[0:2] == 0x1234`")
}

pub(crate) fn like_names_only(span: Span) -> Diag {
    Diag::error("E0231", span, "`like` asks names, and these are bytes")
        .label("goes with names")
        .help("`hex\"61 ?? 63\"` has bytes that do not matter; `contains` finds a text anywhere")
}

pub(crate) fn name_starts_with(span: Span) -> Diag {
    Diag::error("E0231", span, "a name is not asked for its beginning")
        .label("not for names")
        .help("write `like \"www*.example.com\"`, or `contains \"www\"`")
}

pub(crate) fn within(span: Span, why: &str) -> Diag {
    Diag::error("E0232", span, format!("these bytes cannot be: {why}"))
        .label("not `A..B`")
        .help("`within A..B` looks at the bytes from A up to B, B not included; at most 65535")
}

pub(crate) fn within_misplaced(span: Span) -> Diag {
    Diag::error("E0232", span, "`within` goes with `contains` only").label("not here")
}

pub(crate) fn bad_name(span: Span, why: &str) -> Diag {
    let message = format!("this cannot be asked of a name: {}", shown(why));
    Diag::error("E0233", span, message).label("for a name")
}

pub(crate) fn bytes_order(op: Span) -> Diag {
    Diag::error("E0212", op, "bytes have no order: none is more or less than another")
        .label("goes with numbers only")
        .help("bytes that are a number have a length: `payload[0:2] < 0x1234`")
}

pub(crate) fn name_order(op: Span) -> Diag {
    Diag::error("E0212", op, "names have no order: none is more or less than another")
        .label("goes with numbers only")
        .help("`dns.qname.len` and `dns.qname.labels` are numbers")
}

pub(crate) fn within_bytes(span: Span) -> Diag {
    Diag::error("E0232", span, "`within` counts bytes of a packet, and a name is none of its own")
        .label("not here")
        .help(
            "leave it out, or look for the name as it is sent: `payload contains \"\\x07example\"`",
        )
}

pub(crate) fn name_asked(span: Span, val: &Val) -> Diag {
    Diag::error("E0233", span, format!("a name is asked for, and this is {}", val.words()))
        .label("not a name")
        .help("write it as a text: `dns.qname == \"example.com\"`")
}

pub(crate) fn text_misplaced_set(span: Span) -> Diag {
    Diag::error("E0231", span, "bytes of any length are compared with texts, not with a set")
        .label("a set")
        .help("bytes that are a number have a length: `payload[0:2] in @set`")
}
