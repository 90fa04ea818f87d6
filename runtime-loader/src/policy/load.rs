//! Loading a policy, over itself or anew.

use super::dir::PolicyDir;
use super::heal::prog_id;
use super::limits;
use super::links::Link;
use super::names::{self, LinkName};
use super::record::{HookRecord, Record, Step, Target, now_s};
use super::stage::{Commit, Pins};
use super::stats::settled;
use super::status::Foreign;
use super::{Locked, PolicyError, Row, State, counts, sets, stage};
use crate::kernel::{
    self,
    load::{Ifaces, Kept},
};
use crate::net::XdpMode;
use crate::{Object, sys};
use l4c_manifest::{Hook, HookKind, PARAMS_SECTION};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// How an XDP program is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XdpChoice {
    /// In the driver; if that refuses, in the network core.
    #[default]
    Auto,
    /// In the driver.
    Native,
    /// In the network core.
    Generic,
}

/// A hook and where it is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTarget {
    /// The hook.
    pub hook: String,
    /// Name of the interface.
    pub iface: String,
}

/// What is to be loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadRequest<'r> {
    /// Name of the policy.
    pub policy: &'r str,
    /// Its programs.
    pub object: &'r Object,
    /// Where they are to run, beside the places where the policy runs already.
    pub targets: &'r [HookTarget],
    /// How.
    pub mode: XdpChoice,
    /// Take the place of other policies.
    pub replace: bool,
    /// Take the place of programs that are not ours.
    pub replace_foreign: bool,
    /// Once this is set nothing is begun; what has begun to run is brought to its end.
    pub stop: &'r AtomicBool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Every place.
    pub rows: Vec<Row>,
    /// What starts anew though the policy was loaded: `HOOK RULE`.
    pub anew: Vec<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What is to become of the links, worked out before anything is changed.
pub struct Plan {
    pub dir: PolicyDir,
    pub current: Option<(u64, Record)>,
    pub targets: Vec<Target>,
    /// Links of interfaces that are not there any more.
    pub gone: Vec<LinkName>,
    /// Programs that are in the way and may be taken off.
    pub foreign: Vec<(LinkName, Foreign)>,
    pub mode: XdpChoice,
}

/// What is ready to be attached, and can still be dropped without a trace.
struct Prepared<'r> {
    plan: Plan,
    hooks: Vec<&'r Hook>,
    programs: kernel::load::Loaded,
    records: Vec<HookRecord>,
    anew: Vec<String>,
    params: Vec<u8>,
}

