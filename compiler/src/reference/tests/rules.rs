//! Predicates, chains and reports.

use super::sample::*;
use crate::fields::Field;
use crate::hir::{
    Atom, AtomTest, Chain, ChainId, CounterId, Effect, Hook, HookId, Layer, Operand, Pattern,
    Policy, Pred, Rule, Set, Slice, Steer,
};
use crate::ranges::Ranges;
use crate::reference::{Read, Reference, Value};
use crate::report;
use l4c_grammar::Span;
use l4c_manifest::{HookKind, Verdict};

const DROP: Option<Steer> = Some(Steer::Verdict(Verdict::Drop));
const PASS: Option<Steer> = Some(Steer::Verdict(Verdict::Pass));

fn rule(name: &str, pred: Pred, steer: Option<Steer>) -> Rule {
    let name = name.to_owned();
    Rule { name, pred, effects: vec![], steer, shadow: false, span: Span::default() }
}

fn all(name: &str, steer: Option<Steer>) -> Rule {
    rule(name, Pred::Const(true), steer)
}

fn counting(counter: u32, rule: Rule) -> Rule {
    Rule { effects: vec![Effect::Count(CounterId::from_u32(counter))], ..rule }
}

fn shadow(rule: Rule) -> Rule {
    Rule { shadow: true, ..rule }
}

fn policy(rules: Vec<Rule>, chains: Vec<(&str, Vec<Rule>)>) -> Policy {
    let mut policy = Policy::default();
    for (name, rules) in chains {
        policy.chains.push(Chain { name: name.to_owned(), rules, span: Span::default() });
    }
    policy.hooks.push(Hook {
        name: "edge".to_owned(),
        kind: HookKind::Xdp,
        dns_ports: Ranges::empty(),
        rules,
        default: all("default", PASS),
        span: Span::default(),
    });
    policy
}

fn the_hook() -> HookId {
    HookId::from_u32(0)
}

fn chain(nth: u32) -> ChainId {
    ChainId::from_u32(nth)
}

fn atom(operand: Operand, test: AtomTest) -> Pred {
    Pred::Atom(Atom { operand, test, span: Span::default() })
}

fn field(name: &str, mask: Option<u128>, test: AtomTest) -> Pred {
    let field = Field::find(name).unwrap_or_else(|| panic!("no row {name}"));
    atom(Operand::Field { field, inner: false, mask }, test)
}

fn bytes(layer: Layer, off_bytes: u32, len_bytes: u32, test: AtomTest) -> Pred {
    atom(Operand::Bytes { slice: Slice::at(layer, off_bytes, len_bytes), mask: None }, test)
}

fn one_of(values: &[u128], negated: bool) -> AtomTest {
    AtomTest::In { values: values.iter().map(|&n| Ranges::one(n)).collect(), negated }
}

fn is(name: &str, value: u128) -> Pred {
    field(name, None, one_of(&[value], false))
}

fn is_not(name: &str, value: u128) -> Pred {
    field(name, None, one_of(&[value], true))
}

fn not(pred: Pred) -> Pred {
    Pred::Not(Box::new(pred))
}

fn holds(pred: Pred, packet: &[u8]) -> bool {
    let policy = policy(vec![rule("it", pred, DROP)], vec![]);
    Reference::new(&policy, the_hook()).judge(packet).verdict == Verdict::Drop
}

/// Names of the rules that matched, in order.
fn matched(policy: &Policy) -> Vec<String> {
    let lines = report::rules(policy, the_hook());
    let judgement = Reference::new(policy, the_hook()).judge(&udp4());
    assert_eq!(judgement.matched.last(), Some(&judgement.rule));
    judgement.matched.iter().map(|&index| lines[index].name.clone()).collect()
}

fn number4(bytes: [u8; 4]) -> u128 {
    u128::from(u32::from_be_bytes(bytes))
}

#[test]
fn a_comparison_with_an_absent_field_is_false() {
    assert!(!holds(is("udp.dport", 53), &tcp6()));
    assert!(!holds(is_not("udp.dport", 53), &tcp6()));
    assert!(holds(not(is("udp.dport", 53)), &tcp6()));
    assert!(holds(is("udp.dport", 53), &udp4()));
    assert!(!holds(is_not("udp.dport", 53), &udp4()));
    assert!(holds(is_not("udp.dport", 54), &udp4()));
    let absent_side = Pred::Or(vec![is("tcp.dport", 1), is("udp.dport", 53)]);
    assert!(holds(absent_side, &udp4()));
}

