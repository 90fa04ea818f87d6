//! An object's programs and maps into the kernel.
//!
//! aya-obj reads the file and links it; what is left is a handful of system calls, made here. (aya itself
//! would parse the types of the whole kernel, some megabytes, and probe for features with a dozen programs
//! before each load.)

use super::cpus;
use crate::{KernelError, Object, sys};
use aya_obj::btf::BtfFeatures;
use aya_obj::generated::bpf_insn;
use aya_obj::{EbpfSectionKind, Function, Map};
use l4c_manifest::{Hook, HookKind, MapKind, PARAMS_SECTION, Storage};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

/// The type of maps of perf rings.
const RINGS: u32 = MapKind::PerfEventArray.number();

/// Programs in the kernel, not yet attached anywhere: what is not pinned or attached goes with this.
#[derive(Debug)]
pub struct Loaded {
    maps: BTreeMap<String, OwnedFd>,
    programs: BTreeMap<String, OwnedFd>,
}

/// A map that the object is to share with what runs already.
#[derive(Debug)]
pub struct Kept {
    /// Symbol in the object.
    pub name: String,
    /// The map; it has the shape that the object asks for.
    pub map: OwnedFd,
}

/// What programs are told of interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ifaces {
    /// Their numbers here; one that is not here is an error.
    Live,
    /// That packets come in by none, until somebody says otherwise.
    Dry,
}

impl Loaded {
    /// Loads the programs of some hooks of an object; `params` is what they are told of their limits.
    ///
    /// # Errors
    /// [`KernelError`], with the verifier's log if it was the verifier that refused.
    pub fn new(
        object: &Object,
        hooks: &[&Hook],
        kept: Vec<Kept>,
        ifaces: Ifaces,
        params: Vec<u8>,
    ) -> Result<Self, KernelError> {
        let tables = hooks.iter().map(|hook| {
            let table = match ifaces {
                Ifaces::Live => crate::ifaces::live(hook)?,
                Ifaces::Dry => crate::ifaces::dry(hook, None),
            };
            Ok((hook.interface_section(), table))
        });
        let mut tables: BTreeMap<String, Vec<u8>> = tables.collect::<Result<_, KernelError>>()?;
        tables.insert(PARAMS_SECTION.to_owned(), params);
        sys::raise_memlock();
        let mut elf = aya_obj::Object::parse(object.elf()).map_err(|e| unfit(&e))?;
        let btf = load_btf(&mut elf)?;
        let mut maps: BTreeMap<String, OwnedFd> =
            kept.into_iter().map(|kept| (kept.name, kept.map)).collect();
        let wanted: BTreeMap<String, Map> = elf.maps.drain().collect();
        for (name, map) in
            wanted.iter().filter(|(name, _)| !maps.contains_key(*name)).collect::<Vec<_>>()
        {
            let content = match tables.get(name) {
                Some(table) => {
                    let frozen = ifaces == Ifaces::Live && name != PARAMS_SECTION;
                    Content { bytes: table, frozen }
                }
                None => Content { bytes: map.data(), frozen: true },
            };
            let made = make_map(name, map, btf.as_ref().map(|btf| btf.as_fd()), content);
            let made = made.map_err(|e| {
                KernelError::new(format!("the kernel does not make map `{name}`: {e}"))
            })?;
            maps.insert(name.clone(), made);
        }
        let code: HashSet<usize> = elf.functions.keys().map(|(section, _)| *section).collect();
        let known = wanted.iter().map(|(name, map)| (name.as_str(), maps[name].as_raw_fd(), map));
        elf.relocate_maps(known, &code).map_err(|e| unfit(&e))?;
        elf.relocate_calls(&code).map_err(|e| unfit(&e))?;

        let mut programs = BTreeMap::new();
        for hook in hooks {
            let program = load_program(&elf, btf.as_ref().map(|btf| btf.as_fd()), hook)?;
            programs.insert(hook.name.clone(), program);
        }
        Ok(Self { maps, programs })
    }

    /// The program of a hook.
    pub fn program(&self, hook: &Hook) -> Result<BorrowedFd<'_>, KernelError> {
        let program = self.programs.get(&hook.name).ok_or_else(|| no_hook(&hook.name))?;
        Ok(program.as_fd())
    }

    /// The map that a hook counts in.
    pub fn counters(&self, hook: &Hook) -> Result<BorrowedFd<'_>, KernelError> {
        self.map(&hook.counter_map).ok_or_else(|| {
            KernelError::new(format!("no map `{}` for the counters", hook.counter_map))
        })
    }

    /// A map by its symbol.
    pub fn map(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.get(name).map(|map| map.as_fd())
    }
}

/// The object's own types. What every kernel since 5.10 knows of BTF is all that objects have.
fn load_btf(elf: &mut aya_obj::Object) -> Result<Option<OwnedFd>, KernelError> {
    let features = BtfFeatures::new(true, true, true, true, true, true, true, true);
    let Some(btf) = elf.fixup_and_sanitize_btf(&features).map_err(|e| unfit(&e))? else {
        return Ok(None);
    };
    let loaded = sys::load_btf(&btf.to_bytes());
    loaded.map(Some).map_err(|e| {
        KernelError::new(format!("the kernel does not take the types of the object: {e}"))
    })
}

