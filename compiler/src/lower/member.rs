//! Is a number among those asked for: a few ranges are compared, many go through a table.

use super::FuncBuilder;
use super::value::Bits;
use crate::hir::SetId;
use crate::ranges::{Ranges, max_value};
use l4c_ir::{BinOp, Block, Cond, Value};

/// Up to so many ranges are compared one by one; more go through a table.
const MAX_INLINE_RANGES: usize = 8;

impl FuncBuilder<'_, '_> {
    /// Is the value one of `wanted`? `set` names the table if there has to be one.
    pub(super) fn member_of(
        &mut self,
        value: Bits,
        wanted: &Ranges,
        width_bits: u32,
        set: Option<SetId>,
        yes: Block,
        no: Block,
    ) {
        if let Some(set) = set.filter(|&set| self.policy.sets[set].stored.is_some()) {
            return self.stored_member(set, value, yes, no);
        }
        let others = wanted.complement(width_bits);
        let (ranges, yes, no) = if others.as_slice().len() < wanted.as_slice().len() {
            (&others, no, yes)
        } else {
            (wanted, yes, no)
        };
        if ranges.as_slice().len() > MAX_INLINE_RANGES {
            let table = self.made.tables.get(wanted, matches!(value, Bits::Wide { .. }), set);
            let found = match value {
                Bits::Narrow(lo) => {
                    let zero = self.b.iconst(0);
                    self.b.member(table, zero, lo)
                }
                Bits::Wide { hi, lo } => self.b.member(table, hi, lo),
            };
            let (yes, no) = if std::ptr::eq(ranges, wanted) { (yes, no) } else { (no, yes) };
            return self.b.br_imm(Cond::Ne, found, 0, yes, no);
        }
        for &(lo, hi) in ranges.as_slice() {
            let next = self.b.new_block();
            match value {
                Bits::Narrow(v) => {
                    self.narrow_range(v, (halves(lo).1, halves(hi).1), width_bits, yes, next);
                }
                Bits::Wide { hi: vh, lo: vl } => self.wide_range(vh, vl, lo, hi, yes, next),
            }
            self.b.switch_to(next);
        }
        self.b.jump(no, Vec::new());
    }

    fn narrow_range(
        &mut self,
        value: Value,
        (lo, hi): (u64, u64),
        width_bits: u32,
        yes: Block,
        no: Block,
    ) {
        let max = halves(max_value(width_bits)).1;
        if lo == 0 && hi >= max {
            self.b.jump(yes, Vec::new());
        } else if lo == hi {
            self.b.br_imm(Cond::Eq, value, lo, yes, no);
        } else if lo == 0 {
            self.b.br_imm(Cond::Le, value, hi, yes, no);
        } else if hi >= max {
            self.b.br_imm(Cond::Ge, value, lo, yes, no);
        } else if (hi - lo + 1).is_power_of_two() && lo & (hi - lo) == 0 {
            // A prefix: one `and` and one compare, which needs no byte swap.
            let kept = self.b.binary_imm(BinOp::And, value, max & !(hi - lo));
            self.b.br_imm(Cond::Eq, kept, lo, yes, no);
        } else {
            // Below `lo` the difference wraps to something large.
            let above = self.b.binary_imm(BinOp::Sub, value, lo);
            self.b.br_imm(Cond::Le, above, hi - lo, yes, no);
        }
    }

    fn wide_range(&mut self, vh: Value, vl: Value, lo: u128, hi: u128, yes: Block, no: Block) {
        let ((lo_hi, lo_lo), (hi_hi, hi_lo)) = (halves(lo), halves(hi));
        if lo_hi == hi_hi {
            let same = self.b.new_block();
            self.b.br_imm(Cond::Eq, vh, lo_hi, same, no);
            self.b.switch_to(same);
            self.narrow_range(vl, (lo_lo, hi_lo), 64, yes, no);
        } else if lo_lo == 0 && hi_lo == u64::MAX {
            self.narrow_range(vh, (lo_hi, hi_hi), 64, yes, no);
        } else {
            let [above, equal, low_enough] = [(); 3].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Gt, vh, lo_hi, above, equal);
            self.b.switch_to(equal);
            let at_least = self.b.new_block();
            self.b.br_imm(Cond::Eq, vh, lo_hi, at_least, no);
            self.b.switch_to(at_least);
            self.b.br_imm(Cond::Ge, vl, lo_lo, yes, no);
            self.b.switch_to(above);
            self.b.br_imm(Cond::Lt, vh, hi_hi, yes, low_enough);
            self.b.switch_to(low_enough);
            let at_most = self.b.new_block();
            self.b.br_imm(Cond::Eq, vh, hi_hi, at_most, no);
            self.b.switch_to(at_most);
            self.b.br_imm(Cond::Le, vl, hi_lo, yes, no);
        }
    }
}

/// The upper and lower 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "that is what halves are")]
pub(super) const fn halves(n: u128) -> (u64, u64) {
    ((n >> 64) as u64, n as u64)
}
