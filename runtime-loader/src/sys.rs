//! bpf(2), and the few calls beside it that have no safe wrapper.
//!
//! Every function is safe to call with any argument: what the kernel would read or write through an
//! address is owned here.
#![allow(unsafe_code)]

pub mod elements;
mod ethtool;
mod link;
mod map;
mod perf;
mod pin;
mod prog;

pub use ethtool::takes_tags_out;
pub use link::{XdpMode, create_xdp_link, detach_link, find_xdp_link, link_info, update_link};
pub use map::{
    ArrayShape, MapSpec, create_array, create_frozen_array, create_map, freeze, map_info,
    read_array, read_values, set_element, write_single, write_value, write_values, zero_array,
    zero_values,
};
pub use perf::Ring;
pub use pin::{get, pin};
pub use prog::{
    ProgSpec, Records, SOCKET_FILTER, XDP, load_btf, load_empty_program, load_program, prog_by_id,
    prog_info, test_run, test_runs, ticks, verifier_log,
};

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// Commands of `include/uapi/linux/bpf.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    MapCreate = 0,
    MapLookupElem = 1,
    MapUpdateElem = 2,
    MapDeleteElem = 3,
    ProgLoad = 5,
    ObjPin = 6,
    ObjGet = 7,
    ProgTestRun = 10,
    ProgGetFdById = 13,
    ObjGetInfoByFd = 15,
    BtfLoad = 18,
    MapLookupAndDeleteElem = 21,
    MapFreeze = 22,
    MapLookupBatch = 24,
    MapUpdateBatch = 26,
    LinkCreate = 28,
    LinkUpdate = 29,
    LinkGetFdById = 30,
    LinkGetNextId = 31,
    LinkDetach = 34,
}

/// Calls bpf(2).
///
/// # Safety
/// Addresses in `attr` must point to what `command` reads and writes there.
unsafe fn bpf<T>(command: Command, attr: &mut T) -> io::Result<libc::c_long> {
    let command = command as libc::c_long;
    // SAFETY: the kernel reads and writes `size_of::<T>()` bytes at `attr`, a plain C struct; the
    // caller vouches for the addresses in it.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Calls bpf(2) with a command that answers with a new file descriptor.
///
/// # Safety
/// As [`bpf`], and `command` must be one of those.
unsafe fn bpf_fd<T>(command: Command, attr: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: handed on to the caller.
    let fd = unsafe { bpf(command, attr) }?;
    // SAFETY: a new file descriptor of ours, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `union bpf_attr`, the member of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// The first `2 * WORDS` 32-bit words of what the kernel tells of an object. What this kernel does not
/// know of stays 0; addresses in it are 0, so that nothing is written through them.
fn info<const WORDS: usize>(fd: BorrowedFd<'_>) -> io::Result<[[u32; 2]; WORDS]> {
    let mut words = [0u64; WORDS];
    let mut attr = InfoAttr {
        bpf_fd: fd.as_raw_fd() as u32,
        info_len: size_of_val(&words) as u32,
        info: words.as_mut_ptr() as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes at `info`; the addresses that it looks for in
    // there are 0.
    unsafe { bpf(Command::ObjGetInfoByFd, &mut attr) }?;
    Ok(words.map(|word| {
        let bytes = word.to_ne_bytes();
        let half = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        [half(0), half(4)]
    }))
}

/// `union bpf_attr`, the member of the commands that open by id.
#[repr(C)]
#[derive(Default)]
struct IdAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// A C string of at most 15 bytes as bytes of an info struct hold it.
fn name(words: &[[u32; 2]]) -> String {
    let bytes: Vec<u8> = words.iter().flatten().flat_map(|half| half.to_ne_bytes()).collect();
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Lifts the limit on locked memory, by which kernels before 5.11 account maps and programs. Newer
/// ones do not need it, so that a refusal is no error.
pub fn raise_memlock() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads one struct.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) };
}

/// `MEMBARRIER_CMD_GLOBAL` of `include/uapi/linux/membarrier.h`.
const MEMBARRIER_CMD_GLOBAL: libc::c_long = 1;

/// Longer than any CPU stays with one packet.
const LONG_FOR_A_PACKET: Duration = Duration::from_millis(100);

/// Waits until no CPU runs a program that it began to run before this call.
///
/// membarrier(2) with this command is `synchronize_rcu()`, and packet programs run as RCU readers; where
/// the kernel does not offer it (`nohz_full`) a sleep stands for it.
pub fn wait_for_running_programs() {
    // SAFETY: no addresses.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if done != 0 {
        std::thread::sleep(LONG_FOR_A_PACKET);
    }
}
