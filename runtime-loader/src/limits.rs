//! What programs are told of their limits: the section of parameters, filled in for where they run.

use crate::object::Rodata;
use crate::{KernelError, Object, ObjectError};
use l4c_manifest::{Limit, Manifest, PARAMS_SECTION, Params};
use std::hash::{BuildHasher as _, RandomState};

/// The limits of an object, in the order in which their parameters lie.
fn all(object: &Object) -> impl Iterator<Item = &Limit> {
    object.manifest().hooks.iter().flat_map(|hook| &hook.limits)
}

/// Does the object have room for the parameters, where it has limits at all?
///
/// # Errors
/// When the section has another size.
pub fn check(manifest: &Manifest, rodata: &[Rodata]) -> Result<(), ObjectError> {
    let wanted = manifest.hooks.iter().map(|hook| hook.limits.len()).sum::<usize>() * Params::BYTES;
    let section = rodata.iter().find(|table| table.name == PARAMS_SECTION);
    let bytes = section.map_or(0, |table| table.bytes.len());
    if bytes == wanted {
        return Ok(());
    }
    let why = format!("section {PARAMS_SECTION} has {bytes} bytes, and its limits take {wanted}");
    Err(ObjectError::Manifest(why))
}

/// The parameters for a dry run, where the time is what somebody says it is: a tick takes a nanosecond, and it is
/// never later than the clock shows. Keys are hashed as ever, so that a run can be repeated.
pub fn dry(object: &Object) -> Vec<u8> {
    filled(object, |limit| limit.params(limit.initial().seeds, 1, 0))
}

/// The parameters for programs that are to be attached: hashes that nobody outside can foresee, and this machine's
/// tick.
///
/// # Errors
/// When the machine does not say how long a tick takes.
pub fn live(object: &Object) -> Result<Vec<u8>, KernelError> {
    let tick_ns = tick_ns()?;
    Ok(filled(object, |limit| limit.params(seeds(), tick_ns, tick_ns)))
}

fn filled(object: &Object, params: impl Fn(&Limit) -> Params) -> Vec<u8> {
    let mut bytes = vec![0; all(object).count() * Params::BYTES];
    for limit in all(object) {
        let at = limit.params_off_bytes as usize;
        if let Some(place) = bytes.get_mut(at..at + Params::BYTES) {
            place.copy_from_slice(&params(limit).to_bytes());
        }
    }
    bytes
}

/// Two numbers out of the system's randomness, which the standard library's hash maps begin with.
fn seeds() -> [u64; 2] {
    [0u8, 1].map(|n| RandomState::new().hash_one(n))
}

/// Nanoseconds of a tick: the coarse clocks show nothing smaller (`KTIME_LOW_RES`).
pub fn tick_ns() -> Result<u64, KernelError> {
    let resolution = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    let ns = u64::try_from(resolution.tv_nsec).unwrap_or(0);
    if resolution.tv_sec == 0 && (1_000_000..=10_000_000).contains(&ns) {
        return Ok(ns);
    }
    Err(KernelError::new(format!("a tick of {} s {ns} ns is none", resolution.tv_sec)))
}
