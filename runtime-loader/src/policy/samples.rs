//! Listening to what rules sample.
//!
//! A hook's map of perf rings is pinned beside its program. Whoever listens puts a ring for each CPU into it; the
//! kernel takes them out again when the listener's map is closed, however that comes about, and from then on a
//! sample costs its rule next to nothing. A generation that takes the place of another has a map of its own: a
//! listener finds it by `cur-gen`, and stays with the old one until no packet can be in it any more.

use super::dir::{PolicyDir, names_in};
use super::names;
use super::record::Record;
use super::root::stranger;
use super::tap::{Caught, Tap};
use super::{Locked, PolicyError};
use crate::net::{self, Interface};
use l4c_manifest::{Hook, Rule};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a listener looks whether what it listens to has been replaced.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// So long a packet may still be in a program that has been replaced.
const STAY: Duration = Duration::from_secs(1);

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleRequest<'r> {
    /// Samples of this policy; of all if none is named.
    pub policy: Option<&'r str>,
    /// Samples of the rules with this name; of all that sample if none is given.
    pub rule: Option<&'r str>,
}

/// A packet that a rule picked.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'s> {
    /// The policy.
    pub policy: &'s str,
    /// The hook.
    pub hook: &'s Hook,
    /// The rule.
    pub rule: &'s Rule,
    /// Name of the interface that it came in by; its number where it is not of this network namespace.
    pub interface: &'s str,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Its length, as the hook sees it.
    pub packet_bytes: u32,
    /// Its first bytes: as many as the rule keeps.
    pub data: &'s [u8],
}

/// Listens to loaded policies.
#[derive(Debug)]
pub struct Listener {
    root: PathBuf,
    policy: Option<String>,
    rule: Option<String>,
    netns: u64,
    sources: Vec<Source>,
    interfaces: Vec<Interface>,
    looked: Instant,
    /// What was lost in rings that are closed.
    lost_before: u64,
    /// Policies that come from now on, and that somebody else listens to, are left to them.
    begun: bool,
}

/// A policy that is listened to.
#[derive(Debug)]
struct Source {
    dir: PolicyDir,
    /// Held: two listeners would take the packets from each other.
    lock: File,
    /// The folder of the generation that runs.
    generation: u64,
    taps: Vec<Tap>,
    /// Those of generations that were replaced, and when.
    old: Vec<(Instant, Tap)>,
}

impl Locked {
    /// Begins to listen, and lets other commands go on.
    ///
    /// # Errors
    /// When nothing of what is wanted samples, when somebody else listens already, or when the kernel does not
    /// give perf rings.
    pub fn listen(self, request: SampleRequest<'_>) -> Result<Listener, PolicyError> {
        if let Some(policy) = request.policy {
            // Tells what is wrong with it, too.
            self.current(&self.policy(policy))?;
        }
        let mut listener = Listener {
            root: self.path().to_owned(),
            policy: request.policy.map(str::to_owned),
            rule: request.rule.map(str::to_owned),
            netns: self.netns,
            sources: Vec::new(),
            interfaces: self.interfaces.clone(),
            looked: Instant::now(),
            lost_before: 0,
            begun: false,
        };
        listener.check()?;
        listener.look()?;
        listener.begun = true;
        Ok(listener)
    }
}

impl Listener {
    /// Waits for samples, no longer than `patience`, and hands on what has come, in the order of time. Says
    /// whether any policy that is listened to is still loaded.
    ///
    /// # Errors
    /// When a generation that takes the place of another can't be listened to.
    pub fn next(
        &mut self,
        patience: Duration,
        mut each: impl FnMut(Sample<'_>),
    ) -> Result<bool, PolicyError> {
        self.wait(patience);
        self.drain(&mut each);
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            self.look()?;
        }
        Ok(!self.sources.is_empty())
    }

