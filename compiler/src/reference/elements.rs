//! Sets that change, as one would explain them: what is declared, and what was added and until when.

use crate::hir::{Policy, SetId, set_form};
use l4c_manifest::{Key, prefix_mask};
use std::collections::{HashMap, HashSet};

/// An end is told to so many nanoseconds, and an element stays that much longer at most.
const GRAIN_NS: u64 = 256;

/// The elements of one set.
#[derive(Debug, Clone, Default)]
struct Elements {
    prefix: bool,
    max: usize,
    declared: HashSet<Key>,
    /// With the time at which each ends; none if it does not.
    added: [HashMap<Key, Option<u64>>; 2],
}

/// The elements of all sets that change.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets(HashMap<SetId, Elements>);

impl Sets {
    /// What the policy declares.
    pub fn new(policy: &Policy) -> Self {
        let stored = policy.sets.iter().filter_map(|(id, set)| Some((id, set.stored.as_ref()?)));
        let sets = stored.map(|(id, stored)| {
            let form = set_form(&stored.columns, stored.prefix);
            let keys = [false, true].into_iter().zip(&stored.keys).flat_map(|(wide, keys)| {
                let keys = keys.chunks_exact(stored.key_bytes(wide) as usize);
                keys.filter_map(|key| form.unpack(wide, key)).collect::<Vec<_>>()
            });
            let (prefix, max) = (stored.prefix, stored.max as usize);
            (id, Elements { prefix, max, declared: keys.collect(), added: Default::default() })
        });
        Self(sets.collect())
    }

    /// Is it in the set, itself or by a prefix around it?
    pub fn has(&self, set: SetId, key: &Key, now_ns: u64) -> bool {
        let Some(elements) = self.0.get(&set) else { return false };
        let there = |key: &Key| {
            let end_ns = elements.added[usize::from(key.wide)].get(key);
            let stays = end_ns.is_some_and(|end_ns| end_ns.is_none_or(|end_ns| now_ns < end_ns));
            stays || elements.declared.contains(key)
        };
        match (elements.prefix, key.values.as_slice(), key.prefix_bits) {
            (true, &[value], Some(longest)) => (0..=longest).any(|bits| {
                let value = value & prefix_mask(key.wide, bits);
                there(&Key { wide: key.wide, values: vec![value], prefix_bits: Some(bits) })
            }),
            _ => there(key),
        }
    }

    /// The key under which a value of one field is looked for.
    pub fn key(&self, set: SetId, wide: bool, value: u128) -> Key {
        let prefix = self.0.get(&set).is_some_and(|elements| elements.prefix);
        let longest = if wide { 128 } else { 32 };
        Key { wide, values: vec![value], prefix_bits: prefix.then_some(longest) }
    }

    /// Adds an element for so long or for good, if there is room. What has ended and was not taken out takes room.
    pub fn add(&mut self, set: SetId, key: Key, now_ns: u64, lifetime_ns: Option<u64>) {
        let Some(elements) = self.0.get_mut(&set) else { return };
        let table = &mut elements.added[usize::from(key.wide)];
        if table.len() < elements.max || table.contains_key(&key) {
            let end_ns = lifetime_ns.map(|ns| (now_ns + ns) | (GRAIN_NS - 1));
            table.insert(key, end_ns);
        }
    }

    /// Takes an element out, declared or added.
    pub fn del(&mut self, set: SetId, key: &Key) {
        let Some(elements) = self.0.get_mut(&set) else { return };
        elements.declared.remove(key);
        elements.added[usize::from(key.wide)].remove(key);
    }
}
