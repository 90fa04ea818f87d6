//! Removes what nobody uses: blocks without a way in, instructions whose result is not read, guards
//! both of whose sides do the same.
//!
//! A guard is a branch: that its pointer is unused is not enough.

use super::edit::{drop_unreachable, same_call};
use crate::analysis::UseCounts;
use crate::{Block, Function, Term};

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    let mut changed = drop_unreachable(func);
    let blocks = func.order.clone();
    for &block in &blocks {
        changed |= drop_guard(func, block);
    }
    changed |= drop_unreachable(func);
    changed | drop_unused(func)
}

/// Ends `block` with a jump, if it ends with a guard whose good side only goes where the other
/// goes.
fn drop_guard(func: &mut Function, block: Block) -> bool {
    let Term::Guard { ok, fail, .. } = &func.blocks[block].term else { return false };
    let good = &func.blocks[*ok];
    match &good.term {
        Term::Jump(to) if good.insts.is_empty() && same_call(func, to, fail) => {
            func.blocks[block].term = Term::Jump(fail.clone());
            true
        }
        Term::Jump(_) | Term::Br { .. } | Term::Guard { .. } | Term::Return(_) | Term::None => {
            false
        }
    }
}

/// One walk against the order of definitions is enough: an instruction is seen after all its uses.
fn drop_unused(func: &mut Function) -> bool {
    let mut uses = UseCounts::new(func);
    let mut changed = false;
    for block in crate::analysis::Cfg::new(func).postorder {
        let mut insts = std::mem::take(&mut func.blocks[block].insts);
        insts.reverse();
        let before = insts.len();
        insts.retain(|&inst| {
            let data = &func.insts[inst];
            let result = func.results[inst].expand();
            let used = data.has_effect() || result.is_some_and(|v| uses.of(v) != 0);
            if !used {
                data.for_each_arg(|v| {
                    uses.remove(v);
                });
            }
            used
        });
        changed |= insts.len() != before;
        insts.reverse();
        func.blocks[block].insts = insts;
    }
    changed
}
