//! The reference evaluator: what a policy means, said as plainly as possible.
//!
//! It reads the typed policy and the packet, rule by rule, and shares no code with the lowering; the other
//! engines are held against it. It also tells what it looked at, for `explain`.

mod buckets;
mod conns;
mod dissect;
mod dns;
mod elements;
mod eval;
mod options;
mod picks;
mod trace;

#[cfg(test)]
mod tests;

pub use dissect::Dissected;
pub use trace::{Read, Step, Trace, Value};

use crate::hir::{ChainId, CounterId, Effect, HookId, Policy, Rule, SetId, Share, Steer};
use crate::ranges::Ranges;
use crate::report;
use buckets::Buckets;
use conns::Conns;
use cranelift_entity::EntityRef;
use elements::Sets;
use eval::Question;
use l4c_manifest::{Key, Start, Verdict};
use picks::Picks;

/// Where chance begins if nobody says.
pub const DEFAULT_SEED: u64 = 1;

/// Rules that stand one below the other, and the report index of the first.
#[derive(Debug, Clone, Copy)]
struct List<'p> {
    rules: &'p [Rule],
    first: usize,
}

/// A place in a list: the rule that is asked next.
#[derive(Debug, Clone, Copy)]
struct Frame<'p> {
    list: List<'p>,
    next: usize,
}

/// Evaluates one hook of a policy.
#[derive(Debug, Clone)]
pub struct Reference<'p> {
    policy: &'p Policy,
    start: Start,
    /// The interface that packets come in by.
    iface: Option<String>,
    /// How late it is.
    now_ns: u64,
    buckets: Buckets,
    sets: Sets,
    conns: Conns,
    picks: Picks,
    own: List<'p>,
    /// By chain index; empty for chains that the hook does not reach.
    chains: Vec<List<'p>>,
    default: &'p Rule,
    default_index: usize,
    dns_ports: &'p Ranges,
}

/// What a hook decided about one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Report index (see [`report::rules`]) of the rule that decided.
    pub rule: usize,
    /// Report indices of the rules that matched, in order; a rule reached twice stands twice. The default
    /// is among them if it decided.
    pub matched: Vec<usize>,
    /// Named counters that counted, in order.
    pub counted: Vec<CounterId>,
}

impl<'p> Reference<'p> {
    /// An evaluator of `hook`.
    #[must_use]
    pub fn new(policy: &'p Policy, hook: HookId) -> Self {
        let hook = &policy.hooks[hook];
        let own = List { rules: &hook.rules, first: 0 };
        let mut chains = vec![List { rules: &[], first: 0 }; policy.chains.len()];
        let mut first = hook.rules.len();
        for chain in report::chains(policy, hook) {
            let rules = &policy.chains[chain].rules;
            chains[chain.index()] = List { rules, first };
            first += rules.len();
        }
        let start = hook.kind.start();
        Self {
            policy,
            start,
            iface: None,
            now_ns: 0,
            buckets: Buckets::default(),
            sets: Sets::new(policy),
            conns: Conns::default(),
            picks: Picks::new(DEFAULT_SEED),
            own,
            chains,
            default: &hook.default,
            default_index: first,
            dns_ports: &hook.dns_ports,
        }
    }

    /// From now on packets come in by the interface of this name, or by none; by none at first.
    pub fn arrive(&mut self, iface: Option<&str>) {
        self.iface = iface.map(str::to_owned);
    }

    /// Back to how it was at first, but for the interface: the time is 0, and nothing is kept.
    pub fn reset(&mut self) {
        self.now_ns = 0;
        self.buckets = Buckets::default();
        self.conns = Conns::default();
        self.picks.reset();
        self.sets = Sets::new(self.policy);
    }

    /// Does a set that changes hold this now? None if it never changes.
    #[must_use]
    pub fn has(&self, set: SetId, key: &Key) -> Option<bool> {
        let changes = self.policy.sets[set].stored.is_some();
        changes.then(|| self.sets.has(set, key, self.now_ns))
    }

    /// From now on chance begins at `seed`, and begins anew; at [`DEFAULT_SEED`] at first.
    pub fn set_seed(&mut self, seed: u64) {
        self.picks = Picks::new(seed);
    }

    /// From now on it is so late, in nanoseconds; 0 at first.
    pub fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Decides about `packet`, as the hook sees it.
    pub fn judge(&mut self, packet: &[u8]) -> Judgement {
        self.run(packet, None).0
    }

