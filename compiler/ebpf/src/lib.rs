//! eBPF from l4c IR: selection, registers, assembler, BTF, ELF.
//!
//! [`object()`] takes verified modules, one a hook, and gives one ELF file that libbpf, bpftool and aya
//! load; [`assembly`] shows the same code to people. The same modules give the same bytes.
//!
//! What the code promises to those that run it elsewhere: the context is read only by 32-bit loads
//! relative to r6, which holds it from a function's first instruction on, if the function needs it.

mod asm;
mod btf;
mod elf;
mod error;
mod helper;
mod limits;
mod link;
mod listing;
mod live;
mod mach;
mod maps;
mod outline;
mod regalloc;
mod reject;
mod select;
mod table;
#[cfg(test)]
mod tests;

pub use error::{Error, Limit};
use l4c_ir::{Module, Verified};
use l4c_manifest::{Hook, Manifest};

/// One program of an object.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Where it runs, and what it is called; its counter map has as many slots as the module counts in.
    pub hook: &'a Hook,
    /// Its functions.
    pub module: &'a Verified<Module>,
}

/// An ELF object and what is worth knowing of it.
#[derive(Debug, Clone)]
pub struct Object {
    /// The file.
    pub elf: Vec<u8>,
    /// The content of its section [`l4c_manifest::SECTION`].
    pub manifest: Manifest,
    /// One entry a function, program by program, the entry first.
    pub stats: Vec<FunctionStats>,
}

/// The size of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionStats {
    /// Its symbol.
    pub symbol: String,
    /// Instructions; loads of 64-bit numbers count two.
    pub insns: u32,
    /// Conditional jumps among them.
    pub branches: u32,
    /// Bytes of its frame.
    pub stack_bytes: u32,
}

/// What the rules declare of a set's table, for whoever loads the object.
#[derive(Debug, Clone)]
pub struct Elements {
    /// Symbol of the map that it belongs into.
    pub map: String,
    /// Keys, one behind the other.
    pub keys: Vec<u8>,
}

/// The ELF object of some programs.
///
/// # Errors
/// [`Error::Limit`] where the kernel would refuse a program for its size, [`Error::Bug`] for mistakes of
/// this compiler.
pub fn object(programs: &[Program<'_>]) -> Result<Object, Error> {
    object_with(programs, &[])
}

/// As [`object()`], and what the sets hold that the programs use.
///
/// # Errors
/// As [`object()`].
pub fn object_with(programs: &[Program<'_>], elements: &[Elements]) -> Result<Object, Error> {
    let linked = link::link(programs)?;
    limits::check(&linked)?;
    let manifest = maps::manifest(&linked);
    let elf = elf::write(&linked, &manifest, elements)?;
    let stats = linked.units.iter().map(|unit| FunctionStats {
        symbol: unit.symbol.clone(),
        insns: unit.bytes.insns(),
        branches: unit.bytes.branches,
        stack_bytes: unit.stack_bytes,
    });
    Ok(Object { elf, stats: stats.collect(), manifest })
}

/// The machine code of some programs as text: the kernel's notation, labels, and the rules' own text as
/// comments. Limits are not checked, so that what exceeds them can be looked at.
///
/// # Errors
/// [`Error::Limit`] where code cannot be made at all, [`Error::Bug`] for mistakes of this compiler.
pub fn assembly(programs: &[Program<'_>]) -> Result<String, Error> {
    Ok(listing::listing(&link::link(programs)?))
}
