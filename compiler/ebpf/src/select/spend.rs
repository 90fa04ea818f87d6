//! Token buckets in sets, each set under a lock of its own.
//!
//! What is worth knowing of it: a packet over the limit is told so without the lock, for the instant at which a
//! bucket will be full only ever moves on as long as its key has it; a bucket that is full says nothing, so that the
//! first such of a set is free for a new key; the clock is read before the lock is taken, since nothing may be
//! called under it, and may so be behind what another CPU has written.
//!
//! With the coarse clock it may be later by a tick than it shows. So time that has passed within a tick is not
//! counted: what is spent of a full bucket is counted from the end of the tick on, and only as long as the tick
//! lasts in which it was full may a bucket be that much further ahead. Nobody gets more than rate and burst allow,
//! and a full bucket is worth the whole burst at once.

use super::Select;
use crate::mach::{Alu, Arg, Callee, Helper, Label, Op, Reg, Src, Symbol, Test};
use cranelift_entity::EntityRef;
use l4c_ir::{Limit, Spent, Value, Width};
use l4c_manifest::{
    self as manifest, Full, LimitClock, Params, SET_KEYS_OFF, SET_TAGS_OFF, SET_WAY_BYTES,
    SET_WAYS_OFF, SPEED_SHIFT, Storage, Unit,
};

/// Offset of the tick in a bucket.
const TICK_OFF: i16 = 8;

/// Numbers on the way through one bucket.
pub(super) struct Bucket<'m> {
    pub limit: &'m manifest::Limit,
    /// The key's words.
    pub key: Vec<Reg>,
    /// The hash; of a narrow key only its upper half is used.
    pub hash: Reg,
    /// The set.
    pub set: Reg,
    /// What this packet costs.
    pub cost: Reg,
    /// What the limit's clock shows.
    pub now: Reg,
    /// How far ahead of it a bucket may be.
    pub burst: Reg,
    /// How much later it may be than the clock shows; none for the fine clock.
    pub slack: Option<Reg>,
    /// The tick, as it is written.
    pub tick: Option<Reg>,
    pub out: Label,
    pub dst: Reg,
}

