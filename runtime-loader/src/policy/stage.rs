//! A generation made whole, then run: the two halves of every change.

use super::dir::PolicyDir;
use super::links::{self, Link};
use super::load::Plan;
use super::names::{self, LinkName};
use super::record::{Record, Step, Target};
use super::{Locked, PolicyError};
use crate::net::{self, XdpMode};
use crate::sys;
use l4c_manifest::Hook;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What is to be pinned where.
#[derive(Debug, Default)]
pub struct Pins(Vec<(OwnedFd, PathBuf)>);

impl Pins {
    /// Something that is open.
    pub fn borrow(&mut self, fd: BorrowedFd<'_>, path: PathBuf) -> Result<(), PolicyError> {
        let fd = fd.try_clone_to_owned();
        let fd = fd.map_err(|e| PolicyError::at("open once more", &path, &e))?;
        self.0.push((fd, path));
        Ok(())
    }

    /// Something that is pinned elsewhere.
    pub fn copy(&mut self, from: &Path, path: PathBuf) -> Result<(), PolicyError> {
        let fd = sys::get(from).map_err(|e| PolicyError::at("open", from, &e))?;
        self.0.push((fd, path));
        Ok(())
    }

    /// The counters of the generation that runs, for the one that takes its place.
    pub fn before(&mut self, plan: &Plan, hook: &Hook, folder: &Path) -> Result<(), PolicyError> {
        let Some((number, record)) = &plan.current else { return Ok(()) };
        if record.hook(&hook.name).is_none() {
            return Ok(());
        }
        let counters = plan.dir.hook(*number, &hook.name).join(names::COUNTERS);
        self.copy(&counters, folder.join(names::BEFORE))
    }
}

/// A generation to be.
pub struct Commit {
    pub number: u64,
    pub record: Record,
    pub pins: Pins,
}

/// A place where a link was made.
#[derive(Debug)]
pub struct Placed {
    pub link: LinkName,
    pub mode: XdpMode,
    /// Why the driver does not run the program, where that was wanted first.
    pub not_native: Option<io::Error>,
}

/// A generation that runs.
#[derive(Debug)]
pub struct Done {
    pub placed: Vec<Placed>,
    /// Why something of what ran before is still there. The next command removes it.
    pub left_over: Option<PolicyError>,
}

impl Locked {
    /// Makes a generation whole, lets every link run it and makes it the current one, which decides. After an
    /// error everything is as before; what can't be removed afterwards is no error.
    pub(super) fn run(&self, plan: &Plan, commit: Commit) -> Result<Done, PolicyError> {
        let Commit { number, record, pins } = commit;
        let dir = &plan.dir;
        if let Err(error) = stage(dir, number, &record, &pins) {
            return Err(with(error, dir.forget(number)));
        }
        let mut taken_off = Vec::new();
        let placed = self.place_all(plan, number, &record, &mut taken_off);
        match placed.and_then(|placed| dir.switch(number).map(|()| placed)) {
            Ok(placed) => {
                let cleared = self.forget_gone(plan, &record);
                let left_over = cleared.and(self.finish(dir, number, &record)).err();
                Ok(Done { placed, left_over })
            }
            Err(error) => {
                let error = with(error, self.put_back(dir, number, &record));
                Err(with(error, put_on_again(&taken_off)))
            }
        }
    }

    /// Removes links of interfaces that are not there any more.
    fn forget_gone(&self, plan: &Plan, record: &Record) -> Result<(), PolicyError> {
        let again = |link| record.targets.iter().any(|target| target.link == link);
        let mut gone = plan.gone.iter().filter(|&&link| !again(link));
        gone.try_for_each(|link| plan.dir.remove_entry(&link.to_string()))
    }

    fn place_all(
        &self,
        plan: &Plan,
        number: u64,
        record: &Record,
        taken_off: &mut Vec<TakenOff>,
    ) -> Result<Vec<Placed>, PolicyError> {
        let mut placed = Vec::new();
        for target in &record.targets {
            let done = self.place(plan, number, target, taken_off);
            let done = done.map_err(|e| {
                PolicyError::system(format!("cannot attach to {}: {e}", self.target(target.link)))
            })?;
            placed.extend(done);
        }
        Ok(placed)
    }

    /// Lets one link run the new generation.
    fn place(
        &self,
        plan: &Plan,
        number: u64,
        target: &Target,
        taken_off: &mut Vec<TakenOff>,
    ) -> Result<Option<Placed>, PolicyError> {
        let (dir, link) = (&plan.dir, target.link);
        let program = dir.program(number, &target.hook)?;
        let refused = |e: io::Error| PolicyError::system(e.to_string());
        match &target.step {
            Step::New => {
                for (_, foreign) in plan.foreign.iter().filter(|(at, _)| *at == link) {
                    let off = TakenOff::take(link.ifindex, foreign.mode, foreign.prog_id);
                    taken_off.push(off.map_err(refused)?);
                }
                if plan.gone.contains(&link) {
                    dir.remove_entry(&link.to_string())?;
                }
                let (mode, not_native) =
                    links::attach(dir, link, program.as_fd(), plan.mode).map_err(refused)?;
                return Ok(Some(Placed { link, mode, not_native }));
            }
            Step::Own => {}
            Step::Taken(from) => {
                let from = self.policy(from).link(link);
                fs::rename(from, dir.link(link)).map_err(refused)?;
            }
        }
        Link::open(dir, link)?.update(program.as_fd()).map_err(refused)?;
        Ok(None)
    }
}

/// Everything of a generation that processes to come look for; its record last.
fn stage(dir: &PolicyDir, number: u64, record: &Record, pins: &Pins) -> Result<(), PolicyError> {
    let hooks: Vec<&str> = record.hooks.iter().map(|h| h.hook.name.as_str()).collect();
    dir.make(number, &hooks)?;
    for (fd, path) in &pins.0 {
        sys::pin(fd.as_fd(), path).map_err(|e| PolicyError::at("pin", path, &e))?;
    }
    dir.name_hooks(record)?;
    record.pin(&dir.generation(number).join(names::INFO))
}

impl Done {
    /// What the user should know of what is left over.
    pub fn note(&self) -> Option<String> {
        let why = self.left_over.as_ref()?;
        Some(format!("the new rules run; the next command removes what is left of the old: {why}"))
    }
}

/// The first error, and what went wrong when it was dealt with.
fn with(error: PolicyError, then: Result<(), PolicyError>) -> PolicyError {
    match then {
        Ok(()) => error,
        Err(then) => error.and(&then),
    }
}

/// A program that was not ours and had to go.
struct TakenOff {
    ifindex: u32,
    mode: XdpMode,
    program: OwnedFd,
}

impl TakenOff {
    /// Takes a program off an interface: by netlink, or by its link if it has one.
    fn take(ifindex: u32, mode: XdpMode, prog_id: u32) -> io::Result<Self> {
        let program = sys::prog_by_id(prog_id)?;
        match net::set_xdp(ifindex, mode, None) {
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                let link = sys::find_xdp_link(ifindex, prog_id)?;
                sys::detach_link(link.as_fd())?;
            }
            other => other?,
        }
        Ok(Self { ifindex, mode, program })
    }
}

/// Puts back what was taken off.
fn put_on_again(taken_off: &[TakenOff]) -> Result<(), PolicyError> {
    for TakenOff { ifindex, mode, program } in taken_off {
        net::set_xdp(*ifindex, *mode, Some(program.as_fd())).map_err(|e| {
            PolicyError::system(format!("cannot put back the program of interface {ifindex}: {e}"))
        })?;
    }
    Ok(())
}
