//! What the kernel would refuse, found before it does.

use crate::asm::Target;
use crate::error::{Error, Limit};
use crate::link::{Linked, Unit, callees};
use crate::mach::Symbol;
use l4c_ir::Func;
use std::collections::BTreeMap;

/// The kernel rounds frames up to this many bytes (`check_max_stack_depth`).
const FRAME_UNIT_BYTES: u64 = 32;

/// Checks all programs.
///
/// # Errors
/// The first limit that is exceeded.
pub fn check(linked: &Linked<'_>) -> Result<(), Error> {
    for program in &linked.programs {
        let samples = program.hook.samples.iter().map(|samples| &samples.map);
        let limits = program.hook.limits.iter().map(|limit| &limit.map);
        let maps = samples.chain(limits);
        for name in [&program.hook.name, &program.hook.counter_map].into_iter().chain(maps) {
            check_one(Limit::NameBytes, name.len() as u64, || (name.clone(), None))?;
        }
    }
    for unit in &linked.units {
        let blame = || (unit.symbol.clone(), Some(linked.first_line(unit)));
        check_one(Limit::FunctionInsns, unit.bytes.insns().into(), blame)?;
        check_one(Limit::Branches, unit.bytes.branches.into(), blame)?;
        check_one(Limit::StackBytes, unit.stack_bytes.into(), blame)?;
    }
    for (index, program) in linked.programs.iter().enumerate() {
        let units: Vec<&Unit> = linked.units.iter().filter(|u| u.program == index).collect();
        let blame = || (program.hook.name.clone(), None);
        check_one(Limit::Functions, units.len() as u64, blame)?;
        let insns = units.iter().map(|u| u64::from(u.bytes.insns())).sum();
        check_one(Limit::ProgramInsns, insns, blame)?;
        check_maps(linked, &units)?;
        check_verified(linked, &units)?;
        check_chains(linked, &units)?;
    }
    Ok(())
}

fn check_one(
    what: Limit,
    got: u64,
    blame: impl FnOnce() -> (String, Option<l4c_ir::LineData>),
) -> Result<(), Error> {
    if got <= what.max() {
        return Ok(());
    }
    let (function, line) = blame();
    Err(Error::limit(what, got, &function, line.as_ref()))
}

/// The first function with which the program refers to more maps and tables than it may.
fn check_maps(linked: &Linked<'_>, units: &[&Unit]) -> Result<(), Error> {
    let mut used: Vec<Symbol> = Vec::new();
    let mut passed = None;
    for unit in units {
        let symbols = unit.bytes.relocs.iter().filter_map(|&(_, target)| match target {
            // All parameters are in one section.
            Target::Symbol(Symbol::Params(_) | Symbol::SetState(_)) => Some(Symbol::SetState(0)),
            Target::Symbol(symbol) => Some(symbol),
            Target::Func(_) => None,
        });
        for symbol in symbols {
            if !used.contains(&symbol) {
                used.push(symbol);
            }
        }
        if used.len() as u64 > Limit::Maps.max() && passed.is_none() {
            passed = Some(unit);
        }
    }
    let Some(unit) = passed else { return Ok(()) };
    let blame = || (unit.symbol.clone(), Some(linked.first_line(unit)));
    check_one(Limit::Maps, used.len() as u64, blame)
}

/// The verifier goes both ways at a branch and meets itself where rules end, so that it sees functions of
/// rules about 2.1 times, whatever their number: 34 instructions for the 16 of a rule of two fields.
const VERIFIED_PER_TEN_INSNS: u64 = 22;

/// The first function with which the whole program is more than the verifier will go through.
fn check_verified(linked: &Linked<'_>, units: &[&Unit]) -> Result<(), Error> {
    let insns = |unit: &Unit| u64::from(unit.bytes.insns());
    let whole = units.iter().map(|unit| insns(unit)).sum::<u64>() * VERIFIED_PER_TEN_INSNS / 10;
    let mut so_far = 0;
    for unit in units {
        so_far += insns(unit);
        if so_far * VERIFIED_PER_TEN_INSNS / 10 > Limit::VerifiedInsns.max() {
            let blame = || (unit.symbol.clone(), Some(linked.first_line(unit)));
            check_one(Limit::VerifiedInsns, whole, blame)?;
        }
    }
    Ok(())
}

/// Stack and depth of the deepest chain that starts at each function.
fn check_chains(linked: &Linked<'_>, units: &[&Unit]) -> Result<(), Error> {
    let by_func: BTreeMap<Func, &Unit> = units.iter().map(|u| (u.func, *u)).collect();
    let mut known = BTreeMap::new();
    let mut needs: Vec<_> =
        units.iter().map(|unit| (chain(unit, &by_func, &mut known), *unit)).collect();
    // The function that goes over a limit is the one whose callees keep to it.
    needs.sort_by_key(|&((_, depth), _)| depth);
    for ((stack_bytes, depth), unit) in needs {
        let blame = || (unit.symbol.clone(), Some(linked.first_line(unit)));
        check_one(Limit::StackBytes, stack_bytes, blame)?;
        check_one(Limit::CallDepth, depth, blame)?;
    }
    Ok(())
}

/// Recursion ends: calls form no cycle, and there are few functions.
fn chain(
    unit: &Unit,
    by_func: &BTreeMap<Func, &Unit>,
    known: &mut BTreeMap<Func, (u64, u64)>,
) -> (u64, u64) {
    if let Some(&chain) = known.get(&unit.func) {
        return chain;
    }
    let own = u64::from(unit.stack_bytes).max(1).next_multiple_of(FRAME_UNIT_BYTES);
    let mut deepest = (0, 0);
    for func in callees(unit) {
        if let Some(callee) = by_func.get(&func) {
            let (stack_bytes, depth) = chain(callee, by_func, known);
            deepest = (deepest.0.max(stack_bytes), deepest.1.max(depth));
        }
    }
    let sum = (own + deepest.0, 1 + deepest.1);
    known.insert(unit.func, sum);
    sum
}
