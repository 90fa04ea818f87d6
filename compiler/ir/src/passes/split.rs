//! Computes on edges: a parameter that every edge brings a number for, and that its block only takes apart,
//! becomes several, each with a number made at compile time.
//!
//! So an outcome that rules pack into a word, counter slot and return code, is never packed where the rules stand
//! in line.

use super::edit::{Aliases, append_const, drop_unreachable};
use crate::analysis::{Cfg, of_inst};
use crate::{Block, Function, Inst, InstData, Value};
use cranelift_entity::SecondaryMap;

/// Instructions that a parameter is used by, or it is left as it is.
const MAX_PARTS: usize = 4;

/// Edges that numbers are made for, or the code grows more than it is worth.
const MAX_EDGES: usize = 256;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    if func.order.iter().skip(1).all(|&block| func.blocks[block].params.is_empty()) {
        return false;
    }
    let mut changed = drop_unreachable(func);
    let cfg = Cfg::new(func);
    let mut aliases = Aliases::default();
    let users = users(func);
    for block in cfg.reverse_postorder().skip(1) {
        let preds = &cfg.preds[block];
        if preds.len() > MAX_EDGES {
            continue;
        }
        for index in 0..func.blocks[block].params.len() {
            let param = func.blocks[block].params[index];
            let Some(parts) = parts(func, &users, block, param) else { continue };
            if numbers_only(func, preds, block, index) {
                for &part in &parts {
                    split(func, &mut aliases, preds, (block, index), part);
                }
                changed = true;
            }
        }
    }
    aliases.apply(func);
    changed
}

/// By what a value is used: instructions with their blocks, up to a few; `None` if there are more or a
/// terminator is among them.
type Users = SecondaryMap<Value, Option<Vec<(Block, Inst)>>>;

fn users(func: &Function) -> Users {
    let mut users: Users = SecondaryMap::with_default(Some(Vec::new()));
    for &block in &func.order {
        let data = &func.blocks[block];
        for &inst in &data.insts {
            func.insts[inst].for_each_arg(|v| {
                if let Some(list) = &mut users[v] {
                    list.push((block, inst));
                    if list.len() > MAX_PARTS {
                        users[v] = None;
                    }
                }
            });
        }
        data.term.for_each_arg(|v| users[v] = None);
    }
    users
}

/// What takes the parameter apart, if nothing else is done with it.
fn parts(func: &Function, users: &Users, block: Block, param: Value) -> Option<Vec<Inst>> {
    let list = users[param].as_ref().filter(|list| !list.is_empty())?;
    let takes_apart = |&(home, inst): &(Block, Inst)| {
        let fits = match func.insts[inst] {
            InstData::Binary { args: [a, b], .. } => a == param && func.constant(b).is_some(),
            InstData::Swap { .. } => true,
            _ => false,
        };
        (home == block && fits).then_some(inst)
    };
    list.iter().map(takes_apart).collect()
}

fn numbers_only(func: &Function, preds: &[Block], block: Block, index: usize) -> bool {
    let mut all = true;
    for &pred in preds {
        func.blocks[pred].term.for_each_call(|to| {
            if to.block == block {
                all &= func.constant(to.args[index]).is_some();
            }
        });
    }
    all
}

/// Makes a parameter of what `part` gives.
fn split(
    func: &mut Function,
    aliases: &mut Aliases,
    preds: &[Block],
    (block, index): (Block, usize),
    part: Inst,
) {
    let Some(result) = func.results[part].expand() else { return };
    let param = func.blocks[block].params[index];
    let new = func.add_param(block);
    aliases.replace(result, new);
    func.blocks[block].insts.retain(|&inst| inst != part);
    let mut seen = None;
    for &pred in preds {
        // Two edges of one branch follow each other.
        if seen.replace(pred) == Some(pred) {
            continue;
        }
        let mut term = func.blocks[pred].term.clone();
        let line = func.blocks[pred].term_line.expand();
        term.for_each_call_mut(|to| {
            if to.block == block {
                let number = evaluated(func, part, param, to.args[index]);
                to.args.push(append_const(func, pred, number, line));
            }
        });
        func.blocks[pred].term = term;
    }
}

/// What the instruction gives when `param` is the number `arg`.
fn evaluated(func: &Function, part: Inst, param: Value, arg: Value) -> u64 {
    let mut data = func.insts[part].clone();
    data.map_args(|v| if v == param { arg } else { v });
    let mut bits = SecondaryMap::new();
    data.for_each_arg(|v| {
        let number = func.constant(v).unwrap_or_default();
        bits[v] = crate::analysis::KnownBits::constant(number);
    });
    of_inst(&data, &bits).ones
}
