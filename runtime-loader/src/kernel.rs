//! Programs in the kernel, run by `BPF_PROG_TEST_RUN`. Nothing is attached, nothing is pinned: what
//! was loaded goes with the [`Program`].

pub(crate) mod counters;
pub(crate) mod cpus;
pub(crate) mod load;
mod log;
mod privilege;

use crate::insn::{CALL, Insn};
use crate::shown::{ethertype, shown};
use crate::vm::{DEFAULT_SEED, helper};
use crate::{Counter, KernelError, Object, RunError};
use crate::{sets, sys};
use l4c_manifest::{Hook, HookKind, Key, State, TEST_CLOCK};
use load::{Ifaces, Loaded, chain, no_hook};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::os::fd::BorrowedFd;

pub(crate) use log::{last_place, reason};
pub use privilege::{available, lacking};

/// Bytes in front of a packet that a program may take (`XDP_PACKET_HEADROOM`).
const HEADROOM_BYTES: usize = 256;

/// Bytes of an Ethernet header.
const ETHERNET_BYTES: usize = 14;

/// A hook's program in the kernel, with its counters.
pub struct Program {
    loaded: Loaded,
    hook: Hook,
    counters: counters::Shape,
    /// Packet with a link header in front, for hooks that begin behind it.
    framed: Vec<u8>,
    /// The program asks which CPU it runs on.
    asks_cpu: bool,
    /// The injected time.
    now_ns: u64,
    /// Where to find what sets hold at first, if there are any.
    elements: Option<Object>,
    /// Where chance begins.
    seed: u64,
}

impl Program {
    /// Loads a hook's program from an object.
    ///
    /// # Errors
    /// [`KernelError`], with the verifier's log if it was the verifier that refused.
    pub fn load(object: &Object, hook_name: &str) -> Result<Self, KernelError> {
        Self::with_params(object, hook_name, crate::limits::dry(object))
    }

