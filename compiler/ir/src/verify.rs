//! Says whether a module means something, and the same thing to every reader.
//!
//! [`Verified`] can be made here only, so that code generators that ask for it never see a module
//! with an undefined value, a load that no guard covers, or a cycle. What it guarantees:
//!
//! - all names resolve; each block stands once in the order; edges carry what their target takes;
//! - each value is defined once, in a place that dominates its uses, and has the type they want;
//! - each load reads bytes that a guard promised, in a place that the guard's good side dominates,
//!   while the packet has not moved;
//! - neither blocks nor functions form cycles: every program ends;
//! - tables are sorted, and their ranges neither overlap nor touch.

mod body;
mod shape;
#[cfg(test)]
mod tests;

use crate::text::FuncText;
use crate::{Block, Func, Function, InstData, Module, TableData};
use cranelift_entity::{EntitySet, SecondaryMap};
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::ops::Deref;

/// Most parameters that a function can take: the machine passes five words, one is the context.
pub const MAX_PARAMS: usize = 4;

/// What the verifier has seen and found good.
#[derive(Debug, Clone)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Gives up the mark, to change what it stood for.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A module that breaks a rule of the IR: a mistake of whoever built it, never of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyError {
    /// Function, as named in `text`; empty if the module itself is wrong.
    pub func: String,
    /// Block, as named in `text`; empty if it is not one block that is wrong.
    pub block: String,
    /// Instruction, as in `text`; empty if it is not one instruction that is wrong.
    pub inst: String,
    /// The rule that is broken.
    pub reason: String,
    /// The whole module.
    pub text: String,
}

impl Display for VerifyError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let places = [
            ("function ", self.func.as_str()),
            ("", self.block.as_str()),
            ("", self.inst.as_str()),
        ];
        for (kind, place) in places.into_iter().filter(|(_, place)| !place.is_empty()) {
            write!(f, "{kind}{place}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for VerifyError {}

/// Where in a function a rule is broken, and which: what becomes a [`VerifyError`].
struct Broken {
    block: Option<Block>,
    inst: Place,
    reason: String,
}

/// A place in a block.
#[derive(Clone, Copy)]
enum Place {
    /// The block as such, or no block.
    Whole,
    /// The instruction at an index.
    Inst(usize),
    /// The terminator.
    Term,
}

impl Broken {
    fn function(reason: impl Into<String>) -> Self {
        Self { block: None, inst: Place::Whole, reason: reason.into() }
    }

    fn at(block: Block, inst: Place, reason: impl Into<String>) -> Self {
        Self { block: Some(block), inst, reason: reason.into() }
    }
}

/// Checks a module.
///
/// # Errors
///
/// The first broken rule, in the order of functions and blocks.
pub fn verify(module: Module) -> Result<Verified<Module>, VerifyError> {
    let broken = check_module(&module).map_err(|reason| VerifyError {
        func: String::new(),
        block: String::new(),
        inst: String::new(),
        reason,
        text: module.to_string(),
    });
    broken?;
    for func in module.funcs.values() {
        shape::check(&module, func)
            .and_then(|()| body::check(func))
            .map_err(|broken| blame(&module, func, broken))?;
    }
    check_calls(&module)
        .map_err(|(func, reason)| blame(&module, &module.funcs[func], Broken::function(reason)))?;
    Ok(Verified(module))
}

fn blame(module: &Module, func: &Function, broken: Broken) -> VerifyError {
    let text = FuncText::new(Some(module), func);
    let data = broken.block.and_then(|block| func.blocks.get(block));
    let inst = data.map_or_else(String::new, |data| match broken.inst {
        Place::Whole => String::new(),
        Place::Inst(index) => data.insts.get(index).map_or_else(String::new, |&i| text.inst(i)),
        Place::Term => text.term(&data.term),
    });
    VerifyError {
        func: func.name.clone(),
        block: broken.block.map_or_else(String::new, |block| text.names.block(block)),
        inst,
        reason: broken.reason,
        text: module.to_string(),
    }
}

fn check_module(module: &Module) -> Result<(), String> {
    let mut names = HashSet::new();
    for table in module.tables.values() {
        check_name("table", &table.name, "_", &mut names)?;
        check_ranges(table)?;
    }
    names.clear();
    for func in module.funcs.values() {
        check_name("function", &func.name, "_.", &mut names)?;
    }
    let Some(entry) = module.entry.expand() else {
        return Err("the module has no entry".to_owned());
    };
    let Some(func) = module.funcs.get(entry) else {
        return Err("the entry is no function of the module".to_owned());
    };
    let params = func.entry().and_then(|block| func.blocks.get(block)).map(|data| &data.params);
    if params.is_some_and(|params| !params.is_empty()) {
        return Err(format!("the entry `{}` takes parameters", func.name));
    }
    Ok(())
}

fn check_name<'m>(
    kind: &str,
    name: &'m str,
    signs: &str,
    names: &mut HashSet<&'m str>,
) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    if name.is_empty() || !name.chars().all(good) {
        return Err(format!("{name:?} is no name of a {kind}"));
    }
    if names.insert(name) { Ok(()) } else { Err(format!("two {kind}s are named `{name}`")) }
}

fn check_ranges(table: &TableData) -> Result<(), String> {
    let max = if table.wide { u128::MAX } else { u128::from(u64::MAX) };
    let mut after: Option<u128> = Some(0);
    for &(lo, hi) in &table.ranges {
        let range = || format!("table {}: range {lo:#x}..{hi:#x}", table.name);
        if lo > hi || hi > max {
            return Err(format!("{} is not one of its key's numbers", range()));
        }
        if after.is_none_or(|least| lo < least) {
            return Err(format!("{} is out of order, or touches the one before", range()));
        }
        // The next range leaves at least one number out.
        after = hi.checked_add(2);
    }
    Ok(())
}

/// Calls form no cycle, and nobody calls the entry.
fn check_calls(module: &Module) -> Result<(), (Func, String)> {
    let mut callees = SecondaryMap::<Func, Vec<Func>>::new();
    for (func, data) in &module.funcs {
        for &inst in data.order.iter().flat_map(|&block| &data.blocks[block].insts) {
            if let InstData::Call { func: callee, .. } = data.insts[inst] {
                if Some(callee) == module.entry.expand() {
                    return Err((func, "calls the module's entry".to_owned()));
                }
                callees[func].push(callee);
            }
        }
    }
    let (mut entered, mut left) = (EntitySet::<Func>::new(), EntitySet::<Func>::new());
    for root in module.funcs.keys() {
        let mut stack = vec![(root, 0)];
        if !entered.insert(root) {
            continue;
        }
        while let Some((func, next)) = stack.last_mut() {
            let Some(&callee) = callees[*func].get(*next) else {
                left.insert(*func);
                stack.pop();
                continue;
            };
            *next += 1;
            if entered.insert(callee) {
                stack.push((callee, 0));
            } else if !left.contains(callee) {
                return Err((callee, "calls itself, maybe through others".to_owned()));
            }
        }
    }
    Ok(())
}
