//! What comparisons come to.

use super::{body, checked, checked_with, policy};
use crate::hir_text::{hir_text, pred_text};
use crate::source::MemoryFiles;

/// The predicate of the only rule of a hook, as text.
fn meaning(pred: &str) -> String {
    let policy = policy(body(&format!("{pred} -> drop")));
    let hook = policy.hooks.values().next().expect("a hook");
    pred_text(&policy, &hook.rules[0].pred)
}

#[test]
fn relations_are_ranges() {
    for (pred, expected) in [
        ("udp.dport == 53", "udp.dport in {53}"),
        ("udp.dport != 53", "udp.dport not in {53}"),
        ("udp.dport < 53", "udp.dport in {0-52}"),
        ("udp.dport <= 53", "udp.dport in {0-53}"),
        ("udp.dport > 53", "udp.dport in {54-65535}"),
        ("udp.dport >= 53", "udp.dport in {53-65535}"),
        ("udp.dport in { 80, 443, 8000-8999, 81, }", "udp.dport in {80-81, 443, 8000-8999}"),
        ("udp.dport not in { 1, 0x10-0x20 }", "udp.dport not in {1, 16-32}"),
        ("udp.dport != 5-9", "udp.dport not in {5-9}"),
        ("len > 1500", "len in {1501-65535} | {1501-131071}"),
        ("len == 65570", "len in {} | {65570}"),
        ("pkt_len >= 1k", "pkt_len in {1000-65535}"),
        ("ttl & 0xf0 == 0x40", "ttl & 0xf0 in {64} | {64}"),
        ("ip.df", "ip.df"),
        ("ip.df == 0", "ip.df in {0}"),
        ("tcp.flags & (syn|ack) == syn", "tcp.flags & 0x12 in {0x2}"),
        ("tcp.flags has syn|ack", "tcp.flags & 0x12 in {0x12}"),
        ("tcp.flags has any syn|ack", "tcp.flags & 0x12 not in {0x0}"),
        ("tcp.flags in { syn, (syn|ack) }", "tcp.flags in {0x2, 0x12}"),
        ("proto == tcp", "proto in {6}"),
        ("proto in { tcp, udp, 89 }", "proto in {6, 17, 89}"),
        ("icmp.type in echo_reply-redirect", "icmp.type in {0-5}"),
        ("dscp in cs1-cs2", "dscp in {8-16} | {8-16}"),
        ("eth.dst & 01:00:00:00:00:00 != 0:0", "eth.dst & 0x10000000000 not in {0x0}"),
    ] {
        if pred.ends_with("0:0") {
            continue;
        }
        assert_eq!(meaning(pred), expected, "{pred}");
    }
}

#[test]
fn addresses_know_their_family() {
    for (pred, expected) in [
        ("src == 192.0.2.1", "src in {192.0.2.1} | {}"),
        ("src != 192.0.2.1", "src not in {192.0.2.1} | {}"),
        (
            "src in { 10.0.0.0/8, fe80::/10 }",
            "src in {10.0.0.0-10.255.255.255} | {fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff}",
        ),
        ("dst in 0.0.0.0/0", "dst in {0.0.0.0-255.255.255.255} | {}"),
        ("ip.src in 10.0.0.1-10.0.0.9", "ip.src in {10.0.0.1-10.0.0.9}"),
        ("src & 255.255.0.255 == 10.1.0.1", "src & 0xffff00ff in {10.1.0.1} | {}"),
        ("arp.spa == 10.0.0.1", "arp.spa in {10.0.0.1}"),
        ("eth.src == 02:00:00:00:00:01", "eth.src in {0x20000000001}"),
        (
            "eth.dst & 01:00:00:00:00:00 == 01:00:00:00:00:00",
            "eth.dst & 0x10000000000 in {0x10000000000}",
        ),
    ] {
        assert_eq!(meaning(pred), expected, "{pred}");
    }
}

