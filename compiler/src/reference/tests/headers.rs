//! Headers that are cut, impossible, too deep, or just unusual.

use super::sample::*;
use crate::fields::{Ext, Transport, When};
use crate::hir::{Layer, Slice};
use crate::ranges::Ranges;
use crate::reference::Dissected;
use l4c_manifest::Start;

fn frame(bytes: &[u8]) -> Dissected<'_> {
    Dissected::new(bytes, Start::Link, &Ranges::empty())
}

fn unparsed(bytes: &[u8]) -> bool {
    frame(bytes).is(When::Unparsed)
}

fn layer(packet: &Dissected<'_>, layer: Layer) -> Option<Vec<u8>> {
    let mut len = 0;
    while packet.slice(&Slice::at(layer, 0, len + 1)).is_some() {
        len += 1;
    }
    (len > 0).then(|| packet.slice(&Slice::at(layer, 0, len)).unwrap_or_default().to_vec())
}

/// An IPv4 frame with some bytes of the IP header replaced.
fn changed(mut frame: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for &(at, byte) in changes {
        frame[at] = byte;
    }
    frame
}

#[test]
fn tags() {
    let two = join(&[&eth(0x88a8), &tag(0, false, 1, 0x8100), &tag(0, false, 2, 0x86dd)]);
    let third = join(&[&two[..20], &[0x91, 0], &tag(0, false, 3, 0x0800), &ip4(17, &udp(b""))]);
    assert!(frame(&third).is(When::Tag2) && unparsed(&third));
    assert!(!frame(&third).is(When::TypeIp4));
    assert_eq!(layer(&frame(&third), Layer::L3), None);
    let cut = &two[..17];
    assert!(unparsed(cut) && !frame(cut).is(When::Tag1));
    assert_eq!(layer(&frame(cut), Layer::L3), None);
    let cut = &two[..21];
    assert!(unparsed(cut) && frame(cut).is(When::Tag1) && !frame(cut).is(When::Tag2));
    // The tags are whole; what they announce is not there.
    assert!(frame(&two).is(When::Tag2) && frame(&two).is(When::TypeIp6) && unparsed(&two));
}

#[test]
fn a_type_that_nobody_knows_is_parsed_and_has_bytes() {
    let lldp = join(&[&eth(0x88cc), &[1, 2, 3]]);
    assert!(!unparsed(&lldp));
    assert_eq!(layer(&frame(&lldp), Layer::L3), Some(vec![1, 2, 3]));
    assert_eq!(layer(&frame(&lldp), Layer::L4), None);
    assert_eq!(layer(&frame(&lldp), Layer::L2), Some(lldp.clone()));
}

#[test]
fn arp_is_cut_where_its_lengths_say() {
    let whole = join(&[&eth(0x0806), &arp()]);
    for len in 14..whole.len() {
        assert!(unparsed(&whole[..len]), "{len}");
        assert_eq!(frame(&whole[..len]).is(When::Arp), len >= 22, "{len}");
        assert!(!frame(&whole[..len]).is(When::ArpEthIp4));
    }
    assert!(!unparsed(&whole) && frame(&whole).is(When::ArpEthIp4));
    let other_hardware = changed(whole, &[(15, 6)]);
    assert!(!unparsed(&other_hardware) && !frame(&other_hardware).is(When::ArpEthIp4));
}

#[test]
fn ip4_headers_that_are_none() {
    for (at, byte) in [(14, 0x44), (14, 0x65), (14, 0x40)] {
        let packet = changed(udp4(), &[(at, byte)]);
        assert!(unparsed(&packet) && frame(&packet).is(When::TypeIp4));
        assert!(!frame(&packet).is(When::Ip4) && !frame(&packet).is(When::Proto));
    }
    let cut = &udp4()[..33];
    assert!(unparsed(cut) && !frame(cut).is(When::Ip4));
    // Options that end outside: the fixed header is there, the transport is not.
    let long = changed(udp4(), &[(14, 0x4f)]);
    assert!(unparsed(&long) && frame(&long).is(When::Ip4) && frame(&long).is(When::ProtoIs(17)));
    assert!(!frame(&long).is(When::Ports) && layer(&frame(&long), Layer::L4).is_none());
}

