//! Fields of the packet inside a tunnel: the same rows, with `inner.` in front.

use super::{At, Field, Info, Ty, When};
use std::borrow::Cow;

/// What stands in front of a field's name if the packet inside a tunnel is asked.
pub const INNER: &str = "inner.";

/// UDP ports that VXLAN is sent to: IANA's (RFC 7348), and the one that Linux used before there was one.
pub const VXLAN_PORTS: [u16; 2] = [4789, 8472];

/// UDP port that GUE is sent to (draft-ietf-intarea-gue).
pub const GUE_PORT: u16 = 6080;

impl Field {
    /// Can it be asked of the packet inside a tunnel? Not what only the whole frame has, and not what lies
    /// behind a transport header.
    #[must_use]
    pub fn has_inner(&self) -> bool {
        // A list of options is asked as bytes behind a transport header.
        self.ty != Ty::Layout
            && self.places.iter().all(|place| {
                let told_by_header = match place.when {
                    When::Payload(_) | When::Dns | When::DnsResponse(_) | When::Question => false,
                    When::Always
                    | When::Link
                    | When::Tag1
                    | When::Tag2
                    | When::TypeIp4
                    | When::TypeIp6
                    | When::TypeArp
                    | When::Ip4
                    | When::Ip4Options
                    | When::Ip6
                    | When::Arp
                    | When::ArpEthIp4
                    | When::Proto
                    | When::ProtoIs(_)
                    | When::Ports
                    | When::Header(_)
                    | When::Form(_)
                    | When::TcpOption(_)
                    | When::Frag
                    | When::Unparsed
                    | When::Ext(_) => true,
                };
                told_by_header && place.at != At::Info(Info::PktLen)
            })
            && !self.is_arrival()
    }

    /// Does it tell how the packet came, and not what is in it?
    #[must_use]
    pub fn is_arrival(&self) -> bool {
        self.places.iter().any(|place| matches!(place.at, At::Arrival(_)))
    }

    /// Its name as rules write it, of the packet itself or of the one inside a tunnel.
    #[must_use]
    pub fn shown(&self, inner: bool) -> Cow<'static, str> {
        if inner { Cow::Owned(format!("{INNER}{}", self.name)) } else { Cow::Borrowed(self.name) }
    }
}
