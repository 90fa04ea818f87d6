//! DNS messages, written out byte by byte from RFC 1035, over everything that may carry them.

use super::Zoo;
use super::extension::{DST, HBH, chain_of, fragment, plain};
use super::parts::{
    BEHIND4, BEHIND6, Ip, SPORT, ip4, ip4_with, ip6, padded, patched, raw_of, tagged, tcp_of,
    udp_of,
};
use etherparse::Ipv4Options;

/// Type A, class IN.
const A_IN: [u8; 4] = [0, 1, 0, 1];

pub(super) fn add(zoo: &mut Zoo) {
    header(zoo);
    numbers(zoo);
    names(zoo);
    odd_names(zoo);
    long_names(zoo);
    ports(zoo);
    carriers(zoo);
    cut(zoo);
    tcp(zoo);
}

/// RFC 1035 4.1.1: an identifier, two bytes of flags, four counts.
pub(crate) fn header_of(id: u16, flags: [u8; 2], counts: [u16; 4]) -> Vec<u8> {
    let mut out = Vec::from(id.to_be_bytes());
    out.extend(flags);
    out.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    out
}

/// A query of one question, recursion desired.
pub(crate) fn query_header() -> Vec<u8> {
    header_of(0x1234, [1, 0], [1, 0, 0, 0])
}

/// A name as it is sent, of labels without their dots.
pub(crate) fn sent(labels: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for label in labels {
        out.push(u8::try_from(label.len()).expect("a label's length is one byte"));
        out.extend(*label);
    }
    out.push(0);
    out
}

/// The same of a text with dots; no text is the root.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let labels: Vec<&[u8]> =
        text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes).collect();
    sent(&labels)
}

/// A query for the address of a name as it is sent.
fn query(name: &[u8]) -> Vec<u8> {
    [&query_header()[..], name, &A_IN].concat()
}

/// A datagram to port 53.
fn to_53(ip: Ip, message: &[u8]) -> Vec<u8> {
    udp_of(ip, SPORT, 53, message)
}

/// A segment to port 53 that begins with `len` as the message's length.
fn segment(ip: Ip, len: usize, message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(len).expect("a length has two bytes").to_be_bytes();
    let to = |h: &mut etherparse::TcpHeader| (h.ack, h.destination_port) = (true, 53);
    tcp_of(ip, to, &[&len[..], message].concat())
}

fn example() -> Vec<u8> {
    query(&name("example.com"))
}

fn header(zoo: &mut Zoo) {
    let with = |flags, counts| {
        let question = [name("example.com"), A_IN.to_vec()].concat();
        to_53(ip4(), &[header_of(0x1234, flags, counts), question].concat())
    };
    zoo.add("dns_query", with([1, 0], [1, 0, 0, 0]));
    // Every field differs from its neighbours.
    let marked = [&header_of(0xabcd, [0xad, 0xb7], [1, 2, 3, 4]), &name("wWw.example.com")[..]];
    let question = [0, 28, 0, 3];
    zoo.add("dns_marked", to_53(ip6(), &[&marked.concat()[..], &question].concat()));
    for (bit, flags) in [
        ("response", [0x80, 0]),
        ("aa", [4, 0]),
        ("tc", [2, 0]),
        ("no_bits", [0, 0]),
        ("ra", [0, 0x80]),
        ("z", [0, 0x40]),
        ("ad", [0, 0x20]),
        ("cd", [0, 0x10]),
    ] {
        zoo.add(format!("dns_{bit}"), with(flags, [1, 0, 0, 0]));
    }
    for opcode in [1, 2, 4, 5, 15] {
        zoo.add(format!("dns_opcode_{opcode}"), with([opcode << 3, 0], [1, 0, 0, 0]));
    }
    for rcode in [1, 2, 3, 5, 15] {
        zoo.add(format!("dns_rcode_{rcode}"), with([0x81, 0x80 | rcode], [1, 1, 0, 0]));
    }
    // Only the first question is read, however many are said to be there.
    for count in [0, 2, 256, 65535] {
        zoo.add(format!("dns_questions_{count}"), with([1, 0], [count, 0, 0, 0]));
    }
    for (nth, section) in ["answers", "authority", "additional"].into_iter().enumerate() {
        let mut counts = [1, 0, 0, 0];
        counts[nth + 1] = 0x0102;
        zoo.add(format!("dns_{section}_258"), with([0x81, 0x80], counts));
    }
    let two = [
        &header_of(0x1234, [1, 0], [2, 0, 0, 0])[..],
        &name("first.example"),
        &[0, 1, 0, 1],
        &name("second.example"),
        &[0, 16, 0, 3],
    ];
    zoo.add("dns_two_questions", to_53(ip4(), &two.concat()));
    // An answer whose name points back to the question.
    let answer = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7][..]].concat();
    let response =
        [header_of(0x1234, [0x81, 0x80], [1, 1, 0, 0]), name("example.com"), A_IN.to_vec(), answer];
    zoo.add("dns_answer", udp_of(ip4(), 53, SPORT, &response.concat()));
}

