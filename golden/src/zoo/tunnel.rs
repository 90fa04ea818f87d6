//! Packets in packets: IP in IP, GRE, VXLAN, GUE.
//!
//! Headers of tunnels are written out byte by byte from their RFCs and draft-ietf-intarea-gue. What is inside
//! has other addresses and ports than what is around it.

use super::Zoo;
use super::extension::{DST, HBH, chain_of, fragment, plain};
use super::parts::{
    BEHIND4, BEHIND6, DATA, ETH, Ip, SPORT, frame, ip4, ip4_with, ip6, ip6_with, patched, raw_of,
    tagged, tcp_of, udp_of,
};
use etherparse::IpFragOffset;

/// Ports of VXLAN (RFC 7348, and Linux before it) and of GUE.
const VXLAN: u16 = 4789;
const OLD_VXLAN: u16 = 8472;
const GUE: u16 = 6080;

pub(super) fn add(zoo: &mut Zoo) {
    each_in_each(zoo);
    cuts(zoo);
    fragments(zoo);
    no_tunnels(zoo);
    frames(zoo);
    networks(zoo);
    nested(zoo);
}

/// 10.1.2.3 to 203.0.113.5, TTL 9.
fn in4() -> Ip {
    ip4_with(|h| {
        (h.source, h.destination, h.time_to_live) = ([10, 1, 2, 3], [203, 0, 113, 5], 9);
    })
}

/// 2001:db8:1::1 to 2001:db8:1::5, hop limit 9.
fn in6() -> Ip {
    ip6_with(|h| {
        (h.source[5], h.destination[5], h.hop_limit) = (1, 1, 9);
        (h.destination[7], h.destination[15]) = (0, 5);
    })
}

