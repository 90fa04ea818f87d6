//! Read-only tables as bytes.
//!
//! A table is an array of ranges, sorted by their first keys and filled up to a power of two with copies
//! of the last one, so that a search of fixed length finds the last range that does not begin after the
//! key, and stays inside the array whatever the key.

use l4c_ir::TableData;

/// How the keys of a table are laid out and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// 32-bit entries; every end is below 2^32.
    Word,
    /// 64-bit entries, every end below 2^63: the sign of a difference tells which is larger.
    Signed,
    /// 64-bit entries; the borrow of a difference has to be computed.
    Double,
    /// 128-bit entries, high half first.
    Quad,
}

impl KeyKind {
    /// Bytes of one key.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Word => 4,
            Self::Signed | Self::Double => 8,
            Self::Quad => 16,
        }
    }

    /// Bytes of a range: first key, last key.
    pub const fn range_bytes(self) -> u32 {
        2 * self.bytes()
    }
}

/// The layout that suits the keys of `table`.
pub fn kind(table: &TableData) -> KeyKind {
    let last = table.ranges.last().map_or(0, |&(_, end)| end);
    if table.wide {
        KeyKind::Quad
    } else if last >= 1 << 63 {
        KeyKind::Double
    } else if last >= 1 << 32 {
        KeyKind::Signed
    } else {
        KeyKind::Word
    }
}

/// Halvings that a search needs.
pub fn steps(table: &TableData) -> u32 {
    table.ranges.len().next_power_of_two().trailing_zeros()
}

/// The data of the table's section, in the byte order of the machine (little-endian).
pub fn bytes(table: &TableData) -> Vec<u8> {
    let kind = kind(table);
    let Some(last) = table.ranges.last() else { return Vec::new() };
    let count = table.ranges.len().next_power_of_two();
    let mut out = Vec::with_capacity(count * kind.range_bytes() as usize);
    for (first, end) in table.ranges.iter().chain(std::iter::repeat(last)).take(count) {
        for key in [*first, *end] {
            match kind {
                KeyKind::Word => out.extend((key as u32).to_le_bytes()),
                KeyKind::Signed | KeyKind::Double => out.extend((key as u64).to_le_bytes()),
                KeyKind::Quad => {
                    out.extend(((key >> 64) as u64).to_le_bytes());
                    out.extend((key as u64).to_le_bytes());
                }
            }
        }
    }
    out
}
