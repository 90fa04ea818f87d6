//! Packets made by a packet library, every number in them different from its neighbours.

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, EtherType, Ethernet2Header, IcmpEchoHeader, Icmpv4Header,
    Icmpv4Type, Icmpv6Header, Icmpv6Type, IpAuthHeader, IpDscp, IpEcn, IpFragOffset, IpNumber,
    Ipv4Header, Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, SingleVlanHeader,
    TcpHeader, TcpOptionElement, UdpHeader, VlanId, VlanPcp,
};

pub const SRC4: [u8; 4] = [203, 0, 113, 7];
pub const DST4: [u8; 4] = [198, 51, 100, 9];
pub const SRC6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
pub const DST6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32];

/// Joins headers.
pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub fn eth(ether_type: u16) -> Vec<u8> {
    let header = Ethernet2Header {
        source: [2, 11, 12, 13, 14, 15],
        destination: [2, 21, 22, 23, 24, 25],
        ether_type: EtherType(ether_type),
    };
    header.to_bytes().to_vec()
}

pub fn tag(pcp: u8, dei: bool, id: u16, ether_type: u16) -> Vec<u8> {
    let header = SingleVlanHeader {
        pcp: VlanPcp::try_new(pcp).unwrap(),
        drop_eligible_indicator: dei,
        vlan_id: VlanId::try_new(id).unwrap(),
        ether_type: EtherType(ether_type),
    };
    header.to_bytes().to_vec()
}

/// An IPv4 header with `option_bytes` of options in front of `payload`.
pub fn ip4_with(
    proto: u8,
    option_bytes: usize,
    payload: &[u8],
    change: impl FnOnce(&mut Ipv4Header),
) -> Vec<u8> {
    let mut header = Ipv4Header::new(0, 57, IpNumber(proto), SRC4, DST4).unwrap();
    header.dscp = IpDscp::try_new(46).unwrap();
    header.ecn = IpEcn::try_new(1).unwrap();
    header.identification = 0xbeef;
    header.dont_fragment = true;
    header.options = vec![1; option_bytes].as_slice().try_into().unwrap();
    header.set_payload_len(payload.len()).unwrap();
    change(&mut header);
    header.header_checksum = header.calc_header_checksum();
    join(&[&header.to_bytes(), payload])
}

pub fn ip4(proto: u8, payload: &[u8]) -> Vec<u8> {
    ip4_with(proto, 0, payload, |_| {})
}

/// A fragment at `offset` (units of 8 bytes).
pub fn fragment4(proto: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    ip4_with(proto, 0, payload, |header| {
        header.dont_fragment = false;
        header.more_fragments = more;
        header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
    })
}

pub fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        traffic_class: 0xb9,
        flow_label: Ipv6FlowLabel::try_new(0xabcde).unwrap(),
        payload_length: u16::try_from(payload.len()).unwrap(),
        next_header: IpNumber(next),
        hop_limit: 61,
        source: SRC6,
        destination: DST6,
    };
    join(&[&header.to_bytes(), payload])
}

/// A hop-by-hop, routing, destination or mobility header of 8 + 8·`units` bytes.
pub fn ext(next: u8, units: usize) -> Vec<u8> {
    Ipv6RawExtHeader::new_raw(IpNumber(next), &vec![0; 6 + 8 * units]).unwrap().to_bytes().to_vec()
}

pub fn ah(next: u8, icv_bytes: usize) -> Vec<u8> {
    IpAuthHeader::new(IpNumber(next), 7, 8, &vec![9; icv_bytes]).unwrap().to_bytes().to_vec()
}

pub fn fragment6(next: u8, offset: u16, more: bool) -> Vec<u8> {
    let offset = IpFragOffset::try_new(offset).unwrap();
    Ipv6FragmentHeader::new(IpNumber(next), offset, more, 0xfeed).to_bytes().to_vec()
}

