//! Sets, and what asks and changes them.

use super::{KeyPart, SetId};
use crate::ranges::Ranges;
use l4c_grammar::Span;
use l4c_manifest::Column;

/// A set and the elements that are declared.
#[derive(Debug, Clone)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// IPv4 addresses (32 bits) of an address or prefix set; the numbers of any other. None of a set of tuples.
    pub narrow: Ranges,
    /// IPv6 addresses (128 bits).
    pub wide: Ranges,
    /// How it is kept in maps; none if it never changes and goes into the code.
    pub stored: Option<Stored>,
}

/// A set that is kept in maps.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its type as rules write it.
    pub ty: String,
    /// What an element is made of.
    pub columns: Vec<Column>,
    /// Elements are prefixes.
    pub prefix: bool,
    /// It may change while it is loaded.
    pub dynamic: bool,
    /// How long an element stays that is added.
    pub timeout_ns: Option<u64>,
    /// So many elements are declared at most, and so many added.
    pub max: u32,
    /// Declared elements, as keys ([`l4c_manifest::Set::pack`]) one behind the other, in order and each once: those
    /// of IPv6 in the second list, all others in the first.
    pub keys: [Vec<u8>; 2],
}

/// As much of a set as packing and unpacking its elements asks.
#[must_use]
pub fn set_form(columns: &[Column], prefix: bool) -> l4c_manifest::Set {
    l4c_manifest::Set {
        name: String::new(),
        ty: String::new(),
        columns: columns.to_vec(),
        prefix,
        dynamic: false,
        timeout_ns: None,
        max: 0,
        state_off_bytes: 0,
        full_slot: None,
        tables: Vec::new(),
    }
}

impl Stored {
    /// Declared elements.
    #[must_use]
    pub fn count(&self) -> u64 {
        let sized = [false, true].into_iter().zip(&self.keys);
        let counts = sized.map(|(wide, keys)| keys.len() as u64 / u64::from(self.key_bytes(wide)));
        counts.sum()
    }

    /// Bytes of a key in the table of IPv6 (`wide`) or in the other.
    #[must_use]
    pub fn key_bytes(&self, wide: bool) -> u32 {
        let columns = self.columns.iter().map(|column| column.bits(wide));
        let bits: Vec<u32> = columns.chain(self.prefix.then_some(8)).collect();
        l4c_manifest::key_bytes(&bits).max(8)
    }
}

/// `(src, dport) in @set`: false for a packet without one of the fields, or with addresses of two families.
#[derive(Debug, Clone)]
pub struct TupleTest {
    /// Which set.
    pub set: SetId,
    /// A part for each of its columns.
    pub key: Vec<KeyPart>,
    /// `not in`
    pub negated: bool,
    /// Where it stands.
    pub span: Span,
}

/// `add KEY to @set [for D]`, `del KEY from @set`: nothing for a packet without one of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which set.
    pub set: SetId,
    /// A part for each of its columns.
    pub key: Vec<KeyPart>,
    /// What becomes of the element.
    pub what: ChangeKind,
}

/// What a rule does to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is added, for so many nanoseconds or for good.
    Add(Option<u64>),
    /// It is taken out.
    Del,
}
