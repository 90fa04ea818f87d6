//! IPv6 headers and those that extend them.

use super::Zoo;
use super::parts::{
    BEHIND6, DATA, ETH, SPORT, dns_of, ip6, ip6_with, padded, patched, raw_of, tcp_of, udp_of,
};
use etherparse::Ipv6FlowLabel;

use super::extension::{DST, HBH, NOTHING, ROUTING, auth, chain_of, fragment, mobility, plain};

const TCP: u8 = 6;
const UDP: u8 = 17;

fn chain(exts: &[super::extension::Ext], last: u8, data: &[u8]) -> Vec<u8> {
    chain_of(ip6(), exts, last, data)
}

pub(super) fn add(zoo: &mut Zoo) {
    values(zoo);
    addresses(zoo);
    alone(zoo);
    fragments(zoo);
    chains(zoo);
    lengths(zoo);
    cut(zoo);
}

/// The bytes of a datagram to port 53, with the checksum for IPv6.
fn udp() -> Vec<u8> {
    dns_of(ip6()).split_off(BEHIND6)
}

fn tcp() -> Vec<u8> {
    tcp_of(ip6(), |h| h.syn = true, &[]).split_off(BEHIND6)
}

fn values(zoo: &mut Zoo) {
    for hops in [0, 1, 63, 65, 255] {
        zoo.add(format!("ip6_hops_{hops}"), dns_of(ip6_with(|h| h.hop_limit = hops)));
    }
    let class = |class: u8| dns_of(ip6_with(|h| h.traffic_class = class));
    zoo.add("ip6_ef", class(46 << 2));
    zoo.add("ip6_cs1_ce", class(8 << 2 | 3));
    zoo.add("ip6_ect0", class(2));
    zoo.add("ip6_class_ff", class(255));
    let label = |label: u32| {
        dns_of(ip6_with(|h| h.flow_label = Ipv6FlowLabel::try_new(label).expect("20 bits")))
    };
    zoo.add("ip6_flow_12345", label(0x12345));
    zoo.add("ip6_flow_fffff", label(0xfffff));
}