fn numbers(zoo: &mut Zoo) {
    let asks = |qtype: u16, qclass: u16| {
        let last = [qtype.to_be_bytes(), qclass.to_be_bytes()].concat();
        to_53(ip4(), &[query_header(), name("example.com"), last].concat())
    };
    for qtype in [0, 2, 15, 16, 28, 65, 252, 255, 256, 65535] {
        zoo.add(format!("dns_type_{qtype}"), asks(qtype, 1));
    }
    for qclass in [0, 3, 255, 256, 0x8001] {
        zoo.add(format!("dns_class_{qclass}"), asks(1, qclass));
    }
    let id = |id| [header_of(id, [1, 0], [1, 0, 0, 0]), name("example.com"), A_IN.to_vec()];
    zoo.add("dns_id_0", to_53(ip4(), &id(0).concat()));
    zoo.add("dns_id_65535", to_53(ip4(), &id(65535).concat()));
}

/// Names as they are asked for, and their neighbours.
fn names(zoo: &mut Zoo) {
    let all = [
        ("root", ""),
        ("com", "com"),
        ("upper", "EXAMPLE.COM"),
        ("mixed", "eXaMpLe.CoM"),
        ("www", "www.example.com"),
        ("mail_upper", "Mail.Example.COM"),
        ("deep", "a.b.c.example.com"),
        ("suffix_of_label", "notexample.com"),
        ("below_another", "www.notexample.com"),
        ("example_elsewhere", "example.com.evil.net"),
        ("short", "xample.com"),
        ("other_top", "example.co"),
        ("longer_top", "example.comm"),
        ("swapped", "com.example"),
        ("net", "example.net"),
        ("org", "example.org"),
        ("digits", "7.example.com"),
        ("len_2", "ab.example.com"),
        ("len_3", "abc.example.com"),
        ("len_9", "abcdefghi.example.com"),
        ("len_10", "abcdefghij.example.com"),
        ("hyphens", "a-b-c.example.com"),
        ("hyphens_end", "a-b-.example.com"),
        ("wpad", "wpad.lan"),
        ("punycode", "xn--bcher-kva.example"),
        ("service", "_ldap._tcp.example.com"),
        ("example_twice", "example.example.com"),
        ("exam_ple", "exam.ple.com"),
        ("reverse", "1.2.0.192.in-addr.arpa"),
    ];
    for (word, text) in all {
        zoo.add(format!("dns_name_{word}"), to_53(ip4(), &query(&name(text))));
    }
    // Of 13 and more letters there is more than one load to compare.
    let long = "thisisonelongerlabel.andanother.example.com";
    zoo.add("dns_name_long_labels", to_53(ip4(), &query(&name(long))));
    zoo.add("dns_name_long_upper", to_53(ip6(), &query(&name(&long.to_uppercase()))));
    for labels in [7, 8, 9, 15, 16, 17, 24, 25] {
        let text = format!("{}com", "x.".repeat(labels - 1));
        zoo.add(format!("dns_labels_{labels}"), to_53(ip4(), &query(&name(&text))));
    }
    for bytes in [1, 15, 16, 31, 32, 62, 63] {
        let text = format!("{}.example.com", "q".repeat(bytes));
        zoo.add(format!("dns_label_of_{bytes}"), to_53(ip4(), &query(&name(&text))));
    }
}

