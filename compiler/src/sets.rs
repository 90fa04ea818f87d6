//! The sets that a hook uses and that are kept in maps.

use crate::hir::{AtomTest, ChangeKind, Effect, HookId, Policy, Pred, Rule, Set, SetId, Stored};
use crate::names::map_name;
use crate::report;
use l4c_manifest::{self as manifest, STATE_BYTES, SetTable};
use std::collections::{BTreeMap, BTreeSet};

/// A set as a hook has it.
#[derive(Debug, Clone)]
pub struct HookSet {
    /// Which.
    pub id: SetId,
    /// What the loader is told.
    pub manifest: manifest::Set,
}

/// The sets in maps that rules of `hook` and of its chains ask or change, in the order of their ids. `slot` is the
/// first counter slot that is free for them.
#[must_use]
pub fn of_hook(policy: &Policy, hook: HookId, slot: u32) -> Vec<HookSet> {
    let (mut used, mut added) = (BTreeSet::new(), BTreeSet::new());
    for line in report::rules(policy, hook) {
        let rule = line.rule(policy, hook);
        asked(&rule.pred, &mut used);
        for (set, adds) in changed(rule) {
            used.insert(set);
            added.extend(adds.then_some(set));
        }
    }
    let mut slots = slot..;
    let stored = used.into_iter().filter_map(|id| Some((id, policy.sets[id].stored.as_ref()?)));
    stored
        .map(|(id, stored)| {
            let full_slot = if added.contains(&id) { slots.next() } else { None };
            let lengths = added_lengths(policy, id);
            let manifest = described(&policy.sets[id], stored, lengths, full_slot);
            HookSet { id, manifest }
        })
        .collect()
}

/// The sets that rules of a hook add to.
#[must_use]
pub fn counted(sets: &[HookSet]) -> u32 {
    sets.iter().filter(|set| set.manifest.full_slot.is_some()).count() as u32
}

fn asked(pred: &Pred, out: &mut BTreeSet<SetId>) {
    match pred {
        Pred::Const(_) | Pred::Limit(_) | Pred::Random(_) | Pred::Nth(_) => {}
        Pred::Tuple(test) => {
            out.insert(test.set);
        }
        Pred::Not(inner) => asked(inner, out),
        Pred::And(list) | Pred::Or(list) => list.iter().for_each(|pred| asked(pred, out)),
        Pred::Atom(atom) => {
            if let AtomTest::InSet { set, .. } = atom.test {
                out.insert(set);
            }
        }
    }
}

/// The sets that a rule changes, and whether it adds to them.
fn changed(rule: &Rule) -> impl Iterator<Item = (SetId, bool)> {
    rule.effects.iter().filter_map(|effect| match effect {
        Effect::Change(change) => Some((change.set, change.what != ChangeKind::Del)),
        Effect::Count(_) | Effect::Sample { .. } => None,
    })
}

/// The lengths of what rules of the policy add to a set, of IPv4 and of IPv6; none if no rule does.
fn added_lengths(policy: &Policy, id: SetId) -> Option<BTreeSet<[u8; 2]>> {
    let lists = policy.chains.values().map(|chain| &chain.rules);
    let hooks = policy.hooks.values().flat_map(|hook| hook.rules.iter().chain([&hook.default]));
    let changes = lists.flatten().chain(hooks).flat_map(|rule| &rule.effects);
    let lengths: BTreeSet<[u8; 2]> = changes
        .filter_map(|effect| match effect {
            Effect::Change(change) if change.set == id && change.what != ChangeKind::Del => {
                change.key.first().map(|part| part.prefix_bits)
            }
            Effect::Change(_) | Effect::Count(_) | Effect::Sample { .. } => None,
        })
        .collect();
    (!lengths.is_empty()).then_some(lengths)
}

fn described(
    set: &Set,
    stored: &Stored,
    added: Option<BTreeSet<[u8; 2]>>,
    full_slot: Option<u32>,
) -> manifest::Set {
    let table = |wide: bool| {
        let family = if wide { "6" } else { "4" };
        // Everything that makes what is in a map worthless if it changes.
        let identity = format!("set/{}/{}/{}/{family}", set.name, stored.ty, stored.max);
        let name = |what: &str| map_name(&set.name, &format!("{identity}/{what}"));
        let lengths = added.as_ref().filter(|_| stored.prefix);
        let lengths: BTreeSet<u8> =
            lengths.into_iter().flatten().map(|bits| bits[usize::from(wide)]).collect();
        SetTable {
            wide,
            key_bytes: stored.key_bytes(wide),
            listed: name("listed"),
            filter: stored.prefix.then(|| name("filter")),
            added: added.as_ref().map(|_| name("added")),
            added_lengths: lengths.into_iter().rev().collect(),
        }
    };
    let of = |wide: bool| {
        let columns = &stored.columns;
        let other = if wide { manifest::Column::Addr4 } else { manifest::Column::Addr6 };
        let addresses = columns.iter().any(|column| column.is_address());
        (!columns.contains(&other) && (addresses || !wide)).then(|| table(wide))
    };
    manifest::Set {
        name: set.name.clone(),
        ty: stored.ty.clone(),
        columns: stored.columns.clone(),
        prefix: stored.prefix,
        dynamic: stored.dynamic,
        timeout_ns: stored.timeout_ns,
        max: stored.max,
        state_off_bytes: 0,
        full_slot,
        tables: [false, true].into_iter().filter_map(of).collect(),
    }
}

/// What the rules declare of the sets that hooks use, by the symbols of their maps.
#[must_use]
pub fn elements<'m>(
    policy: &Policy,
    hooks: impl Iterator<Item = &'m manifest::Hook>,
) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for used in hooks.flat_map(|hook| &hook.sets) {
        let set = policy.sets.values().find(|set| set.name == used.name);
        let Some(stored) = set.and_then(|set| set.stored.as_ref()) else { continue };
        for table in &used.tables {
            let keys = &stored.keys[usize::from(table.wide)];
            if !keys.is_empty() {
                out.entry(table.listed.clone()).or_insert_with(|| keys.clone());
            }
        }
    }
    out
}

/// Gives each set of a policy's hooks its place in the section of parameters, from `off_bytes` on.
pub fn place<'h>(hooks: impl Iterator<Item = &'h mut manifest::Hook>, off_bytes: usize) {
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    for set in hooks.flat_map(|hook| &mut hook.sets) {
        let next = off_bytes + places.len() * STATE_BYTES;
        set.state_off_bytes = *places.entry(set.name.clone()).or_insert(next as u32);
    }
}
