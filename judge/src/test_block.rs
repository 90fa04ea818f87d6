//! A policy's own tests, run on an engine.

use crate::dry_run::{Stamps, play};
use crate::{Captured, Engine, Explanation, FileError, JudgeError, Judged, Sink, explain};
use l4c_compiler::hir::{Amount, Expect, Policy, SetId, Test, TestStepKind};
use l4c_compiler::reference::Reference;
use l4c_grammar::{CmpOp, Span};
use l4c_manifest::{Key, Verdict};
use std::ops::ControlFlow;
use std::path::Path;

/// What became of a test.
#[derive(Debug)]
pub struct TestOutcome {
    /// The first step that went wrong, if one did; nothing is run after it.
    pub failure: Option<Failure>,
}

/// A step that went wrong.
#[derive(Debug)]
pub struct Failure {
    /// The step's line.
    pub span: Span,
    /// What was to happen, in the words of the rule file.
    pub expected: String,
    /// What happened.
    pub got: String,
    /// A packet that shows it, as the hook sees it.
    pub packet: Option<Vec<u8>>,
    /// That packet's way through the hook.
    pub explanation: Option<Explanation>,
    /// The test says nothing about the rules: its capture could not be read, or the engine failed.
    pub broken: bool,
}

/// Runs a test on an engine for the test's hook.
///
/// The engine is reset first. Steps run in order until one does not come out as expected.
pub fn run_test(policy: &Policy, test: &Test, engine: &mut dyn Engine) -> TestOutcome {
    if let Err(error) = engine.reset() {
        return TestOutcome { failure: Some(Failure::engine(test.span, &error)) };
    }
    let mut run = Run { policy, test, stamps: Stamps::default() };
    let mut failure = None;
    for step in &test.steps {
        let done = match &step.kind {
            TestStepKind::Send { packet, iface, times, expect } => {
                let iface = iface.map(|id| policy.ifaces[id].as_str());
                run.send(engine, step.span, (packet, iface), *times, expect.as_ref())
            }
            TestStepKind::Pcap { path, expect } => {
                run.pcap(engine, step.span, path, expect.as_ref())
            }
            TestStepKind::Wait { ns } => run.wait(engine, step.span, *ns),
            TestStepKind::ExpectSet { set, key } => run.has(engine, step.span, *set, key),
            TestStepKind::ExpectCount { rule, op, count } => {
                run.count(engine, step.span, rule, *op, *count)
            }
        };
        if let Err(found) = done {
            failure = Some(*found);
            break;
        }
    }
    TestOutcome { failure }
}

impl Failure {
    fn engine(span: Span, error: &JudgeError) -> Self {
        Self {
            span,
            expected: "a verdict".to_owned(),
            got: error.to_string(),
            packet: None,
            explanation: None,
            broken: true,
        }
    }

    fn unreadable(span: Span, error: &FileError) -> Self {
        Self {
            span,
            expected: "a capture".to_owned(),
            got: error.to_string(),
            packet: None,
            explanation: None,
            broken: true,
        }
    }
}

struct Run<'p> {
    policy: &'p Policy,
    test: &'p Test,
    /// The time of the test.
    stamps: Stamps,
}

/// A packet kept to be shown.
struct Kept {
    /// Which of the packets sent, from 1.
    number: u64,
    packet: Vec<u8>,
    /// The interface that it came in by.
    iface: Option<String>,
    verdict: Verdict,
    rule: Option<usize>,
}

/// Counts how packets of a step meet an expectation.
struct Tally<'e> {
    expect: Option<&'e Expect>,
    /// Index of the rule that has to decide; the checker has made sure that it exists.
    by: Option<usize>,
    sent: u64,
    met: u64,
    first_met: Option<Kept>,
    first_unmet: Option<Kept>,
}

impl<'e> Tally<'e> {
    fn new(engine: &dyn Engine, expect: Option<&'e Expect>) -> Self {
        let by = expect.and_then(|e| e.by.as_ref());
        let by = by.and_then(|name| engine.shape().rules.iter().position(|r| r.name == *name));
        Self { expect, by, sent: 0, met: 0, first_met: None, first_unmet: None }
    }

