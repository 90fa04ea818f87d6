//! Warnings about a policy that means something, if perhaps not what was meant.

mod limit;
mod link;

use super::names::Sort;
use super::rules::leads_to;
use super::{Checker, errors, graph};
use crate::hir::{AtomTest, Pred, Rule, SetId, Steer};
use cranelift_entity::EntityRef;
use l4c_grammar::{FileId, Name, Span};
use l4c_manifest::Verdict;

impl Checker<'_> {
    /// Warns; says nothing of a policy that has errors: what is missing may be what was meant.
    pub(super) fn lint(&mut self) {
        if self.diags.any_error() {
            return;
        }
        self.lint_unused();
        self.lint_reach();
        self.lint_wide_drops();
        self.lint_link();
        self.lint_early_limits();
    }

    /// Names that nobody uses. A file of names for others to include has no hook, and may hold spare ones;
    /// so may an included file, but for sets, which cost memory.
    fn lint_unused(&mut self) {
        if self.policy.hooks.is_empty() {
            return;
        }
        let edges = self.chain_edges();
        let hooks = self.policy.hooks.values();
        let roots: Vec<usize> = hooks.flat_map(|h| h.rules.iter().filter_map(leads_to)).collect();
        let reached = graph::reached(&edges, roots);
        let names = &self.values.names;
        let unused = |name: &Name| !names.is_used(name);
        let mut out: Vec<(Span, &str, String)> = Vec::new();
        let mut add = |sort: Sort, name: &Name| {
            if sort == Sort::Set || name.span.file == FileId(0) {
                let word = match sort {
                    Sort::Let => "constant",
                    Sort::Set => "set",
                    Sort::Match => "match",
                    Sort::Chain => "chain",
                    Sort::Limit => "limit",
                    Sort::Conns => "conns",
                    Sort::Hook => return,
                };
                out.push((name.span, word, name.node.clone()));
            }
        };
        let lets = names.lets.iter().filter(|l| unused(l.name));
        lets.for_each(|l| add(Sort::Let, l.name));
        let sets = names.sets.iter().filter(|s| unused(&s.name));
        sets.for_each(|s| add(Sort::Set, &s.name));
        let matches = names.matches.iter().filter(|m| unused(m.name));
        matches.for_each(|m| add(Sort::Match, m.name));
        let conns = names.conns.iter().filter(|c| unused(&c.name));
        conns.for_each(|c| add(Sort::Conns, &c.name));
        let chains = names.chains.iter().zip(reached).filter(|(_, reached)| !reached);
        chains.for_each(|(c, _)| add(Sort::Chain, c.name));
        let limits = names.limits.iter().filter(|limit| unused(&limit.name));
        limits.for_each(|limit| add(Sort::Limit, &limit.name));
        for (span, sort, name) in out {
            self.diags.push(errors::unused(span, sort, &name));
        }
    }

    /// Rules behind one that takes every packet.
    fn lint_reach(&mut self) {
        let chains = self.policy.chains.values().map(|c| &c.rules);
        let hooks = self.policy.hooks.values().map(|h| &h.rules);
        let found: Vec<_> = chains.chain(hooks).filter_map(|rules| unreached(rules)).collect();
        for (span, more, first) in found {
            self.diags.push(errors::never_reached(span, more, first));
        }
    }

    /// Rules that drop by a set that holds most of the Internet.
    fn lint_wide_drops(&mut self) {
        if self.sets.iter().all(|s| s.wide.is_none()) {
            return;
        }
        let mut told = vec![false; self.sets.len()];
        let mut found = Vec::new();
        let chains = self.policy.chains.values().flat_map(|c| &c.rules);
        let hooks = self.policy.hooks.values().flat_map(|h| &h.rules);
        for rule in chains.chain(hooks) {
            let refuses = matches!(
                rule.steer.and_then(Steer::verdict),
                Some(Verdict::Drop | Verdict::Reject)
            );
            if rule.shadow || !refuses {
                continue;
            }
            let mut sets = Vec::new();
            asked_sets(&rule.pred, true, &mut sets);
            for set in sets {
                let facts = &self.sets[set.index()];
                if let Some(prefix) = &facts.wide
                    && !std::mem::replace(&mut told[set.index()], true)
                {
                    let place = self.policy.sets[set].span;
                    found.push(errors::wide_drop(rule.span, &facts.name, prefix, place));
                }
            }
        }
        found.into_iter().for_each(|d| self.diags.push(d));
    }
}

/// The first rule behind one that ends the list for every packet, how many follow, and that one.
fn unreached(rules: &[Rule]) -> Option<(Span, usize, Span)> {
    let takes_all = |rule: &Rule| {
        let ends = match rule.steer {
            Some(Steer::Verdict(_) | Steer::Goto(_) | Steer::Return | Steer::Redirect(_)) => true,
            Some(Steer::Jump(_)) | None => false,
        };
        ends && !rule.shadow && matches!(rule.pred, Pred::Const(true))
    };
    let at = rules.iter().position(takes_all)?;
    let next = rules.get(at + 1)?;
    Some((next.span, rules.len() - at - 2, rules[at].span))
}

/// The sets whose elements make a predicate true.
fn asked_sets(pred: &Pred, positive: bool, out: &mut Vec<SetId>) {
    match pred {
        Pred::Const(_) | Pred::Limit(_) | Pred::Tuple(_) | Pred::Random(_) | Pred::Nth(_) => {}
        Pred::Not(inner) => asked_sets(inner, !positive, out),
        Pred::And(list) | Pred::Or(list) => {
            list.iter().for_each(|p| asked_sets(p, positive, out));
        }
        Pred::Atom(atom) => {
            if let AtomTest::InSet { set, negated } = atom.test
                && negated != positive
            {
                out.push(set);
            }
        }
    }
}
