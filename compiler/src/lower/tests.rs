//! Lowering alone: what it makes passes the IR's verifier and decides as it should in the IR's own
//! interpreter. The cases of the golden suite go further.

use super::lower;
use crate::fields::Field;
use crate::hir::{
    Atom, AtomTest, Chain, Hook, Layer, Operand, Pattern, Policy, Pred, Rule, Slice, Steer,
};
use crate::plan::plan;
use crate::ranges::Ranges;
use l4c_grammar::Span;
use l4c_ir::{LineData, interp, verify};
use l4c_manifest::{HookKind, Verdict};

fn field(name: &str, values: &[Ranges]) -> Pred {
    field_of(name, false, values)
}

fn field_of(name: &str, inner: bool, values: &[Ranges]) -> Pred {
    let field = Field::find(name).expect(name);
    let test = if values.is_empty() {
        AtomTest::Present
    } else {
        AtomTest::In { values: values.to_vec(), negated: false }
    };
    Pred::Atom(Atom {
        operand: Operand::Field { field, inner, mask: None },
        test,
        span: Span::default(),
    })
}

fn slice(layer: Layer, off_bytes: u32, want: &[u8]) -> Pred {
    Pred::Atom(Atom {
        operand: Operand::Bytes {
            slice: Slice::at(layer, off_bytes, want.len() as u32),
            mask: None,
        },
        test: AtomTest::Equals {
            pattern: Pattern { want: want.to_vec(), care: vec![0xff; want.len()] },
            negated: false,
        },
        span: Span::default(),
    })
}

fn rule(name: &str, pred: Pred, steer: Option<Steer>) -> Rule {
    Rule { name: name.into(), pred, effects: vec![], steer, shadow: false, span: Span::default() }
}

const DROP: Option<Steer> = Some(Steer::Verdict(Verdict::Drop));

fn policy(rules: Vec<Rule>, kind: HookKind) -> Policy {
    let mut policy = Policy::default();
    let default = rule("default", Pred::Const(true), Some(Steer::Verdict(Verdict::Pass)));
    let name = "h".to_owned();
    policy.hooks.push(Hook {
        name,
        kind,
        dns_ports: Ranges::empty(),
        rules,
        default,
        span: Span::default(),
    });
    policy
}

fn judge(policy: &Policy, packet: &[u8]) -> (u64, Vec<u64>) {
    judge_as(policy, false, packet)
}

fn judge_as(policy: &Policy, shadow: bool, packet: &[u8]) -> (u64, Vec<u64>) {
    let hook = policy.hooks.keys().next().expect("one hook");
    let quote = |_| LineData { file: "t.l4".into(), line: 1, column: 1, text: "t".into() };
    let module = lower(policy, hook, &plan(policy, hook), shadow, &quote);
    let mut counters = vec![(0, 0); module.counters as usize];
    let module = verify(module).unwrap_or_else(|e| panic!("{e}"));
    let code = interp::run(&module, packet, &mut counters).expect("runs");
    (code, counters.into_iter().map(|(packets, _)| packets).collect())
}

/// Ethernet, `tags` VLAN tags, IPv4 with `ihl` words, UDP from port 1 to `dport`.
fn udp4(tags: usize, ihl: u8, dport: u16) -> Vec<u8> {
    let mut p = vec![0; 12];
    for tag in 0..tags {
        p.extend([0x81, 0x00, 0x20, tag as u8 + 1]);
    }
    p.extend([
        0x08,
        0x00,
        0x40 | ihl,
        0,
        0,
        0,
        0,
        0,
        0x40,
        0,
        64,
        17,
        0,
        0,
        10,
        1,
        2,
        3,
        9,
        9,
        9,
        9,
    ]);
    p.extend(vec![1; usize::from(ihl - 5) * 4]);
    p.extend([0, 1]);
    p.extend(dport.to_be_bytes());
    p.extend([0, 8, 0, 0]);
    p
}

/// Ethernet, IPv6, then extension headers `(kind, length field)`, then UDP to `dport`.
fn udp6(exts: &[(u8, u8)], dport: u16) -> Vec<u8> {
    let mut p = vec![0; 12];
    p.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0]);
    p.push(exts.first().map_or(17, |e| e.0));
    p.push(64);
    p.extend([0x20; 32]);
    for (i, &(kind, len)) in exts.iter().enumerate() {
        let bytes = if kind == 44 { 8 } else { 8 + 8 * usize::from(len) };
        let mut ext = vec![0; bytes];
        ext[0] = exts.get(i + 1).map_or(17, |e| e.0);
        ext[1] = len;
        p.extend(ext);
    }
    p.extend([0, 1]);
    p.extend(dport.to_be_bytes());
    p.extend([0, 8, 0, 0]);
    p
}

