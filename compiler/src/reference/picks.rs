//! Packets picked by chance, and packets picked in turn.

use crate::chance::Chance;
use crate::hir::{NthId, NthTest};
use std::collections::HashMap;

/// What decides who is picked.
#[derive(Debug, Clone)]
pub(super) struct Picks {
    /// Where chance began.
    seed: u64,
    /// Where it is.
    chance: u64,
    /// How many packets came to each `nth` so far.
    came: HashMap<NthId, u64>,
}

impl Picks {
    /// Chance begins at `seed`, and nobody came yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, chance: seed, came: HashMap::new() }
    }

    /// Back to where it began.
    pub fn reset(&mut self) {
        *self = Self::new(self.seed);
    }

    /// Is this packet one of them? All need no chance.
    pub fn random(&mut self, share: Chance) -> bool {
        share.is_all() || self.number() < share.threshold()
    }

    /// The upper half of `SplitMix64` (Steele, Lea, Flood 2014): every engine that is given a seed makes these numbers.
    fn number(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 32
    }

    /// Is the packet that comes now picked? Of the first n, n × N/M are, rounded down.
    pub fn nth(&mut self, test: &NthTest) -> bool {
        let came = self.came.entry(test.id).or_insert(0);
        *came += 1;
        let (wanted, of) = test.share.parts();
        let picked = |n: u64| u128::from(n) * u128::from(wanted) / u128::from(of);
        picked(*came) > picked(*came - 1)
    }
}
