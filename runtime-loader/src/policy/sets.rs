//! Sets of what is loaded: looked at, changed while programs ask them, carried over a reload.
//!
//! Everything here runs under the lock of the pin folder, so that nobody else lists elements meanwhile. Packets may
//! add and take out at any time; what they add stands in maps of their own.

mod open;

use super::dir::PolicyDir;
use super::load::Plan;
use super::record::Record;
use super::{Locked, PolicyError, limits};
use crate::Object;
use crate::kernel::load::Kept;
use crate::sets;
use crate::sys::elements;
use l4c_manifest::{Key, STATE_BYTES, Set, State};
use open::Open;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd as _;

/// A set of a loaded policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSet {
    /// The policy.
    pub policy: String,
    /// As its object tells of it.
    pub set: Set,
}

/// Who put an element into a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The rules declare it.
    Declared,
    /// It was put there by hand.
    Hand,
    /// A packet added it.
    Packet,
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What it is.
    pub key: Key,
    /// Where it comes from; of several, the first of [`Origin`]'s.
    pub origin: Origin,
    /// How much longer it stays, in nanoseconds; for good if left out.
    pub left_ns: Option<u64>,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// Elements that were not there before, or that are gone now.
    pub elements: u64,
    /// Elements that were there already, or were not.
    pub others: u64,
}

/// Nanoseconds of the clock that programs look at.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The word of a set in a section of parameters.
fn state(params: &[u8], set: &Set) -> Option<State> {
    let at = set.state_off_bytes as usize;
    let word = params.get(at..at + STATE_BYTES)?.try_into().ok()?;
    Some(State(u64::from_ne_bytes(word)))
}

/// Which elements count once an object takes the place of what runs; `kept` are the maps that it goes on with.
pub fn states(plan: &Plan, kept: &[Kept]) -> Result<impl Fn(&Set) -> State + use<>, PolicyError> {
    let mut old: Vec<(String, State)> = Vec::new();
    if let Some((number, record)) = &plan.current {
        let known = of_record(record);
        if !known.is_empty() {
            let (_, params) = limits::told(&plan.dir, *number)?;
            let words = known.iter().flat_map(|set| {
                let word = state(&params, set);
                set.tables.iter().filter_map(move |table| Some((table.listed.clone(), word?)))
            });
            old = words.filter(|(map, _)| kept.iter().any(|kept| kept.name == *map)).collect();
        }
    }
    Ok(move |set: &Set| {
        let table = set.tables.first();
        let known = table.and_then(|table| old.iter().find(|(map, _)| *map == table.listed));
        match known {
            // The other list of declared elements: the one that counts is left to those who look at it.
            Some((_, state)) => {
                State::of(Some(1 - state.declared()), state.hand(), state.generation())
            }
            None => State::INITIAL,
        }
    })
}

/// Lists what an object declares, in the lists that its programs will look at.
pub fn declare(
    loaded: &crate::kernel::load::Loaded,
    object: &Object,
    params: &[u8],
) -> Result<(), PolicyError> {
    for set in sets::all(object.manifest()) {
        let list = state(params, set).unwrap_or(State::INITIAL).declared();
        sets::declare(loaded, object, set, list)?;
    }
    Ok(())
}

/// Before an older generation runs again: what was put into sets by hand, or added, counts as it does now.
pub fn bring_back(
    dir: &PolicyDir,
    (from, now): (u64, &Record),
    (to, old): (u64, &Record),
) -> Result<(), PolicyError> {
    let (now, old) = (of_record(now), of_record(old));
    if now.is_empty() || old.is_empty() {
        return Ok(());
    }
    let (_, running) = limits::told(dir, from)?;
    let (map, mut bytes) = limits::told(dir, to)?;
    for set in &old {
        let same = |other: &&Set| {
            other.tables.first().map(|t| &t.listed) == set.tables.first().map(|t| &t.listed)
        };
        let is_now = now.iter().find(same).and_then(|set| state(&running, set));
        let (Some(is_now), Some(was)) = (is_now, state(&bytes, set)) else { continue };
        let declared = was.has_declared().then(|| was.declared());
        put_state(&mut bytes, set, State::of(declared, is_now.hand(), is_now.generation()));
    }
    limits::write(dir, to, &map, &bytes)
}

fn put_state(bytes: &mut [u8], set: &Set, state: State) {
    let at = set.state_off_bytes as usize;
    if let Some(place) = bytes.get_mut(at..at + STATE_BYTES) {
        place.copy_from_slice(&state.0.to_ne_bytes());
    }
}

/// The sets of a generation, each once.
fn of_record(record: &Record) -> Vec<Set> {
    let mut out: Vec<Set> = Vec::new();
    for set in record.hooks.iter().flat_map(|hook| &hook.hook.sets) {
        if !out.iter().any(|known| known.name == set.name) {
            out.push(set.clone());
        }
    }
    out
}

