use l4c_manifest::Start;

use super::{Reason, Shown, present};
use crate::LinkType;

const V4: [u8; 3] = [0x45, 0xaa, 0xbb];
const V6: [u8; 3] = [0x60, 0xaa, 0xbb];

/// What the hook sees, or the reason's name.
fn shown(link: LinkType, start: Start, parts: &[&[u8]]) -> Result<Vec<u8>, String> {
    let data = parts.concat();
    let mut scratch = vec![0xee; 40];
    match present(link, &data, start, &mut scratch) {
        Shown::Packet(bytes) => Ok(bytes.to_vec()),
        Shown::Unjudged(reason) => Err(format!("{reason:?}")),
        Shown::Unsupported(link) => Err(link.to_string()),
    }
}

fn ethernet(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    [&[0; 12], ethertype.to_be_bytes().as_slice(), rest].concat()
}

#[track_caller]
fn both(link: LinkType, parts: &[&[u8]], ethertype: u16, payload: &[u8]) {
    assert_eq!(shown(link, Start::Link, parts), Ok(ethernet(ethertype, payload)), "{link}");
    assert_eq!(shown(link, Start::Network, parts), Ok(payload.to_vec()), "{link}");
}

#[track_caller]
fn neither(link: LinkType, parts: &[&[u8]], reason: Reason) {
    for start in [Start::Link, Start::Network] {
        assert_eq!(shown(link, start, parts), Err(format!("{reason:?}")), "{link}");
    }
}

#[test]
fn headers_are_made_up_and_taken_off() {
    for link in [101, 12, 14].map(LinkType) {
        both(link, &[&V4], 0x0800, &V4);
        both(link, &[&V6], 0x86dd, &V6);
        neither(link, &[&[0x50, 0]], Reason::NoEthertype);
        neither(link, &[], Reason::NoEthertype);
    }
    // The link type outweighs the version.
    both(LinkType::IPV4, &[&V6], 0x0800, &V6);
    both(LinkType::IPV6, &[&V4], 0x86dd, &V4);
    for family in [10, 24, 28, 30] {
        both(LinkType::NULL, &[&[family, 0, 0, 0], &V6], 0x86dd, &V6);
        both(LinkType::NULL, &[&[0, 0, 0, family], &V6], 0x86dd, &V6);
        both(LinkType::LOOP, &[&[0, 0, 0, family], &V6], 0x86dd, &V6);
    }
    both(LinkType::NULL, &[&[2, 0, 0, 0], &V4], 0x0800, &V4);
    neither(LinkType::LOOP, &[&[2, 0, 0, 0], &V4], Reason::NoEthertype);
    neither(LinkType::NULL, &[&[7, 0, 0, 0], &V4], Reason::NoEthertype);
    neither(LinkType::NULL, &[&[2, 0, 0]], Reason::LinkHeaderCut);
}

fn sll(arphrd: u16, protocol: u16) -> Vec<u8> {
    [&[0, 4], arphrd.to_be_bytes().as_slice(), &[0, 6, 1, 2, 3, 4, 5, 6, 0, 0]]
        .concat()
        .into_iter()
        .chain(protocol.to_be_bytes())
        .collect()
}

fn sll2(arphrd: u16, protocol: u16) -> Vec<u8> {
    let [p, q] = protocol.to_be_bytes();
    let [a, b] = arphrd.to_be_bytes();
    vec![p, q, 0, 0, 0, 0, 0, 3, a, b, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0]
}

