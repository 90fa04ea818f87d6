//! From syntax trees to a policy: names resolved, types checked, every mistake told.
//!
//! Guarantees that a [`Policy`] that comes out means something in every part: no later stage has to blame
//! the user. What the language has and this compiler does not is an error at its place.

mod blocks;
mod changes;
mod compare;
mod conns;
mod diags;
mod dns_name;
mod elements;
pub(crate) mod errors;
mod expr;
pub(crate) mod graph;
mod iface;
mod inner;
mod limits;
mod lints;
mod names;
mod operand;
mod p0f;
mod rules;
mod sample;
mod set_files;
mod sets;
#[cfg(test)]
mod tests;
mod text;
mod unsupported;
mod value;
mod want;
mod words;

pub use elements::elements_of;
pub use errors::CODES;
pub use value::duration;

use crate::hir::{CounterId, Policy};
use crate::source::{Files, Loaded, Sources};
use diags::Diags;
use expr::{MatchFacts, Spent};
use l4c_grammar::{Diag, Span};
use l4c_manifest::HookKind;
use names::Names;
use sets::SetFacts;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use value::Values;

/// How to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckOptions {
    /// Takes every hook of the policy for one of this kind. What such a hook does not see is an error.
    pub kind_override: Option<HookKind>,
}

/// What the checker finds.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The policy; none if there is any error.
    pub policy: Option<Policy>,
    /// The texts, for diagnostics and line numbers.
    pub sources: Sources,
    /// Everything that was found, the parser's finds included, by place.
    pub diags: Vec<Diag>,
}

/// Checks what was loaded; `files` is where set files and captures are looked for.
#[must_use]
pub fn check(loaded: Loaded, files: &dyn Files, options: CheckOptions) -> Checked {
    let Loaded { sources, files: trees, root_dir, diags } = loaded;
    let mut diags = Diags::starting_with(diags);
    let names = Names::collect(&trees, &mut diags);
    let values = Values::new(names, &mut diags);
    let mut checker = Checker {
        sources: &sources,
        access: files,
        root_dir: &root_dir,
        kind: options.kind_override.unwrap_or(HookKind::Xdp),
        values,
        diags,
        policy: Policy::default(),
        sets: Vec::new(),
        matches: Vec::new(),
        looping: HashSet::new(),
        counters: HashMap::new(),
        steps: HashMap::new(),
        spent: Spent::default(),
    };
    checker.check_sets();
    checker.check_limits();
    checker.check_matches();
    checker.check_chains();
    checker.check_hooks();
    checker.check_tests();
    checker.lint();
    sample::number_nths(&mut checker.policy);
    let Checker { diags, policy, .. } = checker;
    let policy = (!diags.any_error()).then_some(policy);
    let diags = diags.finish();
    Checked { policy, sources, diags }
}

/// The state of a check.
struct Checker<'a> {
    sources: &'a Sources,
    access: &'a dyn Files,
    root_dir: &'a Path,
    /// What every hook is.
    kind: HookKind,
    values: Values<'a>,
    diags: Diags,
    policy: Policy,
    /// By [`crate::hir::SetId`].
    sets: Vec<SetFacts>,
    /// By place in the names' list.
    matches: Vec<MatchFacts>,
    /// `match`es that need themselves.
    looping: HashSet<usize>,
    counters: HashMap<String, CounterId>,
    /// Where each chain is jumped to.
    steps: HashMap<usize, Vec<Span>>,
    spent: Spent,
}
