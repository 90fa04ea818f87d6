//! What IP carries.

use super::Zoo;
use super::parts::{BEHIND4, DATA, Ip, SPORT, ip4, ip6, patched, raw_of, tcp_of, udp_of};
use etherparse::{TcpHeader, TcpOptionElement};

pub(super) fn add(zoo: &mut Zoo) {
    udp(zoo);
    tcp_flags(zoo);
    tcp_header(zoo);
    icmp(zoo);
    ports_elsewhere(zoo);
    others(zoo);
}

fn udp(zoo: &mut Zoo) {
    for port in [0, 52, 53, 54, 1023, 1024, 65535] {
        zoo.add(format!("udp4_to_{port}"), udp_of(ip4(), SPORT, port, DATA));
    }
    for port in [0, 53, 123, 11211, 65535] {
        zoo.add(format!("udp4_from_{port}"), udp_of(ip4(), port, 40000, DATA));
    }
    zoo.add("udp4_53_to_53", udp_of(ip4(), 53, 53, DATA));
    zoo.add("udp4_empty", udp_of(ip4(), SPORT, 53, &[]));
    zoo.add("udp4_get", udp_of(ip4(), SPORT, 8080, b"GET / HTTP/1.1\r\n"));
    for port in [52, 53, 65535] {
        zoo.add(format!("udp6_to_{port}"), udp_of(ip6(), SPORT, port, DATA));
    }
    zoo.add("udp6_from_53", udp_of(ip6(), 53, 40000, DATA));
    let says =
        |bytes: u16| patched(udp_of(ip4(), SPORT, 53, DATA), BEHIND4 + 4, &bytes.to_be_bytes());
    for bytes in [0, 7, 8, 9, 65535] {
        zoo.add(format!("udp4_len_{bytes}"), says(bytes));
    }
    let checksum = |sum: [u8; 2]| patched(udp_of(ip4(), SPORT, 53, DATA), BEHIND4 + 6, &sum);
    zoo.add("udp4_checksum_0", checksum([0, 0]));
    zoo.add("udp4_checksum_cafe", checksum([0xca, 0xfe]));
}

fn tcp_flags(zoo: &mut Zoo) {
    type Edit = fn(&mut TcpHeader);
    let kinds: [(&str, Edit); 12] = [
        ("null", |_| {}),
        ("syn", |h| h.syn = true),
        ("synack", |h| (h.syn, h.ack) = (true, true)),
        ("ack", |h| h.ack = true),
        ("psh_ack", |h| (h.psh, h.ack) = (true, true)),
        ("fin_ack", |h| (h.fin, h.ack) = (true, true)),
        ("rst", |h| h.rst = true),
        ("rst_ack", |h| (h.rst, h.ack) = (true, true)),
        ("syn_fin", |h| (h.syn, h.fin) = (true, true)),
        ("xmas", |h| (h.fin, h.psh, h.urg) = (true, true, true)),
        ("syn_ece_cwr", |h| (h.syn, h.ece, h.cwr) = (true, true, true)),
        ("urg", |h| (h.urg, h.ack, h.urgent_pointer) = (true, true, 0x4321)),
    ];
    for (name, edit) in kinds {
        zoo.add(format!("tcp4_{name}"), tcp_of(ip4(), edit, &[]));
    }
    let all = patched(tcp_of(ip4(), |_| {}, &[]), BEHIND4 + 13, &[0xff]);
    zoo.add("tcp4_all_flags", all);
    // The bit in front of CWR, once "NS", is none of the eight.
    zoo.add("tcp4_ns", tcp_of(ip4(), |h| h.ns = true, &[]));
    zoo.add("tcp6_syn", tcp_of(ip6(), |h| h.syn = true, &[]));
    zoo.add("tcp6_ack", tcp_of(ip6(), |h| h.ack = true, DATA));
}

