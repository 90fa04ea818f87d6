//! What an interrupted command left, finished or taken back.
//!
//! | found | done |
//! |---|---|
//! | the policy is to be taken off | that is finished |
//! | a generation after the current one, not whole | removed: no link can run it |
//! | a whole one, and every link runs it | it becomes the current one |
//! | a whole one, and not every link runs it | every link runs the current one again |
//! | a policy that nothing is left of | removed |

use super::dir::PolicyDir;
use super::links::{self, Link};
use super::record::{Record, Step, Target};
use super::root::stranger;
use super::{Locked, PolicyError};
use crate::sys;
use std::fs;
use std::os::fd::AsFd as _;

/// A policy that was put in order, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healed {
    /// The policy.
    pub policy: String,
    /// What was done, as a sentence.
    pub done: Result<&'static str, PolicyError>,
}

impl Locked {
    /// Puts every policy in order. Links that one policy took from another are decided over first: until then
    /// nobody knows whether a policy without links is one.
    pub(crate) fn heal(&mut self) -> Result<(), PolicyError> {
        for dir in self.entries()? {
            let healed = |error| Healed { policy: dir.name().to_owned(), done: Err(error) };
            self.healed.extend(stranger(dir.path())?.map(healed));
        }
        let policies = self.policies()?;
        self.healed_by(&policies, Self::decide);
        if self.healed.iter().all(|healed| healed.done.is_ok()) {
            self.healed_by(&policies, Self::tidy);
        }
        Ok(())
    }

    fn healed_by(
        &mut self,
        policies: &[PolicyDir],
        heal: fn(&Self, &PolicyDir) -> Result<Option<&'static str>, PolicyError>,
    ) {
        for dir in policies {
            let done = heal(self, dir).transpose();
            let healed = done.map(|done| Healed { policy: dir.name().to_owned(), done });
            self.healed.extend(healed);
        }
    }

    /// Whether a policy could be put in order.
    pub(crate) fn healthy(&self, policy: &str) -> Result<(), PolicyError> {
        match self.healed.iter().find(|h| h.policy == policy).map(|h| &h.done) {
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Finishes or takes back what was begun.
    fn decide(&self, dir: &PolicyDir) -> Result<Option<&'static str>, PolicyError> {
        if dir.is_ending()? {
            self.remove(dir)?;
            return Ok(Some("an interrupted unload was finished"));
        }
        let mut said = None;
        // The newest first: should `cur-gen` be missing, what the links run is found before what they ran.
        for number in dir.generations()?.into_iter().rev() {
            if dir.current()?.is_some_and(|current| number <= current) {
                break;
            }
            said = Some(self.settle(dir, number)?);
        }
        Ok(said)
    }

    /// Removes what nothing refers to.
    fn tidy(&self, dir: &PolicyDir) -> Result<Option<&'static str>, PolicyError> {
        let Some(current) = dir.current()? else {
            self.remove(dir)?;
            return Ok(None);
        };
        let Ok(record) = dir.record(current) else { return Ok(None) };
        if dir.links()?.is_empty() && !record.targets.is_empty() {
            dir.remove()?;
            return Ok(Some("nothing was attached any more: what was left of it was removed"));
        }
        // A generation that went only in part, names that were not made yet.
        dir.tidy(current, &record)?;
        Ok(None)
    }

    /// Decides over a generation that is not the current one yet.
    fn settle(&self, dir: &PolicyDir, number: u64) -> Result<&'static str, PolicyError> {
        if !dir.is_whole(number)? {
            dir.remove_generation(number)?;
            return Ok("an interrupted load was taken back before it had begun to run");
        }
        let record = dir.record(number)?;
        if runs_everywhere(dir, number, &record)? {
            dir.switch(number)?;
            self.finish(dir, number, &record)?;
            return Ok("an interrupted load was finished");
        }
        self.put_back(dir, number, &record)?;
        Ok("an interrupted load was taken back")
    }

    /// Generation `number` is the current one: what it took the place of goes.
    pub(crate) fn finish(
        &self,
        dir: &PolicyDir,
        number: u64,
        record: &Record,
    ) -> Result<(), PolicyError> {
        dir.tidy(number, record)?;
        for target in &record.targets {
            let Step::Taken(from) = &target.step else { continue };
            let from = self.policy(from);
            if from.links()?.is_empty() {
                from.remove()?;
            }
        }
        Ok(())
    }

    /// Takes generation `number` back: every link runs what it ran before, and those made for it go. Goes on
    /// past errors, and tells the first.
    pub(crate) fn put_back(
        &self,
        dir: &PolicyDir,
        number: u64,
        record: &Record,
    ) -> Result<(), PolicyError> {
        let mut result = Ok(());
        for target in &record.targets {
            let done = match &target.step {
                Step::New => links::take_off(dir, target.link),
                Step::Own => restore(dir, target),
                Step::Taken(from) => give_back(dir, &self.policy(from), target),
            };
            result = result.and(done);
        }
        result?;
        dir.forget(number)
    }

    /// Takes a policy off everywhere and removes all there is of it.
    pub(crate) fn remove(&self, dir: &PolicyDir) -> Result<(), PolicyError> {
        for link in dir.links()? {
            links::take_off(dir, link)?;
        }
        dir.remove()
    }
}

/// Do all links of a generation run it? One whose interface has gone is no obstacle.
fn runs_everywhere(dir: &PolicyDir, number: u64, record: &Record) -> Result<bool, PolicyError> {
    for target in &record.targets {
        if !dir.has_link(target.link)? {
            return Ok(false);
        }
        let link = Link::open(dir, target.link)?;
        if !link.gone && link.prog_id != prog_id(dir, number, &target.hook)? {
            return Ok(false);
        }
    }
    Ok(!record.targets.is_empty())
}

/// Number of a hook's program.
pub fn prog_id(dir: &PolicyDir, number: u64, hook: &str) -> Result<u32, PolicyError> {
    let program = dir.program(number, hook)?;
    let info = sys::prog_info(program.as_fd());
    Ok(info.map_err(|e| PolicyError::at("look at the program of", &dir.hook(number, hook), &e))?.id)
}

/// Lets a link of `dir` run the current generation again.
fn restore(dir: &PolicyDir, target: &Target) -> Result<(), PolicyError> {
    let Some(current) = dir.current()? else { return Ok(()) };
    if !dir.has_link(target.link)? {
        return Ok(());
    }
    let record = dir.record(current)?;
    let hook = record.hook_at(target.link).unwrap_or(&target.hook);
    let link = Link::open(dir, target.link)?;
    if link.gone || link.prog_id == prog_id(dir, current, hook)? {
        return Ok(());
    }
    let program = dir.program(current, hook)?;
    let updated = link.update(program.as_fd());
    updated.map_err(|e| PolicyError::at("update the link", &dir.link(target.link), &e))
}

/// Gives a link back to the policy that it was taken from.
fn give_back(dir: &PolicyDir, from: &PolicyDir, target: &Target) -> Result<(), PolicyError> {
    let (taken, own) = (dir.link(target.link), from.link(target.link));
    if dir.has_link(target.link)? {
        fs::rename(&taken, &own).map_err(|e| PolicyError::at("rename", &taken, &e))?;
    }
    restore(from, target)
}
