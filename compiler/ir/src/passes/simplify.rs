//! Brings the graph into its smallest form: straight lines of blocks become one block, branches to
//! one place become jumps, parameters that are unused or always get the same number go.

use super::edit::{Aliases, drop_unreachable, same_call};
use crate::analysis::{Cfg, UseCounts};
use crate::{Block, Function, InstData, Term, Value, ValueDef};
use cranelift_entity::EntitySet;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    let mut changed = drop_unreachable(func);
    changed |= drop_params(func);
    changed |= join_sides(func);
    changed | merge_lines(func)
}

/// Branches both of whose sides are the same become jumps.
fn join_sides(func: &mut Function) -> bool {
    let mut changed = false;
    let blocks = func.order.clone();
    for &block in &blocks {
        if let Term::Br { then, otherwise, .. } = &func.blocks[block].term
            && same_call(func, then, otherwise)
        {
            func.blocks[block].term = Term::Jump(then.clone());
            changed = true;
        }
    }
    changed
}

/// A block with one way in, a jump, is appended to where the jump stands.
fn merge_lines(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    let mut aliases = Aliases::default();
    let mut merged = EntitySet::<Block>::new();
    let blocks = func.order.clone();
    for &block in &blocks {
        if merged.contains(block) {
            continue;
        }
        while let Term::Jump(to) = &func.blocks[block].term
            && cfg.single_pred(to.block).is_some()
        {
            let to = to.clone();
            let next = &mut func.blocks[to.block];
            let (insts, term) =
                (std::mem::take(&mut next.insts), std::mem::replace(&mut next.term, Term::None));
            let term_line = next.term_line;
            for (param, arg) in std::mem::take(&mut next.params).into_iter().zip(to.args) {
                aliases.replace(param, arg);
            }
            if let Term::Guard { ptr, .. } = term {
                func.values[ptr].def = ValueDef::Guard(block);
            }
            let data = &mut func.blocks[block];
            data.insts.extend(insts);
            (data.term, data.term_line) = (term, term_line);
            merged.insert(to.block);
        }
    }
    func.order.retain(|&block| !merged.contains(block));
    aliases.apply(func);
    !merged.is_empty()
}

/// What can be said of a parameter.
enum Fate {
    Keep,
    /// Nobody reads it.
    Unused,
    /// It is always this value.
    Is(Value),
    /// It is always this number, made in different places.
    IsConst(u64),
}

fn drop_params(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    let uses = UseCounts::new(func);
    let mut aliases = Aliases::default();
    let mut changed = false;
    for block in cfg.reverse_postorder().skip(1) {
        let params = func.blocks[block].params.clone();
        if params.is_empty() {
            continue;
        }
        let mut kept = Vec::with_capacity(params.len());
        for (index, &param) in params.iter().enumerate() {
            let fate = match uses.of(param) {
                0 => Fate::Unused,
                _ => fate(func, &cfg, &aliases, block, index),
            };
            kept.push(matches!(fate, Fate::Keep));
            match fate {
                Fate::Keep | Fate::Unused => {}
                Fate::Is(value) => aliases.replace(param, value),
                Fate::IsConst(n) => {
                    let line = func.blocks[block].term_line.expand();
                    let inst = func.make_inst(InstData::Const(n), line);
                    func.blocks[block].insts.insert(0, inst);
                    aliases.replace(param, func.results[inst].expect("constants are values"));
                }
            }
        }
        if kept.contains(&false) {
            keep_params(func, &cfg, block, &kept);
            changed = true;
        }
    }
    aliases.apply(func);
    changed
}

/// What parameter `index` of `block` is, as far as its arguments agree. That all ways in bring the
/// same value says that its definition dominates the block.
fn fate(func: &Function, cfg: &Cfg, aliases: &Aliases, block: Block, index: usize) -> Fate {
    let mut first: Option<Value> = None;
    let (mut same_value, mut same_number) = (true, true);
    for &pred in &cfg.preds[block] {
        func.blocks[pred].term.for_each_call(|to| {
            let arg = to.args.get(index).filter(|_| to.block == block);
            let Some(arg) = arg.map(|&arg| aliases.resolve(arg)) else { return };
            let known = *first.get_or_insert(arg);
            same_value &= known == arg;
            same_number &= func.constant(arg).is_some_and(|n| func.constant(known) == Some(n));
        });
    }
    match first {
        Some(value) if same_value => Fate::Is(value),
        Some(value) if same_number => func.constant(value).map_or(Fate::Keep, Fate::IsConst),
        Some(_) | None => Fate::Keep,
    }
}

/// Keeps the parameters of `block` that are marked, and what edges bring for them.
fn keep_params(func: &mut Function, cfg: &Cfg, block: Block, kept: &[bool]) {
    let filter = |values: &mut Vec<Value>| {
        let mut marks = kept.iter();
        values.retain(|_| *marks.next().expect("edges bring one number a parameter"));
    };
    filter(&mut func.blocks[block].params);
    for (index, &param) in (0..).zip(&func.blocks[block].params) {
        func.values[param].def = ValueDef::Param(block, index);
    }
    let mut seen = None;
    for &pred in &cfg.preds[block] {
        // Two edges of one branch follow each other.
        if seen.replace(pred) == Some(pred) {
            continue;
        }
        func.blocks[pred].term.for_each_call_mut(|to| {
            if to.block == block {
                filter(&mut to.args);
            }
        });
    }
}
