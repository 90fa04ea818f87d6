//! The limits that a hook asks, and how wide their keys are there.
//!
//! A key is as narrow as what reaches it: where every rule that asks a limit has made sure of IPv4 before, an address
//! takes 4 bytes, and sixteen otherwise.

use crate::fields::{Field, Place, Ty, When};
use crate::hir::{AtomTest, HookId, Kept, KeyPart, Limit, LimitId, Operand, Policy, Pred};
use crate::names::map_name;
use crate::report;
use l4c_manifest::{self as manifest, HookKind, KeyForm, LimitClock, Params, Storage};
use std::collections::BTreeMap;

/// A burst that lasts so long is deep enough for a clock that ticks a hundred times a second at least.
const COARSE_NS: u128 = 10_000_000;

/// The families whose packets reach something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Families {
    /// IPv4
    pub v4: bool,
    /// IPv6
    pub v6: bool,
}

impl Families {
    const ALL: Self = Self { v4: true, v6: true };

    fn and(self, other: Self) -> Self {
        Self { v4: self.v4 && other.v4, v6: self.v6 && other.v6 }
    }

    fn or(self, other: Self) -> Self {
        Self { v4: self.v4 || other.v4, v6: self.v6 || other.v6 }
    }
}

/// A limit as a hook has it.
#[derive(Debug, Clone)]
pub struct HookLimit {
    /// Which.
    pub id: LimitId,
    /// Whose packets reach it.
    pub families: Families,
    /// What the loader is told.
    pub manifest: manifest::Limit,
}

/// The limits that rules of `hook` and of its chains ask, in the order of their ids. `slot` is the first counter slot
/// that is free for them.
#[must_use]
pub fn of_hook(policy: &Policy, hook: HookId, slot: u32) -> Vec<HookLimit> {
    let mut found: BTreeMap<LimitId, Families> = BTreeMap::new();
    for line in report::rules(policy, hook) {
        let rule = line.rule(policy, hook);
        // Whoever jumps to a chain, its rules may be reached by both families.
        reach(&rule.pred, Families::ALL, &mut found);
    }
    let mut out = Vec::new();
    for (slot, (id, families)) in (slot..).step_by(2).zip(found) {
        let manifest = manifest(policy, hook, &policy.limits[id], (families, slot));
        out.push(HookLimit { id, families, manifest });
    }
    out
}

/// Notes the families whose packets reach limits of `pred`, those of `from` coming to it; gives those for which it
/// may be true.
fn reach(pred: &Pred, from: Families, found: &mut BTreeMap<LimitId, Families>) -> Families {
    match pred {
        Pred::Const(_) | Pred::Random(_) | Pred::Nth(_) => from,
        Pred::Atom(atom) => from.and(atom_families(&atom.operand, &atom.test)),
        Pred::Not(inner) => {
            reach(inner, from, found);
            from
        }
        Pred::And(list) => list.iter().fold(from, |now, pred| reach(pred, now, found)),
        Pred::Or(list) => {
            let none = Families { v4: false, v6: false };
            list.iter().fold(none, |all, pred| all.or(reach(pred, from, found)))
        }
        Pred::Tuple(_) => from,
        Pred::Limit(test) => {
            let known = found.entry(test.limit).or_insert(from);
            *known = known.or(from);
            from
        }
    }
}

fn atom_families(operand: &Operand, test: &AtomTest) -> Families {
    match operand {
        Operand::Field { field, inner: false, .. } => {
            let mut families = of_field(field);
            // An address of one family only.
            if let (AtomTest::In { values, negated: false }, Ty::Addr) = (test, field.ty) {
                families.v4 &= values.first().is_none_or(|v| !v.as_slice().is_empty());
                families.v6 &= values.get(1).is_none_or(|v| !v.as_slice().is_empty());
            }
            families
        }
        Operand::Field { inner: true, .. }
        | Operand::Bytes { .. }
        | Operand::Name
        | Operand::Window(_) => Families::ALL,
    }
}

fn of_field(field: &Field) -> Families {
    let only = |wanted: fn(When) -> bool| field.places.iter().all(|place| wanted(place.when));
    if only(|when| matches!(when, When::TypeIp4 | When::Ip4 | When::Ip4Options)) {
        Families { v4: true, v6: false }
    } else if only(|when| matches!(when, When::TypeIp6 | When::Ip6 | When::Ext(_))) {
        Families { v4: false, v6: true }
    } else {
        Families::ALL
    }
}

