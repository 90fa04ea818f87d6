//! Programs in the kernel, run by `BPF_PROG_TEST_RUN`. Nothing is attached, nothing is pinned: what
//! was loaded goes with the [`Program`].

mod log;
mod privilege;
mod sys;

use crate::shown::{ethertype, shown};
use crate::{Counter, KernelError, Object, RunError};
use aya::maps::{Map as AyaMap, MapData};
use aya::programs::{ProgramError, SocketFilter, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use l4c_manifest::{COUNTER_BYTES, Hook, HookKind};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use log::last_place;
pub use privilege::available;

/// Bytes of an Ethernet header.
const ETHERNET_BYTES: usize = 14;

/// A hook's program in the kernel, with its counters.
pub struct Program {
    ebpf: Ebpf,
    hook: Hook,
    shape: sys::ArrayShape,
    cpus: usize,
    verified_insns: Option<u32>,
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
        sys::raise_memlock();
        // The log costs time, so that it is asked for only when there is a refusal to explain. A log too long
        // to hold is no reason of its own: then the first answer stands.
        let (ebpf, verified_insns) = match attempt(object, &hook, VerifierLogLevel::STATS) {
            Err(first @ Refusal::Verifier { .. }) => {
                let all = VerifierLogLevel::VERBOSE | VerifierLogLevel::STATS;
                match attempt(object, &hook, all) {
                    Err(Refusal::Verifier { log, .. }) => Err(first.with_log(log)),
                    other => other,
                }
            }
            other => other,
        }
        .map_err(|refusal| refusal.into_error(&hook))?;
        let cpus =
            aya::util::nr_cpus().map_err(|(path, e)| KernelError::new(format!("{path}: {e}")))?;
        let map = counter_map(&ebpf, &hook).map_err(KernelError::new)?;
        let shape = shape(map, cpus).map_err(KernelError::new)?;
        Ok(Self { ebpf, hook, shape, cpus, verified_insns, framed: Vec::new() })
    }

    /// Judges a packet: the program's return code.
    ///
    /// # Errors
    /// [`RunError::NotShown`] for a packet that the hook can't be shown, [`RunError::Kernel`] when the
    /// kernel refuses the run.
    pub fn run(&mut self, packet: &[u8]) -> Result<u32, RunError> {
        let packet = shown(self.hook.kind, packet)?;
        let error = |e: ProgramError| kernel_error("BPF_PROG_TEST_RUN", &e);
        let program = self.ebpf.program(&self.hook.name);
        let program = program.ok_or_else(|| error(ProgramError::NotLoaded))?;
        let result = match self.hook.kind {
            HookKind::Xdp => {
                let program: &Xdp = program.try_into().map_err(error)?;
                program.test_run(options(packet))
            }
            HookKind::Socket => {
                frame(&mut self.framed, packet);
                let program: &SocketFilter = program.try_into().map_err(error)?;
                program.test_run(options(&self.framed))
            }
        };
        Ok(result.map_err(error)?.return_value)
    }

    /// What each counter slot of the hook's map holds, summed over the CPUs.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the map can't be read.
    pub fn counters(&self) -> Result<Vec<Counter>, RunError> {
        let words = sys::read_array(self.counter_fd()?, self.shape)
            .map_err(|e| kernel_error("BPF_MAP_LOOKUP_BATCH", &e))?;
        let words_a_value = self.shape.words_a_key / self.cpus;
        Ok(words.chunks_exact(self.shape.words_a_key).flat_map(|k| sum(k, words_a_value)).collect())
    }

    /// Sets all counters to zero.
    ///
    /// # Errors
    /// [`RunError::Kernel`] when the map can't be written.
    pub fn reset_counters(&mut self) -> Result<(), RunError> {
        sys::zero_array(self.counter_fd()?, self.shape)
            .map_err(|e| kernel_error("BPF_MAP_UPDATE_BATCH", &e))
    }

    /// How many instructions the verifier went through; none before Linux 5.16.
    #[must_use]
    pub fn verified_insns(&self) -> Option<u32> {
        self.verified_insns
    }

    fn counter_fd(&self) -> Result<BorrowedFd<'_>, RunError> {
        let map = counter_map(&self.ebpf, &self.hook);
        let map = map.map_err(|why| RunError::Kernel { call: "counters", why })?;
        Ok(map.fd().as_fd())
    }
}

