//! What a program puts in front of each packet that it samples.

use serde::{Deserialize, Serialize};

/// How a program's samples are told apart from other records of a perf ring: `l4c`, then the version of
/// [`SampleHead`].
pub const SAMPLE_MAGIC: u32 = u32::from_le_bytes([b'l', b'4', b'c', 1]);

/// The most bytes of one packet that a sample holds. A record of a perf ring counts its bytes in 16 bits
/// (`struct perf_event_header`); 8 of them are its own head, 8 its time, 4 the length of what follows,
/// [`SampleHead::BYTES`] ours, and the whole is a multiple of 8.
pub const MAX_SAMPLE_BYTES: u32 = 65_528 - 8 - 8 - 4 - SampleHead::BYTES as u32;

/// Where a hook's samples go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// Symbol of the map of perf rings.
    pub map: String,
    /// Counter slots of the rules that sample, ascending.
    pub slots: Vec<u32>,
}

/// The head of a sample: little-endian words of 32 bits, [`SAMPLE_MAGIC`] before them and the kept bytes of the
/// packet behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleHead {
    /// Counter slot of the rule that sampled.
    pub slot: u32,
    /// Length of the packet as the hook sees it.
    pub packet_bytes: u32,
    /// So many of its bytes follow.
    pub kept_bytes: u32,
    /// The interface that it came in by, in its own network namespace.
    pub ifindex: u32,
}

impl SampleHead {
    /// Bytes of the head, magic included.
    pub const BYTES: usize = 20;
    /// Where the words are, from the first byte of the head.
    pub const SLOT_OFF: usize = 4;
    /// See [`Self::SLOT_OFF`].
    pub const PACKET_OFF: usize = 8;
    /// See [`Self::SLOT_OFF`].
    pub const KEPT_OFF: usize = 12;
    /// See [`Self::SLOT_OFF`].
    pub const IFINDEX_OFF: usize = 16;

    /// The head of a sample and the packet's bytes behind it; none if this is no sample of a version that is
    /// known here.
    #[must_use]
    pub fn split(sample: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = sample.split_first_chunk::<{ Self::BYTES }>()?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if word(0) != SAMPLE_MAGIC {
            return None;
        }
        let head = Self {
            slot: word(Self::SLOT_OFF),
            packet_bytes: word(Self::PACKET_OFF),
            kept_bytes: word(Self::KEPT_OFF),
            ifindex: word(Self::IFINDEX_OFF),
        };
        Some((head, rest.get(..head.kept_bytes as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_as_programs_write_it() {
        let mut bytes = Vec::new();
        for word in [SAMPLE_MAGIC, 3, 100, 2, 7] {
            bytes.extend(word.to_le_bytes());
        }
        assert_eq!(bytes.len(), SampleHead::BYTES);
        // A ring fills records up to a multiple of 8.
        bytes.extend([0xaa, 0xbb, 0, 0]);
        let head = SampleHead { slot: 3, packet_bytes: 100, kept_bytes: 2, ifindex: 7 };
        assert_eq!(SampleHead::split(&bytes), Some((head, &[0xaa, 0xbb][..])));
        assert_eq!(SampleHead::split(&bytes[..21]), None, "fewer bytes than it says");
        assert_eq!(SampleHead::split(&bytes[..19]), None);
        bytes[3] = 2;
        assert_eq!(SampleHead::split(&bytes), None, "another version");
    }

    #[test]
    fn the_longest_sample_fits_a_record() {
        let raw = (4 + SampleHead::BYTES as u32 + MAX_SAMPLE_BYTES).next_multiple_of(8);
        assert!(8 + 8 + raw <= u32::from(u16::MAX));
    }
}