/// What tunnels carry, as frames: each transport in each IP.
fn inners() -> [(&'static str, Vec<u8>); 6] {
    let syn = |ip| {
        let edit = |h: &mut etherparse::TcpHeader| (h.syn, h.destination_port) = (true, 443);
        tcp_of(ip, edit, &[])
    };
    [
        ("udp4", udp_of(in4(), 5000, 53, DATA)),
        ("udp6", udp_of(in6(), 5000, 53, DATA)),
        ("tcp4", syn(in4())),
        ("tcp6", syn(in6())),
        ("icmp4", raw_of(in4(), 1, &[8, 0, 0, 0, 0x56, 0x78, 0, 3])),
        ("icmp6", raw_of(in6(), 58, &[128, 0, 0, 0, 0x56, 0x78, 0, 3])),
    ]
}

/// Protocol number and EtherType of the IP packet in a frame.
fn kind(inner: &[u8]) -> (u8, [u8; 2]) {
    let ether_type = [inner[12], inner[13]];
    (if ether_type == [0x86, 0xdd] { 41 } else { 4 }, ether_type)
}

/// IP in IP: RFC 2003, RFC 2473, RFC 4213.
fn ipip(ip: Ip, inner: &[u8]) -> Vec<u8> {
    raw_of(ip, kind(inner).0, &inner[ETH..])
}

/// GRE with the parts that `flags` announce, for an IP packet: RFC 2784, RFC 2890.
fn gre(ip: Ip, flags: u8, inner: &[u8]) -> Vec<u8> {
    gre_of(ip, flags, 0, kind(inner).1, &inner[ETH..])
}

fn gre_of(ip: Ip, flags: u8, version: u8, ether_type: [u8; 2], inside: &[u8]) -> Vec<u8> {
    let words: [(u8, [u8; 4]); 3] =
        [(0xc0, [0xc5, 0xc5, 0, 0]), (0x20, [0xa1, 0xa2, 0xa3, 0xa4]), (0x10, [0, 0, 0, 9])];
    let parts = words.iter().filter(|(bits, _)| flags & bits != 0).flat_map(|(_, word)| *word);
    let parts: Vec<u8> = parts.collect();
    raw_of(ip, 47, &[&[flags, version], &ether_type[..], &parts, inside].concat())
}

/// A frame in GRE: RFC 1701.
fn teb(ip: Ip, flags: u8, inner: &[u8]) -> Vec<u8> {
    gre_of(ip, flags, 0, [0x65, 0x58], inner)
}

/// VXLAN with these flags, network 0x050607: RFC 7348.
fn vxlan_of(ip: Ip, port: u16, flags: u8, inner: &[u8]) -> Vec<u8> {
    udp_of(ip, SPORT, port, &[&[flags, 0, 0, 0, 5, 6, 7, 0], inner].concat())
}

fn vxlan(ip: Ip, inner: &[u8]) -> Vec<u8> {
    vxlan_of(ip, VXLAN, 0x08, inner)
}

/// GUE, variant 0, with so many words of options.
fn gue(ip: Ip, words: u8, inner: &[u8]) -> Vec<u8> {
    let options = vec![0xee; 4 * usize::from(words)];
    let head = [words, kind(inner).0, 0, 0];
    udp_of(ip, SPORT, GUE, &[&head[..], &options, &inner[ETH..]].concat())
}

/// GUE, variant 1.
fn gue1(ip: Ip, inner: &[u8]) -> Vec<u8> {
    udp_of(ip, SPORT, GUE, &inner[ETH..])
}

/// How a tunnel carries what is in a frame: the frame, or the IP packet behind its first 14 bytes.
pub type Tunnel = fn(&[u8]) -> Vec<u8>;

/// Each sort of tunnel, by name: `teb` and `vxlan` carry frames, the others IP packets.
pub const TUNNELS: [(&str, Tunnel); 15] = [
    ("ipip_by4", |inner| ipip(ip4(), inner)),
    ("ipip_by6", |inner| ipip(ip6(), inner)),
    ("gre_by4", |inner| gre(ip4(), 0, inner)),
    ("gre_by6", |inner| gre(ip6(), 0, inner)),
    ("gre_ks_by4", |inner| gre(ip4(), 0x30, inner)),
    ("gre_cks_by6", |inner| gre(ip6(), 0xb0, inner)),
    ("teb_by4", |inner| teb(ip4(), 0, inner)),
    ("teb_k_by6", |inner| teb(ip6(), 0x20, inner)),
    ("vxlan_by4", |inner| vxlan(ip4(), inner)),
    ("vxlan_by6", |inner| vxlan(ip6(), inner)),
    ("vxlan_old_by4", |inner| vxlan_of(ip4(), OLD_VXLAN, 0x08, inner)),
    ("gue_by4", |inner| gue(ip4(), 0, inner)),
    ("gue_3_by6", |inner| gue(ip6(), 3, inner)),
    ("gue1_by4", |inner| gue1(ip4(), inner)),
    ("gue1_by6", |inner| gue1(ip6(), inner)),
];

fn each_in_each(zoo: &mut Zoo) {
    for (tunnel, carry) in TUNNELS {
        for (name, inner) in inners() {
            zoo.add(format!("{tunnel}_{name}"), carry(&inner));
        }
    }
    for (name, inner) in [("udp4", &inners()[0].1), ("udp6", &inners()[1].1)] {
        for flags in [0x80, 0x20, 0x10, 0xa0, 0x90, 0xb0] {
            zoo.add(format!("gre_{flags:02x}_by4_{name}"), gre(ip4(), flags, inner));
        }
        zoo.add(format!("gue_31_by4_{name}"), gue(ip4(), 31, inner));
    }
}

/// Tunnels that end in each of their headers, and behind it.
fn cuts(zoo: &mut Zoo) {
    let [(_, udp4), (_, udp6), (_, tcp4), ..] = inners();
    let behind_udp = BEHIND4 + 8;
    let cases: [(&str, Vec<u8>, &[usize]); 7] = [
        ("ipip_by4_udp4", ipip(ip4(), &udp4), &[BEHIND4, BEHIND4 + 20, BEHIND4 + 28]),
        ("ipip_by6_tcp4", ipip(ip6(), &tcp4), &[BEHIND6, BEHIND6 + 20, BEHIND6 + 34]),
        ("gre_cks_by4_udp6", gre(ip4(), 0xb0, &udp6), &[BEHIND4 + 16, BEHIND4 + 56]),
        (
            "vxlan_by4_udp4",
            vxlan(ip4(), &udp4),
            &[behind_udp, behind_udp + 8, behind_udp + 22, behind_udp + 42, behind_udp + 50],
        ),
        ("teb_by4_udp6", teb(ip4(), 0, &udp6), &[BEHIND4 + 4, BEHIND4 + 18, BEHIND4 + 58]),
        ("gue_3_by4_udp4", gue(ip4(), 3, &udp4), &[behind_udp, behind_udp + 4, behind_udp + 16]),
        ("gue1_by4_udp6", gue1(ip4(), &udp6), &[behind_udp, behind_udp + 2, behind_udp + 40]),
    ];
    for (name, whole, ends) in cases {
        for &end in ends {
            // Nothing of the second is there where the first is whole.
            for keep in [end - 1, end] {
                zoo.cut(format!("{name}_cut_{keep}"), whole.clone(), keep);
            }
        }
    }
}

fn fragments(zoo: &mut Zoo) {
    let [(_, udp4), (_, udp6), ..] = inners();
    let offset = |words| IpFragOffset::try_new(words).expect("13 bits");
    let first = |ip: fn() -> Ip| (ip, true, 0);
    for (name, (_, more, words)) in [("first", first(ip4)), ("later", (ip4, false, 5))] {
        let outer = || ip4_with(|h| (h.more_fragments, h.fragment_offset) = (more, offset(words)));
        zoo.add(format!("ipip_{name}_udp4"), ipip(outer(), &udp4));
        zoo.add(format!("gre_{name}_udp4"), gre(outer(), 0, &udp4));
        let whole = vxlan(ip4(), &udp4);
        zoo.add(format!("vxlan_{name}_udp4"), raw_of(outer(), 17, &whole[BEHIND4..]));
        let fragment = fragment(if more { 0 } else { 5 }, more);
        zoo.add(
            format!("sixin6_{name}_udp6"),
            chain_of(ip6(), std::slice::from_ref(&fragment), 41, &udp6[ETH..]),
        );
        let inside = ip4_with(|h| (h.more_fragments, h.fragment_offset) = (more, offset(words)));
        let inside = raw_of(inside, 17, &udp4[BEHIND4..]);
        zoo.add(format!("ipip_inner_{name}"), ipip(ip4(), &inside));
        zoo.add(format!("vxlan_inner_{name}"), vxlan(ip6(), &inside));
        let inside = chain_of(in6(), &[fragment], 17, &udp6[BEHIND6..]);
        zoo.add(format!("gre_inner6_{name}"), gre(ip4(), 0, &inside));
    }
}

/// What is like a tunnel and is none.
fn no_tunnels(zoo: &mut Zoo) {
    let [(_, udp4), (_, udp6), ..] = inners();
    for flags in [0x00, 0xf7, 0xff] {
        zoo.add(format!("vxlan_flags_{flags:02x}"), vxlan_of(ip4(), VXLAN, flags, &udp4));
    }
    for port in [4788, 4790, 6079, 6081, 8471, 8473] {
        zoo.add(format!("vxlan_to_{port}"), vxlan_of(ip4(), port, 0x08, &udp4));
    }
    let body = [&[0x08, 0, 0, 0, 5, 6, 7, 0], &udp4[..]].concat();
    zoo.add("vxlan_from_4789", udp_of(ip4(), VXLAN, 9, &body));
    let ports = [0x0f, 0xa0, 0x12, 0xb5];
    zoo.add("udplite_4789", raw_of(ip4(), 136, &[&ports[..], &[0; 4], &body].concat()));
    let to = |h: &mut etherparse::TcpHeader| (h.ack, h.destination_port) = (true, VXLAN);
    zoo.add("tcp_4789", tcp_of(ip4(), to, &body));
    for version in [1, 2, 7] {
        let bytes = gre_of(ip4(), 0, version, [0x08, 0], &udp4[ETH..]);
        zoo.add(format!("gre_version_{version}_udp4"), bytes);
    }
    zoo.add("gre_routing_udp4", gre(ip4(), 0x40, &udp4));
    zoo.add("gre_crks_udp4", gre(ip4(), 0xf0, &udp4));
    zoo.add("gre_strict_udp4", gre(ip4(), 0x0f, &udp4));
    for ether_type in [[0x08, 0x06], [0x88, 0x0b], [0x88, 0xbe], [0x81, 0x00]] {
        let [hi, lo] = ether_type;
        let bytes = gre_of(ip4(), 0, 0, ether_type, &udp4[ETH..]);
        zoo.add(format!("gre_type_{hi:02x}{lo:02x}"), bytes);
    }
    // Control messages, the variants that there are not, and what carries no IP.
    let gue_of = |first: u8, second: u8, inside: &[u8]| {
        udp_of(ip4(), SPORT, GUE, &[&[first, second, 0, 0], inside].concat())
    };
    for (first, second) in [(0x20, 4), (0x80, 4), (0xc0, 4), (0x00, 17), (0x00, 59), (0x1f, 4)] {
        let name = format!("gue_{first:02x}_{second}");
        zoo.add(name, gue_of(first, second, &udp4[ETH..]));
    }
    for version in [5, 7] {
        let bytes = patched(udp4.clone(), ETH, &[version << 4 | 5]);
        zoo.add(format!("gue1_version_{version}"), gue1(ip4(), &bytes));
    }
    // Each in the other's number.
    zoo.add("ipip_says_4_has_6", raw_of(ip4(), 4, &udp6[ETH..]));
    zoo.add("ipip_says_41_has_4", raw_of(ip6(), 41, &udp4[ETH..]));
    zoo.add("gre_says_4_has_6", gre_of(ip4(), 0, 0, [0x08, 0], &udp6[ETH..]));
}

/// Frames inside: tags, ARP, what nobody looks into.
fn frames(zoo: &mut Zoo) {
    let [(_, udp4), (_, udp6), ..] = inners();
    let tag = (0x8100, 0x3000 | 77);
    let outer_tag = (0x88a8, 0xf000 | 300);
    let arp = frame(0x0806, &[&[0, 1, 8, 0, 6, 4, 0, 2], &[7; 20][..]].concat());
    let inside = [
        ("vlan_udp4", tagged(udp4.clone(), &[tag])),
        ("vlan_udp6", tagged(udp6, &[outer_tag])),
        ("qinq_udp4", tagged(udp4.clone(), &[outer_tag, tag])),
        ("3_tags", tagged(udp4.clone(), &[outer_tag, tag, tag])),
        ("arp", arp.clone()),
        ("vlan_arp", tagged(arp, &[tag])),
        ("rarp", frame(0x8035, &[0; 28])),
        ("ether_type", frame(0x88b5, DATA)),
    ];
    for (name, inner) in inside {
        zoo.add(format!("vxlan_{name}"), vxlan(ip4(), &inner));
        zoo.add(format!("teb_k_{name}"), teb(ip6(), 0x20, &inner));
    }
    let qinq = vxlan(ip4(), &tagged(udp4.clone(), &[outer_tag, tag]));
    let inner_frame = BEHIND4 + 16;
    for keep in [17, 18, 21, 22] {
        zoo.cut(format!("vxlan_qinq_cut_{keep}"), qinq.clone(), inner_frame + keep);
    }
    let arp = vxlan(ip4(), &frame(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1]));
    zoo.add("vxlan_arp_cut_8", arp);
    // The same around the tunnel.
    zoo.add("vlan_ipip_udp4", tagged(ipip(ip4(), &udp4), &[tag]));
    zoo.add("qinq_vxlan_udp4", tagged(vxlan(ip6(), &udp4), &[outer_tag, tag]));
}

