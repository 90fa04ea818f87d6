//! Tests of built packets: a packet library reads them back.

mod dns;

use super::{CODES, Values, build};
use crate::fields::{Field, Ty};
use etherparse::{LinkExtHeader, NetHeaders, PacketHeaders, TransportHeader};
use l4c_grammar::{Diag, FileId, Name, Packet, PacketLayer, S, Span, Value, spanned};
use l4c_manifest::HookKind;
use std::net::{Ipv4Addr, Ipv6Addr};

const HERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn name(text: &str) -> Name {
    spanned(text.trim().to_owned(), HERE)
}

/// Values as a rule file would have them.
struct Plain;

impl Values for Plain {
    fn number(&self, value: &S<Value>, field: &'static Field) -> Result<u128, Vec<Diag>> {
        let named = |word: &str| field.names.iter().find(|n| n.0 == word).map(|n| u128::from(n.1));
        let found = match &value.node {
            Value::Flags(flags) => flags.iter().map(|flag| named(&flag.node)).sum(),
            Value::Word(word) => named(word).or_else(|| match field.ty {
                Ty::Addr4 => word.parse().ok().map(|a: Ipv4Addr| u128::from(u32::from(a))),
                Ty::Addr6 => word.parse().ok().map(|a: Ipv6Addr| u128::from(a)),
                Ty::Mac => u128::from_str_radix(&word.replace(':', ""), 16).ok(),
                Ty::Number | Ty::Port | Ty::Flags | Ty::Bit | Ty::Option => word.parse().ok(),
                Ty::Addr | Ty::Presence | Ty::Name | Ty::Layout | Ty::Iface => None,
            }),
            Value::Text { .. }
            | Value::Hex(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::SetRef(_) => None,
        };
        found.ok_or_else(|| vec![Diag::error("E9999", HERE, "not a value")])
    }

    fn bytes(&self, name: &Name) -> Result<Vec<u8>, Vec<Diag>> {
        if name.node == "GREETING" { Ok(b"hello".to_vec()) } else { Err(Vec::new()) }
    }
}

fn value(text: &str) -> S<Value> {
    let text = text.trim();
    let value = if let Some(flags) = text.strip_prefix('(') {
        Value::Flags(flags.trim_end_matches(')').split('|').map(name).collect())
    } else if let Some(text) = text.strip_prefix('"') {
        Value::Text { bytes: text.trim_end_matches('"').as_bytes().to_vec(), nocase: false }
    } else {
        Value::Word(text.to_owned())
    };
    spanned(value, HERE)
}

/// `ip(src 192.0.2.1, df)`, or a bare text.
fn layer(text: &str) -> PacketLayer {
    let text = text.trim();
    if text.starts_with('"') {
        return PacketLayer { name: name(""), fields: vec![(None, Some(value(text)))] };
    }
    let (word, fields) = text.split_once('(').unwrap_or((text, ")"));
    let fields = fields[..fields.len() - 1].split(',').map(str::trim).filter(|f| !f.is_empty());
    let field = |field: &str| match field.split_once(' ') {
        Some((field, of)) => (Some(name(field)), Some(value(of))),
        None if field.starts_with(|c: char| c == '"' || c.is_ascii_digit()) => {
            (None, Some(value(field)))
        }
        None => (Some(name(field)), None),
    };
    PacketLayer { name: name(word), fields: fields.map(field).collect() }
}

fn parse(text: &str) -> Packet {
    let (layers, with) = text.split_once(" with ").unwrap_or((text, ""));
    let with = with.split(',').filter_map(|change| change.split_once('='));
    Packet {
        layers: layers.split(" / ").map(layer).collect(),
        with: with.map(|(field, of)| (name(field), value(of))).collect(),
        span: HERE,
    }
}

fn xdp(text: &str) -> Vec<u8> {
    build(&parse(text), HookKind::Xdp, &Plain).unwrap_or_else(|d| panic!("{text}: {d:?}"))
}

fn socket(text: &str) -> Vec<u8> {
    build(&parse(text), HookKind::Socket, &Plain).unwrap_or_else(|d| panic!("{text}: {d:?}"))
}

fn codes(text: &str, kind: HookKind) -> Vec<&'static str> {
    let diags = build(&parse(text), kind, &Plain).expect_err(text);
    assert!(diags.iter().all(|diag| !diag.label.is_empty() || diag.code == "E9999"), "{diags:?}");
    diags.iter().map(|diag| diag.code).collect()
}

