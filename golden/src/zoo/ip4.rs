//! IPv4 headers.

use super::Zoo;
use super::parts::{
    BEHIND4, DATA, ETH, SPORT, dns_of, ip4, ip4_with, padded, patched, raw_of, tcp_of, udp_of,
};
use etherparse::{IpDscp, IpEcn, IpFragOffset, Ipv4Header, Ipv4Options};

pub(super) fn add(zoo: &mut Zoo) {
    values(zoo);
    addresses(zoo);
    fragments(zoo);
    options(zoo);
    versions(zoo);
    lengths(zoo);
}

fn values(zoo: &mut Zoo) {
    for ttl in [0, 1, 63, 65, 255] {
        zoo.add(format!("ip4_ttl_{ttl}"), dns_of(ip4_with(|h| h.time_to_live = ttl)));
    }
    let quality = |dscp: u8, ecn: IpEcn| {
        dns_of(ip4_with(|h| {
            h.dscp = IpDscp::try_new(dscp).expect("six bits");
            h.ecn = ecn;
        }))
    };
    zoo.add("ip4_ef", quality(46, IpEcn::ZERO));
    zoo.add("ip4_cs1_ce", quality(8, IpEcn::THREE));
    zoo.add("ip4_ect1", quality(0, IpEcn::ONE));
    zoo.add("ip4_ect0", quality(0, IpEcn::TWO));
    zoo.add("ip4_tos_ff", quality(63, IpEcn::THREE));
    zoo.add("ip4_id_abcd", dns_of(ip4_with(|h| h.identification = 0xabcd)));
    zoo.add("ip4_id_ffff", dns_of(ip4_with(|h| h.identification = 0xffff)));
    zoo.add("ip4_checksum_beef", patched(dns_of(ip4()), ETH + 10, &[0xbe, 0xef]));
}

fn addresses(zoo: &mut Zoo) {
    let from = |source: [u8; 4]| dns_of(ip4_with(|h| h.source = source));
    zoo.add("src4_9_last", from([9, 255, 255, 255]));
    zoo.add("src4_10_first", from([10, 0, 0, 0]));
    zoo.add("src4_10_some", from([10, 1, 2, 3]));
    zoo.add("src4_10_last", from([10, 255, 255, 255]));
    zoo.add("src4_11_first", from([11, 0, 0, 0]));
    zoo.add("src4_zero", from([0, 0, 0, 0]));
    zoo.add("src4_ones", from([255; 4]));
    zoo.add("src4_loopback", from([127, 0, 0, 1]));
    let to = |destination: [u8; 4]| dns_of(ip4_with(|h| h.destination = destination));
    zoo.add("dst4_broadcast", to([255; 4]));
    zoo.add("dst4_multicast", to([224, 0, 0, 251]));
    zoo.add("dst4_neighbour", to([198, 51, 100, 3]));
}

fn fragment(off_units: u16, more: bool, proto: u8, data: &[u8]) -> Vec<u8> {
    let ip = ip4_with(|h| {
        h.fragment_offset = IpFragOffset::try_new(off_units).expect("13 bits");
        h.more_fragments = more;
        h.identification = 77;
    });
    raw_of(ip, proto, data)
}