/// The places of a key's part that can be there.
pub fn places(part: &KeyPart, families: Families) -> Vec<&'static Place> {
    let all = part.field.places.iter();
    if part.field.ty != Ty::Addr || part.inner || families == Families::ALL {
        return all.collect();
    }
    let wanted = if families.v4 { 32 } else { 128 };
    all.filter(|place| place.width_bits() == wanted).collect()
}

/// Does a part of a key take more than 64 bits?
pub fn is_wide(part: &KeyPart, families: Families) -> bool {
    places(part, families).iter().any(|place| place.width_bits() > 64)
}

fn key_part(part: &KeyPart, families: Families) -> manifest::KeyPart {
    let places = places(part, families);
    let bits = places.iter().map(|place| place.width_bits()).max().unwrap_or(0).max(1);
    let form = match (part.field.ty, bits) {
        (Ty::Addr | Ty::Addr4 | Ty::Addr6, 32) => KeyForm::Addr4,
        (Ty::Addr | Ty::Addr4 | Ty::Addr6, _) => KeyForm::Addr,
        (Ty::Mac, _) => KeyForm::Mac,
        _ => KeyForm::Number,
    };
    manifest::KeyPart { field: part.text(), form, bits }
}

fn manifest(
    policy: &Policy,
    hook: HookId,
    limit: &Limit,
    (families, slot): (Families, u32),
) -> manifest::Limit {
    let hook = &policy.hooks[hook];
    let key: Vec<_> = limit.key.iter().map(|part| key_part(part, families)).collect();
    let idle_ns = match limit.kept {
        Kept::Flows { idle_ns } => idle_ns,
        Kept::Bucket | Kept::Word | Kept::Sketch => 0,
    };
    let storage = match hook.kind {
        // The checker lets none of them into another hook.
        _ if idle_ns > 0 => Storage::Flows,
        _ if limit.kept == Kept::Sketch => Storage::Sketch,
        HookKind::Xdp if limit.kept == Kept::Bucket => Storage::Lock,
        HookKind::Xdp | HookKind::Socket => Storage::Word,
    };
    let clock = match limit.rate {
        None if idle_ns > 0 => LimitClock::Coarse,
        None => LimitClock::Stopped,
        Some(rate) => {
            let depth_ns =
                u128::from(limit.burst) * u128::from(rate.per_ns) / u128::from(rate.amount.max(1));
            // What a tick brings early would be shared by many.
            let coarse = depth_ns >= COARSE_NS && storage != Storage::Sketch;
            if coarse { LimitClock::Coarse } else { LimitClock::Fine }
        }
    };
    // Everything that makes what is in the table worthless if it changes.
    let parts: Vec<String> =
        key.iter().map(|part| format!("{}:{}", part.field, part.bits)).collect();
    let identity = format!(
        "limit/{}/{}/{:?}/{}/{}/{storage:?}/{}",
        hook.name,
        limit.name,
        limit.unit,
        parts.join(","),
        limit.max,
        limit.rate.is_some()
    );
    let mut out = manifest::Limit {
        name: limit.name.clone(),
        map: String::new(),
        unit: limit.unit,
        rate: limit.rate,
        burst: limit.burst,
        idle_ns,
        storage,
        clock,
        full: limit.full,
        max: if key.is_empty() { 1 } else { limit.max },
        key,
        params_off_bytes: 0,
        slot,
    };
    // What a change of it would make a table of another shape.
    let shift = match storage {
        Storage::Lock | Storage::Sketch => 0,
        Storage::Word => out.word_shift(),
        Storage::Flows => out.line_slots(),
    };
    out.map = map_name(&limit.name, &format!("{identity}/{shift}"));
    out
}

/// Gives each limit of a policy's hooks its place in the section of parameters; says where they end.
pub fn place<'h>(hooks: impl Iterator<Item = &'h mut manifest::Hook>) -> usize {
    let limits = hooks.flat_map(|hook| &mut hook.limits);
    let mut end_bytes = 0;
    for limit in limits {
        limit.params_off_bytes = end_bytes as u32;
        end_bytes += Params::BYTES;
    }
    end_bytes
}
