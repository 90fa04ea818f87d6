//! Interfaces of this network namespace, and what is attached to them, by rtnetlink.
//!
//! Two requests of a protocol that libraries of many thousand lines speak whole: the packets are those of
//! `include/uapi/linux/rtnetlink.h` and `if_link.h`.

mod message;

pub use crate::sys::{XdpMode, takes_tags_out};
use message::{Attributes, Request};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

/// Room for one datagram of a dump: what iproute2 uses.
const DATAGRAM_BYTES: usize = 32 << 10;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its number in this network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Bytes of the longest packet behind the link header.
    pub mtu: u32,
    /// XDP programs there, by the kernel's number; at most one a mode.
    pub xdp: Vec<(XdpMode, u32)>,
}

/// All interfaces of this thread's network namespace, in the order of their numbers.
///
/// # Errors
/// When the kernel does not answer.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let socket = open()?;
    send(&socket, &Request::dump_links())?;
    let mut interfaces = Vec::new();
    let mut datagram = vec![0u8; DATAGRAM_BYTES];
    loop {
        let (bytes, _) = recv(&socket, &mut datagram[..], RecvFlags::empty())?;
        for message in message::messages(&datagram[..bytes.min(DATAGRAM_BYTES)]) {
            match message {
                message::Message::Link { index, attributes } => {
                    interfaces.extend(interface(index, attributes));
                }
                message::Message::Done => {
                    interfaces.sort_by_key(|i: &Interface| i.index);
                    return Ok(interfaces);
                }
                message::Message::Error(code) => return Err(io::Error::from_raw_os_error(code)),
                message::Message::Acknowledged | message::Message::Other => {}
            }
        }
    }
}

/// Puts an XDP program on an interface without a link, or takes off what is there.
///
/// # Errors
/// When the kernel refuses.
pub fn set_xdp(ifindex: u32, mode: XdpMode, prog: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let socket = open()?;
    let fd = prog.map_or(-1, |prog| prog.as_raw_fd());
    send(&socket, &Request::set_xdp(ifindex, fd, mode.flag()))?;
    let mut datagram = vec![0u8; DATAGRAM_BYTES];
    loop {
        let (bytes, _) = recv(&socket, &mut datagram[..], RecvFlags::empty())?;
        for message in message::messages(&datagram[..bytes.min(DATAGRAM_BYTES)]) {
            match message {
                message::Message::Error(code) => return Err(io::Error::from_raw_os_error(code)),
                message::Message::Acknowledged => return Ok(()),
                message::Message::Link { .. }
                | message::Message::Done
                | message::Message::Other => {}
            }
        }
    }
}

/// The number of this thread's network namespace: interfaces have theirs only within one.
///
/// # Errors
/// When /proc is not there.
pub fn namespace() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/thread-self/ns/net")?.ino())
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    // NETLINK_ROUTE is protocol 0.
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?)
}

fn send(socket: &OwnedFd, request: &[u8]) -> io::Result<()> {
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(socket, request, SendFlags::empty(), &kernel)?;
    Ok(())
}

/// An interface from its attributes; none without a name.
fn interface(index: u32, attributes: Attributes<'_>) -> Option<Interface> {
    let mut interface = Interface { index, name: String::new(), mtu: 0, xdp: Vec::new() };
    for (kind, payload) in attributes {
        match kind {
            message::IFLA_IFNAME => interface.name = message::text(payload),
            message::IFLA_MTU => interface.mtu = message::number(payload).unwrap_or(0),
            message::IFLA_XDP => {
                let programs = Attributes::new(payload).filter_map(|(kind, payload)| {
                    let (_, mode) = message::XDP_PROG_IDS.iter().find(|(id, _)| *id == kind)?;
                    Some((*mode, message::number(payload).filter(|&id| id != 0)?))
                });
                interface.xdp = programs.collect();
            }
            _ => {}
        }
    }
    (!interface.name.is_empty()).then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let interfaces = interfaces().unwrap();
        let lo = interfaces.iter().find(|i| i.name == "lo").expect("every namespace has one");
        assert!(lo.mtu > 1500, "{lo:?}");
        assert_eq!(lo.index, 1);
        assert!(namespace().unwrap() > 0);
    }

    #[test]
    fn a_refusal_is_told() {
        let no_such = set_xdp(i32::MAX as u32, XdpMode::Generic, None).unwrap_err();
        // Without privilege that is what it says.
        assert!(matches!(no_such.raw_os_error(), Some(libc::ENODEV | libc::EPERM)), "{no_such}");
    }
}
