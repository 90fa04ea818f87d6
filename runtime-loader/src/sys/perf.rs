//! Perf rings: where a program leaves records for whoever maps them (`include/uapi/linux/perf_event.h`).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_BPF_OUTPUT: u64 = 10;
const PERF_SAMPLE_TIME: u64 = 1 << 2;
const PERF_SAMPLE_RAW: u64 = 1 << 10;
/// Since Linux 6.0: reading the event tells how many records were lost.
const PERF_FORMAT_LOST: u64 = 1 << 4;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// Bits of the attributes: wake readers up by bytes, not by records; take times from `clockid`.
const WATERMARK: u64 = 1 << 14;
const USE_CLOCKID: u64 = 1 << 25;

const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;

/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const DATA_HEAD_OFF: usize = 1024;
const DATA_TAIL_OFF: usize = 1032;

/// Bytes of `struct perf_event_header`.
const HEADER_BYTES: usize = 8;

/// Sizes of a ring's data that are tried in turn: pinned memory is limited, other than for CAP_IPC_LOCK. The
/// least holds the longest record, of 64 KiB.
const RING_BYTES: [usize; 4] = [1 << 20, 1 << 19, 1 << 18, 1 << 17];

/// `struct perf_event_attr`, as long as it was in Linux 4.8 (`PERF_ATTR_SIZE_VER5`).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const _: () = assert!(size_of::<Attributes>() == 112);

/// What a program left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left<'r> {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// What; up to 7 bytes longer than the program said.
    pub bytes: &'r [u8],
}

/// The ring of one CPU.
#[derive(Debug)]
pub struct Ring {
    event: OwnedFd,
    pages: Pages,
    /// The record at hand, in one piece.
    record: Vec<u8>,
    /// Lost records by the ring's own account, which comes with the next record that is not lost.
    told_lost: u64,
    /// The kernel counts them too.
    counts_lost: bool,
}

/// A control page and a power of two of data pages, shared with the kernel.
#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
    page_bytes: usize,
    data_bytes: usize,
}

impl Ring {
    /// Opens the ring of a CPU. Programs do not find it before it is in their map.
    pub fn open(cpu: u32) -> io::Result<Self> {
        let (event, counts_lost) = match open_event(cpu, PERF_FORMAT_LOST) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => (open_event(cpu, 0)?, false),
            other => (other?, true),
        };
        let pages = Pages::map(event.as_fd())?;
        Ok(Self { event, pages, record: Vec::new(), told_lost: 0, counts_lost })
    }

    /// Hands on what has been left until now, and makes room for more.
    pub fn drain(&mut self, mut each: impl FnMut(Left<'_>)) {
        let head = self.pages.word(DATA_HEAD_OFF).load(Ordering::Acquire);
        let tail = self.pages.word(DATA_TAIL_OFF);
        let mut at = tail.load(Ordering::Relaxed);
        while at != head {
            let left = head.wrapping_sub(at);
            self.pages.copy(at, HEADER_BYTES, &mut self.record);
            let &[a, b, c, d, _, _, e, f] = self.record.as_slice() else { break };
            let kind = u32::from_ne_bytes([a, b, c, d]);
            let bytes = u16::from_ne_bytes([e, f]);
            if usize::from(bytes) < HEADER_BYTES || u64::from(bytes) > left {
                // Not what the kernel writes: go on behind it.
                at = head;
                break;
            }
            self.pages.copy(at, usize::from(bytes), &mut self.record);
            let body = self.record.get(HEADER_BYTES..).unwrap_or_default();
            match kind {
                PERF_RECORD_SAMPLE => left_in(body).into_iter().for_each(&mut each),
                PERF_RECORD_LOST => self.told_lost += lost_in(body),
                _ => {}
            }
            at = at.wrapping_add(u64::from(bytes));
            self.pages.word(DATA_TAIL_OFF).store(at, Ordering::Release);
        }
        self.pages.word(DATA_TAIL_OFF).store(at, Ordering::Release);
    }

    /// How many records there was no room for. Before Linux 6.0 those are not among them that no other record
    /// has followed.
    pub fn lost(&self) -> u64 {
        let mut counted = [0u8; 16];
        match rustix::io::read(&self.event, &mut counted[..]) {
            // The event's value, then what was lost.
            Ok(16) if self.counts_lost => {
                let [_, lost] = [&counted[..8], &counted[8..]].map(word);
                lost
            }
            Ok(_) | Err(_) => self.told_lost,
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

fn open_event(cpu: u32, read_format: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: PERF_TYPE_SOFTWARE,
        size: size_of::<Attributes>() as u32,
        config: PERF_COUNT_SW_BPF_OUTPUT,
        sample_period: 1,
        sample_type: PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
        read_format,
        flags: WATERMARK | USE_CLOCKID,
        wakeup_watermark: (RING_BYTES[RING_BYTES.len() - 1] / 2) as u32,
        clockid: libc::CLOCK_REALTIME,
        ..Default::default()
    };
    let (any_process, no_group) = (-1 as libc::pid_t, -1 as libc::c_int);
    // SAFETY: the kernel reads `size` bytes of attributes, all of them alive here.
    let event = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            any_process,
            cpu as libc::c_int,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new file descriptor of ours, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(event as i32) })
}

