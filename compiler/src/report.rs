//! The order in which reports, counters and every engine list the rules of a hook.
//!
//! One order for all: the hook's own rules, then the rules of each chain that the hook can reach (a shadowed
//! jump reaches too), chains in source order, and the hook's `default` last. An index into this list is what
//! the evaluator returns, what counter slots are numbered by, and what the manifest lists.

use crate::fields::{Place, Ty, When};
use crate::hir::{
    AtomTest, ChainId, CounterId, Effect, Hook, HookId, IfaceId, KeyPart, Operand, Policy, Pred,
    Rule, Steer,
};

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRule {
    /// `LABEL` or `HOOK.N` of a hook's rule, `CHAIN.LABEL` or `CHAIN.N` of a chain's, `default`.
    pub name: String,
    /// The steering action: `drop`, `jump web`, `return`, or `none`.
    pub action: String,
    /// The steering action is counted and not done.
    pub shadow: bool,
    /// The chain that it stands in; `None` for the hook's own rules and its default.
    pub chain: Option<ChainId>,
    /// Its place, from 0, among the rules of the hook or of the chain; the default stands behind the hook's
    /// last rule.
    pub index: usize,
}

impl ReportRule {
    fn new(policy: &Policy, rule: &Rule, chain: Option<ChainId>, index: usize) -> Self {
        Self {
            name: rule.name.clone(),
            action: action(policy, rule.steer),
            shadow: rule.shadow,
            chain,
            index,
        }
    }

    /// The rule itself; `hook` is the one that the report was made for.
    #[must_use]
    pub fn rule<'p>(&self, policy: &'p Policy, hook: HookId) -> &'p Rule {
        let hook = &policy.hooks[hook];
        let rules = self.chain.map_or(&hook.rules, |chain| &policy.chains[chain].rules);
        rules.get(self.index).unwrap_or(&hook.default)
    }
}

/// Every rule of `hook`, in report order; the default last. The index in this list is the report index.
#[must_use]
pub fn rules(policy: &Policy, hook: HookId) -> Vec<ReportRule> {
    let the_hook = &policy.hooks[hook];
    let mut out: Vec<ReportRule> = listed(policy, &the_hook.rules, None).collect();
    for chain in chains(policy, the_hook) {
        out.extend(listed(policy, &policy.chains[chain].rules, Some(chain)));
    }
    out.push(ReportRule::new(policy, &the_hook.default, None, the_hook.rules.len()));
    out
}

/// The counters that rules of `hook`, of its chains, or its default count on, in the order of their ids.
#[must_use]
pub fn counters(policy: &Policy, hook: HookId) -> Vec<CounterId> {
    let mut used = vec![false; policy.counters.len()];
    for line in rules(policy, hook) {
        for effect in &line.rule(policy, hook).effects {
            if let Effect::Count(counter) = effect {
                used[cranelift_entity::EntityRef::index(*counter)] = true;
            }
        }
    }
    policy.counters.keys().zip(used).filter_map(|(id, used)| used.then_some(id)).collect()
}

/// The report indices of rules of `hook` that sample.
#[must_use]
pub fn samples(policy: &Policy, hook: HookId) -> Vec<usize> {
    let samples = |rule: &Rule| rule.effects.iter().any(|e| matches!(e, Effect::Sample { .. }));
    let report = rules(policy, hook);
    let report = report.iter().enumerate();
    report.filter(|(_, line)| samples(line.rule(policy, hook))).map(|(index, _)| index).collect()
}

/// The interfaces that rules of `hook`, of its chains, or its default name, in the order of the rules, each
/// with the name of the first rule that does.
#[must_use]
pub fn ifaces(policy: &Policy, hook: HookId) -> Vec<(IfaceId, String)> {
    let mut out: Vec<(IfaceId, String)> = Vec::new();
    for line in rules(policy, hook) {
        let rule = line.rule(policy, hook);
        let mut named = Vec::new();
        asked_ifaces(policy, &rule.pred, &mut named);
        if let Some(Steer::Redirect(iface)) = rule.steer {
            named.push(iface);
        }
        for iface in named {
            if out.iter().all(|(known, _)| *known != iface) {
                out.push((iface, line.name.clone()));
            }
        }
    }
    out
}