    /// Names of the policies that are listened to.
    #[must_use]
    pub fn policies(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.dir.name().to_owned()).collect()
    }

    /// How many samples there was no room for.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let taps = self.sources.iter().flat_map(Source::taps);
        self.lost_before + taps.map(Tap::lost).sum::<u64>()
    }

    fn wait(&self, patience: Duration) {
        let rings = self.sources.iter().flat_map(Source::taps).flat_map(|tap| &tap.rings);
        let mut fds: Vec<PollFd<'_>> = rings.map(|ring| PollFd::new(ring, PollFlags::IN)).collect();
        let patience = Timespec::try_from(patience).ok();
        // A signal ends the wait, as time does: the caller looks what for.
        let _ = poll(&mut fds, patience.as_ref());
    }

    fn drain(&mut self, each: &mut dyn FnMut(Sample<'_>)) {
        let mut caught: Vec<(usize, usize, Caught)> = Vec::new();
        for (source_at, source) in self.sources.iter_mut().enumerate() {
            for (tap_at, tap) in source.taps_mut().enumerate() {
                tap.drain(|sample| caught.push((source_at, tap_at, sample)));
            }
        }
        caught.sort_by_key(|(_, _, caught)| caught.time_ns);
        self.name_interfaces(&caught);
        for (source_at, tap_at, caught) in &caught {
            let source = &self.sources[*source_at];
            let Some(tap) = source.taps().nth(*tap_at) else { continue };
            let Some(rule) = tap.hook.rules.get(caught.head.slot as usize) else { continue };
            each(Sample {
                policy: source.dir.name(),
                hook: &tap.hook,
                rule,
                interface: &self.interface(tap, caught.head.ifindex),
                time_ns: caught.time_ns,
                packet_bytes: caught.head.packet_bytes,
                data: &caught.data,
            });
        }
    }

    /// Interfaces may have come since the list was made.
    fn name_interfaces(&mut self, caught: &[(usize, usize, Caught)]) {
        let known = |index: u32| self.interfaces.iter().any(|i| i.index == index);
        if caught.iter().any(|(_, _, caught)| !known(caught.head.ifindex))
            && let Ok(interfaces) = net::interfaces()
        {
            self.interfaces = interfaces;
        }
    }

    /// An interface's name, if it is one of this network namespace at which the hook runs.
    fn interface(&self, tap: &Tap, index: u32) -> String {
        let here = tap.places.iter().any(|at| at.ifindex == index && at.netns == self.netns);
        let interface = self.interfaces.iter().find(|i| here && i.index == index);
        interface.map_or_else(|| format!("interface {index}"), |i| i.name.clone())
    }

    /// Policies that are wanted, by name.
    fn wanted(&self) -> Result<Vec<PolicyDir>, PolicyError> {
        let names = match &self.policy {
            Some(policy) => vec![policy.clone()],
            None => match names_in(&self.root) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                other => other.map_err(|e| PolicyError::at("read", &self.root, &e))?,
            },
        };
        Ok(names.iter().map(|name| PolicyDir::new(&self.root, name)).collect())
    }

    /// Is there anything to listen to?
    fn check(&self) -> Result<(), PolicyError> {
        let (mut rules, mut sampling, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
        for dir in self.wanted()? {
            let Some((_, record)) = running(&dir) else { continue };
            loaded.push(dir.name().to_owned());
            for hook in record.hooks.iter().map(|hook| &hook.hook) {
                rules.extend(hook.rules.iter().map(|rule| rule.name.clone()));
                sampling.extend(sampled(hook).map(|rule| rule.name.clone()));
            }
        }
        let add = "add `sample 1/100` to the actions of a rule, and load the rules again";
        match &self.rule {
            None if loaded.is_empty() => {
                Err(PolicyError::system("nothing is loaded that could be listened to")
                    .help("`l4c load` loads rules"))
            }
            None if sampling.is_empty() => {
                let names = loaded.join(", ");
                Err(PolicyError::usage(format!("no rule of {names} samples")).help(add))
            }
            Some(rule) if !rules.contains(rule) => {
                let known =
                    if sampling.is_empty() { "none does".to_owned() } else { sampling.join(", ") };
                Err(PolicyError::usage(format!("no loaded rule is called `{rule}`"))
                    .help(format!("rules that sample: {known}")))
            }
            Some(rule) if !sampling.contains(rule) => {
                Err(PolicyError::usage(format!("rule `{rule}` does not sample")).help(format!(
                    "add `sample 1/100` to the actions of `{rule}`, and load the rules again"
                )))
            }
            None | Some(_) => Ok(()),
        }
    }

    /// Goes on with generations that took the place of others, and leaves policies that are gone.
    fn look(&mut self) -> Result<(), PolicyError> {
        self.leave();
        for dir in self.wanted()? {
            let Some(generation) = generation(&dir) else { continue };
            let known = self.sources.iter().position(|source| source.dir == dir);
            if known.is_some_and(|at| self.sources[at].generation == generation) {
                continue;
            }
            // Before there are rings in its map: they would take the place of somebody else's.
            let lock = match known {
                Some(_) => None,
                None => match lock(&dir) {
                    Err(_) if self.begun => continue,
                    Err(error) => return Err(error),
                    Ok(None) => continue,
                    Ok(lock) => lock,
                },
            };
            let Some((generation, record)) = running(&dir) else { continue };
            let Some(taps) = self.taps(&dir, &record)? else { continue };
            match (known, lock) {
                (Some(at), _) => self.sources[at].go_on(generation, taps),
                (None, Some(lock)) => {
                    self.sources.push(Source { dir, lock, generation, taps, old: Vec::new() });
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Leaves what no packet comes from any more.
    fn leave(&mut self) {
        let mut lost = 0;
        for source in &mut self.sources {
            source.old.retain(|(since, tap)| {
                let stays = since.elapsed() < STAY;
                lost += if stays { 0 } else { tap.lost() };
                stays
            });
        }
        self.sources.retain(|source| {
            let stays = source.is_there();
            lost += if stays { 0 } else { source.taps().map(Tap::lost).sum() };
            stays
        });
        self.lost_before += lost;
    }

    /// Rings for all that a generation samples; none if it has gone meanwhile.
    fn taps(&self, dir: &PolicyDir, record: &Record) -> Result<Option<Vec<Tap>>, PolicyError> {
        let mut taps = Vec::new();
        let Some(number) = dir.current()? else { return Ok(None) };
        for hook in record.hooks.iter().map(|hook| &hook.hook) {
            let wanted = |rule: &&Rule| self.rule.as_ref().is_none_or(|name| *name == rule.name);
            if !sampled(hook).any(|rule| wanted(&rule)) {
                continue;
            }
            let path = dir.hook(number, &hook.name).join(names::SAMPLES);
            let places = record.targets.iter().filter(|t| t.hook == hook.name).map(|t| t.link);
            match Tap::open(&path, hook, self.rule.as_deref(), places.collect()) {
                Ok(tap) => taps.push(tap),
                // Replaced or taken off a moment ago: found out at the next look.
                Err(_) if running(dir).is_none_or(|(_, now)| now != *record) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(taps))
    }
}

impl Source {
    fn taps(&self) -> impl Iterator<Item = &Tap> {
        self.taps.iter().chain(self.old.iter().map(|(_, tap)| tap))
    }

    fn taps_mut(&mut self) -> impl Iterator<Item = &mut Tap> {
        self.taps.iter_mut().chain(self.old.iter_mut().map(|(_, tap)| tap))
    }

    fn go_on(&mut self, generation: u64, taps: Vec<Tap>) {
        let old = std::mem::replace(&mut self.taps, taps);
        self.old.extend(old.into_iter().map(|tap| (Instant::now(), tap)));
        self.generation = generation;
    }

    /// Is it still the folder that is locked, or has the policy been taken off?
    fn is_there(&self) -> bool {
        let inode = |data: std::io::Result<fs::Metadata>| data.ok().map(|data| data.ino());
        let now = inode(fs::symlink_metadata(self.dir.path()));
        now.is_some() && now == inode(self.lock.metadata())
    }
}

/// The rules of a hook that sample.
fn sampled(hook: &Hook) -> impl Iterator<Item = &Rule> {
    let slots = hook.samples.iter().flat_map(|samples| &samples.slots);
    slots.filter_map(|&slot| hook.rules.get(slot as usize))
}

/// The generation of a policy that runs, by the inode of its folder; none where there is no policy of ours.
fn generation(dir: &PolicyDir) -> Option<u64> {
    if stranger(dir.path()).ok()?.is_some() {
        return None;
    }
    let number = dir.current().ok()??;
    Some(fs::metadata(dir.generation(number)).ok()?.ino())
}

/// The same, with what it says of itself.
fn running(dir: &PolicyDir) -> Option<(u64, Record)> {
    let inode = generation(dir)?;
    Some((inode, dir.record(dir.current().ok()??).ok()?))
}

/// Locks a policy for a listener; none if the policy has gone meanwhile.
fn lock(dir: &PolicyDir) -> Result<Option<File>, PolicyError> {
    let folder = match File::open(dir.path()) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| PolicyError::at("open", dir.path(), &e))?,
    };
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(PolicyError::system(format!("somebody listens to policy `{}` already", dir.name()))
                .help("one at a time: a packet is copied to one ring"))
        }
        Err(e) => Err(PolicyError::at("lock", dir.path(), &e.into())),
        Ok(()) => Ok(Some(folder)),
    }
}