/// Each key once.
fn once(keys: &[Key]) -> Vec<Key> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl Locked {
    /// The sets of a policy that are kept in maps.
    ///
    /// # Errors
    /// When there is no such policy.
    pub fn sets(&self, policy: &str) -> Result<Vec<LoadedSet>, PolicyError> {
        let dir = self.policy(policy);
        let (_, record) = self.current(&dir)?;
        let sets = of_record(&record).into_iter();
        Ok(sets.map(|set| LoadedSet { policy: policy.to_owned(), set }).collect())
    }

    /// The elements of a set that count, in order.
    ///
    /// # Errors
    /// When its maps can't be read.
    pub fn elements(&self, which: &LoadedSet) -> Result<Vec<Element>, PolicyError> {
        let open = Open::new(self, which)?;
        let mut elements = open.elements().map_err(|e| open.failed(&e))?;
        elements.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(elements)
    }

    /// How many elements a set has.
    ///
    /// # Errors
    /// When its maps can't be read.
    pub fn size(&self, which: &LoadedSet) -> Result<u64, PolicyError> {
        let open = Open::new(self, which)?;
        open.size().map_err(|e| open.failed(&e))
    }

    /// Which of these a set has.
    ///
    /// # Errors
    /// When its maps can't be read.
    pub fn has(&self, which: &LoadedSet, keys: &[Key]) -> Result<Vec<bool>, PolicyError> {
        let open = Open::new(self, which)?;
        let find = |map: &str, key: &[u8]| {
            let fds = open.tables.iter().find_map(|table| {
                let listed = (table.table.listed == map).then_some(&table.listed);
                let is_added = table.table.added.as_deref() == Some(map);
                listed.or(table.added.as_ref().filter(|_| is_added))
            });
            fds.map_or(Ok(None), |fd| elements::find(fd.as_fd(), key))
        };
        let has = |key| sets::has(&open.set, (open.state, open.now_ns), key, find);
        keys.iter().map(has).collect::<io::Result<_>>().map_err(|e| open.failed(&e))
    }

    /// Adds elements for so many nanoseconds; if that is left out as long as the set says.
    ///
    /// # Errors
    /// When there is no room for all of them, or the maps can't be written.
    pub fn add(
        &self,
        which: &LoadedSet,
        keys: &[Key],
        lifetime_ns: Option<u64>,
    ) -> Result<Changed, PolicyError> {
        let open = Open::new(self, which)?;
        let keys = &once(keys);
        let count = open.sweep().map_err(|e| open.failed(&e))?;
        let mut new = 0;
        if count + keys.len() as u64 > u64::from(open.set.max) {
            let listed = open.elements().map_err(|e| open.failed(&e))?;
            let listed = listed.iter().filter(|element| element.origin != Origin::Packet);
            let listed: HashSet<&Key> = listed.map(|element| &element.key).collect();
            new = keys.iter().filter(|key| !listed.contains(key)).count();
        }
        open.check_room(if new == 0 { 0 } else { count + new as u64 })?;
        let end_ns = open.end_ns(lifetime_ns);
        open.put(keys, open.state.hand(), end_ns).map_err(|e| open.failed(&e))
    }

    /// Takes elements out, whoever put them there.
    ///
    /// # Errors
    /// When the maps can't be written.
    pub fn del(&self, which: &LoadedSet, keys: &[Key]) -> Result<Changed, PolicyError> {
        let open = Open::new(self, which)?;
        let mut changed = Changed::default();
        let mut erase = || {
            for table in &open.tables {
                for key in open.packed(table, keys) {
                    let mut gone = elements::erase(table.listed.as_fd(), &key)?;
                    if let Some(added) = &table.added {
                        gone |= elements::erase(added.as_fd(), &key)?;
                    }
                    if gone { changed.elements += 1 } else { changed.others += 1 }
                }
            }
            Ok(())
        };
        erase().map_err(|e: io::Error| open.failed(&e))?;
        Ok(changed)
    }

    /// Makes a set hold these elements and no others, for every packet in one step.
    ///
    /// # Errors
    /// When there is no room for them, or the maps can't be written; the set is then as it was.
    pub fn replace(
        &self,
        which: &LoadedSet,
        keys: &[Key],
        lifetime_ns: Option<u64>,
    ) -> Result<Changed, PolicyError> {
        let mut open = Open::new(self, which)?;
        let keys = once(keys);
        open.check_room(keys.len() as u64)?;
        open.sweep().map_err(|e| open.failed(&e))?;
        let list = 1 - open.state.hand();
        let changed =
            open.put(&keys, list, open.end_ns(lifetime_ns)).map_err(|e| open.failed(&e))?;
        open.switch(State::of(None, list, open.state.generation() + 1))?;
        open.sweep().map_err(|e| open.failed(&e))?;
        Ok(changed)
    }

    /// Takes out what has ended. Says how many elements are listed.
    ///
    /// # Errors
    /// When the maps can't be written.
    pub fn sweep(&self, which: &LoadedSet) -> Result<u64, PolicyError> {
        let open = Open::new(self, which)?;
        open.sweep().map_err(|e| open.failed(&e))
    }
}
