//! The `nth`s of a hook: each takes its places in a row of its own.

use crate::hir::{Effect, HookId, NthTest, Policy, Pred, Rule, Share};
use crate::names::map_name;
use crate::report;
use l4c_manifest::Rows;
use std::fmt::Write as _;

/// The `nth`s that rules of `hook` and of its chains ask, in the order of the rules: that of their rows.
#[must_use]
pub fn of_hook(policy: &Policy, hook: HookId) -> Vec<NthTest> {
    let mut out = Vec::new();
    for line in report::rules(policy, hook) {
        of_rule(line.rule(policy, hook), &mut out);
    }
    out
}

fn of_rule(rule: &Rule, out: &mut Vec<NthTest>) {
    of_pred(&rule.pred, out);
    out.extend(rule.effects.iter().filter_map(|effect| match effect {
        Effect::Sample { share: Share::Nth(test), .. } => Some(*test),
        Effect::Sample { .. } | Effect::Count(_) | Effect::Change(_) => None,
    }));
}

fn of_pred(pred: &Pred, out: &mut Vec<NthTest>) {
    match pred {
        Pred::Nth(test) => out.push(*test),
        Pred::Not(inner) => of_pred(inner, out),
        Pred::And(list) | Pred::Or(list) => list.iter().for_each(|inner| of_pred(inner, out)),
        Pred::Const(_) | Pred::Atom(_) | Pred::Limit(_) | Pred::Tuple(_) | Pred::Random(_) => {}
    }
}

/// What the loader is told of them. The map's name, by which it is kept over a reload, is another as soon as one of the
/// shares is, or stands in a rule of another name.
#[must_use]
pub fn manifest(policy: &Policy, hook: HookId) -> Option<Rows> {
    let mut identity = format!("rows/{}", policy.hooks[hook].name);
    let mut count = 0;
    for line in report::rules(policy, hook) {
        let mut tests = Vec::new();
        of_rule(line.rule(policy, hook), &mut tests);
        for test in tests {
            count += 1;
            write!(identity, "/{}:{}", line.name, test.share).expect("a string takes everything");
        }
    }
    (count > 0).then(|| Rows { map: map_name("nth", &identity), count })
}
