//! A share of packets.

use std::fmt;

/// `N/M`: of M packets N. 1 ≤ N ≤ M.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chance {
    wanted: u32,
    of: u32,
}

impl Chance {
    /// `wanted/of`; none unless 1 ≤ `wanted` ≤ `of`.
    #[must_use]
    pub const fn new(wanted: u32, of: u32) -> Option<Self> {
        if wanted == 0 || wanted > of { None } else { Some(Self { wanted, of }) }
    }

    /// `wanted` and `of`, as they were written.
    #[must_use]
    pub const fn parts(self) -> (u32, u32) {
        (self.wanted, self.of)
    }

    /// Every packet.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.wanted == self.of
    }

    /// Numbers of 32 bits below it are the chance: N/M × 2³², to the nearest whole number.
    ///
    /// `N/N` is 2³², always, and nothing else is; nothing is 0, never. What rounding changes is less than one in
    /// 2³² packets.
    #[must_use]
    pub const fn threshold(self) -> u64 {
        let (wanted, of) = (self.wanted as u64, self.of as u64);
        ((wanted << 32) + of / 2) / of
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.wanted, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_is_a_share() {
        for (wanted, of) in [(0, 1), (2, 1), (0, 0)] {
            assert_eq!(Chance::new(wanted, of), None);
        }
        let threshold = |wanted, of| Chance::new(wanted, of).map(Chance::threshold);
        assert_eq!(threshold(1, 1), Some(1 << 32));
        assert_eq!(threshold(u32::MAX, u32::MAX), Some(1 << 32));
        assert_eq!(threshold(1, 2), Some(1 << 31));
        assert_eq!(threshold(1, 10), Some(429_496_730));
        assert_eq!(threshold(1, u32::MAX), Some(1));
        assert_eq!(threshold(u32::MAX - 1, u32::MAX), Some((1 << 32) - 1));
    }
}