#[test]
fn an_address_equals_only_one_of_its_family() {
    let src = |negated| {
        let values = vec![Ranges::one(number4(SRC4)), Ranges::empty()];
        field("src", None, AtomTest::In { values, negated })
    };
    assert!(holds(src(false), &udp4()) && !holds(src(true), &udp4()));
    assert!(!holds(src(false), &tcp6()) && holds(src(true), &tcp6()));
    let arp = join(&[&eth(0x0806), &arp()]);
    assert!(!holds(src(false), &arp) && !holds(src(true), &arp) && holds(not(src(false)), &arp));
}

#[test]
fn sets_hold_both_families_apart() {
    let mut policy = policy(vec![], vec![]);
    let set = policy.sets.push(Set {
        name: "s".to_owned(),
        span: Span::default(),
        narrow: Ranges::one(number4(SRC4)),
        wide: Ranges::one(u128::from_be_bytes(DST6)),
        stored: None,
    });
    for (name, packet, negated, expected) in [
        ("src", udp4(), false, true),
        ("src", udp4(), true, false),
        ("dst", udp4(), false, false),
        ("dst", tcp6(), false, true),
        ("src", tcp6(), false, false),
        ("src", tcp6(), true, true),
        // A set of numbers: hardware addresses are narrow.
        ("eth.src", udp4(), false, false),
        ("arp.spa", udp4(), true, false),
    ] {
        let pred = field(name, None, AtomTest::InSet { set, negated });
        policy.hooks[the_hook()].rules = vec![rule("it", pred, DROP)];
        let verdict = Reference::new(&policy, the_hook()).judge(&packet).verdict;
        assert_eq!(verdict == Verdict::Drop, expected, "{name} {negated}");
    }
    let mac = Ranges::one(u128::from(u64::from_be_bytes([0, 0, 2, 11, 12, 13, 14, 15])));
    policy.sets[set].narrow = mac;
    let pred = field("eth.src", None, AtomTest::InSet { set, negated: false });
    policy.hooks[the_hook()].rules = vec![rule("it", pred, DROP)];
    assert_eq!(Reference::new(&policy, the_hook()).judge(&udp4()).verdict, Verdict::Drop);
}

#[test]
fn flags_masks_and_presence() {
    assert!(holds(field("ip.df", None, AtomTest::Present), &udp4()));
    let fragment = join(&[&eth(0x0800), &fragment4(17, 0, true, &udp(b""))]);
    assert!(!holds(field("ip.df", None, AtomTest::Present), &fragment));
    assert!(!holds(field("ip.df", None, AtomTest::Present), &tcp6()));
    assert!(holds(field("udp", None, AtomTest::Present), &udp4()));
    assert!(!holds(field("tcp", None, AtomTest::Present), &udp4()));
    let syn_only = |mask| field("tcp.flags", Some(mask), one_of(&[0x02], false));
    assert!(!holds(syn_only(0x12), &tagged_tcp()), "it is a SYN with ACK");
    assert!(holds(syn_only(0x02), &tagged_tcp()));
    assert!(!holds(syn_only(0x02), &udp4()));
    // Header lengths are compared in bytes.
    assert!(
        holds(is("ip.hdr_len", 28), &tagged_tcp()) && !holds(is("ip.hdr_len", 7), &tagged_tcp())
    );
    let values = vec![Ranges::span(0, 72), Ranges::span(73, 73)];
    assert!(holds(field("len", None, AtomTest::In { values, negated: false }), &tcp6()));
}

#[test]
fn slices_compare_as_numbers_and_as_bytes() {
    assert!(holds(bytes(Layer::L4, 2, 2, one_of(&[53], false)), &udp4()));
    assert!(!holds(bytes(Layer::L4, 2, 2, one_of(&[53], true)), &udp4()));
    assert!(!holds(bytes(Layer::L4, 12, 1, one_of(&[53], true)), &udp4()), "behind the end");
    assert!(!holds(bytes(Layer::Payload, u32::MAX, u32::MAX, AtomTest::Present), &udp4()));
    let text = |want: &[u8], care: &[u8], negated| AtomTest::Equals {
        pattern: Pattern { want: want.to_vec(), care: care.to_vec() },
        negated,
    };
    let at = |off, test| bytes(Layer::Payload, off, 3, test);
    assert!(holds(at(0, text(b"dat", &[255; 3], false)), &udp4()));
    assert!(!holds(at(0, text(b"dat", &[255; 3], true)), &udp4()));
    assert!(holds(at(0, text(b"d\0t", &[255, 0, 255], false)), &udp4()));
    assert!(!holds(at(0, text(b"dax", &[255; 3], false)), &udp4()));
    assert!(!holds(at(2, text(b"dat", &[255; 3], true)), &udp4()), "not all of it is there");
    let operand = Operand::Bytes { slice: Slice::at(Layer::L3, 6, 2), mask: Some(0x4000) };
    assert!(holds(atom(operand, one_of(&[0x4000], false)), &udp4()));
}