/// What a read-only table holds.
struct Content<'c> {
    bytes: &'c [u8],
    /// Nobody changes it any more.
    frozen: bool,
}

/// Makes a map; a read-only table with its content.
fn make_map(
    name: &str,
    map: &Map,
    btf: Option<BorrowedFd<'_>>,
    content: Content<'_>,
) -> io::Result<OwnedFd> {
    let types = match (map, btf) {
        (Map::Btf(map), Some(btf)) if map.def.btf_value_type_id != 0 => {
            Some((btf, map.def.btf_key_type_id, map.def.btf_value_type_id))
        }
        (Map::Btf(_) | Map::Legacy(_), _) => None,
    };
    let max_entries = match map.map_type() {
        // One ring for each CPU that there may be.
        RINGS if map.max_entries() == 0 => cpus::possible().map_err(io::Error::other)? as u32,
        _ => map.max_entries(),
    };
    let spec = sys::MapSpec {
        name,
        kind: map.map_type(),
        key_bytes: map.key_size(),
        value_bytes: map.value_size(),
        max_entries,
        flags: map.map_flags(),
        types,
    };
    if let EbpfSectionKind::Rodata | EbpfSectionKind::Data = map.section_kind() {
        let table = sys::create_array(&spec, content.bytes)?;
        if content.frozen {
            sys::freeze(table.as_fd())?;
        }
        return Ok(table);
    }
    sys::create_map(&spec)
}

fn load_program(
    elf: &aya_obj::Object,
    btf: Option<BorrowedFd<'_>>,
    hook: &Hook,
) -> Result<OwnedFd, KernelError> {
    let program = elf.programs.get(&hook.name).ok_or_else(|| no_hook(&hook.name))?;
    let function = elf.functions.get(&program.function_key());
    let function = function.ok_or_else(|| no_hook(&hook.name))?;
    let spec = spec(program, function, btf, hook);
    sys::load_program(&spec).map_err(|why| match why.raw_os_error() {
        Some(libc::EINVAL) if too_new(hook).is_some() => {
            KernelError::new(too_new(hook).unwrap_or_default())
        }
        // Of these the verifier knows nothing.
        Some(libc::EPERM | libc::ENOMEM) => {
            KernelError::new(format!("the kernel does not take program `{}`: {why}", hook.name))
        }
        // A log of all that it went through takes minutes and names no rule more than any other.
        Some(libc::E2BIG) => KernelError::new(format!(
            "the kernel's verifier gives up on program `{}`: too much to go through ({why})",
            hook.name
        )),
        _ => KernelError::rejected(hook, why, sys::verifier_log(&spec)),
    })
}

/// What a program asks that this kernel is too old for, in words.
fn too_new(hook: &Hook) -> Option<String> {
    /// Compare and exchange: Linux 5.12.
    const EXCHANGES: (u32, u32) = (5, 12);
    let word = hook.limits.iter().find(|limit| limit.storage == Storage::Word)?;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    let this = (numbers.next()?, numbers.next()?);
    (this < EXCHANGES).then(|| {
        format!(
            "limit `{}` keeps a bucket in a word, which takes Linux 5.12, and this is {}: leave `storage word` out",
            word.name,
            release.trim()
        )
    })
}

fn spec<'p>(
    program: &'p aya_obj::Program,
    function: &Function,
    btf: Option<BorrowedFd<'p>>,
    hook: &'p Hook,
) -> sys::ProgSpec<'p> {
    sys::ProgSpec {
        kind: match hook.kind {
            HookKind::Xdp => sys::XDP,
            HookKind::Socket => sys::SOCKET_FILTER,
        },
        name: &hook.name,
        insns: function.instructions.iter().map(slot).collect(),
        license: &program.license,
        btf,
        func_info: sys::Records {
            size_bytes: function.func_info_rec_size,
            bytes: function.func_info.func_info_bytes(),
        },
        line_info: sys::Records {
            size_bytes: function.line_info_rec_size,
            bytes: function.line_info.line_info_bytes(),
        },
    }
}

/// An instruction as the kernel reads it: `struct bpf_insn`, on a little-endian machine.
fn slot(insn: &bpf_insn) -> u64 {
    let registers = insn.dst_reg() | insn.src_reg() << 4;
    let [off_low, off_high] = insn.off.to_le_bytes();
    let [a, b, c, d] = insn.imm.to_le_bytes();
    u64::from_le_bytes([insn.code, registers, off_low, off_high, a, b, c, d])
}

fn unfit(error: &dyn std::error::Error) -> KernelError {
    KernelError::new(format!("the object can't be linked: {}", chain(error)))
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

pub fn no_hook(name: &str) -> KernelError {
    KernelError::new(format!("the object has no program for hook `{name}`"))
}
