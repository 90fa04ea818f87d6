//! Limits of what is loaded: looked at, changed while they run, carried over a reload.

use super::dir::PolicyDir;
use super::load::Plan;
use super::names;
use super::record::Record;
use super::sets;
use super::{Locked, PolicyError};
use crate::kernel::load::Kept;
use crate::limits::{self, Clocks};
use crate::{Object, sys};
use l4c_manifest::{
    Hook, LINE_SLOTS_OFF, Limit, Params, Rate, SET_KEYS_OFF, SET_TAGS_OFF, SET_WAY_BYTES,
    SET_WAYS_OFF, SLOT_BYTES, Storage, Unfit, WORD_TAT_BITS,
};
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};

/// A limit of a loaded hook.
#[derive(Debug, Clone)]
pub struct LoadedLimit {
    /// The policy.
    pub policy: String,
    /// The hook.
    pub hook: String,
    /// As its object tells of it.
    pub limit: Limit,
    /// How fast a bucket fills now, in packets or bytes a second; none for a quota.
    pub per_second: Option<f64>,
    /// What a bucket holds now, in packets or bytes.
    pub burst: u64,
}

/// A bucket that is not full.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// The key's words, as [`Limit::key_places`] lays them out; none where the table does not hold them.
    pub key: Option<Vec<u64>>,
    /// What it lacks of being full, in packets or bytes.
    pub owes: f64,
}

/// What programs are told of their limits when an object takes the place of what runs; `kept` are the tables that it
/// goes on with.
pub fn params(plan: &Plan, object: &Object, kept: &[Kept]) -> Result<Vec<u8>, PolicyError> {
    let old = match &plan.current {
        Some((number, record)) => known(&plan.dir, *number, record)?,
        None => Vec::new(),
    };
    let goes_on = |limit: &Limit| {
        kept.iter().find(|kept| kept.name == limit.map)?;
        old.iter().find(|(was, _)| was.map == limit.map).cloned()
    };
    let states = sets::states(plan, kept)?;
    Ok(limits::live(object, goes_on, states)?)
}

/// The limits of a generation and what its programs are told of them.
fn known(
    dir: &PolicyDir,
    number: u64,
    record: &Record,
) -> Result<Vec<(Limit, Params)>, PolicyError> {
    let limits: Vec<&Limit> = record.hooks.iter().flat_map(|hook| &hook.hook.limits).collect();
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    let (_, bytes) = told(dir, number)?;
    let of = |limit: &Limit| {
        let bytes = bytes.get(limit.params_off_bytes as usize..).unwrap_or_default();
        (limit.clone(), Params::from_bytes(bytes.get(..Params::BYTES).unwrap_or_default()))
    };
    Ok(limits.into_iter().map(of).collect())
}

/// The map of parameters of a generation, and what it holds.
pub(super) fn told(dir: &PolicyDir, number: u64) -> Result<(OwnedFd, Vec<u8>), PolicyError> {
    let path = dir.maps(number).join(names::PARAMS);
    let read = || {
        let map = sys::get(&path)?;
        let bytes = sys::read_values(map.as_fd())?;
        Ok((map, bytes))
    };
    read().map_err(|e: std::io::Error| PolicyError::at("read", &path, &e))
}

/// Before an older generation runs again: its limits go on from what the buckets owe now.
pub fn bring_back(
    dir: &PolicyDir,
    (from, now): (u64, &Record),
    (to, old): (u64, &Record),
) -> Result<(), PolicyError> {
    let (now, old) = (known(dir, from, now)?, known(dir, to, old)?);
    if old.is_empty() {
        return Ok(());
    }
    let clocks = Clocks::now()?;
    let (map, mut bytes) = told(dir, to)?;
    for (limit, _) in &old {
        let Some((was, params)) = now.iter().find(|(was, _)| was.map == limit.map) else {
            continue;
        };
        put(&mut bytes, limit, &limits::carried(limit, (was, *params), &clocks));
    }
    write(dir, to, &map, &bytes)
}

fn put(bytes: &mut [u8], limit: &Limit, params: &Params) {
    let at = limit.params_off_bytes as usize;
    if let Some(place) = bytes.get_mut(at..at + Params::BYTES) {
        place.copy_from_slice(&params.to_bytes());
    }
}

