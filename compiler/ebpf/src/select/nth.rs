//! Places in a row: so many of every so many.
//!
//! What the packets so far have left over of a whole pick is all that is kept, a number below `of`: each adds
//! `wanted`, and whoever brings it to `of` is picked and takes so much away (J. E. Bresenham 1965). So of any packets
//! in a row the picked ones are as many as they should be, give or take one.

use super::Select;
use crate::mach::{Alu, Arg, Callee, Helper, Op, Reg, Src, Symbol, Test};
use l4c_ir::{InstData, Width};
use l4c_manifest::{HookKind, ROW_STATE_OFF};

const STATE_OFF: i16 = ROW_STATE_OFF as i16;

/// Where there may be no lock, another CPU may come between so many times less one; then the packet takes no place.
const TRIES: usize = 8;

impl Select<'_> {
    /// `dst` = what an instruction gives that chance, or what came before, decides.
    pub(super) fn stateful(&mut self, dst: Reg, data: &InstData) {
        match data {
            InstData::Random => self.random(dst),
            InstData::Spend { limit, key, units, time } => {
                self.spend(dst, *limit, key, *units, *time);
            }
            InstData::Hash { limit, words } => self.hash_words(dst, *limit, words),
            InstData::Flow { limit, args } => self.flow(dst, *limit, *args),
            &InstData::Nth { slot, wanted, of } => self.nth(dst, slot, (wanted, of)),
            // The others are chosen where this is called.
            _ => {}
        }
    }

    /// `dst` = 1 for `wanted` places of every `of`, else 0.
    pub(super) fn nth(&mut self, dst: Reg, slot: u32, (wanted, of): (u32, u32)) {
        let (key_off, out) = (self.key_slot(), self.label());
        let src = Src::Imm(slot.cast_signed());
        self.emit(Op::Store { width: Width::B4, base: Reg::FP, off: key_off, src });
        let args = vec![Arg::Symbol(Symbol::Rows), Arg::Frame(key_off)];
        let row = self.emit_call(Callee::Helper(Helper::MapLookup), args);
        self.emit(Op::mov(dst, Src::Imm(0)));
        self.emit_branch(Test::Eq, row, Src::Imm(0), out);
        let numbers = [wanted, of].map(|n| {
            let reg = self.fresh();
            self.load_number(reg, n.into());
            reg
        });
        match self.kind {
            HookKind::Xdp => {
                self.emit_call_none(Helper::SpinLock, row);
                let state = self.fresh();
                self.emit(Op::Load { width: Width::B8, dst: state, base: row, off: STATE_OFF });
                self.step(dst, state, numbers);
                let src = Src::Reg(state);
                self.emit(Op::Store { width: Width::B8, base: row, off: STATE_OFF, src });
                self.emit_call_none(Helper::SpinUnlock, row);
            }
            HookKind::Socket => {
                for _ in 0..TRIES {
                    let (was, new, ret) = (self.fresh(), self.fresh(), self.fresh());
                    self.emit(Op::Load { width: Width::B8, dst: was, base: row, off: STATE_OFF });
                    self.emit(Op::mov(new, Src::Reg(was)));
                    self.emit(Op::mov(dst, Src::Imm(0)));
                    self.step(dst, new, numbers);
                    self.emit(Op::CmpXchg { base: row, off: STATE_OFF, expected: was, new, ret });
                    self.emit_branch(Test::Eq, ret, Src::Reg(was), out);
                }
                self.emit(Op::mov(dst, Src::Imm(0)));
            }
        }
        self.emit(Op::Label(out));
    }

    /// One place further: `dst` becomes 1 if it is picked.
    fn step(&mut self, dst: Reg, state: Reg, [wanted, of]: [Reg; 2]) {
        let stays = self.label();
        self.emit_alu(Alu::Add, state, Src::Reg(wanted));
        self.emit_branch(Test::Lt, state, Src::Reg(of), stays);
        self.emit_alu(Alu::Sub, state, Src::Reg(of));
        self.emit(Op::mov(dst, Src::Imm(1)));
        self.emit(Op::Label(stays));
    }
}
