//! Flows of a key, in a line under one lock.
//!
//! Everything is done in one step under the lock, and without a call: the clock is read, and the hashes are made,
//! before. What counts the flows of a key has no branches: a branch for each slot would have the verifier follow both
//! of its sides with another number.

use super::Select;
use crate::mach::{Alu, Helper, Label, Op, Reg, Src, Symbol, Test};
use cranelift_entity::EntityRef;
use l4c_ir::{FlowStep, Limit, Spent, Value, Width};
use l4c_manifest::{self as manifest, Full, LINE_SLOTS_OFF, Params, SLOT_BYTES};

/// Numbers on the way through one line.
struct Line<'m> {
    limit: &'m manifest::Limit,
    /// Its address.
    line: Reg,
    /// Whose the flow is.
    tag: Reg,
    /// The key's part of the tag.
    key: Reg,
    now: Reg,
    /// Until when a flow counts of which there is a packet now.
    until: Reg,
    /// The same, or 0 if the packet closes it.
    renewed: Reg,
    allowed: Reg,
    dst: Reg,
    unlock: Label,
}

impl Select<'_> {
    /// `dst` = a hash of numbers by the limit's seeds.
    pub(super) fn hash_words(&mut self, dst: Reg, limit: Limit, words: &[Value]) {
        let words: Vec<Reg> = words.iter().map(|&word| self.reg(word)).collect();
        let params = self.fresh();
        self.emit(Op::Address { dst: params, symbol: Symbol::Params(limit) });
        let hash = self.hash(params, &words);
        self.emit(Op::mov(dst, Src::Reg(hash)));
    }

    /// `dst` = one of [`Spent`].
    pub(super) fn flow(&mut self, dst: Reg, id: Limit, [key, flow, step, time]: [Value; 4]) {
        let (out, unlock) = (self.label(), self.label());
        // As many as the module has: the lowering made both.
        let limit = &self.hook.limits[id.index()];
        let [key, flow] = [key, flow].map(|value| self.reg(value));
        let line = self.set_of(id, limit, key);
        self.emit(Op::mov(dst, Src::Imm(Spent::OVER_FULL as i32)));
        self.emit_branch(Test::Eq, line, Src::Imm(0), out);
        let params = self.fresh();
        self.emit(Op::Address { dst: params, symbol: Symbol::Params(id) });
        let (now, _) = self.limit_time(limit, params, time);
        let setting = self.setting(params);
        let idle = self.load_word(setting, Params::SETTING_OFF as i16);
        let allowed = self.load_word(setting, Params::SETTING_OFF as i16 + 8);
        let until = self.sum(now, Src::Reg(idle));
        let renewed = self.sum(until, Src::Imm(0));
        let (stays, closes) = (self.label(), FlowStep::CLOSES as i32);
        let step = self.reg(step);
        self.emit_branch(Test::Ne, step, Src::Imm(closes), stays);
        self.emit(Op::mov(renewed, Src::Imm(0)));
        self.emit(Op::Label(stays));
        let tag = self.sum(key, Src::Imm(0));
        let upper = self.sum(flow, Src::Imm(0));
        self.emit_alu(Alu::Lsh, tag, Src::Imm(32));
        self.emit_alu(Alu::Rsh, upper, Src::Imm(32));
        self.emit_alu(Alu::Or, tag, Src::Reg(upper));
        let key = self.sum(tag, Src::Imm(0));
        self.emit_alu(Alu::Rsh, key, Src::Imm(32));
        self.emit(Op::mov(dst, Src::Imm(Spent::YES as i32)));
        let l = Line { limit, line, tag, key, now, until, renewed, allowed, dst, unlock };
        self.emit_call_none(Helper::SpinLock, line);
        self.known_flow(&l);
        self.emit_branch(Test::Ne, step, Src::Imm(FlowStep::OPENS as i32), unlock);
        self.open_flow(&l);
        self.emit(Op::Label(unlock));
        self.emit_call_none(Helper::SpinUnlock, line);
        self.emit(Op::Label(out));
    }

    fn slots(l: &Line<'_>) -> impl Iterator<Item = i16> + use<> {
        let slots = l.limit.line_slots() as usize;
        (LINE_SLOTS_OFF as i16..).step_by(SLOT_BYTES as usize).take(slots)
    }

    fn store_word(&mut self, base: Reg, off: i16, src: Reg) {
        self.emit(Op::Store { width: Width::B8, base, off, src: Src::Reg(src) });
    }

    /// A flow that counts is renewed, or closed; any other goes on behind.
    fn known_flow(&mut self, l: &Line<'_>) {
        for off in Self::slots(l) {
            let next = self.label();
            let tag = self.load_word(l.line, off);
            self.emit_branch(Test::Ne, tag, Src::Reg(l.tag), next);
            let until = self.load_word(l.line, off + 8);
            self.emit_branch(Test::Le, until, Src::Reg(l.now), next);
            self.store_word(l.line, off + 8, l.renewed);
            self.emit(Op::Jump(l.unlock));
            self.emit(Op::Label(next));
        }
    }

    /// A new flow, if its key has fewer than it is allowed.
    fn open_flow(&mut self, l: &Line<'_>) {
        let (count, first) = (self.fresh(), self.fresh());
        self.emit(Op::mov(count, Src::Imm(0)));
        self.load_number(first, u64::MAX >> 1);
        for off in Self::slots(l) {
            let (own, until) = (self.load_word(l.line, off), self.load_word(l.line, off + 8));
            self.count_own(l, count, (own, until));
            self.least(first, until);
        }
        let (room, free) = (self.label(), self.label());
        self.emit_branch(Test::Lt, count, Src::Reg(l.allowed), room);
        self.emit(Op::mov(l.dst, Src::Imm(Spent::OVER as i32)));
        self.emit(Op::Jump(l.unlock));
        self.emit(Op::Label(room));
        self.emit_branch(Test::Le, first, Src::Reg(l.now), free);
        let code = match l.limit.full {
            Full::Evict => Spent::EVICTED,
            Full::Drop => Spent::OVER_FULL,
            Full::Pass => Spent::PASS_FULL,
        };
        self.emit(Op::mov(l.dst, Src::Imm(code as i32)));
        if l.limit.full != Full::Evict {
            self.emit(Op::Jump(l.unlock));
        }
        self.emit(Op::Label(free));
        for off in Self::slots(l) {
            let next = self.label();
            let until = self.load_word(l.line, off + 8);
            self.emit_branch(Test::Ne, until, Src::Reg(first), next);
            self.store_word(l.line, off, l.tag);
            self.store_word(l.line, off + 8, l.until);
            self.emit(Op::Jump(l.unlock));
            self.emit(Op::Label(next));
        }
    }

    /// One more if a slot is of this key and counts: both are one bit, the uppermost of a difference.
    fn count_own(&mut self, l: &Line<'_>, count: Reg, (own, until): (Reg, Reg)) {
        self.emit_alu(Alu::Rsh, own, Src::Imm(32));
        self.emit_alu(Alu::Xor, own, Src::Reg(l.key));
        self.emit_alu(Alu::Sub, own, Src::Imm(1));
        let counts = self.sum(l.now, Src::Imm(0));
        self.emit_alu(Alu::Sub, counts, Src::Reg(until));
        self.emit_alu(Alu::And, own, Src::Reg(counts));
        self.emit_alu(Alu::Rsh, own, Src::Imm(63));
        self.emit_alu(Alu::Add, count, Src::Reg(own));
    }

    /// `least` = the lesser of both, by the sign of their difference.
    fn least(&mut self, least: Reg, other: Reg) {
        let mask = self.fresh();
        self.emit(Op::mov(mask, Src::Reg(other)));
        self.emit_alu(Alu::Sub, mask, Src::Reg(least));
        self.emit_alu(Alu::Rsh, mask, Src::Imm(63));
        let all = self.fresh();
        self.emit(Op::mov(all, Src::Imm(0)));
        self.emit_alu(Alu::Sub, all, Src::Reg(mask));
        self.emit_alu(Alu::Xor, other, Src::Reg(least));
        self.emit_alu(Alu::And, other, Src::Reg(all));
        self.emit_alu(Alu::Xor, least, Src::Reg(other));
    }
}
