//! Limits, and what asks them.

use super::LimitId;
use crate::fields::{Field, Place, Ty};
use l4c_grammar::Span;
use l4c_manifest::{Full, Rate, Unit};

/// A token bucket, or one for each key; or so many flows for each key.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// What is counted.
    pub unit: Unit,
    /// How fast a bucket fills; none if it does not.
    pub rate: Option<Rate>,
    /// What a bucket holds.
    pub burst: u64,
    /// The key; nothing if all packets share a bucket.
    pub key: Vec<KeyPart>,
    /// So many keys find room.
    pub max: u64,
    /// What becomes of a new key when there is none.
    pub full: Full,
    /// What is kept of a key.
    pub kept: Kept,
}

/// What is kept of a key of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A bucket.
    Bucket,
    /// A bucket in one word, on hooks that may lock too.
    Word,
    /// Nothing of its own: it shares cells with others. [`Limit::max`] is how many keys may be over the limit.
    Sketch,
    /// Flows, of which a key may have [`Limit::burst`]; one counts for so long after its last packet.
    Flows {
        /// Nanoseconds, at least one.
        idle_ns: u64,
    },
}

/// A part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPart {
    /// Its row.
    pub field: &'static Field,
    /// Of the packet inside a tunnel.
    pub inner: bool,
    /// Bits that count of an IPv4 and of an IPv6 address, from the first.
    pub prefix_bits: [u8; 2],
}

impl KeyPart {
    /// The part of a place's number that counts.
    #[must_use]
    pub fn mask(&self, place: &Place) -> u128 {
        let (bits, counts) = match (self.field.ty, place.width_bits()) {
            (Ty::Addr | Ty::Addr4 | Ty::Addr6, 32) => (32, self.prefix_bits[0]),
            (Ty::Addr | Ty::Addr4 | Ty::Addr6, 128) => (128, self.prefix_bits[1]),
            _ => return u128::MAX,
        };
        let whole = u128::MAX >> (128 - bits);
        whole & !whole.checked_shr(counts.into()).unwrap_or(0)
    }

    /// As rules write it.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.field.shown(self.inner);
        let [v4, v6] = self.prefix_bits;
        match self.field.ty {
            Ty::Addr if [v4, v6] != [32, 128] => format!("{name}/{v4}/{v6}"),
            Ty::Addr4 if v4 != 32 => format!("{name}/{v4}"),
            Ty::Addr6 if v6 != 128 => format!("{name}/{v6}"),
            _ => name.into_owned(),
        }
    }
}

/// `over(L)`, `under(L)`: spends a token if there is one. Both are false for a packet without a field of the key.
#[derive(Debug, Clone, Copy)]
pub struct LimitTest {
    /// Whose.
    pub limit: LimitId,
    /// True if there is one, instead of if there is none.
    pub under: bool,
    /// Where it stands.
    pub span: Span,
}
