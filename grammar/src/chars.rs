//! Characters that no source may hold: they make a text read differently from what it says.

use crate::errors;
use crate::sink::{Sink, Source};

/// Reports control and bidirectional characters, the first of each line, and returns their offsets in order.
pub(crate) fn check(source: Source<'_>, sink: &mut Sink) -> Vec<usize> {
    let bytes = source.text.as_bytes();
    let mut bad = Vec::new();
    let mut pos = 0;
    while pos < bytes.len() && !sink.full {
        let Some(found) = bytes[pos..].iter().position(|b| suspicious(*b)) else { break };
        pos += found;
        let Some(ch) = source.text[pos..].chars().next() else { break };
        if forbidden(bytes, pos, ch) {
            let span = source.span(pos, pos + ch.len_utf8());
            sink.push(if ch.is_control() {
                errors::control_character(span, ch)
            } else {
                errors::bidi_character(span, ch)
            });
            bad.push(pos);
            let rest = &bytes[pos..];
            pos += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        } else {
            pos += ch.len_utf8();
        }
    }
    bad
}

/// First bytes that a forbidden character can have; the rest is skipped fast.
fn suspicious(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\n' && byte != b'\t') || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2)
}

fn forbidden(bytes: &[u8], pos: usize, ch: char) -> bool {
    match ch {
        '\r' => bytes.get(pos + 1) != Some(&b'\n'),
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Whether one of the sorted offsets `bad` lies in bytes `start..end`.
pub(crate) fn any_within(bad: &[usize], start: usize, end: usize) -> bool {
    let first = bad.partition_point(|pos| *pos < start);
    bad.get(first).is_some_and(|pos| *pos < end)
}
