//! Moves of edges that a branch takes: what the parameters of the block get.
//!
//! They stand out of the way of the code that falls through. An edge with numbers only is set up right in front
//! of its block, once for all branches that bring the same; one with registers at the next place that
//! nothing falls through, so that the registers are not held for longer.

use super::Select;
use crate::mach::{Label, Op};
use cranelift_entity::packed_option::PackedOption;
use l4c_ir::{Block, BlockCall, Line};
use std::collections::HashMap;

/// Moves that are still to come.
#[derive(Default)]
pub struct Stubs {
    /// In front of their blocks: with the numbers that the parameters get.
    numbers: HashMap<Block, Vec<(Stub, Vec<u64>)>>,
    /// As soon as can be.
    soon: Vec<Stub>,
}

struct Stub {
    at: Label,
    to: BlockCall,
    line: PackedOption<Line>,
}

impl Select<'_> {
    /// Where a branch along this edge goes: to the block, or to the moves that its parameters need.
    pub(super) fn edge_label(&mut self, to: &BlockCall) -> Label {
        if to.args.is_empty() {
            return Label(to.block.as_u32());
        }
        let numbers: Option<Vec<u64>> = to.args.iter().map(|&v| self.func.constant(v)).collect();
        let Some(numbers) = numbers else {
            let at = self.label();
            self.stubs.soon.push(Stub { at, to: to.clone(), line: self.line });
            return at;
        };
        let at = self.label();
        let line = self.line;
        let there = self.stubs.numbers.entry(to.block).or_default();
        let same = |(stub, others): &&(Stub, _)| *others == numbers && stub.line == line;
        if let Some((stub, _)) = there.iter().find(same) {
            return stub.at;
        }
        there.push((Stub { at, to: to.clone(), line }, numbers));
        at
    }

    /// In front of `block`: the moves of edges with numbers that lead to it, and of others that found no place
    /// before.
    pub(super) fn stubs_to(&mut self, block: Block) {
        let numbers = self.stubs.numbers.remove(&block).unwrap_or_default();
        numbers.iter().for_each(|(stub, _)| self.stub(stub));
        let soon = std::mem::take(&mut self.stubs.soon);
        let (here, others): (Vec<_>, Vec<_>) = soon.into_iter().partition(|s| s.to.block == block);
        self.stubs.soon = others;
        here.iter().for_each(|stub| self.stub(stub));
    }

    /// Behind a block: if nothing falls through here, the moves that wait for such a place.
    pub(super) fn stubs_here(&mut self) {
        let falls_through = match self.code.ops.last() {
            Some((Op::Jump(to), _)) => self.next.is_some_and(|next| Label(next.as_u32()) == *to),
            Some((op, _)) => !op.never_falls_through(),
            None => true,
        };
        if !falls_through {
            std::mem::take(&mut self.stubs.soon).iter().for_each(|stub| self.stub(stub));
        }
    }

    fn stub(&mut self, stub: &Stub) {
        let line = std::mem::replace(&mut self.line, stub.line);
        self.emit(Op::Label(stub.at));
        self.goto(&stub.to);
        self.line = line;
    }
}
