//! What a driver does to frames before anybody sees them.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// `SIOCETHTOOL` of `include/uapi/linux/sockios.h`.
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// `ETHTOOL_GFLAGS` of `include/uapi/linux/ethtool.h`.
const ETHTOOL_GFLAGS: u32 = 0x25;

/// `ETH_FLAG_RXVLAN`
const ETH_FLAG_RXVLAN: u32 = 1 << 8;

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    cmd: u32,
    data: u32,
}

/// The part of `struct ifreq` that the call reads: a name and an address, and the rest of its union.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut Value,
    rest: [u64; 2],
}

/// Does the interface take VLAN tags out of the frames that it receives?
///
/// # Errors
/// When the driver does not say.
pub fn takes_tags_out(iface: &str) -> io::Result<bool> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC;
    let socket: OwnedFd = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    let mut value = Value { cmd: ETHTOOL_GFLAGS, data: 0 };
    let mut request = Request { name: [0; 16], data: &raw mut value, rest: [0; 2] };
    for (to, from) in request.name.iter_mut().take(15).zip(iface.bytes()) {
        *to = from;
    }
    // SAFETY: the kernel reads a name that ends with 0 and writes one `struct ethtool_value`, both alive here.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value.data & ETH_FLAG_RXVLAN != 0)
}
