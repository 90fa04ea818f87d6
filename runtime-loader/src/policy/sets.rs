//! Sets of what is loaded: looked at, changed while programs ask them, carried over a reload.
//!
//! Everything here runs under the lock of the pin folder, so that nobody else lists elements meanwhile. Packets may
//! add and take out at any time; what they add stands in maps of their own.

use super::dir::PolicyDir;
use super::load::Plan;
use super::record::Record;
use super::{Locked, PolicyError, limits};
use crate::kernel::load::Kept;
use crate::sets;
use crate::sys::elements::{self, Write};
use crate::{Object, sys};
use l4c_manifest::{Key, Listed, STATE_BYTES, Set, SetTable, State};
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

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

/// A table and its maps.
struct Table {
    table: SetTable,
    listed: OwnedFd,
    filter: Option<OwnedFd>,
    added: Option<OwnedFd>,
}

/// A set, open to be looked at and changed.
struct Open {
    set: Set,
    dir: PolicyDir,
    number: u64,
    state: State,
    tables: Vec<Table>,
    now_ns: u64,
}

impl Open {
    fn new(locked: &Locked, which: &LoadedSet) -> Result<Self, PolicyError> {
        let dir = locked.policy(&which.policy);
        let (number, _) = locked.current(&dir)?;
        let (_, params) = limits::told(&dir, number)?;
        let state = state(&params, &which.set).unwrap_or(State::INITIAL);
        let open = |map: &String| {
            let path = dir.maps(number).join(map);
            sys::get(&path).map_err(|e| PolicyError::at("open", &path, &e))
        };
        let table = |table: &SetTable| {
            Ok(Table {
                listed: open(&table.listed)?,
                filter: table.filter.as_ref().map(open).transpose()?,
                added: table.added.as_ref().map(open).transpose()?,
                table: table.clone(),
            })
        };
        let tables = which.set.tables.iter().map(table).collect::<Result<_, PolicyError>>()?;
        Ok(Self { set: which.set.clone(), dir, number, state, tables, now_ns: now_ns() })
    }

    fn failed(&self, e: &io::Error) -> PolicyError {
        PolicyError::system(format!("set `{}` can't be changed: {e}", self.set.name))
    }

    /// Takes out what has ended and what nobody looks at any more; says how many elements are listed that count.
    fn sweep(&self) -> io::Result<u64> {
        let mut count = 0;
        let hand = self.state.hand();
        for table in &self.tables {
            let size = table.table.key_bytes as usize;
            let (keys, values) = elements::all(table.listed.as_fd())?;
            for (key, value) in keys.chunks_exact(size).zip(values) {
                let mut then = Listed(value).without_hand(1 - hand);
                let by_hand = State::of(None, hand, 0);
                if !by_hand.counts(then, self.now_ns) {
                    then = then.without_hand(hand);
                }
                if then.0 & Listed::FLAGS == 0 {
                    elements::erase(table.listed.as_fd(), key)?;
                } else if then.0 != value {
                    elements::put(table.listed.as_fd(), key, then.0, Write::Existing)?;
                }
                count += u64::from(self.state.counts(then, self.now_ns));
            }
            self.sweep_added(table)?;
        }
        Ok(count)
    }

    fn sweep_added(&self, table: &Table) -> io::Result<()> {
        let Some(added) = &table.added else { return Ok(()) };
        let (keys, values) = elements::all(added.as_fd())?;
        let size = table.table.key_bytes as usize;
        for (key, end) in keys.chunks_exact(size).zip(values) {
            if self.state.counts_added(end, self.now_ns) {
                continue;
            }
            // A packet may have renewed it a moment ago: then it goes back, unless one has done that again.
            let taken = elements::take(added.as_fd(), key)?;
            if let Some(end) = taken.filter(|&end| self.state.counts_added(end, self.now_ns)) {
                elements::put(added.as_fd(), key, end, Write::Missing)?;
            }
        }
        Ok(())
    }

    /// The bits of filters that these keys need are there from now on.
    fn announce(&self, keys: &[Key]) -> io::Result<()> {
        for table in self.tables.iter() {
            let Some(filter) = &table.filter else { continue };
            let packed: Vec<Vec<u8>> = self.packed(table, keys).collect();
            if packed.is_empty() {
                continue;
            }
            let bytes = sys::read_values(filter.as_fd())?;
            let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
            let keys = packed.iter().map(Vec::as_slice);
            let words = sets::filter(&self.set, &table.table, words.collect(), keys);
            sys::write_values(filter.as_fd(), &sets::filter_bytes(&words))?;
        }
        Ok(())
    }

