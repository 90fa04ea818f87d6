//! The answer that a packet is to get, from a packet library and the reference evaluator's own reading of
//! headers: nothing here knows how the program makes it.

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{
    Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpDscp, IpNumber, Ipv4Header, Ipv6Header,
    TcpHeader,
};
use l4c_compiler::fields::{Field, When};
use l4c_compiler::hir::{Layer, Slice};
use l4c_compiler::ranges::Ranges;
use l4c_compiler::reference::Dissected;
use l4c_manifest::Start;
use std::net::{Ipv4Addr, Ipv6Addr};

const TTL: u8 = 64;
/// No packet here is longer than its length fields can say.
const FITS: &str = "packets are short, and headers are whole";
/// Bytes of an answer's datagram at most.
const MAX_BYTES_4: usize = 576;
const MAX_BYTES_6: usize = 1280;

/// The headers of a packet that may have an answer.
struct Headers<'f> {
    frame: &'f [u8],
    packet: Dissected<'f>,
    /// Where the network header begins, and where the transport header does.
    net: usize,
    transport: usize,
    proto: u8,
}

/// Of a frame; none if it must not be answered.
pub fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    let packet = Dissected::new(frame, Start::Link, &Ranges::empty());
    let at = |part: &[u8]| part.as_ptr() as usize - frame.as_ptr() as usize;
    let proto = Field::find("proto").and_then(|field| packet.value(&field.places[0]))?;
    let net = at(packet.slice(&Slice::whole(Layer::L3))?);
    let transport = at(packet.slice(&Slice::whole(Layer::L4))?);
    let proto = u8::try_from(proto).expect("a protocol has 8 bits");
    if frame[0] & 1 != 0 || frame[6] & 1 != 0 {
        return None;
    }
    let headers = Headers { frame, packet, net, transport, proto };
    let datagram = if headers.packet.is(When::Ip4) { headers.ip4() } else { headers.ip6() }?;
    Some([&frame[6..12], &frame[..6], &frame[12..net], &datagram].concat())
}

impl Headers<'_> {
    fn number(&self, off: usize) -> usize {
        usize::from(u16::from_be_bytes([self.frame[off], self.frame[off + 1]]))
    }

    fn ip4(&self) -> Option<Vec<u8>> {
        let address =
            |off: usize| <[u8; 4]>::try_from(&self.frame[self.net + off..][..4]).expect(FITS);
        let (src, dst) = (address(12), address(16));
        for address in [src, dst].map(Ipv4Addr::from) {
            let [first, ..] = address.octets();
            if address.is_loopback() || first == 0 || first >= 224 {
                return None;
            }
        }
        let bytes = self.number(self.net + 2);
        if self.proto == 6 {
            let mut tcp = self.reset(bytes)?;
            let mut ip = Ipv4Header::new(20, TTL, IpNumber::TCP, dst, src).expect(FITS);
            ip.header_checksum = ip.calc_header_checksum();
            tcp.checksum = tcp.calc_checksum_ipv4(&ip, &[]).expect(FITS);
            return Some([&ip.to_bytes()[..], &tcp.to_bytes()].concat());
        }
        if self.proto == 1 {
            let kind = *self.frame.get(self.transport)?;
            if [3, 4, 5, 11, 12].contains(&kind) || kind > 18 {
                return None;
            }
        }
        let quote = self.quote(bytes, MAX_BYTES_4 - 28)?;
        let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port);
        let icmp = Icmpv4Header::with_checksum(kind, quote);
        let payload_bytes = u16::try_from(8 + quote.len()).expect(FITS);
        let mut ip = Ipv4Header::new(payload_bytes, TTL, IpNumber::ICMP, dst, src).expect(FITS);
        ip.dscp = IpDscp::try_new(0xc0 >> 2).expect(FITS);
        ip.header_checksum = ip.calc_header_checksum();
        Some([&ip.to_bytes()[..], &icmp.to_bytes(), quote].concat())
    }

    fn ip6(&self) -> Option<Vec<u8>> {
        let address =
            |off: usize| <[u8; 16]>::try_from(&self.frame[self.net + off..][..16]).expect(FITS);
        let (src, dst) = (address(8), address(24));
        if [src, dst].map(Ipv6Addr::from).iter().any(|a| a.is_unspecified() || a.is_multicast()) {
            return None;
        }
        let header = |next_header, payload_bytes: usize| Ipv6Header {
            payload_length: u16::try_from(payload_bytes).expect(FITS),
            next_header,
            hop_limit: TTL,
            source: dst,
            destination: src,
            ..Ipv6Header::default()
        };
        let bytes = 40 + self.number(self.net + 4);
        if self.proto == 6 {
            let mut tcp = self.reset(bytes)?;
            let ip = header(IpNumber::TCP, 20);
            tcp.checksum = tcp.calc_checksum_ipv6(&ip, &[]).expect(FITS);
            return Some([&ip.to_bytes()[..], &tcp.to_bytes()].concat());
        }
        if self.proto == 58 {
            let kind = *self.frame.get(self.transport)?;
            if kind < 128 || kind == 137 {
                return None;
            }
        }
        let quote = self.quote(bytes, MAX_BYTES_6 - 48)?;
        let kind = Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Port);
        let icmp = Icmpv6Header::with_checksum(kind, dst, src, quote).expect(FITS);
        let ip = header(IpNumber::IPV6_ICMP, 8 + quote.len());
        Some([&ip.to_bytes()[..], &icmp.to_bytes(), quote].concat())
    }

    /// The reset for a segment in a datagram of `bytes`.
    fn reset(&self, bytes: usize) -> Option<TcpHeader> {
        let fixed = self.frame.get(self.transport..self.transport + 20)?;
        let word = |off: usize| u32::from_be_bytes(fixed[off..off + 4].try_into().expect(FITS));
        let header_bytes = usize::from(fixed[12] >> 4) * 4;
        let flag = |bit: u8| fixed[13] >> bit & 1 == 1;
        let (fin, syn, rst, ack) = (flag(0), flag(1), flag(2), flag(4));
        if rst || header_bytes < 20 {
            return None;
        }
        let data = (self.net + bytes).checked_sub(self.transport + header_bytes)?;
        let taken = u32::try_from(data).expect(FITS) + u32::from(fin) + u32::from(syn);
        let port = |off: usize| u16::from_be_bytes([fixed[off], fixed[off + 1]]);
        let mut tcp = TcpHeader::new(port(2), port(0), if ack { word(8) } else { 0 }, 0);
        tcp.rst = true;
        if !ack {
            tcp.ack = true;
            tcp.acknowledgment_number = word(4).wrapping_add(taken);
        }
        Some(tcp)
    }

    /// What is quoted of a datagram of `bytes`.
    fn quote(&self, bytes: usize, most: usize) -> Option<&[u8]> {
        let there = &self.frame[self.net..];
        let longest = bytes.min(there.len()).min(most);
        (bytes >= self.transport - self.net).then(|| &there[..longest])
    }
}
