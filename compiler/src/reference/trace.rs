//! What the evaluator saw, in words.

use super::eval::number;
use crate::fields::{Field, Ty};
use crate::hir::{AtomTest, Layer, Slice};
use l4c_manifest::Verdict;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The way of one packet through a hook's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What was decided.
    pub verdict: Verdict,
    /// Name of the rule that decided, or `default`.
    pub rule: String,
    /// Every rule that was asked, in order of evaluation; the default too, if it was reached.
    pub steps: Vec<Step>,
}

/// One rule that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub rule: String,
    /// Its report index.
    pub index: usize,
    /// Its predicate was true.
    pub matched: bool,
    /// What the predicate read, in order: nothing that it could do without.
    pub reads: Vec<Read>,
}

/// One look at the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// As rules write it: `udp.dport`, `l4[0:2]`. A mask is left off.
    pub field: String,
    /// What was there, before a mask; `None` if it was absent.
    pub value: Option<Value>,
}

/// A value as reports show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Numbers and ports; slices that are compared as numbers.
    Number(u64),
    /// A flag that is there, set or not; a header that is there.
    Flag(bool),
    /// Addresses, names of flags (`syn|ack`), bytes in hex.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Flag(set) => set.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Layer {
    /// The word in front of `[`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L4 => "l4",
            Self::Payload => "payload",
        }
    }
}

impl Slice {
    /// As rules write it.
    #[must_use]
    pub fn text(&self) -> String {
        let layer = self.layer.name();
        let off = match (self.off_field, self.off_bytes) {
            (Some(field), 0) => field.name.to_owned(),
            (Some(field), plus) => format!("{}+{plus}", field.name),
            (None, off) => off.to_string(),
        };
        match self.len_bytes {
            Some(len) => format!("{layer}[{off}:{len}]"),
            None => layer.to_owned(),
        }
    }
}

/// `n`, read from a place of `width_bits` bits of `field`.
pub(super) fn field_value(field: &Field, width_bits: u32, n: u128) -> Value {
    match field.ty {
        Ty::Number | Ty::Port | Ty::Option | Ty::Iface => plain(n),
        Ty::Addr4 | Ty::Addr6 | Ty::Addr => match u32::try_from(n) {
            Ok(n) if width_bits == 32 => Value::Text(Ipv4Addr::from(n).to_string()),
            Ok(_) | Err(_) => Value::Text(Ipv6Addr::from(n).to_string()),
        },
        Ty::Mac => {
            let bytes = n.to_be_bytes();
            Value::Text(
                bytes[10..].iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"),
            )
        }
        Ty::Flags => Value::Text(flag_names(field, n)),
        Ty::Bit | Ty::Presence | Ty::Name | Ty::Layout => Value::Flag(n != 0),
    }
}

/// Names of the bits of `n`, joined by `|`; bits without name as a number; `0` if none is set.
fn flag_names(field: &Field, n: u128) -> String {
    let mut unnamed = n;
    let mut words = Vec::new();
    for &(name, bit) in field.names {
        if n & u128::from(bit) != 0 {
            words.push(name.to_owned());
            unnamed &= !u128::from(bit);
        }
    }
    if unnamed != 0 || words.is_empty() {
        words.push(unnamed.to_string());
    }
    words.join("|")
}

/// A slice: a number where it was compared with numbers, else hex.
pub(super) fn slice_value(bytes: &[u8], test: &AtomTest) -> Value {
    match test {
        AtomTest::In { .. } | AtomTest::InSet { .. } => {
            number(bytes).map_or_else(|| hex(bytes), plain)
        }
        AtomTest::Present
        | AtomTest::Equals { .. }
        | AtomTest::StartsWith(_)
        | AtomTest::EndsWith(_)
        | AtomTest::Contains { .. }
        | AtomTest::Name { .. } => shortened(bytes),
    }
}

/// A name with dots; bytes that no name should have are escaped.
pub(super) fn name_value(labels: &[&[u8]]) -> Value {
    let labels: Vec<String> = labels.iter().map(|label| label.escape_ascii().to_string()).collect();
    Value::Text(if labels.is_empty() { ".".to_owned() } else { labels.join(".") })
}

/// As many bytes as a reader looks at, in hex, and then how many there are.
fn shortened(bytes: &[u8]) -> Value {
    const MAX_SHOWN: usize = 64;
    let Some(first) = bytes.get(..MAX_SHOWN).filter(|first| first.len() < bytes.len()) else {
        return hex(bytes);
    };
    let Value::Text(text) = hex(first) else { return hex(first) };
    Value::Text(format!("{text}… ({} bytes)", bytes.len()))
}

fn plain(n: u128) -> Value {
    u64::try_from(n).map_or_else(|_| Value::Text(n.to_string()), Value::Number)
}

fn hex(bytes: &[u8]) -> Value {
    Value::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