pub(super) fn write(
    dir: &PolicyDir,
    number: u64,
    map: &OwnedFd,
    bytes: &[u8],
) -> Result<(), PolicyError> {
    let path = dir.maps(number).join(names::PARAMS);
    sys::write_single(map.as_fd(), bytes).map_err(|e| PolicyError::at("write", &path, &e))
}

impl LoadedLimit {
    fn new(policy: &str, hook: &Hook, limit: &Limit, params: &Params) -> Self {
        let setting = params.setting();
        let cost = setting.cost.max(1) as f64;
        let speed = match setting.speed {
            0 => 1.0,
            speed => speed as f64 / f64::from(1u32 << l4c_manifest::SPEED_SHIFT),
        };
        Self {
            policy: policy.to_owned(),
            hook: hook.name.clone(),
            limit: limit.clone(),
            per_second: limit.rate.map(|_| speed * 1e9 / cost),
            burst: match limit.storage {
                Storage::Flows => setting.burst,
                Storage::Lock | Storage::Word | Storage::Sketch => {
                    setting.burst / setting.cost.max(1)
                }
            },
        }
    }
}

impl Locked {
    /// The limits of a policy.
    ///
    /// # Errors
    /// When there is no such policy, or its maps can't be read.
    pub fn limits(&self, policy: &str) -> Result<Vec<LoadedLimit>, PolicyError> {
        let dir = self.policy(policy);
        let (number, record) = self.current(&dir)?;
        let known = known(&dir, number, &record)?;
        let hooks = record.hooks.iter().flat_map(|hook| {
            let hook = &hook.hook;
            hook.limits.iter().map(move |limit| (hook, limit))
        });
        let limits = hooks.zip(&known);
        Ok(limits
            .map(|((hook, limit), (_, params))| LoadedLimit::new(policy, hook, limit, params))
            .collect())
    }

    /// Changes rate or burst of a limit, or both, in one step for every packet; what buckets owe stays as it is.
    ///
    /// # Errors
    /// When the numbers can't be had, or the maps can't be written.
    pub fn set_limit(
        &self,
        which: &LoadedLimit,
        rate: Option<Rate>,
        burst: Option<u64>,
    ) -> Result<LoadedLimit, PolicyError> {
        let dir = self.policy(&which.policy);
        let (number, record) = self.current(&dir)?;
        let limit = &which.limit;
        let known = known(&dir, number, &record)?;
        let Some((_, params)) = known.iter().find(|(known, _)| known.map == limit.map) else {
            return Err(PolicyError::system(format!(
                "limit `{}` is not loaded any more",
                limit.name
            )));
        };
        let clocks = Clocks::now()?;
        let params = changed(limit, params, (rate, burst), &clocks)?;
        let (map, mut bytes) = told(&dir, number)?;
        // First the setting that is not in force, then the word that says which is.
        let before = Params { active: params.active ^ 1, ..params };
        put(&mut bytes, limit, &before);
        write(&dir, number, &map, &bytes)?;
        put(&mut bytes, limit, &params);
        write(&dir, number, &map, &bytes)?;
        let hook = record.hook(&which.hook).map(|hook| &hook.hook);
        Ok(hook.map_or_else(
            || which.clone(),
            |hook| LoadedLimit::new(&which.policy, hook, limit, &params),
        ))
    }

    /// The buckets of a limit that are not full, those that owe most first.
    ///
    /// # Errors
    /// When its table can't be read.
    pub fn buckets(&self, which: &LoadedLimit) -> Result<Vec<Bucket>, PolicyError> {
        let dir = self.policy(&which.policy);
        let (number, record) = self.current(&dir)?;
        let limit = &which.limit;
        let known = known(&dir, number, &record)?;
        let Some((_, params)) = known.iter().find(|(known, _)| known.map == limit.map) else {
            return Ok(Vec::new());
        };
        let path = dir.maps(number).join(&limit.map);
        let values = sys::get(&path).and_then(|map| sys::read_values(map.as_fd()));
        let values = values.map_err(|e| PolicyError::at("read", &path, &e))?;
        let now = params.setting().time(Clocks::now()?.of(limit));
        let mut buckets = read(limit, params, &values, now);
        buckets.sort_by(|a, b| b.owes.total_cmp(&a.owes).then_with(|| a.key.cmp(&b.key)));
        Ok(buckets)
    }
}

