//! TCP options that fields look for.

/// An option of TCP: its kind, and the lengths that it may have, kind and length bytes among them. An option
/// of the kind with any other length is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TcpOption {
    /// IANA option kind; not 0 and not 1, which have no length.
    pub kind: u8,
    /// Bit n is set if the option may have n bytes; 2 to 40.
    pub lens: u64,
}

impl TcpOption {
    /// Maximum segment size: RFC 9293, 3.2.
    pub const MSS: Self = Self::of(2, 4, 4, 1);
    /// Window scale: RFC 7323, 2.2.
    pub const WSCALE: Self = Self::of(3, 3, 3, 1);
    /// SACK permitted: RFC 2018, 2.
    pub const SACK_OK: Self = Self::of(4, 2, 2, 1);
    /// SACK: RFC 2018, 3: one to four blocks of 8 bytes.
    pub const SACK: Self = Self::of(5, 10, 34, 8);
    /// Timestamps: RFC 7323, 3.2.
    pub const TS: Self = Self::of(8, 10, 10, 1);
    /// MD5 signature: RFC 2385, 3.
    pub const MD5: Self = Self::of(19, 18, 18, 1);
    /// Authentication: RFC 5925, 2.2.
    pub const AO: Self = Self::of(29, 4, 40, 1);
    /// Multipath TCP: RFC 8684, 3.
    pub const MPTCP: Self = Self::of(30, 3, 40, 1);
    /// Fast Open: RFC 7413, 4.1.1: a cookie of 4 to 16 bytes, an even number, or the request for one.
    pub const FASTOPEN: Self =
        Self { kind: 34, lens: Self::of(34, 6, 18, 2).lens | Self::of(34, 2, 2, 1).lens };

    /// Lengths from `first` to `last`, `step` apart.
    const fn of(kind: u8, first: u8, last: u8, step: u8) -> Self {
        let (mut lens, mut len) = (0, first);
        while len <= last {
            lens |= 1 << len;
            len += step;
        }
        Self { kind, lens }
    }

    /// Bytes that an option of this kind has at least.
    #[must_use]
    pub const fn min_bytes(self) -> u32 {
        self.lens.trailing_zeros()
    }

    /// May the option have so many bytes?
    #[must_use]
    pub const fn takes(self, len_bytes: u8) -> bool {
        len_bytes < 64 && self.lens >> len_bytes & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::TcpOption;

    #[test]
    fn lengths_are_those_of_the_standards() {
        let lens = |option: TcpOption| (0..=255).filter(|&n| option.takes(n)).collect::<Vec<_>>();
        assert_eq!(lens(TcpOption::MSS), [4]);
        assert_eq!(lens(TcpOption::SACK), [10, 18, 26, 34]);
        assert_eq!(lens(TcpOption::FASTOPEN), [2, 6, 8, 10, 12, 14, 16, 18]);
        assert_eq!(lens(TcpOption::MPTCP).len(), 38);
        assert_eq!(TcpOption::AO.min_bytes(), 4);
    }
}
