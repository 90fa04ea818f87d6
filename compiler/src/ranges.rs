//! Sets of numbers as sorted ranges: what every comparison of the language comes to.

/// Numbers up to 128 bits as inclusive ranges: sorted, disjoint, not touching.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// No number.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// One number.
    #[must_use]
    pub fn one(n: u128) -> Self {
        Self(vec![(n, n)])
    }

    /// `lo..=hi`; nothing if `lo > hi`.
    #[must_use]
    pub fn span(lo: u128, hi: u128) -> Self {
        if lo > hi { Self::empty() } else { Self(vec![(lo, hi)]) }
    }

    /// Any ranges in any order; those with `lo > hi` hold nothing.
    #[must_use]
    pub fn from_unsorted(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.retain(|&(lo, hi)| lo <= hi);
        ranges.sort_unstable();
        let mut out: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (lo, hi) in ranges {
            match out.last_mut() {
                Some(last) if lo <= last.1 || lo - last.1 == 1 => last.1 = last.1.max(hi),
                Some(_) | None => out.push((lo, hi)),
            }
        }
        Self(out)
    }

    /// The ranges.
    #[must_use]
    pub fn as_slice(&self) -> &[(u128, u128)] {
        &self.0
    }

    /// True if it holds no number.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is `n` in it?
    #[must_use]
    pub fn contains(&self, n: u128) -> bool {
        let after = self.0.partition_point(|&(lo, _)| lo <= n);
        after > 0 && n <= self.0[after - 1].1
    }

    /// Every number of `width_bits` bits that is not in it.
    #[must_use]
    pub fn complement(&self, width_bits: u32) -> Self {
        let max = max_value(width_bits);
        let mut out = Vec::with_capacity(self.0.len() + 1);
        let mut next = Some(0u128);
        for &(lo, hi) in &self.0 {
            let Some(from) = next else { break };
            if lo > max {
                break;
            }
            if lo > from {
                out.push((from, lo - 1));
            }
            next = if hi >= max { None } else { Some(hi + 1) };
        }
        if let Some(from) = next {
            out.push((from, max));
        }
        Self(out)
    }

    /// Both sets' numbers.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_unsorted(self.0.iter().chain(&other.0).copied().collect())
    }

    /// The numbers `n` of `width_bits` bits for which `(n << shift) + add` is in it.
    #[must_use]
    pub fn unscale(&self, shift: u32, add: u128, width_bits: u32) -> Self {
        let max = max_value(width_bits);
        let ranges = self
            .0
            .iter()
            .filter(|&&(_, hi)| hi >= add)
            .map(|&(lo, hi)| {
                let (lo, hi) = (lo.saturating_sub(add), hi - add);
                let round_up = u128::from(lo & max_value(shift.max(1)) != 0 && shift > 0);
                ((lo >> shift) + round_up, (hi >> shift).min(max))
            })
            .collect();
        Self::from_unsorted(ranges)
    }
}

/// The largest number of `width_bits` bits (1 to 128).
#[must_use]
pub const fn max_value(width_bits: u32) -> u128 {
    if width_bits >= 128 { u128::MAX } else { (1 << width_bits) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_when_they_touch() {
        let r = Ranges::from_unsorted(vec![(5, 9), (1, 2), (3, 3), (20, 10), (8, 12)]);
        assert_eq!(r.as_slice(), &[(1, 3), (5, 12)]);
        assert!(r.contains(3) && !r.contains(4) && r.contains(12) && !r.contains(0));
    }

    #[test]
    fn a_complement_twice_is_the_set() {
        for ranges in [vec![], vec![(0, 255)], vec![(0, 0), (255, 255)], vec![(7, 9), (11, 200)]] {
            let r = Ranges::from_unsorted(ranges);
            let c = r.complement(8);
            for n in 0..256 {
                assert_ne!(r.contains(n), c.contains(n), "{n}");
            }
            assert_eq!(c.complement(8), r);
        }
        assert_eq!(Ranges::empty().complement(128).as_slice(), &[(0, u128::MAX)]);
    }

    #[test]
    fn unscaling_asks_of_each_number() {
        let r = Ranges::from_unsorted(vec![(10, 50), (53, 54), (100, 400)]);
        for (shift, add, width) in [(0, 40, 8), (2, 0, 4), (0, 0, 8), (3, 7, 6)] {
            let raw = r.unscale(shift, add, width);
            for n in 0..=max_value(width) {
                assert_eq!(raw.contains(n), r.contains((n << shift) + add), "{n} {shift} {add}");
            }
            assert!(!raw.contains(max_value(width) + 1));
        }
    }
}