    /// Decides about `packet` and tells how.
    pub fn trace(&mut self, packet: &[u8]) -> Trace {
        let (judgement, steps) = self.run(packet, Some(Vec::new()));
        let steps = steps.unwrap_or_default();
        let rule = self.rule(judgement.rule).name.clone();
        Trace { verdict: judgement.verdict, rule, steps }
    }

    /// The rule of a report index.
    fn rule(&self, index: usize) -> &'p Rule {
        std::iter::once(&self.own)
            .chain(&self.chains)
            .find_map(|list| list.rules.get(index.checked_sub(list.first)?))
            .unwrap_or(self.default)
    }

    fn run(&mut self, bytes: &[u8], steps: Option<Vec<Step>>) -> (Judgement, Option<Vec<Step>>) {
        let packet = Dissected::new(bytes, self.start, self.dns_ports);
        let inner = packet.inner();
        let mut buckets = std::mem::take(&mut self.buckets);
        let mut sets = std::mem::take(&mut self.sets);
        let mut conns = std::mem::take(&mut self.conns);
        let mut picks = self.picks.clone();
        let mut run = Run {
            question: Question {
                policy: self.policy,
                packet: &packet,
                inner: inner.as_ref(),
                iface: self.iface.as_deref(),
                now_ns: self.now_ns,
                bytes: bytes.len(),
                buckets: &mut buckets,
                sets: &mut sets,
                conns: &mut conns,
                picks: &mut picks,
                reads: steps.is_some().then(Vec::new),
            },
            matched: Vec::new(),
            counted: Vec::new(),
            steps,
        };
        let (verdict, rule) = self.decide(&mut run);
        let Run { matched, counted, steps, .. } = run;
        (self.buckets, self.conns, self.picks) = (buckets, conns, picks);
        self.sets = sets;
        (Judgement { verdict, rule, matched, counted }, steps)
    }

    /// Asks the rules until one decides; the verdict and the report index of that rule.
    fn decide(&self, run: &mut Run<'_, '_>) -> (Verdict, usize) {
        // The last frame is the list we are in; below it are the places that its jumps come back to.
        let mut frames = vec![Frame { list: self.own, next: 0 }];
        while let Some(frame) = frames.last_mut() {
            let Some(rule) = frame.list.rules.get(frame.next) else {
                frames.pop();
                continue;
            };
            let index = frame.list.first + frame.next;
            frame.next += 1;
            if !run.asks(rule, index) || rule.shadow {
                continue;
            }
            match rule.steer {
                Some(Steer::Verdict(verdict)) => return (verdict, index),
                Some(Steer::Redirect(_)) => return (Verdict::Redirect, index),
                Some(Steer::Jump(chain)) => frames.push(self.enter(chain)),
                Some(Steer::Goto(chain)) => *frame = self.enter(chain),
                Some(Steer::Return) => {
                    frames.pop();
                }
                None => {}
            }
        }
        run.asks(self.default, self.default_index);
        let decides = self.default.steer.filter(|_| !self.default.shadow);
        (decides.and_then(Steer::verdict).unwrap_or(Verdict::Pass), self.default_index)
    }

    fn enter(&self, chain: ChainId) -> Frame<'p> {
        Frame { list: self.chains[chain.index()], next: 0 }
    }
}

/// One packet on its way.
struct Run<'q, 'b> {
    question: Question<'q, 'b>,
    matched: Vec<usize>,
    counted: Vec<CounterId>,
    /// Filled only if somebody wants to know.
    steps: Option<Vec<Step>>,
}

impl Run<'_, '_> {
    /// Asks one rule; if it matches, does its effects.
    fn asks(&mut self, rule: &Rule, index: usize) -> bool {
        let matched = self.question.holds(&rule.pred);
        if let (Some(steps), Some(reads)) = (&mut self.steps, &mut self.question.reads) {
            let reads = std::mem::take(reads);
            steps.push(Step { rule: rule.name.clone(), index, matched, reads });
        }
        if matched {
            self.matched.push(index);
            for effect in &rule.effects {
                match effect {
                    Effect::Count(counter) => self.counted.push(*counter),
                    Effect::Change(change) => self.question.change(change),
                    // Who listens gets a copy: of that a packet knows nothing, but the next one finds chance further on.
                    Effect::Sample { share: Share::Random(chance), .. } => {
                        self.question.picks.random(*chance);
                    }
                    Effect::Sample { share: Share::Nth(test), .. } => {
                        self.question.picks.nth(test);
                    }
                }
            }
        }
        matched
    }
}
