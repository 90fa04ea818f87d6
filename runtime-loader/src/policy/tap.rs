//! The rings of one hook of one generation.

use super::PolicyError;
use super::names::LinkName;
use crate::kernel::cpus;
use crate::sys::{self, Ring};
use l4c_manifest::{Hook, SampleHead};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

/// A ring for each CPU, in the map of a hook.
#[derive(Debug)]
pub struct Tap {
    pub hook: Hook,
    /// Where the hook runs.
    pub places: Vec<LinkName>,
    /// One for each CPU. They go before the map does.
    pub rings: Vec<Ring>,
    /// Slots of the rules that are listened to; all that sample if there are none.
    slots: Vec<u32>,
    /// As long as this is open the rings are in it.
    _map: OwnedFd,
}

/// A sample, out of its ring.
#[derive(Debug)]
pub struct Caught {
    pub time_ns: u64,
    pub head: SampleHead,
    pub data: Vec<u8>,
}

impl Tap {
    /// Puts rings into the map that is pinned at `path`. `rule` is the name of the only one that is wanted.
    pub fn open(
        path: &Path,
        hook: &Hook,
        rule: Option<&str>,
        places: Vec<LinkName>,
    ) -> Result<Self, PolicyError> {
        let map = sys::get(path).map_err(|e| PolicyError::at("open", path, &e))?;
        sys::raise_memlock();
        let mut rings = Vec::new();
        for cpu in cpus::online().map_err(PolicyError::system)? {
            let put = || -> io::Result<Ring> {
                let ring = Ring::open(cpu)?;
                sys::set_element(map.as_fd(), cpu, ring.as_fd().as_raw_fd() as u32)?;
                Ok(ring)
            };
            rings.push(put().map_err(|e| {
                PolicyError::system(format!("the kernel gives no perf ring for CPU {cpu}: {e}"))
            })?);
        }
        let named = (0u32..).zip(&hook.rules).filter(|(_, of)| Some(of.name.as_str()) == rule);
        let slots = named.map(|(slot, _)| slot).collect();
        Ok(Self { hook: hook.clone(), places, rings, slots, _map: map })
    }

    /// Takes what is in the rings.
    pub fn drain(&mut self, mut each: impl FnMut(Caught)) {
        let Self { rings, slots, .. } = self;
        for ring in rings {
            ring.drain(|left| {
                let Some((head, data)) = SampleHead::split(left.bytes) else { return };
                if slots.is_empty() || slots.contains(&head.slot) {
                    each(Caught { time_ns: left.time_ns, head, data: data.to_vec() });
                }
            });
        }
    }

    /// How many samples there was no room for.
    pub fn lost(&self) -> u64 {
        self.rings.iter().map(Ring::lost).sum()
    }
}
