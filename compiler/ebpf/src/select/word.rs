//! Token buckets of one word each, changed by compare-and-swap: for hooks that may not lock.
//!
//! A word holds 24 bits of the key's hash above 40 bits of the instant at which the bucket will be full, in units of
//! which a burst takes no more than a quarter of them. Instants are compared modulo 2^40: what is further
//! ahead than a bucket can be is past.

use super::Select;
use super::spend::Bucket;
use crate::mach::{Alu, Label, Op, Reg, Src, Test};
use l4c_ir::{Spent, Width};
use l4c_manifest::{Full, WORD_TAT_BITS, WORD_WAYS};

/// Another CPU may change a bucket between reading it and writing it so many times less one; then the packet counts
/// as over the limit.
const TRIES: usize = 4;

impl Select<'_> {
    pub(super) fn in_a_word(&mut self, b: &Bucket<'_>) {
        let shift = Src::Imm(b.limit.word_shift() as i32);
        let (cost, burst) = (self.sum(b.cost, Src::Imm(0)), self.sum(b.burst, Src::Imm(0)));
        let (now, tag) = (self.fresh(), self.fresh());
        self.emit(Op::mov(now, Src::Reg(b.now)));
        for reg in [cost, burst, now] {
            self.emit_alu(Alu::Rsh, reg, shift);
        }
        self.low_bits(now);
        self.emit(Op::mov(tag, Src::Reg(b.hash)));
        self.emit_alu(Alu::Lsh, tag, Src::Imm(WORD_TAT_BITS as i32));
        for _ in 0..TRIES {
            self.try_word(b, (cost, burst, now, tag));
        }
        self.emit(Op::mov(b.dst, Src::Imm(Spent::OVER as i32)));
    }

    /// One attempt: out with an answer, or on to the next because another CPU was faster.
    fn try_word(&mut self, b: &Bucket<'_>, (cost, burst, now, tag): (Reg, Reg, Reg, Reg)) {
        let (known, have, next) = (self.label(), self.label(), self.label());
        let (at, was, ahead) = (self.fresh(), self.fresh(), self.fresh());
        self.emit(Op::mov(b.dst, Src::Imm(Spent::YES as i32)));
        for index in 0..b.limit.ways() {
            let miss = self.label();
            self.read_word(b, index, (at, was));
            if !b.key.is_empty() {
                let differs = self.fresh();
                self.emit(Op::mov(differs, Src::Reg(was)));
                self.emit_alu(Alu::Xor, differs, Src::Reg(tag));
                self.emit_alu(Alu::Rsh, differs, Src::Imm(WORD_TAT_BITS as i32));
                self.emit_branch(Test::Ne, differs, Src::Imm(0), miss);
            }
            self.emit(Op::Jump(known));
            self.emit(Op::Label(miss));
        }
        if b.limit.ways() > 1 {
            self.free_word(b, (at, was, now, burst), have);
            self.emit(Op::Label(have));
            self.emit(Op::mov(ahead, Src::Imm(0)));
            let new = self.label();
            self.emit(Op::Jump(new));
            self.emit(Op::Label(known));
            self.ahead(ahead, was, now, burst);
            self.emit(Op::Label(new));
        } else {
            self.emit(Op::Label(known));
            self.ahead(ahead, was, now, burst);
        }
        self.emit_alu(Alu::Add, ahead, Src::Reg(cost));
        let enough = self.label();
        self.emit_branch(Test::Le, ahead, Src::Reg(burst), enough);
        self.emit(Op::mov(b.dst, Src::Imm(Spent::OVER as i32)));
        self.emit(Op::Jump(b.out));
        self.emit(Op::Label(enough));
        self.emit_alu(Alu::Add, ahead, Src::Reg(now));
        self.low_bits(ahead);
        self.emit_alu(Alu::Or, ahead, Src::Reg(tag));
        let base = self.sum(b.set, Src::Reg(at));
        let ret = self.fresh();
        self.emit(Op::CmpXchg { base, off: 0, expected: was, new: ahead, ret });
        self.emit_branch(Test::Ne, ret, Src::Reg(was), next);
        self.emit(Op::Jump(b.out));
        self.emit(Op::Label(next));
    }

    fn read_word(&mut self, b: &Bucket<'_>, index: u32, (at, was): (Reg, Reg)) {
        let off = 8 * index as i16;
        self.emit(Op::mov(at, Src::Imm(off.into())));
        self.emit(Op::Load { width: Width::B8, dst: was, base: b.set, off });
    }

    /// What an instant has of a word.
    fn low_bits(&mut self, reg: Reg) {
        let others = Src::Imm(64 - WORD_TAT_BITS as i32);
        self.emit_alu(Alu::Lsh, reg, others);
        self.emit_alu(Alu::Rsh, reg, others);
    }

    /// How far a bucket is ahead of now: 0 if that is more than it can be, twice the burst, which leaves room for
    /// clocks of CPUs that differ.
    fn ahead(&mut self, ahead: Reg, was: Reg, now: Reg, burst: Reg) {
        let possible = self.label();
        self.emit(Op::mov(ahead, Src::Reg(was)));
        self.emit_alu(Alu::Sub, ahead, Src::Reg(now));
        self.low_bits(ahead);
        let most = self.sum(burst, Src::Reg(burst));
        self.emit_branch(Test::Le, ahead, Src::Reg(most), possible);
        self.emit(Op::mov(ahead, Src::Imm(0)));
        self.emit(Op::Label(possible));
    }

    /// The word for a new key: the first that is full, or else what the limit says.
    fn free_word(
        &mut self,
        b: &Bucket<'_>,
        (at, was, now, burst): (Reg, Reg, Reg, Reg),
        have: Label,
    ) {
        let (best, best_at, best_was) = (self.fresh(), self.fresh(), self.fresh());
        let evicts = b.limit.full == Full::Evict;
        for index in 0..WORD_WAYS {
            let next = self.label();
            let ahead = self.fresh();
            self.read_word(b, index, (at, was));
            self.ahead(ahead, was, now, burst);
            self.emit_branch(Test::Eq, ahead, Src::Imm(0), have);
            if evicts && index > 0 {
                self.emit_branch(Test::Ge, ahead, Src::Reg(best), next);
            }
            if evicts {
                self.emit(Op::mov(best, Src::Reg(ahead)));
                self.emit(Op::mov(best_at, Src::Reg(at)));
                self.emit(Op::mov(best_was, Src::Reg(was)));
            }
            self.emit(Op::Label(next));
        }
        let code = match b.limit.full {
            Full::Evict => Spent::EVICTED,
            Full::Drop => Spent::OVER_FULL,
            Full::Pass => Spent::PASS_FULL,
        };
        self.emit(Op::mov(b.dst, Src::Imm(code as i32)));
        if !evicts {
            self.emit(Op::Jump(b.out));
            return;
        }
        self.emit(Op::mov(at, Src::Reg(best_at)));
        self.emit(Op::mov(was, Src::Reg(best_was)));
    }
}