    fn packed<'k>(
        &'k self,
        table: &'k Table,
        keys: &'k [Key],
    ) -> impl Iterator<Item = Vec<u8>> + 'k {
        let of_family = keys.iter().filter(|key| key.wide == table.table.wide);
        of_family.map(|key| self.set.pack(key))
    }

    /// Puts keys into list `list` of what is there by hand.
    fn put(&self, keys: &[Key], list: u64, end_ns: u64) -> io::Result<Changed> {
        let mut changed = Changed::default();
        self.announce(keys)?;
        for table in &self.tables {
            let (mut fresh, mut values) = (Vec::new(), Vec::new());
            for key in self.packed(table, keys) {
                let there = elements::find(table.listed.as_fd(), &key)?.map(Listed);
                let counts = there.is_some_and(|there| self.state.counts(there, self.now_ns));
                if counts {
                    changed.others += 1
                } else {
                    changed.elements += 1
                }
                // What has ended and was not taken out yet does not come back to life in another list.
                let base = there.map(|there| {
                    let ended = !counts && list != self.state.hand();
                    if ended { there.without_hand(self.state.hand()) } else { there }
                });
                let word = base.unwrap_or_default().by_hand(list, end_ns).0;
                match there {
                    Some(_) => {
                        elements::put(table.listed.as_fd(), &key, word, Write::Any)?;
                    }
                    None => {
                        fresh.extend_from_slice(&key);
                        values.push(word);
                    }
                }
            }
            elements::put_all(table.listed.as_fd(), &fresh, &values)?;
        }
        Ok(changed)
    }

    fn check_room(&self, elements: u64) -> Result<(), PolicyError> {
        let max = u64::from(self.set.max);
        if elements <= max {
            return Ok(());
        }
        let why = format!(
            "set `{}` would have {elements} elements, and {max} are its most",
            self.set.name
        );
        Err(PolicyError::system(why)
            .help("nothing was changed; write a larger `max` into the rules"))
    }

    /// Until when something stays that is put there now.
    fn end_ns(&self, lifetime_ns: Option<u64>) -> u64 {
        let lifetime_ns = lifetime_ns.or(self.set.timeout_ns);
        lifetime_ns.map_or(Listed::FOREVER, |ns| self.now_ns.saturating_add(ns))
    }

    /// What the set has, in no order.
    fn elements(&self) -> io::Result<Vec<Element>> {
        let mut out = Vec::new();
        for table in &self.tables {
            let size = table.table.key_bytes as usize;
            let unpack = |key: &[u8]| self.set.unpack(table.table.wide, key);
            let mut listed = HashSet::new();
            let (keys, values) = elements::all(table.listed.as_fd())?;
            for (key, value) in keys.chunks_exact(size).zip(values.into_iter().map(Listed)) {
                if !self.state.counts(value, self.now_ns) {
                    continue;
                }
                listed.insert(key.to_vec());
                let declared = self.state.0 & value.0 & Listed::DECLARED != 0;
                let origin = if declared { Origin::Declared } else { Origin::Hand };
                let end_ns = value.end_ns().filter(|_| !declared);
                let left_ns = end_ns.map(|end_ns| end_ns.saturating_sub(self.now_ns));
                out.extend(unpack(key).map(|key| Element { key, origin, left_ns }));
            }
            let Some(added) = &table.added else { continue };
            let (keys, values) = elements::all(added.as_fd())?;
            for (key, end) in keys.chunks_exact(size).zip(values) {
                if !self.state.counts_added(end, self.now_ns) || listed.contains(key) {
                    continue;
                }
                let ends = end | State::GENERATION != u64::MAX;
                let left_ns = ends.then(|| (end | State::GENERATION).saturating_sub(self.now_ns));
                out.extend(unpack(key).map(|key| Element { key, origin: Origin::Packet, left_ns }));
            }
        }
        Ok(out)
    }

    /// Lets other lists count, for every packet in one step.
    fn switch(&mut self, state: State) -> Result<(), PolicyError> {
        let (map, mut bytes) = limits::told(&self.dir, self.number)?;
        put_state(&mut bytes, &self.set, state);
        limits::write(&self.dir, self.number, &map, &bytes)?;
        self.state = state;
        Ok(())
    }
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
        let count = open.sweep().map_err(|e| open.failed(&e))?;
        let mut new = 0;
        if count + keys.len() as u64 > u64::from(open.set.max) {
            let listed = open.elements().map_err(|e| open.failed(&e))?;
            let listed = listed.iter().filter(|element| element.origin != Origin::Packet);
            let listed: HashSet<&Key> = listed.map(|element| &element.key).collect();
            new = keys.iter().filter(|key| !listed.contains(key)).collect::<HashSet<_>>().len();
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
        let keys: Vec<Key> = keys.iter().cloned().collect::<HashSet<_>>().into_iter().collect();
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
