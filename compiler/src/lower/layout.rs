//! The layout word: what reading the headers found out, as one 64-bit number.
//!
//! The program reads the headers once, packs what it found into this word, and hands the word to every
//! function of rules. To the kernel's verifier it is an unknown number, so that each function is
//! verified once and not once for each shape of packet. Every question "is that header there?" is one
//! `and` and one compare on the low half.

use crate::fields::{DNS_HEADER_BYTES, Ext, Transport, When};

/// Bits 0–7: the protocol, if [`KNOWN`].
pub const PROTO_MASK: u64 = 0xff;
/// The protocol is known.
pub const KNOWN: u64 = 1 << 8;
/// The transport header starts inside the packet, at fragment offset 0.
pub const L4: u64 = 1 << 9;
/// A fragment.
pub const FRAG: u64 = 1 << 10;
/// A good IPv4 header.
pub const IP4: u64 = 1 << 11;
/// A good IPv6 header.
pub const IP6: u64 = 1 << 12;
/// Announced as IPv4.
pub const TYPE_IP4: u64 = 1 << 13;
/// Announced as IPv6.
pub const TYPE_IP6: u64 = 1 << 14;
/// Announced as ARP.
pub const TYPE_ARP: u64 = 1 << 15;
/// Something announced is cut or impossible.
pub const UNPARSED: u64 = 1 << 16;
/// One VLAN tag, whole.
pub const TAG1: u64 = 1 << 17;
/// Two VLAN tags, whole.
pub const TAG2: u64 = 1 << 18;
/// A transport with ports, its fixed header whole.
pub const PORTS: u64 = 1 << 19;
/// The network header's place is known.
pub const L3: u64 = 1 << 20;
/// The walk over extension headers ended at a later fragment.
pub const LATER: u64 = 1 << 21;
/// A whole Ethernet header stands in front of what the word tells of. Said of frames inside tunnels only, whose
/// network header's place is then where it would begin, even if [`L3`] is not set.
pub const LINK: u64 = 1 << 22;
/// Bits 24–29: extension headers met, in the order of [`Ext::ALL`].
const EXT_SHIFT: u32 = 24;
/// Bits 32–46: offset of the transport header, in bytes.
pub const L4_SHIFT: u64 = 32;
/// Offsets of the transport header that the word can hold. More than any packet that a program is shown,
/// and little enough for the verifier (`MAX_PACKET_OFF` is 0xffff).
pub const L4_MASK: u64 = 0x7fff;
/// Bits 48–62: offset of the network header, in bytes.
pub const L3_SHIFT: u64 = 48;
/// Offsets of the network header that the word can hold.
pub const L3_MASK: u64 = 0x7fff;

/// The bit of an extension header.
pub fn ext_bit(ext: Ext) -> u64 {
    let index = Ext::ALL.iter().position(|&e| e == ext).expect("every extension header is in ALL");
    1 << (EXT_SHIFT + u32::try_from(index).expect("few extension headers"))
}

/// `word & .0 == .1` exactly when the layout word allows `when`; what is left to ask is [`guard`].
pub fn question(when: When) -> (u64, u64) {
    let flag = |bit| (bit, bit);
    match when {
        // DNS is asked of the lengths word.
        When::Always | When::Link | When::Dns | When::DnsResponse(_) | When::Question => (0, 0),
        When::Tag1 => flag(TAG1),
        When::Tag2 => flag(TAG2),
        When::TypeIp4 => flag(TYPE_IP4),
        When::TypeIp6 => flag(TYPE_IP6),
        When::TypeArp | When::Arp | When::ArpEthIp4 => flag(TYPE_ARP),
        When::Ip4 | When::Ip4Options => flag(IP4),
        When::Ip6 => flag(IP6),
        When::Proto => flag(KNOWN),
        When::ProtoIs(proto) => (PROTO_MASK | KNOWN, u64::from(proto) | KNOWN),
        When::Ports => flag(PORTS),
        When::Header(t) | When::Payload(t) => {
            (PROTO_MASK | KNOWN | L4, u64::from(t.proto()) | KNOWN | L4)
        }
        When::Form(form) => question(When::Header(form.transport)),
        When::TcpOption(_) => question(When::Header(Transport::Tcp)),
        When::Frag => flag(FRAG),
        When::Unparsed => flag(UNPARSED),
        When::Ext(ext) => flag(ext_bit(ext)),
    }
}

/// Bytes that must be readable from the start of the header before any of its fields is.
pub const fn header_bytes(when: When) -> u32 {
    match when {
        When::Link => 14,
        When::Tag1 => 18,
        When::Tag2 => 22,
        When::Ip4 | When::Ip4Options => 20,
        When::Ip6 => 40,
        When::Arp => 8,
        When::ArpEthIp4 => 28,
        When::Ports => 4,
        When::Header(t) => t.header_bytes(),
        When::Form(form) => form.len_bytes,
        When::TcpOption(option) => option.min_bytes(),
        When::Dns | When::DnsResponse(_) => DNS_HEADER_BYTES,
        When::Question => 4,
        When::Always
        | When::Payload(_)
        | When::TypeIp4
        | When::TypeIp6
        | When::TypeArp
        | When::Proto
        | When::ProtoIs(_)
        | When::Frag
        | When::Unparsed
        | When::Ext(_) => 0,
    }
}
