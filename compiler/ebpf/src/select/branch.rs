//! Branches, and the comparisons in front of them.

use super::{Select, signed, test};
use crate::mach::{Alu, Label, Op, Reg, Src, Test};
use cranelift_entity::SecondaryMap;
use l4c_ir::analysis::{Cfg, Dominators};
use l4c_ir::{BinOp, Block, BlockCall, Cond, Env, Function, InstData, Term, Value, ValueDef};

/// Where values are used.
pub struct Told {
    users: SecondaryMap<Value, Vec<Block>>,
    preds: SecondaryMap<Block, Option<Block>>,
    dominators: Dominators,
}

impl Told {
    pub fn new(func: &Function, cfg: &Cfg) -> Self {
        let mut users = SecondaryMap::<Value, Vec<Block>>::with_capacity(func.values.len());
        let mut preds = SecondaryMap::with_capacity(func.blocks.len());
        for block in cfg.reverse_postorder() {
            preds[block] = cfg.single_pred(block);
            let data = &func.blocks[block];
            let mut used = |v: Value| {
                if users[v].last() != Some(&block) {
                    users[v].push(block);
                }
            };
            data.insts.iter().for_each(|&inst| func.insts[inst].for_each_arg(&mut used));
            data.term.for_each_arg(&mut used);
        }
        Self { users, preds, dominators: Dominators::new(cfg) }
    }

    /// True if behind `block`, which ends with a comparison, a number computed in the function is used on one
    /// side of it only.
    fn only_behind(&self, func: &Function, block: Block, side: Block, value: Value) -> bool {
        let computed = matches!(func.values[value].def, ValueDef::Result(_));
        let users = &self.users[value];
        computed
            && self.preds[side] == Some(block)
            && users.iter().all(|&user| user == block || self.dominators.dominates(side, user))
    }
}

