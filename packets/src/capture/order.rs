//! Byte order of a capture, which is that of the machine that made it.

/// How the integers of a capture are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The four bytes at `off_bytes`; the caller has checked that they are there.
    #[inline]
    pub(super) fn u32(self, bytes: &[u8], off_bytes: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[off_bytes..off_bytes + 4]);
        match self {
            Self::Little => u32::from_le_bytes(word),
            Self::Big => u32::from_be_bytes(word),
        }
    }

    /// The two bytes at `off_bytes`; the caller has checked that they are there.
    #[inline]
    pub(super) fn u16(self, bytes: &[u8], off_bytes: usize) -> u16 {
        let word = [bytes[off_bytes], bytes[off_bytes + 1]];
        match self {
            Self::Little => u16::from_le_bytes(word),
            Self::Big => u16::from_be_bytes(word),
        }
    }

    /// Eight bytes as a signed integer.
    pub(super) fn i64(self, word: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(word),
            Self::Big => i64::from_be_bytes(word),
        }
    }
}
