//! Each row of the field table on a packet of a packet library: where it is there, where it is not.

use super::sample::*;
use crate::fields::{FIELDS, Field};
use crate::ranges::Ranges;
use crate::reference::Dissected;
use l4c_manifest::Start;

/// A row's name, a packet, what the library put there; `None` where the packet has no such field.
type Case = (&'static str, Vec<u8>, Option<u128>);

fn number<const N: usize>(bytes: [u8; N]) -> Option<u128> {
    Some(bytes.iter().fold(0, |n, &byte| n << 8 | u128::from(byte)))
}

const THERE: Option<u128> = Some(1);

fn arp_frame() -> Vec<u8> {
    join(&[&eth(0x0806), &arp()])
}

fn icmp_frame() -> Vec<u8> {
    join(&[&eth(0x0800), &ip4(1, &icmp(b"ping"))])
}

fn icmp6_frame() -> Vec<u8> {
    join(&[&eth(0x86dd), &ip6(58, &icmp6(b"ping"))])
}

fn last_fragment(proto: u8) -> Vec<u8> {
    join(&[&eth(0x0800), &fragment4(proto, 185, false, &[0; 40])])
}

fn first_fragment(proto: u8) -> Vec<u8> {
    join(&[&eth(0x0800), &fragment4(proto, 0, true, &tcp(b"start"))])
}

fn any_family() -> Vec<Case> {
    vec![
        // 28 of TCP in 33 bytes
        ("tcp.payload_len", tagged_tcp(), Some(5)),
        ("tcp.payload_len", tcp6(), Some(5)),
        ("tcp.payload_len", last_fragment(6), None),
        ("src", tagged_tcp(), number(SRC4)),
        ("src", tcp6(), number(SRC6)),
        ("src", arp_frame(), None),
        ("dst", tagged_tcp(), number(DST4)),
        ("dst", tcp6(), number(DST6)),
        ("dst", arp_frame(), None),
        ("proto", tagged_tcp(), Some(6)),
        ("proto", udp6_behind_everything(), Some(17)),
        ("proto", last_fragment(17), Some(17)),
        ("proto", arp_frame(), None),
        ("ttl", tagged_tcp(), Some(57)),
        ("ttl", tcp6(), Some(61)),
        ("ttl", arp_frame(), None),
        // 28 of header, 28 of TCP, 5 bytes; 40 of header, 28 of TCP, 5 bytes
        ("len", tagged_tcp(), Some(61)),
        ("len", tcp6(), Some(73)),
        ("len", arp_frame(), None),
        ("dscp", tagged_tcp(), Some(46)),
        ("dscp", tcp6(), Some(46)),
        ("dscp", arp_frame(), None),
        ("ecn", tagged_tcp(), Some(1)),
        ("ecn", tcp6(), Some(1)),
        ("ecn", arp_frame(), None),
        ("frag", first_fragment(6), THERE),
        ("frag", last_fragment(6), THERE),
        ("frag", udp6_behind_everything(), None),
        ("frag", join(&[&eth(0x86dd), &ip6(44, &fragment6(17, 0, true)), &udp(b"")]), THERE),
        ("frag", join(&[&eth(0x86dd), &ip6(44, &fragment6(17, 9, false)), &udp(b"")]), THERE),
        ("family", tagged_tcp(), Some(4)),
        ("family", tcp6(), Some(6)),
        ("family", arp_frame(), None),
        ("sport", tagged_tcp(), Some(40123)),
        ("sport", udp6_behind_everything(), Some(53124)),
        ("sport", last_fragment(6), None),
        ("sport", icmp_frame(), None),
        ("dport", first_fragment(6), Some(443)),
        ("dport", udp4(), Some(53)),
        // SCTP, DCCP and UDP-Lite begin with the same ports
        ("dport", join(&[&eth(0x0800), &ip4(132, &udp(b"data"))]), Some(53)),
        ("dport", join(&[&eth(0x0800), &ip4(33, &udp(b"data"))]), Some(53)),
        ("dport", join(&[&eth(0x0800), &ip4(136, &udp(b""))]), Some(53)),
        ("dport", join(&[&eth(0x0800), &ip4(132, &udp(b""))]), None),
        ("dport", last_fragment(17), None),
        ("unparsed", join(&[&eth(0x0800), &ip4(6, &tcp(b"")[..19])]), THERE),
        ("unparsed", udp6_behind_everything(), None),
        ("pkt_len", udp4(), Some(14 + 20 + 8 + 4)),
    ]
}

fn link() -> Vec<Case> {
    vec![
        ("eth.dst", udp4(), number([2, 21, 22, 23, 24, 25])),
        ("eth.dst", vec![0; 13], None),
        ("eth.src", udp4(), number([2, 11, 12, 13, 14, 15])),
        ("eth.src", vec![0; 13], None),
        ("eth.type", tagged_tcp(), Some(0x0800)),
        ("eth.type", join(&[&eth(0x8100), &tag(0, false, 1, 0x86dd)]), Some(0x86dd)),
        ("eth.type", eth(0x1234), Some(0x1234)),
        ("eth.type", vec![0; 13], None),
        ("vlan", tagged_tcp(), THERE),
        ("vlan", udp4(), None),
        ("vlan.pcp", tagged_tcp(), Some(5)),
        ("vlan.pcp", udp4(), None),
        ("vlan.dei", tagged_tcp(), Some(1)),
        ("vlan.dei", udp4(), None),
        ("vlan.id", tagged_tcp(), Some(0x123)),
        ("vlan.id", udp4(), None),
        ("vlan2", tagged_tcp(), THERE),
        ("vlan2", join(&[&eth(0x9100), &tag(0, false, 1, 0x0800)]), None),
        ("vlan2.pcp", tagged_tcp(), Some(3)),
        ("vlan2.pcp", join(&[&eth(0x9100), &tag(7, false, 1, 0x0800)]), None),
        ("vlan2.dei", tagged_tcp(), Some(0)),
        ("vlan2.dei", udp4(), None),
        ("vlan2.id", tagged_tcp(), Some(0xabc)),
        ("vlan2.id", udp4(), None),
        ("arp", arp_frame(), THERE),
        ("arp", udp4(), None),
        ("arp.htype", arp_frame(), Some(1)),
        ("arp.htype", udp4(), None),
        ("arp.ptype", arp_frame(), Some(0x0800)),
        ("arp.ptype", udp4(), None),
        ("arp.op", arp_frame(), Some(2)),
        ("arp.op", udp4(), None),
        ("arp.sha", arp_frame(), number([2, 31, 32, 33, 34, 35])),
        ("arp.sha", arp_frame()[..41].to_vec(), None),
        ("arp.spa", arp_frame(), number(SRC4)),
        ("arp.spa", arp_frame()[..41].to_vec(), None),
        ("arp.tha", arp_frame(), number([2, 41, 42, 43, 44, 45])),
        ("arp.tha", udp4(), None),
        ("arp.tpa", arp_frame(), number(DST4)),
        ("arp.tpa", udp4(), None),
    ]
}

fn network() -> Vec<Case> {
    let checksum = {
        let frame = udp4();
        number([frame[24], frame[25]])
    };
    vec![
        ("ip", tagged_tcp(), THERE),
        ("ip", tcp6(), None),
        ("ip.hdr_len", tagged_tcp(), Some(28)),
        ("ip.hdr_len", tcp6(), None),
        ("ip.tos", tagged_tcp(), Some(46 << 2 | 1)),
        ("ip.tos", tcp6(), None),
        ("ip.dscp", tagged_tcp(), Some(46)),
        ("ip.dscp", tcp6(), None),
        ("ip.ecn", tagged_tcp(), Some(1)),
        ("ip.ecn", tcp6(), None),
        ("ip.len", tagged_tcp(), Some(61)),
        ("ip.len", tcp6(), None),
        ("ip.id", tagged_tcp(), Some(0xbeef)),
        ("ip.id", tcp6(), None),
        ("ip.df", tagged_tcp(), Some(1)),
        ("ip.df", first_fragment(6), Some(0)),
        ("ip.df", tcp6(), None),
        ("ip.mf", first_fragment(6), Some(1)),
        ("ip.mf", tagged_tcp(), Some(0)),
        ("ip.mf", tcp6(), None),
        ("ip.frag_off", last_fragment(6), Some(185)),
        ("ip.frag_off", tcp6(), None),
        ("ip.ttl", tagged_tcp(), Some(57)),
        ("ip.ttl", tcp6(), None),
        ("ip.proto", carrying(89), Some(89)),
        ("ip.proto", tcp6(), None),
        ("ip.checksum", udp4(), checksum),
        ("ip.checksum", tcp6(), None),
        ("ip.src", tagged_tcp(), number(SRC4)),
        ("ip.src", tcp6(), None),
        ("ip.dst", tagged_tcp(), number(DST4)),
        ("ip.dst", tcp6(), None),
        ("ip6", tcp6(), THERE),
        ("ip6", udp4(), None),
        ("ip6.tclass", tcp6(), Some(0xb9)),
        ("ip6.tclass", udp4(), None),
        ("ip6.flow_label", tcp6(), Some(0xabcde)),
        ("ip6.flow_label", udp4(), None),
        ("ip6.len", tcp6(), Some(33)),
        ("ip6.len", udp4(), None),
        ("ip6.next", udp6_behind_everything(), Some(0)),
        ("ip6.next", udp4(), None),
        ("ip6.hop_limit", tcp6(), Some(61)),
        ("ip6.hop_limit", udp4(), None),
        ("ip6.src", tcp6(), number(SRC6)),
        ("ip6.src", udp4(), None),
        ("ip6.dst", tcp6(), number(DST6)),
        ("ip6.dst", udp4(), None),
    ]
}

fn extensions() -> Vec<Case> {
    ["ip6.hbh", "ip6.rt", "ip6.frag", "ip6.dstopts", "ip6.ah", "ip6.mh"]
        .into_iter()
        .flat_map(|name| [(name, udp6_behind_everything(), THERE), (name, tcp6(), None)])
        .collect()
}

fn transports() -> Vec<Case> {
    let icmp_unreachable = || join(&[&eth(0x0800), &ip4(1, &icmp_unreachable())]);
    let icmp6_unreachable = || join(&[&eth(0x86dd), &ip6(58, &icmp6_unreachable())]);
    vec![
        ("tcp.sport", tagged_tcp(), Some(40123)),
        ("tcp.sport", udp4(), None),
        ("tcp.dport", tagged_tcp(), Some(443)),
        ("tcp.dport", last_fragment(6), None),
        ("tcp.seq", tcp6(), Some(0x0102_0304)),
        ("tcp.seq", udp4(), None),
        ("tcp.ack", tcp6(), Some(0x0a0b_0c0d)),
        ("tcp.ack", udp4(), None),
        ("tcp.hdr_len", tagged_tcp(), Some(28)),
        ("tcp.hdr_len", udp4(), None),
        ("tcp.flags", tagged_tcp(), Some(0x12)),
        ("tcp.flags", udp4(), None),
        ("tcp.window", tagged_tcp(), Some(0xf0e0)),
        ("tcp.window", udp4(), None),
        ("tcp.checksum", tagged_tcp(), Some(0x1357)),
        ("tcp.checksum", udp4(), None),
        ("tcp.urgent", tagged_tcp(), Some(0x55aa)),
        ("tcp.urgent", udp4(), None),
        ("udp.sport", udp6_behind_everything(), Some(53124)),
        ("udp.sport", tcp6(), None),
        ("udp.dport", udp4(), Some(53)),
        ("udp.dport", last_fragment(17), None),
        ("udp.len", udp4(), Some(12)),
        ("udp.len", tcp6(), None),
        ("udp.checksum", udp4(), Some(0x2468)),
        ("udp.checksum", tcp6(), None),
        ("icmp.type", icmp_frame(), Some(8)),
        ("icmp.type", icmp6_frame(), None),
        ("icmp.code", icmp_unreachable(), Some(13)),
        ("icmp.code", icmp6_frame(), None),
        ("icmp.id", icmp_frame(), Some(0x1122)),
        ("icmp.id", icmp6_frame(), None),
        ("icmp.id", icmp_unreachable(), None),
        ("icmp.seq", icmp_frame(), Some(0x3344)),
        ("icmp.seq", icmp6_frame(), None),
        ("icmp6.type", icmp6_frame(), Some(129)),
        ("icmp6.type", icmp_frame(), None),
        ("icmp6.code", icmp6_unreachable(), Some(4)),
        ("icmp6.code", icmp_frame(), None),
        ("icmp6.id", icmp6_frame(), Some(0x5566)),
        ("icmp6.id", icmp_frame(), None),
        ("icmp6.id", icmp6_unreachable(), None),
        ("icmp6.seq", icmp6_frame(), Some(0x7788)),
        ("icmp6.seq", icmp_frame(), None),
    ]
}

/// What the packet library does not know is written out as its RFC draws it.
fn written_out() -> Vec<Case> {
    let behind = |proto: u8, bytes: &[u8]| join(&[&eth(0x0800), &ip4(proto, bytes)]);
    let sctp = behind(132, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 0, 4]);
    let lite = behind(136, &[1, 2, 3, 4, 0, 8, 7, 8, 9]);
    let dccp = behind(33, &[1, 2, 3, 4, 3, 0, 7, 8, 0xf3, 10, 11, 12]);
    let gre = |flags: u8, version: u8, words: &[u8]| {
        behind(47, &[&[flags, version, 0x65, 0x58], words].concat())
    };
    let all = gre(0xb0, 0, &[1, 2, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10]);
    let key_alone = gre(0x20, 0, &[3, 4, 5, 6]);
    let esp = behind(50, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let auth = behind(51, &[6, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let igmp = |ty: u8| behind(2, &[ty, 0, 0, 0, 239, 1, 2, 3]);
    let mut cases: Vec<Case> = vec![
        ("sctp.sport", sctp.clone(), Some(0x0102)),
        ("sctp.dport", sctp.clone(), Some(0x0304)),
        ("sctp.vtag", sctp.clone(), Some(0x0506_0708)),
        ("sctp.checksum", sctp.clone(), Some(0x090a_0b0c)),
        ("sctp.chunk", sctp.clone(), Some(13)),
        ("sctp.chunk", sctp[..sctp.len() - 1].to_vec(), None),
        ("sctp.vtag", sctp[..sctp.len() - 4].to_vec(), Some(0x0506_0708)),
        ("sctp.vtag", sctp[..sctp.len() - 5].to_vec(), None),
        ("udplite.sport", lite.clone(), Some(0x0102)),
        ("udplite.dport", lite.clone(), Some(0x0304)),
        ("udplite.cover", lite.clone(), Some(8)),
        ("udplite.checksum", lite, Some(0x0708)),
        ("dccp.sport", dccp.clone(), Some(0x0102)),
        ("dccp.dport", dccp.clone(), Some(0x0304)),
        ("dccp.type", dccp, Some(9)),
        ("gre.flags", all.clone(), Some(0b10110)),
        ("gre.version", gre(0x30, 0xf9, &[0; 8]), Some(1)),
        ("gre.proto", all.clone(), Some(0x6558)),
        ("gre.checksum", all.clone(), Some(0x0102)),
        ("gre.checksum", key_alone.clone(), None),
        ("gre.key", all.clone(), Some(0x0304_0506)),
        ("gre.key", key_alone.clone(), Some(0x0304_0506)),
        ("gre.key", gre(0x90, 0, &[0; 12]), None),
        // Version 1 has other things there.
        ("gre.key", gre(0x20, 1, &[3, 4, 5, 6]), None),
        ("gre.seq", all, Some(0x0708_090a)),
        ("gre.seq", key_alone, None),
        ("esp.spi", esp.clone(), Some(0x0102_0304)),
        ("esp.seq", esp, Some(0x0506_0708)),
        ("ah.next", auth.clone(), Some(6)),
        ("ah.spi", auth.clone(), Some(0x0102_0304)),
        ("ah.seq", auth, Some(0x0506_0708)),
        ("ah.spi", udp6_behind_everything(), None),
        ("igmp.type", igmp(0x22), Some(0x22)),
        ("igmp.group", igmp(0x22), None),
    ];
    cases.extend([0x11, 0x12, 0x16, 0x17].map(|ty| ("igmp.group", igmp(ty), Some(0xef01_0203))));
    let words = ["sctp.", "udplite.", "dccp.", "gre.", "esp.", "ah.", "igmp."];
    let rows = FIELDS.iter().filter(|f| words.iter().any(|word| f.name.starts_with(word)));
    cases.extend(rows.map(|field| (field.name, udp4(), None)));
    cases
}

/// TCP options, each with numbers of its own.
fn options() -> Vec<Case> {
    let with = |options: &[u8]| join(&[&eth(0x0800), &ip4(6, &tcp_with(options))]);
    let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7];
    let signed = [&[1, 1, 19, 18][..], &[0x5a; 16]].concat();
    let mut cases = vec![
        ("ip.options", tagged_tcp(), THERE),
        ("ip.options", udp4(), None),
        ("tcp.opts", with(&[]), THERE),
        ("tcp.opt.mss", with(&linux), Some(1460)),
        ("tcp.opt.wscale", with(&linux), Some(7)),
        ("tcp.opt.sack_ok", with(&linux), THERE),
        ("tcp.opt.sack", with(&[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2]), THERE),
        ("tcp.opt.ts", with(&linux), THERE),
        ("tcp.opt.ts_val", with(&linux), Some(0x0102_0304)),
        ("tcp.opt.ts_ecr", with(&linux), Some(0x0506_0708)),
        ("tcp.opt.md5", with(&signed), THERE),
        ("tcp.opt.ao", with(&[29, 4, 1, 1]), THERE),
        ("tcp.opt.mptcp", with(&[30, 4, 0, 1]), THERE),
        ("tcp.opt.fastopen", with(&[34, 2, 1, 1]), THERE),
        // The first of a kind whose length is right.
        ("tcp.opt.mss", with(&[2, 3, 9, 2, 4, 0, 1, 1]), Some(1)),
        ("tcp.opt.mss", with(&[2, 4, 0, 2, 2, 4, 0, 1]), Some(2)),
        // The walk ends at the list's end, at an impossible length, and where the header ends.
        ("tcp.opt.mss", with(&[0, 2, 4, 0, 1, 1, 1, 1]), None),
        ("tcp.opt.mss", with(&[9, 0, 1, 1, 2, 4, 0, 1]), None),
        ("tcp.opt.mss", with(&[9, 1, 1, 1, 2, 4, 0, 1]), None),
        ("tcp.opt.mss", with(&[1, 1, 2, 4]), None),
        ("tcp.opt.mss", with(&[1, 1, 1, 2]), None),
    ];
    let rows = FIELDS.iter().filter(|f| f.name.starts_with("tcp.opt"));
    cases.extend(rows.map(|field| (field.name, udp4(), None)));
    cases
}

fn protocols() -> Vec<Case> {
    let numbers = [
        ("tcp", etherparse::ip_number::TCP),
        ("udp", etherparse::ip_number::UDP),
        ("icmp", etherparse::ip_number::ICMP),
        ("icmp6", etherparse::ip_number::IPV6_ICMP),
        ("igmp", etherparse::ip_number::IGMP),
        ("ipip", etherparse::ip_number::IPV4),
        ("dccp", etherparse::ip_number::DCCP),
        ("gre", etherparse::ip_number::GRE),
        ("esp", etherparse::ip_number::ENCAP_SEC),
        ("ah", etherparse::ip_number::AUTH),
        ("ospf", etherparse::ip_number::OSPFIGP),
        ("pim", etherparse::ip_number::PIM),
        ("vrrp", etherparse::ip_number::VRRP),
        ("sctp", etherparse::ip_number::SCTP),
        ("udplite", etherparse::ip_number::UDP_LITE),
    ];
    numbers
        .into_iter()
        .flat_map(|(name, proto)| {
            [
                (name, carrying(proto.0), THERE),
                (name, last_fragment(proto.0), THERE),
                (name, carrying(200), None),
            ]
        })
        .collect()
}

fn cases() -> Vec<Case> {
    let headers = [any_family(), link(), network(), extensions(), transports()].concat();
    [headers, written_out(), options(), protocols()].concat()
}

fn read(field: &Field, packet: &[u8], start: Start) -> Option<u128> {
    let packet = Dissected::new(packet, start, &Ranges::empty());
    field.places.iter().find_map(|place| packet.value(place))
}

#[test]
fn rows_hold_what_the_library_put_there() {
    for (name, packet, expected) in cases() {
        let field = Field::find(name).unwrap_or_else(|| panic!("no row {name}"));
        assert_eq!(read(field, &packet, Start::Link), expected, "{name} of {packet:02x?}");
    }
}

#[test]
fn without_link_header_the_rest_is_the_same() {
    let link = |name: &str| name.starts_with("eth.") || name.starts_with("vlan");
    for (name, frame, expected) in cases() {
        let net = match Field::find("eth.type").and_then(|f| read(f, &frame, Start::Link)) {
            Some(0x0800 | 0x86dd) => {
                let tags = ["vlan", "vlan2"]
                    .iter()
                    .filter(|name| read(Field::find(name).unwrap(), &frame, Start::Link).is_some());
                14 + 4 * tags.count()
            }
            _ => continue,
        };
        let expected = match name {
            "pkt_len" => expected.map(|n| n - net as u128),
            _ if link(name) => None,
            _ => expected,
        };
        let field = Field::find(name).unwrap();
        assert_eq!(read(field, &frame[net..], Start::Network), expected, "{name} of {frame:02x?}");
    }
}

#[test]
fn every_row_is_tested_there_and_absent() {
    let cases = cases();
    let tested = |name: &str, there: bool| {
        cases.iter().any(|case| case.0 == name && case.2.is_some() == there)
    };
    // DNS has cases of its own, and a name is no number.
    let elsewhere = |name: &str| name.starts_with("dns");
    let missing: Vec<_> = FIELDS
        .iter()
        .filter(|field| !elsewhere(field.name))
        // How a packet came is not in the packet.
        .filter(|field| !field.is_arrival())
        .filter(|field| !tested(field.name, true) || !tested(field.name, field.name == "pkt_len"))
        .map(|field| field.name)
        .collect();
    assert!(missing.is_empty(), "rows without a packet: {missing:?}");
}
