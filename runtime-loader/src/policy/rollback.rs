//! Back to the generation before.

use super::dir::PolicyDir;
use super::heal::prog_id;
use super::limits;
use super::links::Link;
use super::load::{Loaded, Plan, XdpChoice};
use super::names;
use super::record::{HookRecord, Record, Step, Target};
use super::stage::{Commit, Pins};
use super::stats::settled;
use super::{Locked, PolicyError, State, counts, sets};
use crate::sys;
use l4c_manifest::Hook;

impl Locked {
    /// Lets the version before run again, with its programs and what it kept: a rule that both versions have
    /// counts on, one that only the version before has goes on from where it was. The version that ran until
    /// now becomes the one before, so that a second rollback undoes the first.
    ///
    /// # Errors
    /// When there is no version before, or it has no hook for a place where the policy runs.
    pub fn rollback(&self, policy: &str) -> Result<Loaded, PolicyError> {
        let dir = self.policy(policy);
        let (now_number, now) = self.current(&dir)?;
        let Some(old_number) = now.previous else {
            return Err(PolicyError::system(format!(
                "policy `{policy}` has no version before: it was loaded once"
            )));
        };
        let old = dir.record(old_number)?;
        let plan = self.plan_back(dir, (now_number, now), &old)?;
        sys::wait_for_running_programs();
        let number = now_number + 1;
        if let Some((_, now)) = &plan.current {
            limits::bring_back(&plan.dir, (now_number, now), (old_number, &old))?;
            sets::bring_back(&plan.dir, (now_number, now), (old_number, &old))?;
        }
        let commit = commit(&plan, number, old_number, &old)?;
        let done = self.run(&plan, commit)?;
        let hooks: Vec<&Hook> = old.hooks.iter().map(|hook| &hook.hook).collect();
        let row = |target: &Target| {
            let id = prog_id(&plan.dir, number, &target.hook).unwrap_or(0);
            let mode = self.interface_mode(target.link);
            self.row(&plan.dir, &hooks, target, id, mode, State::Replaced)
        };
        let rows = plan.by_place().map(row).collect();
        Ok(Loaded { rows, anew: Vec::new(), notes: done.note().into_iter().collect() })
    }

    fn plan_back(
        &self,
        dir: PolicyDir,
        (now_number, now): (u64, Record),
        old: &Record,
    ) -> Result<Plan, PolicyError> {
        let (mut targets, mut gone) = (Vec::new(), Vec::new());
        for link in dir.links()? {
            if Link::open(&dir, link)?.gone {
                gone.push(link);
                continue;
            }
            let hook = old.hook_at(link).or(now.hook_at(link)).unwrap_or_default();
            if old.hook(hook).is_none() {
                let place = self.target(link);
                return Err(PolicyError::system(format!(
                    "policy `{}` runs at {place}, and its version before has no hook `{hook}` for it",
                    dir.name()
                ))
                .help(format!("`l4c unload --iface {place}` first, or load the rules you want")));
            }
            targets.push(Target { link, hook: hook.to_owned(), step: Step::Own });
        }
        let current = Some((now_number, now));
        Ok(Plan { dir, current, targets, gone, foreign: Vec::new(), mode: XdpChoice::Auto })
    }
}

/// The old generation once more, under a new number.
fn commit(plan: &Plan, number: u64, old_number: u64, old: &Record) -> Result<Commit, PolicyError> {
    let dir = &plan.dir;
    let mut pins = Pins::default();
    let mut records = Vec::new();
    for hook in &old.hooks {
        let (from, to) = (dir.hook(old_number, &hook.hook.name), dir.hook(number, &hook.hook.name));
        let samples = hook.hook.samples.as_ref().map(|_| names::SAMPLES);
        for name in [names::PROGRAM, names::COUNTERS].into_iter().chain(samples) {
            pins.copy(&from.join(name), to.join(name))?;
        }
        pins.before(plan, &hook.hook, &to)?;
        records.push(back(plan, old_number, hook)?);
    }
    let maps = dir.maps(old_number);
    let entries = maps.read_dir().map_err(|e| PolicyError::at("read", &maps, &e))?;
    for entry in entries.flatten() {
        pins.copy(&entry.path(), dir.maps(number).join(entry.file_name()))?;
    }
    let previous = plan.current.as_ref().map(|(number, _)| *number);
    Ok(Commit { number, record: Record::new(previous, records, plan.targets.clone()), pins })
}

fn back(plan: &Plan, old_number: u64, hook: &HookRecord) -> Result<HookRecord, PolicyError> {
    let settled = settled(&plan.dir, old_number, hook)?;
    let now = plan.current.as_ref().and_then(|(_, record)| record.hook(&hook.hook.name));
    Ok(match now {
        Some(now) => counts::back(hook, &settled, now),
        None => HookRecord { base: settled, before: Vec::new(), ..hook.clone() },
    })
}