/// Why a program was not loaded.
enum Refusal {
    Verifier { why: String, log: String },
    Other(String),
}

impl Refusal {
    /// The same refusal, explained by a longer log.
    fn with_log(self, longer: String) -> Self {
        match self {
            Self::Verifier { why, log } => {
                Self::Verifier { why, log: if longer.is_empty() { log } else { longer } }
            }
            Self::Other(_) => self,
        }
    }

    fn into_error(self, hook: &Hook) -> KernelError {
        match self {
            Self::Verifier { why, log } => KernelError::rejected(hook, why, log),
            Self::Other(why) => KernelError::new(why),
        }
    }
}

impl From<ProgramError> for Refusal {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::LoadError { io_error, verifier_log } => {
                Self::Verifier { why: io_error.to_string(), log: verifier_log.to_string() }
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// Loads once; the answer comes with the number of verified instructions.
fn attempt(
    object: &Object,
    hook: &Hook,
    level: VerifierLogLevel,
) -> Result<(Ebpf, Option<u32>), Refusal> {
    let load = || -> Result<(Ebpf, Option<u32>), Refusal> {
        let mut ebpf = EbpfLoader::new()
            .verifier_log_level(level)
            .load(object.elf())
            .map_err(|e| Refusal::Other(chain(&e)))?;
        let program = ebpf.program_mut(&hook.name);
        let program = program.ok_or_else(|| Refusal::Other(no_hook(&hook.name).message))?;
        let info = match hook.kind {
            HookKind::Xdp => {
                let program: &mut Xdp = program.try_into()?;
                program.load()?;
                program.info()?
            }
            HookKind::Socket => {
                let program: &mut SocketFilter = program.try_into()?;
                program.load()?;
                program.info()?
            }
        };
        Ok((ebpf, info.verified_instruction_count()))
    };
    // aya 0.14 panics where a log is no UTF-8, as one that starts in the middle of a character.
    catch_unwind(AssertUnwindSafe(load))
        .unwrap_or_else(|_| Err(Refusal::Other("the verifier's log can't be read".to_owned())))
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn no_hook(name: &str) -> KernelError {
    KernelError::new(format!("the object has no program for hook `{name}`"))
}

fn kernel_error(call: &'static str, error: &dyn std::error::Error) -> RunError {
    RunError::Kernel { call, why: chain(error) }
}

fn counter_map<'e>(ebpf: &'e Ebpf, hook: &Hook) -> Result<&'e MapData, String> {
    match ebpf.map(&hook.counter_map) {
        Some(AyaMap::PerCpuArray(map)) => Ok(map),
        _ => Err(format!("no per-CPU array `{}` for the counters", hook.counter_map)),
    }
}

/// The kernel's account of a map of counters.
fn shape(map: &MapData, cpus: usize) -> Result<sys::ArrayShape, String> {
    let info = map.info().map_err(|e| chain(&e))?;
    let value_bytes = info.value_size() as usize;
    if info.key_size() != 4 || value_bytes == 0 || !value_bytes.is_multiple_of(COUNTER_BYTES) {
        return Err("the map of counters has the wrong key or value size".to_owned());
    }
    let words_a_key = value_bytes / size_of::<u64>() * cpus;
    Ok(sys::ArrayShape { max_entries: info.max_entries(), words_a_key })
}

/// The counters of one key, whose words are those of all CPUs in turn.
fn sum(words: &[u64], words_a_value: usize) -> Vec<Counter> {
    let mut counters = vec![Counter::default(); words_a_value / 2];
    for value in words.chunks_exact(words_a_value) {
        for (counter, pair) in counters.iter_mut().zip(value.as_chunks::<2>().0) {
            counter.packets = counter.packets.wrapping_add(pair[0]);
            counter.bytes = counter.bytes.wrapping_add(pair[1]);
        }
    }
    counters
}

fn options(data: &[u8]) -> TestRunOptions<'_> {
    TestRunOptions { data_in: Some(data), ..TestRunOptions::default() }
}

/// Puts an Ethernet header in front of a packet: the test run of a socket filter wants one and
/// takes it off again.
fn frame(framed: &mut Vec<u8>, packet: &[u8]) {
    framed.clear();
    framed.extend_from_slice(&[0; ETHERNET_BYTES - 2]);
    framed.extend_from_slice(&ethertype(packet).to_be_bytes());
    framed.extend_from_slice(packet);
}
