//! IPv4 packets as bytes.

use std::net::Ipv4Addr;

/// Bytes of an Ethernet header: as much longer is a packet to a hook than its IP datagram.
pub const FRAME_BYTES: u64 = 14;

const IPV4_BYTES: usize = 20;
const TTL: u8 = 64;

/// An IPv4 packet (RFC 791). The checksum is left to the kernel, which fills it in.
///
/// # Panics
/// When it is longer than an IPv4 packet can be.
#[must_use]
pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let bytes = u16::try_from(IPV4_BYTES + payload.len()).expect("a packet is not longer");
    let mut out = vec![0x45, 0];
    out.extend(bytes.to_be_bytes());
    out.extend([0, 1, 0, 0, TTL, protocol, 0, 0]);
    out.extend(src.octets());
    out.extend(dst.octets());
    out.extend(payload);
    out
}

/// A UDP datagram (RFC 768) without checksum.
///
/// # Panics
/// When it is longer than a datagram can be.
#[must_use]
pub fn udp(sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
    let bytes = u16::try_from(8 + data.len()).expect("a datagram is not longer");
    let mut out = Vec::with_capacity(8 + data.len());
    for word in [sport, dport, bytes, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend(data);
    out
}

/// A TCP segment (RFC 9293) without options; no receiver would take its checksum, which is 0.
#[must_use]
pub fn tcp(sport: u16, dport: u16, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + data.len());
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, flags, 255, 255, 0, 0, 0, 0]);
    out.extend(data);
    out
}

/// `bytes` of data that end with a number of 4 bytes.
///
/// # Panics
/// When there is no room for it.
#[must_use]
pub fn numbered(bytes: usize, number: u32) -> Vec<u8> {
    let mut out = vec![b'.'; bytes];
    let at = bytes.checked_sub(4).expect("there is room for a number");
    out[at..].copy_from_slice(&number.to_be_bytes());
    out
}
