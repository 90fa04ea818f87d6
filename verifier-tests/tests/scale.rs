//! Thousands of rules: they compile, the kernel takes them, both engines judge right; and what it would not
//! take is refused before it is asked.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use l4c_compiler::Clock;
use l4c_compiler::OptLevel;
use l4c_compiler::pipeline::{CompileError, Options, compile};
use l4c_golden::bench::{self, Rules, panel};
use l4c_golden::run::agree;
use l4c_golden::zoo::{Packet, packets};
use l4c_judge::EngineKind;
use l4c_manifest::HookKind;
use l4c_runtime::kernel::Program;
use l4c_verifier_tests::{kernel, or_skip};
use std::fmt::Write as _;

/// `count` rules of two fields each, no two for the same packets.
fn two_fields(count: usize) -> Rules {
    let mut text = String::from("hook xdp edge {\n");
    for at in 0..count {
        let action = if at % 2 == 0 { "drop" } else { "pass" };
        let [_, _, high, low] = u32::try_from(at).expect("few rules").to_be_bytes();
        writeln!(text, "    src == 10.1.{high}.{low} and udp.dport == {} -> {action}", 1000 + at)
            .expect("a string takes everything");
    }
    text.push_str("    default pass\n}\n");
    bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"))
}

/// Packets for the first rules, the last, some between, and each one's neighbours.
fn meant_for(rules: usize) -> Vec<Packet> {
    let like =
        packets().into_iter().find(|p| p.name == "udp4_to_53").expect("it is in the zoo").bytes;
    let mut out = Vec::new();
    for at in (0..rules).step_by(97).chain([1, 2, rules - 2, rules - 1, rules]) {
        let [_, _, high, low] = u32::try_from(at).expect("few rules").to_be_bytes();
        for port in [999 + at, 1000 + at, 1001 + at] {
            let mut bytes = like.clone();
            bytes[26..30].copy_from_slice(&[10, 1, high, low]);
            bytes[36..38].copy_from_slice(&u16::try_from(port).expect("a port").to_be_bytes());
            out.push(Packet { name: format!("rule_{at}_port_{port}"), bytes });
        }
    }
    out
}

fn judge(rules: &Rules, frames: &[Packet], kinds: &[EngineKind]) -> Result<usize, String> {
    let objects = [(OptLevel::O2, rules.object(OptLevel::O2)?)];
    let hook = rules.policy.hooks.keys().next().expect("one hook");
    let mut panel = panel(&rules.policy, hook, &objects, kinds)?;
    agree(&mut panel, frames.iter().map(|p| (p.name.as_str(), p.bytes.as_slice())))
}

#[test]
fn five_thousand_rules_are_judged_right() {
    let rules = two_fields(5000);
    let mut frames = meant_for(5000);
    frames.extend(packets());
    let mut kinds = vec![EngineKind::Vm];
    kinds.extend(or_skip(kernel()).unwrap().map(|()| EngineKind::Kernel));
    let judged = judge(&rules, &frames, &kinds).unwrap_or_else(|why| panic!("{why}"));
    assert!(judged > 300, "{judged}");
    // That they agree says nothing if no rule is met.
    let hook = rules.policy.hooks.keys().next().expect("one hook");
    let mut reference = l4c_compiler::reference::Reference::new(&rules.policy, hook);
    let met = frames.iter().filter(|p| reference.judge(&p.bytes).rule < 5000).count();
    assert!(met >= 50, "{met}");
}

/// What the verifier went through for a policy of `rules` rules.
fn verified(rules: usize) -> u32 {
    let object = two_fields(rules).object(OptLevel::O2).unwrap_or_else(|why| panic!("{why}"));
    let program = Program::load(&object, "edge").unwrap_or_else(|e| panic!("{rules} rules: {e}"));
    program.verified_insns().expect("this kernel counts them")
}

#[test]
fn the_verifier_s_work_grows_with_the_rules_and_no_faster() {
    if or_skip(kernel()).unwrap().is_none() {
        return;
    }
    let base = verified(1);
    eprintln!("{:>6} {:>9} {:>6}", "rules", "verified", "each");
    let per_rule: Vec<f64> = [500, 1000, 2000, 5000]
        .into_iter()
        .map(|rules| {
            let verified = verified(rules);
            let each = f64::from(verified - base) / f64::from(u32::try_from(rules).unwrap());
            eprintln!("{rules:>6} {verified:>9} {each:>6.1}");
            each
        })
        .collect();
    for each in &per_rule {
        assert!(
            *each < 1.2 * per_rule[0],
            "each rule costs more where there are more: {per_rule:?}"
        );
        assert!(*each < 40.0, "{per_rule:?}");
    }
}

/// What the compiler says of rules that it does not take.
fn refusal(text: &str) -> (String, String) {
    let rules = bench::text(text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
    match compile(
        &rules.policy,
        &rules.sources,
        Options { level: OptLevel::O2, shadow: false, clock: Clock::Kernel },
    ) {
        Err(CompileError::Limit(diag)) => {
            assert_eq!(diag.code, "E0401");
            (diag.message, rules.sources.text(diag.span).to_owned())
        }
        Err(CompileError::Bug(text)) => panic!("{}", text.lines().next().unwrap_or_default()),
        Ok(compiled) => panic!("it is taken: {:?}", compiled.stats),
    }
}

#[test]
fn a_rule_over_a_limit_is_refused_by_name() {
    let question = |at: usize| {
        format!("(ip.src == 10.0.{}.{} and l4[{at}:3] == hex\"{at:06x}\")", at / 256, at % 256)
    };
    let pred: Vec<String> = (0..9000).map(question).collect();
    let text = format!(
        "hook xdp edge {{\n    small: udp -> drop\n    huge: {} -> drop\n    late: tcp -> drop\n}}\n",
        pred.join(" or ")
    );
    let (message, place) = refusal(&text);
    assert!(message.contains("instructions in one function"), "{message}");
    assert!(message.contains("30000"), "{message}");
    assert!(place.starts_with("huge: "), "{}", &place[..place.len().min(80)]);
}

#[test]
fn more_rules_than_the_kernel_verifies_are_refused_here() {
    let text = |rules: usize| {
        let mut text = String::from("hook xdp edge {\n");
        for at in 0..rules {
            let [_, high, mid, low] = u32::try_from(at).expect("few rules").to_be_bytes();
            let port = at % 60_000;
            writeln!(text, "    src == 10.{high}.{mid}.{low} and udp.dport == {port} -> drop")
                .expect("a string takes everything");
        }
        text + "}\n"
    };
    let (message, place) = refusal(&text(32_000));
    assert!(message.contains("verified instructions"), "{message}");
    assert!(place.starts_with("src == 10."), "{place}");
}
