//! A frame as a hook would have been given it.
//!
//! A hook that starts at the Ethernet header gets one, made up if the capture has another; a hook
//! that starts at the network header gets what lies behind the link header. Nothing of the network
//! layer is looked at except the version where no link header tells the protocol.

use std::fmt;

use l4c_manifest::Start;

use crate::LinkType;

/// What [`present`] makes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// The packet, from the byte that the hook starts at.
    Packet(&'a [u8]),
    /// A frame that would never have reached the hook.
    Unjudged(Reason),
    /// Frames of this link type cannot be shown to any hook.
    Unsupported(LinkType),
}

/// Why a frame reaches no hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The frame ends inside its link header.
    LinkHeaderCut,
    /// The hook sees IP only, and the frame carries something else.
    NotIp,
    /// The link header names no protocol that Ethernet has a number for, so none can be made up.
    NoEthertype,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkHeaderCut => "the frame ends inside its link header",
            Self::NotIp => "the frame carries neither IPv4 nor IPv6",
            Self::NoEthertype => "the link header names no protocol that Ethernet has a number for",
        })
    }
}

const ETHERNET_BYTES: usize = 14;
const TAG_BYTES: usize = 4;
/// VLAN tags that are taken off for a network hook.
const MAX_TAGS: usize = 2;
/// 802.1Q, 802.1ad, and the number that stacked tags had before it.
const TAG_TYPES: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Smaller numbers in the place of an ethertype are lengths, or Linux's own for 802.2 frames.
const MIN_ETHERTYPE: u16 = 0x0600;

/// Hardware types (Linux's `if_arp.h`) whose cooked frames have something other than an ethertype
/// in the protocol field: FRAD, GRE, 802.11 with radiotap, netlink.
const ARPHRD_WITHOUT_ETHERTYPE: [u16; 4] = [770, 778, 803, 824];

/// Address families of NULL and LOOP headers: IPv6 has a number of its own on each system (Linux,
/// NetBSD and OpenBSD, FreeBSD, Darwin).
const FAMILIES: [(u32, u16); 5] = [(2, IPV4), (10, IPV6), (24, IPV6), (28, IPV6), (30, IPV6)];

/// A link header, read.
struct Unlinked<'a> {
    ethertype: u16,
    payload: &'a [u8],
}

/// Shows a frame of link type `link` to a hook that starts at `start`.
///
/// The packet lies in `data`, or in `scratch` where a header had to be made up (14 bytes: both
/// addresses zero, then the ethertype); what was in `scratch` is lost.
#[must_use]
pub fn present<'a>(
    link: LinkType,
    data: &'a [u8],
    start: Start,
    scratch: &'a mut Vec<u8>,
) -> Shown<'a> {
    if (link, start) == (LinkType::ETHERNET, Start::Link) {
        return Shown::Packet(data);
    }
    let unlinked = match link {
        LinkType::ETHERNET => behind(data, ETHERNET_BYTES, 12),
        LinkType::LINUX_SLL => cooked(data, 16, 14, 2),
        LinkType::LINUX_SLL2 => cooked(data, 20, 0, 8),
        LinkType::NULL | LinkType::LOOP => family(link, data),
        LinkType::IPV4 => Ok(Unlinked { ethertype: IPV4, payload: data }),
        LinkType::IPV6 => Ok(Unlinked { ethertype: IPV6, payload: data }),
        // 12 and 14 are DLT_RAW as some systems number it.
        LinkType::RAW | LinkType(12 | 14) => by_version(data),
        LinkType(_) => return Shown::Unsupported(link),
    };
    let shown = unlinked.and_then(|unlinked| match start {
        Start::Link => made_up(&unlinked, scratch),
        Start::Network => network(unlinked),
    });
    match shown {
        Ok(packet) => Shown::Packet(packet),
        Err(reason) => Shown::Unjudged(reason),
    }
}

/// Splits off a header of `bytes` bytes with the ethertype at `type_off_bytes`.
fn behind(data: &[u8], bytes: usize, type_off_bytes: usize) -> Result<Unlinked<'_>, Reason> {
    let (header, payload) = data.split_at_checked(bytes).ok_or(Reason::LinkHeaderCut)?;
    Ok(Unlinked { ethertype: u16_at(header, type_off_bytes), payload })
}

/// A cooked header: `arphrd_off_bytes` tells whether its protocol is an ethertype.
fn cooked(
    data: &[u8],
    bytes: usize,
    type_off_bytes: usize,
    arphrd_off_bytes: usize,
) -> Result<Unlinked<'_>, Reason> {
    let unlinked = behind(data, bytes, type_off_bytes)?;
    let arphrd = u16_at(data, arphrd_off_bytes);
    if ARPHRD_WITHOUT_ETHERTYPE.contains(&arphrd) || unlinked.ethertype < MIN_ETHERTYPE {
        return Err(Reason::NoEthertype);
    }
    Ok(unlinked)
}

/// A NULL or LOOP header.
fn family(link: LinkType, data: &[u8]) -> Result<Unlinked<'_>, Reason> {
    let (header, payload) = data.split_first_chunk().ok_or(Reason::LinkHeaderCut)?;
    let big = u32::from_be_bytes(*header);
    // Families are small: a large number is one in the other byte order.
    let family = if link == LinkType::NULL && big > 0xffff { big.swap_bytes() } else { big };
    let known = FAMILIES.iter().find(|(number, _)| *number == family);
    let (_, ethertype) = known.ok_or(Reason::NoEthertype)?;
    Ok(Unlinked { ethertype: *ethertype, payload })
}

/// No header: the first four bits tell.
fn by_version(data: &[u8]) -> Result<Unlinked<'_>, Reason> {
    let ethertype = match data.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        Some(_) | None => return Err(Reason::NoEthertype),
    };
    Ok(Unlinked { ethertype, payload: data })
}

fn made_up<'a>(unlinked: &Unlinked, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Reason> {
    scratch.clear();
    scratch.extend_from_slice(&[0; 12]);
    scratch.extend_from_slice(&unlinked.ethertype.to_be_bytes());
    scratch.extend_from_slice(unlinked.payload);
    Ok(scratch)
}

fn network(Unlinked { mut ethertype, mut payload }: Unlinked<'_>) -> Result<&[u8], Reason> {
    for _ in 0..MAX_TAGS {
        if !TAG_TYPES.contains(&ethertype) {
            break;
        }
        // A tag is two bytes of VLAN and priority, then the ethertype of what follows.
        Unlinked { ethertype, payload } = behind(payload, TAG_BYTES, 2)?;
    }
    if matches!(ethertype, IPV4 | IPV6) { Ok(payload) } else { Err(Reason::NotIp) }
}

/// Big-endian; the caller has checked that both bytes are there.
fn u16_at(bytes: &[u8], off_bytes: usize) -> u16 {
    u16::from_be_bytes([bytes[off_bytes], bytes[off_bytes + 1]])
}

#[cfg(test)]
mod tests;
