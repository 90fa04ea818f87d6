//! Reading the headers of one packet, once, from the front.
//!
//! Guarantees: never reads outside the packet, never panics, and every question of [`When`] has an answer.
//! It knows nothing of rules.

mod tunnel;

use super::dns::DnsMessage;
use crate::fields::{
    At, Base, DNS_HEADER_BYTES, Ext, Info, MAX_EXT_HEADERS, MAX_TAGS, PORT_PROTOS, Place,
    TAG_TYPES, Transport, When,
};
use crate::hir::{Layer, Slice};
use crate::ranges::Ranges;
use l4c_manifest::Start;
use std::ops::Range;

/// Bytes of an Ethernet header up to and with its EtherType.
const ETHERNET_BYTES: usize = 14;
/// Bytes of a VLAN tag: its number, then the next EtherType.
const TAG_BYTES: usize = 4;
/// Bytes of an IPv4 header without options.
const IP4_BYTES: usize = 20;
/// Bytes of the fixed IPv6 header.
const IP6_BYTES: usize = 40;
/// Bytes of an ARP packet in front of its addresses.
const ARP_BYTES: usize = 8;
/// The first four fields of an ARP packet for IPv4 over Ethernet: types 1 and 0x0800, lengths 6 and 4.
const ARP_ETH_IP4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Bytes in front of a DNS message behind TCP, which say its length.
const TCP_LENGTH_BYTES: usize = 2;

/// What the EtherType (or, without link header, the version) announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Ip4,
    Ip6,
    Arp,
}

/// A packet and what its headers say.
#[derive(Debug, Clone)]
pub struct Dissected<'p> {
    pub(super) bytes: &'p [u8],
    /// A whole Ethernet header stands at byte 0.
    link: bool,
    /// Whole VLAN tags looked through.
    tags: usize,
    /// Byte behind the last EtherType that was read; 0 without a link header.
    net: usize,
    /// `net` is where the network header begins: the EtherType in front of it is no tag's, and no tag is
    /// cut. Without it neither `eth.type` nor `l3` is there.
    net_begins: bool,
    announced: Option<Announced>,
    ip4: bool,
    ip6: bool,
    arp: bool,
    arp_eth_ip4: bool,
    proto: Option<u8>,
    fragment: bool,
    /// One for each of [`Ext::ALL`].
    exts: [bool; Ext::ALL.len()],
    pub(super) transport: Option<usize>,
    /// Byte behind the last one that the IP header counts; may lie outside the packet.
    ip_end: usize,
    payload: Option<Range<usize>>,
    dns: Option<DnsMessage<'p>>,
    unparsed: bool,
}

impl<'p> Dissected<'p> {
    /// Reads the headers of `bytes`, a packet whose first header is `start`; `dns_ports` are UDP's and TCP's
    /// that DNS is spoken on.
    #[must_use]
    pub fn new(bytes: &'p [u8], start: Start, dns_ports: &Ranges) -> Self {
        let mut packet = Self::unread(bytes);
        match start {
            Start::Link => packet.read_link(),
            Start::Network => packet.read_version(),
        }
        packet.read_network();
        packet.read_transport();
        packet.dns = packet.find_dns(dns_ports);
        packet
    }

    /// Nothing is known.
    fn unread(bytes: &'p [u8]) -> Self {
        Self {
            bytes,
            link: false,
            tags: 0,
            net: 0,
            net_begins: false,
            announced: None,
            ip4: false,
            ip6: false,
            arp: false,
            arp_eth_ip4: false,
            proto: None,
            fragment: false,
            exts: [false; Ext::ALL.len()],
            transport: None,
            ip_end: 0,
            payload: None,
            dns: None,
            unparsed: false,
        }
    }

    /// The header that was announced, and for IP what is between it and the transport.
    fn read_network(&mut self) {
        match self.announced {
            Some(Announced::Ip4) => self.read_ip4(),
            Some(Announced::Ip6) => self.read_ip6(),
            Some(Announced::Arp) => self.read_arp(),
            None => {}
        }
    }