pub fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut header = TcpHeader::new(40123, 443, 0x0102_0304, 0xf0e0);
    header.acknowledgment_number = 0x0a0b_0c0d;
    header.syn = true;
    header.ack = true;
    header.urgent_pointer = 0x55aa;
    header.checksum = 0x1357;
    header
        .set_options(&[
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::WindowScale(7),
        ])
        .unwrap();
    join(&[&header.to_bytes(), payload])
}

/// A SYN with options, and bytes behind them that look like more.
pub fn tcp_with(options: &[u8]) -> Vec<u8> {
    let mut header = TcpHeader::new(4321, 80, 1, 64240);
    header.syn = true;
    header.set_options_raw(options).unwrap();
    join(&[&header.to_bytes(), &[4, 0, 1, 2, 4, 0, 1]])
}

pub fn udp(payload: &[u8]) -> Vec<u8> {
    let header = UdpHeader {
        source_port: 53124,
        destination_port: 53,
        length: u16::try_from(8 + payload.len()).unwrap(),
        checksum: 0x2468,
    };
    join(&[&header.to_bytes(), payload])
}

pub fn icmp(payload: &[u8]) -> Vec<u8> {
    let echo = IcmpEchoHeader { id: 0x1122, seq: 0x3344 };
    let header = Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), payload);
    join(&[&header.to_bytes(), payload])
}

pub fn icmp_unreachable() -> Vec<u8> {
    Icmpv4Header::new(Icmpv4Type::Unknown { type_u8: 3, code_u8: 13, bytes5to8: [0; 4] })
        .to_bytes()
        .to_vec()
}

pub fn icmp6(payload: &[u8]) -> Vec<u8> {
    let echo = IcmpEchoHeader { id: 0x5566, seq: 0x7788 };
    let header =
        Icmpv6Header::with_checksum(Icmpv6Type::EchoReply(echo), SRC6, DST6, payload).unwrap();
    join(&[&header.to_bytes(), payload])
}

pub fn icmp6_unreachable() -> Vec<u8> {
    Icmpv6Header::new(Icmpv6Type::Unknown { type_u8: 1, code_u8: 4, bytes5to8: [0; 4] })
        .to_bytes()
        .to_vec()
}

pub fn arp() -> Vec<u8> {
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: [2, 31, 32, 33, 34, 35],
        sender_ipv4: SRC4,
        target_mac: [2, 41, 42, 43, 44, 45],
        target_ipv4: DST4,
    };
    packet.to_bytes().to_vec()
}

/// Ethernet, two tags, IPv4 with options, TCP with options, five bytes.
pub fn tagged_tcp() -> Vec<u8> {
    let net = ip4_with(6, 8, &tcp(b"hello"), |_| {});
    join(&[&eth(0x88a8), &tag(5, true, 0x123, 0x8100), &tag(3, false, 0xabc, 0x0800), &net])
}

/// Ethernet, IPv4, UDP, four bytes.
pub fn udp4() -> Vec<u8> {
    join(&[&eth(0x0800), &ip4(17, &udp(b"data"))])
}

/// Ethernet, IPv6, every extension header, UDP.
pub fn udp6_behind_everything() -> Vec<u8> {
    let chain = join(&[
        &ext(43, 2),
        &ext(44, 0),
        &fragment6(60, 0, false),
        &ext(51, 1),
        &ah(135, 12),
        &ext(17, 0),
        &udp(b"data"),
    ]);
    join(&[&eth(0x86dd), &ip6(0, &chain)])
}

/// Ethernet, IPv6, TCP.
pub fn tcp6() -> Vec<u8> {
    join(&[&eth(0x86dd), &ip6(6, &tcp(b"hello"))])
}

/// Ethernet and an IPv4 header that carries `proto`.
pub fn carrying(proto: u8) -> Vec<u8> {
    join(&[&eth(0x0800), &ip4(proto, &[0; 24])])
}
