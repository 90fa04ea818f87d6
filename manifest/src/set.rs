//! Sets that are kept in maps: what their elements are, where they lie, which of them count.
//!
//! A set has up to two tables: one for IPv4 and for whatever is no address, one for IPv6. What is *listed* in a
//! table stands in a hash map that only loaders write: elements that the rules declare, and those that somebody put
//! there by hand. What packets *add* stands in a second one, so that neither side ever writes over what the other
//! has just written. A word of the object's parameters says which of a map's elements count, so that a whole list is
//! exchanged by one store.
//!
//! A key is a row of 64-bit words in the machine's byte order. Columns stand in their order, each in the first word
//! that it does not overflow; 128 bits take two words, the upper half first. In a set of prefixes the length is one
//! more column.

use serde::{Deserialize, Serialize};

/// Begin of the names of the sections that hold what rules declare; the symbol of the table's map follows. Keys
/// stand one behind the other, each once, in order.
pub const ELEMENTS_SECTION: &str = ".l4c.set.";

/// Bytes of a key at most.
pub const MAX_KEY_BYTES: u32 = 64;

/// Places of the filter that a table of prefixes has, see [`SetTable::filter`].
pub const FILTER_PLACES: u32 = 1 << 16;

/// Bytes of the word that says which elements count.
pub const STATE_BYTES: usize = 8;

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    /// An address of either family.
    Addr,
    /// An IPv4 address.
    Addr4,
    /// An IPv6 address.
    Addr6,
    /// A port.
    Port,
    /// A hardware address.
    Mac,
    /// A number of 8 bits.
    U8,
    /// A number of 16 bits.
    U16,
    /// A number of 32 bits.
    U32,
    /// A number of 64 bits.
    U64,
}

impl Column {
    /// Bits in the table of IPv6 (`wide`) or in the other.
    #[must_use]
    pub const fn bits(self, wide: bool) -> u32 {
        match self {
            Self::Addr if wide => 128,
            Self::Addr6 => 128,
            Self::Addr | Self::Addr4 | Self::U32 => 32,
            Self::Port | Self::U16 => 16,
            Self::Mac => 48,
            Self::U8 => 8,
            Self::U64 => 64,
        }
    }

    /// Its values are addresses.
    #[must_use]
    pub const fn is_address(self) -> bool {
        matches!(self, Self::Addr | Self::Addr4 | Self::Addr6)
    }
}

/// A set that is kept in maps, as one hook uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// As rules call it.
    pub name: String,
    /// Its type as rules write it.
    pub ty: String,
    /// What an element is made of.
    pub columns: Vec<Column>,
    /// Elements are prefixes: the one column is addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prefix: bool,
    /// It may be changed while it is loaded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
    /// How long an element stays that is added, in nanoseconds; for good if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ns: Option<u64>,
    /// So many elements are listed at most, and so many are added at most.
    pub max: u32,
    /// Where the word lies that says which elements count, in [`PARAMS_SECTION`](crate::PARAMS_SECTION).
    pub state_off_bytes: u32,
    /// Counter slot of packets that added nothing because there was no room; none if no rule of the hook adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_slot: Option<u32>,
    /// Its tables.
    pub tables: Vec<SetTable>,
}

/// A table of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTable {
    /// It holds IPv6.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wide: bool,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Symbol of the map of what is listed: keys to [`Listed`].
    pub listed: String,
    /// Symbol of an array of [`FILTER_PLACES`] that tells the lengths of the prefixes around an address, a bit each
    /// ([`Set::filter_place`]); only for prefixes. It may tell of lengths that are not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Symbol of the map of what packets add: keys to the time at which an element ends ([`State::counts_added`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
    /// Lengths of the prefixes that packets add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_lengths: Vec<u8>,
}

/// An element, or what is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// It belongs into the table of IPv6.
    pub wide: bool,
    /// One number a column.
    pub values: Vec<u128>,
    /// Of a prefix.
    pub prefix_bits: Option<u8>,
}

/// The word of an element that is listed.
///
/// Bits 0 and 1: the rules declare it, in lists of that number. Bits 2 and 3: it was put there by hand, in lists of
/// that number. The rest is the time at which what was put there by hand ends, in steps of 16 ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listed(pub u64);

impl Listed {
    /// The bits that say where it is listed.
    pub const FLAGS: u64 = 15;
    /// Declared, in either list.
    pub const DECLARED: u64 = 3;
    /// No end.
    pub const FOREVER: u64 = !Self::FLAGS;