    /// As [`Self::load`], with limits that look at the kernel's own clocks, as they do on the wire.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_live(object: &Object, hook_name: &str) -> Result<Self, KernelError> {
        let params = crate::limits::live(object, |_| None, |_| State::INITIAL)?;
        Self::with_params(object, hook_name, params)
    }

    fn with_params(object: &Object, hook_name: &str, params: Vec<u8>) -> Result<Self, KernelError> {
        let hook = object.hook(hook_name).cloned();
        let hook = hook.ok_or_else(|| no_hook(hook_name))?;
        let loaded = Loaded::new(object, &[&hook], Vec::new(), Ifaces::Dry, params)?;
        let counters = counters::Shape::of(loaded.counters(&hook)?).map_err(KernelError::new)?;
        for set in &hook.sets {
            sets::declare(&loaded, object, set, 0)?;
        }
        let asks_cpu = object.functions().iter().any(|f| f.insns.iter().any(asks_cpu));
        let elements = if hook.sets.is_empty() { None } else { Some(object.clone()) };
        let (framed, now_ns, seed) = (Vec::new(), 0, DEFAULT_SEED);
        let program = Self { loaded, hook, counters, framed, asks_cpu, now_ns, seed, elements };
        program.inject((1, seed)).map_err(|e| KernelError::new(e.to_string()))?;
        Ok(program)
    }

    /// Judges a packet: the program's return code.
    ///
    /// # Errors
    /// [`RunError::NotShown`] for a packet that the hook can't be shown, [`RunError::Kernel`] when the
    /// kernel refuses the run.
    pub fn run(&mut self, packet: &[u8]) -> Result<u32, RunError> {
        self.test_run(packet, &mut Vec::new())
    }

    /// Judges a packet: the program's return code, and the packet as the program left it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_out(&mut self, packet: &[u8]) -> Result<(u32, Vec<u8>), RunError> {
        // What a program may put in front comes on top; nothing of ours adds more.
        let mut out = vec![0; packet.len() + HEADROOM_BYTES];
        let code = self.test_run(packet, &mut out)?;
        Ok((code, out))
    }

    /// From now on packets come in by the interface of this name, or by none; by none at first.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the table of interfaces can't be written.
    pub fn arrive(&mut self, iface: Option<&str>) -> Result<(), RunError> {
        let Some(map) = self.loaded.map(&self.hook.interface_section()) else { return Ok(()) };
        let table = crate::ifaces::dry(&self.hook, iface);
        sys::write_single(map, &table).map_err(|e| kernel_error("BPF_MAP_UPDATE_ELEM", &e))
    }

    /// From now on it is so late, in nanoseconds, if the object was made to be tested; any other looks at the
    /// kernel's clocks.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the time can't be written.
    pub fn set_time(&mut self, now_ns: u64) -> Result<(), RunError> {
        self.now_ns = now_ns;
        self.inject((0, now_ns))
    }

    /// From now on chance begins at `seed`, and begins anew, if the object was made to be tested; the kernel's own
    /// begins nowhere.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the number can't be written.
    pub fn set_seed(&mut self, seed: u64) -> Result<(), RunError> {
        self.seed = seed;
        self.inject((1, seed))
    }

    /// Writes a word of [`TEST_CLOCK`].
    fn inject(&self, (index, word): (u32, u64)) -> Result<(), RunError> {
        let Some(map) = self.loaded.map(TEST_CLOCK) else { return Ok(()) };
        sys::write_value(map, index, &word.to_ne_bytes())
            .map_err(|e| kernel_error("BPF_MAP_UPDATE_ELEM", &e))
    }

    /// Judges an Ethernet frame again and again, in one call and on the CPU that this thread runs on; several
    /// threads may do so at once.
    ///
    /// # Errors
    /// As [`Self::run`]; a hook that sees no Ethernet header is not for this.
    pub fn repeat(&self, frame: &[u8], times: u32) -> Result<(), RunError> {
        const CALL: &str = "BPF_PROG_TEST_RUN";
        if self.hook.kind != HookKind::Xdp {
            return Err(RunError::Kernel { call: CALL, why: "it is no XDP hook".to_owned() });
        }
        let program = self.loaded.program(&self.hook).map_err(|e| kernel_error(CALL, &e))?;
        sys::test_runs(program, frame, times).map_err(|e| kernel_error(CALL, &e))
    }

    fn test_run(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<u32, RunError> {
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
        let _pinned = if self.asks_cpu { Some(OnFirstCpu::new()?) } else { None };
        sys::test_run(program, data, out).map_err(|e| kernel_error(CALL, &e))
    }

    /// What each counter slot of the hook's map holds, summed over the CPUs.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the map can't be read.
    pub fn counters(&self) -> Result<Vec<Counter>, RunError> {
        let counters = self.counters.read(self.counter_map()?);
        counters.map_err(|e| kernel_error("BPF_MAP_LOOKUP_BATCH", &e))
    }

    /// Back to the state of a program just loaded: its maps empty, the injected time 0.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when a map can't be written.
    pub fn reset(&mut self) -> Result<(), RunError> {
        let reset = self.counters.reset(self.counter_map()?);
        reset.map_err(|e| kernel_error("BPF_MAP_UPDATE_BATCH", &e))?;
        let limits = self.hook.limits.iter().map(|limit| &limit.map);
        for name in limits.chain(self.hook.rows.as_ref().map(|rows| &rows.map)) {
            let Some(map) = self.loaded.map(name) else { continue };
            sys::zero_values(map).map_err(|e| kernel_error("BPF_MAP_UPDATE_BATCH", &e))?;
        }
        if let Some(object) = &self.elements {
            sets::reset(&self.loaded, object, &self.hook.sets)
                .map_err(|e| kernel_error("BPF_MAP_UPDATE_BATCH", &e))?;
        }
        self.set_time(0)?;
        self.set_seed(self.seed)
    }

    /// Does a set of the hook hold this? None if the hook uses no such set.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when a map can't be read.
    pub fn has(&self, set: &str, key: &Key) -> Result<Option<bool>, RunError> {
        let Some(set) = self.hook.sets.iter().find(|known| known.name == set) else {
            return Ok(None);
        };
        let find = |map: &str, key: &[u8]| match self.loaded.map(map) {
            Some(map) => sys::elements::find(map, key),
            None => Ok(None),
        };
        let found = sets::has(set, (State::INITIAL, self.now_ns), key, find);
        found.map(Some).map_err(|e| kernel_error("BPF_MAP_LOOKUP_ELEM", &e))
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

fn asks_cpu(insn: &Insn) -> bool {
    (insn.code, insn.src, insn.imm) == (CALL, 0, helper::GET_SMP_PROCESSOR_ID)
}

/// Keeps this thread on CPU 0, where every engine judges, and puts it back where it may run.
struct OnFirstCpu(CpuSet);

impl OnFirstCpu {
    fn new() -> Result<Self, RunError> {
        const CALL: &str = "sched_setaffinity";
        let before = sched_getaffinity(None).map_err(|e| kernel_error(CALL, &e))?;
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first).map_err(|e| kernel_error(CALL, &e))?;
        Ok(Self(before))
    }
}

impl Drop for OnFirstCpu {
    fn drop(&mut self) {
        // What the thread could do before it can do again; if not, it only stays where it is.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Puts an Ethernet header in front of a packet: the test run of a socket filter wants one and
/// takes it off again.
fn frame(framed: &mut Vec<u8>, packet: &[u8]) {
    framed.clear();
    framed.extend_from_slice(&[0; ETHERNET_BYTES - 2]);
    framed.extend_from_slice(&ethertype(packet).to_be_bytes());
    framed.extend_from_slice(packet);
}
