//! What the stages between make of a few small policies, as text.

use l4c_compiler::Clock;
use l4c_compiler::OptLevel;
use l4c_compiler::hir_text::hir_text;
use l4c_compiler::pipeline::{Emit, Options, emit};
use l4c_golden::bench::{Rules, text};
use l4c_manifest::HookKind;

/// Names of snapshots, and policies.
const POLICIES: [(&str, &str); 4] = [
    ("one_rule", "hook xdp edge {\n    dns: udp.dport == 53 -> drop\n}\n"),
    (
        "bytes_and_fragments",
        "hook xdp edge {\n    tails: frag and ip.ttl < 64 -> count tails, drop\n    \
         get: l4[20:4] == i\"get \" -> drop\n    default drop\n}\n",
    ),
    (
        "chain_and_set",
        "set few: prefix { 10.0.0.0/8, 192.0.2.1, 2001:db8::/32 }\nchain web {\n    \
         back: tcp.flags has ack -> return\n    syn: src not in @few -> drop\n}\n\
         hook xdp edge {\n    served: tcp.dport in { 80, 443 } -> jump web\n    default pass\n}\n",
    ),
    (
        "tags_and_extensions",
        "hook xdp edge {\n    trunk: vlan.id == 100 and ip6.hbh -> shadow drop\n    \
         cut: unparsed -> drop\n}\n",
    ),
];

fn rules(policy: &str, kind: HookKind) -> Rules {
    text(policy, kind).unwrap_or_else(|e| panic!("{e}"))
}

fn shown(rules: &Rules, level: OptLevel, what: &Emit) -> String {
    shown_as(rules, Options { level, shadow: false, clock: Clock::Kernel }, what)
}

fn shown_as(rules: &Rules, options: Options, what: &Emit) -> String {
    let emitted = emit(&rules.policy, &rules.sources, options, what);
    emitted.unwrap_or_else(|e| panic!("{e:?}"))
}

/// The functions of rules and chains. Those that read the headers are all alike, and one policy shows them.
fn of_rules(name: &str, text: &str) -> String {
    if name == POLICIES[0].0 {
        return text.to_owned();
    }
    let mut keep = true;
    let mut out = String::new();
    for line in text.lines() {
        if let Some(function) = function_name(line) {
            let number = |mark: &str| {
                let behind = function.strip_prefix("edge_").and_then(|f| f.strip_prefix(mark));
                behind.is_some_and(|f| f.starts_with(|c: char| c.is_ascii_digit()))
            };
            keep = number("r") || number("c");
        }
        if keep {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The name of the function that begins at a line of IR or of machine code.
fn function_name(line: &str) -> Option<&str> {
    if let Some(head) = line.strip_prefix("function ") {
        return head.split('(').next();
    }
    let (name, _) = line.split_once(": ; ")?;
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(name)
}

#[test]
fn meaning() {
    for (name, policy) in POLICIES {
        insta::assert_snapshot!(
            format!("{name}.hir"),
            hir_text(&rules(policy, HookKind::Xdp).policy)
        );
    }
}

#[test]
fn plan() {
    for (name, policy) in POLICIES {
        let rules = rules(policy, HookKind::Xdp);
        insta::assert_snapshot!(format!("{name}.plan"), shown(&rules, OptLevel::O2, &Emit::Plan));
    }
}

#[test]
fn ir_before_and_after_the_passes() {
    for (name, policy) in POLICIES {
        let rules = rules(policy, HookKind::Xdp);
        let lowered = shown(&rules, OptLevel::O0, &Emit::Ir);
        let optimized = shown(&rules, OptLevel::O2, &Emit::Ir);
        insta::assert_snapshot!(format!("{name}.lowered"), of_rules(name, &lowered));
        insta::assert_snapshot!(format!("{name}.ir"), of_rules(name, &optimized));
    }
}

#[test]
fn machine_code_of_both_ways_to_reach_a_packet() {
    for (name, policy) in POLICIES {
        let direct = rules(policy, HookKind::Xdp);
        let asm = shown(&direct, OptLevel::O2, &Emit::Asm);
        insta::assert_snapshot!(format!("{name}.xdp"), of_rules(name, &asm));
        // A socket filter sees no link header, and copies what it looks at.
        if let Ok(copied) = text(policy, HookKind::Socket) {
            let asm = shown(&copied, OptLevel::O2, &Emit::Asm);
            insta::assert_snapshot!(format!("{name}.socket"), of_rules(name, &asm));
        }
    }
}

/// A program in shadow is another only at its end, behind the counting.
#[test]
fn the_end_of_a_program_in_shadow() {
    for (name, kind) in [("xdp", HookKind::Xdp), ("socket", HookKind::Socket)] {
        let rules = rules(POLICIES[0].1, kind);
        let ir = |level, shadow| {
            shown_as(&rules, Options { level, shadow, clock: Clock::Kernel }, &Emit::Ir)
        };
        let [plain, shadow] = [false, true].map(|shadow| ir(OptLevel::O0, shadow));
        let counts = |ir: &str| ir.rfind("    count ").expect("the deciding rule is counted");
        assert_eq!(plain[..counts(&plain)], shadow[..counts(&shadow)]);
        assert_ne!(plain, shadow);
        let shadow = ir(OptLevel::O2, true);
        let (_, end) = shadow.rsplit_once("\nblock").expect("a program has blocks");
        insta::assert_snapshot!(format!("shadow.{name}"), format!("block{end}"));
    }
}