impl Select<'_> {
    /// `dst` = one of [`Spent`].
    pub(super) fn spend(
        &mut self,
        dst: Reg,
        limit: Limit,
        key: &[Value],
        units: Value,
        time: Value,
    ) {
        let out = self.label();
        let id = limit;
        // As many as the module has: the lowering made both.
        let limit = &self.hook.limits[limit.index()];
        let key: Vec<Reg> = key.iter().map(|&word| self.reg(word)).collect();
        let params = self.fresh();
        self.emit(Op::Address { dst: params, symbol: Symbol::Params(id) });
        let hash = self.hash(params, &key);
        let set = self.set_of(id, limit, hash);
        self.emit(Op::mov(dst, Src::Imm(Spent::OVER_FULL as i32)));
        self.emit_branch(Test::Eq, set, Src::Imm(0), out);
        let cost = self.fresh();
        self.set(cost, units);
        let (now, tick) = self.limit_time(limit, params, time);
        let setting = self.setting(params);
        let word = |select: &mut Self, index: i16| {
            let off = Params::SETTING_OFF as i16 + 8 * index;
            select.load_word(setting, off)
        };
        let price = word(self, 0);
        match limit.unit {
            Unit::Packets => self.emit(Op::mov(cost, Src::Reg(price))),
            Unit::Bytes => self.emit_alu(Alu::Mul, cost, Src::Reg(price)),
        }
        let burst = word(self, 1);
        if limit.clock != LimitClock::Stopped {
            self.own_time(setting, now);
        }
        let slack = tick.map(|_| word(self, 5));
        let bucket = Bucket { limit, key, hash, set, cost, now, burst, slack, tick, out, dst };
        match limit.storage {
            Storage::Lock => self.locked(&bucket),
            Storage::Word => self.in_a_word(&bucket),
            Storage::Sketch => self.in_a_sketch(&bucket),
            // Those have an instruction of their own.
            Storage::Flows => {}
        }
        self.emit(Op::Label(out));
    }

    pub(super) fn load_word(&mut self, base: Reg, off: i16) -> Reg {
        let dst = self.fresh();
        self.emit(Op::Load { width: Width::B8, dst, base, off });
        dst
    }

    /// A sum in a register of its own.
    pub(super) fn sum(&mut self, a: Reg, b: Src) -> Reg {
        let dst = self.fresh();
        self.emit(Op::mov(dst, Src::Reg(a)));
        self.emit_alu(Alu::Add, dst, b);
        dst
    }

    /// Multiply, fold, multiply again by a secret odd number: which keys share a set, nobody outside can tell.
    pub(super) fn hash(&mut self, params: Reg, key: &[Reg]) -> Reg {
        let hash = self.load_word(params, Params::SEEDS_OFF as i16);
        let factor = self.load_word(params, Params::SEEDS_OFF as i16 + 8);
        for &word in key {
            self.emit_alu(Alu::Add, hash, Src::Reg(word));
            self.emit_alu(Alu::Mul, hash, Src::Reg(factor));
            let upper = self.fresh();
            self.emit(Op::mov(upper, Src::Reg(hash)));
            self.emit_alu(Alu::Rsh, upper, Src::Imm(32));
            self.emit_alu(Alu::Xor, hash, Src::Reg(upper));
        }
        self.emit_alu(Alu::Mul, hash, Src::Reg(factor));
        hash
    }

    /// The address of the set that a hash falls into.
    pub(super) fn set_of(&mut self, id: Limit, limit: &manifest::Limit, hash: Reg) -> Reg {
        let index = self.fresh();
        self.emit(Op::mov(index, Src::Reg(hash)));
        self.emit_alu(Alu::Rsh, index, Src::Imm(32));
        self.emit_alu(Alu::Mul, index, Src::Imm(limit.sets().cast_signed()));
        self.emit_alu(Alu::Rsh, index, Src::Imm(32));
        let key_off = self.key_slot();
        let src = Src::Reg(index);
        self.emit(Op::Store { width: Width::B4, base: Reg::FP, off: key_off, src });
        let args = vec![Arg::Symbol(Symbol::Limit(id)), Arg::Frame(key_off)];
        self.emit_call(Callee::Helper(Helper::MapLookup), args)
    }

    /// Nanoseconds, in a register that may be changed; and the tick, if ticks are what is counted.
    pub(super) fn limit_time(
        &mut self,
        limit: &manifest::Limit,
        params: Reg,
        time: Value,
    ) -> (Reg, Option<Reg>) {
        let now = self.fresh();
        self.set(now, time);
        match limit.clock {
            LimitClock::Fine | LimitClock::Stopped => (now, None),
            LimitClock::Coarse => {
                let tick = self.fresh();
                self.emit(Op::mov(tick, Src::Reg(now)));
                let tick_ns = self.load_word(params, Params::TICK_OFF as i16);
                self.emit_alu(Alu::Mul, now, Src::Reg(tick_ns));
                (now, Some(tick))
            }
        }
    }

    /// Where the setting in force is, less [`Params::SETTING_OFF`].
    pub(super) fn setting(&mut self, params: Reg) -> Reg {
        let setting = self.load_word(params, Params::ACTIVE_OFF as i16);
        self.emit_alu(Alu::And, setting, Src::Imm(1));
        self.emit_alu(Alu::Mul, setting, Src::Imm(Params::SETTING_BYTES as i32));
        let at = self.fresh();
        self.emit(Op::mov(at, Src::Reg(params)));
        self.emit_alu(Alu::Add, at, Src::Reg(setting));
        at
    }

    /// Nanoseconds become what the limit's own clock shows, if it has one.
    fn own_time(&mut self, setting: Reg, now: Reg) {
        let done = self.label();
        let off = |index: i16| Params::SETTING_OFF as i16 + 8 * index;
        let speed = self.load_word(setting, off(2));
        self.emit_branch(Test::Eq, speed, Src::Imm(0), done);
        let since = self.load_word(setting, off(3));
        self.emit_alu(Alu::Sub, now, Src::Reg(since));
        let low = self.fresh();
        self.emit(Op::mov(low, Src::Reg(now)));
        self.emit_alu(Alu::And, low, Src::Imm((1 << SPEED_SHIFT) - 1));
        self.emit_alu(Alu::Mul, low, Src::Reg(speed));
        self.emit_alu(Alu::Rsh, low, Src::Imm(SPEED_SHIFT as i32));
        self.emit_alu(Alu::Rsh, now, Src::Imm(SPEED_SHIFT as i32));
        self.emit_alu(Alu::Mul, now, Src::Reg(speed));
        self.emit_alu(Alu::Add, now, Src::Reg(low));
        let from = self.load_word(setting, off(4));
        self.emit_alu(Alu::Add, now, Src::Reg(from));
        self.emit(Op::Label(done));
    }

    /// The whole of a bucket under its set's lock.
    fn locked(&mut self, b: &Bucket<'_>) {
        let under = self.sum(b.now, Src::Reg(b.burst));
        let latest = b.slack.map_or(under, |slack| self.sum(under, Src::Reg(slack)));
        let way = self.fresh();
        self.look_without_lock(b, way, (under, latest));
        self.emit_call_none(Helper::SpinLock, b.set);
        let (known, over, unlock) = (self.label(), self.label(), self.label());
        for index in 0..b.limit.ways() {
            let next = self.label();
            self.unless_key(b, index, next);
            self.emit(Op::mov(way, Src::Imm(index as i32)));
            self.emit(Op::Jump(known));
            self.emit(Op::Label(next));
        }
        if b.limit.ways() > 1 {
            self.take_way(b, way, latest, over, unlock);
        }
        self.emit(Op::Label(known));
        self.spend_known(b, way, (under, latest), over);
        self.emit(Op::mov(b.dst, Src::Imm(Spent::YES as i32)));
        self.emit(Op::Jump(unlock));
        self.emit(Op::Label(over));
        self.emit(Op::mov(b.dst, Src::Imm(Spent::OVER as i32)));
        self.emit(Op::Label(unlock));
        self.emit_call_none(Helper::SpinUnlock, b.set);
    }

    pub(super) fn emit_call_none(&mut self, helper: Helper, set: Reg) {
        let args = vec![Arg::Src(Src::Reg(set))];
        self.emit(Op::Call { callee: Callee::Helper(helper), args, ret: None });
    }

    /// Goes on to `next` unless the key has this way. Of one bucket there is no question.
    fn unless_key(&mut self, b: &Bucket<'_>, index: u32, next: Label) {
        let Some(&first) = b.key.first() else { return };
        let (tag, off) = (self.fresh(), (SET_TAGS_OFF + 4 * index) as i16);
        self.emit(Op::Load { width: Width::B4, dst: tag, base: b.set, off });
        let wanted = if b.limit.is_narrow() { first } else { b.hash };
        // The lower halves of both; that of the hash is the tag of a long key.
        let rhs = Src::Reg(wanted);
        self.emit(Op::Branch { wide: false, test: Test::Ne, lhs: tag, rhs, to: next });
        if b.limit.is_narrow() {
            return;
        }
        let at = SET_KEYS_OFF + index * 8 * b.key.len() as u32;
        for (&word, off) in b.key.iter().zip((at..).step_by(8)) {
            let held = self.load_word(b.set, off as i16);
            self.emit_branch(Test::Ne, held, Src::Reg(word), next);
        }
    }

    /// The address of a way, of which the bucket is [`SET_WAYS_OFF`] behind.
    fn way_address(&mut self, b: &Bucket<'_>, way: Reg, shift: u32) -> Reg {
        let off = self.fresh();
        self.emit(Op::mov(off, Src::Reg(way)));
        self.emit_alu(Alu::Lsh, off, Src::Imm(shift as i32));
        self.sum(b.set, Src::Reg(off))
    }

    /// A key that is over its limit whatever else happens needs no lock to be told so.
    fn look_without_lock(&mut self, b: &Bucket<'_>, way: Reg, (under, latest): (Reg, Reg)) {
        let (found, locked) = (self.label(), self.label());
        for index in 0..b.limit.ways() {
            let next = self.label();
            self.unless_key(b, index, next);
            self.emit(Op::mov(way, Src::Imm(index as i32)));
            self.emit(Op::Jump(found));
            self.emit(Op::Label(next));
        }
        if b.limit.ways() > 1 {
            self.emit(Op::Jump(locked));
        }
        self.emit(Op::Label(found));
        let at = self.way_address(b, way, SET_WAY_BYTES.trailing_zeros());
        let tat = self.load_word(at, SET_WAYS_OFF as i16);
        self.emit_alu(Alu::Add, tat, Src::Reg(b.cost));
        let bound = self.bound(b, at, (under, latest));
        self.emit_branch(Test::Le, tat, Src::Reg(bound), locked);
        self.emit(Op::mov(b.dst, Src::Imm(Spent::OVER as i32)));
        self.emit(Op::Jump(b.out));
        self.emit(Op::Label(locked));
    }

    /// How far ahead a bucket may be that is not full: further by a tick as long as the tick lasts in which it was.
    fn bound(&mut self, b: &Bucket<'_>, at: Reg, (under, latest): (Reg, Reg)) -> Reg {
        let Some(tick) = b.tick else { return under };
        let (since, off) = (self.fresh(), SET_WAYS_OFF as i16 + TICK_OFF);
        self.emit(Op::Load { width: Width::B4, dst: since, base: at, off });
        let (bound, other) = (self.fresh(), self.label());
        self.emit(Op::mov(bound, Src::Reg(under)));
        let rhs = Src::Reg(tick);
        self.emit(Op::Branch { wide: false, test: Test::Ne, lhs: since, rhs, to: other });
        self.emit(Op::mov(bound, Src::Reg(latest)));
        self.emit(Op::Label(other));
        bound
    }

    /// A bucket for a new key: the first that is full, or else what the limit says.
    fn take_way(&mut self, b: &Bucket<'_>, way: Reg, latest: Reg, over: Label, unlock: Label) {
        let (free, fresh) = (self.label(), self.label());
        let best = self.fresh();
        for index in 0..b.limit.ways() {
            let next = self.label();
            let tat = self.load_word(b.set, (SET_WAYS_OFF + index * SET_WAY_BYTES) as i16);
            let full_by_now = self.label();
            self.emit_branch(Test::Gt, tat, Src::Reg(b.now), full_by_now);
            self.emit(Op::mov(way, Src::Imm(index as i32)));
            self.emit(Op::Jump(free));
            self.emit(Op::Label(full_by_now));
            if index > 0 && b.limit.full == Full::Evict {
                self.emit_branch(Test::Ge, tat, Src::Reg(best), next);
            }
            if b.limit.full == Full::Evict {
                self.emit(Op::mov(best, Src::Reg(tat)));
                self.emit(Op::mov(way, Src::Imm(index as i32)));
            }
            self.emit(Op::Label(next));
        }
        let code = match b.limit.full {
            Full::Evict => Spent::EVICTED,
            Full::Drop => Spent::OVER_FULL,
            Full::Pass => Spent::PASS_FULL,
        };
        self.emit(Op::mov(b.dst, Src::Imm(code as i32)));
        self.emit(Op::Jump(if b.limit.full == Full::Evict { fresh } else { unlock }));
        self.emit(Op::Label(free));
        self.emit(Op::mov(b.dst, Src::Imm(Spent::YES as i32)));
        self.emit(Op::Label(fresh));
        let full = b.slack.map_or(b.now, |slack| self.sum(b.now, Src::Reg(slack)));
        let tat = self.sum(full, Src::Reg(b.cost));
        self.emit_branch(Test::Gt, tat, Src::Reg(latest), over);
        let at = self.way_address(b, way, SET_WAY_BYTES.trailing_zeros());
        self.write_bucket(b, at, tat);
        let at = self.way_address(b, way, 2);
        let tag = if b.limit.is_narrow() { b.key[0] } else { b.hash };
        let (width, off, src) = (Width::B4, SET_TAGS_OFF as i16, Src::Reg(tag));
        self.emit(Op::Store { width, base: at, off, src });
        if !b.limit.is_narrow() {
            self.write_key(b, way);
        }
        self.emit(Op::Jump(unlock));
    }

    fn write_key(&mut self, b: &Bucket<'_>, way: Reg) {
        let off = self.fresh();
        self.emit(Op::mov(off, Src::Reg(way)));
        self.emit_alu(Alu::Mul, off, Src::Imm(8 * b.key.len() as i32));
        let at = self.sum(b.set, Src::Reg(off));
        for (&word, off) in b.key.iter().zip((SET_KEYS_OFF..).step_by(8)) {
            let (width, off, src) = (Width::B8, off as i16, Src::Reg(word));
            self.emit(Op::Store { width, base: at, off, src });
        }
    }

    /// Writes a bucket that was full until now.
    fn write_bucket(&mut self, b: &Bucket<'_>, at: Reg, tat: Reg) {
        let off = SET_WAYS_OFF as i16;
        self.emit(Op::Store { width: Width::B8, base: at, off, src: Src::Reg(tat) });
        if let Some(tick) = b.tick {
            let (width, off, src) = (Width::B4, off + TICK_OFF, Src::Reg(tick));
            self.emit(Op::Store { width, base: at, off, src });
        }
    }

    /// Spends of the bucket that the key has; on to `over` where nothing is left.
    fn spend_known(&mut self, b: &Bucket<'_>, way: Reg, (under, latest): (Reg, Reg), over: Label) {
        let at = self.way_address(b, way, SET_WAY_BYTES.trailing_zeros());
        let tat = self.load_word(at, SET_WAYS_OFF as i16);
        let (full, done) = (self.label(), self.label());
        self.emit_branch(Test::Le, tat, Src::Reg(b.now), full);
        let bound = match b.slack {
            Some(slack) => {
                let end = self.sum(b.now, Src::Reg(slack));
                let later = self.label();
                self.emit_branch(Test::Ge, tat, Src::Reg(end), later);
                self.emit(Op::mov(tat, Src::Reg(end)));
                self.emit(Op::Label(later));
                self.bound(b, at, (under, latest))
            }
            None => under,
        };
        self.emit_alu(Alu::Add, tat, Src::Reg(b.cost));
        self.emit_branch(Test::Gt, tat, Src::Reg(bound), over);
        let (width, off, src) = (Width::B8, SET_WAYS_OFF as i16, Src::Reg(tat));
        self.emit(Op::Store { width, base: at, off, src });
        self.emit(Op::Jump(done));
        self.emit(Op::Label(full));
        let start = b.slack.map_or(b.now, |slack| self.sum(b.now, Src::Reg(slack)));
        let tat = self.sum(start, Src::Reg(b.cost));
        self.emit_branch(Test::Gt, tat, Src::Reg(latest), over);
        self.write_bucket(b, at, tat);
        self.emit(Op::Label(done));
    }
}