/// IP headers inside and around that are not the plain ones.
fn networks(zoo: &mut Zoo) {
    let [(_, udp4), (_, udp6), ..] = inners();
    let with_options = |h: &mut etherparse::Ipv4Header| {
        h.options = etherparse::Ipv4Options::try_from(&[1; 12][..]).expect("12 bytes fit");
    };
    let inside = udp_of(ip4_with(with_options), 5000, 54, DATA);
    zoo.add("ipip_inner_options", ipip(ip4(), &inside));
    zoo.add("gre_inner_options", gre(ip6(), 0x20, &inside));
    zoo.add("ipip_outer_options", ipip(ip4_with(with_options), &udp4));
    zoo.add("ipip_inner_ihl_4", ipip(ip4(), &patched(udp4.clone(), ETH, &[0x44])));
    zoo.add("gue_inner_version_5", gue(ip4(), 0, &patched(udp6.clone(), ETH, &[0x50])));
    let chain = |count| (0..count).map(|_| plain(DST, 0)).collect::<Vec<_>>();
    let inside = |count| chain_of(in6(), &chain(count), 17, &udp6[BEHIND6..]);
    for count in [1, 8, 9] {
        zoo.add(format!("sixin6_inner_{count}_exts"), ipip(ip6(), &inside(count)));
        zoo.add(format!("vxlan_inner_{count}_exts"), vxlan(ip4(), &inside(count)));
        let bytes = chain_of(ip6(), &chain(count), 41, &udp6[ETH..]);
        zoo.add(format!("sixin6_outer_{count}_exts"), bytes);
    }
    let exts = [plain(HBH, 1), plain(DST, 0)];
    zoo.add("fourin6_outer_exts", chain_of(ip6(), &exts, 4, &udp4[ETH..]));
    zoo.add("gre_outer_exts", {
        let whole = gre(ip6(), 0x80, &udp4);
        chain_of(ip6(), &exts, 47, &whole[BEHIND6..])
    });
}

/// One level is looked into, and no more.
fn nested(zoo: &mut Zoo) {
    let [(_, udp4), (_, udp6), ..] = inners();
    zoo.add("ipip_ipip_udp4", ipip(ip4(), &ipip(in4(), &udp4)));
    zoo.add("ipip_sixin4_udp6", ipip(ip4(), &ipip(in4(), &udp6)));
    zoo.add("vxlan_vxlan_udp4", vxlan(ip4(), &vxlan(in4(), &udp4)));
    zoo.add("gre_gre_udp4", gre(ip4(), 0, &gre(in4(), 0x20, &udp4)));
    zoo.add("gue_ipip_udp4", gue(ip4(), 1, &ipip(in6(), &udp4)));
    zoo.add("ipip_vxlan_udp4", ipip(ip6(), &vxlan(in4(), &udp4)));
}