    /// The DNS message that a UDP datagram is, or a TCP segment holds whole.
    fn find_dns(&self, ports: &Ranges) -> Option<DnsMessage<'p>> {
        let (payload, start) = (self.payload.clone()?, self.transport?);
        let is_tcp = self.proto == Some(Transport::Tcp.proto());
        if !is_tcp && self.proto != Some(Transport::Udp.proto()) {
            return None;
        }
        let spoken = |off: usize| self.u16_at(off).is_some_and(|port| ports.contains(port.into()));
        if !spoken(start) && !spoken(start + 2) {
            return None;
        }
        let message = if is_tcp {
            // RFC 1035 4.2.2: its length stands in front of it.
            let first = payload.start + TCP_LENGTH_BYTES;
            if first > payload.end {
                return None;
            }
            first..first + usize::from(self.u16_at(payload.start)?)
        } else {
            payload.clone()
        };
        let fits = message.end <= payload.end && message.len() >= DNS_HEADER_BYTES as usize;
        fits.then(|| DnsMessage::read(self.bytes, message))
    }

    /// Labels of the first question's name, if the question is whole.
    #[must_use]
    pub fn question_name(&self) -> Option<&[&'p [u8]]> {
        Some(&self.dns.as_ref()?.question.as_ref()?.labels)
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The byte at `off`.
    fn u8_at(&self, off: usize) -> Option<u8> {
        self.bytes.get(off).copied()
    }

    /// Two bytes at `off`, in network order.
    fn u16_at(&self, off: usize) -> Option<u16> {
        Some(u16::from_be_bytes([self.u8_at(off)?, self.u8_at(off + 1)?]))
    }

    fn read_link(&mut self) {
        if self.len() < ETHERNET_BYTES {
            self.unparsed = true;
            return;
        }
        self.link = true;
        self.net = ETHERNET_BYTES;
        while let Some(ether_type) = self.u16_at(self.net - 2) {
            if !TAG_TYPES.contains(&ether_type) {
                self.net_begins = true;
                self.announced = match ether_type {
                    0x0800 => Some(Announced::Ip4),
                    0x86dd => Some(Announced::Ip6),
                    0x0806 => Some(Announced::Arp),
                    _ => None,
                };
                return;
            }
            if self.tags == MAX_TAGS || self.net + TAG_BYTES > self.len() {
                self.unparsed = true;
                return;
            }
            self.tags += 1;
            self.net += TAG_BYTES;
        }
    }

    fn read_version(&mut self) {
        self.net_begins = true;
        match self.u8_at(0).map(|byte| byte >> 4) {
            Some(4) => self.announced = Some(Announced::Ip4),
            Some(6) => self.announced = Some(Announced::Ip6),
            Some(_) | None => self.unparsed = true,
        }
    }

    fn read_arp(&mut self) {
        let Some(fixed) = self.bytes.get(self.net..self.net + ARP_BYTES) else {
            self.unparsed = true;
            return;
        };
        self.arp = true;
        let (hlen, plen) = (usize::from(fixed[4]), usize::from(fixed[5]));
        let whole = self.net + ARP_BYTES + 2 * (hlen + plen) <= self.len();
        self.arp_eth_ip4 = fixed[..6] == ARP_ETH_IP4 && whole;
        self.unparsed = !whole;
    }

    fn read_ip4(&mut self) {
        let net = self.net;
        let Some(header) = self.bytes.get(net..net + IP4_BYTES) else {
            self.unparsed = true;
            return;
        };
        let (version, header_words) = (header[0] >> 4, usize::from(header[0] & 0x0f));
        if version != 4 || header_words < 5 {
            self.unparsed = true;
            return;
        }
        self.ip4 = true;
        self.proto = Some(header[9]);
        let more = header[6] & 0x20 != 0;
        let fragment_offset = u16::from_be_bytes([header[6] & 0x1f, header[7]]);
        self.fragment = more || fragment_offset != 0;
        self.ip_end = net + usize::from(u16::from_be_bytes([header[2], header[3]]));
        let header_end = net + 4 * header_words;
        if header_end > self.len() {
            self.unparsed = true;
        } else if fragment_offset == 0 {
            self.transport = Some(header_end);
        }
    }

    fn read_ip6(&mut self) {
        let net = self.net;
        let Some(header) = self.bytes.get(net..net + IP6_BYTES) else {
            self.unparsed = true;
            return;
        };
        if header[0] >> 4 != 6 {
            self.unparsed = true;
            return;
        }
        self.ip6 = true;
        self.ip_end = net + IP6_BYTES + usize::from(u16::from_be_bytes([header[4], header[5]]));
        self.walk_extensions(header[6], net + IP6_BYTES);
    }

    /// Walks from the header of protocol `next` at byte `at`.
    fn walk_extensions(&mut self, mut next: u8, mut at: usize) {
        let mut walked = 0;
        while let Some(which) = Ext::ALL.iter().position(|ext| ext.proto() == next) {
            let ext = Ext::ALL[which];
            let whole = self.extension_bytes(ext, at).filter(|bytes| at + bytes <= self.len());
            let (Some(bytes), true) = (whole, walked < MAX_EXT_HEADERS) else {
                self.unparsed = true;
                return;
            };
            walked += 1;
            self.exts[which] = true;
            next = self.bytes[at];
            if ext == Ext::Fragment {
                let offset_and_more = u16::from_be_bytes([self.bytes[at + 2], self.bytes[at + 3]]);
                let (offset, more) = (offset_and_more >> 3, offset_and_more & 1 != 0);
                self.fragment |= more || offset != 0;
                if offset != 0 {
                    self.proto = Some(next);
                    return;
                }
            }
            at += bytes;
        }
        self.proto = Some(next);
        self.transport = Some(at);
    }

    /// Length that the extension header at `at` announces, at least 8; `None` if its first 8 bytes are not
    /// in the packet.
    fn extension_bytes(&self, ext: Ext, at: usize) -> Option<usize> {
        let first = self.bytes.get(at..at + 8)?;
        let announced = usize::from(first[1]);
        Some(match ext {
            Ext::HopByHop | Ext::Routing | Ext::DstOpts | Ext::Mobility => 8 + 8 * announced,
            Ext::Auth => 4 * (announced + 2),
            Ext::Fragment => 8,
        })
    }

    /// What stands behind the transport header, and whether that header is whole and possible.
    fn read_transport(&mut self) {
        let (Some(proto), Some(start)) = (self.proto, self.transport) else { return };
        let Some(fixed_bytes) = fixed_header_bytes(proto) else { return };
        if start + fixed_bytes > self.len() {
            self.unparsed = true;
            return;
        }
        if proto == Transport::Gre.proto() && start + self.gre_bytes(start) > self.len() {
            self.unparsed = true;
        }
        let mut end = self.ip_end.min(self.len());
        let header_bytes = if proto == Transport::Tcp.proto() {
            let announced = 4 * usize::from(self.bytes[start + 12] >> 4);
            if announced < fixed_bytes || start + announced > self.len() {
                self.unparsed = true;
                return;
            }
            announced
        } else {
            fixed_bytes
        };
        if proto == Transport::Udp.proto() {
            let announced = u16::from_be_bytes([self.bytes[start + 4], self.bytes[start + 5]]);
            end = end.min(start + usize::from(announced));
        }
        if carries_payload(proto) {
            let first = start + header_bytes;
            self.payload = Some(first..end.max(first));
        }
    }

    /// Length that the GRE header at `start` announces, its first four bytes being there. What other versions
    /// than 0 have behind those is not counted.
    fn gre_bytes(&self, start: usize) -> usize {
        let (flags, version) = (self.bytes[start], self.bytes[start + 1] & 7);
        // RFC 1701: the checksum's word is there for the routing bit too.
        let parts = [0xc0, 0x20, 0x10].iter().filter(|&bits| flags & bits != 0).count();
        if version == 0 { 4 + 4 * parts } else { 4 }
    }

    /// Is it so?
    #[must_use]
    pub fn is(&self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Link => self.link,
            When::Tag1 => self.tags >= 1,
            When::Tag2 => self.tags >= 2,
            When::TypeIp4 => self.announced == Some(Announced::Ip4),
            When::TypeIp6 => self.announced == Some(Announced::Ip6),
            When::TypeArp => self.announced == Some(Announced::Arp),
            When::Ip4 => self.ip4,
            When::Ip4Options => self.ip4 && self.u8_at(self.net).is_some_and(|b| b & 0x0f > 5),
            When::Ip6 => self.ip6,
            When::Arp => self.arp,
            When::ArpEthIp4 => self.arp_eth_ip4,
            When::Proto => self.proto.is_some(),
            When::ProtoIs(proto) => self.proto == Some(proto),
            When::Ports => {
                PORT_PROTOS.iter().any(|&(proto, bytes)| self.has_transport(proto, bytes as usize))
            }
            When::Header(transport) => {
                self.has_transport(transport.proto(), transport.header_bytes() as usize)
            }
            When::Form(form) => {
                self.has_transport(form.transport.proto(), form.len_bytes as usize)
                    && self
                        .transport
                        .and_then(|start| self.u16_at(start))
                        .is_some_and(|first| first & form.mask == form.want)
            }
            When::Payload(transport) => {
                self.proto == Some(transport.proto()) && self.payload.is_some()
            }
            When::Dns => self.dns.is_some(),
            When::DnsResponse(bit) => self
                .dns
                .as_ref()
                .and_then(|dns| self.u8_at(dns.start + 2))
                .is_some_and(|flags| flags & 0x80 == bit),
            When::Question => self.dns.as_ref().is_some_and(|dns| dns.question.is_some()),
            When::TcpOption(option) => self.tcp_option(option).is_some(),
            When::Frag => self.fragment,
            When::Unparsed => self.unparsed,
            When::Ext(ext) => Ext::ALL.iter().zip(self.exts).any(|(&each, on)| on && each == ext),
        }
    }

    /// A first fragment of `proto` with that many bytes of transport header.
    pub(super) fn has_transport(&self, proto: u8, bytes: usize) -> bool {
        self.proto == Some(proto) && self.transport.is_some_and(|start| start + bytes <= self.len())
    }

    /// What a place holds, in the field's terms (shifted, `add` added); `None` if the place is not there.
    /// A mere presence holds 1. How the packet came is not of the packet.
    #[must_use]
    pub fn value(&self, place: &Place) -> Option<u128> {
        if !self.is(place.when) {
            return None;
        }
        match place.at {
            At::Nowhere => Some(1),
            At::Arrival(_) => None,
            At::Const(n) => Some(u128::from(n)),
            At::Info(Info::Proto) => self.proto.map(u128::from),
            At::Info(Info::PktLen) => Some(self.len() as u128),
            At::Info(Info::PayloadLen) => self.payload.as_ref().map(|bytes| bytes.len() as u128),
            At::Info(Info::NameLen) => {
                let labels = self.question_name()?;
                let letters: usize = labels.iter().map(|label| label.len()).sum();
                Some((letters + labels.len().saturating_sub(1)) as u128)
            }
            At::Info(Info::NameLabels) => Some(self.question_name()?.len() as u128),
            At::Info(Info::Name) => None,
            At::Bits { base, off_bits, width_bits, shift, add } => {
                let first_bit = (self.base(base)? * 8).checked_add_signed(isize::from(off_bits))?;
                let raw = bits(self.bytes, first_bit, usize::from(width_bits))?;
                Some((raw << shift) + u128::from(add))
            }
        }
    }

    fn base(&self, base: Base) -> Option<usize> {
        match base {
            Base::Link => self.link.then_some(0),
            Base::Net => self.net_begins.then_some(self.net),
            Base::Transport => self.transport,
            Base::TcpOption(option) => self.tcp_option(option),
            Base::Dns => Some(self.dns.as_ref()?.start),
            Base::QuestionEnd => Some(self.dns.as_ref()?.question.as_ref()?.name_end),
        }
    }

    /// The bytes of a slice, if they all lie in its layer.
    #[must_use]
    pub fn slice(&self, slice: &Slice) -> Option<&'p [u8]> {
        let range = match slice.layer {
            Layer::L2 => self.link.then(|| 0..self.len()),
            Layer::L3 => self.net_begins.then(|| self.net..self.len()),
            Layer::L4 => self.transport.map(|start| start..self.len()),
            Layer::Payload => self.payload.clone(),
        }?;
        let added = match slice.off_field {
            Some(field) => field.places.iter().find_map(|place| self.value(place))?,
            None => 0,
        };
        let first =
            usize::try_from(added).ok()?.checked_add(usize::try_from(slice.off_bytes).ok()?)?;
        let bytes = self.bytes.get(range)?.get(first..)?;
        match slice.len_bytes {
            Some(len) => bytes.get(..usize::try_from(len).ok()?),
            None => Some(bytes),
        }
    }
}

/// Bytes of the fixed header of a transport that is looked into; `None` for any other protocol.
fn fixed_header_bytes(proto: u8) -> Option<usize> {
    Transport::ALL.iter().find(|t| t.proto() == proto).map(|t| t.header_bytes() as usize)
}

/// Does `payload` look behind this protocol?
fn carries_payload(proto: u8) -> bool {
    [Transport::Tcp, Transport::Udp, Transport::UdpLite, Transport::Icmp, Transport::Icmp6]
        .iter()
        .any(|transport| transport.proto() == proto)
}

/// `width` bits from bit `first`, most significant first; `None` if they end outside `bytes`.
fn bits(bytes: &[u8], first: usize, width: usize) -> Option<u128> {
    let (mut at, end) = (first, first + width);
    let mut value = 0;
    while at < end {
        let in_byte = at % 8;
        let take = (8 - in_byte).min(end - at);
        let part = bytes.get(at / 8)? >> (8 - in_byte - take);
        value = value << take | u128::from(part) & ((1 << take) - 1);
        at += take;
    }
    Some(value)
}
