//! The rows.

use super::words::{
    ARP_OP, DCCP_TYPE, DNS_CLASS, DNS_OPCODE, DNS_RCODE, DNS_TYPE, DSCP, ECN, ETHER_TYPES, FAMILY,
    GRE_FLAGS, GRE_PROTO, ICMP_TYPE, ICMP6_TYPE, IGMP_TYPE, NO_NAMES, PROTO_NAMES, SCTP_CHUNK,
    TCP_FLAGS,
};
use super::{Arrival, At, Base, Ext, Field, Form, Info, Place, TcpOption, Transport, Ty, When};

const fn bits(when: When, base: Base, off_bits: i16, width_bits: u8) -> Place {
    Place { when, at: At::Bits { base, off_bits, width_bits, shift: 0, add: 0 } }
}
const fn link(off_bits: i16, width: u8) -> Place {
    bits(When::Link, Base::Link, off_bits, width)
}
const fn ip4(off_bits: i16, width: u8) -> Place {
    bits(When::Ip4, Base::Net, off_bits, width)
}
const fn ip6(off_bits: i16, width: u8) -> Place {
    bits(When::Ip6, Base::Net, off_bits, width)
}
const fn head(transport: Transport, off_bits: i16, width: u8) -> Place {
    bits(When::Header(transport), Base::Transport, off_bits, width)
}
const fn tcp(off_bits: i16, width: u8) -> Place {
    head(Transport::Tcp, off_bits, width)
}
const fn udp(off_bits: i16, width: u8) -> Place {
    head(Transport::Udp, off_bits, width)
}
const fn icmp(off_bits: i16, width: u8) -> Place {
    head(Transport::Icmp, off_bits, width)
}
const fn icmp6(off_bits: i16, width: u8) -> Place {
    head(Transport::Icmp6, off_bits, width)
}
const fn sctp(off_bits: i16, width: u8) -> Place {
    head(Transport::Sctp, off_bits, width)
}
const fn udplite(off_bits: i16, width: u8) -> Place {
    head(Transport::UdpLite, off_bits, width)
}
const fn dccp(off_bits: i16, width: u8) -> Place {
    head(Transport::Dccp, off_bits, width)
}
const fn gre(off_bits: i16, width: u8) -> Place {
    head(Transport::Gre, off_bits, width)
}
const fn esp(off_bits: i16, width: u8) -> Place {
    head(Transport::Esp, off_bits, width)
}
const fn ah(off_bits: i16, width: u8) -> Place {
    head(Transport::Ah, off_bits, width)
}
const fn dns(off_bits: i16, width: u8) -> Place {
    bits(When::Dns, Base::Dns, off_bits, width)
}
const fn question(off_bits: i16, width: u8) -> Place {
    bits(When::Question, Base::QuestionEnd, off_bits, width)
}
const fn igmp(off_bits: i16, width: u8) -> Place {
    head(Transport::Igmp, off_bits, width)
}
/// `width` bits that are there where the header's first two bytes, masked, are `want`; they end inside its
/// first `len_bytes` bytes.
const fn form(
    transport: Transport,
    off_bits: i16,
    width: u8,
    len_bytes: u32,
    (mask, want): (u16, u16),
) -> Place {
    let form = Form { transport, len_bytes, mask, want };
    bits(When::Form(form), Base::Transport, off_bits, width)
}
/// Identifier or number of an ICMP message of one of these types.
const fn echo(off_bits: i16, types: (u16, u16)) -> Place {
    form(Transport::Icmp, off_bits, 16, 8, types)
}
const fn echo6(off_bits: i16) -> Place {
    form(Transport::Icmp6, off_bits, 16, 8, (0xfe00, 0x8000))
}
/// A group, in an IGMP message of one of these types.
const fn group(types: (u16, u16)) -> Place {
    form(Transport::Igmp, 32, 32, 8, types)
}
/// The word at 4, 8 or 12 bytes of a GRE header, where its flags say that it is there.
const fn gre_word(off_bytes: u8, flags: (u16, u16)) -> Place {
    form(Transport::Gre, off_bytes as i16 * 8, 32, off_bytes as u32 + 4, flags)
}
/// `width` bits of a TCP option, counted from its kind byte.
const fn option(option: TcpOption, off_bits: i16, width: u8) -> Place {
    bits(When::TcpOption(option), Base::TcpOption(option), off_bits, width)
}
const fn has_option(option: TcpOption) -> Place {
    there(When::TcpOption(option))
}
/// The same bits, counting 4-byte words.
const fn words(place: Place) -> Place {
    match place.at {
        At::Bits { base, off_bits, width_bits, add, .. } => {
            Place { when: place.when, at: At::Bits { base, off_bits, width_bits, shift: 2, add } }
        }
        At::Nowhere | At::Const(_) | At::Info(_) | At::Arrival(_) => place,
    }
}
const fn there(when: When) -> Place {
    Place { when, at: At::Nowhere }
}