fn addresses(zoo: &mut Zoo) {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().expect("an address").octets();
    let from = |text: &str| dns_of(ip6_with(|h| h.source = address(text)));
    zoo.add("src6_zero", from("::"));
    zoo.add("src6_loopback", from("::1"));
    zoo.add("src6_link_local", from("fe80::1"));
    zoo.add("src6_db8_last", from("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    zoo.add("src6_db9_first", from("2001:db9::"));
    zoo.add("src6_db7_last", from("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"));
    zoo.add("src6_high_half_differs", from("2001:db8:0:1::1"));
    zoo.add("src6_low_half_differs", from("2001:db8::1:0:0:1"));
    zoo.add("src6_mapped_10", from("::ffff:10.1.2.3"));
    zoo.add("src6_ones", from("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    zoo.add("dst6_multicast", dns_of(ip6_with(|h| h.destination = address("ff02::1"))));
}

fn alone(zoo: &mut Zoo) {
    for (name, ext) in [
        ("hbh", plain(HBH, 0)),
        ("rt", plain(ROUTING, 0)),
        ("dstopts", plain(DST, 0)),
        ("ah", auth(1)),
        ("mh", mobility()),
    ] {
        zoo.add(format!("ip6_{name}_udp"), chain(&[ext], UDP, &udp()));
    }
    zoo.add("ip6_mh_alone", chain(&[mobility()], NOTHING, &[]));
    zoo.add("ip6_hbh_32", chain(&[plain(HBH, 3)], UDP, &udp()));
    zoo.add("ip6_rt_264", chain(&[plain(ROUTING, 32)], TCP, &tcp()));
    zoo.add("ip6_dst_2048", chain(&[plain(DST, 255)], UDP, &udp()));
    zoo.add("ip6_ah_24", chain(&[auth(4)], TCP, &tcp()));
    zoo.add("ip6_ah_8", chain(&[auth(0)], UDP, &udp()));
    zoo.add("ip6_nothing_next", raw_of(ip6(), NOTHING, &[]));
    zoo.add("ip6_hbh_nothing", chain(&[plain(HBH, 0)], NOTHING, DATA));
    zoo.add("ip6_hbh_icmp6", chain(&[plain(HBH, 0)], 58, &[143, 0, 0, 0, 0, 0, 0, 1]));
}

fn fragments(zoo: &mut Zoo) {
    zoo.add("ip6_frag_atomic", chain(&[fragment(0, false)], UDP, &udp()));
    zoo.add("ip6_frag_first_udp", chain(&[fragment(0, true)], UDP, &udp()));
    zoo.add("ip6_frag_first_tcp", chain(&[fragment(0, true)], TCP, &tcp()));
    zoo.add("ip6_frag_later_udp", chain(&[fragment(1, true)], UDP, &udp()));
    zoo.add("ip6_frag_last_udp", chain(&[fragment(185, false)], UDP, &udp()));
    zoo.add("ip6_frag_last_8191", chain(&[fragment(8191, false)], TCP, &tcp()));
    // The header behind a later fragment's is in the middle of somebody's data.
    zoo.add("ip6_frag_last_of_dst", chain(&[fragment(2, false), plain(DST, 0)], UDP, &udp()));
    zoo.add("ip6_frag_first_of_dst", chain(&[fragment(0, true), plain(DST, 0)], UDP, &udp()));
    zoo.add("ip6_hbh_frag_last", chain(&[plain(HBH, 0), fragment(3, false)], UDP, &udp()));
    zoo.add("ip6_hbh_frag_atomic", chain(&[plain(HBH, 0), fragment(0, false)], UDP, &udp()));
    zoo.add("ip6_frag_twice", chain(&[fragment(0, true), fragment(5, false)], UDP, &udp()));
    zoo.add("ip6_frag_atomic_twice", chain(&[fragment(0, false), fragment(0, false)], TCP, &tcp()));
    // The bits between offset and "more" are reserved.
    let mut reserved = fragment(0, false);
    reserved.1[3] = 0x06;
    zoo.add("ip6_frag_reserved_bits", chain(&[reserved], UDP, &udp()));
}

fn chains(zoo: &mut Zoo) {
    let all = [
        plain(HBH, 0),
        plain(DST, 1),
        plain(ROUTING, 2),
        fragment(0, false),
        auth(4),
        plain(DST, 0),
        mobility(),
    ];
    zoo.add("ip6_all_udp", chain(&all, UDP, &udp()));
    zoo.add("ip6_all_tcp", chain(&all, TCP, &tcp()));
    let many = |count: usize| vec![plain(DST, 0); count];
    for count in [2, 3, 4, 5, 6, 7, 8] {
        zoo.add(format!("ip6_ext_{count}"), chain(&many(count), UDP, &udp()));
    }
    zoo.add("ip6_ext_9", chain(&many(9), UDP, &udp()));
    zoo.add("ip6_ext_8_tcp", chain(&many(8), TCP, &tcp()));
    zoo.add("ip6_ext_8_nothing", chain(&many(8), NOTHING, &[]));
    let eighth_is_later = [many(7), vec![fragment(1, false)]].concat();
    zoo.add("ip6_ext_8_frag_last", chain(&eighth_is_later, UDP, &udp()));
    let ninth_is_frag = [many(8), vec![fragment(0, true)]].concat();
    zoo.add("ip6_ext_9_frag", chain(&ninth_is_frag, UDP, &udp()));
    zoo.add("ip6_hbh_not_first", chain(&[plain(DST, 0), plain(HBH, 0)], UDP, &udp()));
}

fn lengths(zoo: &mut Zoo) {
    let says = |bytes: u16| patched(dns_of(ip6()), ETH + 4, &bytes.to_be_bytes());
    for bytes in [0, 7, 8, 9, 65535] {
        zoo.add(format!("ip6_len_{bytes}"), says(bytes));
    }
    zoo.add("ip6_padded_80", padded(udp_of(ip6(), SPORT, 53, b"ab"), 80));
    for version in [0, 4, 7] {
        zoo.add(format!("ip6_version_{version}"), patched(dns_of(ip6()), ETH, &[version << 4]));
    }
    zoo.add("ip6_as_ip4", patched(dns_of(ip6()), ETH - 2, &[0x08, 0x00]));
}

fn cut(zoo: &mut Zoo) {
    zoo.cut("ip6_cut_1", dns_of(ip6()), ETH + 1);
    zoo.cut("ip6_cut_39", dns_of(ip6()), BEHIND6 - 1);
    zoo.cut("ip6_cut_40", dns_of(ip6()), BEHIND6);
    for keep in [1, 7, 8] {
        let frame = chain(&[plain(HBH, 0)], UDP, &udp());
        zoo.cut(format!("ip6_hbh_cut_{keep}"), frame, BEHIND6 + keep);
    }
    zoo.cut("ip6_hbh_32_cut_31", chain(&[plain(HBH, 3)], UDP, &udp()), BEHIND6 + 31);
    zoo.cut("ip6_hbh_32_cut_32", chain(&[plain(HBH, 3)], UDP, &udp()), BEHIND6 + 32);
    zoo.cut("ip6_frag_cut_7", chain(&[fragment(1, true)], UDP, &udp()), BEHIND6 + 7);
    zoo.cut("ip6_frag_cut_8", chain(&[fragment(1, true)], UDP, &udp()), BEHIND6 + 8);
    zoo.cut("ip6_ah_cut_11", chain(&[auth(1)], UDP, &udp()), BEHIND6 + 11);
    zoo.cut("ip6_ah_cut_12", chain(&[auth(1)], UDP, &udp()), BEHIND6 + 12);
    let second = chain(&[plain(HBH, 0), plain(ROUTING, 1)], TCP, &tcp());
    zoo.cut("ip6_second_cut_8", second.clone(), BEHIND6 + 8 + 8);
    zoo.cut("ip6_second_cut_15", second.clone(), BEHIND6 + 8 + 15);
    zoo.cut("ip6_second_whole", second, BEHIND6 + 8 + 16);
    let long = patched(chain(&[plain(DST, 0)], UDP, &udp()), BEHIND6 + 1, &[255]);
    zoo.add("ip6_dst_says_too_much", long);
}
