//! DNS names as rules write them: dots between labels, letters without case.

use crate::hir::{Glob, NameTest, Pattern};

/// RFC 1035 2.3.4.
const MAX_LABEL_BYTES: usize = 63;
/// The whole name as it is sent, a length in front of each label and the root's behind the last.
const MAX_NAME_BYTES: usize = 255;
/// As [`MAX_LABEL_BYTES`], where a number of bytes is an `u8`.
const MAX_SOME: u8 = 63;

/// The bytes of a text; a name has no bytes that don't matter.
fn text(pattern: &Pattern) -> Result<Vec<u8>, String> {
    // A letter without case is written with the bit of its case left out.
    let byte = |(&want, &care): (&u8, &u8)| match care {
        0xff | 0xdf => Ok(want.to_ascii_lowercase()),
        _ => Err("a name has no `??`".to_owned()),
    };
    pattern.want.iter().zip(&pattern.care).map(byte).collect()
}

/// Labels without their dots; a last dot is left off.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    text.split(|&b| b == b'.').map(<[u8]>::to_vec).collect()
}

fn checked(labels: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, String> {
    if labels.iter().any(Vec::is_empty) {
        return Err("a label between two dots is empty".to_owned());
    }
    if labels.iter().any(|label| label.len() > MAX_LABEL_BYTES) {
        return Err(format!("a label has at most {MAX_LABEL_BYTES} bytes"));
    }
    if sent_bytes(&labels) > MAX_NAME_BYTES {
        return Err(format!("a name has at most {MAX_NAME_BYTES} bytes, lengths counted"));
    }
    Ok(labels)
}

fn sent_bytes(labels: &[Vec<u8>]) -> usize {
    labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1
}

/// A whole name; `.` is the root and has no labels.
pub(super) fn labels(pattern: &Pattern) -> Result<Vec<Vec<u8>>, String> {
    let text = text(pattern)?;
    match text.as_slice() {
        b"." => Ok(Vec::new()),
        [] => Err("there is nothing in it; the root is `.`".to_owned()),
        [b'.', ..] => Err("it begins with a dot; `ends_with` takes one".to_owned()),
        text => checked(split(text)),
    }
}

/// The last labels of a name; a dot in front asks for at least one before them.
pub(super) fn ends_with(pattern: &Pattern) -> Result<NameTest, String> {
    let text = text(pattern)?;
    let (rest, above) = match text.strip_prefix(b".") {
        Some(rest) => (rest, 1),
        None => (text.as_slice(), 0),
    };
    if rest.is_empty() {
        return Err("every name ends so".to_owned());
    }
    Ok(NameTest::EndsWith { labels: checked(split(rest))?, above })
}

/// A piece of a name. A dot at its end must be followed by a label, one at its start by one preceded.
pub(super) fn contains(pattern: &Pattern) -> Result<NameTest, String> {
    let text = text(pattern)?;
    let parts: Vec<Vec<u8>> = text.split(|&b| b == b'.').map(<[u8]>::to_vec).collect();
    let inner = parts.get(1..parts.len() - 1).unwrap_or(&[]);
    if inner.iter().any(Vec::is_empty) {
        return Err("a label between two dots is empty".to_owned());
    }
    if parts.iter().any(|part| part.len() > MAX_LABEL_BYTES) {
        return Err(format!("a label has at most {MAX_LABEL_BYTES} bytes"));
    }
    if sent_bytes(&parts) > MAX_NAME_BYTES {
        return Err(format!("a name has at most {MAX_NAME_BYTES} bytes, lengths counted"));
    }
    Ok(NameTest::Contains(parts))
}

/// What a name looks like.
pub(super) fn like(pattern: &Pattern) -> Result<NameTest, String> {
    let text = text(pattern)?;
    let mut parts = split(&text);
    let any_before = parts.first().is_some_and(|first| first == b"**");
    if any_before {
        parts.remove(0);
    }
    if parts.is_empty() {
        return Err("every name looks like that".to_owned());
    }
    let labels = parts.iter().map(|part| globs(part)).collect::<Result<Vec<_>, _>>()?;
    let least: usize = labels.iter().map(|label| least_bytes(label) + 1).sum::<usize>() + 1;
    if least > MAX_NAME_BYTES {
        return Err(format!("a name has at most {MAX_NAME_BYTES} bytes, lengths counted"));
    }
    Ok(NameTest::Like { any_before, labels })
}

fn least_bytes(label: &[Glob]) -> usize {
    label
        .iter()
        .map(|glob| match glob {
            Glob::Byte(_) | Glob::Any => 1,
            Glob::Some { min, .. } => usize::from(*min),
        })
        .sum()
}

/// One label: letters, `?`, `*`, `*{3-9}`.
fn globs(label: &[u8]) -> Result<Vec<Glob>, String> {
    if label.is_empty() {
        return Err("a label between two dots is empty".to_owned());
    }
    let mut out = Vec::new();
    let mut rest = label;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        out.push(match first {
            b'?' => Glob::Any,
            b'*' if behind.first() == Some(&b'*') => {
                return Err(
                    "`**` stands for whole labels, and only before the first dot".to_owned()
                );
            }
            b'*' if behind.first() == Some(&b'{') => {
                let end = behind.iter().position(|&b| b == b'}');
                let Some(end) = end else { return Err("`{` has no `}`".to_owned()) };
                rest = &behind[end + 1..];
                numbers(&behind[1..end])?
            }
            b'*' => Glob::Some { min: 0, max: MAX_SOME },
            byte => Glob::Byte(byte),
        });
    }
    if least_bytes(&out) > MAX_LABEL_BYTES {
        return Err(format!("a label has at most {MAX_LABEL_BYTES} bytes"));
    }
    bounded(out)
}

/// The same with upper bounds that bind, and no more of them than are counted.
fn bounded(mut label: Vec<Glob>) -> Result<Vec<Glob>, String> {
    let spare = MAX_LABEL_BYTES - least_bytes(&label);
    let mut counted = least_bytes(&label);
    for glob in &mut label {
        if let Glob::Some { min, max } = glob {
            if usize::from(*max - *min) >= spare {
                *max = MAX_SOME;
            } else {
                counted += usize::from(*max - *min);
            }
        }
    }
    if counted > MAX_LABEL_BYTES {
        return Err("the `*{…}` of one label allow too many lengths, each counted".to_owned());
    }
    Ok(label)
}

/// `3-9` or `7`
fn numbers(text: &[u8]) -> Result<Glob, String> {
    let word = String::from_utf8_lossy(text);
    let (low, high) = word.split_once('-').unwrap_or((&word, &word));
    let number = |word: &str| word.parse::<u8>().ok().filter(|&n| n <= MAX_SOME);
    match (number(low), number(high)) {
        (Some(min), Some(max)) if min <= max => Ok(Glob::Some { min, max }),
        _ => Err(format!("`{{{word}}}` is no range of lengths from 0 to {MAX_SOME}")),
    }
}