#[test]
fn a_port_is_found_behind_tags_options_and_extension_headers() {
    let p = policy(vec![rule("dns", field("udp.dport", &[Ranges::one(53)]), DROP)], HookKind::Xdp);
    let many = [(0, 1), (60, 0), (43, 2), (44, 0), (60, 3), (60, 0), (60, 0), (60, 0)];
    for packet in [
        udp4(0, 5, 53),
        udp4(1, 5, 53),
        udp4(2, 15, 53),
        udp6(&[], 53),
        udp6(&[(0, 2)], 53),
        udp6(&many, 53),
    ] {
        assert_eq!(judge(&p, &packet), (1, vec![1, 0]), "{packet:02x?}");
    }
    let nine: Vec<_> = many.iter().copied().chain([(60, 0)]).collect();
    for packet in [udp4(0, 5, 54), udp4(3, 5, 53), udp6(&nine, 53), udp4(0, 5, 53)[..41].to_vec()] {
        assert_eq!(judge(&p, &packet), (2, vec![0, 1]), "{packet:02x?}");
    }
}

#[test]
fn unparsed_is_what_is_cut_or_too_deep() {
    let p = policy(vec![rule("bad", field("unparsed", &[]), DROP)], HookKind::Xdp);
    assert_eq!(judge(&p, &udp4(0, 5, 53)).0, 2);
    assert_eq!(judge(&p, &udp6(&[(0, 0), (44, 0)], 53)).0, 2);
    for packet in [udp4(3, 5, 1), udp6(&[(60, 0); 9], 1), udp4(0, 5, 53)[..41].to_vec()] {
        assert_eq!(judge(&p, &packet).0, 1, "{packet:02x?}");
    }
}

#[test]
fn chains_jump_return_and_go() {
    let mut p = policy(vec![], HookKind::Xdp);
    let hook = p.hooks.keys().next().expect("one hook");
    let port = |n| field("udp.dport", &[Ranges::one(n)]);
    let inner = p.chains.push(Chain {
        name: "in-ner".into(),
        rules: vec![rule("in-ner.a", port(1), DROP)],
        span: Span::default(),
    });
    let outer = p.chains.push(Chain {
        name: "outer".into(),
        rules: vec![
            rule("outer.back", port(2), Some(Steer::Return)),
            rule("outer.on", port(3), Some(Steer::Goto(inner))),
            rule("outer.in", Pred::Const(true), Some(Steer::Jump(inner))),
            rule("outer.all", port(4), DROP),
        ],
        span: Span::default(),
    });
    p.hooks[hook].rules = vec![
        rule("to", field("udp", &[]), Some(Steer::Jump(outer))),
        rule("five", port(5), DROP),
        rule("three", port(3), DROP),
    ];
    // slots: to five three | in-ner.a | outer.back on in all | default
    for (dport, code, counted) in [
        (1, 1, vec![1, 0, 0, 1, 0, 0, 1, 0, 0]),
        (2, 2, vec![1, 0, 0, 0, 1, 0, 0, 0, 1]),
        (3, 1, vec![1, 0, 1, 0, 0, 1, 0, 0, 0]),
        (4, 1, vec![1, 0, 0, 0, 0, 0, 1, 1, 0]),
        (5, 1, vec![1, 1, 0, 0, 0, 0, 1, 0, 0]),
        (6, 2, vec![1, 0, 0, 0, 0, 0, 1, 0, 1]),
    ] {
        assert_eq!(judge(&p, &udp4(0, 5, dport)), (code, counted.clone()), "{dport}");
        assert_eq!(judge_as(&p, true, &udp4(0, 5, dport)), (2, counted), "{dport} in shadow");
    }
}

/// The frame, its IP header saying `proto`, with `inside` behind that header.
fn carrying(mut frame: Vec<u8>, proto: u8, inside: &[u8]) -> Vec<u8> {
    frame[14 + 9] = proto;
    frame.truncate(34);
    frame.extend(inside);
    frame
}

