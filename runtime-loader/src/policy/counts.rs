//! Counters over replacements.
//!
//! Every generation counts in a map of its own. What a rule counted so far is `base + before + own`: `base`
//! is what generations that have gone counted, a number that changes no more; `before` is the map of the
//! generation before, in which a CPU may still be counting a packet at the moment of replacement; `own` is
//! the generation's own map. So nothing is copied while packets arrive, and none is counted twice or lost.

use super::record::HookRecord;
use crate::Counter;
use l4c_manifest::Hook;
use std::collections::{BTreeMap, HashMap};

/// What makes a counter the same over a replacement, by slot.
///
/// A rule with a label is known by it; one without by its text, and by its number among those of its list
/// with the same text. Counters of `count NAME`, and those of limits and sets, are known by name.
pub fn keys(hook: &Hook) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let rules = hook.rules.iter().map(|rule| {
        let (list, last) = rule.name.rsplit_once('.').unwrap_or(("", &rule.name));
        if last.bytes().any(|b| !b.is_ascii_digit()) {
            return format!("label {}", rule.name);
        }
        let text = format!("text {list} {}", rule.text);
        let nth = seen.entry(text.clone()).or_default();
        *nth += 1;
        format!("{text} {nth}")
    });
    let rules: Vec<String> = rules.collect();
    let named = hook.counters.iter().map(|name| format!("count {name}"));
    let limits = hook
        .limits
        .iter()
        .flat_map(|limit| ["over", "full"].map(|what| format!("limit {} {what}", limit.name)));
    let full = hook.sets.iter().filter(|set| set.full_slot.is_some());
    let sets = full.map(|set| format!("set {} full", set.name));
    rules.into_iter().chain(named).chain(limits).chain(sets).collect()
}

/// What was counted, by slot.
pub fn totals(record: &HookRecord, own: &[Counter], before: &[Counter]) -> Vec<Counter> {
    let at = |counters: &[Counter], slot: usize| counters.get(slot).copied().unwrap_or_default();
    (0..keys_len(&record.hook))
        .map(|slot| {
            let old = record.before.get(slot).copied().flatten();
            let old = old.map(|old| at(before, old as usize)).unwrap_or_default();
            at(&record.base, slot) + old + at(own, slot)
        })
        .collect()
}

fn keys_len(hook: &Hook) -> usize {
    // Two a limit: see its `slot`.
    let full = hook.sets.iter().filter(|set| set.full_slot.is_some()).count();
    hook.rules.len() + hook.counters.len() + 2 * hook.limits.len() + full
}

/// A hook that takes the place of nothing.
pub fn fresh(hook: &Hook, now_s: u64) -> HookRecord {
    HookRecord {
        hook: hook.clone(),
        since_s: now_s,
        base: vec![Counter::default(); keys_len(hook)],
        before: Vec::new(),
    }
}

/// A hook that takes the place of `old`, whose counters become its `before`; `settled` is what is known
/// of each counter of `old` beyond those, by slot. Tells the names of rules that start anew, too.
pub fn follow(hook: &Hook, old: &HookRecord, settled: &[Counter]) -> (HookRecord, Vec<String>) {
    let old_keys = keys(&old.hook);
    let old_slots: BTreeMap<&str, u32> = old_keys.iter().map(String::as_str).zip(0u32..).collect();
    let new_keys = keys(hook);
    let before: Vec<Option<u32>> =
        new_keys.iter().map(|key| old_slots.get(key.as_str()).copied()).collect();
    let base = before.iter().map(|slot| slot.and_then(|slot| settled.get(slot as usize).copied()));
    let base = base.map(Option::unwrap_or_default).collect();
    let names = hook.rules.iter().map(|rule| &rule.name).chain(&hook.counters);
    let anew = names.zip(&before).filter(|(_, old)| old.is_none()).map(|(name, _)| name.clone());
    let anew = anew.collect();
    (HookRecord { hook: hook.clone(), since_s: old.since_s, base, before }, anew)
}