fn asked_ifaces(policy: &Policy, pred: &Pred, out: &mut Vec<IfaceId>) {
    match pred {
        Pred::Const(_) | Pred::Limit(_) | Pred::Tuple(_) | Pred::Random(_) | Pred::Nth(_) => {}
        Pred::Not(inner) => asked_ifaces(policy, inner, out),
        Pred::And(list) | Pred::Or(list) => {
            list.iter().for_each(|inner| asked_ifaces(policy, inner, out));
        }
        Pred::Atom(atom) => {
            if let Operand::Field { field, .. } = &atom.operand
                && field.ty == Ty::Iface
                && let AtomTest::In { values, .. } = &atom.test
            {
                let asked = |id: &IfaceId| values.iter().any(|v| v.contains(id.value().into()));
                out.extend(policy.ifaces.keys().filter(asked));
            }
        }
    }
}

/// The names of rules of `hook` that ask for VLAN tags: on an interface that takes tags out of frames they
/// find none.
#[must_use]
pub fn asks_for_tags(policy: &Policy, hook: HookId) -> Vec<String> {
    let asks = |line: &ReportRule| asks_for_tag(policy, &line.rule(policy, hook).pred);
    rules(policy, hook).into_iter().filter(asks).map(|line| line.name).collect()
}

/// Is it a field of a VLAN tag, outside of tunnels?
fn has_tag(part: &KeyPart) -> bool {
    let tags = |place: &Place| matches!(place.when, When::Tag1 | When::Tag2);
    !part.inner && part.field.places.iter().any(tags)
}

fn asks_for_tag(policy: &Policy, pred: &Pred) -> bool {
    match pred {
        Pred::Const(_) | Pred::Random(_) | Pred::Nth(_) => false,
        Pred::Limit(test) => policy.limits[test.limit].key.iter().any(has_tag),
        Pred::Tuple(test) => test.key.iter().any(has_tag),
        Pred::Not(inner) => asks_for_tag(policy, inner),
        Pred::And(list) | Pred::Or(list) => list.iter().any(|pred| asks_for_tag(policy, pred)),
        Pred::Atom(atom) => match &atom.operand {
            Operand::Bytes { .. } | Operand::Name | Operand::Window(_) => false,
            // Nobody takes tags out of frames inside a tunnel.
            Operand::Field { inner: true, .. } => false,
            Operand::Field { field, inner: false, .. } => {
                field.places.iter().any(|place| matches!(place.when, When::Tag1 | When::Tag2))
            }
        },
    }
}

/// The chains that `hook` reaches by jumps and gotos, shadowed ones too, in source order.
#[must_use]
pub fn chains(policy: &Policy, hook: &Hook) -> Vec<ChainId> {
    let mut reached = vec![false; policy.chains.len()];
    let mut waiting: Vec<ChainId> = targets(&hook.rules).collect();
    while let Some(chain) = waiting.pop() {
        let seen = &mut reached[cranelift_entity::EntityRef::index(chain)];
        if !*seen {
            *seen = true;
            waiting.extend(targets(&policy.chains[chain].rules));
        }
    }
    policy.chains.keys().zip(reached).filter_map(|(id, is)| is.then_some(id)).collect()
}

/// A steering action as reports print it.
#[must_use]
pub fn action(policy: &Policy, steer: Option<Steer>) -> String {
    match steer {
        Some(Steer::Verdict(verdict)) => verdict.name().to_owned(),
        Some(Steer::Jump(chain)) => format!("jump {}", policy.chains[chain].name),
        Some(Steer::Goto(chain)) => format!("goto {}", policy.chains[chain].name),
        Some(Steer::Return) => "return".to_owned(),
        Some(Steer::Redirect(iface)) => format!("redirect {}", policy.ifaces[iface]),
        None => "none".to_owned(),
    }
}

fn targets(rules: &[Rule]) -> impl Iterator<Item = ChainId> {
    rules.iter().filter_map(|rule| match rule.steer {
        Some(Steer::Jump(chain) | Steer::Goto(chain)) => Some(chain),
        Some(Steer::Verdict(_) | Steer::Return | Steer::Redirect(_)) | None => None,
    })
}

fn listed<'p>(
    policy: &'p Policy,
    rules: &'p [Rule],
    chain: Option<ChainId>,
) -> impl Iterator<Item = ReportRule> + 'p {
    rules.iter().enumerate().map(move |(at, rule)| ReportRule::new(policy, rule, chain, at))
}