/// Labels with bytes in them that mean something elsewhere.
fn odd_names(zoo: &mut Zoo) {
    let all: [(&str, &[&[u8]]); 15] = [
        // One label, whose bytes look like two and the root.
        ("length_inside", &[b"abc\x07example\x03com\0"]),
        ("length_in_front", &[b"\x07example\x03com"]),
        ("length_before_com", &[b"www\x07example", b"com"]),
        ("dot_inside", &[b"example.com"]),
        ("dot_in_front", &[b"www.example", b"com"]),
        ("nul_inside", &[b"exam\0ple", b"com"]),
        ("space_inside", &[b"exam ple", b"com"]),
        ("high_bytes", &[b"b\xc3\xbccher", b"example"]),
        ("bytes_ff", &[&[0xff; 5], b"com"]),
        // A letter and its other case differ in one bit; other bytes that do are not the same.
        ("at", &[b"a@b", b"com"]),
        ("backtick", &[b"a`b", b"com"]),
        ("bracket", &[b"a[b", b"com"]),
        ("brace", &[b"a{b", b"com"]),
        ("e_acute", &[b"\xc9xample", b"com"]),
        ("star", &[b"*", b"example", b"com"]),
    ];
    for (word, labels) in all {
        zoo.add(format!("dns_odd_{word}"), to_53(ip4(), &query(&sent(labels))));
    }
    let raw: [(&str, &[u8]); 11] = [
        ("pointer", b"\xc0\x0c"),
        ("pointer_into_header", b"\xc0\x00"),
        ("pointer_behind_label", b"\x03www\xc0\x0c"),
        ("label_64", &[&[0x40][..], &[b'a'; 64], b"\0"].concat()),
        ("type_80", b"\x80\x00\0"),
        ("type_40", b"\x41\x08abcdefgh\0"),
        ("length_255", b"\xff\0"),
        ("second_label_64", &[&b"\x03www\x40"[..], &[b'a'; 64], b"\0"].concat()),
        ("ninth_is_pointer", &[&b"\x01x".repeat(8)[..], b"\xc0\x0c"].concat()),
        ("without_root", b"\x07example\x03com"),
        ("label_over_end", b"\x07example\x20com\0"),
    ];
    for (word, bytes) in raw {
        zoo.add(format!("dns_no_name_{word}"), to_53(ip4(), &query(bytes)));
    }
}

/// Up to the last byte that a name may have, and over it.
fn long_names(zoo: &mut Zoo) {
    let fill = |bytes: usize| {
        [&[u8::try_from(bytes).expect("63 at most")][..], &[b'n'; 63][..bytes]].concat()
    };
    for (bytes, last) in [(254, 60), (255, 61), (256, 62)] {
        let long = [fill(63).repeat(3), fill(last), vec![0]].concat();
        assert_eq!(long.len(), bytes);
        zoo.add(format!("dns_name_of_{bytes}"), to_53(ip4(), &query(&long)));
    }
    for labels in [126, 127, 128] {
        let long = [&b"\x01y".repeat(labels)[..], &[0]].concat();
        zoo.add(format!("dns_labels_{labels}"), to_53(ip6(), &query(&long)));
    }
    let ends = [fill(63).repeat(3), fill(49), name("example.com")].concat();
    assert_eq!(ends.len(), 255);
    zoo.add("dns_name_of_255_example", to_53(ip4(), &query(&ends)));
    let last = [b"\x01y".repeat(121), name("example.com")].concat();
    assert_eq!(last.len(), 255);
    zoo.add("dns_labels_123_example", to_53(ip4(), &query(&last)));
}

fn ports(zoo: &mut Zoo) {
    for port in [0, 52, 54, 5300, 5352, 5353, 5354, 65535] {
        zoo.add(format!("dns_port_{port}"), udp_of(ip4(), SPORT, port, &example()));
        zoo.add(format!("dns_from_port_{port}"), udp_of(ip6(), port, SPORT, &example()));
    }
    zoo.add("dns_53_to_53", udp_of(ip4(), 53, 53, &example()));
    zoo.add("dns_from_53", udp_of(ip4(), 53, SPORT, &example()));
}

/// What carries the message, and what only looks as if it did.
fn carriers(zoo: &mut Zoo) {
    let behind_udp = |ip: Ip, behind: usize| to_53(ip, &example()).split_off(behind);
    zoo.add("dns_ip6", to_53(ip6(), &example()));
    zoo.add("dns_vlan", tagged(to_53(ip4(), &example()), &[(0x8100, 7)]));
    zoo.add("dns_qinq_ip6", tagged(to_53(ip6(), &example()), &[(0x88a8, 7), (0x8100, 8)]));
    let options = ip4_with(|h| h.options = Ipv4Options::try_from(&[1; 40][..]).expect("40 fit"));
    zoo.add("dns_ip4_options", to_53(options, &example()));
    let body = || behind_udp(ip6(), BEHIND6);
    zoo.add("dns_ip6_hbh", chain_of(ip6(), &[plain(HBH, 0)], 17, &body()));
    zoo.add("dns_ip6_eight", chain_of(ip6(), &vec![plain(DST, 1); 8], 17, &body()));
    zoo.add("dns_ip6_atomic", chain_of(ip6(), &[fragment(0, false)], 17, &body()));
    zoo.add("dns_ip6_first", chain_of(ip6(), &[fragment(0, true)], 17, &body()));
    zoo.add("dns_ip6_later", chain_of(ip6(), &[fragment(1, false)], 17, &body()));
    let first = ip4_with(|h| h.more_fragments = true);
    zoo.add("dns_ip4_first", raw_of(first, 17, &behind_udp(ip4(), BEHIND4)));
    let later = ip4_with(|h| {
        h.fragment_offset = etherparse::IpFragOffset::try_new(1).expect("a small number");
    });
    zoo.add("dns_ip4_later", raw_of(later, 17, &behind_udp(ip4(), BEHIND4)));
    zoo.add("dns_udplite", raw_of(ip4(), 136, &behind_udp(ip4(), BEHIND4)));
    zoo.add("dns_dccp", raw_of(ip4(), 33, &behind_udp(ip4(), BEHIND4)));
}

