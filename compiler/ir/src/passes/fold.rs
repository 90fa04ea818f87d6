//! Folds constants and arithmetic, and compares packet bytes as they lie.
//!
//! A field is loaded, brought into the packet's byte order, masked, shifted and compared to a
//! number. For equality all of that can be done to the number instead, once, at compile time: what
//! is left is a load, maybe a mask, and the comparison.

#[cfg(test)]
mod tests;

use super::edit::{Aliases, append, append_const, def_of, drop_unreachable};
use crate::analysis::{Cfg, KnownBits, bind_params, of_inst};
use crate::{BinOp, Block, Cond, Function, Inst, InstData, Line, Term, Value, Width};
use cranelift_entity::SecondaryMap;
use std::cmp::Ordering;

/// Masks and numbers above this cost the machine an instruction of their own.
const MAX_CHEAP: u64 = 0xffff_ffff;

/// Parts of a word that are looked at when one is taken out of it.
const MAX_PARTS: usize = 8;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    let mut fold = Fold {
        func,
        bits: SecondaryMap::new(),
        aliases: Aliases::default(),
        changed: false,
        block: Block::from_u32(0),
        line: None,
    };
    for block in cfg.reverse_postorder() {
        bind_params(fold.func, &cfg, block, &mut fold.bits);
        fold.block(block);
    }
    let changed = fold.changed;
    if changed {
        drop_unreachable(func);
    }
    changed
}

/// What becomes of an instruction.
enum Step {
    /// It stays.
    Keep,
    /// Another value is the same.
    Is(Value),
    /// Its result is a number.
    Number(u64),
    /// The same result from another instruction.
    Data(InstData),
}

struct Fold<'f> {
    func: &'f mut Function,
    bits: SecondaryMap<Value, KnownBits>,
    aliases: Aliases,
    changed: bool,
    /// Where new instructions go.
    block: Block,
    line: Option<Line>,
}

