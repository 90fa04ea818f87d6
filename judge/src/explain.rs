//! Why a packet got its verdict, from the reference evaluator.

use l4c_compiler::hir::{HookId, Policy};
use l4c_compiler::reference::{self, Reference, Value};
use l4c_manifest::Verdict;
use serde::Serialize;

/// The way of one packet through a hook; serialises as `l4c explain --format json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: String,
    /// Every rule that the packet met, in order; one that it met twice stands twice.
    pub steps: Vec<Step>,
}

/// A rule that the packet met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub rule: String,
    /// Whether it matched.
    pub matched: bool,
    /// What was read of the packet until that was known, in order.
    pub reads: Vec<Read>,
}

/// Something read of a packet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Read {
    /// The field or bytes, as rules write them.
    pub field: String,
    /// The value: a number, a truth, or an address or bytes as text; null where the packet has no
    /// such field.
    pub value: serde_json::Value,
}

/// Follows a packet, as the hook sees it, through a hook. It came in by the interface of that name, or by none.
#[must_use]
pub fn explain(policy: &Policy, hook: HookId, packet: &[u8], iface: Option<&str>) -> Explanation {
    let mut reference = Reference::new(policy, hook);
    reference.arrive(iface);
    let trace = reference.trace(packet);
    let steps = trace.steps.into_iter().map(|step| Step {
        rule: step.rule,
        matched: step.matched,
        reads: step.reads.into_iter().map(read).collect(),
    });
    Explanation { verdict: trace.verdict, rule: trace.rule, steps: steps.collect() }
}

fn read(read: reference::Read) -> Read {
    let value = match read.value {
        None => serde_json::Value::Null,
        Some(Value::Number(n)) => n.into(),
        Some(Value::Flag(set)) => set.into(),
        Some(Value::Text(text)) => text.into(),
    };
    Read { field: read.field, value }
}