impl Select<'_> {
    /// Jumps to `to` if `value cond n`. Immediates of 64-bit comparisons are kept non-negative.
    pub(super) fn compare(&mut self, cond: Cond, value: Value, n: u64, to: Label) {
        let lhs = self.reg(value);
        let (wide, rhs) = match (i32::try_from(n), u32::try_from(n)) {
            (Ok(imm), _) => (true, Src::Imm(imm)),
            (Err(_), Ok(low)) if self.max(value) <= u64::from(u32::MAX) => {
                (false, Src::Imm(low.cast_signed()))
            }
            _ => (true, Src::Reg(self.wide_number(n))),
        };
        self.emit(Op::Branch { wide, test: test(cond), lhs, rhs, to });
    }

    /// A register that holds `n`; where the same number was compared just before, that one. A search
    /// compares one number at each place.
    fn wide_number(&mut self, n: u64) -> Reg {
        if let Some((_, reg)) = self.wide.filter(|&(held, _)| held == n) {
            return reg;
        }
        let reg = self.fresh();
        self.load_number(reg, n);
        self.wide = Some((n, reg));
        reg
    }

    /// An `and` whose only use is the comparison with zero that ends its block becomes a bit test there.
    /// A packet's length that is only counted is asked for behind the counter's lookup, which would destroy it.
    pub(super) fn find_fused(&mut self, block: Block) {
        let mut asked = None;
        for &inst in &self.func.blocks[block].insts {
            match self.func.insts[inst] {
                InstData::Env(Env::PktLen) => asked = self.func.results[inst].expand(),
                InstData::Count { bytes, .. } if asked == Some(bytes) => {
                    self.fused[bytes] = self.uses.of(bytes) == 1;
                    asked = None;
                }
                // The packet may be another behind a call.
                ref data if data.has_effect() => asked = None,
                _ => {}
            }
        }
        let Term::Br { cond: Cond::Eq | Cond::Ne, args: [a, b], .. } = self.func.blocks[block].term
        else {
            return;
        };
        if self.func.constant(b) == Some(0) && self.bit_test(block, a).is_some() {
            self.fused[a] = true;
        }
    }

    /// The sides of `value` if it is an `and` in `block` that can be fused into its only use. A number that
    /// lives on is not tested itself: the verifier would remember the bit on each side, for every bit that
    /// any rule asks for, and states that differ in one no longer merge.
    pub(super) fn bit_test(&self, block: Block, value: Value) -> Option<(Value, Value)> {
        let ValueDef::Result(inst) = self.func.values[value].def else { return None };
        let InstData::Binary { op: BinOp::And, args: [x, y] } = self.func.insts[inst] else {
            return None;
        };
        let here = self.func.blocks[block].insts.contains(&inst);
        let (x, y) = if self.func.constant(x).is_some() { (y, x) } else { (x, y) };
        let fits = self.func.constant(x).is_none()
            && !self.is_used_elsewhere(x)
            && self.func.constant(y).is_none_or(|n| i32::try_from(n).is_ok());
        (here && fits && self.uses.of(value) == 1).then_some((x, y))
    }

    /// True if what a comparison tells of the value may be remembered after it.
    fn is_used_elsewhere(&self, value: Value) -> bool {
        let is_param = matches!(self.func.values[value].def, ValueDef::Param(..));
        self.func.constant(value).is_none() && (is_param || self.uses.of(value) > 1)
    }

    /// True for what the function was called with: every rule may compare it.
    fn is_param(&self, value: Value) -> bool {
        self.func.params().contains(&value)
    }

    /// Compares a copy of `a` that has nothing to do with it any more in the verifier's eyes (a plain move
    /// would pass on what is learned), so that rules about the packet's length do not multiply its states.
    fn compare_copy(&mut self, cond: Cond, a: Value, n: u64, to: Label) {
        let copy = self.fresh();
        self.set(copy, a);
        self.emit_alu(Alu::Or, copy, Src::Imm(0));
        match signed(n).filter(|n| *n >= 0) {
            Some(n) => self.emit_branch(test(cond), copy, Src::Imm(n), to),
            None => self.compare(cond, a, n, to),
        }
    }

    pub(super) fn br(
        &mut self,
        block: Block,
        cond: Cond,
        args: [Value; 2],
        then: &BlockCall,
        otherwise: &BlockCall,
    ) {
        let (mut cond, [mut a, mut b]) = (cond, args);
        if let (Some(x), Some(y)) = (self.func.constant(a), self.func.constant(b)) {
            return self.goto(if cond.eval(x, y) { then } else { otherwise });
        }
        if self.func.constant(a).is_some() {
            (cond, a, b) = (cond.swap_args(), b, a);
        }
        let bits = if self.fused[a] { self.bit_test(block, a) } else { None };
        let unequal = if cond == Cond::Eq { otherwise } else { then };
        let tells = [a, b].into_iter().any(|v| {
            self.is_used_elsewhere(v) && !self.told.only_behind(self.func, block, unequal.block, v)
        });
        let invert = match (cond, bits) {
            // A bit test jumps where a bit is set, an equality that tells where the sides are equal.
            (Cond::Eq, Some(_)) => true,
            (Cond::Ne, Some(_)) => false,
            (Cond::Ne, None) if tells => true,
            (Cond::Eq, None) if tells => false,
            (Cond::Eq | Cond::Ne | Cond::Lt | Cond::Le | Cond::Gt | Cond::Ge, None) => {
                self.next == Some(then.block)
            }
            (Cond::Lt | Cond::Le | Cond::Gt | Cond::Ge, Some(_)) => false,
        };
        let (then, otherwise, cond) =
            if invert { (otherwise, then, cond.negate()) } else { (then, otherwise, cond) };
        let taken = self.edge_label(then);
        match (bits, self.func.constant(b)) {
            (Some((x, y)), _) => {
                let (lhs, rhs) = (self.home(x), self.src(y));
                self.emit_branch(Test::Set, lhs, rhs, taken);
            }
            (None, Some(n)) if self.is_param(a) => self.compare_copy(cond, a, n, taken),
            (None, Some(n)) => self.compare(cond, a, n, taken),
            (None, None) => {
                let (lhs, rhs) = (self.home(a), Src::Reg(self.home(b)));
                self.emit_branch(test(cond), lhs, rhs, taken);
            }
        }
        self.goto(otherwise);
    }
}