    /// It is declared in list `list`, and nothing is put there by hand.
    #[must_use]
    pub const fn declared(list: u64) -> Self {
        Self(1 << list)
    }

    /// Put there by hand in list `list` until `end_ns`, beside what is known of it.
    #[must_use]
    pub const fn by_hand(self, list: u64, end_ns: u64) -> Self {
        Self(self.0 & Self::FLAGS | 4 << list | (end_ns & Self::FOREVER))
    }

    /// Without what was put there by hand, in list `list`.
    #[must_use]
    pub const fn without_hand(self, list: u64) -> Self {
        let flags = self.0 & Self::FLAGS & !(4 << list);
        if flags & 12 == 0 { Self(flags) } else { Self(flags | self.0 & Self::FOREVER) }
    }

    /// When what was put there by hand ends, in nanoseconds; none if it never does.
    #[must_use]
    pub const fn end_ns(self) -> Option<u64> {
        let end_ns = self.0 & Self::FOREVER;
        if end_ns == Self::FOREVER { None } else { Some(end_ns) }
    }
}

/// Which elements of a set count: the word that its programs look at first.
///
/// Bits 0 to 3: those bits of [`Listed`] that count. Bits 8 to 15: the generation of what packets added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State(pub u64);

impl State {
    /// Of an object that nobody has loaded.
    pub const INITIAL: Self = Self(0b0101);
    /// Where the generation stands.
    pub const GENERATION_SHIFT: u64 = 8;
    /// Bits of an element's end that hold its generation.
    pub const GENERATION: u64 = 0xff;

    /// The list of declared elements that counts, or that will count once any does.
    #[must_use]
    pub const fn declared(self) -> u64 {
        (self.0 >> 1) & 1
    }

    /// The list of elements by hand that counts.
    #[must_use]
    pub const fn hand(self) -> u64 {
        (self.0 >> 3) & 1
    }

    /// The generation of what packets added.
    #[must_use]
    pub const fn generation(self) -> u64 {
        (self.0 >> Self::GENERATION_SHIFT) & Self::GENERATION
    }

    /// Declared elements of list `declared` count (none if there is none), those by hand of list `hand`, those added
    /// in `generation`.
    #[must_use]
    pub const fn of(declared: Option<u64>, hand: u64, generation: u64) -> Self {
        let declared = match declared {
            Some(list) => 1 << list,
            None => 0,
        };
        Self(declared | 4 << hand | (generation & Self::GENERATION) << Self::GENERATION_SHIFT)
    }

    /// Declared elements count.
    #[must_use]
    pub const fn has_declared(self) -> bool {
        self.0 & Listed::DECLARED != 0
    }

    /// Does a listed element count at this time?
    #[must_use]
    pub const fn counts(self, listed: Listed, now_ns: u64) -> bool {
        let flags = self.0 & listed.0 & Listed::FLAGS;
        flags & Listed::DECLARED != 0 || flags != 0 && listed.0 | Listed::FLAGS > now_ns
    }

    /// Does an element that a packet added count at this time?
    #[must_use]
    pub const fn counts_added(self, end: u64, now_ns: u64) -> bool {
        end & Self::GENERATION == self.generation() && end | Self::GENERATION > now_ns
    }
}

/// Where columns of so many bits lie: word, and shift within it.
#[must_use]
pub fn places(bits: &[u32]) -> Vec<(usize, u32)> {
    let (mut word, mut used) = (0, 0);
    let place = |&bits: &u32| {
        if used > 0 && used + bits > 64 {
            (word, used) = (word + 1, 0);
        }
        let place = (word, used);
        if bits > 64 {
            word += 2;
        } else {
            used += bits;
        }
        place
    };
    bits.iter().map(place).collect()
}

/// Bytes of a key of such columns: a multiple of 8.
#[must_use]
pub fn key_bytes(bits: &[u32]) -> u32 {
    let ends = places(bits).into_iter().zip(bits);
    let ends = ends.map(|((word, _), &bits)| 8 * (word as u32 + if bits > 64 { 2 } else { 1 }));
    ends.max().unwrap_or(0)
}

impl Set {
    /// Bits of the columns of a table's keys.
    #[must_use]
    pub fn bits(&self, wide: bool) -> Vec<u32> {
        let columns = self.columns.iter().map(|column| column.bits(wide));
        columns.chain(self.prefix.then_some(8)).collect()
    }

