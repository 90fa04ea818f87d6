//! A counting sketch: a key has no bucket of its own, and shares three cells with others.
//!
//! A cell is a bucket that some keys share; which, differs in each of the three groups of a line. The one of a key's
//! three cells that is fullest has been touched least by others, and decides. A packet that is let through moves each of
//! them on as far as that one goes, and no farther (conservative update; C. Estan, G. Varghese 2002). So no cell is ever
//! behind the bucket that its key would have had, and errors are on the strict side.

use super::Select;
use super::spend::Bucket;
use crate::mach::{Alu, Helper, Op, Reg, Src, Test};
use l4c_ir::{Spent, Width};
use l4c_manifest::{SKETCH_CELLS, SKETCH_CELLS_OFF, SKETCH_GROUPS};

/// Bits of the hash that choose cells lie above this one, and below those that choose the line.
const CELL_BITS_AT: u32 = 20;

const GROUP_BYTES: u32 = 8 * SKETCH_CELLS;

impl Select<'_> {
    pub(super) fn in_a_sketch(&mut self, b: &Bucket<'_>) {
        let latest = self.sum(b.now, Src::Reg(b.burst));
        let cells: Vec<(Reg, i16)> = (0..SKETCH_GROUPS).map(|group| self.cell(b, group)).collect();
        let (over, unlock) = (self.label(), self.label());
        self.emit(Op::mov(b.dst, Src::Imm(Spent::OVER as i32)));
        // Cells only ever move on, so that a key that is over its limit needs no lock to be told so.
        let tat = self.moved_on(b, &cells);
        self.emit_branch(Test::Gt, tat, Src::Reg(latest), over);
        self.emit_call_none(Helper::SpinLock, b.set);
        let tat = self.moved_on(b, &cells);
        self.emit_branch(Test::Gt, tat, Src::Reg(latest), unlock);
        for &(at, off) in &cells {
            let ahead = self.label();
            let held = self.load_word(at, off);
            self.emit_branch(Test::Ge, held, Src::Reg(tat), ahead);
            self.emit(Op::Store { width: Width::B8, base: at, off, src: Src::Reg(tat) });
            self.emit(Op::Label(ahead));
        }
        self.emit(Op::mov(b.dst, Src::Imm(Spent::YES as i32)));
        self.emit(Op::Label(unlock));
        self.emit_call_none(Helper::SpinUnlock, b.set);
        self.emit(Op::Label(over));
    }

    /// Where the key's cell of a group is: a register, and an offset from it.
    fn cell(&mut self, b: &Bucket<'_>, group: u32) -> (Reg, i16) {
        let bits = SKETCH_CELLS.trailing_zeros();
        let index = self.sum(b.hash, Src::Imm(0));
        self.emit_alu(Alu::Rsh, index, Src::Imm((CELL_BITS_AT + bits * group) as i32));
        self.emit_alu(Alu::And, index, Src::Imm(SKETCH_CELLS as i32 - 1));
        self.emit_alu(Alu::Lsh, index, Src::Imm(3));
        let at = self.sum(b.set, Src::Reg(index));
        (at, (SKETCH_CELLS_OFF + GROUP_BYTES * group) as i16)
    }

    /// The instant that the least of the cells would be moved on to.
    fn moved_on(&mut self, b: &Bucket<'_>, cells: &[(Reg, i16)]) -> Reg {
        let tat = self.fresh();
        for (index, &(at, off)) in cells.iter().enumerate() {
            let held = self.load_word(at, off);
            let more = self.label();
            if index > 0 {
                self.emit_branch(Test::Ge, held, Src::Reg(tat), more);
            }
            self.emit(Op::mov(tat, Src::Reg(held)));
            self.emit(Op::Label(more));
        }
        let ahead = self.label();
        self.emit_branch(Test::Ge, tat, Src::Reg(b.now), ahead);
        self.emit(Op::mov(tat, Src::Reg(b.now)));
        self.emit(Op::Label(ahead));
        self.emit_alu(Alu::Add, tat, Src::Reg(b.cost));
        tat
    }
}
