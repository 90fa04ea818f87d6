//! Pins: names in bpffs that keep an object alive.

use super::{Command, bpf, bpf_fd};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// `union bpf_attr`, the member of `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
#[repr(C)]
#[derive(Default)]
struct PinAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}

/// Gives a map, program or link a name. Its mode is 0600 less the umask.
pub fn pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let mut attr = PinAttr {
        pathname: path.as_ptr() as u64,
        bpf_fd: fd.as_raw_fd() as u32,
        ..Default::default()
    };
    // SAFETY: the kernel reads a string that ends with 0.
    unsafe { bpf(Command::ObjPin, &mut attr) }.map(drop)
}

/// Opens what has been pinned.
pub fn get(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let mut attr = PinAttr { pathname: path.as_ptr() as u64, ..Default::default() };
    // SAFETY: the kernel reads a string that ends with 0, and answers with a file descriptor.
    unsafe { bpf_fd(Command::ObjGet, &mut attr) }
}