/// Types of ICMP with identifier and number, as the first two bytes of a message: 0 and 8, 13, 14.
const ECHO: (u16, u16) = (0xf700, 0);
const STAMP: (u16, u16) = (0xff00, 0x0d00);
const STAMP_REPLY: (u16, u16) = (0xff00, 0x0e00);
/// Whatever the first two bytes are.
const ANY: (u16, u16) = (0, 0);

macro_rules! rows {
    ($($name:literal $ty:ident [$($place:expr),+] $names:ident $doc:literal;)*) => {
        /// All fields, protocol names and presences, grouped by header.
        pub const FIELDS: &[Field] = &[$(Field {
            name: $name,
            ty: Ty::$ty,
            places: &[$($place),+],
            names: $names,
            doc: $doc,
        }),*];
    };
}

const IP6_TOTAL: Place = Place {
    when: When::Ip6,
    at: At::Bits { base: Base::Net, off_bits: 32, width_bits: 16, shift: 0, add: 40 },
};
const PORT_SRC: Place = bits(When::Ports, Base::Transport, 0, 16);
const PORT_DST: Place = bits(When::Ports, Base::Transport, 16, 16);
const fn arp(off_bits: i16, width: u8) -> Place {
    bits(When::Arp, Base::Net, off_bits, width)
}
const fn arp4(off_bits: i16, width: u8) -> Place {
    bits(When::ArpEthIp4, Base::Net, off_bits, width)
}
const fn fixed(when: When, n: u8) -> Place {
    Place { when, at: At::Const(n) }
}
const fn info(when: When, info: Info) -> Place {
    Place { when, at: At::Info(info) }
}

const fn arrival(arrival: Arrival) -> Place {
    Place { when: When::Always, at: At::Arrival(arrival) }
}

