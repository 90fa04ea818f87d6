//! A loaded set, its maps open.

use super::{Changed, Element, LoadedSet, Origin, now_ns, put_state, state};
use crate::policy::dir::PolicyDir;
use crate::policy::{Locked, PolicyError, limits};
use crate::sys::elements::{self, Write};
use crate::{sets, sys};
use l4c_manifest::{Key, Listed, Set, SetTable, State};
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

/// A table and its maps.
pub struct Table {
    pub table: SetTable,
    pub listed: OwnedFd,
    pub filter: Option<OwnedFd>,
    pub added: Option<OwnedFd>,
}

/// Of more elements than this all that are listed are read at once, instead of one by one.
const FEW: usize = 100;

/// What a table lists.
fn listed(table: &Table) -> io::Result<HashMap<Vec<u8>, u64>> {
    let held = elements::all(table.listed.as_fd())?;
    Ok(held.iter().map(|(key, value)| (key.to_vec(), value)).collect())
}

/// A set, open to be looked at and changed.
pub struct Open {
    pub set: Set,
    dir: PolicyDir,
    number: u64,
    pub state: State,
    pub tables: Vec<Table>,
    pub now_ns: u64,
}

impl Open {
    pub fn new(locked: &Locked, which: &LoadedSet) -> Result<Self, PolicyError> {
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

    pub fn failed(&self, e: &io::Error) -> PolicyError {
        PolicyError::system(format!("set `{}` can't be changed: {e}", self.set.name))
    }

    /// Takes out what has ended and what nobody looks at any more; says how many elements are listed that count.
    pub fn sweep(&self) -> io::Result<u64> {
        let mut count = 0;
        let hand = self.state.hand();
        for table in &self.tables {
            for (key, value) in elements::all(table.listed.as_fd())?.iter() {
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
        for (key, end) in elements::all(added.as_fd())?.iter() {
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

    pub fn packed<'k>(
        &'k self,
        table: &'k Table,
        keys: &'k [Key],
    ) -> impl Iterator<Item = Vec<u8>> + 'k {
        let of_family = keys.iter().filter(|key| key.wide == table.table.wide);
        of_family.map(|key| self.set.pack(key))
    }

    /// Puts keys into list `list` of what is there by hand.
    pub fn put(&self, keys: &[Key], list: u64, end_ns: u64) -> io::Result<Changed> {
        let mut changed = Changed::default();
        self.announce(keys)?;
        for table in &self.tables {
            let (mut packed, mut values) = (Vec::new(), Vec::new());
            let known = if keys.len() > FEW { Some(listed(table)?) } else { None };
            for key in self.packed(table, keys) {
                let there = match &known {
                    Some(known) => known.get(&key).copied(),
                    None => elements::find(table.listed.as_fd(), &key)?,
                };
                let there = there.map(Listed);
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
                values.push(base.unwrap_or_default().by_hand(list, end_ns).0);
                packed.extend_from_slice(&key);
            }
            elements::put_all(table.listed.as_fd(), &packed, &values)?;
        }
        Ok(changed)
    }

    pub fn check_room(&self, elements: u64) -> Result<(), PolicyError> {
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
    pub fn end_ns(&self, lifetime_ns: Option<u64>) -> u64 {
        let lifetime_ns = lifetime_ns.or(self.set.timeout_ns);
        lifetime_ns.map_or(Listed::FOREVER, |ns| self.now_ns.saturating_add(ns))
    }

    /// What the set has, in no order.
    pub fn elements(&self) -> io::Result<Vec<Element>> {
        let mut out = Vec::new();
        for table in &self.tables {
            let unpack = |key: &[u8]| self.set.unpack(table.table.wide, key);
            let mut listed = HashSet::new();
            for (key, value) in elements::all(table.listed.as_fd())?.iter() {
                let value = Listed(value);
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
            for (key, end) in elements::all(added.as_fd())?.iter() {
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

    /// How many elements the set has.
    pub fn size(&self) -> io::Result<u64> {
        let mut size = 0;
        for table in &self.tables {
            let counts = |(_, value): &(&[u8], u64)| self.state.counts(Listed(*value), self.now_ns);
            let held = elements::all(table.listed.as_fd())?;
            let listed = held.iter().filter(counts);
            let Some(added) = &table.added else {
                size += listed.count() as u64;
                continue;
            };
            let listed: HashSet<&[u8]> = listed.map(|(key, _)| key).collect();
            let held = elements::all(added.as_fd())?;
            let more = held.iter().filter(|(key, end)| {
                self.state.counts_added(*end, self.now_ns) && !listed.contains(key)
            });
            size += (listed.len() + more.count()) as u64;
        }
        Ok(size)
    }

    /// Lets other lists count, for every packet in one step.
    pub fn switch(&mut self, state: State) -> Result<(), PolicyError> {
        let (map, mut bytes) = limits::told(&self.dir, self.number)?;
        put_state(&mut bytes, &self.set, state);
        limits::write(&self.dir, self.number, &map, &bytes)?;
        self.state = state;
        Ok(())
    }
}