/// A hook that comes back in the place of `now`, which once took its own: it counts on in its own map.
/// `settled` is what is known of each of its counters beyond that map, by slot.
pub fn back(old: &HookRecord, settled: &[Counter], now: &HookRecord) -> HookRecord {
    // What the two have in common `now` knows better, and has old's own map as its `before`.
    let (mut record, _) = follow(&old.hook, now, &now.base);
    for (slot, base) in record.base.iter_mut().enumerate() {
        if record.before[slot].is_none() {
            *base = settled.get(slot).copied().unwrap_or_default();
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4c_manifest::{HookKind, Rule};

    fn hook(rules: &[(&str, &str)], counters: &[&str]) -> Hook {
        let rule = |&(name, text): &(&str, &str)| Rule {
            name: name.to_owned(),
            action: "drop".to_owned(),
            shadow: false,
            file: "f.l4".to_owned(),
            line: 1,
            text: text.to_owned(),
        };
        Hook {
            name: "edge".to_owned(),
            kind: HookKind::Xdp,
            shadow: false,
            counter_map: "count_0".to_owned(),
            rules: rules.iter().map(rule).collect(),
            counters: counters.iter().map(|&name| name.to_owned()).collect(),
            samples: None,
            interfaces: Vec::new(),
            rows: None,
            limits: Vec::new(),
            sets: Vec::new(),
        }
    }

    fn counts(packets: &[u64]) -> Vec<Counter> {
        packets.iter().map(|&packets| Counter { packets, bytes: packets * 100 }).collect()
    }

    fn packets(counters: &[Counter]) -> Vec<u64> {
        assert!(counters.iter().all(|c| c.bytes == c.packets * 100));
        counters.iter().map(|c| c.packets).collect()
    }

    #[test]
    fn labels_count_on_whatever_the_text_and_texts_wherever_they_stand() {
        let old = hook(
            &[("a", "tcp -> drop"), ("edge.2", "udp -> drop"), ("default", "default pass")],
            &["seen"],
        );
        let new = hook(
            &[
                ("edge.1", "udp -> drop"),
                ("a", "icmp -> drop"),
                ("edge.3", "tcp -> drop"),
                ("default", "default pass"),
            ],
            &["new", "seen"],
        );
        let first = fresh(&old, 7);
        let (next, anew) = follow(&new, &first, &counts(&[1, 2, 3, 4]));
        assert_eq!(next.before, [Some(1), Some(0), None, Some(2), None, Some(3)]);
        assert_eq!(anew, ["edge.3", "new"]);
        assert_eq!(next.since_s, 7);
        let total = totals(&next, &counts(&[1, 1, 1, 1, 1, 1]), &counts(&[10, 20, 30, 40]));
        assert_eq!(packets(&total), [23, 12, 1, 34, 1, 45]);
    }

    #[test]
    fn the_same_text_twice_is_two_rules_and_a_chain_is_no_hook() {
        let twice = hook(&[("edge.1", "x"), ("edge.2", "x"), ("web.1", "x"), ("web.a", "x")], &[]);
        let keys = keys(&twice);
        let unlike: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(unlike.len(), 4, "{keys:?}");
        let (next, anew) = follow(&twice, &fresh(&twice, 0), &[]);
        assert_eq!(next.before, [Some(0), Some(1), Some(2), Some(3)]);
        assert!(anew.is_empty());
    }

    #[test]
    fn a_rule_that_was_away_starts_anew() {
        let with = hook(&[("a", "x"), ("default", "d")], &[]);
        let without = hook(&[("default", "d")], &[]);
        let (away, _) = follow(&without, &fresh(&with, 0), &counts(&[0, 0]));
        let settled = totals(&away, &[], &counts(&[5, 6]));
        let (back, anew) = follow(&with, &away, &settled);
        assert_eq!(anew, ["a"]);
        assert_eq!(packets(&totals(&back, &[], &counts(&[1]))), [0, 7]);
    }

    #[test]
    fn coming_back_takes_up_what_was_left() {
        let old = hook(&[("a", "x"), ("b", "x"), ("default", "d")], &[]);
        let new = hook(&[("default", "d"), ("a", "x"), ("c", "x")], &[]);
        // The old one counted 1 2 3 in its map, and 10 of each earlier.
        let mut first = fresh(&old, 0);
        first.base = counts(&[10, 10, 10]);
        let own = counts(&[1, 2, 3]);
        let (next, _) = follow(&new, &first, &totals(&first, &[], &[]));
        let next_own = counts(&[5, 6, 7]);
        assert_eq!(packets(&totals(&next, &next_own, &own)), [18, 17, 7]);
        let again = back(&first, &totals(&first, &[], &[]), &next);
        assert_eq!(packets(&totals(&again, &own, &next_own)), [17, 12, 18]);
        // And forth once more, with what the old one counted on.
        let own = counts(&[2, 3, 4]);
        let forth = back(&next, &totals(&next, &[], &own), &again);
        assert_eq!(packets(&totals(&forth, &next_own, &own)), [19, 18, 7]);
    }
}
