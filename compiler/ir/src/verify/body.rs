//! Definitions, uses, types and packet access of a function whose shape is good.

use super::{Broken, Place};
use crate::analysis::{Cfg, Dominators, PacketEpochs};
use crate::{Block, Function, InstData, Term, Type, Value, ValueDef, Width};
use cranelift_entity::SecondaryMap;

/// Where a value comes to life: it can be used at places `from` and later of the block, and in all
/// blocks that it dominates. Place 0 stands before the first instruction.
#[derive(Clone, Copy, Default)]
struct Birth {
    block: Option<Block>,
    from: usize,
}

struct Body<'a> {
    func: &'a Function,
    cfg: Cfg,
    dominators: Dominators,
    epochs: PacketEpochs,
    births: SecondaryMap<Value, Birth>,
}

/// Checks what a function does.
pub(super) fn check(func: &Function) -> Result<(), Broken> {
    let cfg = Cfg::new(func);
    if let Some((from, _)) = cfg.back_edge {
        return Err(Broken::at(from, Place::Term, "closes a cycle"));
    }
    let dominators = Dominators::new(&cfg);
    let epochs = PacketEpochs::new(func, &cfg);
    let body = Body { func, births: births(func), cfg, dominators, epochs };
    body.guards()?;
    for &block in &func.order {
        body.block(block)?;
    }
    Ok(())
}

fn births(func: &Function) -> SecondaryMap<Value, Birth> {
    let mut births = SecondaryMap::<Value, Birth>::with_capacity(func.values.len());
    for &block in &func.order {
        let data = &func.blocks[block];
        for &param in &data.params {
            births[param] = Birth { block: Some(block), from: 0 };
        }
        for (index, &inst) in data.insts.iter().enumerate() {
            if let Some(result) = func.results[inst].expand() {
                births[result] = Birth { block: Some(block), from: index + 1 };
            }
        }
        if let Term::Guard { ptr, ok, .. } = data.term {
            births[ptr] = Birth { block: Some(ok), from: 0 };
        }
    }
    births
}

impl Body<'_> {
    /// The good side of a guard has no other way in, not even from blocks that cannot be reached.
    fn guards(&self) -> Result<(), Broken> {
        let mut edges = SecondaryMap::<Block, u32>::new();
        for &block in &self.func.order {
            self.func.blocks[block].term.successors().for_each(|to| edges[to] += 1);
        }
        for &block in &self.func.order {
            if let Term::Guard { ok, .. } = self.func.blocks[block].term
                && edges[ok] != 1
            {
                let reason = "the good side has another predecessor";
                return Err(Broken::at(block, Place::Term, reason));
            }
        }
        Ok(())
    }

    fn block(&self, block: Block) -> Result<(), Broken> {
        let data = &self.func.blocks[block];
        for (index, &inst) in data.insts.iter().enumerate() {
            let inst_data = &self.func.insts[inst];
            let mut checked = Ok(());
            inst_data.for_each_arg(|v| {
                let wanted = match inst_data {
                    InstData::Load { .. } => Type::Ptr,
                    InstData::Const(_)
                    | InstData::Binary { .. }
                    | InstData::Swap { .. }
                    | InstData::Env(_)
                    | InstData::Member { .. }
                    | InstData::Count { .. }
                    | InstData::Random
                    | InstData::Sample { .. }
                    | InstData::Spend { .. }
                    | InstData::Find { .. }
                    | InstData::Put { .. }
                    | InstData::Erase { .. }
                    | InstData::SetState(_)
                    | InstData::Nth { .. }
                    | InstData::Hash { .. }
                    | InstData::Flow { .. }
                    | InstData::Call { .. }
                    | InstData::IfaceSlot(_)
                    | InstData::Redirect { .. }
                    | InstData::Reject { .. } => Type::I64,
                };
                if checked.is_ok() {
                    checked = self.operand(block, index, v, wanted);
                }
            });
            if let (Ok(()), &InstData::Load { ptr, disp_bytes, width }) = (&checked, inst_data) {
                checked = self.load(block, index, ptr, disp_bytes, width);
            }
            checked.map_err(|reason| Broken::at(block, Place::Inst(index), reason))?;
        }
        let mut checked = Ok(());
        data.term.for_each_arg(|v| {
            if checked.is_ok() {
                checked = self.operand(block, data.insts.len(), v, Type::I64);
            }
        });
        if data.term == Term::None && self.cfg.is_reachable(block) {
            checked = Err("a block that can be reached has no end".to_owned());
        }
        checked.map_err(|reason| Broken::at(block, Place::Term, reason))
    }

    /// Checks that `value` can be used at a place of `block`, as a `wanted`.
    fn operand(&self, block: Block, at: usize, value: Value, wanted: Type) -> Result<(), String> {
        let birth = self.births[value];
        let Some(home) = birth.block else {
            return Err("an operand is defined nowhere in the function's blocks".to_owned());
        };
        if self.func.values[value].ty != wanted {
            return Err(match wanted {
                Type::I64 => "a pointer stands where a number is wanted".to_owned(),
                Type::Ptr => "a number stands where a pointer is wanted".to_owned(),
            });
        }
        let good = match home == block {
            true => birth.from <= at,
            // What cannot be reached is never wrong about its past.
            false => !self.cfg.is_reachable(block) || self.dominators.dominates(home, block),
        };
        if good { Ok(()) } else { Err("an operand's definition does not dominate it".to_owned()) }
    }

    fn load(
        &self,
        block: Block,
        at: usize,
        ptr: Value,
        disp_bytes: u32,
        width: Width,
    ) -> Result<(), String> {
        let ValueDef::Guard(guard) = self.func.values[ptr].def else {
            return Err("a pointer that no guard made".to_owned());
        };
        let Term::Guard { len_bytes, ok, .. } = self.func.blocks[guard].term else {
            return Err("a pointer whose guard is gone".to_owned());
        };
        if u64::from(disp_bytes) + u64::from(width.bytes()) > u64::from(len_bytes) {
            return Err(format!("reads past the {len_bytes} bytes that the guard promised"));
        }
        let moved_here = self.func.blocks[block].insts[..at]
            .iter()
            .any(|&inst| self.func.insts[inst].moves_packet());
        let moved_before = self.epochs.start(ok) != self.epochs.start(block);
        if self.cfg.is_reachable(block) && (moved_here || moved_before) {
            return Err("the packet has moved since the guard".to_owned());
        }
        Ok(())
    }
}
