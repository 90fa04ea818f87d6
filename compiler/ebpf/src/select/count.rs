//! Counting.

use super::Select;
use crate::mach::{Alu, Arg, Callee, Helper, Op, Reg, Src, Symbol, Test};
use l4c_ir::{Cond, Value, Width};

impl Select<'_> {
    /// Adds to a slot of this CPU's counters. No other program runs on this CPU meanwhile, so that plain
    /// loads and stores will do.
    pub(super) fn count(&mut self, slot: Value, bytes: Value) {
        let skip = self.label();
        if self.max(slot) > u64::from(u32::MAX) {
            self.compare(Cond::Gt, slot, u64::from(u32::MAX), skip);
        }
        let key_off = self.key_slot();
        let src = match self.func.constant(slot) {
            Some(n) => Src::Imm((n as u32).cast_signed()),
            None => Src::Reg(self.home(slot)),
        };
        self.emit(Op::Store { width: Width::B4, base: Reg::FP, off: key_off, src });
        let args = vec![Arg::Symbol(Symbol::Counters), Arg::Frame(key_off)];
        let entry = self.emit_call(Callee::Helper(Helper::MapLookup), args);
        self.emit_branch(Test::Eq, entry, Src::Imm(0), skip);
        for (off, add) in [(0, None), (8, Some(bytes))] {
            let sum = self.fresh();
            self.emit(Op::Load { width: Width::B8, dst: sum, base: entry, off });
            let add = match add {
                Some(v) if self.fused[v] => {
                    let len = self.home(v);
                    self.packet_len(len);
                    Src::Reg(len)
                }
                Some(v) => self.src(v),
                None => Src::Imm(1),
            };
            self.emit_alu(Alu::Add, sum, add);
            self.emit(Op::Store { width: Width::B8, base: entry, off, src: Src::Reg(sum) });
        }
        self.emit(Op::Label(skip));
    }

    /// Frame offset of the key of lookups in arrays.
    pub(super) fn key_slot(&mut self) -> i16 {
        *self.key_slot.get_or_insert_with(|| {
            self.code.frame_bytes += 8;
            i16::try_from(self.code.frame_bytes).map_or(i16::MIN, |bytes| -bytes)
        })
    }
}
