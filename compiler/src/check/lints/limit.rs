//! Limits that are asked before it is known whether the packet is meant.

use super::super::{Checker, errors};
use crate::hir::{LimitTest, Pred, Rule};
use l4c_grammar::Span;

impl Checker<'_> {
    /// `over(x) and udp`: every packet spends tokens, whatever it is.
    pub(super) fn lint_early_limits(&mut self) {
        let chains = self.policy.chains.values().flat_map(|chain| &chain.rules);
        let hooks = self.policy.hooks.values().flat_map(|hook| &hook.rules);
        let mut found = Vec::new();
        for rule in chains.chain(hooks) {
            early(rule, &mut found);
        }
        for (test, later) in found {
            let limit = &self.policy.limits[test.limit];
            self.diags.push(errors::asked_early(test.span, limit, later));
        }
    }
}

fn early(rule: &Rule, out: &mut Vec<(LimitTest, Span)>) {
    let Pred::And(list) = &rule.pred else { return };
    let limit = list.iter().enumerate().find_map(|(at, pred)| match pred {
        Pred::Limit(test) => Some((at, *test)),
        _ => None,
    });
    let Some((at, test)) = limit else { return };
    let later = list.iter().skip(at + 1).find_map(plain);
    out.extend(later.map(|span| (test, span)));
}

/// Where a question stands that keeps no state.
fn plain(pred: &Pred) -> Option<Span> {
    match pred {
        Pred::Atom(atom) => Some(atom.span),
        Pred::Tuple(test) => Some(test.span),
        Pred::Not(inner) => plain(inner),
        Pred::And(list) | Pred::Or(list) if !pred.keeps_state() => list.iter().find_map(plain),
        Pred::Const(_)
        | Pred::Limit(_)
        | Pred::Random(_)
        | Pred::Nth(_)
        | Pred::And(_)
        | Pred::Or(_) => None,
    }
}
