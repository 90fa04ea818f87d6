//! Programs in the kernel, run by `BPF_PROG_TEST_RUN`. Nothing is attached, nothing is pinned: what
//! was loaded goes with the [`Program`].

pub(crate) mod counters;
pub(crate) mod cpus;
pub(crate) mod load;
mod log;
mod privilege;

use crate::shown::{ethertype, shown};
use crate::sys;
use crate::{Counter, KernelError, Object, RunError};
use l4c_manifest::{Hook, HookKind};
use load::{Loaded, chain, no_hook};
use std::os::fd::BorrowedFd;

pub(crate) use log::{last_place, reason};
pub use privilege::{available, lacking};

/// Bytes of an Ethernet header.
const ETHERNET_BYTES: usize = 14;

/// A hook's program in the kernel, with its counters.
pub struct Program {
    loaded: Loaded,
    hook: Hook,
    counters: counters::Shape,
    /// Packet with a link header in front, for hooks that begin behind it.
    framed: Vec<u8>,
}

impl Program {
    /// Loads a hook's program from an object.
    ///
    /// # Errors
    /// [`KernelError`], with the verifier's log if it was the verifier that refused.
    pub fn load(object: &Object, hook_name: &str) -> Result<Self, KernelError> {
        let hook = object.hook(hook_name).cloned();
        let hook = hook.ok_or_else(|| no_hook(hook_name))?;
        let loaded = Loaded::new(object, &[&hook], Vec::new())?;
        let counters = counters::Shape::of(loaded.counters(&hook)?).map_err(KernelError::new)?;
        Ok(Self { loaded, hook, counters, framed: Vec::new() })
    }

    /// Judges a packet: the program's return code.
    ///
    /// # Errors
    /// [`RunError::NotShown`] for a packet that the hook can't be shown, [`RunError::Kernel`] when the
    /// kernel refuses the run.
    pub fn run(&mut self, packet: &[u8]) -> Result<u32, RunError> {
        const CALL: &str = "BPF_PROG_TEST_RUN";
        let packet = shown(self.hook.kind, packet)?;
        let data = match self.hook.kind {
            HookKind::Xdp => packet,
            HookKind::Socket => {
                frame(&mut self.framed, packet);
                &self.framed
            }
        };
        let program = self.loaded.program(&self.hook).map_err(|e| kernel_error(CALL, &e))?;
        sys::test_run(program, data).map_err(|e| kernel_error(CALL, &e))
    }

    /// What each counter slot of the hook's map holds, summed over the CPUs.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the map can't be read.
    pub fn counters(&self) -> Result<Vec<Counter>, RunError> {
        let counters = self.counters.read(self.counter_map()?);
        counters.map_err(|e| kernel_error("BPF_MAP_LOOKUP_BATCH", &e))
    }

    /// Sets all counters to zero.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the map can't be written.
    pub fn reset_counters(&mut self) -> Result<(), RunError> {
        let reset = self.counters.reset(self.counter_map()?);
        reset.map_err(|e| kernel_error("BPF_MAP_UPDATE_BATCH", &e))
    }

    /// How many instructions the verifier went through; none before Linux 5.16.
    #[must_use]
    pub fn verified_insns(&self) -> Option<u32> {
        let info = sys::prog_info(self.loaded.program(&self.hook).ok()?).ok()?;
        Some(info.verified_insns).filter(|&insns| insns > 0)
    }

    fn counter_map(&self) -> Result<BorrowedFd<'_>, RunError> {
        self.loaded.counters(&self.hook).map_err(|e| kernel_error("counters", &e))
    }
}

fn kernel_error(call: &'static str, error: &dyn std::error::Error) -> RunError {
    RunError::Kernel { call, why: chain(error) }
}

/// Puts an Ethernet header in front of a packet: the test run of a socket filter wants one and
/// takes it off again.
fn frame(framed: &mut Vec<u8>, packet: &[u8]) {
    framed.clear();
    framed.extend_from_slice(&[0; ETHERNET_BYTES - 2]);
    framed.extend_from_slice(&ethertype(packet).to_be_bytes());
    framed.extend_from_slice(packet);
}
