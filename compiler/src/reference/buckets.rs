//! Token buckets as one would explain them: so many tokens, so many more as time passes, never more than fit.

use crate::hir::{Limit, LimitId};
use l4c_manifest::{Rate, Unit};
use std::collections::HashMap;

/// One bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Tokens, each counted as many times as the rate's time has nanoseconds, so that none is ever a fraction.
    tokens: u128,
    /// When they were counted.
    at_ns: u64,
}

/// All buckets of all limits.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets(HashMap<(LimitId, Vec<u128>), Bucket>);

impl Buckets {
    /// Takes what a packet of `bytes` costs out of the key's bucket; false if there is not so much in it.
    pub fn spend(
        &mut self,
        (id, limit): (LimitId, &Limit),
        key: Vec<u128>,
        bytes: usize,
        now_ns: u64,
    ) -> bool {
        // A quota is a rate of nothing.
        let Rate { amount, per_ns } = limit.rate.unwrap_or(Rate { amount: 0, per_ns: 1 });
        let holds = u128::from(limit.burst) * u128::from(per_ns);
        let full = Bucket { tokens: holds, at_ns: now_ns };
        let bucket = self.0.entry((id, key)).or_insert(full);
        let passed = u128::from(now_ns.saturating_sub(bucket.at_ns));
        bucket.tokens = bucket.tokens.saturating_add(passed * u128::from(amount)).min(holds);
        bucket.at_ns = now_ns;
        let units = match limit.unit {
            Unit::Packets => 1,
            Unit::Bytes => bytes as u128,
        };
        let rest = bucket.tokens.checked_sub(units * u128::from(per_ns));
        bucket.tokens = rest.unwrap_or(bucket.tokens);
        rest.is_some()
    }
}
