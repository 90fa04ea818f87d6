//! What went wrong, in lines on the console, and the last line.

use crate::Check;
use l4c_verifier_tests::matrix::RESULT;

/// Failures that are told in full; the console is slow.
const MOST_TOLD: usize = 20;

/// How it went.
#[derive(Debug, Default)]
pub struct Report {
    failures: usize,
    done: Vec<String>,
}

impl Report {
    /// Does the checks, one after the other.
    pub fn run(&mut self, checks: &[(&str, Check)]) {
        for (name, check) in checks {
            match check(self) {
                Ok(what) => self.done.push(format!("{name}: {what}")),
                Err(why) => self.failed(name, &why),
            }
        }
    }

    /// Something went wrong.
    pub fn failed(&mut self, title: &str, why: &str) {
        self.failures += 1;
        if self.failures <= MOST_TOLD {
            println!("FAILED {title}: {why}");
        }
    }

    /// Prints the line by which this machine is judged.
    pub fn conclude(&self) {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let (release, done) = (release.trim(), self.done.join("; "));
        match self.failures {
            0 => println!("\n{RESULT}PASS {release} {done}"),
            count => println!("\n{RESULT}FAIL {release} {count} failures; {done}"),
        }
    }
}
