//! The few calls of bpf(2) that aya has no function for.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

// Commands and numbers of `include/uapi/linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
const BPF_MAP_UPDATE_BATCH: libc::c_long = 26;
const BPF_PROG_TYPE_XDP: u32 = 6;

/// `union bpf_attr`, the batch commands' member.
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

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

/// Calls bpf(2).
///
/// # Safety
/// Addresses in `attr` must point to what `command` reads and writes there.
unsafe fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads and writes `size_of::<T>()` bytes at `attr`, a plain C struct; the
    // caller vouches for the addresses in it.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// An array map of which all values are read or written at once.
#[derive(Debug, Clone, Copy)]
pub struct ArrayShape {
    /// Number of values; the keys are 0 up to it, 4 bytes each.
    pub max_entries: u32,
    /// 64-bit words that the kernel copies for one key: all CPUs of a per-CPU map.
    pub words_a_key: usize,
}

impl ArrayShape {
    fn words(self) -> usize {
        self.words_a_key * self.max_entries as usize
    }
}

/// Reads all values of an array map, in the order of the keys and within a key of the CPUs.
///
/// `shape` must be the kernel's own account of the map: so much it writes.
pub fn read_array(map: BorrowedFd<'_>, shape: ArrayShape) -> io::Result<Vec<u64>> {
    let mut keys = vec![0u32; shape.max_entries as usize];
    let mut values = vec![0u64; shape.words()];
    let mut next = 0u32;
    let mut attr = BatchAttr {
        out_batch: (&raw mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: shape.max_entries,
        map_fd: map.as_raw_fd() as u32,
        ..Default::default()
    };
    // SAFETY: the kernel writes at most `count` keys of 4 bytes, as many values of the size given
    // by the shape, and a key of 4 bytes at `out_batch`.
    unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &mut attr) }?;
    Ok(values)
}

/// Sets all values of an array map to zero; `shape` as in [`read_array`].
pub fn zero_array(map: BorrowedFd<'_>, shape: ArrayShape) -> io::Result<()> {
    let keys: Vec<u32> = (0..shape.max_entries).collect();
    let values = vec![0u64; shape.words()];
    let mut attr = BatchAttr {
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count: shape.max_entries,
        map_fd: map.as_raw_fd() as u32,
        ..Default::default()
    };
    // SAFETY: the kernel reads `count` keys of 4 bytes and as many values of the size given by the
    // shape.
    unsafe { bpf(BPF_MAP_UPDATE_BATCH, &mut attr) }.map(drop)
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
    // SAFETY: the kernel reads the two instructions and the license, both alive here.
    let fd = unsafe { bpf(BPF_PROG_LOAD, &mut attr) }?;
    // SAFETY: a new file descriptor of ours, owned by nobody else.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    Ok(())
}

/// Lifts the limit on locked memory, by which kernels before 5.11 account maps and programs. Newer
/// ones do not need it, so that a refusal is no error.
pub fn raise_memlock() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads one struct.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) };
}