fn tcp_header(zoo: &mut Zoo) {
    let marked = |h: &mut TcpHeader| {
        h.ack = true;
        h.sequence_number = 0x0102_0304;
        h.acknowledgment_number = 0xf5f6_f7f8;
        h.window_size = 0x1234;
        h.urgent_pointer = 0x4321;
    };
    zoo.add("tcp4_marked", tcp_of(ip4(), marked, DATA));
    zoo.add("tcp6_marked", tcp_of(ip6(), marked, DATA));
    for port in [0, 22, 53, 443, 1024, 65535] {
        let to = |h: &mut TcpHeader| (h.ack, h.destination_port) = (true, port);
        zoo.add(format!("tcp4_to_{port}"), tcp_of(ip4(), to, DATA));
    }
    let from = |h: &mut TcpHeader| (h.ack, h.source_port) = (true, 443);
    zoo.add("tcp4_from_443", tcp_of(ip4(), from, DATA));
    let window_0 = |h: &mut TcpHeader| (h.ack, h.window_size) = (true, 0);
    zoo.add("tcp4_window_0", tcp_of(ip4(), window_0, &[]));
    zoo.add("tcp4_get", tcp_of(ip4(), |h| h.ack = true, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    zoo.add(
        "tcp4_get_lower",
        tcp_of(ip4(), |h| h.ack = true, b"get / http/1.1\r\nHost: a\r\n\r\n"),
    );
    let browser = |h: &mut TcpHeader| {
        h.syn = true;
        let options = [
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            TcpOptionElement::Timestamp(1, 0),
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(7),
        ];
        h.set_options(&options).expect("20 bytes of options fit");
    };
    zoo.add("tcp4_browser_syn", tcp_of(ip4(), browser, &[]));
    let full = |h: &mut TcpHeader| {
        h.ack = true;
        h.set_options_raw(&[1; 40]).expect("40 bytes fit");
    };
    zoo.add("tcp4_hdr_60", tcp_of(ip4(), full, b"GET / HTTP/1.1"));
    zoo.add("tcp6_hdr_60", tcp_of(ip6(), full, b"GET / HTTP/1.1"));
    for words in [0, 4] {
        let frame = tcp_of(ip4(), |h| h.ack = true, DATA);
        zoo.add(format!("tcp4_off_{words}"), patched(frame, BEHIND4 + 12, &[words << 4]));
    }
    let frame = tcp_of(ip4(), |h| h.ack = true, DATA);
    zoo.add("tcp4_off_15_cut", patched(frame, BEHIND4 + 12, &[0xf0]));
    let frame = tcp_of(ip6(), |h| h.ack = true, DATA);
    zoo.add("tcp6_off_4", patched(frame, 14 + 40 + 12, &[0x40]));
}

/// A message of ICMP or ICMPv6, its checksum left at zero.
fn message(ip: Ip, proto: u8, ty: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let bytes = [&[ty, code, 0, 0], &rest[..], data].concat();
    raw_of(ip, proto, &bytes)
}

fn icmp(zoo: &mut Zoo) {
    let echo = |reply: bool| {
        let step = ip4();
        let step = if reply {
            step.icmpv4_echo_reply(0x1234, 7)
        } else {
            step.icmpv4_echo_request(0x1234, 7)
        };
        let mut out = Vec::new();
        step.write(&mut out, DATA).expect("a vector takes it");
        out
    };
    zoo.add("icmp4_echo", echo(false));
    zoo.add("icmp4_reply", echo(true));
    let four = |ty, code| message(ip4(), 1, ty, code, [0, 0, 5, 0xdc], DATA);
    zoo.add("icmp4_unreach_port", four(3, 3));
    zoo.add("icmp4_unreach_mtu", four(3, 4));
    zoo.add("icmp4_quench", four(4, 0));
    zoo.add("icmp4_redirect", four(5, 1));
    zoo.add("icmp4_exceeded", four(11, 0));
    zoo.add("icmp4_timestamp", message(ip4(), 1, 13, 0, [0xab, 0xcd, 0, 1], &[0; 12]));
    zoo.add("icmp4_timestamp_reply", message(ip4(), 1, 14, 0, [0xab, 0xcd, 0, 2], &[0; 12]));
    // Its neighbours in number have none.
    zoo.add("icmp4_type_12", four(12, 0));
    zoo.add("icmp4_type_9", four(9, 0));
    zoo.add("icmp4_type_255", four(255, 255));
    let mut out = Vec::new();
    let step = ip6().icmpv6_echo_request(0x1234, 7);
    step.write(&mut out, DATA).expect("a vector takes it");
    zoo.add("icmp6_echo", out);
    let six = |ty, code| message(ip6(), 58, ty, code, [0, 0, 5, 0xdc], DATA);
    zoo.add("icmp6_reply", six(129, 0));
    zoo.add("icmp6_type_127", six(127, 0));
    zoo.add("icmp6_type_130", six(130, 0));
    zoo.add("icmp6_unreach", six(1, 4));
    zoo.add("icmp6_too_big", six(2, 0));
    zoo.add("icmp6_solicit", message(ip6(), 58, 135, 0, [0; 4], &[0xfe; 16]));
    zoo.add("icmp6_advert", message(ip6(), 58, 136, 0, [0x60, 0, 0, 0], &[0xfe; 16]));
    // Each in the other's IP.
    zoo.add("icmp4_in_ip6", message(ip6(), 1, 8, 0, [0, 1, 0, 1], DATA));
    zoo.add("icmp6_in_ip4", message(ip4(), 58, 128, 0, [0, 1, 0, 1], DATA));
}

/// SCTP, UDP-Lite and DCCP begin with their ports, as TCP and UDP do.
fn ports_elsewhere(zoo: &mut Zoo) {
    let sctp = [0x0f, 0xa0, 0, 53, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4];
    let lite = [0x0f, 0xa0, 0, 53, 0, 8, 0xab, 0xcd, b'd', b'a', b't', b'a'];
    let dccp = [0x0f, 0xa0, 0, 53, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    for (name, proto, bytes) in
        [("sctp", 132, &sctp[..]), ("udplite", 136, &lite[..]), ("dccp", 33, &dccp[..])]
    {
        zoo.add(format!("{name}4"), raw_of(ip4(), proto, bytes));
        zoo.add(format!("{name}6"), raw_of(ip6(), proto, bytes));
    }
}

fn others(zoo: &mut Zoo) {
    let dns = udp_of(ip4(), SPORT, 53, DATA);
    zoo.add("igmp4", raw_of(ip4(), 2, &[0x16, 0, 0, 0, 224, 0, 0, 251]));
    zoo.add("ipip4", raw_of(ip4(), 4, &dns[14..]));
    zoo.add("sixin4", raw_of(ip4(), 41, &udp_of(ip6(), SPORT, 53, DATA)[14..]));
    zoo.add("gre4", raw_of(ip4(), 47, &[&[0, 0, 0x08, 0x00], &dns[14..]].concat()));
    zoo.add("gre6", raw_of(ip6(), 47, &[&[0, 0, 0x08, 0x00], &dns[14..]].concat()));
    zoo.add("esp4", raw_of(ip4(), 50, &[0, 0, 0x10, 1, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd]));
    zoo.add("esp6", raw_of(ip6(), 50, &[0, 0, 0x10, 1, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd]));
    // Behind IPv4, AH is a protocol like any other.
    let ah = [&[17, 1, 0, 0, 0, 0, 0x10, 1, 0, 0, 0, 1], &dns[BEHIND4..]].concat();
    zoo.add("ah4", raw_of(ip4(), 51, &ah));
    zoo.add("ospf4", raw_of(ip4(), 89, &[2, 1, 0, 44, 10, 0, 0, 1]));
    zoo.add("pim4", raw_of(ip4(), 103, &[0x20, 0, 0, 0]));
    zoo.add("vrrp4", raw_of(ip4(), 112, &[0x31, 1, 100, 0, 0, 100, 0, 0]));
    zoo.add("proto4_253", raw_of(ip4(), 253, DATA));
    zoo.add("proto4_0", raw_of(ip4(), 0, &[17, 0, 0, 0, 0, 0, 0, 0]));
    zoo.add("proto4_44", raw_of(ip4(), 44, &[17, 0, 0, 0, 0, 0, 0, 0]));
    zoo.add("proto6_253", raw_of(ip6(), 253, DATA));
}