#[test]
fn later_fragments_have_no_transport_and_hide_nothing() {
    let later = join(&[&eth(0x0800), &fragment4(6, 1, true, &[0; 3])]);
    let packet = frame(&later);
    assert!(packet.is(When::Frag) && packet.is(When::ProtoIs(6)) && !packet.is(When::Unparsed));
    assert!(!packet.is(When::Ports) && !packet.is(When::Header(Transport::Tcp)));
    assert_eq!(layer(&packet, Layer::L4), None);
    assert_eq!(layer(&packet, Layer::Payload), None);
    let first = join(&[&eth(0x0800), &fragment4(6, 0, true, &tcp(b"xy"))]);
    assert!(frame(&first).is(When::Header(Transport::Tcp)));
    assert_eq!(layer(&frame(&first), Layer::Payload).unwrap(), b"xy");
}

#[test]
fn ip6_headers_that_are_none() {
    let wrong = changed(tcp6(), &[(14, 0x40)]);
    assert!(unparsed(&wrong) && frame(&wrong).is(When::TypeIp6) && !frame(&wrong).is(When::Ip6));
    let cut = &tcp6()[..53];
    assert!(unparsed(cut) && !frame(cut).is(When::Ip6));
}

#[test]
fn extension_headers_count_to_eight() {
    let chain = |count: usize| {
        let mut chain: Vec<u8> = (1..count).flat_map(|_| ext(60, 0)).collect();
        chain.extend(ext(17, 0));
        join(&[&eth(0x86dd), &ip6(60, &join(&[&chain, &udp(b"")]))])
    };
    let eight = chain(8);
    assert!(!unparsed(&eight) && frame(&eight).is(When::Header(Transport::Udp)));
    let nine = chain(9);
    assert!(unparsed(&nine) && !frame(&nine).is(When::Proto));
    assert!(frame(&nine).is(When::Ext(Ext::DstOpts)) && frame(&nine).is(When::Ip6));
}

#[test]
fn a_cut_extension_header_is_not_walked() {
    let whole = join(&[&eth(0x86dd), &ip6(43, &ext(59, 2))]);
    assert!(!unparsed(&whole) && frame(&whole).is(When::ProtoIs(59)));
    for len in 54..whole.len() {
        let packet = frame(&whole[..len]);
        assert!(packet.is(When::Unparsed), "{len}");
        assert!(!packet.is(When::Ext(Ext::Routing)) && !packet.is(When::Proto), "{len}");
    }
    let auth = join(&[&eth(0x86dd), &ip6(51, &ah(59, 4))]);
    assert!(frame(&auth).is(When::ProtoIs(59)) && frame(&auth).is(When::Ext(Ext::Auth)));
    assert!(!frame(&auth[..auth.len() - 1]).is(When::Ext(Ext::Auth)));
}

#[test]
fn fragment_headers_of_ip6() {
    let later = join(&[&eth(0x86dd), &ip6(44, &fragment6(60, 3, true)), &[1, 2]]);
    let packet = frame(&later);
    // The bytes behind belong to another header's middle: the walk ends, nothing is cut.
    assert!(packet.is(When::ProtoIs(60)) && packet.is(When::Frag) && !packet.is(When::Unparsed));
    assert!(packet.is(When::Ext(Ext::Fragment)) && !packet.is(When::Ext(Ext::DstOpts)));
    assert_eq!(layer(&packet, Layer::L4), None);
    let first = join(&[&eth(0x86dd), &ip6(44, &fragment6(60, 0, true)), &ext(17, 0), &udp(b"")]);
    assert!(frame(&first).is(When::Header(Transport::Udp)) && frame(&first).is(When::Frag));
    let twice = join(&[&fragment6(44, 0, false), &fragment6(17, 0, false), &udp(b"")]);
    let twice = join(&[&eth(0x86dd), &ip6(44, &twice)]);
    assert!(frame(&twice).is(When::Ports) && !frame(&twice).is(When::Frag));
}

#[test]
fn transports_cut_inside_their_fixed_header() {
    let whole = [(6, 20), (17, 8), (1, 8), (58, 8), (132, 12), (33, 12), (136, 8)];
    for (proto, bytes) in whole {
        for len in 0..=bytes {
            let packet = join(&[&eth(0x0800), &ip4(proto, &[0x50; 20][..len])]);
            assert_eq!(unparsed(&packet), len < bytes, "{proto} {len}");
            assert!(frame(&packet).is(When::ProtoIs(proto)));
        }
    }
    let unknown = join(&[&eth(0x0800), &ip4(200, &[])]);
    assert!(!unparsed(&unknown));
}

