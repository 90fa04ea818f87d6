//! What the packets of the zoo are put together from.

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpHeader,
};

/// Where frames come from.
pub(crate) const FROM_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// Where frames go.
pub(crate) const TO_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
/// 192.0.2.1
pub(crate) const FROM4: [u8; 4] = [192, 0, 2, 1];
/// 198.51.100.2
pub(crate) const TO4: [u8; 4] = [198, 51, 100, 2];
/// 2001:db8::1
pub(crate) const FROM6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// 2001:db8:53::2
pub(crate) const TO6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0x53, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// Source port of packets that do not care.
pub(crate) const SPORT: u16 = 4000;

/// What packets carry that do not care.
pub(crate) const DATA: &[u8] = b"some data";

/// Bytes of the Ethernet header.
pub(crate) const ETH: usize = 14;
/// First byte of what lies behind an IPv4 header without options.
pub(crate) const BEHIND4: usize = ETH + 20;
/// First byte of what lies behind the fixed IPv6 header.
pub(crate) const BEHIND6: usize = ETH + 40;

/// A frame up to its IP header.
pub(crate) type Ip = PacketBuilderStep<IpHeaders>;

/// An IPv4 header from [`FROM4`] to [`TO4`], TTL 64, changed by `edit`; lengths and checksums are filled in.
pub(crate) fn ip4_with(edit: impl FnOnce(&mut Ipv4Header)) -> Ip {
    let mut header = Ipv4Header::new(0, 64, IpNumber::UDP, FROM4, TO4).expect("0 bytes fit");
    header.dont_fragment = false;
    edit(&mut header);
    PacketBuilder::ethernet2(FROM_MAC, TO_MAC)
        .ip(IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
}

/// The plain IPv4 header.
pub(crate) fn ip4() -> Ip {
    ip4_with(|_| {})
}

/// An IPv6 header from [`FROM6`] to [`TO6`], hop limit 64, changed by `edit`.
pub(crate) fn ip6_with(edit: impl FnOnce(&mut Ipv6Header)) -> Ip {
    let mut header =
        Ipv6Header { hop_limit: 64, source: FROM6, destination: TO6, ..Ipv6Header::default() };
    edit(&mut header);
    PacketBuilder::ethernet2(FROM_MAC, TO_MAC)
        .ip(IpHeaders::Ipv6(header, etherparse::Ipv6Extensions::default()))
}

/// The plain IPv6 header.
pub(crate) fn ip6() -> Ip {
    ip6_with(|_| {})
}

/// Behind `ip`, a UDP datagram.
pub(crate) fn udp_of(ip: Ip, sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ip.udp(sport, dport).write(&mut out, data).expect("a vector takes it");
    out
}

/// Behind `ip`, a UDP datagram to port 53.
pub(crate) fn dns_of(ip: Ip) -> Vec<u8> {
    udp_of(ip, SPORT, 53, DATA)
}

/// Behind `ip`, a TCP segment from [`SPORT`] to port 80, its header changed by `edit`.
pub(crate) fn tcp_of(ip: Ip, edit: impl FnOnce(&mut TcpHeader), data: &[u8]) -> Vec<u8> {
    let mut header = TcpHeader::new(SPORT, 80, 1000, 64240);
    edit(&mut header);
    let mut out = Vec::new();
    ip.tcp_header(header).write(&mut out, data).expect("a vector takes it");
    out
}

/// Behind `ip`, the bytes of a protocol that the packet builder does not know or that are to be wrong.
pub(crate) fn raw_of(ip: Ip, proto: u8, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // The builder writes extension headers by itself only: their numbers are put in afterwards.
    ip.write(&mut out, IpNumber(253), data).expect("a vector takes it");
    if let Ok((mut header, _)) = Ipv4Header::from_slice(&out[ETH..]) {
        header.protocol = IpNumber(proto);
        header.header_checksum = header.calc_header_checksum();
        let bytes = header.to_bytes();
        out[ETH..ETH + bytes.len()].copy_from_slice(&bytes);
    } else {
        out[ETH + 6] = proto;
    }
    out
}

/// A frame with any EtherType.
pub(crate) fn frame(ether_type: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(TO_MAC);
    out.extend(FROM_MAC);
    out.extend(ether_type.to_be_bytes());
    out.extend(data);
    out
}

/// Puts VLAN tags, (type, number), in front of a frame's EtherType, the outermost first.
pub(crate) fn tagged(mut frame: Vec<u8>, tags: &[(u16, u16)]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|(ty, number)| [ty.to_be_bytes(), number.to_be_bytes()]);
    let at = 2 * FROM_MAC.len();
    frame.splice(at..at, tags.flatten());
    frame
}

/// Writes `bytes` over those at `off_bytes`.
pub(crate) fn patched(mut frame: Vec<u8>, off_bytes: usize, bytes: &[u8]) -> Vec<u8> {
    frame[off_bytes..off_bytes + bytes.len()].copy_from_slice(bytes);
    frame
}

/// A frame with zeros behind its end, as short ones are sent.
pub(crate) fn padded(mut frame: Vec<u8>, to_bytes: usize) -> Vec<u8> {
    frame.resize(to_bytes, 0);
    frame
}
