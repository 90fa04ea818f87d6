//! The machine under test: two interfaces and a pin folder. What is found is found without l4c.

use crate::report::Ran;
use crate::scenario::{IFACES, Scenario, Scene, Version};
use crate::strace::{self, Injection};
use l4c_runtime::Object;
use l4c_runtime::policy::{HookTarget, LoadRequest, State, Unload, XdpChoice};
use l4c_verifier_tests::wire::{Class, KernelId, Lab, compiled, json, until};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The kernel lets go of what nobody holds when it has time for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Interfaces, a pin folder, the rules.
pub struct World<'l> {
    lab: &'l Lab,
    l4c: String,
    folder: PathBuf,
    hook: String,
    objects: [Object; 2],
    /// The kernel's fingerprints of the two versions' programs.
    tags: [String; 2],
}

/// Which version runs on each interface, of whichever policy.
pub type Versions = [Option<Version>; IFACES.len()];

/// A program on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    id: u64,
    tag: String,
}

impl<'l> World<'l> {
    /// In the namespace of the lab's receiver.
    pub fn new(lab: &'l Lab, l4c: &Path, hook: &str) -> Result<Self, String> {
        let rules = |rules: &str| format!("hook xdp {hook} {{\n    default pass\n{rules}}}\n");
        // Rules that a verifier is soon done with, also where a fault hides from the loader what it knows.
        let texts = [
            rules("    a: eth.type == 0x7001 -> drop\n"),
            rules("    a: eth.type == 0x7002 -> drop\n    b: eth.type == 0x7003 -> drop\n"),
        ];
        let folder = std::env::temp_dir().join(format!("l4c-{hook}"));
        let said = |e: std::io::Error| format!("{}: {e}", folder.display());
        fs::create_dir_all(&folder).map_err(said)?;
        for (name, text) in ["one.l4", "two.l4"].iter().zip(&texts) {
            fs::write(folder.join(name), text).map_err(said)?;
        }
        let objects = [compiled(&texts[0])?, compiled(&texts[1])?];
        let l4c = l4c.display().to_string();
        let tags = [String::new(), String::new()];
        let mut world = Self { lab, l4c, folder, hook: hook.to_owned(), objects, tags };
        for version in [Version::One, Version::Two] {
            world.load("p", version, 1)?;
            let found = world.programs()?[0].clone().ok_or("nothing runs after a load")?;
            world.tags[version as usize] = found.tag;
        }
        if world.tags[0] == world.tags[1] {
            return Err("the two versions are one program".to_owned());
        }
        world.clear()?;
        Ok(world)
    }

    /// Loads by the library, which is faster.
    fn load(&self, policy: &str, version: Version, ifaces: usize) -> Result<(), String> {
        let target = |iface: &&str| HookTarget { hook: self.hook.clone(), iface: (*iface).into() };
        let targets: Vec<HookTarget> = IFACES[..ifaces].iter().map(target).collect();
        let stop = AtomicBool::new(false);
        let request = LoadRequest {
            policy,
            object: &self.objects[version as usize],
            targets: &targets,
            mode: XdpChoice::Auto,
            replace: true,
            replace_foreign: false,
            stop: &stop,
        };
        let loaded = self.lab.pins.open()?.load(&request);
        loaded.map(drop).map_err(|e| format!("load of policy `{policy}`: {e}"))
    }

