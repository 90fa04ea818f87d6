//! What programs are told of their limits and sets: the section of parameters, filled in for where they run.

use crate::object::Rodata;
use crate::{KernelError, Object, ObjectError, sets, sys};
use l4c_manifest::{
    Limit, LimitClock, Manifest, PARAMS_SECTION, Params, SPEED_SHIFT, STATE_BYTES, Set, Setting,
    State, Storage,
};
use rustix::time::{ClockId, clock_getres, clock_gettime};
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
    let limits = manifest.hooks.iter().map(|hook| hook.limits.len()).sum::<usize>();
    let wanted = limits * Params::BYTES + sets::all(manifest).len() * STATE_BYTES;
    let section = rodata.iter().find(|table| table.name == PARAMS_SECTION);
    let bytes = section.map_or(0, |table| table.bytes.len());
    if bytes == wanted {
        return Ok(());
    }
    let why = format!(
        "section {PARAMS_SECTION} has {bytes} bytes, and its limits and sets take {wanted}"
    );
    Err(ObjectError::Manifest(why))
}

/// The parameters for a dry run, where the time is what somebody says it is: a tick takes a nanosecond, and it is
/// never later than the clock shows. Keys are hashed as ever, so that a run can be repeated.
pub fn dry(object: &Object) -> Vec<u8> {
    filled(object, |limit| limit.params(limit.initial().seeds, 1, 0), |_| State::INITIAL)
}

/// The parameters for programs that are to be attached: hashes that nobody outside can foresee, and this machine's
/// tick. A limit of which `old` knows the parameters goes on with its buckets.
///
/// # Errors
/// When the machine does not say what time it is.
pub fn live(
    object: &Object,
    old: impl Fn(&Limit) -> Option<(Limit, Params)>,
    state: impl Fn(&Set) -> State,
) -> Result<Vec<u8>, KernelError> {
    if all(object).next().is_none() {
        return Ok(filled(object, Limit::initial, state));
    }
    let clocks = Clocks::now()?;
    let params = |limit: &Limit| match old(limit) {
        Some((was, params)) => carried(limit, (&was, params), &clocks),
        None => limit.params(seeds(), clocks.tick_ns, slack_ns(limit, &clocks)),
    };
    Ok(filled(object, params, state))
}

/// How much later it may be than a limit's clock shows.
pub fn slack_ns(limit: &Limit, clocks: &Clocks) -> u64 {
    match limit.clock {
        LimitClock::Coarse => clocks.tick_ns,
        LimitClock::Fine | LimitClock::Stopped => 0,
    }
}

/// Parameters for a limit that goes on with the buckets of one whose parameters are known: they owe what they owed.
pub fn carried(limit: &Limit, (was, params): (&Limit, Params), clocks: &Clocks) -> Params {
    if limit.storage == Storage::Flows {
        // Flows count until they said they would.
        return Params { tick_ns: clocks.tick_ns, ..params }.with(limit.flow_setting());
    }
    let old = params.setting();
    let from = old.time(clocks.of(was));
    let slack_ns = slack_ns(limit, clocks);
    let same = limit.rate == was.rate && limit.clock == was.clock;
    let paced = match limit.rate {
        Some(rate) if !same || old.speed != 0 => {
            old.at_rate(rate, (clocks.of(limit), from), slack_ns)
        }
        Some(_) | None => Ok(old),
    };
    match paced.and_then(|setting| setting.with_burst(limit.unit, limit.burst)) {
        Ok(setting) => Params { tick_ns: clocks.tick_ns, ..params }.with(setting),
        // What the buckets owe can't be told in such numbers: time goes on to where they are full.
        Err(_) => {
            let fresh = limit.params(params.seeds, clocks.tick_ns, slack_ns);
            let setting = fresh.setting();
            let speed = if setting.speed == 0 { 1 << SPEED_SHIFT } else { setting.speed };
            let from = from.saturating_add(old.burst.saturating_mul(2));
            let since_ns = clocks.of(limit);
            Params { active: params.active, ..fresh }.with(Setting {
                speed,
                since_ns,
                from,
                ..setting
            })
        }
    }
}

/// What the kernel's clocks show that limits look at.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    fine_ns: u64,
    ticks: u64,
    tick_ns: u64,
}

impl Clocks {
    /// Now.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn now() -> Result<Self, KernelError> {
        let now = clock_gettime(ClockId::Monotonic);
        let fine_ns = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let ticks = sys::ticks();
        let ticks = ticks.map_err(|e| KernelError::new(format!("ticks can't be read: {e}")))?;
        Ok(Self { fine_ns, ticks, tick_ns: tick_ns()? })
    }

    /// What the clock shows that a limit looks at, in nanoseconds.
    pub fn of(&self, limit: &Limit) -> u64 {
        match limit.clock {
            LimitClock::Fine => self.fine_ns,
            LimitClock::Coarse => self.ticks.wrapping_mul(self.tick_ns),
            LimitClock::Stopped => 0,
        }
    }
}

fn filled(
    object: &Object,
    params: impl Fn(&Limit) -> Params,
    state: impl Fn(&Set) -> State,
) -> Vec<u8> {
    let sets = sets::all(object.manifest());
    let mut bytes = vec![0; all(object).count() * Params::BYTES + sets.len() * STATE_BYTES];
    for limit in all(object) {
        let at = limit.params_off_bytes as usize;
        if let Some(place) = bytes.get_mut(at..at + Params::BYTES) {
            place.copy_from_slice(&params(limit).to_bytes());
        }
    }
    for set in sets {
        let at = set.state_off_bytes as usize;
        if let Some(place) = bytes.get_mut(at..at + STATE_BYTES) {
            place.copy_from_slice(&state(set).0.to_ne_bytes());
        }
    }
    bytes
}

/// Two numbers out of the system's randomness, which the standard library's hash maps begin with.
fn seeds() -> [u64; 2] {
    [0u8, 1].map(|n| RandomState::new().hash_one(n))
}

/// Nanoseconds of a tick: the coarse clocks show nothing smaller (`KTIME_LOW_RES`).
fn tick_ns() -> Result<u64, KernelError> {
    let resolution = clock_getres(ClockId::MonotonicCoarse);
    let ns = u64::try_from(resolution.tv_nsec).unwrap_or(0);
    if resolution.tv_sec == 0 && (1_000_000..=10_000_000).contains(&ns) {
        return Ok(ns);
    }
    Err(KernelError::new(format!("a tick of {} s {ns} ns is none", resolution.tv_sec)))
}
