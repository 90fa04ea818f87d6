//! The three engines behind one trait.

use crate::engine::opinion;
use crate::{Counter, Engine, JudgeError, Opinion, Shape};
use l4c_compiler::hir::{CounterId, HookId, Policy, SetId};
use l4c_compiler::reference::{Judgement, Reference};
use l4c_compiler::report;
use l4c_manifest::{Key, Verdict};
use l4c_runtime::kernel::{self, Program};
use l4c_runtime::{KernelError, LoadError, Object, RunError, Vm};
use std::collections::BTreeMap;
use std::fmt;

/// Engines by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// The emitted program in a userspace interpreter.
    Vm,
    /// The emitted program in the kernel, by `BPF_PROG_TEST_RUN`.
    Kernel,
    /// The reference evaluator over the checked policy.
    Reference,
}

impl EngineKind {
    /// All engines.
    pub const ALL: [Self; 3] = [Self::Vm, Self::Kernel, Self::Reference];

    /// Its name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Kernel => "kernel",
            Self::Reference => "reference",
        }
    }

    /// Whether it runs the program, so that the policy has to be compiled first.
    #[must_use]
    pub const fn needs_object(self) -> bool {
        match self {
            Self::Vm | Self::Kernel => true,
            Self::Reference => false,
        }
    }
}

/// An engine can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// This process may not load programs; the text says what it lacks.
    Privilege(String),
    /// The kernel does not take the program.
    Kernel(KernelError),
    /// The interpreter does not take the program.
    Vm(LoadError),
    /// The engine runs programs, and no object was given.
    NoObject(EngineKind),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privilege(why) => write!(f, "the kernel engine can't be used: {why}"),
            Self::Kernel(error) => error.fmt(f),
            Self::Vm(error) => error.fmt(f),
            Self::NoObject(kind) => write!(f, "engine {} needs a compiled object", kind.name()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Opens an engine for a hook of a policy. `object` is the policy compiled; engines that
/// [need none](EngineKind::needs_object) do not look at it.
///
/// # Errors
/// When the kernel or the interpreter does not take the program, or when there is none.
pub fn open<'p>(
    kind: EngineKind,
    policy: &'p Policy,
    hook: HookId,
    object: Option<&Object>,
) -> Result<Box<dyn Engine + 'p>, OpenError> {
    let name = &policy.hooks[hook].name;
    let object = || object.ok_or(OpenError::NoObject(kind));
    let shape = Shape::of_policy(policy, hook);
    Ok(match kind {
        EngineKind::Vm => {
            let vm = Vm::load(object()?, name).map_err(OpenError::Vm)?;
            Box::new(VmEngine { vm, rejects: Rejects::of(&shape), shape })
        }
        EngineKind::Kernel => {
            kernel::available().map_err(OpenError::Privilege)?;
            let program = Program::load(object()?, name).map_err(OpenError::Kernel)?;
            Box::new(KernelEngine { program, rejects: Rejects::of(&shape), shape })
        }
        EngineKind::Reference => Box::new(ReferenceEngine::new(policy, hook, shape)),
    })
}

struct VmEngine {
    vm: Vm,
    shape: Shape,
    rejects: Rejects,
}

struct KernelEngine {
    program: Program,
    shape: Shape,
    rejects: Rejects,
}

/// Tells a packet that was rejected without an answer from one that was dropped: both leave the program with the
/// same code, and only the counters of the rules that reject tell.
struct Rejects {
    /// Slots of rules that reject.
    slots: Vec<usize>,
    /// What they had counted when last looked at.
    seen: u64,
}

impl Rejects {
    fn of(shape: &Shape) -> Self {
        let rejects =
            |(_, rule): &(usize, &crate::ShapeRule)| rule.decides == Some(Verdict::Reject);
        let slots = shape.rules.iter().enumerate().filter(rejects).map(|(slot, _)| slot).collect();
        Self { slots, seen: 0 }
    }

    /// The verdict that `code` stands for, with a look at the counters where that is needed.
    fn verdict(
        &mut self,
        shape: &Shape,
        code: u32,
        counters: impl FnOnce() -> Result<Vec<Counter>, JudgeError>,
    ) -> Result<Verdict, JudgeError> {
        let verdict = verdict(shape, code)?;
        match verdict {
            Verdict::Drop if !self.slots.is_empty() => {
                let counters = counters()?;
                let packets = |&slot: &usize| counters.get(slot).map_or(0, |c| c.packets);
                let now = self.slots.iter().map(packets).fold(0, u64::wrapping_add);
                let rejected = std::mem::replace(&mut self.seen, now) != now;
                Ok(if rejected { Verdict::Reject } else { verdict })
            }
            Verdict::Reject => {
                self.seen = self.seen.wrapping_add(1);
                Ok(verdict)
            }
            Verdict::Drop | Verdict::Pass | Verdict::Redirect => Ok(verdict),
        }
    }
}

struct ReferenceEngine<'p> {
    reference: Reference<'p>,
    shape: Shape,
    counters: Vec<Counter>,
    /// Slots of the named counters.
    slots: BTreeMap<CounterId, usize>,
}

/// What limits count is not of the rules.
fn shown(mut counters: Vec<Counter>, shape: &Shape) -> Vec<Counter> {
    counters.truncate(shape.slots());
    counters
}

fn failed(error: RunError) -> JudgeError {
    JudgeError::Engine(error.to_string())
}

fn verdict(shape: &Shape, code: u32) -> Result<Verdict, JudgeError> {
    shape.kind.verdict(code).ok_or(JudgeError::Code(code))
}