#[test]
fn tcp_header_lengths() {
    let of = |words: u8| changed(join(&[&eth(0x0800), &ip4(6, &tcp(b""))]), &[(46, words << 4)]);
    for (words, bad) in [(4, true), (5, false), (7, false), (8, true), (15, true)] {
        let packet = of(words);
        assert_eq!(unparsed(&packet), bad, "{words}");
        assert!(frame(&packet).is(When::Header(Transport::Tcp)), "the fixed header is there");
    }
    assert_eq!(layer(&frame(&of(4)), Layer::Payload), None);
}

#[test]
fn payloads_end_where_the_lengths_say() {
    let payload = |packet: &[u8]| layer(&frame(packet), Layer::Payload);
    let padded = join(&[&udp4(), &[0; 18]]);
    assert_eq!(payload(&padded).unwrap(), b"data");
    // The other layers go on to the end.
    assert_eq!(layer(&frame(&padded), Layer::L4).unwrap().len(), 8 + 4 + 18);
    let shorter_udp = changed(udp4(), &[(39, 10)]);
    assert_eq!(payload(&shorter_udp).unwrap(), b"da");
    let shorter_ip = changed(udp4(), &[(17, 29)]);
    assert_eq!(payload(&shorter_ip).unwrap(), b"d");
    let lying = changed(udp4(), &[(16, 9), (38, 9)]);
    assert_eq!(payload(&lying).unwrap(), b"data");
    assert_eq!(payload(&changed(udp4(), &[(39, 3)])), None);
    assert_eq!(payload(&tagged_tcp()).unwrap(), b"hello");
    assert_eq!(payload(&join(&[&tcp6(), &[0; 9]])).unwrap(), b"hello");
    assert_eq!(payload(&udp6_behind_everything()).unwrap(), b"data");
    assert_eq!(payload(&join(&[&eth(0x0800), &ip4(1, &icmp(b"ping"))])).unwrap(), b"ping");
    assert_eq!(payload(&join(&[&eth(0x86dd), &ip6(58, &icmp6(b"ping"))])).unwrap(), b"ping");
    // The second word of UDP-Lite is no length.
    let lite = changed(join(&[&eth(0x0800), &ip4(136, &udp(b"data"))]), &[(39, 8)]);
    assert_eq!(payload(&lite).unwrap(), b"data");
    assert_eq!(payload(&carrying(132)), None);
}

#[test]
fn without_link_header_the_version_tells() {
    let net = |bytes| Dissected::new(bytes, Start::Network, &Ranges::empty());
    assert!(net(&[]).is(When::Unparsed) && !net(&[]).is(When::TypeIp4));
    assert!(net(&[0x50; 60]).is(When::Unparsed) && !net(&[0x50; 60]).is(When::TypeIp6));
    assert!(net(&[0x45]).is(When::TypeIp4) && net(&[0x45]).is(When::Unparsed));
    assert!(net(&[0x60]).is(When::TypeIp6));
    let packet = ip4(17, &udp(b"data"));
    assert!(!net(&packet).is(When::Link) && layer(&net(&packet), Layer::L2).is_none());
    assert_eq!(layer(&net(&packet), Layer::L3).unwrap(), packet);
    assert_eq!(layer(&net(&packet), Layer::Payload).unwrap(), b"data");
}

/// Cut everywhere and with bytes changed at random: no panic, and answers that go together.
#[test]
fn broken_packets_are_dissected() {
    let mut state = 0x9e37_79b9_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut fragments = 0;
    for whole in [tagged_tcp(), udp4(), udp6_behind_everything(), tcp6(), carrying(1)] {
        for round in 0..4000 {
            let mut bytes = whole[..random(whole.len() + 1)].to_vec();
            for _ in 0..round % 4 {
                if !bytes.is_empty() {
                    let at = random(bytes.len());
                    bytes[at] = random(256) as u8;
                }
            }
            for start in [Start::Link, Start::Network] {
                let packet = Dissected::new(&bytes, start, &Ranges::empty());
                let l4 = packet.slice(&Slice::at(Layer::L4, 0, 1)).is_some();
                assert!(!l4 || packet.is(When::Proto));
                assert!(!packet.is(When::Ports) || l4);
                assert!(!packet.is(When::Ip4) || packet.is(When::TypeIp4));
                assert!(!packet.is(When::Proto) || packet.is(When::Ip4) || packet.is(When::Ip6));
                fragments += usize::from(packet.is(When::Frag));
            }
        }
    }
    assert!(fragments > 50, "too tame: {fragments}");
}
