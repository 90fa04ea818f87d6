//! What an object tells its loader.
//!
//! An l4c object is a plain ELF file that any loader can take; beside it, in a section called
//! [`SECTION`], travels this manifest: which programs there are, what their return codes mean, which
//! rule owns which counter. With it `run`, `stats` and replacement never parse a source again.
//!
//! The text form is JSON, so that `llvm-objcopy --dump-section .l4c=/dev/stdout` is readable, and it
//! only ever gains fields: readers ignore what they don't know.

mod hook;
mod limit;
mod sample;
mod set;

pub use hook::{HookKind, Start, Verdict};
pub use limit::{
    Full, KeyForm, KeyPart, LINE_SLOTS_OFF, Limit, LimitClock, MAX_ALLOWED, PARAMS_SECTION, Params,
    Rate, SET_KEYS_OFF, SET_TAGS_OFF, SET_WAY_BYTES, SET_WAYS_OFF, SKETCH_CELLS, SKETCH_CELLS_OFF,
    SKETCH_GROUPS, SKETCH_LINE_BYTES, SLOT_BYTES, SPEED_SHIFT, Setting, Storage, Unfit, Unit, WAYS,
    WORD_TAT_BITS, WORD_WAYS,
};
pub use sample::{MAX_SAMPLE_BYTES, SAMPLE_MAGIC, SampleHead, Samples};
use serde::{Deserialize, Serialize};
pub use set::{
    Column, ELEMENTS_SECTION, FILTER_PLACES, Key, Listed, MAX_KEY_BYTES, STATE_BYTES, Set,
    SetTable, State, key_bytes, places, prefix_mask, prefixes,
};

/// ELF section that holds the manifest. libbpf, bpftool and aya skip sections they do not know.
pub const SECTION: &str = ".l4c";

/// Symbol of the array of u64 that holds, in an object made to be tested, the time, and then what chance goes on from:
/// the state of a `SplitMix64` generator.
pub const TEST_CLOCK: &str = "test_clock";

/// Words of [`TEST_CLOCK`].
pub const TEST_CLOCK_WORDS: u32 = 2;

/// Format version written by this crate.
pub const VERSION: u32 = 1;

/// Everything a loader knows of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// One entry a program, in the order of the source.
    pub hooks: Vec<Hook>,
    /// Every map of the object by its symbol, counters included; read-only tables are not maps here: they
    /// are the sections `.rodata.*`.
    pub maps: Vec<Map>,
}

/// A map as the object defines it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map {
    /// Symbol in `.maps`; at most 15 bytes, letters, digits and `_`.
    pub name: String,
    /// What the kernel calls the type.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// `max_entries`; 0 in a [`MapKind::PerfEventArray`] is one for each CPU that there may be.
    pub max_entries: u32,
    /// `map_flags`, `BPF_F_*`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flags: u32,
    /// It holds state that outlives a replacement of the policy, if the new one has a map of the same name and
    /// shape.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
    /// Its values begin with a `bpf_spin_lock`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Map types that l4c objects use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapKind {
    /// `BPF_MAP_TYPE_ARRAY` (2)
    Array,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY` (6)
    PercpuArray,
    /// `BPF_MAP_TYPE_PERF_EVENT_ARRAY` (4): a perf ring for each CPU, put there by whoever listens.
    PerfEventArray,
    /// `BPF_MAP_TYPE_HASH` (1)
    Hash,
}

impl MapKind {
    /// `enum bpf_map_type` of `include/uapi/linux/bpf.h`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Array => 2,
            Self::PercpuArray => 6,
            Self::PerfEventArray => 4,
            Self::Hash => 1,
        }
    }
}

/// One program of the object and what its counters mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Symbol of the program and name in every report; at most 15 bytes.
    pub name: String,
    /// Where it runs.
    pub kind: HookKind,
    /// The program only counts: it decides by all its rules and then passes the packet, whatever they
    /// decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Symbol of the per-CPU array with one [`COUNTER_BYTES`]-byte slot for each of `rules` and then each
    /// of `counters`, in that order.
    pub counter_map: String,
    /// In report order: the hook's own rules, chain rules, `default` last. Index = counter slot.
    pub rules: Vec<Rule>,
    /// Names made by `count NAME`; slot = `rules.len()` + index.
    pub counters: Vec<String>,
    /// Where packets go that `sample` picks; none if no rule samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// Interfaces that rules name. Their numbers are known where the program is loaded only: the loader writes
    /// them into the section [`Hook::interface_section`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Where `nth` counts; none if no rule asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// Limits that its rules ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Sets that are kept in maps and that its rules use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<Set>,
}

/// The rows in which packets take places, one for each `nth` of a hook's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Symbol of the array of [`ROW_BYTES`] a row.
    pub map: String,
    /// How many there are; at least 1.
    pub count: u32,
}

/// Bytes of a row, a cache line of its own: a lock, and at [`ROW_STATE_OFF`] what is left over of the places that were
/// picked, a u64.
pub const ROW_BYTES: u32 = 64;
/// Offset of a row's state.
pub const ROW_STATE_OFF: u32 = 8;

/// An interface that a rule names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The first rule that names it, as reports call it.
    pub rule: String,
}

/// Bytes of an interface's number in the table of [`Hook::interface_section`].
pub const INTERFACE_BYTES: usize = 4;

impl Hook {
    /// The section that holds the numbers of interfaces, each a u32 in the byte order of the machine: first the
    /// number of a packet that came in by no interface (0 on the wire), then that of each of
    /// [`Hook::interfaces`]. The object has zeros there; it has no such section if no rule names an interface.
    #[must_use]
    pub fn interface_section(&self) -> String {
        format!(".rodata.{}.ifaces", self.name)
    }
}

/// Bytes of a counter slot: packets as u64, then bytes as u64, in the byte order of the machine.
pub const COUNTER_BYTES: usize = 16;

/// One rule as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `LABEL` in a hook, `CHAIN.LABEL` in a chain, `default` for the hook's default.
    pub name: String,
    /// The steering action as reports print it: `drop`, `pass`, `jump web`, `none` …
    pub action: String,
    /// True when the steering action is only counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Source file as the compiler was given it.
    pub file: String,
    /// Line of the rule in `file`, from 1.
    pub line: u32,
    /// The rule's own text, one line.
    pub text: String,
}

impl Manifest {
    /// The bytes of the ELF section.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and integers always serialize")
    }

    /// Reads the bytes of the ELF section.
    ///
    /// # Errors
    /// When the bytes are not a manifest or were written by a version this crate does not know.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.version > VERSION {
            return Err(format!(
                "manifest version {} is newer than this l4c reads ({VERSION})",
                manifest.version
            ));
        }
        Ok(manifest)
    }
}
