//! Faults at every call that changes something: after each, the old policy runs or the new one.
//!
//! A command is run again and again, each time with another of its system calls failing or killing it: all of
//! bpf(2), and all calls that change the pin folder or tell what is in it. What is asked of it:
//!
//! | | at once | after the next command |
//! |---|---|---|
//! | exit 0 | the new one runs | the same, and the pin folder holds what it has to and nothing else |
//! | an error | the old one runs | the same |
//! | an error of `unload` | old or nothing at each place | old everywhere, or nothing |
//! | killed, or nothing went well from then on | old or new at each place | old everywhere or new everywhere |
//!
//! "Old" is nothing where there was nothing before. Whatever came of it, a load must work then, and
//! `unload --all` must leave nothing. `status` may fail, and must never change what runs but for what an
//! interrupted command left, which it or the next command puts in order. What runs is found by
//! iproute2 and bpftool, never asked of l4c.
//!
//! This is alone in its binary, so that what the kernel has afterwards and had not before is of this test.

#[path = "faults/filler.rs"]
mod filler;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/scenario.rs"]
mod scenario;
#[path = "faults/strace.rs"]
mod strace;
#[path = "faults/world.rs"]
mod world;

use filler::Filler;
use l4c_verifier_tests::wire::{self, KernelId, Lab};
use l4c_verifier_tests::{installed, l4c_binary, or_skip};
use report::{Case, Ran};
use scenario::{SCENARIOS, Scenario};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use strace::{CALLS, End, Injection};
use world::{Versions, World};

/// Threads that run commands, each on interfaces of its own. A run mostly waits for the kernel.
const WORKERS: usize = 8;

/// The kernel lets go of what nobody holds when it has time for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A run to be made.
#[derive(Debug, Clone, Copy)]
struct Job {
    scenario: &'static Scenario,
    /// Where the command before is killed, if the scenario has one.
    interruption: Option<Injection>,
    injection: Injection,
}

/// Every fault at every call that the command of a scenario makes.
fn jobs_of(world: &World<'_>, scenario: &'static Scenario) -> Result<Vec<Job>, String> {
    let interruption = world.interruption(scenario)?;
    let calls = world.calls(scenario, interruption)?;
    let counts = strace::counted(&calls);
    let mut jobs = Vec::new();
    for (names, faults) in CALLS {
        for &call in names {
            for nth in 1..=counts.get(call).copied().unwrap_or_default() {
                let job = |&fault| Job {
                    scenario,
                    interruption,
                    injection: Injection { call, nth, fault },
                };
                jobs.extend(faults.iter().map(job));
            }
        }
    }
    Ok(jobs)
}

/// One run, and all that is asked of it afterwards.
fn judge(world: &World<'_>, job: Job) -> Case {
    let Job { scenario, interruption, injection } = job;
    let mut said = String::new();
    let ran = world.prepare(scenario, interruption).and_then(|found| {
        let ended = world.run(scenario, injection)?;
        said = format!("it ended by {:?} and said:\n{}", ended.end, ended.words);
        let ran = outcome(world, job, found, ended.end)?;
        world.loads().map_err(|e| format!("the next load: {e}"))?;
        world.clear().map_err(|e| format!("unload --all: {e}"))?;
        Ok(ran)
    });
    let ran = ran.map_err(|why| match world.start_over() {
        Ok(()) => format!("{why}\n{said}"),
        Err(then) => format!("{why}\n{said}\nand no new beginning: {then}"),
    });
    Case { scenario, injection, ran }
}

