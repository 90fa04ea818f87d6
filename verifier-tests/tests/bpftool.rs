//! One test a golden case: `bpftool` (libbpf) loads its object, and shows the rules' own text.

use l4c_compiler::OptLevel;
use l4c_golden::bench::{MAX_RULES_AT_O0, Rules};
use l4c_golden::case::{self, Case};
use l4c_golden::run::for_kind;
use l4c_manifest::HookKind;
use l4c_verifier_tests::{installed, kernel, or_skip};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A file and a folder of pins that go when the test does.
struct Traces {
    object: PathBuf,
    pins: PathBuf,
}

impl Traces {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("l4c-bpftool-{}-{count}", std::process::id());
        let object = std::env::temp_dir().join(format!("{name}.o"));
        Self { object, pins: Path::new("/sys/fs/bpf").join(name) }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What was never made can't be removed, and nobody is there to be told.
        let _ = std::fs::remove_file(&self.object);
        let _ = std::fs::remove_dir_all(&self.pins);
    }
}

fn bpftool(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("bpftool").args(arguments).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let (out, err) = (&output.stdout, &output.stderr);
    let words = [String::from_utf8_lossy(out), String::from_utf8_lossy(err)].concat();
    // The verifier's log is long; what it ends with says why.
    let last: Vec<&str> = words.lines().rev().take(40).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("bpftool {}: {}", arguments.join(" "), last.join("\n")))
}

fn loads(rules: &Rules, level: OptLevel) -> Result<(), String> {
    let compiled = rules.compiled(level)?;
    let traces = Traces::new();
    std::fs::write(&traces.object, &compiled.elf).map_err(|e| e.to_string())?;
    let (object, pins) = (traces.object.display().to_string(), traces.pins.display().to_string());
    bpftool(&["prog", "loadall", &object, &pins])?;
    for hook in &compiled.manifest.hooks {
        let pin = format!("{pins}/{}", hook.name);
        let listing = bpftool(&["prog", "dump", "xlated", "pinned", &pin, "linum"])?;
        let own = &hook.rules[..hook.rules.len() - 1];
        let quoted = own.iter().filter(|rule| {
            let text: String = rule.text.chars().take(60).collect();
            let place = format!("line_num:{} ", rule.line);
            listing.lines().any(|line| line.contains(&text) && line.contains(&place))
        });
        let count = quoted.count();
        // A rule that nothing leads to has no code. Optimised, one that can't match, or is true of every
        // packet, may leave no instruction behind either.
        let least = match level {
            OptLevel::O0 => own.len() * 7 / 8,
            OptLevel::O2 => own.len() * 4 / 5,
        };
        if count < least {
            let first: String = listing.lines().take(40).collect::<Vec<_>>().join("\n");
            return Err(format!(
                "{}: {count} of {} rules are quoted in\n{first}",
                hook.name,
                own.len()
            ));
        }
    }
    Ok(())
}

fn test(case: &Case) -> Result<(), Failed> {
    if or_skip(kernel().and_then(|()| installed("bpftool")))?.is_none() {
        return Ok(());
    }
    for kind in HookKind::ALL {
        let Some(rules) = for_kind(case, kind)? else { continue };
        loads(&rules, OptLevel::O2).map_err(|why| format!("as hook {}: {why}", kind.name()))?;
        if rules.count() <= MAX_RULES_AT_O0 {
            let loaded = loads(&rules, OptLevel::O0);
            loaded.map_err(|why| format!("as hook {}, -O0: {why}", kind.name()))?;
        }
    }
    Ok(())
}

fn main() {
    let arguments = Arguments::from_args();
    let trials = case::all("cases")
        .into_iter()
        .map(|case| Trial::test(case.title().to_owned(), move || test(&case)));
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