/// What the library reads out of a frame: it refuses lengths that do not fit; checksums are compared here.
fn checked(frame: &[u8]) -> PacketHeaders<'_> {
    let packet = PacketHeaders::from_ethernet_slice(frame).expect("the library reads it");
    let payload = packet.payload.slice();
    let transport = packet.transport.as_ref();
    match packet.net.as_ref() {
        Some(NetHeaders::Ipv4(ip, _)) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            match transport {
                Some(TransportHeader::Udp(udp)) => {
                    assert_eq!(udp.checksum, udp.calc_checksum_ipv4(ip, payload).unwrap());
                    assert_eq!(usize::from(udp.length), 8 + payload.len());
                }
                Some(TransportHeader::Tcp(tcp)) => {
                    assert_eq!(tcp.checksum, tcp.calc_checksum_ipv4(ip, payload).unwrap());
                }
                Some(TransportHeader::Icmpv4(icmp)) => {
                    assert_eq!(icmp.checksum, icmp.icmp_type.calc_checksum(payload));
                }
                Some(TransportHeader::Icmpv6(_) | TransportHeader::Igmp(_)) | None => {}
            }
        }
        Some(NetHeaders::Ipv6(ip, _)) => match transport {
            Some(TransportHeader::Udp(udp)) => {
                assert_eq!(udp.checksum, udp.calc_checksum_ipv6(ip, payload).unwrap());
            }
            Some(TransportHeader::Tcp(tcp)) => {
                assert_eq!(tcp.checksum, tcp.calc_checksum_ipv6(ip, payload).unwrap());
            }
            Some(TransportHeader::Icmpv6(icmp)) => {
                let sum = icmp.icmp_type.calc_checksum(ip.source, ip.destination, payload).unwrap();
                assert_eq!(icmp.checksum, sum);
            }
            Some(TransportHeader::Icmpv4(_) | TransportHeader::Igmp(_)) | None => {}
        },
        Some(NetHeaders::Arp(_)) | None => {}
    }
    packet
}

#[test]
fn packets_are_read_back_with_right_lengths_and_checksums() {
    for text in [
        "eth / ip / udp / \"odd\"",
        "ip(src 5.6.7.8, dst 203.0.113.5) / udp(sport 4000, dport 53) / payload(100)",
        "vlan(id 5) / vlan(id 7, pcp 3, dei) / ip(hdr_len 32) / tcp(hdr_len 40) / \"x\"",
        "ip6 / hbh / rt(len 2) / frag / dstopts(len 1) / ah / udp / \"data\"",
        "ip6(flow_label 5) / tcp(syn, ack)",
        "icmp(type unreachable, code 3) / \"abc\"",
        "icmp6 / \"abcd\"",
        "arp(op reply)",
    ] {
        checked(&xdp(text));
    }
}