fn changed(
    limit: &Limit,
    params: &Params,
    (rate, burst): (Option<Rate>, Option<u64>),
    clocks: &Clocks,
) -> Result<Params, PolicyError> {
    if limit.storage == Storage::Flows {
        let why = format!("`{}` counts flows, and has neither rate nor burst", limit.name);
        return Err(PolicyError::usage(why).help("write it into the rules and load them"));
    }
    let unfit = |why: Unfit| {
        let why = match why {
            Unfit::Years(years) => format!("a bucket would take {years} years to fill"),
            Unfit::Fast => "this is more in a nanosecond than can be counted".to_owned(),
        };
        PolicyError::usage(format!("limit `{}`: {why}", limit.name))
    };
    let mut setting = params.setting();
    if let Some(rate) = rate {
        let now_ns = clocks.of(limit);
        let from = setting.time(now_ns);
        let slack_ns = limits::slack_ns(limit, clocks);
        setting = setting.at_rate(rate, (now_ns, from), slack_ns).map_err(unfit)?;
    }
    if let Some(burst) = burst {
        setting = setting.with_burst(limit.unit, burst).map_err(unfit)?;
        let most = 1 << (limit.word_shift() + WORD_TAT_BITS - 2);
        if limit.storage == Storage::Word && setting.burst >= most {
            return Err(PolicyError::usage(format!(
                "limit `{}` keeps a bucket in a word, which holds no burst so deep",
                limit.name
            ))
            .help("write it into the rules and load them: the table then starts anew"));
        }
    }
    Ok(params.with(setting))
}

/// The buckets of a table that are not full at `now`, by the limit's own clock.
fn read(limit: &Limit, params: &Params, values: &[u8], now: u64) -> Vec<Bucket> {
    match limit.storage {
        Storage::Flows => return flows(limit, values, now),
        // Whose a cell is nobody knows.
        Storage::Sketch => return Vec::new(),
        Storage::Lock | Storage::Word => {}
    }
    let setting = params.setting();
    let cost = setting.cost.max(1) as f64;
    let mut out = Vec::new();
    for set in values.chunks_exact(limit.set_bytes() as usize) {
        for way in 0..limit.ways() {
            let (key, ahead) = match limit.storage {
                Storage::Lock => {
                    let at = (SET_WAYS_OFF + way * SET_WAY_BYTES) as usize;
                    (Some(key(limit, set, way)), word(set, at).saturating_sub(now))
                }
                // Read above.
                Storage::Flows | Storage::Sketch => continue,
                Storage::Word => {
                    (None, ahead(limit, word(set, 8 * way as usize), now, setting.burst))
                }
            };
            if ahead > 0 {
                out.push(Bucket { key, owes: ahead as f64 / cost });
            }
        }
    }
    out
}

/// Keys that have flows, and how many of them count at `now`.
fn flows(limit: &Limit, values: &[u8], now: u64) -> Vec<Bucket> {
    let mut out = Vec::new();
    for line in values.chunks_exact(limit.set_bytes() as usize) {
        let mut keys: BTreeMap<u64, u32> = BTreeMap::new();
        let slots = (LINE_SLOTS_OFF as usize..).step_by(SLOT_BYTES as usize);
        for at in slots.take(limit.line_slots() as usize) {
            if word(line, at + 8) > now {
                *keys.entry(word(line, at) >> 32).or_default() += 1;
            }
        }
        out.extend(keys.into_values().map(|flows| Bucket { key: None, owes: flows.into() }));
    }
    out
}

/// How far a bucket of one word is ahead.
fn ahead(limit: &Limit, bucket: u64, now: u64, burst: u64) -> u64 {
    let low = (1 << WORD_TAT_BITS) - 1;
    let shift = limit.word_shift();
    let ahead = (bucket & low).wrapping_sub(now >> shift) & low;
    if ahead > 2 * (burst >> shift) { 0 } else { ahead << shift }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).unwrap_or_default();
    word.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The words of a key in a set with a lock.
fn key(limit: &Limit, set: &[u8], way: u32) -> Vec<u64> {
    let words = limit.key_words();
    if limit.is_narrow() {
        let tag = word(set, (SET_TAGS_OFF + 4 * way) as usize) & u64::from(u32::MAX);
        return vec![tag; words];
    }
    let start = SET_KEYS_OFF as usize + way as usize * 8 * words;
    (0..words).map(|n| word(set, start + 8 * n)).collect()
}
