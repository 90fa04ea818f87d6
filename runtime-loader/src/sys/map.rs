//! Maps.

use super::{Command, bpf, bpf_fd, info, name};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

const BPF_MAP_TYPE_ARRAY: u32 = 2;

/// `union bpf_attr`, the batch commands' member.
#[repr(C)]
#[derive(Default)]
pub(super) struct BatchAttr {
    pub in_batch: u64,
    pub out_batch: u64,
    pub keys: u64,
    pub values: u64,
    pub count: u32,
    pub map_fd: u32,
    pub elem_flags: u64,
    pub flags: u64,
}

/// `union bpf_attr`, the first fields of the member of `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Default)]
struct CreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
    map_ifindex: u32,
    btf_fd: u32,
    btf_key_type_id: u32,
    btf_value_type_id: u32,
}

/// `union bpf_attr`, the member of the commands for one element.
#[repr(C)]
pub(super) struct ElementAttr {
    pub map_fd: u32,
    pub padding: u32,
    pub key: u64,
    pub value: u64,
    pub flags: u64,
}

/// `union bpf_attr`, the member of `BPF_MAP_FREEZE`.
#[repr(C)]
struct FreezeAttr {
    map_fd: u32,
}

/// What the kernel tells of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapInfo {
    /// `enum bpf_map_type`.
    pub kind: u32,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// `max_entries`.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// Its symbol, 15 bytes of it.
    pub name: String,
}

/// Looks at a map.
pub fn map_info(map: BorrowedFd<'_>) -> io::Result<MapInfo> {
    // struct bpf_map_info begins with these, in this order.
    let words = info::<5>(map)?;
    let [[kind, _id], [key_bytes, value_bytes], [max_entries, flags], ..] = words;
    Ok(MapInfo { kind, key_bytes, value_bytes, max_entries, flags, name: name(&words[3..]) })
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
    let mut values = vec![0u64; shape.words()];
    let stride_bytes = shape.words_a_key * size_of::<u64>();
    // SAFETY: `values` has room for as many values of that size.
    unsafe { all(Way::Read, map, shape.max_entries, values.as_mut_ptr() as u64, stride_bytes) }?;
    Ok(values)
}

/// Sets all values of an array map to zero; `shape` as in [`read_array`].
pub fn zero_array(map: BorrowedFd<'_>, shape: ArrayShape) -> io::Result<()> {
    let values = vec![0u64; shape.words()];
    let stride_bytes = shape.words_a_key * size_of::<u64>();
    // SAFETY: `values` holds as many values of that size.
    unsafe { all(Way::Write, map, shape.max_entries, values.as_ptr() as u64, stride_bytes) }
}

/// All values of an array map in one piece, in the order of the keys. Not for per-CPU maps.
pub fn read_values(map: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let info = map_info(map)?;
    if info.kind != BPF_MAP_TYPE_ARRAY || info.key_bytes != 4 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no array"));
    }
    let stride_bytes = info.value_bytes as usize;
    let mut values = vec![0u8; stride_bytes * info.max_entries as usize];
    // SAFETY: `values` has room for as many values of that size.
    unsafe { all(Way::Read, map, info.max_entries, values.as_mut_ptr() as u64, stride_bytes) }?;
    Ok(values)
}

/// Writes all values of an array map, in the order of the keys. Not for per-CPU maps.
pub fn write_values(map: BorrowedFd<'_>, values: &[u8]) -> io::Result<()> {
    let info = map_info(map)?;
    let stride_bytes = info.value_bytes as usize;
    let fits = values.len() == stride_bytes * info.max_entries as usize;
    if info.kind != BPF_MAP_TYPE_ARRAY || info.key_bytes != 4 || !fits {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the values are of another size"));
    }
    // SAFETY: `values` holds as many values of that size.
    unsafe { all(Way::Write, map, info.max_entries, values.as_ptr() as u64, stride_bytes) }
}

/// Sets all values of an array map to zero, some at a time. Not for per-CPU maps.
pub fn zero_values(map: BorrowedFd<'_>) -> io::Result<()> {
    let info = map_info(map)?;
    if info.kind != BPF_MAP_TYPE_ARRAY || info.key_bytes != 4 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no array"));
    }
    let stride_bytes = info.value_bytes as usize;
    let values = vec![0u8; stride_bytes * info.max_entries as usize];
    // SAFETY: `values` holds as many values of that size.
    unsafe { all(Way::Write, map, info.max_entries, values.as_ptr() as u64, stride_bytes) }
}

/// What is done to the values of a map.
#[derive(Debug, Clone, Copy)]
enum Way {
    Read,
    Write,
}

impl Way {
    const fn batch(self) -> Command {
        match self {
            Self::Read => Command::MapLookupBatch,
            Self::Write => Command::MapUpdateBatch,
        }
    }

    const fn one(self) -> Command {
        match self {
            Self::Read => Command::MapLookupElem,
            Self::Write => Command::MapUpdateElem,
        }
    }
}

/// Does the kernel not do this to many elements at once? Per-CPU arrays came to it in 5.13.
fn one_by_one(error: &io::Error) -> bool {
    // 524 is the kernel's own ENOTSUPP.
    matches!(error.raw_os_error(), Some(524 | libc::EOPNOTSUPP))
}