#[test]
fn what_is_given_is_there() {
    let frame = xdp(
        "eth(src 02:00:00:00:00:99) / vlan(id 300, pcp 6) / ip(src 5.6.7.8, ttl 3, df, tos 4, id 77) \
         / tcp(sport 1, dport 65535, flags (syn|ack), seq 9, window 10) / \"hi\"",
    );
    let packet = checked(&frame);
    let link = packet.link.unwrap().ethernet2().unwrap();
    assert_eq!(link.source, [2, 0, 0, 0, 0, 0x99]);
    let LinkExtHeader::Vlan(tag) = &packet.link_exts[0] else { panic!("no tag") };
    assert_eq!((tag.vlan_id.value(), tag.pcp.value()), (300, 6));
    let Some(NetHeaders::Ipv4(ip, _)) = packet.net else { panic!("no IPv4") };
    assert_eq!((ip.source, ip.time_to_live), ([5, 6, 7, 8], 3));
    assert_eq!((ip.identification, ip.dscp.value()), (77, 1));
    assert!(ip.dont_fragment);
    let Some(TransportHeader::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
    assert_eq!((tcp.source_port, tcp.destination_port, tcp.window_size), (1, 65535, 10));
    assert!(tcp.syn && tcp.ack && !tcp.fin && tcp.sequence_number == 9);
    assert_eq!(packet.payload.slice(), b"hi");
}

#[test]
fn what_is_given_wrong_stays_wrong() {
    let frame = xdp("ip(len 9, proto 99, checksum 1, version 5) / udp(len 3, checksum 2)");
    assert_eq!(frame[14] >> 4, 5);
    assert_eq!(frame[16..18], [0, 9]);
    assert_eq!((frame[23], &frame[24..26]), (99, &[0, 1][..]));
    assert_eq!(frame[38..42], [0, 3, 0, 2]);
    // A header length in parentheses is done, one of `with` only said.
    assert_eq!(xdp("ip(hdr_len 24) / udp").len(), 14 + 24 + 8);
    let lying = xdp("ip / udp with ip.hdr_len = 24");
    assert_eq!((lying.len(), lying[14]), (14 + 20 + 8, 0x46));
    assert_eq!(xdp("ip(hdr_len 16) / udp")[14], 0x44);
}

#[test]
fn changes_come_before_the_checksums() {
    let text = "ip(src 5.6.7.8) / udp / \"data\"";
    let frame = xdp(&format!("{text} with ip.src = 5.6.9.9, udp.dport = 99"));
    let packet = checked(&frame);
    let Some(NetHeaders::Ipv4(ip, _)) = packet.net else { panic!("no IPv4") };
    assert_eq!(ip.source, [5, 6, 9, 9]);
    assert_eq!(frame[36..38], [0, 99]);
    assert_eq!(frame, xdp("ip(src 5.6.9.9) / udp(dport 99) / \"data\""));
    // Fields of any family go to the family that is there; `len` counts the IPv6 header.
    assert_eq!(xdp("ip6 / udp with ttl = 7")[14 + 7], 7);
    assert_eq!(xdp("ip6 / udp with len = 50")[14 + 4..14 + 6], [0, 10]);
    assert_eq!(xdp("ip6 / udp with src = 2001:db8::99")[14 + 23], 0x99);
    let tagged = xdp("eth / vlan / vlan / ip with vlan2.id = 5, vlan.id = 6, eth.type = 4660");
    assert_eq!(tagged[12..22], [0x88, 0xa8, 0, 6, 0x81, 0, 0, 5, 0x12, 0x34]);
    assert_eq!(checked(&xdp("udp / \"one\" with payload = \"two\"")).payload.slice(), b"two");
}

#[test]
fn headers_are_put_in_front_or_taken_away() {
    assert_eq!(xdp("udp"), xdp("eth / ip / udp"));
    assert_eq!(xdp("vlan / udp"), xdp("eth / vlan / ip / udp"));
    assert_eq!(xdp("icmp6"), xdp("eth / ip6 / icmp6"));
    assert_eq!(xdp("hbh / tcp"), xdp("eth / ip6 / hbh / tcp"));
    assert_eq!(socket("eth / vlan / ip / udp"), xdp("ip / udp")[14..]);
    assert_eq!(socket("udp"), xdp("udp")[14..]);
    assert_eq!(xdp("\"exactly these bytes\""), b"exactly these bytes");
    assert_eq!(checked(&xdp("udp / payload(GREETING)")).payload.slice(), b"hello");
    assert_eq!(xdp("udp / payload(bytes 3) / \"a\"")[42..], [0, 0, 0, b'a']);
}

#[test]
fn headers_announce_what_follows() {
    let types = |frame: &[u8]| (frame[12..14].to_vec(), frame[16..18].to_vec());
    assert_eq!(types(&xdp("vlan / ip")), (vec![0x81, 0], vec![8, 0]));
    assert_eq!(types(&xdp("vlan / vlan / ip6")), (vec![0x88, 0xa8], vec![0x81, 0]));
    assert_eq!(xdp("eth(type 37120) / vlan / ip")[12..14], [0x91, 0]);
    assert_eq!(xdp("ip / ip6 / udp")[23], 41);
    assert_eq!(xdp("ip6 / hbh")[14 + 40], 59);
    let chain = xdp("ip6 / hbh / rt / frag / dstopts / mh");
    let nexts: Vec<u8> = [20, 54, 62, 70, 78].iter().map(|&at| chain[at]).collect();
    assert_eq!(nexts, [0, 43, 44, 60, 135]);
    let fragment = xdp("ip6 / frag(offset 185, mf, id 7) / payload(16)");
    assert_eq!(fragment[56..62], [5, 0xc9, 0, 0, 0, 7]);
}

/// Everything behind the IPv4 header.
fn behind_ip(text: &str) -> Vec<u8> {
    socket(text)[20..].to_vec()
}

#[test]
fn parts_of_gre_lie_where_its_flags_say() {
    assert_eq!(xdp("gre")[23], 47);
    assert_eq!(behind_ip("gre(proto 2048)"), [0, 0, 8, 0]);
    assert_eq!(behind_ip("gre(proto 0, key 5)"), [0x20, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(behind_ip("gre(proto 0, flags (key|seq))")[..8], [0x30, 0, 0, 0, 0, 0, 0, 0]);
    let both = [0x30, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9];
    assert_eq!(behind_ip("gre(seq 9, key 5, proto 0)"), both);
    assert_eq!(behind_ip("gre(key 5, seq, proto 0) with gre.seq = 9"), both);
    // The checksum stands in front of them, whatever was written first, and counts what follows.
    let summed = behind_ip("gre(key 5, csum, seq 9) / \"data\"");
    assert_eq!(summed[..2], [0xb0, 0]);
    assert_eq!((&summed[6..8], &summed[8..16]), (&[0, 0][..], &[0, 0, 0, 5, 0, 0, 0, 9][..]));
    let sum: u64 = summed.chunks(2).map(|two| u64::from(two[0]) << 8 | u64::from(two[1])).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    assert_eq!(behind_ip("gre(proto 0, checksum 7)"), [0x80, 0, 0, 0, 0, 7, 0, 0]);
    let carried = ["gre / ip / udp", "gre / ip6 / udp", "gre / eth / ip"].map(behind_ip);
    let types = carried.map(|bytes| [bytes[2], bytes[3]]);
    assert_eq!(types, [[8, 0], [0x86, 0xdd], [0x65, 0x58]]);
    assert_eq!(codes("gre with gre.key = 5", HookKind::Xdp), ["E0503"]);
}

#[test]
fn packets_are_put_into_tunnels() {
    let frame = xdp("ip / udp / vxlan(vni 5) / eth / ip(src 5.6.7.8) / udp(dport 53) / \"data\"");
    let Some(TransportHeader::Udp(udp)) = checked(&frame).transport else { panic!("no UDP") };
    assert_eq!(udp.destination_port, 4789);
    assert_eq!(frame[42..50], [8, 0, 0, 0, 0, 0, 5, 0]);
    let inner = checked(&frame[50..]);
    let Some(NetHeaders::Ipv4(ip, _)) = inner.net else { panic!("no IPv4 inside") };
    assert_eq!((ip.source, inner.payload.slice()), ([5, 6, 7, 8], &b"data"[..]));
    assert_eq!(xdp("vxlan / eth / ip"), xdp("eth / ip / udp / vxlan / eth / ip"));
    // GUE makes room for what its length says, and says what it carries.
    let gue = behind_ip("udp / gue(hlen 1) / ip6 / tcp");
    assert_eq!(gue[2..4], 6080_u16.to_be_bytes());
    assert_eq!((&gue[8..16], gue[16]), (&[1, 41, 0, 0, 0, 0, 0, 0][..], 0x60));
    let control = behind_ip("udp(dport 9) / gue(control, proto 2)");
    assert_eq!((&control[2..4], &control[8..]), (&[0, 9][..], &[0x20, 2, 0, 0][..]));
    // Changes behind `inner.` go to the second packet, the others to the first.
    let text = "ip / gre / ip / udp with ip.ttl = 3, inner.ip.ttl = 4, inner.udp.dport = 5";
    let frame = xdp(text);
    assert_eq!(frame, xdp("ip(ttl 3) / gre / ip(ttl 4) / udp(dport 5)"));
    let frame = xdp("gre / eth / vlan / ip6 with inner.vlan.id = 5, inner.eth.type = 4660");
    assert_eq!(frame[38 + 14..38 + 18], [0, 5, 0x12, 0x34]);
}

#[test]
fn other_transports_have_their_checksums() {
    // RFC 3720 B.4: 32 bytes of zeros have the CRC 0xaa36918a, here sent lowest byte first; the header's
    // own twelve are zero too.
    let zeros = "sctp(sport 0, dport 0, vtag 0, chunk 0) / payload(16)";
    let built = behind_ip(zeros);
    assert_eq!((built.len(), &built[12..16]), (32, &[0, 0, 0, 4][..]));
    let known = |bytes: &[u8]| super::finish::crc32c(bytes).to_le_bytes();
    assert_eq!(known(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
    let mut without = built.clone();
    without[8..12].fill(0);
    assert_eq!(built[8..12], known(&without));
    assert_eq!(xdp("sctp")[23], 132);
    assert_eq!(behind_ip("sctp(chunk 1, checksum 3)")[8..13], [0, 0, 0, 3, 1]);
    // Covered are the header alone, or everything: the text then makes the difference.
    let sums = |cover: u8| {
        ["a", "b"].map(|text| {
            let built = behind_ip(&format!("udplite(cover {cover}) / \"{text}\""));
            [built[6], built[7]]
        })
    };
    assert_eq!(sums(8)[0], sums(8)[1]);
    assert_ne!(sums(0)[0], sums(0)[1]);
    assert_eq!(sums(9), sums(0).map(|[high, low]| [high, low.wrapping_sub(9)]));
    assert_eq!(behind_ip("dccp(type 9)")[8] >> 1, 9);
    assert_eq!(behind_ip("igmp(group 239.1.2.3)")[..2], [0x11, 100]);
    assert_eq!(behind_ip("igmp(type 34, group 239.1.2.3)")[4..], [239, 1, 2, 3]);
    assert_eq!(behind_ip("esp(spi 258, seq 3)"), [0, 0, 1, 2, 0, 0, 0, 3]);
    assert_eq!(behind_ip("ip / ah(spi 258, next 6)")[..8], [6, 4, 0, 0, 0, 0, 1, 2]);
    assert_eq!(behind_ip("icmp(type 14, id 5)")[4..6], [0, 5]);
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_ones() {
    let with_payload = |payload: [u8; 2]| {
        let mut packet = parse("ip / udp / \"xx\"");
        let bytes = payload.map(Some).to_vec();
        packet.layers[2].fields = vec![(None, Some(spanned(Value::Hex(bytes), HERE)))];
        build(&packet, HookKind::Xdp, &Plain).unwrap()[40..42].to_vec()
    };
    // What is missing to a sum of ones is the checksum; with it as payload nothing is missing.
    let missing = with_payload([0, 0]);
    assert_eq!(with_payload([missing[0], missing[1]]), [0xff, 0xff]);
    assert_ne!(missing, [0xff, 0xff]);
}

/// The options of a TCP packet, as the library has them and as bytes.
#[test]
fn tcp_options_stand_as_they_are_written() {
    let options = |text: &str| {
        let frame = xdp(text);
        let packet = checked(&frame);
        let Some(TransportHeader::Tcp(tcp)) = packet.transport else { panic!("{text}") };
        assert_eq!(tcp.data_offset() as usize * 4, 20 + tcp.options.len());
        tcp.options.as_slice().to_vec()
    };
    let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 9, 1, 3, 3, 7];
    assert_eq!(options("tcp(mss 1460, sack_ok, ts 1:9, nop, wscale 7)"), linux);
    assert_eq!(options("ip6 / tcp(syn, mss 1460, sport 5, ack, hdr_len 24)"), linux[..4]);
    assert_eq!(options("tcp(ts 1, nop)"), [8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]);
    assert_eq!(options("tcp(nop, eol)"), [1, 0, 0, 0]);
    assert_eq!(options("tcp(nop, nop)"), [1; 4]);
    assert_eq!(options("tcp(opts GREETING)"), *b"hello\x01\x01\x01");
    assert_eq!(options("tcp(mss 1, hdr_len 28)"), [2, 4, 0, 1, 1, 1, 1, 1]);
    assert_eq!(
        options("tcp(nop, mss 1, wscale 3) with tcp.opt.mss = 258"),
        [1, 2, 4, 1, 2, 3, 3, 3]
    );
    let stamped = options("tcp(ts 1:2) with tcp.opt.ts_ecr = 5, tcp.opt.ts_val = 6");
    assert_eq!(stamped, [8, 10, 0, 0, 0, 6, 0, 0, 0, 5, 1, 1]);
}

#[test]
fn mistakes_have_their_words() {
    let xdp = |text: &'static str| codes(text, HookKind::Xdp);
    assert_eq!(xdp("ip / ospf / vrrp"), ["E0900", "E0900"]);
    assert_eq!(xdp("ipip / udp"), ["E0501"]);
    assert_eq!(xdp("udp / vxlan(proto 4) / gue(vni 3)"), ["E0502"; 2]);
    assert_eq!(xdp("udp with inner.udp.dport = 3"), ["E0503"]);
    assert_eq!(xdp("ip / ip / udp with inner.udp.dprt = 3"), ["E0502"]);
    assert_eq!(xdp("gue with vxlan.vni = 3"), ["E0503"]);
    assert_eq!(xdp("ipp / udpp"), ["E0501", "E0501"]);
    assert_eq!(xdp("ip(ttll 3, syn) / udp(seq 4)"), ["E0502"; 3]);
    assert_eq!(xdp("udp with udp.dprt = 3"), ["E0502"]);
    assert_eq!(xdp("udp with tcp.dport = 3, frag = 1"), ["E0503"; 2]);
    assert_eq!(xdp("ip(4, ttl)"), ["E0504"; 2]);
    assert_eq!(xdp("ip(ttl 1, ttl 2)"), ["E0505"]);
    assert_eq!(xdp("ip(ttl 256, frag_off 8192, hdr_len 22) / vlan(id 4096)"), ["E0506"; 4]);
    assert_eq!(xdp("udp / payload(70000)"), ["E0506"]);
    assert_eq!(xdp("ip(src 5.6.7.8.9)"), ["E9999"]);
    assert_eq!(xdp("udp / payload(4000)"), ["E0508"]);
    assert_eq!(
        xdp("tcp(sack_ok 1, mss, opts \"02\", ts 1:2:3)"),
        ["E0510", "E0504", "E0510", "E0510"]
    );
    assert_eq!(xdp("tcp(mss 70000, opts 41)"), ["E0506"]);
    assert_eq!(xdp("tcp(ts 1, ts 2, ts 3, ts 4, nop)"), ["E0510"]);
    assert_eq!(xdp("tcp with tcp.opt.mss = 4"), ["E0503"]);
    assert_eq!(xdp("udp(mss 4)"), ["E0502"]);
    assert_eq!(xdp("\"short\""), ["E0508"]);
    assert_eq!(codes("arp", HookKind::Socket), ["E0508"]);
    assert_eq!(codes("udp with eth.type = 5", HookKind::Socket), ["E0503"]);
    assert_eq!(codes(&vec!["udp"; 65].join(" / "), HookKind::Xdp), ["E0509"]);
    // Reported by whoever knows the constants: failed, and nothing more to say.
    assert!(xdp("udp / payload(NOBODY)").is_empty());
}

#[test]
fn codes_are_listed() {
    let texts =
        ["ipp / udp(seq 4)", "udp with tcp.dport = 3", "ip(4)", "ip(ttl 1, ttl 2)", "\"x\""];
    for code in texts.iter().flat_map(|text| codes(text, HookKind::Xdp)) {
        assert!(CODES.iter().any(|known| known.0 == code), "{code}");
    }
    assert!(CODES.is_sorted());
}

#[test]
fn mistakes_offer_what_was_meant() {
    let help = |text: &str| {
        let diags = build(&parse(text), HookKind::Xdp, &Plain).unwrap_err();
        diags[0].help.clone().unwrap()
    };
    assert_eq!(help("upd"), "did you mean `udp`?");
    assert_eq!(help("udp(dprot 5)"), "did you mean `dport`?");
    assert_eq!(help("udp with udp.dprot = 5"), "did you mean `udp.dport`?");
}