#[test]
fn the_packet_inside_a_tunnel_is_read_where_the_tunnel_ends() {
    let ask =
        |kind| policy(vec![rule("r", field_of("udp.dport", true, &[Ranges::one(53)]), DROP)], kind);
    let (xdp, socket) = (ask(HookKind::Xdp), ask(HookKind::Socket));
    let [inside, other] = [53, 54].map(|port| udp4(0, 7, port));
    let vxlan = |inside: &[u8]| {
        carrying(
            udp4(0, 5, 1),
            17,
            &[&[0, 1, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0], inside].concat(),
        )
    };
    let gre = |inside: &[u8]| {
        carrying(udp4(0, 5, 1), 47, &[&[0x20, 0, 8, 0, 0, 0, 0, 9], inside].concat())
    };
    for (packet, drops) in [
        (carrying(udp4(0, 5, 1), 4, &inside[14..]), true),
        (carrying(udp4(0, 5, 1), 4, &other[14..]), false),
        (gre(&inside[14..]), true),
        (vxlan(&inside), true),
        (vxlan(&udp4(2, 5, 53)), true),
        (vxlan(&udp4(3, 5, 53)), false),
        (vxlan(&udp6(&[(60, 1), (44, 0)], 53)), true),
        (vxlan(&other), false),
        (inside.clone(), false),
    ] {
        let code = if drops { 1 } else { 2 };
        assert_eq!(judge(&xdp, &packet).0, code, "{packet:02x?}");
        assert_eq!(judge(&socket, &packet[14..]).0 == 0, drops, "{packet:02x?}");
    }
}

#[test]
fn only_who_asks_for_tunnels_pays_for_them() {
    let functions = |pred| {
        let p = policy(vec![rule("r", pred, DROP)], HookKind::Xdp);
        let hook = p.hooks.keys().next().expect("one hook");
        let quote = |_| LineData { file: "t.l4".into(), line: 1, column: 1, text: "t".into() };
        let module = lower(&p, hook, &plan(&p, hook), false, &quote);
        let names: Vec<String> = module.funcs.values().map(|f| f.name.clone()).collect();
        let params = module.funcs.values().find(|f| f.name == "h_r0").map(|f| f.params().len());
        (names.contains(&"h_inner".to_owned()), params)
    };
    assert_eq!(functions(field("udp.dport", &[Ranges::one(53)])), (false, Some(2)));
    assert_eq!(functions(field_of("udp.dport", true, &[Ranges::one(53)])), (true, Some(3)));
}

#[test]
fn wide_ranges_and_tables() {
    let addr = |n: u128| (0x2020_2020_2020_2020 << 64) + n;
    let here = addr(0x2020_2020_2020_2020);
    let far: Vec<_> = (0..20u128).map(|i| (i << 100, (i << 100) + 5)).collect();
    let with = |extra| Ranges::from_unsorted(far.iter().copied().chain([extra]).collect());
    for (ranges, code) in [
        (Ranges::one(here), 1),
        (Ranges::one(here + 1), 2),
        (Ranges::span(here - 1, here + 1), 1),
        (Ranges::span(5, here - 1), 2),
        (Ranges::span(5, here), 1),
        (Ranges::span(here, here << 1), 1),
        (Ranges::span(here + 1, u128::MAX), 2),
        (with((here, here)), 1),
        (with((here + 1, here + 9)), 2),
    ] {
        let p = policy(
            vec![rule("r", field("src", &[Ranges::empty(), ranges.clone()]), DROP)],
            HookKind::Xdp,
        );
        assert_eq!(judge(&p, &udp6(&[], 1)).0, code, "{ranges:?}");
    }
}

#[test]
fn slices_count_from_their_layer() {
    let p = |layer, off, want: &[u8]| {
        policy(vec![rule("r", slice(layer, off, want), DROP)], HookKind::Xdp)
    };
    let packet = udp4(1, 6, 0x3536);
    assert_eq!(judge(&p(Layer::L2, 12, &[0x81, 0, 0x20]), &packet).0, 1);
    assert_eq!(judge(&p(Layer::L3, 12, &[10, 1, 2, 3, 9, 9, 9]), &packet).0, 1);
    assert_eq!(judge(&p(Layer::L4, 1, &[1, 0x35, 0x36]), &packet).0, 1);
    assert_eq!(judge(&p(Layer::L4, 6, &[0, 0]), &packet).0, 1);
    assert_eq!(judge(&p(Layer::L4, 7, &[0, 0]), &packet).0, 2);
    assert_eq!(judge(&p(Layer::L4, 65000, &[0]), &packet).0, 2);
}

#[test]
fn a_socket_sees_the_network_header_first() {
    let p = policy(vec![rule("r", field("udp.dport", &[Ranges::one(53)]), DROP)], HookKind::Socket);
    assert_eq!(judge(&p, &udp4(0, 5, 53)[14..]).0, 0);
    assert_eq!(judge(&p, &udp6(&[(0, 0)], 53)[14..]).0, 0);
    assert_eq!(judge(&p, &udp4(0, 5, 54)[14..]).0, u64::from(u32::MAX));
    assert_eq!(judge_as(&p, true, &udp4(0, 5, 53)[14..]), (u64::from(u32::MAX), vec![1, 0]));
}
