//! Random rule files and the packets that they are shown.
//!
//! A [`Script`] is a list of seeds, so that `proptest` makes a failing one smaller by leaving out rules and
//! parts of predicates. Rules are written as text: the parser and the checker stand in their way too. Rules
//! and packets draw their values from one small [`pool`](Pool), else no packet would meet a rule that asks
//! for it.

mod carried;
mod frames;
mod pool;
mod rules;
mod terms;
#[cfg(test)]
mod tests;
mod texts;
mod trial;

pub use frames::frames;
pub use pool::Pool;
pub use rules::text;
pub use trial::{Report, Trials, run};

use proptest::collection::vec;
use proptest::prelude::*;

/// What a random rule file is made from.
#[derive(Debug, Clone)]
pub struct Script {
    /// Chooses the values.
    pub pool: u64,
    /// Rules ask for the link header too; no socket filter sees it.
    pub link: bool,
    /// One number a set.
    pub sets: Vec<u64>,
    /// One rule's worth of seeds a `match`; its actions are not used.
    pub matches: Vec<RuleSeeds>,
    /// Rules by chain.
    pub chains: Vec<Vec<RuleSeeds>>,
    /// The hook's rules.
    pub rules: Vec<RuleSeeds>,
    /// Chooses the default.
    pub default: u64,
    /// Chooses the packets.
    pub packets: u64,
}

/// What a rule is made from.
#[derive(Debug, Clone)]
pub struct RuleSeeds {
    /// One number a question.
    pub terms: Vec<u64>,
    /// Joins them and chooses the actions.
    pub shape: u64,
}

/// Seeds are not made smaller: another number is another rule, not a simpler one.
fn seed() -> impl Strategy<Value = u64> {
    any::<u64>().no_shrink()
}

fn rule(most_terms: usize) -> impl Strategy<Value = RuleSeeds> {
    (vec(seed(), 1..=most_terms), seed()).prop_map(|(terms, shape)| RuleSeeds { terms, shape })
}

/// Random scripts.
pub fn scripts() -> impl Strategy<Value = Script> {
    let head = (seed(), any::<bool>().no_shrink(), vec(seed(), 0..4), vec(rule(3), 0..3));
    let chains = vec(vec(rule(3), 0..5), 0..4);
    (head, chains, vec(rule(4), 1..14), seed(), seed()).prop_map(
        |((pool, link, sets, matches), chains, rules, default, packets)| Script {
            pool,
            link,
            sets,
            matches,
            chains,
            rules,
            default,
            packets,
        },
    )
}
