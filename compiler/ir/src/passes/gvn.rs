//! Global value numbering: what a dominating instruction has computed is not computed again.
//!
//! Instructions are numbered within one source line only. A number that serves several rules stays in a
//! register across them, and each comparison on the way leaves the kernel's verifier with another idea
//! of that register: its states no longer merge where rules meet, and their number grows with the square
//! of the rules, or worse. That holds for loads and no less for the masked bits of a parameter: what one
//! rule learned of them multiplies with what the next learns. Computing them again costs an instruction
//! or two, and is forgotten.
//!
//! Constants keep to their block: a constant is an operand of the machine, not a register.

use super::edit::{Aliases, moves_packet};
use crate::analysis::{Cfg, Dominators};
use crate::{BinOp, Block, Function, InstData, Line, Value};
use std::collections::HashMap;

/// An instruction up to the names of equal operands, and its line.
type Key = (InstData, Option<Line>);

#[derive(Default)]
struct Numbering {
    aliases: Aliases,
    known: HashMap<Key, Value>,
    /// Keys in the order in which they became known.
    log: Vec<Key>,
    /// The value that stands for a number in keys. It need not be in sight.
    numbers: HashMap<u64, Value>,
}

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    if moves_packet(func) {
        return false;
    }
    let cfg = Cfg::new(func);
    let dominators = Dominators::new(&cfg);
    let Some(entry) = func.entry() else { return false };
    let mut numbering = Numbering::default();
    let mut changed = numbering.block(func, entry);
    // Block, children visited, length of the log before the block.
    let mut stack = vec![(entry, 0, 0)];
    while let Some((block, next, log_len)) = stack.last_mut() {
        if let Some(&child) = dominators.children(*block).get(*next) {
            *next += 1;
            stack.push((child, 0, numbering.log.len()));
            changed |= numbering.block(func, child);
        } else {
            for key in numbering.log.drain(*log_len..) {
                numbering.known.remove(&key);
            }
            stack.pop();
        }
    }
    changed
}

impl Numbering {
    fn block(&mut self, func: &mut Function, block: Block) -> bool {
        let mut local_numbers = HashMap::new();
        let insts = std::mem::take(&mut func.blocks[block].insts);
        let before = insts.len();
        let mut kept = Vec::with_capacity(before);
        for inst in insts {
            func.insts[inst].map_args(|v| self.aliases.resolve(v));
            let data = &func.insts[inst];
            let Some(result) = func.results[inst].expand() else {
                kept.push(inst);
                continue;
            };
            let known = if let InstData::Const(n) = *data {
                self.numbers.entry(n).or_insert(result);
                *local_numbers.entry(n).or_insert(result)
            } else if data.has_effect() {
                result
            } else {
                let key = self.key(func, data, func.inst_lines[inst].expand());
                let log = &mut self.log;
                *self.known.entry(key).or_insert_with_key(|key| {
                    log.push(key.clone());
                    result
                })
            };
            if known == result {
                kept.push(inst);
            } else {
                self.aliases.replace(result, known);
            }
        }
        let changed = kept.len() != before;
        let data = &mut func.blocks[block];
        data.insts = kept;
        data.term.map_args(|v| self.aliases.resolve(v));
        changed
    }

    fn key(&self, func: &Function, data: &InstData, line: Option<Line>) -> Key {
        let mut data = data.clone();
        data.map_args(|v| {
            let number = func.constant(v).and_then(|n| self.numbers.get(&n));
            number.copied().unwrap_or(v)
        });
        if let InstData::Binary { op, args } = &mut data
            && op.is_commutative()
        {
            args.sort_unstable();
        }
        (data, line)
    }
}

impl BinOp {
    /// Whether the operands can be exchanged.
    pub(super) const fn is_commutative(self) -> bool {
        match self {
            Self::Add | Self::Mul | Self::And | Self::Or | Self::Xor => true,
            Self::Sub | Self::Shl | Self::Shr | Self::Rem => false,
        }
    }
}
