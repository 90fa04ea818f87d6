//! Programs.

use super::{Command, IdAttr, bpf, bpf_fd, info, name};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

/// `BPF_PROG_TYPE_SOCKET_FILTER`
pub const SOCKET_FILTER: u32 = 1;
/// `BPF_PROG_TYPE_XDP`
pub const XDP: u32 = 6;

/// `BPF_LOG_LEVEL1`: what the verifier goes through, up to where it gives up.
const LOG_LEVEL: u32 = 1;

/// Sizes of buffers for the verifier's log, tried in turn.
const LOG_BYTES: [usize; 3] = [1 << 16, 1 << 20, 1 << 24];

/// A signal makes the kernel give up loading; so often it is asked again, as libbpf does.
const MAX_ATTEMPTS: usize = 5;

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
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
}

/// `union bpf_attr`, the member of `BPF_BTF_LOAD`.
#[repr(C)]
#[derive(Default)]
struct BtfAttr {
    btf: u64,
    btf_log_buf: u64,
    btf_size: u32,
    btf_log_size: u32,
    btf_log_level: u32,
}

/// `union bpf_attr`, the first fields of the member of `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

/// Records of `.BTF.ext`, ready for the kernel.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Bytes of one; 0 if there are none.
    pub size_bytes: usize,
    /// All of them.
    pub bytes: Vec<u8>,
}

impl Records {
    fn count(&self) -> u32 {
        self.bytes.len().checked_div(self.size_bytes).unwrap_or(0) as u32
    }
}

/// A program as the kernel takes it.
#[derive(Debug, Clone)]
pub struct ProgSpec<'p> {
    /// [`SOCKET_FILTER`] or [`XDP`].
    pub kind: u32,
    /// Its symbol; the kernel keeps 15 bytes.
    pub name: &'p str,
    /// Slots, in the machine's byte order.
    pub insns: Vec<u64>,
    /// What it says it may be used under.
    pub license: &'p CStr,
    /// Its types.
    pub btf: Option<BorrowedFd<'p>>,
    /// Types of its functions.
    pub func_info: Records,
    /// Sources of its instructions.
    pub line_info: Records,
}

/// What the kernel tells of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgInfo {
    /// The kernel's number for it.
    pub id: u32,
    /// Its symbol, 15 bytes of it.
    pub name: String,
    /// How many instructions the verifier went through; 0 before Linux 5.16.
    pub verified_insns: u32,
}

/// Loads types.
pub fn load_btf(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr =
        BtfAttr { btf: btf.as_ptr() as u64, btf_size: btf.len() as u32, ..Default::default() };
    // SAFETY: the kernel reads `btf_size` bytes, alive here, and answers with a file descriptor.
    unsafe { bpf_fd(Command::BtfLoad, &mut attr) }
}

/// Loads a program.
pub fn load_program(spec: &ProgSpec<'_>) -> io::Result<OwnedFd> {
    load_with_log(spec, &mut [])
}

/// What the verifier says of a program that it refuses.
pub fn verifier_log(spec: &ProgSpec<'_>) -> String {
    for bytes in LOG_BYTES {
        let mut log = vec![0u8; bytes];
        let full = match load_with_log(spec, &mut log) {
            Err(e) => e.raw_os_error() == Some(libc::ENOSPC),
            // What it refused it takes now: then the log explains nothing.
            Ok(_) => return String::new(),
        };
        let end = log.iter().position(|&b| b == 0).unwrap_or(log.len());
        // What fills a buffer is its end where kernels turn it over (6.4), and else its beginning.
        if !full || bytes == LOG_BYTES[LOG_BYTES.len() - 1] {
            return String::from_utf8_lossy(&log[..end]).into_owned();
        }
    }
    String::new()
}