impl Locked {
    /// Lets the kernel verify the programs and looks at the places, and changes nothing.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn check(&self, request: &LoadRequest<'_>) -> Result<Loaded, PolicyError> {
        let Prepared { plan, hooks, anew, .. } = self.prepare(request)?;
        let row = |target: &Target| {
            let new = target.step == Step::New;
            let state = if new { State::WouldAttach } else { State::WouldReplace };
            self.row(&plan.dir, &hooks, target, 0, None, state)
        };
        let rows = plan.by_place().map(row).collect();
        Ok(Loaded { rows, anew, notes: self.notes(&plan, &[]) })
    }

    /// Loads a policy and attaches it; where it is loaded already, each link is updated in one step and its
    /// counters count on. After an error everything is as it was before.
    ///
    /// # Errors
    /// When the kernel takes a program not, when a place is not there or not free, when the policy runs in
    /// places for which the object has no hook.
    pub fn load(&self, request: &LoadRequest<'_>) -> Result<Loaded, PolicyError> {
        let Prepared { plan, hooks, programs, records, anew, params } = self.prepare(request)?;
        if request.stop.load(Ordering::Relaxed) {
            return Err(PolicyError::system("interrupted: nothing was changed"));
        }
        sets::declare(&programs, request.object, &params)?;
        let dir = &plan.dir;
        let number = dir.generations()?.last().map_or(1, |last| last + 1);
        let pins = pins(&plan, number, request.object, &hooks, &programs)?;
        let previous = plan.current.as_ref().map(|(number, _)| *number);
        let record = Record::new(previous, records, plan.targets.clone());
        let done = self.run(&plan, Commit { number, record, pins })?;
        let row = |target: &Target| {
            let id = prog_id(dir, number, &target.hook).unwrap_or(0);
            let placed = done.placed.iter().find(|p| p.link == target.link).map(|p| p.mode);
            let mode = placed.or_else(|| self.interface_mode(target.link));
            let new = target.step == Step::New;
            let state = if new { State::Attached } else { State::Replaced };
            self.row(dir, &hooks, target, id, mode, state)
        };
        let rows = plan.by_place().map(row).collect();
        let mut notes = self.notes(&plan, &done.placed);
        notes.extend(done.note());
        Ok(Loaded { rows, anew, notes })
    }

    fn prepare<'r>(&self, request: &LoadRequest<'r>) -> Result<Prepared<'r>, PolicyError> {
        let plan = self.plan(request)?;
        let hooks = hooks(request.object, &plan.targets);
        let (kept, mut anew) = kept_maps(&plan, request.object)?;
        let params = limits::params(&plan, request.object, &kept)?;
        let programs =
            kernel::load::Loaded::new(request.object, &hooks, kept, Ifaces::Live, params.clone())?;
        let (records, rules) = follow(&plan, &hooks)?;
        anew.extend(rules);
        Ok(Prepared { plan, hooks, programs, records, anew, params })
    }

    /// What is told of a place.
    pub(super) fn row(
        &self,
        dir: &PolicyDir,
        hooks: &[&Hook],
        target: &Target,
        prog_id: u32,
        mode: Option<XdpMode>,
        state: State,
    ) -> Row {
        Row {
            policy: dir.name().to_owned(),
            hook: target.hook.clone(),
            kind: HookKind::Xdp,
            target: self.target(target.link),
            mode,
            prog_id,
            state,
            shadow: hooks.iter().any(|h| h.name == target.hook && h.shadow),
            since: None,
        }
    }

    fn notes(&self, plan: &Plan, done: &[stage::Placed]) -> Vec<String> {
        let mut notes = Vec::new();
        for placed in done {
            let Some(why) = &placed.not_native else { continue };
            notes.push(format!(
                "{}: the driver does not run XDP programs ({why}), so the network core does: generic mode, \
                 slower",
                self.target(placed.link)
            ));
        }
        for (link, foreign) in &plan.foreign {
            notes.push(format!("{}: in the place of {}", self.target(*link), foreign.text()));
        }
        for target in &plan.targets {
            let Step::Taken(from) = &target.step else { continue };
            notes.push(format!("{}: takes the place of policy `{from}`", self.target(target.link)));
        }
        notes
    }
}

/// The hooks that run somewhere, in the order of the object.
fn hooks<'o>(object: &'o Object, targets: &[Target]) -> Vec<&'o Hook> {
    let hooks = object.manifest().hooks.iter();
    hooks.filter(|hook| targets.iter().any(|target| target.hook == hook.name)).collect()
}

/// Everything of a generation that is to be pinned.
fn pins(
    plan: &Plan,
    number: u64,
    object: &Object,
    hooks: &[&Hook],
    programs: &kernel::load::Loaded,
) -> Result<Pins, PolicyError> {
    let dir = &plan.dir;
    let mut pins = Pins::default();
    for hook in hooks {
        let folder = dir.hook(number, &hook.name);
        pins.borrow(programs.program(hook)?, folder.join(names::PROGRAM))?;
        pins.borrow(programs.counters(hook)?, folder.join(names::COUNTERS))?;
        pins.before(plan, hook, &folder)?;
        if let Some(map) = hook.samples.as_ref().and_then(|samples| programs.map(&samples.map)) {
            pins.borrow(map, folder.join(names::SAMPLES))?;
        }
    }
    for map in object.manifest().maps.iter().filter(|map| map.keeps) {
        let Some(fd) = programs.map(&map.name) else { continue };
        pins.borrow(fd, dir.maps(number).join(&map.name))?;
    }
    if let Some(params) = programs.map(PARAMS_SECTION) {
        pins.borrow(params, dir.maps(number).join(names::PARAMS))?;
    }
    Ok(pins)
}

