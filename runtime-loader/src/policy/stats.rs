//! What was counted.

use super::dir::PolicyDir;
use super::names::{self};
use super::record::{HookRecord, Record};
use super::{LoadedLimit, LoadedSet, Locked, PolicyError, counts};
use crate::kernel::counters::Shape;
use crate::{Counter, sys};
use l4c_manifest::{Hook, Storage};
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::SystemTime;

/// A loaded hook and what its rules counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookStats {
    /// The policy.
    pub policy: String,
    /// The hook as its object tells of it.
    pub hook: Hook,
    /// Where it runs.
    pub targets: Vec<String>,
    /// When its counters began; a replacement does not end that.
    pub since: SystemTime,
    /// By slot: one for each rule, then one for each `count NAME`, then those of limits.
    pub counters: Vec<Counter>,
    /// Of its limits.
    pub limits: Vec<LimitStats>,
    /// Of sets that are kept in maps and that it uses.
    pub sets: Vec<SetStats>,
}

/// What became of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitStats {
    /// Its name.
    pub name: String,
    /// Keys whose buckets are not full.
    pub keys: u64,
    /// Flows that count, of a `conns`.
    pub flows: Option<u64>,
    /// Keys that find room, or flows.
    pub max: u64,
    /// Packets over the limit.
    pub over: u64,
    /// Packets that met a full table: they took a bucket from another key, or got none.
    pub full: u64,
}

/// What became of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStats {
    /// Its name.
    pub name: String,
    /// Elements that it has.
    pub size: u64,
    /// So many are listed at most.
    pub max: u64,
    /// Packets that added nothing, since there was no room.
    pub full: u64,
}

impl Locked {
    /// What every hook of a policy counted since its counters began.
    ///
    /// # Errors
    /// When there is no such policy, or its maps can't be read.
    pub fn stats(&self, policy: &str) -> Result<Vec<HookStats>, PolicyError> {
        let dir = self.policy(policy);
        let (number, record) = self.current(&dir)?;
        let links = dir.links()?;
        let limits = self.limits(policy)?;
        record
            .hooks
            .iter()
            .map(|hook| {
                let counters = read(&dir, number, hook)?;
                let here = links.iter().filter(|&&l| record.hook_at(l) == Some(&hook.hook.name));
                Ok(HookStats {
                    policy: policy.to_owned(),
                    hook: hook.hook.clone(),
                    targets: here.map(|&link| self.target(link)).collect(),
                    since: hook.since(),
                    limits: self.limit_stats(&limits, &hook.hook, &counters)?,
                    sets: self.set_stats(policy, &hook.hook, &counters)?,
                    counters,
                })
            })
            .collect()
    }

    fn limit_stats(
        &self,
        limits: &[LoadedLimit],
        hook: &Hook,
        counters: &[Counter],
    ) -> Result<Vec<LimitStats>, PolicyError> {
        let own = limits.iter().filter(|limit| limit.hook == hook.name);
        let packets = |slot: u32| counters.get(slot as usize).map_or(0, |c| c.packets);
        own.map(|loaded| {
            let limit = &loaded.limit;
            let buckets = self.buckets(loaded)?;
            let flows = buckets.iter().map(|key| key.owes as u64).sum();
            Ok(LimitStats {
                name: limit.name.clone(),
                keys: buckets.len() as u64,
                flows: (limit.storage == Storage::Flows).then_some(flows),
                max: limit.max,
                over: packets(limit.slot),
                full: packets(limit.slot + 1),
            })
        })
        .collect()
    }

    fn set_stats(
        &self,
        policy: &str,
        hook: &Hook,
        counters: &[Counter],
    ) -> Result<Vec<SetStats>, PolicyError> {
        let packets = |slot: u32| counters.get(slot as usize).map_or(0, |c| c.packets);
        let sets = hook.sets.iter().map(|set| {
            let loaded = LoadedSet { policy: policy.to_owned(), set: set.clone() };
            Ok(SetStats {
                name: set.name.clone(),
                size: self.size(&loaded)?,
                max: set.max.into(),
                full: set.full_slot.map_or(0, packets),
            })
        });
        sets.collect()
    }

    /// The generation of a policy that runs.
    pub(crate) fn current(&self, dir: &PolicyDir) -> Result<(u64, Record), PolicyError> {
        self.healthy(dir.name())?;
        let Some(current) = dir.current()? else {
            let message = format!("no policy `{}` is loaded", dir.name());
            let names = self.names()?;
            let known = if names.is_empty() { "none is".to_owned() } else { names.join(", ") };
            return Err(PolicyError::system(message).help(format!("loaded: {known}")));
        };
        Ok((current, dir.record(current)?))
    }
}

/// What a hook counted, by slot.
fn read(dir: &PolicyDir, number: u64, hook: &HookRecord) -> Result<Vec<Counter>, PolicyError> {
    let folder = dir.hook(number, &hook.hook.name);
    let own = read_map(&folder.join(names::COUNTERS))?;
    Ok(counts::totals(hook, &own, &read_before(dir, number, hook)?))
}

/// What is known of a hook's counters beyond its own map. It changes no more once the generation before has
/// come to rest.
pub fn settled(
    dir: &PolicyDir,
    number: u64,
    hook: &HookRecord,
) -> Result<Vec<Counter>, PolicyError> {
    Ok(counts::totals(hook, &[], &read_before(dir, number, hook)?))
}

fn read_before(
    dir: &PolicyDir,
    number: u64,
    hook: &HookRecord,
) -> Result<Vec<Counter>, PolicyError> {
    if hook.before.is_empty() {
        return Ok(Vec::new());
    }
    read_map(&dir.hook(number, &hook.hook.name).join(names::BEFORE))
}

fn read_map(path: &Path) -> Result<Vec<Counter>, PolicyError> {
    let read = || {
        let map = sys::get(path)?;
        let shape = Shape::of(map.as_fd()).map_err(io::Error::other)?;
        shape.read(map.as_fd())
    };
    read().map_err(|e| PolicyError::at("read the counters", path, &e))
}
