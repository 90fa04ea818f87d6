//! Packets past a panel of engines, and what to do when they do not agree.

use crate::bench::{Panel, Refused, Rules, file, panel, seen_by};
use crate::case::{self, Case};
use crate::zoo::{Packet, packets};
use l4c_judge::{Counter, EngineKind, compare};
use l4c_manifest::HookKind;
use libtest_mimic::{Arguments, Trial};
use std::sync::Arc;

/// Shows frames to every engine of a panel, one by one; gives how many they were shown.
///
/// They must agree on each packet's verdict, on the rule that decided, on everything that was counted for
/// it, and at the end on the sums.
///
/// # Errors
/// What each engine says of the first packet on which they differ.
pub fn agree<'f>(
    panel: &mut Panel<'_>,
    frames: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) -> Result<usize, String> {
    let shape = panel.first().map(|(_, engine)| engine.shape().clone());
    let shape = shape.ok_or("there is no engine")?;
    let mut sums = vec![Counter::default(); shape.slots()];
    let mut shown = 0;
    for (name, frame) in frames {
        let Some(packet) = seen_by(&shape, frame) else { continue };
        let opinion = compare(panel, &packet).map_err(|d| format!("{name}: {d}"))?;
        for (slot, counter) in opinion.counted {
            sums[slot].packets += counter.packets;
            sums[slot].bytes += counter.bytes;
        }
        shown += 1;
    }
    for (name, engine) in panel {
        let counters = engine.counters().map_err(|e| format!("{name}: {e}"))?;
        if counters != sums {
            return Err(format!("{name} counted {counters:?}, packet by packet {sums:?}"));
        }
    }
    Ok(shown)
}

/// A file's rules for a kind of hook; nothing if they ask for what such a hook does not see.
///
/// # Errors
/// Every other mistake in it.
pub fn for_kind(case: &Case, kind: HookKind) -> Result<Option<Rules>, String> {
    match file(&case.path, &case.name, kind) {
        Ok(rules) => Ok(Some(rules)),
        Err(refused) if kind != HookKind::Xdp && refused.is_not_seen() => Ok(None),
        Err(Refused::Unread(why)) => Err(why),
        Err(refused @ Refused::Diags(..)) => Err(refused.to_string()),
    }
}

/// The main function of a test binary with one test a case file, which gets the zoo's packets. Does not return.
pub fn one_test_a_case(test: fn(&Case, &[Packet]) -> Result<(), String>) {
    let arguments = Arguments::from_args();
    let zoo = Arc::new(packets());
    let trials = case::all("cases").into_iter().map(|case| {
        let zoo = Arc::clone(&zoo);
        Trial::test(case.title().to_owned(), move || Ok(test(&case, &zoo)?))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Takes a case's rules through engines of `kinds`, at every level, for every kind of hook.
///
/// # Errors
/// The first disagreement, or what kept an engine from being opened.
pub fn judge_case(case: &Case, zoo: &[Packet], kinds: &[EngineKind]) -> Result<(), String> {
    for kind in HookKind::ALL {
        let Some(rules) = for_kind(case, kind)? else { continue };
        judge_rules(&rules, zoo, kinds).map_err(|why| format!("as hook {}: {why}", kind.name()))?;
    }
    Ok(())
}

/// Takes rules through engines of `kinds`, at every level.
///
/// # Errors
/// As [`judge_case`].
pub fn judge_rules(rules: &Rules, zoo: &[Packet], kinds: &[EngineKind]) -> Result<(), String> {
    let objects = rules.objects()?;
    for hook in rules.policy.hooks.keys() {
        let mut panel = panel(&rules.policy, hook, &objects, kinds)?;
        agree(&mut panel, zoo.iter().map(|p| (p.name.as_str(), p.bytes.as_slice())))?;
    }
    Ok(())
}