/// The counters of each hook, carried on from the current generation; and what starts anew.
fn follow(plan: &Plan, hooks: &[&Hook]) -> Result<(Vec<HookRecord>, Vec<String>), PolicyError> {
    let (mut records, mut anew) = (Vec::new(), Vec::new());
    if plan.current.as_ref().is_some_and(|(_, r)| r.hooks.iter().any(|h| !h.before.is_empty())) {
        // The generation before the current one may have been replaced a moment ago.
        sys::wait_for_running_programs();
    }
    for hook in hooks {
        let old = plan.current.as_ref().and_then(|(n, r)| Some((n, r.hook(&hook.name)?)));
        let Some((number, old)) = old else {
            records.push(counts::fresh(hook, now_s()));
            continue;
        };
        let (record, rules) = counts::follow(hook, old, &settled(&plan.dir, *number, old)?);
        anew.extend(rules.into_iter().map(|rule| format!("{} {rule}", hook.name)));
        records.push(record);
    }
    Ok((records, anew))
}

/// Maps of the current generation that the object goes on with; and those that it can't go on with, by name.
///
/// The verifier looks at keys and values only, so that whether a map is what the object asks for is ours to
/// compare.
fn kept_maps(plan: &Plan, object: &Object) -> Result<(Vec<Kept>, Vec<String>), PolicyError> {
    let (mut kept, mut anew) = (Vec::new(), Vec::new());
    let Some((number, _)) = &plan.current else { return Ok((kept, anew)) };
    for map in object.manifest().maps.iter().filter(|map| map.keeps) {
        let path = plan.dir.maps(*number).join(&map.name);
        if !path.exists() {
            continue;
        }
        let at = |e: std::io::Error| PolicyError::at("open", &path, &e);
        let old = sys::get(&path).map_err(at)?;
        let info = sys::map_info(old.as_fd()).map_err(at)?;
        let same = info.kind == map.kind.number()
            && info.key_bytes == map.key_bytes
            && info.value_bytes == map.value_bytes
            && info.max_entries == map.max_entries
            && info.flags == map.flags;
        if same {
            kept.push(Kept { name: map.name.clone(), map: old });
        } else {
            anew.push(map.name.clone());
        }
    }
    Ok((kept, anew))
}

impl Plan {
    /// The targets in the order that reports have, which is not that in which links are made.
    pub(super) fn by_place(&self) -> impl Iterator<Item = &Target> {
        let mut targets: Vec<&Target> = self.targets.iter().collect();
        targets.sort_by_key(|target| target.link);
        targets.into_iter()
    }

    /// Does a link that exists run in another way than the user asks for?
    pub(super) fn check_mode(
        &self,
        locked: &Locked,
        dir: &PolicyDir,
        link: LinkName,
    ) -> Result<(), PolicyError> {
        let wanted = match self.mode {
            XdpChoice::Auto => return Ok(()),
            XdpChoice::Native => XdpMode::Native,
            XdpChoice::Generic => XdpMode::Generic,
        };
        let is = Link::open(dir, link).ok().and_then(|l| locked.mode(link, l.prog_id));
        match is {
            Some(mode) if mode != wanted => Err(PolicyError::system(format!(
                "{} runs in {} mode, and the mode can't be changed without a gap",
                locked.target(link),
                mode.name()
            ))
            .help("leave `--xdp-mode` out to keep the mode, or `l4c unload` first")),
            _ => Ok(()),
        }
    }
}