fn fragments(zoo: &mut Zoo) {
    let datagram = dns_of(ip4());
    let udp = &datagram[BEHIND4..];
    let segment = tcp_of(ip4(), |h| h.syn = true, DATA);
    let tcp = &segment[BEHIND4..];
    zoo.add("ip4_df", dns_of(ip4_with(|h| h.dont_fragment = true)));
    zoo.add("ip4_frag_first_udp", fragment(0, true, 17, &[udp, b"x"].concat()[..16]));
    zoo.add("ip4_frag_first_tcp", fragment(0, true, 6, &tcp[..24]));
    zoo.add("ip4_frag_first_tiny_tcp", fragment(0, true, 6, &tcp[..8]));
    zoo.add("ip4_frag_first_none", fragment(0, true, 17, &[]));
    // What follows would read as a datagram to port 53 if anybody looked.
    zoo.add("ip4_frag_later_udp", fragment(1, true, 17, udp));
    zoo.add("ip4_frag_last_udp", fragment(185, false, 17, udp));
    zoo.add("ip4_frag_last_tcp", fragment(1, false, 6, tcp));
    zoo.add("ip4_frag_last_icmp", fragment(8191, false, 1, &[8, 0, 0, 0, 0, 1, 0, 1]));
    let df_mf = ip4_with(|h| {
        h.dont_fragment = true;
        h.more_fragments = true;
    });
    zoo.add("ip4_df_and_mf", raw_of(df_mf, 17, udp));
    zoo.add("ip4_reserved_flag", patched(dns_of(ip4()), ETH + 6, &[0x80]));
}

fn with_options(header: &mut Ipv4Header, bytes: usize) {
    // All of them "no operation".
    header.options =
        Ipv4Options::try_from(&vec![1; bytes][..]).expect("a multiple of four, 40 at most");
}

fn options(zoo: &mut Zoo) {
    for bytes in [4, 8, 40] {
        zoo.add(format!("ip4_options_{bytes}"), dns_of(ip4_with(|h| with_options(h, bytes))));
    }
    zoo.add("ip4_options_tcp", tcp_of(ip4_with(|h| with_options(h, 12)), |h| h.ack = true, DATA));
    let record_route = ip4_with(|h| {
        h.options = Ipv4Options::from([7, 7, 4, 10, 0, 0, 1, 0]);
    });
    zoo.add("ip4_record_route", dns_of(record_route));
    let options_frag = ip4_with(|h| {
        with_options(h, 4);
        h.fragment_offset = IpFragOffset::try_new(2).expect("13 bits");
    });
    zoo.add("ip4_options_frag_last", raw_of(options_frag, 17, DATA));
    for words in [0, 1, 4] {
        zoo.add(format!("ip4_ihl_{words}"), patched(dns_of(ip4()), ETH, &[0x40 | words]));
    }
    // The header would end behind the packet.
    zoo.add("ip4_ihl_15_cut", patched(dns_of(ip4()), ETH, &[0x4f]));
    zoo.cut("ip4_options_cut_last", dns_of(ip4_with(|h| with_options(h, 8))), BEHIND4 + 7);
    zoo.cut("ip4_options_only", dns_of(ip4_with(|h| with_options(h, 8))), BEHIND4 + 8);
}

fn versions(zoo: &mut Zoo) {
    for version in [0, 5, 6, 15] {
        zoo.add(format!("ip4_version_{version}"), patched(dns_of(ip4()), ETH, &[version << 4 | 5]));
    }
    zoo.add("ip4_as_ip6", patched(dns_of(ip4()), ETH - 2, &[0x86, 0xdd]));
    zoo.add("ip4_as_arp", patched(dns_of(ip4()), ETH - 2, &[0x08, 0x06]));
}

fn lengths(zoo: &mut Zoo) {
    let says = |bytes: u16| patched(dns_of(ip4()), ETH + 2, &bytes.to_be_bytes());
    for bytes in [0, 19, 20, 27, 28, 29, 65535] {
        zoo.add(format!("ip4_len_{bytes}"), says(bytes));
    }
    zoo.add("ip4_padded_60", padded(udp_of(ip4(), SPORT, 53, b"abc"), 60));
    zoo.add("ip4_padded_tcp", padded(tcp_of(ip4(), |h| h.rst = true, &[]), 60));
    zoo.cut("ip4_cut_19", dns_of(ip4()), BEHIND4 - 1);
    zoo.cut("ip4_cut_20", dns_of(ip4()), BEHIND4);
    zoo.cut("ip4_cut_1", dns_of(ip4()), ETH + 1);
}
