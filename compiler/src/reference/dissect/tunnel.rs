//! The packet inside a tunnel: where it begins, and what it is.

use super::{Announced, Dissected};
use crate::fields::{GUE_PORT, Transport, VXLAN_PORTS};

/// Protocol numbers of IPv4 and IPv6 inside IP: RFC 2003, RFC 2473.
const IP4_INSIDE: u8 = 4;
const IP6_INSIDE: u8 = 41;
const UDP_BYTES: usize = 8;
const VXLAN_BYTES: usize = 8;

/// What a tunnel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Frame,
    Network(Announced),
}

impl<'p> Dissected<'p> {
    /// The packet inside, if this one is a tunnel's: a first fragment, its tunnel header whole.
    #[must_use]
    pub fn inner(&self) -> Option<Self> {
        let (carried, first) = self.carried()?;
        let mut packet = Self::unread(self.bytes.get(first..)?);
        match carried {
            Carried::Frame => packet.read_link(),
            Carried::Network(announced) => {
                packet.net_begins = true;
                packet.announced = Some(announced);
            }
        }
        packet.read_network();
        packet.read_transport();
        Some(packet)
    }

    /// What is inside, and its first byte.
    fn carried(&self) -> Option<(Carried, usize)> {
        const UDP: u8 = Transport::Udp.proto();
        const GRE: u8 = Transport::Gre.proto();
        let at = self.transport?;
        match self.proto? {
            IP4_INSIDE | IP6_INSIDE => Some((by_protocol(self.proto?)?, at)),
            GRE => self.gre(at),
            UDP => {
                let behind = at + UDP_BYTES;
                self.bytes.get(..behind)?;
                let port = self.u16_at(at + 2)?;
                if VXLAN_PORTS.contains(&port) {
                    self.vxlan(behind)
                } else if port == GUE_PORT {
                    self.gue(behind)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// RFC 2784, RFC 2890. Source routes (RFC 1701) are of any length; nobody takes them.
    fn gre(&self, at: usize) -> Option<(Carried, usize)> {
        let (flags, version) = (self.u8_at(at)?, self.u8_at(at + 1)? & 7);
        if version != 0 || flags & 0x40 != 0 {
            return None;
        }
        let carried = match self.u16_at(at + 2)? {
            0x0800 => Carried::Network(Announced::Ip4),
            0x86dd => Carried::Network(Announced::Ip6),
            0x6558 => Carried::Frame,
            _ => return None,
        };
        Some((carried, at + self.gre_bytes(at)))
    }

    /// RFC 7348: the flag that says that there is a network identifier.
    fn vxlan(&self, at: usize) -> Option<(Carried, usize)> {
        let has_vni = self.u8_at(at)? & 0x08 != 0;
        has_vni.then_some((Carried::Frame, at + VXLAN_BYTES))
    }

    /// draft-ietf-intarea-gue: variant 0 has a header of its own, variant 1 is the packet itself.
    fn gue(&self, at: usize) -> Option<(Carried, usize)> {
        let first = self.u8_at(at)?;
        match first >> 6 {
            0 => {
                let control = first & 0x20 != 0;
                let header_bytes = 4 + 4 * usize::from(first & 0x1f);
                let carried = by_protocol(self.u8_at(at + 1)?)?;
                (!control).then_some((carried, at + header_bytes))
            }
            1 => match first >> 4 {
                4 => Some((Carried::Network(Announced::Ip4), at)),
                6 => Some((Carried::Network(Announced::Ip6), at)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a protocol number announces, if it is IP.
fn by_protocol(proto: u8) -> Option<Carried> {
    match proto {
        IP4_INSIDE => Some(Carried::Network(Announced::Ip4)),
        IP6_INSIDE => Some(Carried::Network(Announced::Ip6)),
        _ => None,
    }
}