    /// The table of a family, if the set has it.
    #[must_use]
    pub fn table(&self, wide: bool) -> Option<&SetTable> {
        self.tables.iter().find(|table| table.wide == wide)
    }

    /// An element as a key of its table.
    #[must_use]
    pub fn pack(&self, key: &Key) -> Vec<u8> {
        let bits = self.bits(key.wide);
        let mut words = vec![0u64; key_bytes(&bits) as usize / 8];
        let length = key.prefix_bits.map(u128::from);
        let values = key.values.iter().copied().chain(length);
        for (((word, shift), bits), value) in places(&bits).into_iter().zip(&bits).zip(values) {
            if *bits > 64 {
                (words[word], words[word + 1]) = ((value >> 64) as u64, value as u64);
            } else {
                words[word] |= (value as u64) << shift;
            }
        }
        words.into_iter().flat_map(u64::to_ne_bytes).collect()
    }

    /// The element that a key of the table `wide` is; none if the bytes are not as many as a key has.
    #[must_use]
    pub fn unpack(&self, wide: bool, bytes: &[u8]) -> Option<Key> {
        let bits = self.bits(wide);
        if bytes.len() != key_bytes(&bits) as usize {
            return None;
        }
        let words: Vec<u64> =
            bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
        let value = |((word, shift), &bits): ((usize, u32), &u32)| match bits {
            128 => u128::from(words[word]) << 64 | u128::from(words[word + 1]),
            _ => u128::from(words[word] >> shift) & (u128::MAX >> (128 - bits)),
        };
        let mut values: Vec<u128> = places(&bits).into_iter().zip(&bits).map(value).collect();
        let prefix_bits = if self.prefix { values.pop() } else { None };
        Some(Key { wide, values, prefix_bits: prefix_bits.map(|n| n as u8) })
    }

    /// The keys of which any covers what is looked for: itself, or each prefix that holds it.
    pub fn covering(&self, key: &Key) -> Vec<Key> {
        let Some(longest) = key.prefix_bits else { return vec![key.clone()] };
        let cut = |bits: u8| {
            let mask = prefix_mask(key.wide, bits);
            let values = key.values.iter().map(|value| value & mask).collect();
            Key { wide: key.wide, values, prefix_bits: Some(bits) }
        };
        (0..=longest).map(cut).collect()
    }

    /// Words of a place of a table's filter: a bit for each length that there is.
    #[must_use]
    pub const fn filter_words(wide: bool) -> u32 {
        if wide { 3 } else { 1 }
    }

    /// The place of an address in the filter: its upper half, or of IPv6 the upper 32 bits folded in two.
    #[must_use]
    pub const fn filter_place(wide: bool, address: u128) -> u32 {
        let upper = if wide { (address >> 96) as u32 } else { (address >> 16) as u32 };
        (upper ^ if wide { upper >> 16 } else { 0 }) & (FILTER_PLACES - 1)
    }

    /// The place of a prefix in the filter; none if it lies around all of them, as short ones do.
    #[must_use]
    pub const fn filter_place_of(wide: bool, address: u128, length_bits: u8) -> Option<u32> {
        let whole = if wide { 32 } else { 16 };
        if length_bits >= whole { Some(Self::filter_place(wide, address)) } else { None }
    }
}

/// The bits of an address that a prefix of so many bits holds fast.
#[must_use]
pub const fn prefix_mask(wide: bool, length_bits: u8) -> u128 {
    let whole: u128 = if wide { u128::MAX } else { u32::MAX as u128 };
    match whole.checked_shr(length_bits as u32) {
        Some(host) => whole & !host,
        None => whole,
    }
}

