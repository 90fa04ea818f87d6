//! What the commands that judge packets share: programs for engines, and what engines complain of.

use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::rules::Rules;
use crate::ui::Ui;
use l4c_compiler::hir::HookId;
use l4c_compiler::pipeline::{self, CompileError, Options};
use l4c_compiler::source::Sources;
use l4c_grammar::FileId;
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

/// Rules and, once an engine has needed it, the object made of them.
pub struct Bench<'r> {
    rules: &'r Rules,
    object: Option<Object>,
}

impl<'r> Bench<'r> {
    /// Nothing is compiled yet.
    pub fn new(rules: &'r Rules) -> Self {
        Self { rules, object: None }
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
        if kind.needs_object() && self.object.is_none() {
            let compiled = compile(ui, self.rules, super::compile::optimized())?;
            let object = Object::parse(&compiled.elf);
            let object =
                object.map_err(|e| refused(ui, self.rules, CompileError::Bug(e.to_string())))?;
            self.object = Some(object);
        }
        l4c_judge::open(kind, &self.rules.policy, hook, self.object.as_ref())
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

/// Tells that the kernel does not take a program, at the rule.
pub fn rejected(ui: &mut Ui, sources: &Sources, error: &KernelError) -> Failure {
    ui.detail(&error.log);
    let failure = Failure::refused(at_rule(sources, error));
    if ui.verbose || error.log.is_empty() {
        failure
    } else {
        failure.help("`-v` prints the verifier's log")
    }
}

/// A refusal, with the rule that the kernel's verifier was at when it gave up.
fn at_rule(sources: &Sources, error: &KernelError) -> String {
    let Some(place) = &error.place else { return error.to_string() };
    // The object holds names that do not depend on where the rules were compiled.
    let portable = |file: &u32| sources.portable_name(FileId(*file)) == place.file;
    let source = (0..).take(sources.as_slice().len()).find(portable);
    let source = source.and_then(|file| sources.get(FileId(file)));
    let name = source.map_or(place.file.as_str(), |source| &source.name);
    let line = source.and_then(|s| s.text.lines().nth(place.line.max(1) as usize - 1));
    let line = line.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    format!("{error}\n  at {name}:{}{line}", place.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::one_source;
    use l4c_runtime::Place;

    #[test]
    fn a_refusal_shows_the_rule() {
        let sources =
            one_source("rules/edge.l4".into(), "hook xdp h {\n  a: all -> drop\n}\n".into());
        let told = |file: &str, line| {
            let place = Some(Place { file: file.into(), line });
            at_rule(&sources, &KernelError { message: "no".into(), log: String::new(), place })
        };
        assert_eq!(told("edge.l4", 2), "no\n  at rules/edge.l4:2: a: all -> drop");
        assert_eq!(told("edge.l4", 99), "no\n  at rules/edge.l4:99");
        assert_eq!(told("other.l4", 2), "no\n  at other.l4:2");
    }
}