    fn add(
        &mut self,
        (packet, iface): (&[u8], Option<&str>),
        number: u64,
        verdict: Verdict,
        rule: Option<usize>,
    ) {
        let Some(expect) = self.expect else { return };
        self.sent += 1;
        let by_right_rule = expect.by.is_none() || (rule.is_some() && rule == self.by);
        let meets = verdict == expect.verdict && by_right_rule;
        self.met += u64::from(meets);
        let first = if meets { &mut self.first_met } else { &mut self.first_unmet };
        if first.is_none() {
            let iface = iface.map(str::to_owned);
            *first = Some(Kept { number, packet: packet.to_vec(), iface, verdict, rule });
        }
    }

    /// The packet that shows best why the count is wrong, if it is.
    fn judge(&self) -> Result<(), Option<&Kept>> {
        let Some(expect) = self.expect else { return Ok(()) };
        let Some((op, amount)) = expect.amount else {
            return if self.met == self.sent { Ok(()) } else { Err(self.first_unmet.as_ref()) };
        };
        let (count, wanted) = match amount {
            Amount::Packets(packets) => (self.met as f64, packets as f64),
            Amount::Percent(percent) => (self.met as f64 * 100.0, percent * self.sent as f64),
        };
        let too_few = count < wanted;
        if holds(op, count, wanted) {
            Ok(())
        } else if too_few {
            Err(self.first_unmet.as_ref())
        } else {
            Err(self.first_met.as_ref())
        }
    }
}

