//! What a generation says of itself, for processes to come.

use super::PolicyError;
use super::names::LinkName;
use crate::{Counter, sys};
use l4c_manifest::Hook;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Format of [`Record`]; fields are only ever added.
const VERSION: u32 = 1;

/// Bytes of a value of the map that holds a record.
const VALUE_BYTES: u32 = 4096;

/// Symbol of that map, as `bpftool map` shows it.
const MAP_NAME: &str = "l4c_info";

/// A generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The generation that it took the place of and that rollback returns to.
    pub previous: Option<u64>,
    /// Its hooks that were loaded.
    pub hooks: Vec<HookRecord>,
    /// Every link that must run it.
    pub targets: Vec<Target>,
}

/// A hook of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRecord {
    /// What the object says of it.
    pub hook: Hook,
    /// When its counters began, in seconds since 1970.
    pub since_s: u64,
    /// What was counted in generations that have gone, by slot.
    pub base: Vec<Counter>,
    /// By slot: the slot of the same rule in the map `before`. Empty where there is no such map.
    pub before: Vec<Option<u32>>,
}

/// Where a generation runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the link's pin.
    pub link: LinkName,
    /// The hook whose program runs there.
    pub hook: String,
    /// How the link came to it.
    pub step: Step,
}

/// How a link comes to run a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Made for it.
    New,
    /// The policy's own, of the generation before.
    Own,
    /// Taken from another policy.
    Taken(String),
}

impl Record {
    /// A record of this version.
    pub fn new(previous: Option<u64>, hooks: Vec<HookRecord>, targets: Vec<Target>) -> Self {
        Self { version: VERSION, previous, hooks, targets }
    }

    /// The entry of a hook.
    pub fn hook(&self, name: &str) -> Option<&HookRecord> {
        self.hooks.iter().find(|h| h.hook.name == name)
    }

    /// The hook whose program runs at a link.
    pub fn hook_at(&self, link: LinkName) -> Option<&str> {
        self.targets.iter().find(|t| t.link == link).map(|t| t.hook.as_str())
    }

    /// Puts it where later processes find it.
    pub fn pin(&self, path: &Path) -> Result<(), PolicyError> {
        let text = serde_json::to_vec(self).expect("strings and numbers always serialize");
        let spec = sys::MapSpec::array(MAP_NAME, text.len(), VALUE_BYTES);
        let map = sys::create_frozen_array(&spec, &text);
        let pinned = map.and_then(|map| sys::pin(map.as_fd(), path));
        pinned.map_err(|e| PolicyError::at("write", path, &e))
    }

    /// Finds it again.
    pub fn read(path: &Path) -> io::Result<Self> {
        let map = sys::get(path)?;
        let text = sys::read_values(map.as_fd())?;
        let record: Self = serde_json::from_slice(&text)?;
        if record.version > VERSION {
            let why = "it was written by a newer version of l4c";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(record)
    }
}

impl HookRecord {
    /// When its counters began.
    pub fn since(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.since_s)
    }
}

/// Now, as records have it.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
