//! Programs.

use super::{Command, IdAttr, bpf_fd, info, name};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

const BPF_PROG_TYPE_XDP: u32 = 6;

/// `union bpf_attr`, the first fields of the load command's member; the kernel takes the rest as 0.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// What the kernel tells of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgInfo {
    /// The kernel's number for it.
    pub id: u32,
    /// Its symbol, 15 bytes of it.
    pub name: String,
}

/// Looks at a program.
pub fn prog_info(prog: BorrowedFd<'_>) -> io::Result<ProgInfo> {
    // struct bpf_prog_info: type, id, and the name at byte 64.
    let words = info::<10>(prog)?;
    Ok(ProgInfo { id: words[0][1], name: name(&words[8..]) })
}

/// Opens a program by its id; takes CAP_SYS_ADMIN.
pub fn prog_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = IdAttr { id, ..Default::default() };
    // SAFETY: no addresses; the answer is a file descriptor.
    unsafe { bpf_fd(Command::ProgGetFdById, &mut attr) }
}

/// Loads a program that returns 0 and closes it again.
pub fn load_empty_program() -> io::Result<()> {
    // r0 = 0; exit
    let insns: [u64; 2] = [0xb7, 0x95];
    let license = c"Dual MIT/GPL";
    let mut attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_XDP,
        insn_cnt: insns.len() as u32,
        insns: insns.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..Default::default()
    };
    // SAFETY: the kernel reads the two instructions and the license, both alive here, and answers with
    // a file descriptor.
    unsafe { bpf_fd(Command::ProgLoad, &mut attr) }.map(drop)
}
