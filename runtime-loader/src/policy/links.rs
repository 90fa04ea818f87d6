//! Links under their pins.

use super::load::XdpChoice;
use super::names::LinkName;
use super::{PolicyError, dir::PolicyDir};
use crate::net::XdpMode;
use crate::sys;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// A policy's link, opened.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
    /// The program that runs there.
    pub prog_id: u32,
    /// The interface is not there any more.
    pub gone: bool,
}

impl Link {
    /// Opens a link by its pin.
    pub fn open(dir: &PolicyDir, name: LinkName) -> Result<Self, PolicyError> {
        let path = dir.link(name);
        let opened = sys::get(&path).and_then(|fd| {
            let info = sys::link_info(fd.as_fd())?;
            Ok(Self { fd, prog_id: info.prog_id, gone: info.ifindex == 0 })
        });
        opened.map_err(|e| PolicyError::at("open the link", &path, &e))
    }

    /// Puts a program in the place of the one that runs there.
    pub fn update(&self, prog: BorrowedFd<'_>) -> io::Result<()> {
        sys::update_link(self.fd.as_fd(), prog)
    }
}

/// Takes a policy off a place.
pub fn take_off(dir: &PolicyDir, name: LinkName) -> Result<(), PolicyError> {
    let path = dir.link(name);
    let link = match sys::get(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| PolicyError::at("open the link", &path, &e))?,
    };
    // The pin first: if this process ends between the two, the kernel lets go of the link, and no pin of a
    // link that holds nothing is left.
    fs::remove_file(&path).map_err(|e| PolicyError::at("remove", &path, &e))?;
    sys::detach_link(link.as_fd()).map_err(|e| PolicyError::at("detach the link", &path, &e))
}

/// Attaches a program to an interface and pins the link. Tells the mode, and why it is not native where
/// that was wanted first.
pub fn attach(
    dir: &PolicyDir,
    name: LinkName,
    prog: BorrowedFd<'_>,
    choice: XdpChoice,
) -> io::Result<(XdpMode, Option<io::Error>)> {
    let create = |mode| sys::create_xdp_link(prog, name.ifindex, mode);
    let (link, mode, why) = match choice {
        XdpChoice::Native => (create(XdpMode::Native)?, XdpMode::Native, None),
        XdpChoice::Generic => (create(XdpMode::Generic)?, XdpMode::Generic, None),
        XdpChoice::Auto => match create(XdpMode::Native) {
            Err(e) if driver_refuses(&e) => (create(XdpMode::Generic)?, XdpMode::Generic, Some(e)),
            other => (other?, XdpMode::Native, None),
        },
    };
    if let Err(error) = sys::pin(link.as_fd(), &dir.link(name)) {
        // Whatever comes of this, the link goes with its last file descriptor.
        let _ = sys::detach_link(link.as_fd());
        return Err(error);
    }
    Ok((mode, why))
}

/// Is this the answer of a driver: no XDP at all, or not on an interface set up as this one is (packets too
/// long, too few queues)? Drivers differ in the number that they say it with; these are the kernel's own.
fn driver_refuses(error: &io::Error) -> bool {
    !matches!(
        error.raw_os_error(),
        Some(
            libc::EBUSY
                | libc::EEXIST
                | libc::EPERM
                | libc::EACCES
                | libc::ENOMEM
                | libc::E2BIG
                | libc::ENODEV
                | libc::EBADF
        )
    )
}
