//! An l4c object, read: functions, what they refer to, read-only tables, manifest.

mod read;

use crate::insn::Insn;
use crate::{ObjectError, ifaces, limits, sets};
use l4c_manifest::{Hook, HookKind, Manifest};
use std::collections::BTreeMap;

/// An object whose structure has been checked; its instructions have not.
#[derive(Debug, Clone)]
pub struct Object {
    elf: Vec<u8>,
    manifest: Manifest,
    functions: Vec<Function>,
    rodata: Vec<Rodata>,
    /// What the rules declare of sets, by the symbols of their maps.
    elements: BTreeMap<String, Vec<u8>>,
}

/// A read-only table.
#[derive(Debug, Clone)]
pub struct Rodata {
    /// Section.
    pub name: String,
    /// Content as in the file.
    pub bytes: Vec<u8>,
}

/// A program or subprogram.
#[derive(Debug, Clone)]
pub struct Function {
    /// Symbol.
    pub name: String,
    /// The hook whose section it lies in; none for subprograms.
    pub kind: Option<HookKind>,
    /// Its slots as in the file.
    pub insns: Vec<Insn>,
    /// What relocated slots refer to, by slot.
    pub refs: BTreeMap<usize, Ref>,
}

/// What an instruction refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ref {
    /// Call of a function, by index in the object.
    Function(usize),
    /// Address of a map, by index in the manifest.
    Map(usize),
    /// Address in a read-only table.
    Rodata {
        /// Index of the table in the object.
        table: usize,
        /// Byte in it; not more than its length.
        off_bytes: usize,
    },
}

impl Object {
    /// Reads an object.
    ///
    /// # Errors
    /// When the bytes are no relocatable eBPF ELF file with an l4c manifest, or when its functions
    /// or relocations are not of the shape that l4c writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let parts = read::parts(bytes)?;
        for hook in &parts.manifest.hooks {
            ifaces::check(hook, &parts.rodata)?;
        }
        limits::check(&parts.manifest, &parts.rodata)?;
        sets::check(&parts.manifest, &parts.elements)?;
        Ok(Self {
            elf: bytes.to_vec(),
            manifest: parts.manifest,
            functions: parts.functions,
            rodata: parts.rodata,
            elements: parts.elements,
        })
    }

    /// What the object says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file it was read from.
    #[must_use]
    pub fn elf(&self) -> &[u8] {
        &self.elf
    }

    /// The manifest's entry for a hook.
    #[must_use]
    pub fn hook(&self, name: &str) -> Option<&Hook> {
        self.manifest.hooks.iter().find(|h| h.name == name)
    }

    /// All programs and subprograms.
    pub(crate) fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Index of the program of a hook in [`Self::functions`].
    pub(crate) fn program(&self, hook: &Hook) -> Option<usize> {
        self.functions.iter().position(|f| f.kind == Some(hook.kind) && f.name == hook.name)
    }

    /// Index of a hook's counters in the manifest's maps.
    pub(crate) fn counter_map(&self, hook: &Hook) -> Option<usize> {
        self.manifest.maps.iter().position(|m| m.name == hook.counter_map)
    }

    /// The keys that the rules declare for the map of a set.
    pub(crate) fn elements(&self, map: &str) -> &[u8] {
        self.elements.get(map).map_or(&[], Vec::as_slice)
    }

    /// The read-only tables.
    pub(crate) fn rodata(&self) -> &[Rodata] {
        &self.rodata
    }
}
