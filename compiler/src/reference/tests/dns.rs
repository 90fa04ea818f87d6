//! DNS messages, by hand: RFC 1035 4.1.

use super::sample::*;
use crate::fields::{DNS_PORTS, Field};
use crate::ranges::Ranges;
use crate::reference::Dissected;
use l4c_manifest::Start;

/// A header whose every field differs from its neighbours, then `question`.
fn message(question: &[u8]) -> Vec<u8> {
    let header = [0x12, 0x34, 0xad, 0xb7, 0, 1, 0, 2, 0, 3, 0, 4];
    join(&[&header, question])
}

const QUESTION: &[u8] = b"\x03wWw\x07example\x03com\0\0\x1c\0\x03";

fn udp_frame(dport: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let header = join(&[&4000u16.to_be_bytes(), &dport.to_be_bytes(), &len, &[0, 0]]);
    join(&[&eth(0x0800), &ip4(17, &join(&[&header, payload]))])
}

fn tcp_frame(payload: &[u8]) -> Vec<u8> {
    let header = join(&[&[0, 53, 1, 187], &[0; 8], &[0x50, 0x18, 1, 0, 0, 0, 0, 0]]);
    join(&[&eth(0x86dd), &ip6(6, &join(&[&header, payload]))])
}

fn over_tcp(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap().to_be_bytes();
    tcp_frame(&join(&[&len, message]))
}

fn read(name: &str, frame: &[u8]) -> Option<u128> {
    let ports = Ranges::from_unsorted(DNS_PORTS.map(|p| (p.into(), p.into())).into());
    let packet = Dissected::new(frame, Start::Link, &ports);
    let field = Field::find(name).unwrap_or_else(|| panic!("no row {name}"));
    field.places.iter().find_map(|place| packet.value(place))
}

/// Rows and what they hold in [`message`] with [`QUESTION`].
const ROWS: &[(&str, Option<u128>)] = &[
    ("dns", Some(1)),
    ("dns.id", Some(0x1234)),
    ("dns.query", None),
    ("dns.response", Some(1)),
    ("dns.opcode", Some(5)),
    ("dns.aa", Some(1)),
    ("dns.tc", Some(0)),
    ("dns.rd", Some(1)),
    ("dns.ra", Some(1)),
    ("dns.rcode", Some(7)),
    ("dns.qdcount", Some(1)),
    ("dns.ancount", Some(2)),
    ("dns.nscount", Some(3)),
    ("dns.arcount", Some(4)),
    ("dns.qname.len", Some(15)),
    ("dns.qname.labels", Some(3)),
    ("dns.qtype", Some(28)),
    ("dns.qclass", Some(3)),
];

#[test]
fn rows_hold_what_was_written() {
    let whole = message(QUESTION);
    for frame in [udp_frame(53, &whole), udp_frame(5353, &whole), over_tcp(&whole)] {
        for &(name, expected) in ROWS {
            assert_eq!(read(name, &frame), expected, "{name}");
        }
    }
    assert_eq!(read("dns.query", &udp_frame(53, &[0; 12])), Some(1));
    assert_eq!(read("dns.response", &udp_frame(53, &[0; 12])), None);
}

#[test]
fn without_a_whole_header_there_is_no_message() {
    let whole = message(QUESTION);
    let long = u16::try_from(whole.len() + 1).unwrap().to_be_bytes();
    for frame in [
        udp_frame(54, &whole),
        udp_frame(53, &whole[..11]),
        tcp_frame(&join(&[&long, &whole])),
        tcp_frame(&join(&[&[0, 11], &whole])),
        tcp_frame(&[0]),
    ] {
        for &(name, _) in ROWS {
            assert_eq!(read(name, &frame), None, "{name}");
        }
    }
    // A segment may hold more than the message.
    assert_eq!(read("dns.id", &tcp_frame(&join(&[&[0, 12], &whole]))), Some(0x1234));
    assert_eq!(read("dns.qtype", &tcp_frame(&join(&[&[0, 12], &whole]))), None);
}

#[test]
fn a_question_is_whole_or_none() {
    let asks = |question: &[u8]| read("dns.qtype", &udp_frame(53, &message(question)));
    let long = |labels: usize| {
        join(&[&b"\x3f"
            .iter()
            .chain([b'a'; 63].iter())
            .copied()
            .collect::<Vec<_>>()
            .repeat(labels)])
    };
    assert_eq!(asks(QUESTION), Some(28));
    assert_eq!(asks(&QUESTION[..QUESTION.len() - 1]), None, "class cut");
    assert_eq!(asks(b"\0\0\x01\0\x01"), Some(1), "the root");
    assert_eq!(asks(b"\xc0\x0c\0\x01\0\x01"), None, "a pointer");
    assert_eq!(asks(b"\x01a\xc0\x0c\0\x01\0\x01"), None, "a pointer behind a label");
    assert_eq!(asks(&join(&[b"\x40", &[b'a'; 64], b"\0\0\x01\0\x01"])), None, "a long label");
    assert_eq!(asks(&join(&[&long(3), b"\x3d", &[b'b'; 61], b"\0\0\x01\0\x01"])), Some(1), "255");
    assert_eq!(asks(&join(&[&long(3), b"\x3e", &[b'b'; 62], b"\0\0\x01\0\x01"])), None, "256");
    let labels = b"\x01a".repeat(127);
    assert_eq!(asks(&join(&[&labels, b"\0\0\x01\0\x01"])), Some(1), "127 labels");
    let mut none = message(QUESTION);
    none[5] = 0;
    assert_eq!(read("dns.qtype", &udp_frame(53, &none)), None, "no question counted");
}

#[test]
fn every_row_is_here() {
    let rows = crate::fields::FIELDS.iter().map(|field| field.name);
    let missing: Vec<_> = rows
        .filter(|name| name.starts_with("dns") && *name != "dns.qname")
        .filter(|name| ROWS.iter().all(|row| row.0 != *name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
