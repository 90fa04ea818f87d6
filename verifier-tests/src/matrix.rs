//! The kernel matrix: what this machine's kernel said of every golden case, and whether other kernels agree.
//!
//! The host compiles the cases, asks its own kernel, and packs objects, packets and answers into a
//! [bundle]. Each other kernel boots in QEMU with an [archive] that holds the bundle and the
//! program `guest` as its first process; that one asks its kernel the same questions, loads policies onto
//! interfaces of its own ([wire]), and prints how it went. [`machine`] reads that.

pub mod archive;
pub mod bundle;
pub mod collect;
pub mod judge;
pub mod libbpf;
pub mod machine;
#[cfg(test)]
mod tests;
pub mod wire;

/// Where the bundle lies in a guest.
pub const BUNDLE: &str = "/bundle";

/// Where a guest's kernel modules lie, in the order of insertion.
pub const MODULES: &str = "/modules";

/// What the line begins with by which a guest is judged.
pub const RESULT: &str = "RESULT ";

/// CPUs that a guest's kernel keeps per-CPU values for; one of them runs.
pub const CPUS: usize = 2;
