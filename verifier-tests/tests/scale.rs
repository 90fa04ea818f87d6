//! Many rules: they load, they judge right, and what the verifier does grows with their number.

use l4c_compiler::OptLevel;
use l4c_golden::bench::{Rules, panel, text};
use l4c_golden::run::agree;
use l4c_golden::traffic::Traffic;
use l4c_judge::EngineKind;
use l4c_manifest::HookKind;
use l4c_runtime::kernel::Program;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;

/// Rules of two fields each, drawn from the addresses and ports of the packets.
fn two_field_rules(count: usize, packets: &[Vec<u8>]) -> Rules {
    let mut rng = StdRng::seed_from_u64(7);
    let mut file = String::from("hook xdp many {\n");
    for i in 0..count {
        let packet = &packets[rng.random_range(0..packets.len())];
        // One in eight is met by a packet; the others miss by a bit or by far.
        let (src, port) = match packet.get(26..38) {
            Some(&[a, b, c, d, _, _, _, _, _, _, hi, lo]) if i % 8 == 0 => {
                ([a, b, c, d], u16::from_be_bytes([hi, lo]))
            }
            Some(_) | None => (rng.random(), rng.random()),
        };
        let [a, b, c, d] = src;
        writeln!(file, "    r{i}: ip.src == {a}.{b}.{c}.{d} and dport == {port} -> drop")
            .expect("a string takes everything");
    }
    file.push_str("}\n");
    text(&file, HookKind::Xdp).unwrap_or_else(|why| panic!("{why}"))
}

fn packets() -> Vec<Vec<u8>> {
    Traffic::new(3).take(400).map(|packet| packet.bytes).collect()
}

#[test]
fn five_thousand_rules_judge_right_in_interpreter_and_kernel() {
    let packets = packets();
    let rules = two_field_rules(5000, &packets);
    let mut kinds = vec![EngineKind::Vm];
    if l4c_verifier_tests::has_kernel("five thousand rules in the kernel") {
        kinds.push(EngineKind::Kernel);
    }
    let objects = rules.objects().unwrap_or_else(|why| panic!("{why}"));
    let hook = rules.policy.hooks.keys().next().expect("one hook");
    let mut panel =
        panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|why| panic!("{why}"));
    let frames = packets.iter().map(|bytes| ("traffic", bytes.as_slice()));
    agree(&mut panel, frames).unwrap_or_else(|why| panic!("{why}"));
    let (_, reference) = panel.first_mut().expect("the reference comes first");
    let counters = reference.counters().expect("the reference counts");
    let dropped: u64 = counters[..5000].iter().map(|c| c.packets).sum();
    assert!(dropped > 100, "rules are met by packets: {dropped}");
}

#[test]
fn verified_instructions_grow_with_the_rules() {
    if !l4c_verifier_tests::has_kernel("verified instructions by number of rules") {
        return;
    }
    let packets = packets();
    let mut per_rule = Vec::new();
    println!("  rules   verified   a rule");
    for count in [500, 1000, 2000, 5000] {
        let rules = two_field_rules(count, &packets);
        let object = rules.object(OptLevel::O2).unwrap_or_else(|why| panic!("{why}"));
        let program = Program::load(&object, "many").unwrap_or_else(|why| panic!("{why}"));
        let verified = program.verified_insns().expect("this kernel tells");
        let each = f64::from(verified) / count as f64;
        println!("{count:7} {verified:10} {each:8.1}");
        per_rule.push(each);
    }
    let (first, last) = (per_rule[0], per_rule[per_rule.len() - 1]);
    assert!(last <= first * 1.2, "ten times the rules cost {last:.1} each, {first:.1} before");
}

#[test]
fn what_the_kernel_would_refuse_is_refused_here() {
    // Ten chains that call each other are more frames than the kernel has.
    let mut file = String::new();
    for i in 0..10 {
        let next = if i == 9 { "drop".into() } else { format!("jump c{}", i + 1) };
        writeln!(file, "chain c{i} {{ go{i}: udp -> {next} }}").expect("a string takes all");
    }
    file.push_str("hook xdp deep { start: udp -> jump c0 }\n");
    let rules = text(&file, HookKind::Xdp).unwrap_or_else(|why| panic!("{why}"));
    let why = rules.compiled(OptLevel::O2).map(|_| ()).expect_err("too deep");
    assert!(why.contains("E0401") && why.contains("the kernel takes 8"), "{why}");
    assert!(why.contains("jump c"), "the rule is shown: {why}");
}