rows! {
    // any family
    "src" Addr [ip4(96, 32), ip6(64, 128)] NO_NAMES "source address";
    "dst" Addr [ip4(128, 32), ip6(192, 128)] NO_NAMES "destination address";
    "proto" Number [info(When::Proto, Info::Proto)] PROTO_NAMES
        "protocol behind IPv4, or behind IPv6 and its extension headers";
    "ttl" Number [ip4(64, 8), ip6(56, 8)] NO_NAMES "time to live, or hop limit";
    "len" Number [ip4(16, 16), IP6_TOTAL] NO_NAMES "bytes of the whole IP datagram, as its header says";
    "dscp" Number [ip4(8, 6), ip6(4, 6)] DSCP "differentiated services code point";
    "ecn" Number [ip4(14, 2), ip6(10, 2)] ECN "explicit congestion notification";
    "frag" Presence [there(When::Frag)] NO_NAMES "a fragment: more to come, or offset not 0";
    "family" Number [fixed(When::Ip4, 4), fixed(When::Ip6, 6)] FAMILY "4 or 6";
    "sport" Port [PORT_SRC] NO_NAMES "source port of TCP, UDP, SCTP, UDP-Lite or DCCP";
    "dport" Port [PORT_DST] NO_NAMES "destination port of TCP, UDP, SCTP, UDP-Lite or DCCP";
    "unparsed" Presence [there(When::Unparsed)] NO_NAMES
        "a header that its predecessor announced is cut, impossible, or too deep";
    "pkt_len" Number [info(When::Always, Info::PktLen)] NO_NAMES "bytes of the packet that the hook sees";

    // metadata
    "iface" Iface [arrival(Arrival::Iface)] NO_NAMES "interface that the packet came in by";
    "rx_queue" Number [arrival(Arrival::RxQueue)] NO_NAMES "receive queue that the packet came in by, from 0";
    "cpu" Number [arrival(Arrival::Cpu)] NO_NAMES "CPU that judges the packet, from 0";
    "mark" Number [arrival(Arrival::Mark)] NO_NAMES "what the kernel marked the packet with; XDP comes before that";

    // link
    "eth.dst" Mac [link(0, 48)] NO_NAMES "destination hardware address";
    "eth.src" Mac [link(48, 48)] NO_NAMES "source hardware address";
    "eth.type" Number [bits(When::Link, Base::Net, -16, 16)] ETHER_TYPES "EtherType behind the VLAN tags";
    "vlan" Presence [there(When::Tag1)] NO_NAMES "there is a VLAN tag";
    "vlan.pcp" Number [bits(When::Tag1, Base::Link, 112, 3)] NO_NAMES "priority of the outer tag";
    "vlan.dei" Bit [bits(When::Tag1, Base::Link, 115, 1)] NO_NAMES "drop eligible bit of the outer tag";
    "vlan.id" Number [bits(When::Tag1, Base::Link, 116, 12)] NO_NAMES "VLAN of the outer tag";
    "vlan2" Presence [there(When::Tag2)] NO_NAMES "there is a second VLAN tag";
    "vlan2.pcp" Number [bits(When::Tag2, Base::Link, 144, 3)] NO_NAMES "priority of the inner tag";
    "vlan2.dei" Bit [bits(When::Tag2, Base::Link, 147, 1)] NO_NAMES "drop eligible bit of the inner tag";
    "vlan2.id" Number [bits(When::Tag2, Base::Link, 148, 12)] NO_NAMES "VLAN of the inner tag";

    "arp" Presence [there(When::TypeArp)] NO_NAMES "EtherType ARP";
    "arp.htype" Number [arp(0, 16)] NO_NAMES "hardware type; 1 is Ethernet";
    "arp.ptype" Number [arp(16, 16)] ETHER_TYPES "protocol type";
    "arp.op" Number [arp(48, 16)] ARP_OP "operation";
    "arp.sha" Mac [arp4(64, 48)] NO_NAMES "sender's hardware address";
    "arp.spa" Addr4 [arp4(112, 32)] NO_NAMES "sender's IPv4 address";
    "arp.tha" Mac [arp4(144, 48)] NO_NAMES "target's hardware address";
    "arp.tpa" Addr4 [arp4(192, 32)] NO_NAMES "target's IPv4 address";

    // IPv4
    "ip" Presence [there(When::TypeIp4)] NO_NAMES "EtherType IPv4";
    "ip.hdr_len" Number [words(ip4(4, 4))] NO_NAMES "header length in bytes";
    "ip.tos" Number [ip4(8, 8)] NO_NAMES "the whole second byte: DSCP and ECN";
    "ip.dscp" Number [ip4(8, 6)] DSCP "differentiated services code point";
    "ip.ecn" Number [ip4(14, 2)] ECN "explicit congestion notification";
    "ip.len" Number [ip4(16, 16)] NO_NAMES "total length";
    "ip.id" Number [ip4(32, 16)] NO_NAMES "identification";
    "ip.df" Bit [ip4(49, 1)] NO_NAMES "don't fragment";
    "ip.mf" Bit [ip4(50, 1)] NO_NAMES "more fragments";
    "ip.frag_off" Number [ip4(51, 13)] NO_NAMES "fragment offset in units of 8 bytes";
    "ip.ttl" Number [ip4(64, 8)] NO_NAMES "time to live";
    "ip.proto" Number [ip4(72, 8)] PROTO_NAMES "protocol";
    "ip.checksum" Number [ip4(80, 16)] NO_NAMES "header checksum as sent";
    "ip.src" Addr4 [ip4(96, 32)] NO_NAMES "source address";
    "ip.dst" Addr4 [ip4(128, 32)] NO_NAMES "destination address";
    "ip.options" Presence [there(When::Ip4Options)] NO_NAMES
        "options: the header is longer than its 20 fixed bytes";

    // IPv6
    "ip6" Presence [there(When::TypeIp6)] NO_NAMES "EtherType IPv6";
    "ip6.tclass" Number [ip6(4, 8)] NO_NAMES "traffic class";
    "ip6.flow_label" Number [ip6(12, 20)] NO_NAMES "flow label";
    "ip6.len" Number [ip6(32, 16)] NO_NAMES "payload length";
    "ip6.next" Number [ip6(48, 8)] PROTO_NAMES "next header of the fixed header";
    "ip6.hop_limit" Number [ip6(56, 8)] NO_NAMES "hop limit";
    "ip6.src" Addr6 [ip6(64, 128)] NO_NAMES "source address";
    "ip6.dst" Addr6 [ip6(192, 128)] NO_NAMES "destination address";
    "ip6.hbh" Presence [there(When::Ext(Ext::HopByHop))] NO_NAMES "hop-by-hop options header";
    "ip6.rt" Presence [there(When::Ext(Ext::Routing))] NO_NAMES "routing header";
    "ip6.frag" Presence [there(When::Ext(Ext::Fragment))] NO_NAMES "fragment header, atomic ones too";
    "ip6.dstopts" Presence [there(When::Ext(Ext::DstOpts))] NO_NAMES "destination options header";
    "ip6.ah" Presence [there(When::Ext(Ext::Auth))] NO_NAMES "authentication header";
    "ip6.mh" Presence [there(When::Ext(Ext::Mobility))] NO_NAMES "mobility header";

    // TCP
    "tcp" Presence [there(When::ProtoIs(6))] NO_NAMES "protocol 6";
    "tcp.sport" Port [tcp(0, 16)] NO_NAMES "source port";
    "tcp.dport" Port [tcp(16, 16)] NO_NAMES "destination port";
    "tcp.seq" Number [tcp(32, 32)] NO_NAMES "sequence number";
    "tcp.ack" Number [tcp(64, 32)] NO_NAMES "acknowledgement number";
    "tcp.hdr_len" Number [words(tcp(96, 4))] NO_NAMES "header length in bytes";
    "tcp.flags" Flags [tcp(104, 8)] TCP_FLAGS "control bits";
    "tcp.window" Number [tcp(112, 16)] NO_NAMES "window as sent, not scaled";
    "tcp.checksum" Number [tcp(128, 16)] NO_NAMES "checksum as sent";
    "tcp.urgent" Number [tcp(144, 16)] NO_NAMES "urgent pointer";
    "tcp.opts" Layout [there(When::Payload(Transport::Tcp))] NO_NAMES
        "the list of options, as p0f writes it: `\"mss,sok,ts,nop,ws\"`";
    "tcp.opt.mss" Option [option(TcpOption::MSS, 16, 16)] NO_NAMES "maximum segment size";
    "tcp.opt.wscale" Option [option(TcpOption::WSCALE, 16, 8)] NO_NAMES "window scale, as sent";
    "tcp.opt.sack_ok" Presence [has_option(TcpOption::SACK_OK)] NO_NAMES "SACK permitted";
    "tcp.opt.sack" Presence [has_option(TcpOption::SACK)] NO_NAMES "SACK, one to four blocks";
    "tcp.opt.ts" Presence [has_option(TcpOption::TS)] NO_NAMES "timestamps";
    "tcp.opt.ts_val" Number [option(TcpOption::TS, 16, 32)] NO_NAMES "the sender's timestamp";
    "tcp.opt.ts_ecr" Number [option(TcpOption::TS, 48, 32)] NO_NAMES "the timestamp echoed";
    "tcp.opt.md5" Presence [has_option(TcpOption::MD5)] NO_NAMES "MD5 signature (RFC 2385)";
    "tcp.opt.ao" Presence [has_option(TcpOption::AO)] NO_NAMES "authentication (RFC 5925)";
    "tcp.opt.mptcp" Presence [has_option(TcpOption::MPTCP)] NO_NAMES "Multipath TCP (RFC 8684)";
    "tcp.opt.fastopen" Presence [has_option(TcpOption::FASTOPEN)] NO_NAMES "Fast Open (RFC 7413)";

    "tcp.payload_len" Number [info(When::Payload(Transport::Tcp), Info::PayloadLen)] NO_NAMES
        "bytes behind the header and its options, without the padding of short frames";

    // UDP
    "udp" Presence [there(When::ProtoIs(17))] NO_NAMES "protocol 17";
    "udp.sport" Port [udp(0, 16)] NO_NAMES "source port";
    "udp.dport" Port [udp(16, 16)] NO_NAMES "destination port";
    "udp.len" Number [udp(32, 16)] NO_NAMES "length of header and data";
    "udp.checksum" Number [udp(48, 16)] NO_NAMES "checksum as sent";

    // ICMP and ICMPv6
    "icmp" Presence [there(When::ProtoIs(1))] NO_NAMES "protocol 1";
    "icmp.type" Number [icmp(0, 8)] ICMP_TYPE "type";
    "icmp.code" Number [icmp(8, 8)] NO_NAMES "code";
    "icmp.id" Number [echo(32, ECHO), echo(32, STAMP), echo(32, STAMP_REPLY)] NO_NAMES
        "identifier; other types than echo and timestamp have none";
    "icmp.seq" Number [echo(48, ECHO), echo(48, STAMP), echo(48, STAMP_REPLY)] NO_NAMES
        "sequence number; other types than echo and timestamp have none";
    "icmp6" Presence [there(When::ProtoIs(58))] NO_NAMES "protocol 58";
    "icmp6.type" Number [icmp6(0, 8)] ICMP6_TYPE "type";
    "icmp6.code" Number [icmp6(8, 8)] NO_NAMES "code";
    "icmp6.id" Number [echo6(32)] NO_NAMES "identifier; other types than echo have none";
    "icmp6.seq" Number [echo6(48)] NO_NAMES "sequence number; other types than echo have none";

    // SCTP
    "sctp" Presence [there(When::ProtoIs(132))] NO_NAMES "protocol 132";
    "sctp.sport" Port [sctp(0, 16)] NO_NAMES "source port";
    "sctp.dport" Port [sctp(16, 16)] NO_NAMES "destination port";
    "sctp.vtag" Number [sctp(32, 32)] NO_NAMES "verification tag";
    "sctp.checksum" Number [sctp(64, 32)] NO_NAMES "checksum as sent";
    "sctp.chunk" Number [form(Transport::Sctp, 96, 8, 16, ANY)] SCTP_CHUNK
        "type of the first chunk, whose first 4 bytes must be there";

    // UDP-Lite
    "udplite" Presence [there(When::ProtoIs(136))] NO_NAMES "protocol 136";
    "udplite.sport" Port [udplite(0, 16)] NO_NAMES "source port";
    "udplite.dport" Port [udplite(16, 16)] NO_NAMES "destination port";
    "udplite.cover" Number [udplite(32, 16)] NO_NAMES
        "bytes that the checksum covers, from the header's start; 0 is all";
    "udplite.checksum" Number [udplite(48, 16)] NO_NAMES "checksum as sent";

    // DCCP
    "dccp" Presence [there(When::ProtoIs(33))] NO_NAMES "protocol 33";
    "dccp.sport" Port [dccp(0, 16)] NO_NAMES "source port";
    "dccp.dport" Port [dccp(16, 16)] NO_NAMES "destination port";
    "dccp.type" Number [dccp(67, 4)] DCCP_TYPE "packet type";

    // GRE: RFC 2784, RFC 2890, and the routing bit of RFC 1701, which brings the checksum's word with it
    "gre" Presence [there(When::ProtoIs(47))] NO_NAMES "protocol 47";
    "gre.flags" Flags [gre(0, 5)] GRE_FLAGS "which parts follow, the first five bits";
    "gre.version" Number [gre(13, 3)] NO_NAMES "0, or 1 for PPTP";
    "gre.proto" Number [gre(16, 16)] GRE_PROTO "EtherType of what is carried";
    "gre.checksum" Number [form(Transport::Gre, 32, 16, 8, (0x8007, 0x8000))] NO_NAMES
        "checksum as sent, of version 0 with the flag `csum`";
    "gre.key" Number [
        gre_word(4, (0xe007, 0x2000)),
        gre_word(8, (0xa007, 0xa000)),
        gre_word(8, (0xe007, 0x6000))
    ] NO_NAMES "key, of version 0 with the flag `key`";
    "gre.seq" Number [
        gre_word(4, (0xf007, 0x1000)),
        gre_word(8, (0xf007, 0x3000)),
        gre_word(8, (0xb007, 0x9000)),
        gre_word(8, (0xf007, 0x5000)),
        gre_word(12, (0xb007, 0xb000)),
        gre_word(12, (0xf007, 0x7000))
    ] NO_NAMES "sequence number, of version 0 with the flag `seq`";

    // IPsec
    "esp" Presence [there(When::ProtoIs(50))] NO_NAMES "protocol 50";
    "esp.spi" Number [esp(0, 32)] NO_NAMES "security parameters index";
    "esp.seq" Number [esp(32, 32)] NO_NAMES "sequence number, its low 32 bits";
    "ah" Presence [there(When::ProtoIs(51))] NO_NAMES "protocol 51 of IPv4; behind IPv6, ip6.ah";
    "ah.next" Number [ah(0, 8)] PROTO_NAMES "protocol behind it, IPv4 only";
    "ah.spi" Number [ah(32, 32)] NO_NAMES "security parameters index, IPv4 only";
    "ah.seq" Number [ah(64, 32)] NO_NAMES "sequence number, its low 32 bits, IPv4 only";

    // IGMP
    "igmp" Presence [there(When::ProtoIs(2))] NO_NAMES "protocol 2";
    "igmp.type" Number [igmp(0, 8)] IGMP_TYPE "type";
    "igmp.group" Addr4 [
        group((0xff00, 0x1100)),
        group((0xff00, 0x1200)),
        group((0xfe00, 0x1600))
    ] NO_NAMES "group of a query, a leave, or a report of version 1 or 2";

    // DNS: RFC 1035, RFC 6895
    "dns" Presence [there(When::Dns)] NO_NAMES "a DNS message";
    "dns.id" Number [dns(0, 16)] NO_NAMES "identifier";
    "dns.query" Presence [there(When::DnsResponse(0))] NO_NAMES "a query";
    "dns.response" Presence [there(When::DnsResponse(0x80))] NO_NAMES "a response";
    "dns.opcode" Number [dns(17, 4)] DNS_OPCODE "kind of query";
    "dns.aa" Bit [dns(21, 1)] NO_NAMES "authoritative answer";
    "dns.tc" Bit [dns(22, 1)] NO_NAMES "truncated";
    "dns.rd" Bit [dns(23, 1)] NO_NAMES "recursion desired";
    "dns.ra" Bit [dns(24, 1)] NO_NAMES "recursion available";
    "dns.rcode" Number [dns(28, 4)] DNS_RCODE "response code, its low 4 bits";
    "dns.qdcount" Number [dns(32, 16)] NO_NAMES "questions, as the header says";
    "dns.ancount" Number [dns(48, 16)] NO_NAMES "answers, as the header says";
    "dns.nscount" Number [dns(64, 16)] NO_NAMES "authority records, as the header says";
    "dns.arcount" Number [dns(80, 16)] NO_NAMES "additional records, as the header says";
    "dns.qname" Name [info(When::Question, Info::Name)] NO_NAMES "name of the first question";
    "dns.qname.len" Number [info(When::Question, Info::NameLen)] NO_NAMES
        "its characters, dots between labels counted, the last dot not";
    "dns.qname.labels" Number [info(When::Question, Info::NameLabels)] NO_NAMES "its labels";
    "dns.qtype" Number [question(0, 16)] DNS_TYPE "type that the first question asks for";
    "dns.qclass" Number [question(16, 16)] DNS_CLASS "class that the first question asks for";

    // protocols without fields of their own
    "ipip" Presence [there(When::ProtoIs(4))] NO_NAMES "protocol 4";
    "ospf" Presence [there(When::ProtoIs(89))] NO_NAMES "protocol 89";
    "pim" Presence [there(When::ProtoIs(103))] NO_NAMES "protocol 103";
    "vrrp" Presence [there(When::ProtoIs(112))] NO_NAMES "protocol 112";
}