impl Fold<'_> {
    fn block(&mut self, block: Block) {
        self.block = block;
        for inst in std::mem::take(&mut self.func.blocks[block].insts) {
            self.func.insts[inst].map_args(|v| self.aliases.resolve(v));
            self.inst(inst);
        }
        self.line = self.func.blocks[block].term_line.expand();
        let mut term = std::mem::replace(&mut self.func.blocks[block].term, Term::None);
        term.map_args(|v| self.aliases.resolve(v));
        if let Term::Br { cond, args: [a, b], then, otherwise } = term {
            let test = self.test(cond, a, b);
            self.changed |= test != Test::Open(cond, a, b);
            term = match test {
                Test::Open(cond, a, b) => Term::Br { cond, args: [a, b], then, otherwise },
                Test::Known(true) => Term::Jump(then),
                Test::Known(false) => Term::Jump(otherwise),
            };
        }
        self.func.blocks[block].term = term;
    }

    /// Rewrites an instruction and appends what is left of it.
    fn inst(&mut self, inst: Inst) {
        self.line = self.func.inst_lines[inst].expand();
        let result = self.func.results[inst].expand();
        while let Some(value) = result {
            match self.step(inst) {
                Step::Keep => break,
                Step::Is(same) => {
                    self.aliases.replace(value, same);
                    self.changed = true;
                    return;
                }
                Step::Number(n) => self.func.insts[inst] = InstData::Const(n),
                Step::Data(data) => self.func.insts[inst] = data,
            }
            self.changed = true;
        }
        if let Some(value) = result {
            self.bits[value] = of_inst(&self.func.insts[inst], &self.bits);
        }
        self.func.blocks[self.block].insts.push(inst);
    }

    fn step(&mut self, inst: Inst) -> Step {
        let data = self.func.insts[inst].clone();
        if let (false, false, Some(n)) = (
            data.has_effect(),
            matches!(data, InstData::Const(_)),
            of_inst(&data, &self.bits).as_constant(),
        ) {
            return Step::Number(n);
        }
        match data {
            InstData::Binary { op, args: [a, b] } => self.binary(op, a, b),
            InstData::Swap { width, arg } => self.swap(width, arg),
            InstData::Const(_)
            | InstData::Load { .. }
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
            | InstData::Reject { .. } => Step::Keep,
        }
    }

    /// A number in the block at hand.
    fn number(&mut self, n: u64) -> Value {
        let value = append_const(self.func, self.block, n, self.line);
        self.bits[value] = KnownBits::constant(n);
        value
    }

    /// A new instruction in the block at hand.
    fn make(&mut self, op: BinOp, a: Value, n: u64) -> Value {
        let b = self.number(n);
        let data = InstData::Binary { op, args: [a, b] };
        let bits = of_inst(&data, &self.bits);
        let value = append(self.func, self.block, data, self.line);
        self.bits[value] = bits;
        value
    }

    fn with_number(&mut self, op: BinOp, a: Value, n: u64) -> Step {
        let b = self.number(n);
        Step::Data(InstData::Binary { op, args: [a, b] })
    }

    /// `x op n`, if `value` is that.
    fn def_with_number(&self, value: Value, op: BinOp) -> Option<(Value, u64)> {
        match *def_of(self.func, value)? {
            InstData::Binary { op: found, args: [x, n] } if found == op => {
                Some((x, self.func.constant(n)?))
            }
            _ => None,
        }
    }

    /// `swap.width x`, if `value` is that and no byte of `x` is lost.
    fn def_swap(&self, value: Value) -> Option<(Width, Value)> {
        match *def_of(self.func, value)? {
            InstData::Swap { width, arg } if self.bits[arg].max_value() <= width.mask() => {
                Some((width, arg))
            }
            _ => None,
        }
    }

    fn binary(&mut self, op: BinOp, a: Value, b: Value) -> Step {
        let number = self.func.constant(b);
        if op.is_commutative() && number.is_none() && self.func.constant(a).is_some() {
            return Step::Data(InstData::Binary { op, args: [b, a] });
        }
        if a == b {
            match op {
                BinOp::And | BinOp::Or => return Step::Is(a),
                // What is left of `x rem x` is 0, for `0 rem 0` too.
                BinOp::Xor | BinOp::Sub | BinOp::Rem => return Step::Number(0),
                BinOp::Add | BinOp::Mul | BinOp::Shl | BinOp::Shr => {}
            }
        }
        let (known_a, known_b) = (self.bits[a], self.bits[b]);
        if op == BinOp::And {
            // Each bit that may be set in one is set in the other.
            if known_a.max_value() & !known_b.ones == 0 {
                return Step::Is(a);
            }
            if known_b.max_value() & !known_a.ones == 0 {
                return Step::Is(b);
            }
        }
        if op == BinOp::Or && known_a.max_value() == 0 {
            return Step::Is(b);
        }
        number.map_or(Step::Keep, |n| self.binary_number(op, a, n))
    }

    fn binary_number(&mut self, op: BinOp, a: Value, n: u64) -> Step {
        match op {
            BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor if n == 0 => return Step::Is(a),
            BinOp::Mul if n == 1 => return Step::Is(a),
            BinOp::Rem if n == 0 => return Step::Is(a),
            BinOp::Rem if n.is_power_of_two() => return self.with_number(BinOp::And, a, n - 1),
            BinOp::Shl | BinOp::Shr if n & 63 == 0 => return Step::Is(a),
            BinOp::Shl | BinOp::Shr if n > 63 => return self.with_number(op, a, n & 63),
            BinOp::Mul if n.is_power_of_two() => {
                return self.with_number(BinOp::Shl, a, u64::from(n.trailing_zeros()));
            }
            _ => {}
        }
        if let Some(step) = self.unpacked(op, a, n) {
            return step;
        }
        if let (BinOp::Shr, Some((x, m))) = (op, self.def_with_number(a, BinOp::Shl))
            && m < 64
            && self.bits[x].max_value() <= u64::MAX >> m
        {
            return match m.cmp(&n) {
                Ordering::Equal => Step::Is(x),
                Ordering::Less => self.with_number(BinOp::Shr, x, n - m),
                Ordering::Greater => self.with_number(BinOp::Shl, x, m - n),
            };
        }
        let Some((x, m)) = self.def_with_number(a, op) else { return Step::Keep };
        match op {
            BinOp::And => self.with_number(op, x, m & n),
            BinOp::Or => self.with_number(op, x, m | n),
            BinOp::Xor => self.with_number(op, x, m ^ n),
            BinOp::Add | BinOp::Sub => self.with_number(op, x, m.wrapping_add(n)),
            BinOp::Shl | BinOp::Shr if m & 63 != m => Step::Keep,
            BinOp::Shl | BinOp::Shr if m + n > 63 => Step::Number(0),
            BinOp::Shl | BinOp::Shr => self.with_number(op, x, m + n),
            BinOp::Mul => self.with_number(op, x, m.wrapping_mul(n)),
            BinOp::Rem => Step::Keep,
        }
    }

    /// What was packed into a word comes out of it as it went in.
    fn unpacked(&mut self, op: BinOp, a: Value, n: u64) -> Option<Step> {
        let (word, shift, mask) = match (op, self.def_with_number(a, BinOp::Shr)) {
            (BinOp::Shr, _) if n < 64 => (a, None, u64::MAX << n),
            (BinOp::And, Some((word, shift @ 0..=63))) if n << shift >> shift == n => {
                (word, Some(shift), n << shift)
            }
            (BinOp::And, _) => (a, None, n),
            _ => return None,
        };
        let part = self.seen_through(word, mask, MAX_PARTS)?;
        let part = shift.map_or(part, |shift| self.make(BinOp::Shr, part, shift));
        Some(self.with_number(op, part, n))
    }

    /// A value with the same bits as `value` where `mask` has ones, and less to compute; `None` if there is
    /// nothing to leave out.
    fn seen_through(&mut self, value: Value, mask: u64, parts: usize) -> Option<Value> {
        let InstData::Binary { op: BinOp::Or, args: [x, y] } = *def_of(self.func, value)? else {
            return None;
        };
        let parts = parts.checked_sub(1)?;
        let is_gone = |fold: &Self, v: Value| fold.bits[v].max_value() & mask == 0;
        if is_gone(self, x) {
            return Some(self.seen_through(y, mask, parts).unwrap_or(y));
        }
        if is_gone(self, y) {
            return Some(self.seen_through(x, mask, parts).unwrap_or(x));
        }
        let number = self.func.constant(y)?;
        let inner = self.seen_through(x, mask, parts);
        let less = inner.is_some() || number & !mask != 0;
        less.then(|| self.make(BinOp::Or, inner.unwrap_or(x), number & mask))
    }

    fn swap(&mut self, width: Width, arg: Value) -> Step {
        match def_of(self.func, arg) {
            Some(&InstData::Swap { width: inner, arg: x }) if inner == width => {
                if self.bits[x].max_value() <= width.mask() {
                    Step::Is(x)
                } else {
                    self.with_number(BinOp::And, x, width.mask())
                }
            }
            _ => Step::Keep,
        }
    }
}

