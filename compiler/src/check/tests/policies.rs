//! A policy as users write them, whole.

use super::{checked_with, policy, shown};
use crate::hir_text::hir_text;
use crate::source::MemoryFiles;

const EDGE: &str = r#"
include "common/nets.l4"

let MAX_QUERY = 512
set blocked: prefix { from "blocked.txt" }

match dns_to_us = dst in RESOLVERS and udp.dport == 53

chain web {
    bad_flags: tcp.flags & (syn|fin) == (syn|fin)          -> drop
               tcp.dport == 8080                           -> count alt_web, return
    rest:      tcp.flags has syn                           -> count new_conns
}

hook xdp edge {
    default drop, count unknown

    neighbours: arp or icmp6                               -> pass
    listed:     src in @blocked                            -> drop
    oversize:   dns_to_us and udp.len > MAX_QUERY          -> drop, count big
                dns_to_us                                  -> pass
    web_ports:  tcp.dport in { 80, 443, 8000-8999 }        -> jump web
    trial:      frag or unparsed                           -> shadow drop
    ssh:        tcp.dport == 22 and ttl > 250 and not vlan -> goto web
                tcp                                        -> pass
}

test "resolvers are served" for edge {
    let q = eth / ip(src 5.6.7.8, dst 203.0.113.5) / udp(sport 4000, dport 53) / "x"
    send q x 20                      expect pass by edge.4
    wait 1s
    send q with ip.src = 198.51.100.7  expect drop by listed
    expect count listed == 1
    pcap "may.pcap"                  expect drop >= 99%
}
"#;

fn files() -> MemoryFiles {
    MemoryFiles::new()
        .with("common/nets.l4", "let RESOLVERS = { 203.0.113.0/24, 2001:db8:53::/48 }\n")
        .with("blocked.txt", "198.51.100.0/24\n2001:db8:bad::/48\n")
        .with("may.pcap", "")
}

#[test]
fn a_policy_of_every_kind_of_item() {
    let checked = checked_with(EDGE, &files(), None);
    assert!(checked.diags.is_empty(), "{}", shown(&checked));
    let text = hir_text(&policy(checked));
    let (rules, test) = text.split_once("test ").expect("a test");
    assert_eq!(
        rules,
        "\
set blocked
    narrow {3325256704-3325256959}
    wide {42540766414896072131732111554850586624-42540766414897281057551726184025292799}
chain web
    web.bad_flags: tcp.flags & 0x3 in {0x3} -> drop
    web.2: tcp.dport in {8080} -> count alt_web, return
    web.rest: tcp.flags & 0x2 in {0x2} -> count new_conns
hook xdp edge
    neighbours: (arp or icmp6) -> pass
    listed: src in @blocked -> drop
    oversize: ((dst in {203.0.113.0-203.0.113.255} | {2001:db8:53::-2001:db8:53:ffff:ffff:ffff:ffff:ffff} and udp.dport in {53}) and udp.len in {513-65535}) -> count big, drop
    edge.4: (dst in {203.0.113.0-203.0.113.255} | {2001:db8:53::-2001:db8:53:ffff:ffff:ffff:ffff:ffff} and udp.dport in {53}) -> pass
    web_ports: tcp.dport in {80, 443, 8000-8999} -> jump web
    trial: (frag or unparsed) -> shadow drop
    ssh: (tcp.dport in {22} and ttl in {251-255} | {251-255} and not vlan) -> goto web
    edge.8: tcp -> pass
    default: all -> count unknown, drop
"
    );
    let lines: Vec<&str> = test.lines().collect();
    assert_eq!(lines[0], "\"resolvers are served\" for edge");
    assert!(lines[1].starts_with("    send 20 x ") && lines[1].ends_with("expect pass by edge.4"));
    assert_eq!(lines[2], "    wait 1000000000 ns");
    assert!(lines[3].starts_with("    send 1 x ") && lines[3].ends_with("expect drop by listed"));
    assert_eq!(lines[4], "    expect count listed == 1");
    assert_eq!(lines[5], "    pcap \"may.pcap\" expect drop >= 99%");
}

#[test]
fn the_same_policy_twice_is_the_same() {
    let text = || hir_text(&policy(checked_with(EDGE, &files(), None)));
    assert_eq!(text(), text());
}

/// Bytes taken out, doubled and swapped anywhere: errors or a policy, and no panic.
#[test]
fn a_damaged_policy_is_no_harm() {
    let mut seed = 1u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let words =
        ["{", "}", "(", ")", "in", "@", "&", "0", "-", "/", ":", "\"", "default", "not", "\n", ","];
    for _ in 0..400 {
        let mut text = EDGE.as_bytes().to_vec();
        for _ in 0..=next(6) {
            let at = next(text.len());
            match next(4) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, text[at]),
                2 => {
                    let other = next(text.len());
                    text.swap(at, other);
                }
                _ => drop(text.splice(at..at, words[next(words.len())].bytes())),
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let checked = checked_with(&text, &files(), None);
        if let Some(policy) = &checked.policy {
            assert!(!hir_text(policy).is_empty());
        }
    }
}
