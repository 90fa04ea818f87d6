//! Passes over functions, and the pipeline that runs them.
//!
//! Each pass keeps what the module does on every packet (verdict and counters) and what the
//! verifier demands; the pipeline has the verifier say so after each. All are near-linear in the
//! function's size.

mod bytes;
mod classes;
mod dce;
mod edit;
mod facts;
mod fold;
#[cfg(test)]
mod generate;
mod guards;
mod gvn;
mod inline;
mod simplify;
mod sink;
mod split;
#[cfg(test)]
mod tests;
mod thread;

use crate::{Function, Module, Verified, VerifyError, verify};

/// A pass, as the user can name it.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Changes what is verified; true if it did.
    pub run: Run,
}

/// What a pass works on.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// One function at a time.
    Function(fn(&mut Function) -> bool),
    /// The whole module.
    Module(fn(&mut Module) -> bool),
}

impl Pass {
    /// Runs the pass on all of a module; true if it changed anything.
    pub fn apply(&self, module: &mut Module) -> bool {
        match self.run {
            Run::Module(run) => run(module),
            Run::Function(run) => {
                module.funcs.values_mut().fold(false, |changed, func| run(func) | changed)
            }
        }
    }
}

/// All passes, in the order in which a round runs them.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "inline",
        doc: "put functions that ask for it where they are called",
        run: Run::Module(inline::run),
    },
    Pass {
        name: "simplify",
        doc: "merge straight lines of blocks, drop parameters that say nothing",
        run: Run::Function(simplify::run),
    },
    Pass {
        name: "fold",
        doc: "compute constants, drop needless arithmetic, compare packet bytes as they lie",
        run: Run::Function(fold::run),
    },
    Pass { name: "gvn", doc: "compute what is the same once", run: Run::Function(gvn::run) },
    Pass {
        name: "sink",
        doc: "compute what only some ways need on those ways",
        run: Run::Function(sink::run),
    },
    Pass {
        name: "thread",
        doc: "lead branches past tests whose outcome is known on the way there",
        run: Run::Function(thread::run),
    },
    Pass {
        name: "guards",
        doc: "merge and widen guards of packet bytes",
        run: Run::Function(guards::run),
    },
    Pass {
        name: "bytes",
        doc: "ask for each bit of the packet once, by narrow loads",
        run: Run::Function(bytes::run),
    },
    Pass {
        name: "split",
        doc: "take numbers apart on the edges that bring them",
        run: Run::Function(split::run),
    },
    Pass { name: "dce", doc: "remove what nobody uses", run: Run::Function(dce::run) },
];

/// A round finds what the one before has laid bare; few programs change after the third.
const MAX_ROUNDS: usize = 4;

/// How much work is done on a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OptLevel {
    /// None: the module as it was lowered.
    O0,
    /// All passes.
    #[default]
    O2,
}

/// Runs the passes of `level`, each over all functions, and the verifier after each. `after` sees
/// the module after every pass, with the pass's name; a name comes once a round.
///
/// # Errors
///
/// If a pass breaks a rule of the IR: a bug in the pass.
pub fn optimize(
    module: Verified<Module>,
    level: OptLevel,
    after: &mut dyn FnMut(&'static str, &Module),
) -> Result<Verified<Module>, VerifyError> {
    let mut module = module;
    let rounds = match level {
        OptLevel::O0 => 0,
        OptLevel::O2 => MAX_ROUNDS,
    };
    for _ in 0..rounds {
        let mut changed = false;
        for pass in PASSES {
            let mut inner = module.into_inner();
            changed |= pass.apply(&mut inner);
            module = verify(inner)?;
            after(pass.name, &module);
        }
        if !changed {
            break;
        }
    }
    Ok(module)
}