impl Engine for VmEngine {
    fn name(&self) -> &'static str {
        EngineKind::Vm.name()
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn judge(&mut self, packet: &[u8]) -> Result<Verdict, JudgeError> {
        let code = self.vm.run(packet).map_err(failed)?;
        self.rejects.verdict(&self.shape, code, || Ok(self.vm.counters()))
    }

    fn arrive(&mut self, iface: Option<&str>) -> Result<(), JudgeError> {
        self.vm.arrive(iface);
        Ok(())
    }

    fn set_time(&mut self, now_ns: u64) -> Result<(), JudgeError> {
        self.vm.set_time(now_ns);
        Ok(())
    }

    fn set_seed(&mut self, seed: u64) -> Result<(), JudgeError> {
        self.vm.set_seed(seed);
        Ok(())
    }

    fn judge_traced(&mut self, packet: &[u8]) -> Result<Opinion, JudgeError> {
        let before = self.vm.counters();
        let verdict = self.judge(packet)?;
        opinion(&self.shape, verdict, &before, &shown(self.vm.counters(), &self.shape))
    }

    fn counters(&mut self) -> Result<Vec<Counter>, JudgeError> {
        Ok(shown(self.vm.counters(), &self.shape))
    }

    fn has(&mut self, (_, set): (SetId, &str), key: &Key) -> Result<Option<bool>, JudgeError> {
        Ok(self.vm.has(set, key))
    }

    fn reset(&mut self) -> Result<(), JudgeError> {
        self.vm.reset();
        self.rejects.seen = 0;
        Ok(())
    }
}

impl Engine for KernelEngine {
    fn name(&self) -> &'static str {
        EngineKind::Kernel.name()
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn judge(&mut self, packet: &[u8]) -> Result<Verdict, JudgeError> {
        let code = self.program.run(packet).map_err(failed)?;
        self.rejects.verdict(&self.shape, code, || self.program.counters().map_err(failed))
    }

    fn arrive(&mut self, iface: Option<&str>) -> Result<(), JudgeError> {
        self.program.arrive(iface).map_err(failed)
    }

    fn set_time(&mut self, now_ns: u64) -> Result<(), JudgeError> {
        self.program.set_time(now_ns).map_err(failed)
    }

    fn set_seed(&mut self, seed: u64) -> Result<(), JudgeError> {
        self.program.set_seed(seed).map_err(failed)
    }

    fn judge_traced(&mut self, packet: &[u8]) -> Result<Opinion, JudgeError> {
        let before = self.counters()?;
        let verdict = self.judge(packet)?;
        let after = self.counters()?;
        opinion(&self.shape, verdict, &before, &after)
    }

    fn counters(&mut self) -> Result<Vec<Counter>, JudgeError> {
        Ok(shown(self.program.counters().map_err(failed)?, &self.shape))
    }

    fn has(&mut self, (_, set): (SetId, &str), key: &Key) -> Result<Option<bool>, JudgeError> {
        self.program.has(set, key).map_err(failed)
    }

    fn reset(&mut self) -> Result<(), JudgeError> {
        self.rejects.seen = 0;
        self.program.reset().map_err(failed)
    }
}

impl<'p> ReferenceEngine<'p> {
    fn new(policy: &'p Policy, hook: HookId, shape: Shape) -> Self {
        let slots = report::counters(policy, hook).into_iter().zip(shape.rules.len()..).collect();
        let counters = vec![Counter::default(); shape.slots()];
        Self { reference: Reference::new(policy, hook), shape, counters, slots }
    }

    /// Counts what a judgement says has been counted.
    fn count(&mut self, judgement: &Judgement, bytes: usize) {
        let named = judgement.counted.iter().filter_map(|id| self.slots.get(id).copied());
        for slot in judgement.matched.iter().copied().chain(named) {
            self.counters[slot].packets += 1;
            self.counters[slot].bytes += bytes as u64;
        }
    }
}

impl Engine for ReferenceEngine<'_> {
    fn name(&self) -> &'static str {
        EngineKind::Reference.name()
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn judge(&mut self, packet: &[u8]) -> Result<Verdict, JudgeError> {
        let judgement = self.reference.judge(packet);
        self.count(&judgement, packet.len());
        Ok(judgement.verdict)
    }

    fn arrive(&mut self, iface: Option<&str>) -> Result<(), JudgeError> {
        self.reference.arrive(iface);
        Ok(())
    }

    fn set_time(&mut self, now_ns: u64) -> Result<(), JudgeError> {
        self.reference.set_time(now_ns);
        Ok(())
    }

    fn set_seed(&mut self, seed: u64) -> Result<(), JudgeError> {
        self.reference.set_seed(seed);
        Ok(())
    }

    fn judge_traced(&mut self, packet: &[u8]) -> Result<Opinion, JudgeError> {
        let before = self.counters.clone();
        let judgement = self.reference.judge(packet);
        self.count(&judgement, packet.len());
        let seen = opinion(&self.shape, judgement.verdict, &before, &self.counters)?;
        Ok(Opinion { rule: judgement.rule, ..seen })
    }

    fn counters(&mut self) -> Result<Vec<Counter>, JudgeError> {
        Ok(self.counters.clone())
    }

    fn has(&mut self, (set, _): (SetId, &str), key: &Key) -> Result<Option<bool>, JudgeError> {
        Ok(self.reference.has(set, key))
    }

    fn reset(&mut self) -> Result<(), JudgeError> {
        self.counters.fill(Counter::default());
        self.reference.reset();
        Ok(())
    }
}
