//! Sets in the maps of programs: filled with what the rules declare, asked whether something is in them.

use crate::kernel::load::Loaded;
use crate::sys::elements::{self, Write};
use crate::{KernelError, Object, ObjectError, sys};
use l4c_manifest::{FILTER_PLACES, Key, Listed, Manifest, Set, SetTable, State};
use std::collections::BTreeMap;
use std::io;

/// The sets of a manifest, each once: hooks share them.
pub fn all(manifest: &Manifest) -> Vec<&Set> {
    let mut sets: Vec<&Set> = Vec::new();
    for set in manifest.hooks.iter().flat_map(|hook| &hook.sets) {
        if !sets.iter().any(|known| known.name == set.name) {
            sets.push(set);
        }
    }
    sets
}

/// Do the lists of declared elements fit their tables?
///
/// # Errors
/// When one does not.
pub fn check(manifest: &Manifest, lists: &BTreeMap<String, Vec<u8>>) -> Result<(), ObjectError> {
    for table in all(manifest).into_iter().flat_map(|set| &set.tables) {
        let bytes = lists.get(&table.listed).map_or(0, Vec::len);
        if table.key_bytes == 0 || !bytes.is_multiple_of(table.key_bytes as usize) {
            let why = format!("the elements of `{}` are of another size", table.listed);
            return Err(ObjectError::Manifest(why));
        }
    }
    Ok(())
}

/// Is it in the set? `find` gives what a map holds under a key.
///
/// # Errors
/// Those of `find`.
pub fn has<E>(
    set: &Set,
    (state, now_ns): (State, u64),
    key: &Key,
    mut find: impl FnMut(&str, &[u8]) -> Result<Option<u64>, E>,
) -> Result<bool, E> {
    let Some(table) = set.table(key.wide) else { return Ok(false) };
    for key in set.covering(key) {
        let packed = set.pack(&key);
        let listed = find(&table.listed, &packed)?.map(Listed);
        if listed.is_some_and(|listed| state.counts(listed, now_ns)) {
            return Ok(true);
        }
        let Some(added) = &table.added else { continue };
        let end = find(added, &packed)?;
        if end.is_some_and(|end| state.counts_added(end, now_ns)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The bits of a table's filter for these keys, over those that it has already.
pub fn filter<'k>(
    set: &Set,
    table: &SetTable,
    mut words: Vec<u64>,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Vec<u64> {
    let each = Set::filter_words(table.wide) as usize;
    words.resize(each * FILTER_PLACES as usize, 0);
    let mut everywhere = vec![0; each];
    for key in keys.filter_map(|key| set.unpack(table.wide, key)) {
        let (Some(&address), Some(bits)) = (key.values.first(), key.prefix_bits) else { continue };
        let (word, bit) = (usize::from(bits) / 64, 1u64 << (bits % 64));
        match Set::filter_place_of(table.wide, address, bits) {
            Some(place) => words[place as usize * each + word] |= bit,
            None => everywhere[word] |= bit,
        }
    }
    if everywhere.iter().any(|&bits| bits != 0) {
        for (word, bits) in words.iter_mut().zip(everywhere.iter().cycle()) {
            *word |= bits;
        }
    }
    words
}

/// As the kernel holds it.
pub fn filter_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Makes list `list` of declared elements in the maps of a program be what the object declares. Other lists, and
/// what was put there by hand, stay.
///
/// # Errors
/// When a map can't be read or written, or has no room.
pub fn declare(loaded: &Loaded, object: &Object, set: &Set, list: u64) -> Result<(), KernelError> {
    let failed = |e: io::Error| {
        let why = match e.raw_os_error() {
            Some(libc::E2BIG) => format!("there is no room for more than {}", set.max),
            _ => e.to_string(),
        };
        KernelError::new(format!("set `{}` can't be filled: {why}", set.name))
    };
    for table in &set.tables {
        fill(loaded, object, (set, table), list).map_err(failed)?;
    }
    Ok(())
}

fn fill(
    loaded: &Loaded,
    object: &Object,
    (set, table): (&Set, &SetTable),
    list: u64,
) -> io::Result<()> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "its map is not there");
    let listed = loaded.map(&table.listed).ok_or_else(missing)?;
    let size = table.key_bytes as usize;
    let wanted = object.elements(&table.listed);
    let held = elements::all(listed)?;
    let mut there: Vec<(&[u8], Listed)> =
        held.iter().map(|(key, value)| (key, Listed(value))).collect();
    there.sort_unstable_by_key(|(key, _)| *key);
    if let Some(filter) = table.filter.as_ref().and_then(|filter| loaded.map(filter)) {
        let known = there.iter().map(|(key, _)| *key).chain(wanted.chunks_exact(size));
        let words = self::filter(set, table, Vec::new(), known);
        sys::write_values(filter, &filter_bytes(&words))?;
    }
    let mut new = Vec::new();
    for key in wanted.chunks_exact(size) {
        match there.binary_search_by_key(&key, |(key, _)| key) {
            Ok(_) => {}
            Err(_) => new.extend_from_slice(key),
        }
    }
    let mut declared: Vec<&[u8]> = wanted.chunks_exact(size).collect();
    declared.sort_unstable();
    for (key, now) in &there {
        let is_declared = u64::from(declared.binary_search(key).is_ok());
        let then = Listed(now.0 & !(1 << list) | is_declared << list);
        if then.0 & Listed::FLAGS == 0 {
            elements::erase(listed, key)?;
        } else if then != *now {
            // What a packet takes out meanwhile stays out.
            elements::put(listed, key, then.0, Write::Existing)?;
        }
    }
    elements::put_all(listed, &new, &vec![Listed::declared(list).0; new.len() / size])
}

/// Back to what is declared: list 0, nothing by hand, nothing added.
///
/// # Errors
/// When a map can't be read or written.
pub fn reset(loaded: &Loaded, object: &Object, sets: &[Set]) -> Result<(), KernelError> {
    for set in sets {
        let names = set.tables.iter().flat_map(|table| [Some(&table.listed), table.added.as_ref()]);
        for map in names.flatten().filter_map(|name| loaded.map(name)) {
            let emptied = elements::all(map).and_then(|held| {
                held.iter().try_for_each(|(key, _)| elements::erase(map, key).map(drop))
            });
            emptied.map_err(|e| {
                KernelError::new(format!("set `{}` can't be emptied: {e}", set.name))
            })?;
        }
        declare(loaded, object, set, 0)?;
    }
    Ok(())
}