#[test]
fn the_first_verdict_ends_the_hook() {
    let policy = policy(
        vec![
            rule("no", Pred::Const(false), DROP),
            counting(0, all("counts", None)),
            all("first", DROP),
            all("second", PASS),
        ],
        vec![],
    );
    assert_eq!(matched(&policy), ["counts", "first"]);
    let judgement = Reference::new(&policy, the_hook()).judge(&[]);
    assert_eq!((judgement.verdict, judgement.rule), (Verdict::Drop, 2));
    assert_eq!(judgement.counted, [CounterId::from_u32(0)]);
}

#[test]
fn chains_come_back_and_gotos_do_not() {
    let with = |inner: Vec<Rule>| {
        policy(
            vec![all("j", Some(Steer::Jump(chain(0)))), all("after", DROP)],
            vec![("a", inner), ("b", vec![all("b.1", None)])],
        )
    };
    assert_eq!(matched(&with(vec![all("a.1", None)])), ["j", "a.1", "after"]);
    let returns = vec![all("a.1", Some(Steer::Return)), all("a.2", PASS)];
    assert_eq!(matched(&with(returns)), ["j", "a.1", "after"]);
    assert_eq!(matched(&with(vec![all("a.1", PASS)])), ["j", "a.1"]);
    let jumps = vec![all("a.1", Some(Steer::Jump(chain(1)))), all("a.2", None)];
    assert_eq!(matched(&with(jumps)), ["j", "a.1", "b.1", "a.2", "after"]);
    // The end of `b` is where `a` would have gone on: behind the jump.
    let goes = vec![all("a.1", Some(Steer::Goto(chain(1)))), all("a.2", PASS)];
    assert_eq!(matched(&with(goes)), ["j", "a.1", "b.1", "after"]);
}

#[test]
fn from_the_hooks_own_list_return_and_goto_end_at_default() {
    let rules = vec![all("r", Some(Steer::Return)), all("after", DROP)];
    assert_eq!(matched(&policy(rules, vec![])), ["r", "default"]);
    let rules = vec![all("g", Some(Steer::Goto(chain(0)))), all("after", DROP)];
    let chains = vec![("a", vec![all("a.1", None)])];
    assert_eq!(matched(&policy(rules, chains)), ["g", "a.1", "default"]);
}

#[test]
fn shadowed_actions_are_counted_and_not_done() {
    let rules = vec![
        shadow(all("s", DROP)),
        shadow(all("sj", Some(Steer::Jump(chain(0))))),
        shadow(all("sr", Some(Steer::Return))),
        all("end", PASS),
    ];
    let policy = policy(rules, vec![("a", vec![all("a.1", DROP)])]);
    assert_eq!(matched(&policy), ["s", "sj", "sr", "end"]);
}

#[test]
fn a_chain_run_twice_matches_twice() {
    let jump = |name| all(name, Some(Steer::Jump(chain(0))));
    let rules = vec![jump("x"), jump("y")];
    let policy = policy(rules, vec![("a", vec![counting(3, all("a.1", None))])]);
    assert_eq!(matched(&policy), ["x", "a.1", "y", "a.1", "default"]);
    let judgement = Reference::new(&policy, the_hook()).judge(&udp4());
    assert_eq!(judgement.counted, [CounterId::from_u32(3); 2]);
}

#[test]
fn the_default_decides_and_counts() {
    let mut policy = policy(vec![rule("no", Pred::Const(false), PASS)], vec![]);
    policy.hooks[the_hook()].default = counting(0, all("default", DROP));
    let judgement = Reference::new(&policy, the_hook()).judge(&udp4());
    assert_eq!((judgement.verdict, judgement.rule), (Verdict::Drop, 1));
    assert_eq!((judgement.matched, judgement.counted.len()), (vec![1], 1));
}

