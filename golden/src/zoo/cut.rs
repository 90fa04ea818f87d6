//! Transport headers that end one byte early, exactly, one byte late.

use super::Zoo;
use super::parts::{BEHIND4, BEHIND6, ip4, ip6, raw_of};
use std::collections::BTreeSet;

/// Name, protocol, bytes of the fixed header.
const HEADERS: [(&str, u8, usize); 10] = [
    ("tcp", 6, 20),
    ("udp", 17, 8),
    ("icmp", 1, 8),
    ("sctp", 132, 12),
    ("udplite", 136, 8),
    ("dccp", 33, 12),
    ("gre", 47, 4),
    ("esp", 50, 8),
    ("ah", 51, 12),
    ("igmp", 2, 8),
];

pub(super) fn add(zoo: &mut Zoo) {
    for (name, proto, bytes) in HEADERS {
        let body = body(proto, bytes + 1);
        let keeps = BTreeSet::from([4, bytes - 1, bytes, bytes + 1]);
        for keep in keeps {
            let frame = raw_of(ip4(), proto, &body);
            zoo.cut(format!("{name}4_cut_{keep}"), frame, BEHIND4 + keep);
        }
    }
    for (name, proto, bytes) in [("tcp", 6, 20), ("udp", 17, 8), ("icmp6", 58, 8)] {
        let body = body(proto, bytes + 1);
        let prefix = if name.ends_with('6') { name.to_owned() } else { format!("{name}6") };
        for keep in [bytes - 1, bytes, bytes + 1] {
            let frame = raw_of(ip6(), proto, &body);
            zoo.cut(format!("{prefix}_cut_{keep}"), frame, BEHIND6 + keep);
        }
    }
}

/// From port 4000 to 53 for those that have ports, a TCP data offset of 5; a GRE header
/// without parts, an IGMP query.
fn body(proto: u8, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    out[..4].copy_from_slice(&[0x0f, 0xa0, 0, 53]);
    match proto {
        1 | 58 => out[0] = 8,
        2 => out[0] = 0x11,
        6 => out[12] = 0x50,
        47 => out[..4].copy_from_slice(&[0, 0, 8, 0]),
        17 | 136 => out[5] = u8::try_from(bytes).expect("a few bytes"),
        _ => {}
    }
    out
}
