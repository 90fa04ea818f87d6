//! Where the packet inside a tunnel begins, and what is no tunnel.

use super::sample::*;
use crate::fields::{Field, When};
use crate::ranges::Ranges;
use crate::reference::Dissected;
use l4c_manifest::Start;

/// What `read` finds in the packet inside; nothing if there is none.
fn inside<T>(frame: &[u8], read: impl FnOnce(&Dissected<'_>) -> T) -> Option<T> {
    Dissected::new(frame, Start::Link, &Ranges::empty()).inner().map(|inner| read(&inner))
}

fn is_there(frame: &[u8], when: When) -> Option<bool> {
    inside(frame, |inner| inner.is(when))
}

/// The first place of a field that is there.
fn value(frame: &[u8], name: &str) -> Option<u128> {
    let field = Field::find(name).expect(name);
    inside(frame, |inner| field.places.iter().find_map(|place| inner.value(place))).flatten()
}

fn in_ip4(proto: u8, bytes: &[u8]) -> Vec<u8> {
    join(&[&eth(0x0800), &ip4(proto, bytes)])
}

fn in_ip6(proto: u8, bytes: &[u8]) -> Vec<u8> {
    join(&[&eth(0x86dd), &ip6(proto, bytes)])
}

/// To a port of UDP.
fn in_udp(port: u16, bytes: &[u8]) -> Vec<u8> {
    in_ip4(17, &join(&[&[0, 9], &port.to_be_bytes(), &[0; 4], bytes]))
}

#[test]
fn ip_in_ip_goes_by_its_number() {
    let (four, six) = (ip4(17, &udp(b"x")), ip6(6, &tcp(b"x")));
    for frame in [in_ip4(4, &four), in_ip6(4, &four)] {
        assert_eq!(value(&frame, "proto"), Some(17));
        assert_eq!(is_there(&frame, When::Link), Some(false));
    }
    for frame in [in_ip4(41, &six), in_ip6(41, &six)] {
        assert_eq!(value(&frame, "proto"), Some(6));
    }
    let wrong = in_ip4(4, &six);
    assert_eq!(is_there(&wrong, When::TypeIp4), Some(true));
    assert_eq!(is_there(&wrong, When::Unparsed), Some(true));
    assert_eq!(is_there(&in_ip4(4, &[]), When::Unparsed), Some(true));
    assert_eq!(is_there(&join(&[&eth(0x0800), &fragment4(4, 5, false, &four)]), When::Ip4), None);
    assert_eq!(
        is_there(&join(&[&eth(0x0800), &fragment4(4, 0, true, &four)]), When::Ip4),
        Some(true)
    );
}

#[test]
fn gre_goes_by_its_flags() {
    let four = ip4(17, &udp(b"x"));
    let gre = |head: &[u8]| in_ip4(47, &join(&[head, &four]));
    assert_eq!(value(&gre(&[0, 0, 8, 0]), "proto"), Some(17));
    assert_eq!(
        value(&gre(&[0xb0, 0, 8, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]), "proto"),
        Some(17)
    );
    for none in [[0, 1, 8, 0], [0x40, 0, 8, 0], [0, 0, 8, 6], [0, 0, 0x88, 0xbe]] {
        assert_eq!(is_there(&gre(&none), When::Always), None, "{none:?}");
    }
    // The word of the key is cut.
    assert_eq!(is_there(&in_ip4(47, &[0x20, 0, 8, 0, 1, 1, 1]), When::Always), None);
}

#[test]
fn frames_have_their_own_link_headers() {
    let frame = join(&[&eth(0x8100), &tag(3, false, 77, 0x0800), &ip4(17, &udp(b"x"))]);
    for port in [4789, 8472] {
        let outer = in_udp(port, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &frame]));
        assert_eq!(value(&outer, "vlan.id"), Some(77));
        assert_eq!(value(&outer, "proto"), Some(17));
    }
    let teb = in_ip6(47, &join(&[&[0, 0, 0x65, 0x58], &frame]));
    assert_eq!(value(&teb, "vlan.pcp"), Some(3));
    assert_eq!(
        is_there(&in_udp(4789, &join(&[&[0xf7, 0, 0, 0, 0, 0, 9, 0], &frame])), When::Link),
        None
    );
    assert_eq!(
        is_there(&in_udp(4790, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &frame])), When::Link),
        None
    );
    assert_eq!(is_there(&in_udp(4789, &[8, 0, 0, 0, 0, 0, 9]), When::Always), None);
    assert_eq!(is_there(&in_udp(4789, &[8, 0, 0, 0, 0, 0, 9, 0]), When::Unparsed), Some(true));
}

#[test]
fn gue_has_two_variants() {
    let (four, six) = (ip4(17, &udp(b"x")), ip6(6, &tcp(b"x")));
    let gue = |head: &[u8], packet: &[u8]| in_udp(6080, &join(&[head, packet]));
    assert_eq!(value(&gue(&[0, 4, 0, 0], &four), "proto"), Some(17));
    assert_eq!(value(&gue(&[1, 41, 0, 0, 9, 9, 9, 9], &six), "proto"), Some(6));
    assert_eq!(value(&gue(&[], &four), "family"), Some(4));
    assert_eq!(value(&gue(&[], &six), "family"), Some(6));
    for none in [&[0x20, 4, 0, 0][..], &[0x80, 4, 0, 0], &[0, 17, 0, 0], &[0x50], &[0x1f, 4, 0, 0]]
    {
        assert_eq!(is_there(&gue(none, &four), When::Always), None, "{none:?}");
    }
}
