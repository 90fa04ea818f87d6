//! DNS messages and names, as plainly as can be.

use crate::fields::DNS_HEADER_BYTES;
use crate::hir::{Glob, NameTest};
use std::ops::Range;

/// RFC 1035 2.3.4: the longest label, and the longest name as it is sent.
const MAX_LABEL_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 255;

/// A message with a whole header.
#[derive(Debug, Clone)]
pub(super) struct DnsMessage<'p> {
    /// Its first byte.
    pub start: usize,
    /// Its first question, if it is whole.
    pub question: Option<Question<'p>>,
}

/// A question: a name, and type and class behind it.
#[derive(Debug, Clone)]
pub(super) struct Question<'p> {
    /// Without the root.
    pub labels: Vec<&'p [u8]>,
    /// The byte behind the name.
    pub name_end: usize,
}

impl<'p> DnsMessage<'p> {
    /// Reads the message that lies in these bytes of a packet: at least a header.
    pub fn read(packet: &'p [u8], message: Range<usize>) -> Self {
        Self { start: message.start, question: question(packet, &message) }
    }
}

/// The first question. In it, a pointer could point nowhere but into the header or at itself, so that a name
/// with one is none.
fn question<'p>(packet: &'p [u8], message: &Range<usize>) -> Option<Question<'p>> {
    let message_bytes = packet.get(message.clone())?;
    let questions = u16::from_be_bytes([message_bytes[4], message_bytes[5]]);
    if questions == 0 {
        return None;
    }
    let first = DNS_HEADER_BYTES as usize;
    let (mut at, mut labels) = (first, Vec::new());
    loop {
        let len = usize::from(*message_bytes.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        if len > MAX_LABEL_BYTES {
            return None;
        }
        labels.push(message_bytes.get(at..at + len)?);
        at += len;
    }
    let whole = at - first <= MAX_NAME_BYTES && at + 4 <= message_bytes.len();
    whole.then_some(Question { labels, name_end: message.start + at })
}

/// Is it so of a name with these labels?
pub(super) fn holds(labels: &[&[u8]], test: &NameTest) -> bool {
    let same = |theirs: &[u8], ours: &[u8]| theirs.eq_ignore_ascii_case(ours);
    match test {
        NameTest::Is(wanted) => {
            labels.len() == wanted.len() && labels.iter().zip(wanted).all(|(a, b)| same(a, b))
        }
        NameTest::EndsWith { labels: wanted, above } => {
            labels.len() >= wanted.len() + usize::from(*above)
                && labels.iter().rev().zip(wanted.iter().rev()).all(|(a, b)| same(a, b))
        }
        NameTest::Contains(parts) => contains(labels, parts),
        NameTest::Like { any_before, labels: wanted } => {
            let Some(before) = labels.len().checked_sub(wanted.len()) else { return false };
            (before == 0 || *any_before)
                && labels[before..].iter().zip(wanted).all(|(label, globs)| like(label, globs))
        }
    }
}

/// Do the parts lie in the name, each dot of theirs between two labels?
fn contains(labels: &[&[u8]], parts: &[Vec<u8>]) -> bool {
    let Some((first, rest)) = parts.split_first() else { return true };
    let Some((last, middle)) = rest.split_last() else {
        return labels.iter().any(|label| {
            label.windows(first.len()).any(|window| window.eq_ignore_ascii_case(first))
        });
    };
    labels.windows(parts.len()).any(|window| {
        let (head, tail) = (window[0], window[parts.len() - 1]);
        let starts = head.len() >= first.len()
            && head[head.len() - first.len()..].eq_ignore_ascii_case(first);
        let ends = tail.len() >= last.len() && tail[..last.len()].eq_ignore_ascii_case(last);
        let inner = window[1..parts.len() - 1].iter().zip(middle);
        starts && ends && inner.into_iter().all(|(a, b)| a.eq_ignore_ascii_case(b))
    })
}

/// Does a label look so? `reached[n]`: the pieces so far can be its first `n` bytes.
fn like(label: &[u8], globs: &[Glob]) -> bool {
    let mut reached = vec![false; label.len() + 1];
    reached[0] = true;
    for glob in globs {
        let mut next = vec![false; label.len() + 1];
        for from in (0..=label.len()).filter(|&from| reached[from]) {
            let lengths = match glob {
                Glob::Byte(_) | Glob::Any => 1..=1,
                Glob::Some { min, max } => usize::from(*min)..=usize::from(*max),
            };
            for to in lengths.map(|len| from + len).take_while(|&to| to <= label.len()) {
                next[to] |= match glob {
                    Glob::Byte(byte) => label[from].to_ascii_lowercase() == *byte,
                    Glob::Any | Glob::Some { .. } => true,
                };
            }
        }
        reached = next;
    }
    reached[label.len()]
}
