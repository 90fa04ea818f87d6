//! The outcome of a dry run.

use crate::{Counter, Shape};
use l4c_manifest::Verdict;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of all packets; serialises as the line that `l4c run --format json` ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The hook.
    pub hook: String,
    /// The engine.
    pub engine: &'static str,
    /// Packets judged.
    pub packets: u64,
    /// Their bytes, as far as the hook saw them.
    pub bytes: u64,
    /// Packets a verdict, for verdicts that were given.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Every rule in report order, `default` last.
    pub rules: Vec<RuleCount>,
    /// What `count NAME` counted; left out where no rule counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, Count>,
    /// Frames that the hook can't be shown; they are in no other figure.
    pub unjudged: u64,
}

/// Packets and bytes of a named counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes, as far as the hook saw them.
    pub bytes: u64,
}

/// How often a rule matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// Its name.
    pub rule: String,
    /// Its steering action in words.
    pub action: String,
    /// The steering action was counted and not done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Times it matched.
    pub packets: u64,
    /// Bytes of the packets it matched.
    pub bytes: u64,
}

impl Summary {
    /// A summary before the first packet.
    #[must_use]
    pub fn new(shape: &Shape, engine: &'static str) -> Self {
        Self {
            hook: shape.hook.clone(),
            engine,
            packets: 0,
            bytes: 0,
            verdicts: BTreeMap::new(),
            rules: Vec::new(),
            counters: BTreeMap::new(),
            unjudged: 0,
        }
    }

    /// Takes over what an engine counted, slot by slot of `shape`.
    pub(crate) fn count(&mut self, shape: &Shape, slots: &[Counter]) {
        let rules = shape.rules.iter().zip(slots).map(|(rule, counter)| RuleCount {
            rule: rule.name.clone(),
            action: rule.action.clone(),
            shadow: rule.shadow,
            packets: counter.packets,
            bytes: counter.bytes,
        });
        self.rules = rules.collect();
        let named = slots.iter().skip(shape.rules.len());
        self.counters = shape
            .counters
            .iter()
            .zip(named)
            .map(|(name, c)| (name.clone(), Count { packets: c.packets, bytes: c.bytes }))
            .collect();
    }
}
