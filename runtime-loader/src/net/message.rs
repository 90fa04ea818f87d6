//! rtnetlink messages as bytes. Whatever comes in, reading stays within it.

use super::XdpMode;

/// `IFLA_IFNAME`
pub const IFLA_IFNAME: u16 = 3;
/// `IFLA_MTU`
pub const IFLA_MTU: u16 = 4;
/// `IFLA_XDP`
pub const IFLA_XDP: u16 = 43;

/// `IFLA_XDP_{DRV,SKB,HW}_PROG_ID`
pub const XDP_PROG_IDS: [(u16, XdpMode); 3] =
    [(5, XdpMode::Native), (6, XdpMode::Generic), (7, XdpMode::Offloaded)];

const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;

/// `struct nlmsghdr`: length u32, type u16, flags u16, sequence u32, port u32.
const HEADER_BYTES: usize = 16;
/// `struct ifinfomsg`: family u8, padding, type u16, index i32, flags u32, change u32.
const IFINFO_BYTES: usize = 16;
/// `struct rtattr`: length u16, type u16.
const ATTRIBUTE_BYTES: usize = 4;

/// What we ask.
pub struct Request;

impl Request {
    /// All interfaces.
    pub fn dump_links() -> Vec<u8> {
        whole(RTM_GETLINK, NLM_F_DUMP, 0, &[])
    }

    /// A program by file descriptor (-1: none) for an interface; `flags` are `XDP_FLAGS_*`.
    pub fn set_xdp(ifindex: u32, fd: i32, flags: u32) -> Vec<u8> {
        let mut inner = attribute(IFLA_XDP_FD, &fd.to_ne_bytes());
        inner.extend(attribute(IFLA_XDP_FLAGS, &flags.to_ne_bytes()));
        whole(RTM_SETLINK, NLM_F_ACK, ifindex, &attribute(IFLA_XDP | NLA_F_NESTED, &inner))
    }
}

fn whole(kind: u16, flags: u16, ifindex: u32, attributes: &[u8]) -> Vec<u8> {
    let bytes = HEADER_BYTES + IFINFO_BYTES + attributes.len();
    let mut out = Vec::with_capacity(bytes);
    out.extend((bytes as u32).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    out.extend([0; 8]);
    out.extend([0; 4]);
    out.extend(ifindex.to_ne_bytes());
    out.extend([0; 8]);
    out.extend(attributes);
    out
}

/// Payloads here are multiples of 4 bytes, so that nothing is filled up.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = ((ATTRIBUTE_BYTES + payload.len()) as u16).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(payload);
    out
}

/// What the kernel says.
pub enum Message<'m> {
    /// An interface.
    Link {
        /// Its number.
        index: u32,
        /// The rest.
        attributes: Attributes<'m>,
    },
    /// The end of a dump.
    Done,
    /// Yes.
    Acknowledged,
    /// No: errno.
    Error(i32),
    /// Something else.
    Other,
}

/// The messages of a datagram, up to the first that is cut.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let bytes = number(rest)? as usize;
        if bytes < HEADER_BYTES {
            return None;
        }
        let whole = rest.get(..bytes)?;
        rest = rest.get(aligned(bytes)..).unwrap_or_default();
        Some(message(whole))
    })
}

fn message(whole: &[u8]) -> Message<'_> {
    let body = &whole[HEADER_BYTES..];
    match u16::from_ne_bytes([whole[4], whole[5]]) {
        NLMSG_DONE => Message::Done,
        NLMSG_ERROR => match number(body).map(|code| code as i32) {
            Some(0) => Message::Acknowledged,
            Some(code) => Message::Error(code.saturating_neg()),
            None => Message::Other,
        },
        RTM_NEWLINK if body.len() >= IFINFO_BYTES => Message::Link {
            index: number(&body[4..]).unwrap_or(0),
            attributes: Attributes::new(&body[IFINFO_BYTES..]),
        },
        _ => Message::Other,
    }
}

/// Type and payload of attributes, up to the first that is cut.
pub struct Attributes<'m>(&'m [u8]);

impl<'m> Attributes<'m> {
    /// The attributes in some bytes.
    pub fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }
}

impl<'m> Iterator for Attributes<'m> {
    type Item = (u16, &'m [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let &[low, high, kind_low, kind_high, ..] = self.0 else { return None };
        let bytes = usize::from(u16::from_ne_bytes([low, high]));
        let payload = self.0.get(ATTRIBUTE_BYTES..bytes)?;
        self.0 = self.0.get(aligned(bytes)..).unwrap_or_default();
        Some((u16::from_ne_bytes([kind_low, kind_high]) & NLA_TYPE_MASK, payload))
    }
}

/// Everything begins at a multiple of 4 bytes.
fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(4)
}

/// The 32-bit number at the beginning.
pub fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A string that ends with 0.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_ends_the_reading() {
        let link = whole(RTM_NEWLINK, 0, 7, &attribute(IFLA_MTU, &1500u32.to_ne_bytes()));
        let two = [link.clone(), link.clone()].concat();
        assert_eq!(messages(&two).count(), 2);
        for bytes in 0..link.len() {
            assert_eq!(messages(&link[..bytes]).count(), 0, "{bytes}");
        }
        // Lengths that lie.
        for lie in [0u32, 15, u32::MAX] {
            let mut lying = link.clone();
            lying[..4].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(messages(&lying).count(), 0, "{lie}");
        }
        for lie in [0u16, 3, u16::MAX] {
            let mut lying = attribute(IFLA_MTU, &[0; 4]);
            lying[..2].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(Attributes::new(&lying).count(), 0, "{lie}");
        }
    }

    #[test]
    fn an_interface_is_read() {
        let link = whole(RTM_NEWLINK, 0, 7, &attribute(IFLA_MTU, &1500u32.to_ne_bytes()));
        let Some(Message::Link { index: 7, mut attributes }) = messages(&link).next() else {
            panic!("no link")
        };
        assert_eq!(attributes.next(), Some((IFLA_MTU, &1500u32.to_ne_bytes()[..])));
        assert!(attributes.next().is_none());
    }
}
