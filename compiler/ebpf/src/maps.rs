//! The maps of an object, and what it tells its loader of itself.

use crate::asm::Target;
use crate::link::Linked;
use crate::mach::Symbol;
use l4c_manifest::{
    COUNTER_BYTES, FILTER_PLACES, HookKind, Limit, Manifest, Map, MapKind, ROW_BYTES, Set,
    SetTable, Storage, TEST_CLOCK, TEST_CLOCK_WORDS, VERSION,
};

/// Elements are allocated as they come: a set that is declared large costs little as long as it is not.
const BPF_F_NO_PREALLOC: u32 = 0x1;

/// Of such an array the values begin where a page does, and so a cache line.
const BPF_F_MMAPABLE: u32 = 0x400;

/// A map without anything special to it.
const fn plain(name: String, kind: MapKind, key_bytes: u32, value_bytes: u32, max: u32) -> Map {
    let (flags, keeps, locked) = (0, false, false);
    Map { name, kind, key_bytes, value_bytes, max_entries: max, flags, keeps, locked }
}

/// What the object tells its loader.
pub fn manifest(linked: &Linked<'_>) -> Manifest {
    let programs = &linked.programs;
    let counters = programs.iter().map(|program| {
        let (name, slots) = (program.hook.counter_map.clone(), program.module.counters.max(1));
        plain(name, MapKind::PercpuArray, 4, COUNTER_BYTES as u32, slots)
    });
    let samples = programs.iter().filter_map(|program| program.hook.samples.as_ref());
    let samples =
        samples.map(|samples| plain(samples.map.clone(), MapKind::PerfEventArray, 4, 4, 0));
    let clock = Target::Symbol(Symbol::Clock);
    let mut relocs = linked.units.iter().flat_map(|unit| &unit.bytes.relocs);
    let injected = relocs.any(|&(_, target)| target == clock);
    let clock =
        injected.then(|| plain(TEST_CLOCK.to_owned(), MapKind::Array, 4, 8, TEST_CLOCK_WORDS));
    let limits = programs.iter().flat_map(|program| &program.hook.limits).map(limit);
    let rows = programs.iter().filter_map(|program| {
        let rows = program.hook.rows.as_ref()?;
        let map = plain(rows.map.clone(), MapKind::Array, 4, ROW_BYTES, rows.count);
        let locked = program.hook.kind == HookKind::Xdp;
        Some(Map { flags: BPF_F_MMAPABLE, keeps: true, locked, ..map })
    });
    let mut maps: Vec<Map> =
        counters.chain(samples).chain(clock).chain(limits).chain(rows).collect();
    for set in programs.iter().flat_map(|program| &program.hook.sets) {
        for map in set.tables.iter().flat_map(|table| set_maps(set, table)) {
            // Hooks share the sets of their policy.
            if !maps.iter().any(|known| known.name == map.name) {
                maps.push(map);
            }
        }
    }
    let hooks = programs.iter().map(|program| program.hook.clone()).collect();
    Manifest { version: VERSION, hooks, maps }
}

fn limit(limit: &Limit) -> Map {
    let (bytes, sets) = (limit.set_bytes(), limit.sets());
    Map {
        flags: BPF_F_MMAPABLE,
        keeps: true,
        locked: limit.storage != Storage::Word,
        ..plain(limit.map.clone(), MapKind::Array, 4, bytes, sets)
    }
}

fn set_maps(set: &Set, table: &SetTable) -> Vec<Map> {
    // While a list takes the place of another there is room for both.
    let lists = set.max.saturating_mul(2);
    let elements = [(Some(&table.listed), lists), (table.added.as_ref(), set.max)];
    let elements = elements.into_iter().filter_map(|(name, max)| {
        let map = plain(name?.clone(), MapKind::Hash, table.key_bytes, 8, max);
        Some(Map { flags: BPF_F_NO_PREALLOC, keeps: true, ..map })
    });
    let filter = table.filter.iter().map(|name| {
        let bytes = 8 * Set::filter_words(table.wide);
        Map { keeps: true, ..plain(name.clone(), MapKind::Array, 4, bytes, FILTER_PLACES) }
    });
    elements.chain(filter).collect()
}