/// The prefixes that a range of addresses is made of, in order: first address, and length.
#[must_use]
pub fn prefixes(wide: bool, lo: u128, hi: u128) -> Vec<(u128, u8)> {
    let width: u32 = if wide { 128 } else { 32 };
    let mut out = Vec::new();
    let mut from = Some(lo).filter(|lo| *lo <= hi);
    while let Some(first) = from {
        // As large as its first address and the range's end allow.
        let mut host = first.trailing_zeros().min(width);
        let last = |host: u32| match 1u128.checked_shl(host) {
            Some(size) => first.checked_add(size - 1),
            None => Some(u128::MAX),
        };
        while last(host).is_none_or(|last| last > hi) {
            host -= 1;
        }
        out.push((first, (width - host) as u8));
        from = last(host).filter(|last| *last < hi).map(|last| last + 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(columns: &[Column], prefix: bool) -> Set {
        Set {
            name: "s".to_owned(),
            ty: String::new(),
            columns: columns.to_vec(),
            prefix,
            dynamic: true,
            timeout_ns: None,
            max: 1,
            state_off_bytes: 0,
            full_slot: None,
            tables: Vec::new(),
        }
    }

    #[test]
    fn keys_come_back_as_they_went() {
        use Column::{Addr, Mac, Port, U8, U64};
        for (columns, prefix, wide, values, bytes) in [
            (vec![Addr], false, false, vec![0x0102_0304], 8),
            (vec![Addr], false, true, vec![7 << 100 | 5], 16),
            (vec![Addr], true, false, vec![0x0a00_0000], 8),
            (vec![Addr], true, true, vec![9 << 120], 24),
            (vec![Addr, Port], false, false, vec![1, 65535], 8),
            (vec![Addr, Port, Port], false, false, vec![1, 2, 3], 8),
            (vec![Port, Addr, U8], false, true, vec![80, 1 << 127 | 3, 255], 32),
            (vec![Mac, Port, U64], false, false, vec![0xffff_ffff_ffff, 1, u64::MAX.into()], 16),
        ] {
            let set = set(&columns, prefix);
            let key = Key { wide, values, prefix_bits: prefix.then_some(8) };
            let packed = set.pack(&key);
            assert_eq!(packed.len(), bytes, "{columns:?}");
            assert_eq!(set.unpack(wide, &packed), Some(key));
            assert_eq!(set.unpack(wide, &packed[1..]), None);
        }
    }

    #[test]
    fn ranges_are_made_of_prefixes() {
        assert_eq!(prefixes(false, 0, u32::MAX.into()), [(0, 0)]);
        assert_eq!(prefixes(true, 0, u128::MAX), [(0, 0)]);
        assert_eq!(prefixes(true, u128::MAX, u128::MAX), [(u128::MAX, 128)]);
        assert_eq!(prefixes(false, 1, 6), [(1, 32), (2, 31), (4, 31), (6, 32)]);
        assert_eq!(prefixes(false, 5, 4), []);
        for (lo, hi) in [(3u128, 77u128), (0, 9), (250, 255), (16, 31)] {
            let mut next = lo;
            for (first, bits) in prefixes(false, lo, hi) {
                assert_eq!(first, next);
                assert_eq!(first & prefix_mask(false, bits), first);
                next = (first | !prefix_mask(false, bits) & 0xffff_ffff) + 1;
            }
            assert_eq!(next, hi + 1);
        }
    }

    #[test]
    fn a_state_picks_its_lists() {
        let both = Listed::declared(1).by_hand(0, 320);
        for (state, now_ns, counts) in [
            (State::of(Some(1), 1, 0), 1 << 60, true),
            (State::of(Some(0), 1, 0), 0, false),
            (State::of(Some(0), 0, 0), 300, true),
            (State::of(Some(0), 0, 0), 320, true),
            (State::of(Some(0), 0, 0), 335, false),
            (State::of(None, 0, 0), 0, true),
            (State::of(None, 1, 0), 0, false),
        ] {
            assert_eq!(state.counts(both, now_ns), counts, "{state:?} at {now_ns}");
        }
        assert_eq!(both.without_hand(0), Listed::declared(1));
        assert!(State::of(None, 1, 7).counts(Listed(0).by_hand(1, u64::MAX), u64::MAX - 16));
        let state = State::of(Some(1), 1, 0x1ff);
        assert_eq!((state.declared(), state.hand(), state.generation()), (1, 1, 255));
        assert!(state.counts_added(0x1ff, 0x1fe) && !state.counts_added(0x1ff, 0x1ff));
        assert!(!state.counts_added(0x1fe, 0));
        assert_eq!(State::INITIAL, State::of(Some(0), 0, 0));
    }

    #[test]
    fn short_prefixes_are_everywhere_in_the_filter() {
        assert_eq!(Set::filter_place(false, 0xc000_0201), 0xc000);
        assert_eq!(Set::filter_place_of(false, 0xc000_0200, 15), None);
        assert_eq!(Set::filter_place_of(false, 0xc000_0200, 16), Some(0xc000));
        let address = 0x2001_0db8u128 << 96 | 1;
        assert_eq!(Set::filter_place(true, address), 0x2001 ^ 0x0db8);
        assert_eq!(Set::filter_place_of(true, address, 31), None);
    }
}