impl Run<'_> {
    fn send(
        &mut self,
        engine: &mut dyn Engine,
        span: Span,
        (packet, iface): (&[u8], Option<&str>),
        times: u64,
        expect: Option<&Expect>,
    ) -> Result<(), Box<Failure>> {
        engine.arrive(iface).map_err(|e| Box::new(Failure::engine(span, &e)))?;
        let mut tally = Tally::new(engine, expect);
        let traced = expect.is_some_and(|e| e.by.is_some());
        let Some(packet) = engine.shape().visible(packet) else {
            let bytes = packet.len();
            let why = format!("the hook can't be shown a packet of {bytes} bytes");
            return Err(Box::new(Failure::engine(span, &JudgeError::Engine(why))));
        };
        for number in 1..=times {
            let judged = if traced {
                engine.judge_traced(packet).map(|o| (o.verdict, Some(o.rule)))
            } else {
                engine.judge(packet).map(|verdict| (verdict, None))
            };
            let (verdict, rule) = judged.map_err(|e| Box::new(Failure::engine(span, &e)))?;
            tally.add((packet, iface), number, verdict, rule);
        }
        self.check(engine, span, &tally)
    }

    fn pcap(
        &mut self,
        engine: &mut dyn Engine,
        span: Span,
        path: &Path,
        expect: Option<&Expect>,
    ) -> Result<(), Box<Failure>> {
        let mut tally = TallySink { tally: Tally::new(engine, expect), visible_bytes: 0 };
        tally.visible_bytes = engine.shape().kind.max_visible_bytes();
        let run = play(engine, [Captured::file(path)], &mut tally, &mut self.stamps, Ok(()));
        if let Some(error) = run.stopped {
            return Err(Box::new(Failure::engine(span, &error)));
        }
        if let Some(error) = run.failed.first() {
            return Err(Box::new(Failure::unreadable(span, error)));
        }
        self.check(engine, span, &tally.tally)
    }

    fn wait(&mut self, engine: &mut dyn Engine, span: Span, ns: u64) -> Result<(), Box<Failure>> {
        self.stamps.now_ns = self.stamps.now_ns.saturating_add(ns);
        engine.set_time(self.stamps.now_ns).map_err(|e| Box::new(Failure::engine(span, &e)))
    }

    fn has(
        &self,
        engine: &mut dyn Engine,
        span: Span,
        id: SetId,
        key: &Key,
    ) -> Result<(), Box<Failure>> {
        let set = &self.policy.sets[id];
        let found = engine.has((id, &set.name), key);
        let has = match found.map_err(|e| Box::new(Failure::engine(span, &e)))? {
            Some(has) => has,
            // The hook does not use it: it is as declared.
            None if set.stored.is_some() => {
                Reference::new(self.policy, self.test.hook).has(id, key).unwrap_or(false)
            }
            None => {
                let elements = if key.wide { &set.wide } else { &set.narrow };
                key.values.first().is_some_and(|&value| elements.contains(value))
            }
        };
        if has {
            return Ok(());
        }
        Err(Box::new(Failure {
            span,
            expected: format!("that set `{}` has this", set.name),
            got: "it has not".to_owned(),
            packet: None,
            explanation: None,
            broken: false,
        }))
    }

    fn count(
        &self,
        engine: &mut dyn Engine,
        span: Span,
        rule: &str,
        op: CmpOp,
        wanted: u64,
    ) -> Result<(), Box<Failure>> {
        let counters = engine.counters().map_err(|e| Box::new(Failure::engine(span, &e)))?;
        let at = engine.shape().rules.iter().position(|r| r.name == rule);
        let packets = at.map_or(0, |at| counters[at].packets);
        if holds(op, packets, wanted) {
            return Ok(());
        }
        Err(Box::new(Failure {
            span,
            expected: format!("count {rule} {} {wanted}", op.sign()),
            got: packets.to_string(),
            packet: None,
            explanation: None,
            broken: false,
        }))
    }

    fn check(
        &self,
        engine: &dyn Engine,
        span: Span,
        tally: &Tally<'_>,
    ) -> Result<(), Box<Failure>> {
        let (Err(kept), Some(expect)) = (tally.judge(), tally.expect) else { return Ok(()) };
        let mut got = if tally.sent == 1 && expect.amount.is_none() {
            String::new()
        } else {
            format!("{} of {} packets; ", tally.met, tally.sent)
        };
        let explanation =
            kept.map(|k| explain(self.policy, self.test.hook, &k.packet, k.iface.as_deref()));
        if let Some(kept) = kept {
            let rules = &engine.shape().rules;
            let rule = kept.rule.map(|at| rules[at].name.as_str());
            let rule = rule.or(explanation.as_ref().map(|e| e.rule.as_str())).unwrap_or("?");
            if tally.sent > 1 {
                got += &format!("packet {}: ", kept.number);
            }
            got += &format!("{} by {rule}", kept.verdict.name());
        }
        Err(Box::new(Failure {
            span,
            expected: in_words(expect),
            got: got.trim_end_matches("; ").to_owned(),
            packet: kept.map(|k| k.packet.clone()),
            explanation,
            broken: false,
        }))
    }
}

struct TallySink<'e> {
    tally: Tally<'e>,
    visible_bytes: usize,
}

impl Sink for TallySink<'_> {
    fn wants_rules(&self) -> bool {
        self.tally.expect.is_some_and(|e| e.by.is_some())
    }

    fn judged(&mut self, judged: &Judged<'_>) -> ControlFlow<()> {
        let visible = &judged.packet[..judged.packet.len().min(self.visible_bytes)];
        let packet = (visible, judged.frame.iface);
        self.tally.add(packet, judged.frame.number, judged.verdict, judged.rule);
        ControlFlow::Continue(())
    }
}

/// An expectation as the rule file writes it.
fn in_words(expect: &Expect) -> String {
    let mut text = expect.verdict.name().to_owned();
    if let Some(rule) = &expect.by {
        text += &format!(" by {rule}");
    }
    if let Some((op, amount)) = expect.amount {
        text += &match amount {
            Amount::Packets(packets) => format!(" {} {packets}", op.sign()),
            Amount::Percent(percent) => format!(" {} {percent}%", op.sign()),
        };
    }
    text
}

fn holds<T: PartialOrd>(op: CmpOp, left: T, right: T) -> bool {
    match op {
        CmpOp::Eq => left == right,
        CmpOp::Ne => left != right,
        CmpOp::Lt => left < right,
        CmpOp::Le => left <= right,
        CmpOp::Gt => left > right,
        CmpOp::Ge => left >= right,
    }
}
