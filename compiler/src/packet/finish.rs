//! What headers say of each other: next protocols, lengths, checksums.

use super::header::{Header, Kind};
use super::names::fill;
use crate::fields::Transport;

/// What GRE calls a whole Ethernet frame (RFC 1701).
const TRANSPARENT_BRIDGING: u128 = 0x6558;

/// Fills in what was not given, and joins the headers.
pub(super) fn finish(mut headers: Vec<Header>) -> Vec<u8> {
    name_followers(&mut headers);
    let mut following_bytes = 0;
    for header in headers.iter_mut().rev() {
        let own_bytes = header.bytes.len();
        let whole = (own_bytes + following_bytes) as u128;
        fill(header, "ip.len", whole);
        fill(header, "ip6.len", following_bytes as u128);
        fill(header, "udp.len", whole);
        fill(header, "dns.length", following_bytes as u128);
        following_bytes += own_bytes;
    }
    let mut behind: Vec<u8> = Vec::new();
    for at in (0..headers.len()).rev() {
        let (outer, rest) = headers.split_at_mut(at);
        let header = &mut rest[0];
        let network = outer.iter().rfind(|h| matches!(h.kind, Kind::Ip4 | Kind::Ip6));
        checksum(header, &behind, network);
        let mut bytes = header.bytes.clone();
        bytes.append(&mut behind);
        behind = bytes;
    }
    behind
}

/// EtherTypes, protocols and next headers.
fn name_followers(headers: &mut [Header]) {
    for at in 0..headers.len() {
        let kind_of = |at: usize| headers.get(at).map(|header| header.kind);
        let (next, after) = (kind_of(at + 1), kind_of(at + 2));
        let header = &mut headers[at];
        let ether_type = u128::from(Kind::ether_type(next, after));
        let proto = u128::from(header.kind.next_proto(next));
        fill(header, "eth.type", ether_type);
        fill(header, "vlan.type", ether_type);
        let carried = if next == Some(Kind::Eth) { TRANSPARENT_BRIDGING } else { ether_type };
        fill(header, "gre.proto", carried);
        if let Some(port) = next.and_then(Kind::udp_port) {
            fill(header, "udp.dport", u128::from(port));
        }
        for name in [
            "ip.proto",
            "ip6.next",
            "hbh.next",
            "rt.next",
            "frag.next",
            "dstopts.next",
            "ah.next",
            "gue.proto",
        ] {
            fill(header, name, proto);
        }
        fill(header, "mh.next", proto);
    }
}

/// Puts the checksum into a header; `behind` is all that follows it, `network` the IP header around it.
fn checksum(header: &mut Header, behind: &[u8], network: Option<&Header>) {
    let name = match header.kind {
        Kind::Ip4 => "ip.checksum",
        Kind::Transport(Transport::Tcp) => "tcp.checksum",
        Kind::Transport(Transport::Udp) => "udp.checksum",
        Kind::Transport(Transport::Icmp) => "icmp.checksum",
        Kind::Transport(Transport::Icmp6) => "icmp6.checksum",
        Kind::Transport(Transport::Sctp) => "sctp.checksum",
        Kind::Transport(Transport::UdpLite) => "udplite.checksum",
        Kind::Transport(Transport::Dccp) => "dccp.checksum",
        Kind::Transport(Transport::Igmp) => "igmp.checksum",
        Kind::Transport(Transport::Gre) if header.bytes[0] & 0x80 != 0 => "gre.checksum",
        Kind::Transport(Transport::Gre | Transport::Esp | Transport::Ah)
        | Kind::Eth
        | Kind::Vlan
        | Kind::Arp
        | Kind::Ip6
        | Kind::Ext(_)
        | Kind::Dns(_)
        | Kind::Vxlan
        | Kind::Gue
        | Kind::Payload => return,
    };
    let mut data = match header.kind {
        Kind::Transport(
            transport @ (Transport::Tcp
            | Transport::Udp
            | Transport::Icmp6
            | Transport::UdpLite
            | Transport::Dccp),
        ) => network.map_or_else(Vec::new, |network| {
            pseudo_header(network, transport, header.bytes.len() + behind.len())
        }),
        Kind::Transport(
            Transport::Icmp
            | Transport::Sctp
            | Transport::Gre
            | Transport::Esp
            | Transport::Ah
            | Transport::Igmp,
        )
        | Kind::Eth
        | Kind::Vlan
        | Kind::Arp
        | Kind::Ip4
        | Kind::Ip6
        | Kind::Ext(_)
        | Kind::Dns(_)
        | Kind::Vxlan
        | Kind::Gue
        | Kind::Payload => Vec::new(),
    };
    let in_front = data.len();
    data.extend(&header.bytes);
    if header.kind != Kind::Ip4 {
        data.extend(behind);
    }
    if header.kind == Kind::Transport(Transport::UdpLite) {
        let cover = usize::from(u16::from_be_bytes([header.bytes[4], header.bytes[5]]));
        data.truncate(if cover == 0 { data.len() } else { in_front + cover });
    }
    if header.kind == Kind::Transport(Transport::Sctp) {
        return fill(header, name, u128::from(crc32c(&data).swap_bytes()));
    }
    let sum = match internet_checksum(&data) {
        // Zero says that there is none (RFC 768).
        0 if matches!(header.kind, Kind::Transport(Transport::Udp | Transport::UdpLite)) => 0xffff,
        sum => sum,
    };
    fill(header, name, u128::from(sum));
}

/// What a transport checksum counts of the IP header (RFC 9293, RFC 8200): addresses, length, protocol.
fn pseudo_header(network: &Header, transport: Transport, len_bytes: usize) -> Vec<u8> {
    let addresses = if network.kind == Kind::Ip6 { 8..40 } else { 12..20 };
    let mut out = network.bytes.get(addresses).unwrap_or_default().to_vec();
    out.extend((len_bytes as u64).to_be_bytes());
    out.extend([0, transport.proto()]);
    out
}

/// RFC 9260, appendix A: the sum's lowest byte is sent first.
pub(super) fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0x82f6_3b78 }
        })
    })
}

/// RFC 1071.
fn internet_checksum(data: &[u8]) -> u16 {
    let mut sum: u64 = data
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    // At most 16 bits are left.
    !(sum as u16)
}