/// Reads or writes the values of the keys 0 up to `entries`.
///
/// # Safety
/// At `values` there must be `entries` values of `stride_bytes`, the size that the kernel gives a value of this
/// map; room for them, if they are to be read.
unsafe fn all(
    way: Way,
    map: BorrowedFd<'_>,
    entries: u32,
    values: u64,
    stride_bytes: usize,
) -> io::Result<()> {
    let mut keys: Vec<u32> = (0..entries).collect();
    let mut next = 0u32;
    let mut attr = BatchAttr {
        out_batch: (&raw mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values,
        count: entries,
        map_fd: map.as_raw_fd() as u32,
        ..Default::default()
    };
    // SAFETY: the kernel reads or writes at most `count` keys of 4 bytes and as many values, for which the caller
    // vouches, and writes a key of 4 bytes at `out_batch`.
    match unsafe { bpf(way.batch(), &mut attr) } {
        Err(error) if one_by_one(&error) => {}
        other => return other.map(drop),
    }
    for key in 0..entries {
        // SAFETY: as above, one value at a time.
        unsafe { element(way.one(), map, key, values, stride_bytes) }?;
    }
    Ok(())
}

/// Reads or writes the value of one key at its place in `values`.
///
/// # Safety
/// As [`all`].
unsafe fn element(
    command: Command,
    map: BorrowedFd<'_>,
    key: u32,
    values: u64,
    stride_bytes: usize,
) -> io::Result<()> {
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        padding: 0,
        key: (&raw const key) as u64,
        value: values + u64::from(key) * stride_bytes as u64,
        flags: 0,
    };
    // SAFETY: the kernel reads 4 bytes of key; the caller vouches for the value.
    unsafe { bpf(command, &mut attr) }.map(drop)
}

/// Sets the value of one key of a map whose values have 4 bytes, a file descriptor among them.
pub fn set_element(map: BorrowedFd<'_>, key: u32, value: u32) -> io::Result<()> {
    if map_info(map)?.value_bytes != size_of::<u32>() as u32 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its values have another size"));
    }
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        padding: 0,
        key: (&raw const key) as u64,
        value: (&raw const value) as u64,
        flags: 0,
    };
    // SAFETY: the kernel reads 4 bytes of key and, as asked just above, 4 of the value.
    unsafe { bpf(Command::MapUpdateElem, &mut attr) }.map(drop)
}

/// A map as the kernel makes it.
#[derive(Debug, Clone, Copy)]
pub struct MapSpec<'m> {
    /// Its symbol; the kernel keeps 15 bytes.
    pub name: &'m str,
    /// `enum bpf_map_type`.
    pub kind: u32,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// `max_entries`.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// Types, and which of them key and value have.
    pub types: Option<(BorrowedFd<'m>, u32, u32)>,
}

impl<'m> MapSpec<'m> {
    /// An array that holds `bytes` in values of `value_bytes`.
    pub fn array(name: &'m str, bytes: usize, value_bytes: u32) -> Self {
        Self {
            name,
            kind: BPF_MAP_TYPE_ARRAY,
            key_bytes: 4,
            value_bytes,
            max_entries: bytes.div_ceil(value_bytes as usize).max(1) as u32,
            flags: 0,
            types: None,
        }
    }
}

/// Makes a map.
pub fn create_map(spec: &MapSpec<'_>) -> io::Result<OwnedFd> {
    let mut attr = CreateAttr {
        map_type: spec.kind,
        key_size: spec.key_bytes,
        value_size: spec.value_bytes,
        max_entries: spec.max_entries,
        map_flags: spec.flags,
        ..Default::default()
    };
    for (to, from) in attr.map_name.iter_mut().take(15).zip(spec.name.bytes()) {
        *to = from;
    }
    if let Some((btf, key, value)) = spec.types {
        attr.btf_fd = btf.as_raw_fd() as u32;
        attr.btf_key_type_id = key;
        attr.btf_value_type_id = value;
    }
    // SAFETY: no addresses; the answer is a file descriptor.
    unsafe { bpf_fd(Command::MapCreate, &mut attr) }
}

/// Makes an array with this content, filled up with blanks.
pub fn create_array(spec: &MapSpec<'_>, content: &[u8]) -> io::Result<OwnedFd> {
    let stride_bytes = spec.value_bytes as usize;
    let mut values = content.to_vec();
    values.resize(stride_bytes * spec.max_entries as usize, b' ');
    let map = create_map(spec)?;
    // SAFETY: `values` holds as many values of that size.
    unsafe {
        all(Way::Write, map.as_fd(), spec.max_entries, values.as_ptr() as u64, stride_bytes)
    }?;
    Ok(map)
}

/// From now on nobody can change a map from outside.
pub fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut freeze = FreezeAttr { map_fd: map.as_raw_fd() as u32 };
    // SAFETY: no addresses.
    unsafe { bpf(Command::MapFreeze, &mut freeze) }.map(drop)
}

/// Makes an array with this content, filled up with blanks, which from then on nobody can change from
/// outside.
pub fn create_frozen_array(spec: &MapSpec<'_>, content: &[u8]) -> io::Result<OwnedFd> {
    let map = create_array(spec, content)?;
    freeze(map.as_fd())?;
    Ok(map)
}

/// Writes the one value of an array of one value.
pub fn write_single(map: BorrowedFd<'_>, value: &[u8]) -> io::Result<()> {
    if map_info(map)?.max_entries != 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "there is more than one value"));
    }
    write_value(map, 0, value)
}

/// Writes a value of an array.
pub fn write_value(map: BorrowedFd<'_>, index: u32, value: &[u8]) -> io::Result<()> {
    let info = map_info(map)?;
    if info.kind != BPF_MAP_TYPE_ARRAY
        || index >= info.max_entries
        || info.key_bytes != 4
        || info.value_bytes as usize != value.len()
    {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the value is of another size"));
    }
    let mut attr = ElementAttr {
        map_fd: map.as_raw_fd() as u32,
        padding: 0,
        key: (&raw const index) as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    // SAFETY: the kernel reads 4 bytes of key and, as asked just above, all of the value; no per-CPU map is asked for.
    unsafe { bpf(Command::MapUpdateElem, &mut attr) }.map(drop)
}