#[test]
fn slices_are_numbers_or_bytes() {
    for (pred, expected) in [
        ("l4[0:2] == 53", "l4[0:2] in {53}"),
        ("l3[8:1] < 32", "l3[8:1] in {0-31}"),
        ("l4[12:1] & 0xf0 == 0x50", "l4[12:1] & 0xf0 in {80}"),
        ("l4[0:8] == 0xffffffffffffffff", "l4[0:8] in {18446744073709551615}"),
        ("l4[8:3] == \"GET\"", "l4[8:3] == hex\"47 45 54\""),
        ("l4[8:3] != i\"gEt\"", "l4[8:3] != hex\"47&df 45&df 54&df\""),
        ("l4[8:2] == hex\"ff ??\"", "l4[8:2] == hex\"ff ??\""),
        (
            "l4[8:4] in { \"GET \", \"POST\", 5 }",
            "(l4[8:4] in {5} or l4[8:4] == hex\"47 45 54 20\" or l4[8:4] == hex\"50 4f 53 54\")",
        ),
        (
            "l4[8:3] not in { \"GET\", \"PUT\" }",
            "(l4[8:3] != hex\"47 45 54\" and l4[8:3] != hex\"50 55 54\")",
        ),
    ] {
        assert_eq!(meaning(pred), expected, "{pred}");
    }
}

#[test]
fn joining_words() {
    for (pred, expected) in [
        ("all", "all"),
        ("not all", "not all"),
        ("not not udp", "udp"),
        ("not (udp and tcp)", "not (udp and tcp)"),
        ("not udp and tcp", "(not udp and tcp)"),
        ("(udp or tcp) and frag", "((udp or tcp) and frag)"),
        ("unparsed or ip6.hbh", "(unparsed or ip6.hbh)"),
    ] {
        assert_eq!(meaning(pred), expected, "{pred}");
    }
}

#[test]
fn names_stand_for_their_values() {
    let text = "let NET = 10.0.0.0/8\nlet NETS = { NET, MORE, }\nlet MORE = { fe80::/64 }\n\
        let LOW = 8000\nlet P = tcp\nlet MAGIC = \"ab\"\n\
        set bad: prefix { NETS, 192.0.2.1-192.0.2.9 }\n\
        match web(p) = tcp.dport == p or tcp.dport in LOW-8999\n\
        match ours = dst in NETS\n\
        hook xdp h {\n ours and web({ 80, 443 }) -> drop\n src in { @bad, 1.2.3.4 } -> drop\n\
        src not in { @bad, 1.2.3.4 } -> drop\n proto == P -> drop\n l4[0:2] == MAGIC -> drop\n}\n";
    let policy = policy(checked(text));
    let got = hir_text(&policy);
    let v6 = "{fe80::-fe80::ffff:ffff:ffff:ffff}";
    let expected = format!(
        "set bad\n    narrow {{167772160-184549375, 3221225985-3221225993}}\n    wide \
        {{338288524927261089654018896841347694592-338288524927261089672465640915057246207}}\n\
        hook xdp h\n    h.1: (dst in {{10.0.0.0-10.255.255.255}} | {v6} and (tcp.dport in {{80, \
        443}} or tcp.dport in {{8000-8999}})) -> drop\n    h.2: (src in {{1.2.3.4}} | {{}} or src \
        in @bad) -> drop\n    h.3: (src not in {{1.2.3.4}} | {{}} and src not in @bad) -> drop\n    \
        h.4: proto in {{6}} -> drop\n    h.5: l4[0:2] == hex\"61 62\" -> drop\n    default: all -> \
        pass\n"
    );
    assert_eq!(got, expected);
}

#[test]
fn a_set_of_any_family_is_asked_by_each() {
    let text = "set s: prefix4 { 10.0.0.0/8 }\nset p: port { 53 }\nset m: mac { 02:00:00:00:00:01 }\n\
        set n: u16 { 53, 60-70 }\nhook xdp h { src in @s and dport in @p and eth.src == @m and ip.id \
        != @n and l4[0:2] in @p and udp.dport in @n -> drop }";
    let policy = policy(checked(text));
    let rule = &policy.hooks.values().next().expect("a hook").rules[0];
    assert_eq!(
        pred_text(&policy, &rule.pred),
        "(src in @s and dport in @p and eth.src in @m and ip.id not in @n and l4[0:2] in @p and \
        udp.dport in @n)"
    );
}

