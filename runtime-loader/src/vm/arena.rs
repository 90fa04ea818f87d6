//! Memory below 4 GiB that holds everything an interpreted program may touch but its stack.
//!
//! The context words of XDP are 32 bits wide, and the interpreter takes them for pointers: hence
//! the low addresses. One range for all of it keeps the interpreter's check of an access short.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;

/// A private, zeroed mapping below 4 GiB. All access is by address and checked.
pub struct Arena {
    base: NonNull<u8>,
    len_bytes: usize,
}

/// Pages of the kernel have this size, or a part of it more.
const PAGE_BYTES: u64 = 1 << 16;

/// Fewer pages are faster filled with zeros than given up.
const MANY_PAGES: u64 = 4;

impl Arena {
    /// Maps `len_bytes` (at least one).
    ///
    /// # Errors
    /// The system's, when there is no such room.
    pub fn new(len_bytes: usize) -> io::Result<Self> {
        let base = map_low(len_bytes.max(1))?;
        Ok(Self { base, len_bytes: len_bytes.max(1) })
    }

    /// Address of the first byte.
    pub fn start(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// Address behind the last byte.
    pub fn end(&self) -> u64 {
        self.start() + self.len_bytes as u64
    }

    /// Whether the bytes from `addr` on are all inside.
    pub fn holds(&self, addr: u64, len_bytes: u64) -> bool {
        addr >= self.start() && addr.checked_add(len_bytes).is_some_and(|end| end <= self.end())
    }

    fn check(&self, addr: u64, len_bytes: usize) {
        assert!(self.holds(addr, len_bytes as u64), "arena access is laid out at load");
    }

    /// Copies bytes in.
    ///
    /// # Panics
    /// When they would lie outside.
    pub fn write(&self, addr: u64, bytes: &[u8]) {
        self.check(addr, bytes.len());
        // SAFETY: checked to lie in the mapping, which no Rust object overlaps.
        unsafe { std::ptr::copy(bytes.as_ptr(), addr as *mut u8, bytes.len()) }
    }

    /// Zeroes bytes.
    ///
    /// # Panics
    /// When they would lie outside.
    pub fn zero(&self, addr: u64, len_bytes: usize) {
        self.check(addr, len_bytes);
        // SAFETY: as in `write`.
        let fill = |from: u64, to: u64| unsafe {
            std::ptr::write_bytes(from as *mut u8, 0, (to - from) as usize);
        };
        let end = addr + len_bytes as u64;
        let (first, last) = (addr.next_multiple_of(PAGE_BYTES), end / PAGE_BYTES * PAGE_BYTES);
        if last < first + MANY_PAGES * PAGE_BYTES {
            return fill(addr, end);
        }
        fill(addr, first);
        fill(last, end);
        // SAFETY: whole pages of the mapping, checked above, which are anonymous and private: given up, they come
        // back as zeros.
        let gone =
            unsafe { libc::madvise(first as *mut _, (last - first) as usize, libc::MADV_DONTNEED) };
        if gone != 0 {
            fill(first, last);
        }
    }

    /// Reads a word in the machine's byte order.
    ///
    /// # Panics
    /// When it would lie outside.
    pub fn read_u64(&self, addr: u64) -> u64 {
        self.check(addr, size_of::<u64>());
        // SAFETY: as in `write`; any eight bytes are a number.
        unsafe { (addr as *const u64).read_unaligned() }
    }

    /// A range of the arena as the interpreter wants it: only its address and length are used.
    ///
    /// # Panics
    /// When it would lie outside.
    pub fn range(&self, addr: u64, len_bytes: usize) -> &[u8] {
        self.check(addr, len_bytes);
        // SAFETY: mapped and initialised (zeroed) as long as the arena lives. rbpf's interface is
        // a shared slice, although programs write there through addresses: nobody reads through
        // the slice itself, here or in rbpf.
        unsafe { std::slice::from_raw_parts(addr as *const u8, len_bytes) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every borrow of it has ended.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len_bytes) };
    }
}

const PROT: i32 = libc::PROT_READ | libc::PROT_WRITE;
const FLAGS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

#[cfg(target_arch = "x86_64")]
fn map_low(len_bytes: usize) -> io::Result<NonNull<u8>> {
    map_at(0, len_bytes, FLAGS | libc::MAP_32BIT)
}

/// Elsewhere there is no flag for it: ask at low addresses until one is free.
#[cfg(not(target_arch = "x86_64"))]
fn map_low(len_bytes: usize) -> io::Result<NonNull<u8>> {
    const STEP: usize = 1 << 24;
    (1..256)
        .find_map(|i| map_at(i * STEP, len_bytes, FLAGS | libc::MAP_FIXED_NOREPLACE).ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

fn map_at(hint: usize, len_bytes: usize, flags: i32) -> io::Result<NonNull<u8>> {
    // SAFETY: a new anonymous mapping; no flag lets it replace an old one.
    let addr = unsafe { libc::mmap(hint as *mut _, len_bytes, PROT, flags, -1, 0) };
    if addr == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let end = (addr as u64).checked_add(len_bytes as u64);
    if end.is_none_or(|end| end > u64::from(u32::MAX)) {
        // SAFETY: mapped just above.
        unsafe { libc::munmap(addr, len_bytes) };
        return Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    }
    NonNull::new(addr.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}
