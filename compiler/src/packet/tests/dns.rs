//! DNS messages, byte by byte.

use super::{checked, codes, socket, xdp};
use l4c_manifest::HookKind;

/// What a frame carries behind UDP, or behind TCP without options.
fn message(text: &str) -> Vec<u8> {
    checked(&xdp(text)).payload.slice().to_vec()
}

const USUAL: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";

#[test]
fn a_query_is_filled_in() {
    for text in ["dns", "udp / dns", "ip / dns", "eth / vlan / ip6 / udp / dns()"] {
        let frame = xdp(text);
        let packet = checked(&frame);
        assert_eq!(packet.payload.slice(), USUAL, "{text}");
        let udp = packet.transport.and_then(|transport| transport.udp());
        assert_eq!(udp.map(|udp| udp.destination_port), Some(53), "{text}");
    }
    assert_eq!(socket("dns"), xdp("dns")[14..]);
}

#[test]
fn fields_lie_where_they_belong() {
    let text = "udp / dns(id 43981, response, opcode 5, aa, tc, rd 0, ra, ad, rcode 7, qdcount 1, \
                ancount 2, nscount 3, arcount 4, qtype 28, qclass 3)";
    let header = b"\xab\xcd\xae\xa7\0\x01\0\x02\0\x03\0\x04";
    let whole = [&header[..], b"\x07example\x03com\0\0\x1c\0\x03"].concat();
    assert_eq!(message(text), whole);
    let with = "udp / dns with dns.id = 43981, dns.response = 1, dns.opcode = 5, dns.aa = 1, \
                dns.tc = 1, dns.rd = 0, dns.ra = 1, dns.ad = 1, dns.rcode = 7, dns.ancount = 2, \
                dns.nscount = 3, dns.arcount = 4, dns.qtype = 28, dns.qclass = 3";
    assert_eq!(message(with), whole);
    assert_eq!(message("dns / \"and more\""), [USUAL, b"and more"].concat());
}

#[test]
fn names_go_by_labels() {
    let name = |text: &str| {
        let message = message(text);
        message[12..message.len() - 4].to_vec()
    };
    assert_eq!(name("dns(qname \"wWw.Example.com.\")"), b"\x03wWw\x07Example\x03com\0");
    assert_eq!(name("dns(qname \".\")"), b"\0");
    assert_eq!(name("dns(qname GREETING)"), b"\x05hello\0");
    assert_eq!(name("dns with dns.qname = \"a.b\""), b"\x01a\x01b\0");
    let long = "a".repeat(63);
    assert_eq!(name(&format!("dns(qname \"{long}\")")).len(), 65);
    for wrong in ["a..b", ".a", &"a".repeat(64), &"a.".repeat(128)] {
        let text = format!("dns(qname \"{wrong}\")");
        assert_eq!(codes(&text, HookKind::Xdp), ["E0233"], "{wrong}");
    }
    assert_eq!(codes("dns(qname 5)", HookKind::Xdp), Vec::<&str>::new(), "no constant");
    assert_eq!(codes("udp with dns.qname = \"a\"", HookKind::Xdp), ["E0503"]);
    assert_eq!(codes("dns(qname \"a\", qname \"b\")", HookKind::Xdp), ["E0505"]);
    assert_eq!(codes("dns(qname)", HookKind::Xdp), ["E0504"]);
    assert_eq!(codes("dns(qnam \"a\")", HookKind::Xdp), ["E0502"]);
}

#[test]
fn a_message_without_question_has_none() {
    assert_eq!(message("dns(qdcount 0)"), b"\0\x01\x01\0\0\0\0\0\0\0\0\0");
    assert_eq!(message("dns(qdcount 0, qtype 1)").len(), USUAL.len());
    assert_eq!(message("dns with dns.qdcount = 0").len(), USUAL.len());
}

#[test]
fn behind_tcp_stands_the_length() {
    let says = u8::try_from(USUAL.len()).unwrap();
    assert_eq!(message("tcp / dns"), [&[0, says], USUAL].concat());
    assert_eq!(message("tcp / dns / \"ab\""), [&[0, says + 2], USUAL, b"ab"].concat());
    assert_eq!(message("tcp / dns(length 600)"), [&[2, 88], USUAL].concat());
    assert_eq!(message("tcp / dns with dns.length = 600"), [&[2, 88], USUAL].concat());
    assert_eq!(codes("udp / dns with dns.length = 600", HookKind::Xdp), ["E0503"]);
}

#[test]
fn ports_are_filled_in_where_they_are_not_given() {
    let ports = |text: &str| {
        let frame = xdp(text);
        let transport = &frame[34..38];
        (u16::from_be_bytes([transport[0], transport[1]]), transport[2..].to_vec())
    };
    assert_eq!(ports("dns").1, [0, 53]);
    assert_eq!(ports("tcp / dns").1, [0, 53]);
    assert_eq!(ports("udp(dport 5300) / dns").1, [20, 180]);
    assert_eq!(ports("udp(sport 7) / dns"), (7, vec![0, 53]));
    assert_eq!(ports("dns(response)").0, 53);
    assert_eq!(ports("udp(sport 7) / dns(response)").0, 7);
}