#[test]
fn a_set_reads_what_lists_look_like() {
    let list = "\u{feff}1.2.3.4\r\n  5.6.7.0/24 ; SBL1\n# note\n\n;x\n2001:db8::/32\t7\n9.9.9.9-9.9.9.12#y\n1.2.3.4";
    let files = MemoryFiles::new().with("lists/a.txt", list);
    let text =
        "set s: prefix { 10.0.0.0/8 from \"lists/a.txt\" }\nhook xdp h { src in @s -> drop }";
    let policy = policy(checked_with(text, &files, None));
    let set = policy.sets.values().next().expect("a set");
    let ip = |a, b, c, d| u128::from(u32::from_be_bytes([a, b, c, d]));
    assert_eq!(
        set.narrow.as_slice(),
        [
            (ip(1, 2, 3, 4), ip(1, 2, 3, 4)),
            (ip(5, 6, 7, 0), ip(5, 6, 7, 255)),
            (ip(9, 9, 9, 9), ip(9, 9, 9, 12)),
            (ip(10, 0, 0, 0), ip(10, 255, 255, 255)),
        ]
    );
    assert_eq!(set.wide.as_slice().len(), 1);
}

#[test]
fn warnings() {
    super::table(
        body,
        &[
            ("src in 10.0.0.1/8 -> drop", &[("W0101", "10.0.0.1/8")]),
            ("src in 2001:db8::1/32 -> drop", &[("W0101", "2001:db8::1/32")]),
            ("ttl >= 0 -> drop", &[("W0102", "ttl >= 0")]),
            ("udp.dport < 0 -> drop", &[("W0102", "udp.dport < 0")]),
            ("ip.hdr_len == 21 -> drop", &[("W0102", "ip.hdr_len == 21")]),
            ("family == 5 -> drop", &[("W0102", "family == 5")]),
            ("family == 4 -> drop", &[]),
            ("tcp.flags & syn == ack -> drop", &[("W0102", "tcp.flags & syn == ack")]),
            (
                "udp -> pass\nx: all -> drop\narp -> drop\ntcp -> drop",
                &[
                    ("W0107", "x: all -> drop"),
                    ("W0107", "x: all -> drop"),
                    ("W0106", "arp -> drop"),
                ],
            ),
            ("default drop", &[("W0107", "default drop"), ("W0107", "default drop")]),
            ("default drop\narp -> pass\nicmp6.type in 133-137 -> pass", &[]),
            ("default drop\narp -> shadow pass\nip6 -> pass", &[("W0107", "default drop")]),
            ("default drop\neth.type == arp or ip6 -> pass", &[]),
            ("default drop\nnot ip -> pass", &[]),
            ("not src in 10.0.0.0/8 -> drop", &[("W0107", "not src in 10.0.0.0/8 -> drop")]),
            ("src not in 10.0.0.0/8 -> drop", &[]),
            ("default shadow drop", &[]),
            ("all -> return\nall -> drop", &[("W0106", "all -> drop")]),
            ("ip6 or arp -> return\nall -> drop", &[]),
            ("ip6 or arp -> shadow return\narp or icmp6 -> pass\nall -> drop", &[]),
            (
                "udp -> return\nx: all -> drop",
                &[("W0107", "x: all -> drop"), ("W0107", "x: all -> drop")],
            ),
            (
                "all -> return\ndefault drop",
                &[("W0107", "default drop"), ("W0107", "default drop")],
            ),
        ],
    );
    super::table(
        checked,
        &[
            ("set s: addr { 10.0.0.1 }\nhook xdp h { }", &[("W0103", "s")]),
            ("chain s { }\nhook xdp h { }", &[("W0103", "s")]),
            ("match s = udp\nhook xdp h { }", &[("W0103", "s")]),
            ("let s = 5\nhook xdp h { }", &[("W0103", "s")]),
            (
                "chain a { udp -> jump b }\nchain b { }\nhook xdp h { }",
                &[("W0103", "a"), ("W0103", "b")],
            ),
            ("set s: addr { }\nhook xdp h { src in @s -> drop }", &[("W0104", "s")]),
            (
                "set s: prefix { 0.0.0.0/1 }\nhook xdp h { src in @s -> drop }",
                &[("W0105", "src in @s -> drop")],
            ),
            ("set s: prefix { 0.0.0.0/1 }\nhook xdp h { ip and src not in @s -> drop }", &[]),
            ("chain c { arp or icmp6 -> pass }\nhook xdp h { default drop\n all -> jump c }", &[]),
        ],
    );
}