    /// A command line with everything in it.
    pub fn command<'a>(&'a self, words: &[&'a str], pins: &'a str) -> Vec<&'a str> {
        [&[self.l4c.as_str()][..], words, &["--pin", pins]].concat()
    }

    fn pins(&self) -> String {
        self.lab.pins.path().display().to_string()
    }

    /// Where the command that comes before the scenario's own is killed.
    pub fn interruption(&self, scenario: &Scenario) -> Result<Option<Injection>, String> {
        let Some((words, beginning)) = scenario.interrupted else { return Ok(None) };
        self.prepare(scenario, None)?;
        let calls = strace::calls(&self.folder, &self.command(words, &self.pins()))?;
        self.clear()?;
        strace::at_last(&calls, beginning).map(Some)
    }

    /// The calls that a scenario's command makes, undisturbed.
    pub fn calls(
        &self,
        scenario: &Scenario,
        interruption: Option<Injection>,
    ) -> Result<Vec<String>, String> {
        self.prepare(scenario, interruption)?;
        let calls = strace::calls(&self.folder, &self.command(scenario.command, &self.pins()))?;
        self.is(&scenario.after)?;
        self.clear()?;
        Ok(calls)
    }

    /// Makes the old state, and what an interrupted command made of it. Tells what runs.
    pub fn prepare(
        &self,
        scenario: &Scenario,
        interruption: Option<Injection>,
    ) -> Result<Versions, String> {
        // A first load makes the pin folder too.
        match fs::remove_dir(self.lab.pins.path()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {e}", self.pins()));
            }
            Ok(()) | Err(_) => {}
        }
        for (policy, version, ifaces) in scenario.setup {
            self.load(policy, *version, *ifaces)?;
        }
        self.is(&scenario.before)?;
        let Some(((words, _), injection)) = scenario.interrupted.zip(interruption) else {
            return Ok(versions_of(&scenario.before));
        };
        let ended = strace::run(&self.folder, &self.command(words, &self.pins()), injection)?;
        if ended.end != strace::End::Killed {
            return Err(format!("{injection} did not end it: {}", ended.words));
        }
        self.versions()
    }

    /// Runs the scenario's command with a fault.
    pub fn run(&self, scenario: &Scenario, injection: Injection) -> Result<strace::Ended, String> {
        let pins = self.pins();
        strace::run(&self.folder, &self.command(scenario.command, &pins), injection)
    }

    /// The XDP program on each interface, as iproute2 finds it.
    fn programs(&self) -> Result<[Option<Program>; IFACES.len()], String> {
        let shown = json("ip", &["-j", "link", "show"])?;
        let all = shown.as_array().ok_or("ip prints no list")?;
        let program = |iface: &str| {
            let one = all.iter().find(|one| one["ifname"] == iface);
            let xdp = &one.ok_or_else(|| format!("{iface} is not there"))?["xdp"];
            let attached: Vec<_> = xdp["attached"].as_array().into_iter().flatten().collect();
            match attached[..] {
                [] => Ok(None),
                [one] => {
                    let id = one["prog"]["id"].as_u64().unwrap_or_default();
                    let tag = one["prog"]["tag"].as_str().unwrap_or_default().to_owned();
                    Ok(Some(Program { id, tag }))
                }
                [..] => Err(format!("{iface} runs several programs: {xdp}")),
            }
        };
        Ok([program(IFACES[0])?, program(IFACES[1])?])
    }

    fn versions(&self) -> Result<Versions, String> {
        let version = |program: Option<Program>| match program {
            None => Ok(None),
            Some(Program { tag, .. }) if tag == self.tags[0] => Ok(Some(Version::One)),
            Some(Program { tag, .. }) if tag == self.tags[1] => Ok(Some(Version::Two)),
            Some(other) => Err(format!("a strange program: {other:?}")),
        };
        let [first, second] = self.programs()?;
        Ok([version(first)?, version(second)?])
    }

    /// On each interface one of two things runs, whatever happened a moment ago.
    pub fn is_between(&self, found_before: Versions, after: &Scene) -> Result<(), String> {
        let after = versions_of(after);
        until(PATIENCE, || {
            let found = self.versions()?;
            let mut wrong = Vec::new();
            for (at, iface) in IFACES.iter().enumerate() {
                if found[at] != found_before[at] && found[at] != after[at] {
                    wrong.push(format!("{iface} runs {:?}", found[at]));
                }
            }
            Ok((!wrong.is_empty()).then(|| wrong.join(", ")))
        })
    }

    /// Is this what runs?
    pub fn runs(&self, scene: &Scene) -> Result<(), String> {
        until(PATIENCE, || {
            let (found, wanted) = (self.versions()?, versions_of(scene));
            Ok((found != wanted).then(|| format!("{found:?} runs, and not {wanted:?}")))
        })
    }

    /// Which of the two scenes is it that runs?
    pub fn which(&self, scenario: &Scenario) -> Result<Ran, String> {
        let mut ran = Ran::Old;
        until(PATIENCE, || {
            let found = self.versions()?;
            let is_old = found == versions_of(&scenario.before);
            ran = if is_old { Ran::Old } else { Ran::New };
            let is_either = is_old || found == versions_of(&scenario.after);
            Ok((!is_either).then(|| format!("{found:?} runs after the next command")))
        })?;
        Ok(ran)
    }

    /// Is this what runs, and are the pin folder and the kernel of one mind?
    pub fn is(&self, scene: &Scene) -> Result<(), String> {
        self.runs(scene)?;
        let programs = self.programs()?;
        let mut policies: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (runs, program) in scene.iter().zip(programs) {
            let (Some((policy, _)), Some(program)) = (runs, program) else { continue };
            policies.entry(policy).or_default().push(program.id);
        }
        let folders = entries(self.lab.pins.path())?;
        let expected: BTreeSet<String> = policies.keys().map(|name| (*name).to_owned()).collect();
        if folders != expected {
            return Err(format!("{folders:?} in the pin folder, and not {expected:?}"));
        }
        policies.iter().try_for_each(|(policy, ids)| self.is_whole(policy, ids))
    }

    /// A policy's folder holds what it has to, and nothing else.
    fn is_whole(&self, policy: &str, ids: &[u64]) -> Result<(), String> {
        let folder = self.lab.pins.policy(policy);
        let mut found = entries(&folder)?;
        let complaint = |what: &str| Err(format!("policy `{policy}` {what}: {found:?}"));
        let links = found.iter().filter(|name| name.starts_with("link-")).count();
        let generations = found.iter().filter(|name| name.starts_with("gen-")).count();
        if links != ids.len() {
            return complaint(&format!("runs at {} places and has {links} links", ids.len()));
        }
        if !(1..=2).contains(&generations) {
            return complaint(&format!("has {generations} generations"));
        }
        if !found.contains("cur-gen") || !found.contains(&self.hook) {
            return complaint("lacks a name");
        }
        found.retain(|name| {
            let is_known = name.starts_with("link-") || name.starts_with("gen-");
            !is_known && name != "cur-gen" && *name != self.hook
        });
        if !found.is_empty() {
            return Err(format!("policy `{policy}` has something left over: {found:?}"));
        }
        let pin = folder.join(&self.hook).join("prog");
        let pinned = KernelId::pinned(Class::Program, &pin)?;
        match ids.iter().find(|id| **id != pinned.id) {
            Some(id) => Err(format!("program {id} runs, and {} is {}", pin.display(), pinned.id)),
            None => Ok(()),
        }
    }

    /// What the next command finds and puts in order.
    pub fn heal(&self) -> Result<(), String> {
        let locked = self.lab.pins.open()?;
        if let Some(why) = locked.healed.iter().find_map(|healed| healed.done.clone().err()) {
            return Err(format!("it can't be put in order: {why}"));
        }
        let rows = locked.rows().map_err(|e| e.to_string())?;
        match rows.iter().find(|row| row.state != State::Attached) {
            Some(row) => Err(format!("it is in order, and one place is not: {row:?}")),
            None => Ok(()),
        }
    }

    /// The second version can be loaded, whatever was before.
    pub fn loads(&self) -> Result<(), String> {
        self.load("p", Version::Two, 1)?;
        let first = self.versions()?[0];
        if first == Some(Version::Two) {
            Ok(())
        } else {
            Err(format!("{first:?} runs after a load"))
        }
    }

    /// Takes everything off, by what `unload --all` does; nothing is left.
    pub fn clear(&self) -> Result<(), String> {
        let unloaded = self.lab.pins.open()?.unload(Unload::All);
        let (_, errors) = unloaded.map_err(|e| e.to_string())?;
        if let Some(why) = errors.first() {
            return Err(format!("it can't be taken off: {why}"));
        }
        self.is(&[None, None])
    }

    /// A new beginning after something went wrong.
    pub fn start_over(&self) -> Result<(), String> {
        if self.clear().is_err() {
            let _ = fs::remove_dir_all(self.lab.pins.path());
        }
        until(PATIENCE, || {
            let found = self.versions()?;
            Ok((found != [None, None]).then(|| format!("{found:?} runs without any pin")))
        })
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        // Nobody is there to be told.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn versions_of(scene: &Scene) -> Versions {
    scene.map(|runs| runs.map(|(_, version)| version))
}

/// Names in a folder; none if it is not there.
fn entries(folder: &Path) -> Result<BTreeSet<String>, String> {
    let said = |e: std::io::Error| format!("{}: {e}", folder.display());
    let entries = match folder.read_dir() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(said)?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry.map_err(said)?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}