#[test]
fn cooked_headers() {
    type Header = fn(u16, u16) -> Vec<u8>;
    let kinds: [(LinkType, Header); 2] = [(LinkType::LINUX_SLL, sll), (LinkType::LINUX_SLL2, sll2)];
    for (link, header) in kinds {
        both(link, &[&header(1, 0x0800), &V4], 0x0800, &V4);
        both(link, &[&header(1, 0x86dd), &V6], 0x86dd, &V6);
        // ARP can be shown behind an Ethernet header only.
        let arp = header(1, 0x0806);
        assert_eq!(shown(link, Start::Link, &[&arp, &[9]]), Ok(ethernet(0x0806, &[9])));
        assert_eq!(shown(link, Start::Network, &[&arp, &[9]]), Err("NotIp".into()));
        // The tag stays where it was behind the made-up header.
        let tagged = [&header(1, 0x8100), [0, 5, 0x08, 0].as_slice(), &V4].concat();
        assert_eq!(
            shown(link, Start::Link, &[&tagged]),
            Ok(ethernet(0x8100, &[&[0, 5, 8, 0], V4.as_slice()].concat()))
        );
        assert_eq!(shown(link, Start::Network, &[&tagged]), Ok(V4.to_vec()));
        // 802.2, and netlink, whose protocol is no ethertype.
        neither(link, &[&header(1, 4), &V4], Reason::NoEthertype);
        neither(link, &[&header(824, 0x0800), &V4], Reason::NoEthertype);
        neither(link, &[&header(1, 0x0800)[1..]], Reason::LinkHeaderCut);
    }
}

#[test]
fn ethernet_goes_as_it_is() {
    for frame in [&[][..], &[1, 2, 3], &ethernet(0x0806, &[1])] {
        assert_eq!(shown(LinkType::ETHERNET, Start::Link, &[frame]), Ok(frame.to_vec()));
    }
}

#[test]
fn vlan_tags_come_off_for_a_network_hook() {
    let see = |ethertype, rest: &[&[u8]]| {
        shown(LinkType::ETHERNET, Start::Network, &[&ethernet(ethertype, &rest.concat())])
    };
    let inner_v4 = [0x00, 0x07, 0x08, 0x00];
    let inner_q = [0x00, 0x07, 0x81, 0x00];
    let v4 = Ok(V4.to_vec());
    assert_eq!(see(0x0800, &[&V4]), v4);
    for outer in [0x8100, 0x88a8, 0x9100] {
        assert_eq!(see(outer, &[&inner_v4, &V4]), v4);
        assert_eq!(see(outer, &[&inner_q, &inner_v4, &V4]), v4);
        // Three tags are one more than hooks see through.
        assert_eq!(see(outer, &[&inner_q, &inner_q, &inner_v4, &V4]), Err("NotIp".into()));
        assert_eq!(see(outer, &[&inner_v4[..3]]), Err("LinkHeaderCut".into()));
        assert_eq!(see(outer, &[&inner_q, &inner_v4[..1]]), Err("LinkHeaderCut".into()));
    }
    assert_eq!(see(0x0806, &[&V4]), Err("NotIp".into()));
    assert_eq!(shown(LinkType::ETHERNET, Start::Network, &[&[0; 13]]), Err("LinkHeaderCut".into()));
    // The header is whole and nothing follows: the hook's own length check has the say.
    assert_eq!(see(0x0800, &[]), Ok(vec![]));
}

#[test]
fn other_link_types_are_named() {
    for start in [Start::Link, Start::Network] {
        assert_eq!(shown(LinkType(105), start, &[&V4]), Err("IEEE802_11 (link type 105)".into()));
        assert_eq!(shown(LinkType(9999), start, &[&V4]), Err("link type 9999".into()));
    }
}

/// Every length of every link type, cut anywhere: an answer, no panic.
#[test]
fn nothing_panics() {
    let data: Vec<u8> = sll2(1, 0x8100).into_iter().chain([0x81, 0, 0x81, 0, 0x81, 0]).collect();
    let mut scratch = Vec::new();
    for link in [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 105] {
        for (from, to) in (0..data.len()).flat_map(|a| (a..=data.len()).map(move |b| (a, b))) {
            for start in [Start::Link, Start::Network] {
                let _ = present(LinkType(link), &data[from..to], start, &mut scratch);
            }
        }
    }
}