/// A comparison, or its outcome.
#[derive(Debug, PartialEq, Eq)]
enum Test {
    Known(bool),
    Open(Cond, Value, Value),
}

impl Fold<'_> {
    /// Brings a comparison into its smallest form.
    fn test(&mut self, cond: Cond, a: Value, b: Value) -> Test {
        if self.func.constant(a).is_some() && self.func.constant(b).is_none() {
            return self.test(cond.swap_args(), b, a);
        }
        if a == b {
            return Test::Known(cond.eval(0, 0));
        }
        if let Some(outcome) = outcome(cond, self.bits[a], self.bits[b]) {
            return Test::Known(outcome);
        }
        let Some(n) = self.func.constant(b) else { return Test::Open(cond, a, b) };
        let equality = match (cond, n) {
            (Cond::Eq | Cond::Ne, _) => Some((cond, n)),
            (Cond::Lt, 1) | (Cond::Le, 0) => Some((Cond::Eq, 0)),
            (Cond::Ge, 1) | (Cond::Gt, 0) => Some((Cond::Ne, 0)),
            (Cond::Lt | Cond::Le | Cond::Gt | Cond::Ge, _) => None,
        };
        let Some((mut new_cond, mut new_n)) = equality else { return Test::Open(cond, a, b) };
        let mut new_a = a;
        loop {
            // Of one bit, ask whether it is set.
            if self.bits[new_a].max_value() == new_n && new_n.is_power_of_two() {
                (new_cond, new_n) = (new_cond.negate(), 0);
            }
            match self.undo(new_a, new_n) {
                Some((x, m)) => (new_a, new_n) = (x, m),
                None => break,
            }
        }
        if (new_cond, new_n, new_a) == (cond, n, a) {
            return Test::Open(cond, a, b);
        }
        let b = self.number(new_n);
        match outcome(new_cond, self.bits[new_a], self.bits[b]) {
            Some(outcome) => Test::Known(outcome),
            None => Test::Open(new_cond, new_a, b),
        }
    }

    /// `(x, m)` so that `value == n` exactly if `x == m`, and `x` is cheaper: what was done to the
    /// packet's bytes is undone on the number. `n` fits the known bits of `value`.
    fn undo(&mut self, value: Value, n: u64) -> Option<(Value, u64)> {
        if self.bits[value].contradicts(KnownBits::constant(n)) {
            return None;
        }
        if let Some((width, x)) = self.def_swap(value) {
            return Some((x, width.swap_bytes(n)));
        }
        if let Some((x, m)) = self.def_with_number(value, BinOp::Xor) {
            return Some((x, n ^ m));
        }
        if let Some((x, m)) = self.def_with_number(value, BinOp::Add) {
            return Some((x, n.wrapping_sub(m)));
        }
        if let Some((x, m)) = self.def_with_number(value, BinOp::Or)
            && self.bits[x].max_value() & m == 0
        {
            return Some((x, n ^ m));
        }
        if let Some((x, mask)) = self.def_with_number(value, BinOp::And) {
            return self.undo_masked(x, mask, n);
        }
        if let Some((x, shift @ 0..=63)) = self.def_with_number(value, BinOp::Shr) {
            // A mask for a shift is no gain, unless the mask then goes through a swap.
            let (width, _) = self.def_swap(x)?;
            let mask = width.mask() & u64::MAX << shift;
            if mask > MAX_CHEAP {
                return None;
            }
            return Some((self.make(BinOp::And, x, mask), n << shift));
        }
        None
    }

    /// The same for `x & mask == n`.
    fn undo_masked(&mut self, x: Value, mask: u64, n: u64) -> Option<(Value, u64)> {
        if let Some((width, y)) = self.def_swap(x) {
            let mask = width.swap_bytes(mask & width.mask());
            return Some((self.make(BinOp::And, y, mask), width.swap_bytes(n)));
        }
        if let Some((y, shift @ 0..=63)) = self.def_with_number(x, BinOp::Shr) {
            // Bits of the mask that the shift fills with zeros ask nothing.
            let mask = mask & u64::MAX >> shift;
            if mask << shift <= MAX_CHEAP && n & !mask == 0 {
                return Some((self.make(BinOp::And, y, mask << shift), n << shift));
            }
        }
        None
    }
}

/// The outcome of a comparison, if all numbers with such bits have the same.
pub(super) fn outcome(cond: Cond, a: KnownBits, b: KnownBits) -> Option<bool> {
    match cond {
        Cond::Eq if a.contradicts(b) => Some(false),
        Cond::Eq => Some(a.as_constant()? == b.as_constant()?),
        Cond::Lt if a.max_value() < b.min_value() => Some(true),
        Cond::Lt if a.min_value() >= b.max_value() => Some(false),
        Cond::Lt => None,
        Cond::Gt => outcome(Cond::Lt, b, a),
        Cond::Ne | Cond::Le | Cond::Ge => outcome(cond.negate(), a, b).map(|holds| !holds),
    }
}
