//! Elements of hash maps whose values are one 64-bit word.

use super::map::{BatchAttr, ElementAttr};
use super::{Command, bpf, map_info};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

const BPF_MAP_TYPE_HASH: u32 = 1;

/// Elements that the kernel is handed, or asked for, at once.
const BATCH: usize = 8192;

/// Whether an element must be there before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It must not be there (`BPF_NOEXIST`).
    Missing = 1,
    /// It must be there (`BPF_EXIST`).
    Existing = 2,
}

/// Looks whether a map is such a one, and says how many bytes its keys have.
fn key_bytes(map: BorrowedFd<'_>) -> io::Result<usize> {
    let info = map_info(map)?;
    if info.kind != BPF_MAP_TYPE_HASH || info.value_bytes != 8 || info.key_bytes == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no elements of a set"));
    }
    Ok(info.key_bytes as usize)
}

fn wrong_key() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the key is of another size")
}

/// One command for one element.
fn one(
    command: Command,
    map: BorrowedFd<'_>,
    key: &[u8],
    value: &mut u64,
    flags: u64,
) -> io::Result<()> {
    if key.len() != key_bytes(map)? {
        return Err(wrong_key());
    }
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        padding: 0,
        key: key.as_ptr() as u64,
        // The kernel wants nothing but a key from this one.
        value: if command == Command::MapDeleteElem { 0 } else { std::ptr::from_mut(value) as u64 },
        flags,
    };
    // SAFETY: the key has the size of the map's keys and `value` that of its values, as asked just above.
    unsafe { bpf(command, &mut attr) }.map(drop)
}

/// None where the kernel says that there is no such element.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What is under a key.
pub fn find(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<Option<u64>> {
    let mut value = 0;
    there(one(Command::MapLookupElem, map, key, &mut value, 0).map(|()| value))
}

/// Writes one element; false if it had to be there and is not, or is there and must not be.
pub fn put(map: BorrowedFd<'_>, key: &[u8], mut value: u64, how: Write) -> io::Result<bool> {
    let done = one(Command::MapUpdateElem, map, key, &mut value, how as u64);
    match done {
        Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        done => there(done).map(|done| done.is_some()),
    }
}

/// Takes an element out; false if it is not there.
pub fn erase(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    let done = one(Command::MapDeleteElem, map, key, &mut 0, 0);
    there(done).map(|done| done.is_some())
}

/// Takes an element out and says what it was, in one step where the kernel can (5.14).
pub fn take(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<Option<u64>> {
    let mut value = 0;
    let taken = one(Command::MapLookupAndDeleteElem, map, key, &mut value, 0);
    match taken {
        // 524 is the kernel's own ENOTSUPP.
        Err(e) if matches!(e.raw_os_error(), Some(524 | libc::EOPNOTSUPP | libc::EINVAL)) => {
            let value = find(map, key)?;
            erase(map, key)?;
            Ok(value)
        }
        taken => there(taken.map(|()| value)),
    }
}

/// Writes many elements; `keys` stand one behind the other. They are written in order, and stay where a later one
/// is refused.
pub fn put_all(map: BorrowedFd<'_>, keys: &[u8], values: &[u64]) -> io::Result<()> {
    let size = key_bytes(map)?;
    if keys.len() != size * values.len() {
        return Err(wrong_key());
    }
    for (keys, values) in keys.chunks(size * BATCH).zip(values.chunks(BATCH)) {
        let mut attr = BatchAttr {
            keys: keys.as_ptr() as u64,
            values: values.as_ptr() as u64,
            count: values.len() as u32,
            map_fd: map.as_raw_fd() as u32,
            ..Default::default()
        };
        // SAFETY: the kernel reads `count` keys and values, of the sizes asked above.
        unsafe { bpf(Command::MapUpdateBatch, &mut attr) }?;
    }
    Ok(())
}

/// What a map held, in no order.
#[derive(Debug)]
pub struct Elements {
    key_bytes: usize,
    /// One behind the other.
    keys: Vec<u8>,
    values: Vec<u64>,
}

impl Elements {
    /// Keys and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.keys.chunks_exact(self.key_bytes).zip(self.values.iter().copied())
    }
}

/// All elements. Of what changes meanwhile some is seen.
pub fn all(map: BorrowedFd<'_>) -> io::Result<Elements> {
    let size = key_bytes(map)?;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let (mut from, mut next) = (0u32, 0u32);
    let (mut first, mut room) = (true, BATCH);
    loop {
        let mut batch_keys = vec![0u8; size * room];
        let mut batch_values = vec![0u64; room];
        let mut attr = BatchAttr {
            in_batch: if first { 0 } else { (&raw mut from) as u64 },
            out_batch: (&raw mut next) as u64,
            keys: batch_keys.as_mut_ptr() as u64,
            values: batch_values.as_mut_ptr() as u64,
            count: room as u32,
            map_fd: map.as_raw_fd() as u32,
            ..Default::default()
        };
        // SAFETY: there is room for `count` keys and values, of the sizes asked above, and for the place to go on at.
        let done = unsafe { bpf(Command::MapLookupBatch, &mut attr) };
        let last = match done {
            Ok(_) => false,
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => true,
            // A bucket that holds more than there is room for.
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) && room < 64 * BATCH => {
                room *= 2;
                continue;
            }
            Err(e) => return Err(e),
        };
        let count = (attr.count as usize).min(room);
        keys.extend_from_slice(&batch_keys[..size * count]);
        values.extend_from_slice(&batch_values[..count]);
        if last {
            return Ok(Elements { key_bytes: size, keys, values });
        }
        (from, first) = (next, false);
    }
}
