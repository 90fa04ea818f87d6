//! What the commands that judge packets share: programs for engines, and what engines complain of.

use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::rules::Rules;
use crate::ui::Ui;
use l4c_compiler::Clock;
use l4c_compiler::hir::HookId;
use l4c_compiler::pipeline::{self, CompileError, Options};
use l4c_compiler::source::Sources;
use l4c_judge::{Engine, EngineKind, OpenError};
use l4c_runtime::{KernelError, Object};

/// Compiles rules.
///
/// # Errors
/// What is wrong has been printed then.
pub fn compile(
    ui: &mut Ui,
    rules: &Rules,
    options: Options,
) -> Result<pipeline::Compiled, Failure> {
    pipeline::compile(&rules.policy, &rules.sources, options).map_err(|e| refused(ui, rules, e))
}

/// Tells why there is no object.
pub fn refused(ui: &mut Ui, rules: &Rules, error: CompileError) -> Failure {
    match error {
        CompileError::Limit(diag) => {
            diagnostics::print(ui, &rules.sources, &[*diag]);
            Failure::told(Exit::Failed)
        }
        CompileError::Bug(text) => {
            ui.detail(&text);
            let first = text.lines().next().unwrap_or_default();
            Failure::failed(format!("l4c made a mistake of its own: {first}"))
                .help("please report it with the rule file and the output of `-v`")
        }
    }
}

/// Tells an engine where chance begins.
///
/// # Errors
/// When it can't be told.
pub fn seed(engine: &mut dyn Engine, seed: u64) -> Result<(), Failure> {
    engine
        .set_seed(seed)
        .map_err(|error| Failure::refused(format!("engine {}: {error}", engine.name())))
}

/// Rules and, once an engine has needed it, the objects made of them.
pub struct Bench<'r> {
    rules: &'r Rules,
    objects: Vec<(Clock, Object)>,
}

impl<'r> Bench<'r> {
    /// Nothing is compiled yet.
    pub fn new(rules: &'r Rules) -> Self {
        Self { rules, objects: Vec::new() }
    }

    /// An engine for a hook.
    ///
    /// # Errors
    /// When the rules don't compile, or when the engine does not take the program.
    pub fn open(
        &mut self,
        ui: &mut Ui,
        kind: EngineKind,
        hook: HookId,
    ) -> Result<Box<dyn Engine + 'r>, Failure> {
        // The kernel's own clocks can't be set: there packets come at the time that a map holds.
        let clock = match kind {
            EngineKind::Kernel => Clock::Injected,
            EngineKind::Vm | EngineKind::Reference => Clock::Kernel,
        };
        let known = self.objects.iter().position(|(made_for, _)| *made_for == clock);
        if kind.needs_object() && known.is_none() {
            let options = Options { clock, ..super::compile::optimized() };
            let compiled = compile(ui, self.rules, options)?;
            let object = Object::parse(&compiled.elf);
            let object =
                object.map_err(|e| refused(ui, self.rules, CompileError::Bug(e.to_string())))?;
            self.objects.push((clock, object));
        }
        let object = self.objects.iter().find(|(made_for, _)| *made_for == clock);
        let object = object.map(|(_, object)| object);
        l4c_judge::open(kind, &self.rules.policy, hook, object)
            .map_err(|error| self.explain(ui, error))
    }

    fn explain(&self, ui: &mut Ui, error: OpenError) -> Failure {
        match error {
            OpenError::Kernel(error) => rejected(ui, &self.rules.sources, &error),
            OpenError::Privilege(_) => Failure::refused(error.to_string())
                .help("engines vm and reference need no privilege"),
            OpenError::Vm(_) | OpenError::NoObject(_) => Failure::refused(error.to_string()),
        }
    }
}

/// Tells that the kernel does not take a program, at the rule that its verifier was at when it gave up.
pub fn rejected(ui: &mut Ui, sources: &Sources, error: &KernelError) -> Failure {
    ui.detail(&error.log);
    let Some(place) = &error.place else { return Failure::refused(error.to_string()) };
    match pipeline::rejected(sources, &place.file, place.line, &error.message) {
        Some(diag) => {
            diagnostics::print(ui, sources, &[diag]);
            Failure::told(Exit::Refused)
        }
        None => Failure::refused(format!("{error}\n  at {}:{}", place.file, place.line))
            .help("`-v` prints the verifier's log"),
    }
}
