//! What came of all runs, as a table.

use crate::scenario::{SCENARIOS, Scenario};
use crate::strace::{CALLS, Injection};
use std::fmt::Write as _;

/// Cases that a failure shows in full.
const SHOWN: usize = 8;

/// What ran in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    Old,
    New,
}

/// A run.
#[derive(Debug)]
pub struct Case {
    pub scenario: &'static Scenario,
    pub injection: Injection,
    /// What ran in the end, or what was wrong.
    pub ran: Result<Ran, String>,
}

impl Case {
    fn is_bad(&self) -> bool {
        self.ran.is_err()
    }
}

/// A row for each scenario and call, and the sums.
pub fn table(cases: &[Case]) -> String {
    let mut out = format!(
        "{:<32} {:<10} {:>5}  {:<28} {:>5} {:>5} {:>5} {:>4}\n",
        "scenario", "call", "calls", "faults", "runs", "old", "new", "bad"
    );
    for scenario in &SCENARIOS {
        for (names, faults) in CALLS {
            let of = |case: &&Case| {
                case.scenario.name == scenario.name && names.contains(&case.injection.call)
            };
            let cases: Vec<&Case> = cases.iter().filter(of).collect();
            if !cases.is_empty() {
                let faults = faults.join(" ");
                row(&mut out, (scenario.name, names[0], &faults), &cases, faults_of(&cases));
            }
        }
    }
    let cases: Vec<&Case> = cases.iter().collect();
    row(&mut out, ("all", "", ""), &cases, cases.len());
    out
}

/// How many calls the runs are about.
fn faults_of(cases: &[&Case]) -> usize {
    let mut places: Vec<_> = cases.iter().map(|c| (c.injection.call, c.injection.nth)).collect();
    places.sort_unstable();
    places.dedup();
    places.len()
}

fn row(out: &mut String, (name, call, faults): (&str, &str, &str), cases: &[&Case], calls: usize) {
    let ran = |what: Ran| cases.iter().filter(|case| case.ran == Ok(what)).count();
    let bad = cases.iter().filter(|case| case.is_bad()).count();
    let (runs, old, new) = (cases.len(), ran(Ran::Old), ran(Ran::New));
    writeln!(
        out,
        "{name:<32} {call:<10} {calls:>5}  {faults:<28} {runs:>5} {old:>5} {new:>5} {bad:>4}"
    )
    .expect("a string takes any text");
}

/// The first bad ends in full.
pub fn complaints(cases: &[Case]) -> String {
    let mut out = String::new();
    for case in cases.iter().filter(|case| case.is_bad()).take(SHOWN) {
        let Err(why) = &case.ran else { continue };
        let (name, command) = (case.scenario.name, case.scenario.command.join(" "));
        let injection = case.injection;
        writeln!(out, "\n{name}: {injection}: l4c {command}\n{why}")
            .expect("a string takes any text");
    }
    out
}
