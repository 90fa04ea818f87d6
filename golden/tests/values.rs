//! Each row of the field table, read from a packet that knows nothing of the table.
//!
//! The values stand here as the packet's makers put them in, so that a row that looks at the wrong bits, or
//! counts them wrongly, is found out even where all engines read it alike.

use l4c_compiler::fields::{FIELDS, Ty};
use l4c_compiler::reference::Reference;
use l4c_golden::bench;
use l4c_golden::zoo::{Packet, everything};
use l4c_manifest::HookKind;
use std::collections::BTreeSet;

/// Field, packet, its value there, a value that it does not have. Of what is only there or not: a packet
/// that has it, and one that has not.
const VALUES: &[(&str, &str, &str, &str)] = &[
    ("src", "src4_10_some", "10.1.2.3", "10.1.2.2"),
    ("src", "src6_low_half_differs", "2001:db8::1:0:0:1", "2001:db8::1"),
    ("dst", "dst4_neighbour", "198.51.100.3", "198.51.100.2"),
    ("dst", "dst6_multicast", "ff02::1", "2001:db8:53::2"),
    ("proto", "sctp4", "132", "17"),
    ("proto", "ip6_all_tcp", "6", "0"),
    ("ttl", "ip4_ttl_63", "63", "64"),
    ("ttl", "ip6_hops_255", "255", "64"),
    ("len", "ip4_len_29", "29", "37"),
    ("len", "ip6_len_9", "49", "9"),
    ("dscp", "ip4_ef", "46", "23"),
    ("dscp", "ip6_cs1_ce", "8", "0"),
    ("ecn", "ip4_cs1_ce", "3", "0"),
    ("ecn", "ip6_ect0", "2", "1"),
    ("family", "udp4_to_53", "4", "6"),
    ("family", "udp6_to_53", "6", "4"),
    ("sport", "tcp4_from_443", "443", "80"),
    ("sport", "sctp6", "4000", "53"),
    ("dport", "udp6_to_52", "52", "4000"),
    ("dport", "dccp4", "53", "4000"),
    ("pkt_len", "udp4_size_201", "201", "200"),
    ("pkt_len", "udp4_size_4000", "3520", "4000"),
    ("eth.dst", "eth_broadcast", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01"),
    ("eth.src", "eth_other_macs", "02:aa:bb:cc:dd:ef", "02:aa:bb:cc:dd:ee"),
    ("eth.type", "rarp", "0x8035", "0x0806"),
    ("eth.type", "qinq_tcp6", "0x86dd", "0x8100"),
    ("vlan.pcp", "vlan_0_pcp5", "5", "2"),
    ("vlan.id", "vlan_ad_dns", "200", "0"),
    ("vlan2.pcp", "qinq_old_pcp3_dei", "3", "0"),
    ("vlan2.id", "qinq_old_pcp3_dei", "100", "20"),
    ("arp.htype", "arp_infiniband", "32", "1"),
    ("arp.ptype", "arp_appletalk", "0x809b", "0x0800"),
    ("arp.op", "arp_operation_9", "9", "1"),
    ("arp.sha", "arp_reply", "02:00:00:00:00:01", "02:00:00:00:00:99"),
    ("arp.spa", "arp_reply", "192.0.2.1", "198.51.100.2"),
    ("arp.tha", "arp_reply", "02:00:00:00:00:99", "02:00:00:00:00:01"),
    ("arp.tpa", "arp_reply", "198.51.100.2", "192.0.2.1"),
    ("ip.hdr_len", "ip4_options_8", "28", "7"),
    ("ip.tos", "ip4_ef", "184", "46"),
    ("ip.dscp", "ip4_cs1_ce", "8", "35"),
    ("ip.ecn", "ip4_ect1", "1", "2"),
    ("ip.len", "ip4_len_29", "29", "20"),
    ("ip.id", "ip4_id_abcd", "0xabcd", "0xcdab"),
    ("ip.frag_off", "ip4_frag_last_udp", "185", "1480"),
    ("ip.ttl", "ip4_ttl_1", "1", "0"),
    ("ip.proto", "icmp4_echo", "1", "8"),
    ("ip.checksum", "ip4_checksum_beef", "0xbeef", "0xefbe"),
    ("ip.src", "src4_10_some", "10.1.2.3", "3.2.1.10"),
    ("ip.dst", "dst4_multicast", "224.0.0.251", "198.51.100.2"),
    ("ip6.tclass", "ip6_cs1_ce", "35", "8"),
    ("ip6.flow_label", "ip6_flow_12345", "0x12345", "0x2345"),
    ("ip6.len", "ip6_len_9", "9", "49"),
    ("ip6.next", "ip6_hbh_udp", "0", "17"),
    ("ip6.hop_limit", "ip6_hops_65", "65", "64"),
    ("ip6.src", "src6_high_half_differs", "2001:db8:0:1::1", "2001:db8::1"),
    ("ip6.dst", "dst6_multicast", "ff02::1", "2001:db8::1"),
    ("tcp.sport", "tcp4_from_443", "443", "80"),
    ("tcp.dport", "tcp4_to_1024", "1024", "4"),
    ("tcp.seq", "tcp4_marked", "0x01020304", "0x04030201"),
    ("tcp.ack", "tcp6_marked", "0xf5f6f7f8", "0x01020304"),
    ("tcp.hdr_len", "tcp4_browser_syn", "40", "10"),
    ("tcp.flags", "tcp4_syn_ece_cwr", "0xc2", "0x02"),
    ("tcp.window", "tcp4_marked", "0x1234", "0x4321"),
    ("tcp.checksum", "tcp4_cut_20", "0", "1"),
    ("tcp.urgent", "tcp4_urg", "0x4321", "0"),
    (
        "tcp.opts",
        "opt4_mss_behind_nops",
        "\"nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,mss\"",
        "\"mss\"",
    ),
    ("tcp.opt.mss", "opt4_mss_twice", "536", "1460"),
    ("tcp.opt.wscale", "opt6_linux", "7", "3"),
    ("tcp.opt.ts_val", "opt4_ts", "0x01020304", "0x05060708"),
    ("tcp.opt.ts_ecr", "opt4_ts", "0x05060708", "0x01020304"),
    ("tcp.payload_len", "hay_ip_words_3", "7", "47"),
    ("udp.sport", "udp4_from_123", "123", "40000"),
    ("udp.dport", "udp4_to_54", "54", "4000"),
    ("udp.len", "udp4_len_9", "9", "17"),
    ("udp.checksum", "udp4_checksum_cafe", "0xcafe", "0xfeca"),
    ("icmp.type", "icmp4_unreach_mtu", "3", "4"),
    ("icmp.code", "icmp4_unreach_mtu", "4", "3"),
    ("icmp.id", "icmp4_echo", "0x1234", "7"),
    ("icmp.id", "icmp4_timestamp", "0xabcd", "1"),
    ("icmp.id", "icmp4_timestamp_reply", "0xabcd", "2"),
    ("icmp.seq", "icmp4_reply", "7", "0x1234"),
    ("icmp.seq", "icmp4_timestamp", "1", "0xabcd"),
    ("icmp.seq", "icmp4_timestamp_reply", "2", "1"),
    ("icmp6.type", "icmp6_unreach", "1", "4"),
    ("icmp6.code", "icmp6_unreach", "4", "1"),
    ("icmp6.id", "icmp6_echo", "0x1234", "7"),
    ("icmp6.seq", "icmp6_echo", "7", "0x1234"),
    ("sctp.sport", "sctp4_init", "4000", "5060"),
    ("sctp.dport", "sctp6_init", "5060", "4000"),
    ("sctp.vtag", "sctp4_chunk_0", "0xf1020304", "0x040302f1"),
    ("sctp.checksum", "sctp4_init", "0xcafebabe", "0xbebafeca"),
    ("sctp.chunk", "sctp4_chunk_14", "14", "4"),
    ("udplite.sport", "udplite4_cover_12", "4000", "5060"),
    ("udplite.dport", "udplite4_cover_12", "5060", "4000"),
    ("udplite.cover", "udplite4_cover_12", "12", "0xcafe"),
    ("udplite.checksum", "udplite4_cover_12", "0xcafe", "12"),
    ("dccp.sport", "dccp4_request", "4000", "5060"),
    ("dccp.dport", "dccp6_request", "5060", "4000"),
    ("dccp.type", "dccp4_reserved_bits", "2", "0"),
    ("gre.flags", "gre4_rk", "0x0c", "0x18"),
    ("gre.version", "gre4_pptp", "1", "0"),
    ("gre.proto", "gre6_ks", "0x6558", "0x5865"),
    ("gre.checksum", "gre4_crks", "0xc5c5", "1"),
    ("gre.key", "gre4_k", "0xa1a2a3a4", "0xa4a3a2a1"),
    ("gre.key", "gre4_ck", "0xa1a2a3a4", "0xc5c50001"),
    ("gre.key", "gre4_rks", "0xa1a2a3a4", "0xb1020304"),
    ("gre.seq", "gre4_s", "0xb1020304", "0x040302b1"),
    ("gre.seq", "gre6_ks", "0xb1020304", "0xa1a2a3a4"),
    ("gre.seq", "gre4_cs", "0xb1020304", "0xc5c50001"),
    ("gre.seq", "gre4_rs", "0xb1020304", "0xc5c50001"),
    ("gre.seq", "gre4_crks", "0xb1020304", "0xa1a2a3a4"),
    ("gre.seq", "gre4_rks", "0xb1020304", "0xa1a2a3a4"),
    ("esp.spi", "esp4_marked", "0xf1020304", "0xe5060708"),
    ("esp.seq", "esp6_marked", "0xe5060708", "0xf1020304"),
    ("ah.next", "ah4_marked", "6", "4"),
    ("ah.spi", "ah4_marked", "0xf1020304", "0xe5060708"),
    ("ah.seq", "ah4_marked", "0xe5060708", "0x01020304"),
    ("igmp.type", "igmp4_type_22", "0x22", "0x16"),
    ("igmp.group", "igmp4_type_11", "239.1.2.3", "224.0.0.251"),
    ("igmp.group", "igmp4_type_12", "239.1.2.3", "224.0.0.251"),
    ("igmp.group", "igmp4_type_17", "239.1.2.3", "224.0.0.251"),
    ("dns.id", "dns_marked", "0xabcd", "0xcdab"),
    ("dns.opcode", "dns_marked", "5", "10"),
    ("dns.rcode", "dns_marked", "7", "11"),
    ("dns.qdcount", "dns_marked", "1", "2"),
    ("dns.ancount", "dns_marked", "2", "1"),
    ("dns.nscount", "dns_marked", "3", "4"),
    ("dns.arcount", "dns_marked", "4", "3"),
    ("dns.qname", "dns_marked", "\"www.example.com\"", "\"example.com\""),
    ("dns.qname", "dns_answer", "\"EXAMPLE.com\"", "\"www.example.com\""),
    ("dns.qname.len", "dns_marked", "15", "16"),
    ("dns.qname.labels", "dns_marked", "3", "4"),
    ("dns.qtype", "dns_marked", "28", "3"),
    ("dns.qclass", "dns_marked", "3", "28"),
    // there, and not there
    ("dns", "dns_tcp", "", "dns_port_54"),
    ("dns.query", "dns_query", "", "dns_response"),
    ("dns.response", "dns_response", "", "dns_query"),
    ("dns.aa", "dns_aa", "", "dns_response"),
    ("dns.tc", "dns_tc", "", "dns_aa"),
    ("dns.rd", "dns_query", "", "dns_tc"),
    ("dns.ra", "dns_ra", "", "dns_z"),
    ("frag", "ip6_frag_first_udp", "", "ip6_frag_atomic"),
    ("unparsed", "tcp4_off_4", "", "tcp4_hdr_60"),
    ("vlan", "vlan_old_dns", "", "udp4_to_53"),
    ("vlan.dei", "vlan_1_dei", "", "vlan_q_dns"),
    ("vlan2", "qinq_dns", "", "vlan_q_dns"),
    ("vlan2.dei", "qinq_old_pcp3_dei", "", "qinq_dns"),
    ("arp", "arp_request", "", "rarp"),
    ("ip", "vlan_q_dns", "", "vlan_tcp6"),
    ("ip.df", "ip4_df", "", "ip4_reserved_flag"),
    ("ip.mf", "ip4_frag_first_udp", "", "ip4_frag_last_udp"),
    ("ip6", "vlan_tcp6", "", "vlan_q_dns"),
    ("ip6.hbh", "ip6_hbh_udp", "", "ip6_rt_udp"),
    ("ip6.rt", "ip6_rt_udp", "", "ip6_hbh_udp"),
    ("ip6.frag", "ip6_frag_atomic", "", "ip6_dstopts_udp"),
    ("ip6.dstopts", "ip6_dstopts_udp", "", "ip6_frag_atomic"),
    ("ip6.ah", "ip6_ah_udp", "", "ah4"),
    ("ip6.mh", "ip6_mh_alone", "", "ip6_nothing_next"),
    ("ip.options", "ip4_options_4", "", "udp4_to_53"),
    ("tcp.opt.sack_ok", "opt4_sok", "", "opt4_sok_len_4"),
    ("tcp.opt.sack", "opt4_sack_4", "", "opt4_sack_len_12"),
    ("tcp.opt.ts", "opt6_linux", "", "opt4_ts_len_9"),
    ("tcp.opt.md5", "opt4_md5", "", "opt4_ao"),
    ("tcp.opt.ao", "opt4_ao", "", "opt4_ao_len_3"),
    ("tcp.opt.mptcp", "opt4_mptcp", "", "opt4_mptcp_len_2"),
    ("tcp.opt.fastopen", "opt4_fastopen_ask", "", "opt4_fastopen_len_7"),
    ("tcp", "tcp6_syn", "", "udp6_to_53"),
    ("udp", "ip4_frag_last_udp", "", "udplite4"),
    ("icmp", "icmp4_echo", "", "icmp6_echo"),
    ("icmp6", "icmp6_echo", "", "icmp4_echo"),
    ("igmp", "igmp4", "", "udp4_to_53"),
    ("ipip", "ipip4", "", "sixin4"),
    ("dccp", "dccp6", "", "sctp6"),
    ("gre", "gre4", "", "esp4"),
    ("esp", "esp6", "", "ah4"),
    ("ah", "ah4", "", "ip6_ah_udp"),
    ("ospf", "ospf4", "", "pim4"),
    ("pim", "pim4", "", "vrrp4"),
    ("vrrp", "vrrp4", "", "ospf4"),
    ("sctp", "sctp4", "", "dccp4"),
    ("udplite", "udplite6", "", "udp6_to_53"),
];

/// Is the predicate true of the packet?
fn holds(pred: &str, packet: &str, zoo: &[Packet]) -> bool {
    let text = format!("hook xdp value {{\n    it: {pred} -> drop\n}}\n");
    let rules = bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
    let hook = rules.policy.hooks.keys().next().expect("there is one");
    let mut reference = Reference::new(&rules.policy, hook);
    let found = zoo.iter().find(|p| p.name == packet);
    let bytes = &found.unwrap_or_else(|| panic!("no packet is called {packet}")).bytes;
    let seen = &bytes[..bytes.len().min(HookKind::Xdp.max_visible_bytes())];
    reference.judge(seen).rule == 0
}

#[test]
fn each_row_says_what_the_packet_holds() {
    let zoo = everything();
    let mut wrong = Vec::new();
    for &(field, packet, value, other) in VALUES {
        let right = if value.is_empty() {
            holds(field, packet, &zoo) && !holds(field, other, &zoo)
        } else {
            holds(&format!("{field} == {value}"), packet, &zoo)
                && !holds(&format!("{field} == {other}"), packet, &zoo)
        };
        if !right {
            wrong.push(format!("{field} of {packet}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_row_and_each_of_its_places_is_here() {
    let missing: Vec<&str> = FIELDS
        .iter()
        // How a packet came is not in the packet.
        .filter(|field| !field.is_arrival())
        .filter(|field| {
            let rows = VALUES.iter().filter(|row| row.0 == field.name);
            let packets: BTreeSet<&str> = rows.map(|row| row.1).collect();
            // Two places of one field are two families.
            packets.len() < if field.ty == Ty::Presence { 1 } else { field.places.len() }
        })
        .map(|field| field.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