fn load_with_log(spec: &ProgSpec<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attr = LoadAttr {
        prog_type: spec.kind,
        insn_cnt: spec.insns.len() as u32,
        insns: spec.insns.as_ptr() as u64,
        license: spec.license.as_ptr() as u64,
        ..Default::default()
    };
    for (to, from) in attr.prog_name.iter_mut().take(15).zip(spec.name.bytes()) {
        *to = from;
    }
    if let Some(btf) = spec.btf {
        attr.prog_btf_fd = btf.as_raw_fd() as u32;
        attr.func_info_rec_size = spec.func_info.size_bytes as u32;
        attr.func_info = spec.func_info.bytes.as_ptr() as u64;
        attr.func_info_cnt = spec.func_info.count();
        attr.line_info_rec_size = spec.line_info.size_bytes as u32;
        attr.line_info = spec.line_info.bytes.as_ptr() as u64;
        attr.line_info_cnt = spec.line_info.count();
    }
    if !log.is_empty() {
        attr.log_level = LOG_LEVEL;
        attr.log_size = log.len() as u32;
        attr.log_buf = log.as_mut_ptr() as u64;
    }
    let mut left = MAX_ATTEMPTS;
    loop {
        left -= 1;
        // SAFETY: the kernel reads so many instructions and records and a string that ends with 0, and writes
        // at most `log_size` bytes; all of it is alive here.
        match unsafe { bpf_fd(Command::ProgLoad, &mut attr) } {
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) && left > 0 => {}
            other => return other,
        }
    }
}

/// Shows a program one packet; gives its return code.
///
/// `out` gets the packet as the program left it, of which it must have room for all; an empty one gets nothing.
pub fn test_run(prog: BorrowedFd<'_>, data: &[u8], out: &mut Vec<u8>) -> io::Result<u32> {
    let mut attr = TestAttr {
        prog_fd: prog.as_raw_fd() as u32,
        data_size_in: data.len() as u32,
        data_in: data.as_ptr() as u64,
        ..Default::default()
    };
    if !out.is_empty() {
        attr.data_size_out = out.len() as u32;
        attr.data_out = out.as_mut_ptr() as u64;
    }
    // SAFETY: the kernel reads `data_size_in` bytes and writes at most `data_size_out`.
    unsafe { bpf(Command::ProgTestRun, &mut attr) }?;
    if !out.is_empty() {
        out.truncate(attr.data_size_out as usize);
    }
    Ok(attr.retval)
}

/// Runs a program on a packet so many times.
pub fn test_runs(prog: BorrowedFd<'_>, data: &[u8], times: u32) -> io::Result<()> {
    let mut attr = TestAttr {
        prog_fd: prog.as_raw_fd() as u32,
        data_size_in: data.len() as u32,
        data_in: data.as_ptr() as u64,
        repeat: times,
        ..Default::default()
    };
    // SAFETY: the kernel reads `data_size_in` bytes.
    unsafe { bpf(Command::ProgTestRun, &mut attr) }.map(drop)
}

/// The kernel's count of ticks, which only programs can read.
pub fn ticks() -> io::Result<u64> {
    // A program returns 32 bits: the upper half, the lower, and the upper once more, in case it went on meanwhile.
    loop {
        let [above, below, again] = [32, 0, 32].map(ticks_shifted);
        let (above, below) = (above?, below?);
        if again? == above {
            return Ok(u64::from(above) << 32 | u64::from(below));
        }
    }
}

/// The count of ticks, shifted to the right by so many bits.
fn ticks_shifted(bits: u8) -> io::Result<u32> {
    // call bpf_jiffies64; r0 >>= bits; exit
    let insns = [
        [0x85, 0, 0, 0, 118, 0, 0, 0],
        [0x77, 0, 0, 0, bits, 0, 0, 0],
        [0x95, 0, 0, 0, 0, 0, 0, 0],
    ];
    let spec = ProgSpec {
        kind: SOCKET_FILTER,
        name: "l4c_ticks",
        insns: insns.map(u64::from_le_bytes).to_vec(),
        license: c"Dual MIT/GPL",
        btf: None,
        func_info: Records::default(),
        line_info: Records::default(),
    };
    let prog = load_program(&spec)?;
    test_run(prog.as_fd(), &[0; 64], &mut Vec::new())
}

/// Looks at a program.
pub fn prog_info(prog: BorrowedFd<'_>) -> io::Result<ProgInfo> {
    // struct bpf_prog_info: type, id, the name at byte 64, verified_insns at byte 216.
    let words = info::<29>(prog)?;
    Ok(ProgInfo { id: words[0][1], name: name(&words[8..10]), verified_insns: words[27][0] })
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
    let spec = ProgSpec {
        kind: XDP,
        name: "",
        insns: vec![0xb7, 0x95],
        license: c"Dual MIT/GPL",
        btf: None,
        func_info: Records::default(),
        line_info: Records::default(),
    };
    load_program(&spec).map(drop)
}
