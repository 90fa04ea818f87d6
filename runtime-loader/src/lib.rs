//! Runs l4c objects: in the kernel by `BPF_PROG_TEST_RUN`, or in a userspace interpreter.
//!
//! This crate takes an ELF file that may have been built anywhere and knows nothing of the
//! compiler: what the programs are called and which counter is whose, it reads from the manifest
//! that travels in the file. [`Vm`] and [`kernel::Program`] offer the same methods (`run`,
//! `counters`, `reset`) and show a program the same bytes of a packet, so that one can
//! stand for the other and be compared with it.
//!
//! All `unsafe` code of the project is here, in the modules `vm::arena`, `vm::machine` and
//! `sys`.

mod error;
mod ifaces;
mod insn;
pub mod kernel;
mod limits;
pub mod net;
mod object;
pub mod policy;
mod sets;
mod shown;
mod sys;
#[cfg(test)]
mod tests;
pub mod vm;

pub use error::{KernelError, LoadError, ObjectError, Place, RunError};
pub use object::Object;
pub use vm::Vm;

use serde::{Deserialize, Serialize};

/// What one counter slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counter {
    /// Packets counted.
    pub packets: u64,
    /// Their bytes, as the hook sees a packet's length.
    pub bytes: u64,
}

impl std::ops::Add for Counter {
    type Output = Self;

    /// Counters wrap, as they do in the kernel.
    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }
}
