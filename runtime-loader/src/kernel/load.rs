//! Programs and their maps into the kernel, by aya.

use crate::{KernelError, Object, sys};
use aya::maps::{Map as AyaMap, MapData};
use aya::programs::{Program as AyaProgram, ProgramError, SocketFilter, Xdp};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use l4c_manifest::{Hook, HookKind};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Programs in the kernel, not yet attached anywhere: what is not pinned or attached goes with this.
pub struct Loaded {
    ebpf: Ebpf,
    /// By hook, in the order asked for: how many instructions the verifier went through.
    verified_insns: Vec<Option<u32>>,
}

/// A map that the object is to share with what runs already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Symbol in the object.
    pub name: String,
    /// Where the map is pinned.
    pub path: PathBuf,
}

impl Loaded {
    /// Loads the programs of some hooks of an object.
    ///
    /// # Errors
    /// [`KernelError`], with the verifier's log if it was the verifier that refused.
    pub fn new(object: &Object, hooks: &[&Hook], kept: &[Kept]) -> Result<Self, KernelError> {
        sys::raise_memlock();
        let attempt = |level| attempt(object, hooks, kept, level);
        // The log costs time, so that it is asked for only when there is a refusal to explain. A log too long
        // to hold is no reason of its own: then the first answer stands.
        match attempt(VerifierLogLevel::STATS) {
            Err((at, first @ Refusal::Verifier { .. })) => {
                match attempt(VerifierLogLevel::VERBOSE | VerifierLogLevel::STATS) {
                    Err((_, Refusal::Verifier { log, .. })) => Err((at, first.with_log(log))),
                    other => other,
                }
            }
            other => other,
        }
        .map_err(|(at, refusal)| refusal.into_error(hooks.get(at).copied()))
    }

    /// The program of a hook.
    pub fn program(&self, name: &str) -> Result<&AyaProgram, ProgramError> {
        self.ebpf.program(name).ok_or(ProgramError::NotLoaded)
    }

    /// File descriptor of the program of a hook.
    pub fn program_fd(&self, name: &str) -> Result<BorrowedFd<'_>, ProgramError> {
        Ok(self.program(name)?.fd()?.as_fd())
    }

    /// A map by its symbol.
    pub fn map(&self, name: &str) -> Option<&MapData> {
        match self.ebpf.map(name)? {
            AyaMap::Array(map) | AyaMap::PerCpuArray(map) => Some(map),
            _ => None,
        }
    }

    /// How many instructions the verifier went through for the hook at that place of the list; none before
    /// Linux 5.16.
    pub fn verified_insns(&self, at: usize) -> Option<u32> {
        self.verified_insns.get(at).copied().flatten()
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

    fn into_error(self, hook: Option<&Hook>) -> KernelError {
        match (self, hook) {
            (Self::Verifier { why, log }, Some(hook)) => KernelError::rejected(hook, why, log),
            (Self::Verifier { why, .. } | Self::Other(why), _) => KernelError::new(why),
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

/// Loads once. A refusal comes with the place in `hooks` that it was at.
fn attempt(
    object: &Object,
    hooks: &[&Hook],
    kept: &[Kept],
    level: VerifierLogLevel,
) -> Result<Loaded, (usize, Refusal)> {
    let load = || -> Result<Loaded, (usize, Refusal)> {
        let mut loader = EbpfLoader::new();
        // Nothing of ours is to be fitted to this kernel's structs: its types, megabytes of them, are not read.
        loader.btf(None).verifier_log_level(level);
        for map in kept {
            loader.map_pin_path(&map.name, map.path.as_path());
        }
        let ebpf = loader.load(object.elf());
        let mut ebpf = ebpf.map_err(|e| (0, Refusal::Other(chain(&e))))?;
        let verified_insns = hooks
            .iter()
            .enumerate()
            .map(|(at, hook)| load_program(&mut ebpf, hook).map_err(|refusal| (at, refusal)))
            .collect::<Result<_, _>>()?;
        Ok(Loaded { ebpf, verified_insns })
    };
    // aya 0.14 panics where a log is no UTF-8, as one that starts in the middle of a character.
    catch_unwind(AssertUnwindSafe(load))
        .unwrap_or_else(|_| Err((0, Refusal::Other("the verifier's log can't be read".to_owned()))))
}

fn load_program(ebpf: &mut Ebpf, hook: &Hook) -> Result<Option<u32>, Refusal> {
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
    Ok(info.verified_instruction_count())
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

pub fn no_hook(name: &str) -> KernelError {
    KernelError::new(format!("the object has no program for hook `{name}`"))
}

/// What aya says of a program that was loaded.
pub fn error(error: ProgramError) -> KernelError {
    KernelError::new(chain(&error))
}
