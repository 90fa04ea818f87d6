//! From lists of rules to functions: which rules share one.
//!
//! The kernel verifies each global function once and alone, and bounds what one may hold; the userspace VM
//! bounds it too. So a list of rules is cut into runs, each a function of its own, called in order until
//! one decides. A few rules need no function: they stand in line.

use crate::hir::{Atom, AtomTest, ChainId, HookId, Kept, Operand, Policy, Pred, Rule};
use crate::report;
use std::fmt::Write as _;
use std::ops::Range;

/// A run holds at most so many rules …
const RULES_A_RUN: usize = 400;
/// … and at most so many instructions by estimate (the VM takes 30,000 a function)
const COST_A_RUN: usize = 12_000;
/// … except that a program has at most so many runs (the kernel takes 256 functions).
const MAX_RUNS: usize = 200;
/// No run is planned larger than this, whatever the number of runs.
const MAX_COST_A_RUN: usize = 24_000;

/// Rules of a hook that take no more than this, all in all, stand in its program's entry: a call costs a packet
/// 10 ns. The kernel's verifier then walks them once for each shape of packet, some thirty times; this many it
/// does not notice.
const COST_IN_LINE: usize = 1_600;

/// Instructions of a bucket, roughly, and of a part of its key.
const A_BUCKET: usize = 180;
const A_KEY_PART: usize = 20;
/// Instructions of a look into a set that is kept in maps, roughly.
const AN_ELEMENT: usize = 40;

/// Instructions of a question to a function of flows, with what tells the flow.
const A_FLOW: usize = 140;

/// Instructions of a question to chance, and of a place in a row.
const A_CHANCE: usize = 10;
const A_ROW: usize = 30;

/// How a hook's rules are spread over functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The hook's own rules.
    pub hook: Vec<Run>,
    /// Every chain it can reach, in source order.
    pub chains: Vec<(ChainId, Vec<Run>)>,
}

/// Rules that share a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Places in the list.
    pub rules: Range<usize>,
    /// Instructions, roughly.
    pub cost: usize,
    /// It stands where it is called.
    pub inline: bool,
}

/// Cuts the rules of `hook` and of its chains into runs.
#[must_use]
pub fn plan(policy: &Policy, hook: HookId) -> Plan {
    let the_hook = &policy.hooks[hook];
    let chains = report::chains(policy, the_hook);
    let lists =
        || std::iter::once(&the_hook.rules).chain(chains.iter().map(|&c| &policy.chains[c].rules));
    let total: usize = lists().flatten().map(|rule| rule_cost(policy, rule)).sum();
    let rules: usize = lists().map(Vec::len).sum();
    let most_cost = COST_A_RUN.max(total / MAX_RUNS).min(MAX_COST_A_RUN);
    let most_rules = RULES_A_RUN.max(rules / MAX_RUNS);
    let cut = |list: &[Rule], inline| runs(policy, list, most_rules, most_cost, inline);
    let small = total <= COST_IN_LINE;
    let jumps = |chain: ChainId| {
        lists()
            .flatten()
            .filter(|rule| rule.steer.is_some_and(|to| to.chain() == Some(chain)))
            .count()
    };
    let of_chain = |&c: &ChainId| (c, cut(&policy.chains[c].rules, small && jumps(c) < 2));
    Plan { hook: cut(&the_hook.rules, small), chains: chains.iter().map(of_chain).collect() }
}

fn runs(
    policy: &Policy,
    list: &[Rule],
    most_rules: usize,
    most_cost: usize,
    inline: bool,
) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for (i, rule) in list.iter().enumerate() {
        let cost = rule_cost(policy, rule);
        match out.last_mut() {
            Some(run) if run.rules.len() < most_rules && run.cost + cost <= most_cost => {
                run.rules.end = i + 1;
                run.cost += cost;
            }
            Some(_) | None => out.push(Run { rules: i..i + 1, cost, inline }),
        }
    }
    out
}

/// Instructions that a rule takes, roughly: guards, loads, compares, counting.
fn rule_cost(policy: &Policy, rule: &Rule) -> usize {
    8 + pred_cost(policy, &rule.pred) + 12 * rule.effects.len()
}

fn pred_cost(policy: &Policy, pred: &Pred) -> usize {
    match pred {
        Pred::Const(_) => 1,
        Pred::Random(_) => A_CHANCE,
        Pred::Nth(_) => A_ROW,
        Pred::Atom(atom) => atom_cost(policy, atom),
        Pred::Limit(test) => {
            let limit = &policy.limits[test.limit];
            let asked = match limit.kept {
                Kept::Flows { .. } => A_FLOW,
                Kept::Bucket | Kept::Word | Kept::Sketch => A_BUCKET,
            };
            asked + A_KEY_PART * limit.key.len()
        }
        Pred::Tuple(test) => AN_ELEMENT + A_KEY_PART * test.key.len(),
        Pred::Not(inner) => pred_cost(policy, inner),
        Pred::And(list) | Pred::Or(list) => list.iter().map(|p| pred_cost(policy, p)).sum(),
    }
}

fn atom_cost(policy: &Policy, atom: &Atom) -> usize {
    const HEADER: usize = 12;
    const A_RANGE: usize = 4;
    const A_TABLE: usize = 160;
    let ranges = match &atom.test {
        AtomTest::Present => 1,
        AtomTest::In { values, .. } => values.iter().map(|r| r.as_slice().len()).sum(),
        AtomTest::InSet { set, .. } => {
            let set = &policy.sets[*set];
            if set.stored.is_some() {
                return (HEADER + AN_ELEMENT) * 2;
            }
            set.narrow.as_slice().len() + set.wide.as_slice().len()
        }
        AtomTest::Equals { pattern, .. }
        | AtomTest::StartsWith(pattern)
        | AtomTest::EndsWith(pattern)
        | AtomTest::Contains { pattern, .. } => pattern.want.len().div_ceil(4),
        AtomTest::Name { .. } => 16,
    };
    let places = match &atom.operand {
        Operand::Field { field, .. } => field.places.len(),
        Operand::Bytes { .. } | Operand::Name => 1,
        // A header, a remainder and a comparison each.
        Operand::Window(multiple) => 1 + multiple.divisors.len() / 2,
    };
    places * HEADER + (ranges * A_RANGE).min(places * A_TABLE)
}

impl Plan {
    /// As `--emit plan` prints it.
    #[must_use]
    pub fn text(&self, policy: &Policy, hook: HookId) -> String {
        let mut out = String::new();
        let the_hook = &policy.hooks[hook];
        let mut list = |title: String, rules: &[Rule], runs: &[Run]| {
            let _ = writeln!(out, "{title}: {} rules in {} runs", rules.len(), runs.len());
            for (i, run) in runs.iter().enumerate() {
                let _ = writeln!(out, "  run {i}: about {} instructions", run.cost);
                for rule in &rules[run.rules.clone()] {
                    let action = report::action(policy, rule.steer);
                    let _ = writeln!(out, "    {} -> {action}", rule.name);
                }
            }
        };
        list(
            format!("hook {} {}", the_hook.kind.name(), the_hook.name),
            &the_hook.rules,
            &self.hook,
        );
        for (chain, runs) in &self.chains {
            let chain = &policy.chains[*chain];
            list(format!("chain {}", chain.name), &chain.rules, runs);
        }
        out
    }
}