#[test]
fn reports_list_the_hook_then_its_chains_then_the_default() {
    let mut policy = policy(
        vec![counting(1, all("own", DROP)), shadow(all("j", Some(Steer::Jump(chain(2)))))],
        vec![
            ("deep", vec![counting(0, all("deep.1", Some(Steer::Return)))]),
            ("unused", vec![counting(2, all("unused.1", DROP))]),
            ("web", vec![all("web.1", Some(Steer::Goto(chain(0)))), all("web.2", None)]),
        ],
    );
    for name in ["a", "b", "c"] {
        policy.counters.push(name.to_owned());
    }
    let lines = report::rules(&policy, the_hook());
    let shown: Vec<_> = lines.iter().map(|l| (l.name.as_str(), l.action.as_str())).collect();
    let expected = [
        ("own", "drop"),
        ("j", "jump web"),
        ("deep.1", "return"),
        ("web.1", "goto deep"),
        ("web.2", "none"),
        ("default", "pass"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(lines.iter().map(|l| l.shadow).collect::<Vec<_>>()[..2], [false, true]);
    assert_eq!(lines[3].chain, Some(chain(2)));
    for line in &lines {
        assert_eq!(line.rule(&policy, the_hook()).name, line.name);
    }
    let counters = report::counters(&policy, the_hook());
    assert_eq!(counters, [CounterId::from_u32(0), CounterId::from_u32(1)]);
}

#[test]
fn a_trace_shows_what_was_read_and_nothing_else() {
    let both = Pred::And(vec![is("tcp.dport", 443), is("tcp.sport", 1)]);
    let either = Pred::Or(vec![is("udp.dport", 53), is("udp.sport", 1)]);
    let policy = policy(
        vec![
            rule("both", both, DROP),
            rule("either", either, Some(Steer::Jump(chain(0)))),
            all("unreached", PASS),
        ],
        vec![("a", vec![rule("a.1", bytes(Layer::L4, 0, 2, one_of(&[53124], false)), DROP)])],
    );
    let trace = Reference::new(&policy, the_hook()).trace(&udp4());
    assert_eq!((trace.verdict, trace.rule.as_str()), (Verdict::Drop, "a.1"));
    let read = |field: &str, value| Read { field: field.to_owned(), value };
    let steps: Vec<_> =
        trace.steps.iter().map(|s| (s.rule.as_str(), s.matched, s.reads.clone())).collect();
    let expected = [
        ("both", false, vec![read("tcp.dport", None)]),
        ("either", true, vec![read("udp.dport", Some(Value::Number(53)))]),
        ("a.1", true, vec![read("l4[0:2]", Some(Value::Number(53124)))]),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_trace_ends_with_the_default() {
    let policy = policy(vec![rule("dns", is("udp.dport", 53), DROP)], vec![]);
    let trace = Reference::new(&policy, the_hook()).trace(&tcp6());
    assert_eq!((trace.verdict, trace.rule.as_str()), (Verdict::Pass, "default"));
    let steps: Vec<_> = trace.steps.iter().map(|s| (s.rule.as_str(), s.index, s.matched)).collect();
    assert_eq!(steps, [("dns", 0, false), ("default", 1, true)]);
}

#[test]
fn values_are_shown_as_people_write_them() {
    let shown = |pred: Pred, packet: &[u8]| {
        let policy = policy(vec![rule("it", pred, DROP)], vec![]);
        let trace = Reference::new(&policy, the_hook()).trace(packet);
        trace.steps[0].reads[0].value.as_ref().map(ToString::to_string)
    };
    let text = |name: &str| shown(is(name, 0), &tagged_tcp()).unwrap();
    assert_eq!(text("src"), "203.0.113.7");
    assert_eq!(text("eth.src"), "02:0b:0c:0d:0e:0f");
    assert_eq!(text("tcp.flags"), "syn|ack");
    assert_eq!(text("ip.df"), "true");
    assert_eq!(text("vlan2.dei"), "false");
    assert_eq!(text("tcp.dport"), "443");
    assert_eq!(shown(is("dst", 0), &tcp6()).unwrap(), "2001:db8:1516:1718:191a:1b1c:1d1e:1f20");
    let hello = AtomTest::Equals {
        pattern: Pattern { want: vec![0; 5], care: vec![255; 5] },
        negated: true,
    };
    assert_eq!(shown(bytes(Layer::Payload, 0, 5, hello), &tcp6()).unwrap(), "68656c6c6f");
}
