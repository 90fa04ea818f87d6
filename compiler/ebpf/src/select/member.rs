//! Table search without branches, so that the verifier walks it once.
//!
//! The search halves what is left in each step: it goes on in the upper half if that begins at or before
//! the key. Which it does is the sign of a difference, made into a distance; so the verifier sees a
//! number that is 0 or the half's length, and knows that the sum of all of them stays in the table.

use super::Select;
use crate::mach::{Alu, Op, Reg, Src, Symbol};
use crate::table::{self, KeyKind};
use l4c_ir::{Table, Value, Width};

/// A key whose differences from table entries have to be computed with their borrows.
struct LongKey {
    /// High half first.
    words: Vec<Reg>,
    /// The complement of each.
    inverse: Vec<Reg>,
}

impl Select<'_> {
    /// `dst` = 1 if the key lies in one of the ranges of `table`, else 0.
    pub(super) fn member(&mut self, dst: Reg, table: Table, hi: Value, lo: Value) {
        let data = &self.module.tables[table];
        if data.ranges.is_empty() {
            return self.emit(Op::mov(dst, Src::Imm(0)));
        }
        let entry = self.fresh();
        let address = Op::Address { dst: entry, symbol: Symbol::Table(table) };
        let kind = table::kind(data);
        let halves = (0..table::steps(data)).rev().map(|step| (kind.range_bytes(), step));
        match kind {
            KeyKind::Word | KeyKind::Signed => {
                let width = if kind == KeyKind::Word { Width::B4 } else { Width::B8 };
                let key = self.reg(lo);
                self.emit(address);
                self.search_signed(dst, key, entry, width, halves);
            }
            KeyKind::Double | KeyKind::Quad => {
                let words = match kind {
                    KeyKind::Quad => vec![self.reg(hi), self.reg(lo)],
                    KeyKind::Word | KeyKind::Signed | KeyKind::Double => vec![self.reg(lo)],
                };
                let inverse = words.iter().map(|&word| self.inverse(word)).collect();
                self.emit(address);
                let key = LongKey { words, inverse };
                self.search_long(dst, &key, entry, kind.bytes(), halves);
            }
        }
    }

    /// Entries are below 2^63. A larger key may lead the search astray, but the last comparison is right
    /// for it too: of `key - first` and `last - key` one has its sign set whenever the key is outside.
    fn search_signed(
        &mut self,
        dst: Reg,
        key: Reg,
        entry: Reg,
        width: Width,
        halves: impl Iterator<Item = (u32, u32)>,
    ) {
        let next = self.fresh();
        self.emit(Op::mov(next, Src::Reg(key)));
        self.emit_alu(Alu::Add, next, Src::Imm(1));
        for (range_bytes, step) in halves {
            let half = self.table_word(entry, range_bytes << step, width);
            self.emit_alu(Alu::Sub, half, Src::Reg(next));
            self.emit_alu(Alu::Rsh, half, Src::Imm(63));
            self.advance(entry, half, range_bytes, step);
        }
        let first = self.table_word(entry, 0, width);
        let last = self.table_word(entry, width.bytes(), width);
        let above = self.fresh();
        self.emit(Op::mov(above, Src::Reg(key)));
        self.emit_alu(Alu::Sub, above, Src::Reg(first));
        self.emit_alu(Alu::Sub, last, Src::Reg(key));
        self.emit_alu(Alu::Or, last, Src::Reg(above));
        self.emit_alu(Alu::Rsh, last, Src::Imm(63));
        self.emit_alu(Alu::Xor, last, Src::Imm(1));
        self.emit(Op::mov(dst, Src::Reg(last)));
    }

    fn search_long(
        &mut self,
        dst: Reg,
        key: &LongKey,
        entry: Reg,
        key_bytes: u32,
        halves: impl Iterator<Item = (u32, u32)>,
    ) {
        for (range_bytes, step) in halves {
            let half = self.is_below(key, entry, range_bytes << step, false);
            self.emit_alu(Alu::Rsh, half, Src::Imm(63));
            self.emit_alu(Alu::Xor, half, Src::Imm(1));
            self.advance(entry, half, range_bytes, step);
        }
        let before_first = self.is_below(key, entry, 0, false);
        let up_to_last = self.is_below(key, entry, key_bytes, true);
        self.emit_alu(Alu::Xor, up_to_last, Src::Reg(before_first));
        self.emit_alu(Alu::Rsh, up_to_last, Src::Imm(63));
        self.emit(Op::mov(dst, Src::Reg(up_to_last)));
    }

    /// Moves `entry` on by `range_bytes << step` if `taken` is 1, by nothing if it is 0.
    fn advance(&mut self, entry: Reg, taken: Reg, range_bytes: u32, step: u32) {
        let shift = range_bytes.trailing_zeros() + step;
        self.emit_alu(Alu::Lsh, taken, Src::Imm(shift as i32));
        self.emit_alu(Alu::Add, entry, Src::Reg(taken));
    }

    fn inverse(&mut self, word: Reg) -> Reg {
        let inverse = self.fresh();
        self.emit(Op::mov(inverse, Src::Reg(word)));
        self.emit_alu(Alu::Xor, inverse, Src::Imm(-1));
        inverse
    }

    fn table_word(&mut self, entry: Reg, disp_bytes: u32, width: Width) -> Reg {
        let word = self.fresh();
        let (mut base, mut off) = (entry, i16::try_from(disp_bytes));
        if off.is_err() {
            base = self.fresh();
            self.emit(Op::mov(base, Src::Reg(entry)));
            self.emit_alu(Alu::Add, base, Src::Imm(disp_bytes as i32));
            off = Ok(0);
        }
        self.emit(Op::Load { width, dst: word, base, off: off.unwrap_or(0) });
        word
    }

    /// A register whose highest bit says whether the key is less than the table's (plus one, if so told):
    /// the borrow that is left when they are subtracted, word by word.
    fn is_below(&mut self, key: &LongKey, entry: Reg, disp_bytes: u32, plus_one: bool) -> Reg {
        let mut borrow = None;
        let words = (0u32..).zip(key.words.iter().zip(&key.inverse));
        for (i, (&word, &inverse)) in words.collect::<Vec<_>>().into_iter().rev() {
            let other = self.table_word(entry, disp_bytes + 8 * i, Width::B8);
            let diff = self.fresh();
            self.emit(Op::mov(diff, Src::Reg(word)));
            self.emit_alu(Alu::Sub, diff, Src::Reg(other));
            match borrow {
                Some(lower) => {
                    self.emit_alu(Alu::Rsh, lower, Src::Imm(63));
                    self.emit_alu(Alu::Sub, diff, Src::Reg(lower));
                }
                None if plus_one => self.emit_alu(Alu::Sub, diff, Src::Imm(1)),
                None => {}
            }
            // It borrows if the key's bit is the lesser, or they are equal and the bits below borrow.
            let equal = self.fresh();
            self.emit(Op::mov(equal, Src::Reg(other)));
            self.emit_alu(Alu::Xor, equal, Src::Reg(inverse));
            self.emit_alu(Alu::And, equal, Src::Reg(diff));
            self.emit_alu(Alu::And, other, Src::Reg(inverse));
            self.emit_alu(Alu::Or, other, Src::Reg(equal));
            borrow = Some(other);
        }
        borrow.unwrap_or(entry)
    }
}
