//! Tests of a policy.

use super::{HookId, IfaceId, SetId};
use l4c_grammar::Span;
use l4c_manifest::Key;
use l4c_manifest::Verdict;

/// A test of the policy, its packets built.
#[derive(Debug, Clone)]
pub struct Test {
    /// The text behind `test`.
    pub title: String,
    /// The hook it is for.
    pub hook: HookId,
    /// In order.
    pub steps: Vec<TestStep>,
    /// Where it stands.
    pub span: Span,
}

/// A step of a test.
#[derive(Debug, Clone)]
pub struct TestStep {
    /// What is done.
    pub kind: TestStepKind,
    /// The whole line.
    pub span: Span,
}

/// Steps of a test.
#[derive(Debug, Clone)]
pub enum TestStepKind {
    /// Sends one packet some times.
    Send {
        /// As the hook sees it.
        packet: Vec<u8>,
        /// The interface that it comes in by.
        iface: Option<IfaceId>,
        /// How often.
        times: u64,
        /// What is expected of each.
        expect: Option<Expect>,
    },
    /// Sends a capture.
    Pcap {
        /// The file, resolved.
        path: std::path::PathBuf,
        /// What is expected.
        expect: Option<Expect>,
    },
    /// Moves the clock.
    Wait {
        /// Nanoseconds.
        ns: u64,
    },
    /// Looks whether a set holds something.
    ExpectSet {
        /// Which.
        set: SetId,
        /// What.
        key: Key,
    },
    /// Looks at a rule's packets so far.
    ExpectCount {
        /// Report name of the rule.
        rule: String,
        /// How to compare.
        op: l4c_grammar::CmpOp,
        /// With what.
        count: u64,
    },
}

/// `expect VERDICT [by RULE] [OP N|N%]`
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that must have decided (report name, or `default`).
    pub by: Option<String>,
    /// How many packets; all of them if left out.
    pub amount: Option<(l4c_grammar::CmpOp, Amount)>,
}

/// A number of packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So many.
    Packets(u64),
    /// A share of those sent, in percent.
    Percent(f64),
}