/// What a sample record holds: time, length, bytes.
fn left_in(body: &[u8]) -> Option<Left<'_>> {
    let (time, rest) = body.split_first_chunk::<8>()?;
    let (bytes, rest) = rest.split_first_chunk::<4>()?;
    let bytes = rest.get(..u32::from_ne_bytes(*bytes) as usize)?;
    Some(Left { time_ns: u64::from_ne_bytes(*time), bytes })
}

/// How many a record of losses tells of: behind the event's number.
fn lost_in(body: &[u8]) -> u64 {
    body.get(8..16).map_or(0, word)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

impl Pages {
    /// Maps a ring, a smaller one where there is no room for a large one.
    fn map(event: BorrowedFd<'_>) -> io::Result<Self> {
        let page_bytes = rustix::param::page_size();
        let mut refused = io::Error::from(io::ErrorKind::OutOfMemory);
        for data_bytes in RING_BYTES {
            let bytes = page_bytes + data_bytes;
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            let fd = event.as_raw_fd();
            // SAFETY: a new mapping, which replaces no old one.
            let start =
                unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, libc::MAP_SHARED, fd, 0) };
            match NonNull::new(start.cast::<u8>()) {
                Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => {
                    return Ok(Self { start, page_bytes, data_bytes });
                }
                Some(_) | None => refused = io::Error::last_os_error(),
            }
        }
        Err(refused)
    }

    /// A word of the control page.
    fn word(&self, off_bytes: usize) -> &AtomicU64 {
        debug_assert!(off_bytes + 8 <= self.page_bytes && off_bytes.is_multiple_of(8));
        // SAFETY: inside the first page of the mapping and aligned; kernel and readers share it as atomics do.
        unsafe { AtomicU64::from_ptr(self.start.add(off_bytes).cast().as_ptr()) }
    }

    /// Copies bytes out of the ring; more than it holds are none.
    fn copy(&self, at: u64, bytes: usize, to: &mut Vec<u8>) {
        to.clear();
        if bytes > self.data_bytes {
            return;
        }
        let from = (at % self.data_bytes as u64) as usize;
        let first = bytes.min(self.data_bytes - from);
        to.resize(bytes, 0);
        // SAFETY: both pieces lie in the data pages, and `to` has room for them. The kernel writes behind
        // `data_head` only, and not over what has not been given back by `data_tail`.
        unsafe {
            let data = self.start.add(self.page_bytes).as_ptr();
            std::ptr::copy_nonoverlapping(data.add(from), to.as_mut_ptr(), first);
            std::ptr::copy_nonoverlapping(data, to.as_mut_ptr().add(first), bytes - first);
        }
    }
}

// SAFETY: a mapping belongs to the process, not to a thread, and its only owner is moved.
unsafe impl Send for Pages {}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every borrow of it has ended.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.page_bytes + self.data_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_apart() {
        let mut body = 77u64.to_ne_bytes().to_vec();
        body.extend(4u32.to_ne_bytes());
        body.extend([1, 2, 3, 4]);
        assert_eq!(left_in(&body), Some(Left { time_ns: 77, bytes: &[1, 2, 3, 4] }));
        assert_eq!(left_in(&body[..15]), None);
        assert_eq!(left_in(&[]), None);
        let lost = [5u64.to_ne_bytes(), 9u64.to_ne_bytes()].concat();
        assert_eq!(lost_in(&lost), 9);
        assert_eq!(lost_in(&lost[..8]), 0);
    }
}
