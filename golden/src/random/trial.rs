//! Scripts past engines.

use super::{Script, frames, scripts, text};
use crate::bench::{self, Panel, Rules, hex, panel, seen_by};
use crate::zoo::{Packet, packets};
use l4c_compiler::Clock;
use l4c_compiler::OptLevel;
use l4c_compiler::pipeline::{CompileError, Options, compile};
use l4c_judge::{EngineKind, compare};
use l4c_manifest::HookKind;
use l4c_runtime::Object;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::{Cell, RefCell};

/// How much to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trials {
    /// Rule files.
    pub files: u32,
    /// Packets that each of them is shown, as each kind of hook.
    pub packets: usize,
    /// Another number, other files and packets.
    pub seed: u64,
}

impl Trials {
    /// 200 files of 500 packets; `L4C_RANDOM_FILES`, `L4C_RANDOM_PACKETS` and `L4C_RANDOM_SEED` say otherwise.
    #[must_use]
    pub fn from_env(seed: u64) -> Self {
        let number =
            |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let small = |name: &str| number(name).and_then(|n| u32::try_from(n).ok());
        Self {
            files: small("L4C_RANDOM_FILES").unwrap_or(200),
            packets: small("L4C_RANDOM_PACKETS").map_or(500, |n| n as usize),
            seed: number("L4C_RANDOM_SEED").unwrap_or(seed),
        }
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Rule files, as XDP hooks.
    pub files: u64,
    /// Of them, those that were socket filters too.
    pub sockets: u64,
    /// Pairs of file and packet, each kind of hook for itself.
    pub pairs: u64,
    /// Pairs in which a rule matched that is not the default.
    pub matched: u64,
    /// Of files and hooks, those that are more than the kernel takes (E0401). They are not judged.
    pub too_large: u64,
}

/// Tries.
///
/// # Errors
/// The smallest rule file found on which engines differ, the packet, and what each of them says of it.
pub fn run(trials: Trials, kinds: &[EngineKind]) -> Result<Report, String> {
    let zoo = packets();
    let report = Cell::new(Report::default());
    // The packet on which engines differed: smaller rules are shown it first.
    let suspect: RefCell<Option<Vec<u8>>> = RefCell::new(None);
    let config = Config {
        cases: trials.files,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&trials.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&scripts(), |script| {
        let mut shown: Vec<Vec<u8>> = suspect.borrow().iter().cloned().collect();
        shown.extend(frames(&script, trials.packets, &zoo));
        let sum = report.get();
        let found = of_script(&script, &shown, kinds, &suspect).map_err(TestCaseError::fail)?;
        report.set(Report {
            files: sum.files + 1,
            sockets: sum.sockets + found.sockets,
            pairs: sum.pairs + found.pairs,
            matched: sum.matched + found.matched,
            too_large: sum.too_large + found.too_large,
        });
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(report.get()),
        Err(TestError::Fail(reason, script)) => {
            Err(failure(&reason.to_string(), &script, suspect.borrow().as_deref(), &zoo))
        }
        Err(TestError::Abort(reason)) => Err(format!("given up: {reason}")),
    }
}

fn failure(reason: &str, script: &Script, packet: Option<&[u8]>, zoo: &[Packet]) -> String {
    let rules = text(script);
    let packet = packet.map_or_else(String::new, |bytes| {
        let name = zoo.iter().find(|p| p.bytes == bytes).map_or("odd", |p| p.name.as_str());
        format!("#+ {name} {}\n", hex(bytes))
    });
    format!(
        "{reason}\n\nThe rules, and the frame:\n\n{packet}{rules}\nTo keep it, put this into a file \
         golden/cases/regress/NNNN-WHAT.l4 and run `L4C_BLESS=1 cargo test -p l4c-golden --test cases`."
    )
}

/// One script, as each kind of hook.
fn of_script(
    script: &Script,
    frames: &[Vec<u8>],
    kinds: &[EngineKind],
    suspect: &RefCell<Option<Vec<u8>>>,
) -> Result<Report, String> {
    let text = text(script);
    let mut report = Report { files: 1, ..Report::default() };
    for kind in HookKind::ALL {
        if kind == HookKind::Socket && script.link {
            continue;
        }
        let rules = bench::text(&text, kind).map_err(|e| format!("{}: {e}", kind.name()))?;
        let Some(objects) = objects(&rules)? else {
            report.too_large += 1;
            continue;
        };
        let found = of_rules(&rules, &objects, (frames, kinds), suspect);
        let (pairs, matched) = found.map_err(|why| format!("as hook {}: {why}", kind.name()))?;
        report.sockets += u64::from(kind == HookKind::Socket);
        report.pairs += pairs;
        report.matched += matched;
    }
    Ok(report)
}

/// The objects of each level; nothing if one of them is more than the kernel takes.
fn objects(rules: &Rules) -> Result<Option<Vec<(OptLevel, Object)>>, String> {
    let mut objects = Vec::new();
    for &level in rules.levels() {
        let options = Options { level, shadow: false, clock: Clock::Injected };
        match compile(&rules.policy, &rules.sources, options) {
            Ok(made) => objects.push((level, Object::parse(&made.elf).map_err(|e| e.to_string())?)),
            Err(CompileError::Limit(_)) => return Ok(None),
            Err(CompileError::Bug(why)) => return Err(format!("{level:?}: a bug: {why}")),
        }
    }
    Ok(Some(objects))
}

/// Pairs, and those in which a rule matched.
fn of_rules(
    rules: &Rules,
    objects: &[(OptLevel, Object)],
    (frames, kinds): (&[Vec<u8>], &[EngineKind]),
    suspect: &RefCell<Option<Vec<u8>>>,
) -> Result<(u64, u64), String> {
    let hook = rules.policy.hooks.keys().next().ok_or("no hook")?;
    let mut panel: Panel<'_> = panel(&rules.policy, hook, objects, kinds)?;
    let shape = panel[0].1.shape().clone();
    let default = shape.rules.len() - 1;
    let (mut pairs, mut matched) = (0, 0);
    for (at, frame) in (0u64..).zip(frames) {
        let Some(packet) = seen_by(&shape, frame) else { continue };
        // Some milliseconds pass now and then; time means nothing to most files.
        let now_ns = at / 5 * 37_000_000;
        for (name, engine) in &mut panel {
            engine.set_time(now_ns).map_err(|e| format!("{name}: {e}"))?;
        }
        let opinion = compare(&mut panel, &packet).map_err(|disagreement| {
            *suspect.borrow_mut() = Some(frame.clone());
            disagreement.to_string()
        })?;
        pairs += 1;
        matched += u64::from(opinion.counted.iter().any(|&(slot, _)| slot < default));
    }
    Ok((pairs, matched))
}
