//! Flows as one would explain them: who belongs to which key, and until when it counts.

use crate::hir::LimitId;
use std::collections::HashMap;

/// What a packet does to its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It belongs to one that there must be already.
    GoesOn,
    /// It is the first of one, if there is none yet.
    Opens,
    /// It is the last of one.
    Closes,
}

/// The flows of a key, and until when each counts.
type Flows = HashMap<Vec<u128>, u64>;

/// All flows of all keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Conns(HashMap<(LimitId, Vec<u128>), Flows>);

impl Conns {
    /// Lets a packet of a flow through, or not if it would be one more than `allowed`.
    pub fn take(
        &mut self,
        key: (LimitId, Vec<u128>),
        flow: Vec<u128>,
        step: Step,
        (allowed, idle_ns, now_ns): (u64, u64, u64),
    ) -> bool {
        let flows = self.0.entry(key).or_default();
        flows.retain(|_, until| *until > now_ns);
        let until_ns = now_ns.saturating_add(idle_ns);
        match (flows.contains_key(&flow), step) {
            (true, Step::Closes) => {
                flows.remove(&flow);
            }
            (true, Step::Opens | Step::GoesOn) => {
                flows.insert(flow, until_ns);
            }
            (false, Step::GoesOn | Step::Closes) => {}
            (false, Step::Opens) if flows.len() as u64 >= allowed => return false,
            (false, Step::Opens) => {
                flows.insert(flow, until_ns);
            }
        }
        true
    }
}