/// A message of every length, and a frame cut at every byte of it.
fn cut(zoo: &mut Zoo) {
    let message = query(&name("a.bc"));
    for keep in 1..message.len() {
        zoo.add(format!("dns_short_{keep}"), to_53(ip4(), &message[..keep]));
    }
    for keep in 0..message.len() {
        zoo.cut(format!("dns_cut_{keep}"), to_53(ip4(), &message), BEHIND4 + 8 + keep);
    }
    zoo.add("dns_whole", to_53(ip4(), &message));
    zoo.add("dns_and_more", to_53(ip4(), &[&message[..], b"more"].concat()));
    // What would make it whole is padding, or not counted.
    let almost = &message[..message.len() - 1];
    zoo.add("dns_padded", padded(to_53(ip4(), almost), 60));
    zoo.add("dns_padded_ip6", padded(to_53(ip6(), almost), 100));
    zoo.add("dns_root_cut_padded", padded(to_53(ip4(), &message[..17]), 60));
    let udp_says = |bytes: usize| {
        let len = u16::try_from(bytes).expect("a length has two bytes").to_be_bytes();
        patched(to_53(ip4(), &message), BEHIND4 + 4, &len)
    };
    let whole = 8 + message.len();
    for bytes in [0, 8, 19, 20, whole - 1, whole + 1, 65535] {
        zoo.add(format!("dns_udp_len_{bytes}"), udp_says(bytes));
    }
    for bytes in [0, 20, 39, 40, 20 + whole - 1, 20 + whole + 1] {
        let len = u16::try_from(bytes).expect("a length has two bytes").to_be_bytes();
        zoo.add(format!("dns_ip_len_{bytes}"), patched(to_53(ip4(), &message), 16, &len));
    }
    let len = u16::try_from(whole - 1).expect("a length has two bytes").to_be_bytes();
    zoo.add("dns_ip6_len_less", patched(to_53(ip6(), &message), 18, &len));
}

/// RFC 1035 4.2.2: two bytes of length stand in front of a message over TCP.
fn tcp(zoo: &mut Zoo) {
    let message = example();
    zoo.add("dns_tcp", segment(ip4(), message.len(), &message));
    zoo.add("dns_tcp_ip6", segment(ip6(), message.len(), &message));
    zoo.add("dns_tcp_vlan", tagged(segment(ip4(), message.len(), &message), &[(0x8100, 7)]));
    let len = u16::try_from(message.len()).expect("a few bytes").to_be_bytes();
    let stream = [&len[..], &message].concat();
    let options = |h: &mut etherparse::TcpHeader| {
        (h.ack, h.source_port) = (true, 53);
        h.set_options_raw(&[1; 40]).expect("40 bytes fit");
    };
    zoo.add("dns_tcp_options", tcp_of(ip4(), options, &stream));
    let plain = |h: &mut etherparse::TcpHeader| (h.ack, h.destination_port) = (true, 5353);
    zoo.add("dns_tcp_5353", tcp_of(ip6(), plain, &stream));
    let other = |h: &mut etherparse::TcpHeader| (h.ack, h.destination_port) = (true, 5300);
    zoo.add("dns_tcp_5300", tcp_of(ip4(), other, &stream));
    // The segment ends before the message does.
    for keep in [0, 1, 2, 13, 14, 25, stream.len() - 1] {
        let to = |h: &mut etherparse::TcpHeader| (h.ack, h.destination_port) = (true, 53);
        zoo.add(format!("dns_tcp_split_{keep}"), tcp_of(ip4(), to, &stream[..keep]));
    }
    zoo.cut("dns_tcp_cut", segment(ip4(), message.len(), &message), BEHIND4 + 20 + 30);
    // Its length says less, or more, than is there.
    for says in [0, 11, 12, 24, message.len() - 1, message.len() + 1, 65535] {
        zoo.add(format!("dns_tcp_says_{says}"), segment(ip4(), says, &message));
    }
    let two = [&message[..], &stream].concat();
    zoo.add("dns_tcp_two", segment(ip4(), message.len(), &two));
    zoo.add("dns_tcp_padded", padded(segment(ip4(), 22, &query(&name("a.bc"))[..21]), 100));
    zoo.add("dns_tcp_no_length", {
        let to = |h: &mut etherparse::TcpHeader| (h.ack, h.destination_port) = (true, 53);
        tcp_of(ip4(), to, &message)
    });
}
