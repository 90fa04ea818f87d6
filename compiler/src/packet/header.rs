//! Headers that a packet can be built of, and their bytes before anything is set.

use crate::fields::{Ext, GUE_PORT, Transport, VXLAN_PORTS};
use std::ops::Range;

/// Kinds of header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Eth,
    Vlan,
    Arp,
    Ip4,
    Ip6,
    Ext(Ext),
    Transport(Transport),
    Dns(DnsPart),
    Vxlan,
    Gue,
    Payload,
}

/// What a DNS message is made of, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DnsPart {
    /// Two bytes behind TCP: RFC 1035 4.2.2.
    Length,
    Header,
    /// The name of the question, as it is sent.
    Name,
    /// Type and class.
    Question,
}

impl DnsPart {
    pub const ALL: [Self; 4] = [Self::Length, Self::Header, Self::Name, Self::Question];
}

/// Word in a packet, kind, bytes before anything is set.
type Form = (&'static str, Kind, &'static [u8]);

/// Every header. Addresses are those that RFC 5737 and RFC 3849 keep for documentation; ports 40000 and 9
/// (discard).
pub(super) const FORMS: &[Form] = &[
    ("eth", Kind::Eth, &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0, 0]),
    ("vlan", Kind::Vlan, &[0, 1, 0, 0]),
    (
        "arp",
        Kind::Arp,
        &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2],
    ),
    ("ip", Kind::Ip4, &[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]),
    (
        "ip6",
        Kind::Ip6,
        &[
            0x60, 0, 0, 0, 0, 0, 0, 64, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
        ],
    ),
    // Six bytes of padding as one PadN option.
    ("hbh", Kind::Ext(Ext::HopByHop), &[0, 0, 1, 4, 0, 0, 0, 0]),
    ("dstopts", Kind::Ext(Ext::DstOpts), &[0, 0, 1, 4, 0, 0, 0, 0]),
    // Type 253 is for experiments; no segments left.
    ("rt", Kind::Ext(Ext::Routing), &[0, 0, 253, 0, 0, 0, 0, 0]),
    ("frag", Kind::Ext(Ext::Fragment), &[0, 0, 0, 0, 0, 0, 0, 1]),
    // An integrity value of 96 bits: 24 bytes.
    (
        "ah",
        Kind::Ext(Ext::Auth),
        &[0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    ("mh", Kind::Ext(Ext::Mobility), &[0; 8]),
    (
        "tcp",
        Kind::Transport(Transport::Tcp),
        &[156, 64, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0, 0, 0, 0],
    ),
    ("udp", Kind::Transport(Transport::Udp), &[156, 64, 0, 9, 0, 0, 0, 0]),
    ("icmp", Kind::Transport(Transport::Icmp), &[8, 0, 0, 0, 0, 0, 0, 0]),
    ("icmp6", Kind::Transport(Transport::Icmp6), &[128, 0, 0, 0, 0, 0, 0, 0]),
    // Behind the common header a chunk that may stand alone: cookie ack.
    (
        "sctp",
        Kind::Transport(Transport::Sctp),
        &[156, 64, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 11, 0, 0, 4],
    ),
    ("udplite", Kind::Transport(Transport::UdpLite), &[156, 64, 0, 9, 0, 0, 0, 0]),
    // Data, with a sequence number of 24 bits.
    ("dccp", Kind::Transport(Transport::Dccp), &[156, 64, 0, 9, 3, 0, 0, 0, 4, 0, 0, 1]),
    ("gre", Kind::Transport(Transport::Gre), &[0; 4]),
    ("esp", Kind::Transport(Transport::Esp), &[0, 0, 1, 0, 0, 0, 0, 1]),
    // A general query of version 2.
    ("igmp", Kind::Transport(Transport::Igmp), &[0x11, 100, 0, 0, 0, 0, 0, 0]),
    // A query of one question, recursion desired.
    ("dns", Kind::Dns(DnsPart::Header), &[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    // Network 1, RFC 7348.
    ("vxlan", Kind::Vxlan, &[8, 0, 0, 0, 0, 0, 1, 0]),
    // Variant 0 of draft-ietf-intarea-gue; variant 1 has no header.
    ("gue", Kind::Gue, &[0; 4]),
    ("payload", Kind::Payload, &[]),
];

/// EtherType and protocol number for what has none: both are for local experiments (IEEE 802, RFC 3692).
const SOME_ETHER_TYPE: u16 = 0x88b5;
const SOME_PROTO: u8 = 253;
/// "No next header" of IPv6.
const NOTHING_FOLLOWS: u8 = 59;

impl Kind {
    /// The kind that `word` names.
    pub fn find(word: &str) -> Option<Self> {
        FORMS.iter().find(|form| form.0 == word).map(|form| form.1)
    }

    /// The IP header in front of a transport or extension header that was written without one.
    pub fn usual_network(self) -> Self {
        match self {
            Self::Ext(_) | Self::Transport(Transport::Icmp6) => Self::Ip6,
            Self::Eth
            | Self::Vlan
            | Self::Arp
            | Self::Ip4
            | Self::Ip6
            | Self::Transport(_)
            | Self::Dns(_)
            | Self::Vxlan
            | Self::Gue
            | Self::Payload => Self::Ip4,
        }
    }

    /// What an Ethernet header or VLAN tag says when `next` and `after` follow it: the outer one of two tags
    /// is a service tag (IEEE 802.1ad).
    pub fn ether_type(next: Option<Self>, after: Option<Self>) -> u16 {
        match next {
            Some(Self::Vlan) if after == Some(Self::Vlan) => 0x88a8,
            Some(Self::Vlan) => 0x8100,
            Some(Self::Arp) => 0x0806,
            Some(Self::Ip4) => 0x0800,
            Some(Self::Ip6) => 0x86dd,
            Some(
                Self::Eth
                | Self::Ext(_)
                | Self::Transport(_)
                | Self::Dns(_)
                | Self::Vxlan
                | Self::Gue
                | Self::Payload,
            )
            | None => SOME_ETHER_TYPE,
        }
    }

    /// What this header, one of IP, says when `next` follows it.
    pub fn next_proto(self, next: Option<Self>) -> u8 {
        match next {
            Some(Self::Ext(ext)) => ext.proto(),
            Some(Self::Transport(transport)) => transport.proto(),
            Some(Self::Ip4) => 4,
            Some(Self::Ip6) => 41,
            Some(
                Self::Eth
                | Self::Vlan
                | Self::Arp
                | Self::Dns(_)
                | Self::Vxlan
                | Self::Gue
                | Self::Payload,
            ) => SOME_PROTO,
            None if self == Self::Ip4 => SOME_PROTO,
            None => NOTHING_FOLLOWS,
        }
    }

    /// The UDP port that this header is sent to, if it is one that stands behind UDP.
    pub fn udp_port(self) -> Option<u16> {
        match self {
            Self::Vxlan => Some(VXLAN_PORTS[0]),
            Self::Gue => Some(GUE_PORT),
            Self::Eth
            | Self::Vlan
            | Self::Arp
            | Self::Ip4
            | Self::Ip6
            | Self::Ext(_)
            | Self::Transport(_)
            | Self::Dns(_)
            | Self::Payload => None,
        }
    }
}

/// One header of a packet.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub kind: Kind,
    pub bytes: Vec<u8>,
    /// Bits that were given; they are not filled in.
    pub given: Vec<Range<usize>>,
}

impl Header {
    /// Before anything is set.
    pub fn new(kind: Kind) -> Self {
        let bytes = FORMS.iter().find(|form| form.1 == kind).map_or(&[][..], |form| form.2);
        Self { kind, bytes: bytes.to_vec(), given: Vec::new() }
    }

    /// Writes the low `width_bits` of `raw` at `off_bits`; bits outside the header are left away.
    pub fn put(&mut self, off_bits: usize, width_bits: usize, raw: u128) {
        for nth in 0..width_bits {
            let at = off_bits + nth;
            let bit = 0x80u8 >> (at % 8);
            let on = raw >> (width_bits - 1 - nth) & 1 != 0;
            if let Some(byte) = self.bytes.get_mut(at / 8) {
                *byte = if on { *byte | bit } else { *byte & !bit };
            }
        }
    }

    /// Makes the header as long as it says it is, with options that do nothing. It never gets shorter.
    pub fn grow(&mut self) {
        let byte = |at: usize| usize::from(self.bytes.get(at).copied().unwrap_or(0));
        let (bytes, filler) = match self.kind {
            Kind::Ip4 => (4 * (byte(0) & 0x0f), 1),
            Kind::Transport(Transport::Tcp) => (4 * (byte(12) >> 4), 1),
            Kind::Ext(Ext::HopByHop | Ext::Routing | Ext::DstOpts | Ext::Mobility) => {
                (8 + 8 * byte(1), 0)
            }
            Kind::Ext(Ext::Auth) => (4 * (byte(1) + 2), 0),
            Kind::Transport(Transport::Gre) => {
                let [checksum_or_routing, key, seq] =
                    [0xc0, 0x20, 0x10].map(|bits| usize::from(byte(0) & bits != 0));
                (4 + 4 * (checksum_or_routing + key + seq), 0)
            }
            Kind::Gue => (4 + 4 * (byte(0) & 0x1f), 0),
            Kind::Ext(Ext::Fragment)
            | Kind::Transport(
                Transport::Udp
                | Transport::Icmp
                | Transport::Icmp6
                | Transport::Sctp
                | Transport::UdpLite
                | Transport::Dccp
                | Transport::Esp
                | Transport::Ah
                | Transport::Igmp,
            )
            | Kind::Eth
            | Kind::Vlan
            | Kind::Arp
            | Kind::Ip6
            | Kind::Dns(_)
            | Kind::Vxlan
            | Kind::Payload => return,
        };
        if bytes > self.bytes.len() {
            self.bytes.resize(bytes, filler);
        }
    }
}
