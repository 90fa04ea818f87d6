//! Links: what holds a program to its place.

use super::{Command, IdAttr, bpf, bpf_fd, info};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_XDP: u32 = 37;

/// `BPF_LINK_TYPE_XDP` of `enum bpf_link_type`.
const LINK_TYPE_XDP: u32 = 6;

/// How a driver runs an XDP program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum XdpMode {
    /// In the driver, before there is a socket buffer.
    Native,
    /// In the network core, on any interface.
    Generic,
    /// On the network card.
    Offloaded,
}

impl XdpMode {
    /// As users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offloaded => "offloaded",
        }
    }

    /// `XDP_FLAGS_*_MODE` of `include/uapi/linux/if_link.h`.
    #[must_use]
    pub const fn flag(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
            Self::Offloaded => 1 << 3,
        }
    }
}

/// `union bpf_attr`, the first fields of the member of `BPF_LINK_CREATE`.
#[repr(C)]
struct CreateAttr {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// `union bpf_attr`, the member of `BPF_LINK_UPDATE`.
#[repr(C)]
struct UpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

/// `union bpf_attr`, the member of `BPF_LINK_DETACH`.
#[repr(C)]
struct DetachAttr {
    link_fd: u32,
}

/// What the kernel tells of an XDP link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInfo {
    /// The program that runs there.
    pub prog_id: u32,
    /// The interface, in its own network namespace; 0 if it is gone or the link has been detached.
    pub ifindex: u32,
}

/// Attaches an XDP program. It stays attached while somebody holds the link.
pub fn create_xdp_link(prog: BorrowedFd<'_>, ifindex: u32, mode: XdpMode) -> io::Result<OwnedFd> {
    let mut attr = CreateAttr {
        prog_fd: prog.as_raw_fd() as u32,
        target_ifindex: ifindex,
        attach_type: ATTACH_XDP,
        flags: mode.flag(),
    };
    // SAFETY: no addresses; the answer is a file descriptor.
    unsafe { bpf_fd(Command::LinkCreate, &mut attr) }
}

/// Puts another program in the place of a link's: between two packets, so that each is judged by one.
pub fn update_link(link: BorrowedFd<'_>, prog: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = UpdateAttr {
        link_fd: link.as_raw_fd() as u32,
        new_prog_fd: prog.as_raw_fd() as u32,
        flags: 0,
        old_prog_fd: 0,
    };
    // SAFETY: no addresses.
    unsafe { bpf(Command::LinkUpdate, &mut attr) }.map(drop)
}

/// Takes the program off, whoever else holds the link.
pub fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = DetachAttr { link_fd: link.as_raw_fd() as u32 };
    // SAFETY: no addresses.
    unsafe { bpf(Command::LinkDetach, &mut attr) }.map(drop)
}

/// Opens the link that holds a program to an interface, whoever made it; takes CAP_SYS_ADMIN.
pub fn find_xdp_link(ifindex: u32, prog_id: u32) -> io::Result<OwnedFd> {
    let mut attr = IdAttr::default();
    loop {
        attr.id = attr.next_id;
        // SAFETY: no addresses.
        unsafe { bpf(Command::LinkGetNextId, &mut attr) }?;
        let mut open = IdAttr { id: attr.next_id, ..Default::default() };
        // SAFETY: no addresses; the answer is a file descriptor.
        let link = match unsafe { bpf_fd(Command::LinkGetFdById, &mut open) } {
            // It went between the two calls.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if link_info(link.as_fd()).is_ok_and(|i| (i.ifindex, i.prog_id) == (ifindex, prog_id)) {
            return Ok(link);
        }
    }
}

/// Looks at a link.
pub fn link_info(link: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    // struct bpf_link_info: type, id, prog_id, padding, then for XDP the ifindex.
    let [[kind, _id], [prog_id, _], [ifindex, _]] = info::<3>(link)?;
    if kind != LINK_TYPE_XDP {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no XDP link"));
    }
    Ok(LinkInfo { prog_id, ifindex })
}