/// What ran after a command that ended so, if that was right; `found` ran before it.
fn outcome(world: &World<'_>, job: Job, found: Versions, end: End) -> Result<Ran, String> {
    let scenario = job.scenario;
    let interrupted = job.interruption.is_some();
    let allowed: &[Ran] = match end {
        End::Exit(0) => &[Ran::New],
        // Refused, rules not read, not even started.
        End::Exit(3 | 4 | 127) if !scenario.goes_onward && !job.injection.lasts() => &[Ran::Old],
        End::Exit(3 | 4 | 127) | End::Killed => &[Ran::Old, Ran::New],
        End::Exit(other) => return Err(format!("exit code {other}")),
    };
    let scene = |ran: Ran| if ran == Ran::Old { &scenario.before } else { &scenario.after };
    match allowed {
        [only] if !interrupted => world.runs(scene(*only)),
        _ => world.is_between(found, &scenario.after),
    }
    .map_err(|e| format!("at once: {e}"))?;
    world.heal().map_err(|e| format!("the next command: {e}"))?;
    let allowed = if interrupted { &[Ran::New] } else { allowed };
    let ran = world.which(scenario)?;
    if !allowed.contains(&ran) && scenario.before != scenario.after {
        return Err(format!("after the next command the {ran:?} rules run"));
    }
    world.is(scene(ran)).map_err(|e| format!("after the next command: {e}"))?;
    Ok(ran)
}

/// Takes run after run from the list.
fn work(
    number: usize,
    l4c: &Path,
    jobs: &Mutex<Vec<Job>>,
    cases: &Mutex<Vec<Case>>,
) -> Result<(), String> {
    let lab = Lab::new(2)?;
    lab.receiver.within(|| {
        let world = World::new(&lab, l4c, &format!("f{}x{number}", std::process::id()))?;
        loop {
            let job = jobs.lock().map_err(|e| e.to_string())?.pop();
            let Some(job) = job else { return Ok(()) };
            let case = judge(&world, job);
            cases.lock().map_err(|e| e.to_string())?.push(case);
        }
    })
}

fn all_jobs(l4c: &Path) -> Result<Vec<Job>, String> {
    let lab = Lab::new(2)?;
    lab.receiver.within(|| {
        let world = World::new(&lab, l4c, &format!("f{}", std::process::id()))?;
        let mut jobs = Vec::new();
        for scenario in &SCENARIOS {
            let of = jobs_of(&world, scenario).map_err(|e| format!("{}: {e}", scenario.name))?;
            jobs.extend(of);
        }
        Ok(jobs)
    })
}

/// What the kernel has and had not before, and keeps though nobody holds it by a pin.
fn left_over(before: &[KernelId]) -> Result<(), String> {
    let mut suspects: Option<BTreeSet<KernelId>> = None;
    wire::until(PATIENCE, || {
        // Pins of others may come and go while they are looked at.
        let held = KernelId::pinned_under(Path::new("/sys/fs/bpf")).unwrap_or_default();
        let now = KernelId::all()?.into_iter();
        let now = now.filter(|id| !before.contains(id) && !held.contains(id));
        let now: BTreeSet<KernelId> = now.collect();
        let still = match &suspects {
            Some(suspects) => suspects.intersection(&now).copied().collect(),
            None => now,
        };
        let complaint = (!still.is_empty()).then(|| format!("left over: {still:?}"));
        suspects = Some(still);
        Ok(complaint)
    })
}

#[test]
fn every_fault_ends_in_the_old_rules_or_the_new() {
    let needed = wire::available().and_then(|()| installed("strace"));
    if or_skip(needed).unwrap().is_none() {
        return;
    }
    let l4c = l4c_binary().unwrap();
    let (begun, before) = (Instant::now(), KernelId::all().unwrap());
    let filler = Filler::new().unwrap();
    let jobs = all_jobs(&l4c).unwrap();
    let wanted = jobs.len();
    let (jobs, cases) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let problems: Vec<String> = std::thread::scope(|scope| {
        let workers = (0..WORKERS).map(|number| {
            let (l4c, jobs, cases) = (&l4c, &jobs, &cases);
            scope.spawn(move || work(number, l4c, jobs, cases))
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap().err()).collect()
    });
    let cases = cases.into_inner().unwrap();
    let table = report::table(&cases);
    println!("{table}\n{} s", begun.elapsed().as_secs());
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(cases.len(), wanted);
    let complaints = report::complaints(&cases);
    assert!(complaints.is_empty(), "{table}{complaints}");
    drop(filler);
    left_over(&before).unwrap();
}
