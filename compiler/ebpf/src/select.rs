//! Instructions for IR, over virtual registers.
//!
//! What the kernel's verifier will think of the code is decided here. Packet pointers are made by
//! guards and never computed anew; comparisons for equality leave the unequal side, of which less is
//! known, to fall through, so that the states of a long chain of rules are found again and not walked
//! one by one.

mod count;
mod env;
mod flow;
mod guard;
mod layout;
mod member;
mod nth;
mod range;
mod sample;
mod sketch;
mod spend;
mod stubs;
mod window;
mod word;

use crate::error::Error;
use crate::mach::{Alu, Arg, Callee, Code, Label, Op, Reg, Src, Test};
use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use l4c_ir::analysis::{Cfg, KnownBits, UseCounts, known_bits};
use l4c_ir::{
    BinOp, Block, BlockCall, Cond, Func, Function, InstData, Line, Module, Term, Value, ValueDef,
};
use l4c_manifest::{Hook, HookKind};
use stubs::Stubs;
use window::Windows;

/// Machine code for `func` of a hook.
///
/// # Errors
/// When the guards of a hook that must copy want more bytes than the frame has.
pub fn select(module: &Module, func: Func, hook: &Hook) -> Result<Code, Error> {
    let kind = hook.kind;
    let func = &module.funcs[func];
    let order = layout::order(func);
    let windows = match kind {
        HookKind::Xdp => Windows::none(),
        HookKind::Socket => Windows::new(module, func, &order)?,
    };
    let mut select = Select {
        module,
        hook,
        func,
        kind,
        bits: known_bits(func, &Cfg::new(func)),
        seen_max: range::seen_by_verifier(func, &order),
        uses: UseCounts::new(func),
        regs: SecondaryMap::new(),
        fused: SecondaryMap::new(),
        bias_bytes: SecondaryMap::new(),
        code: Code { frame_bytes: windows.bytes, ..Code::default() },
        windows,
        key_slot: None,
        labels: u32::try_from(func.blocks.len()).expect("blocks are numbered by u32"),
        line: None.into(),
        next: None,
        stubs: Stubs::default(),
        wide: None,
    };
    let cfg = Cfg::new(func);
    for (i, &block) in order.iter().enumerate() {
        select.next = order.get(i + 1).copied();
        if i == 0 || cfg.single_pred(block) != Some(order[i - 1]) {
            select.wide = None;
        }
        select.stubs_to(block);
        select.block(block, i == 0);
    }
    select.code.prune();
    Ok(select.code)
}

struct Select<'a> {
    module: &'a Module,
    hook: &'a Hook,
    func: &'a Function,
    kind: HookKind,
    bits: SecondaryMap<Value, KnownBits>,
    seen_max: SecondaryMap<Value, u64>,
    uses: UseCounts,
    regs: SecondaryMap<Value, Option<Reg>>,
    /// Values that are computed where their only use is.
    fused: SecondaryMap<Value, bool>,
    /// What a packet pointer's register is short of the IR's pointer.
    bias_bytes: SecondaryMap<Value, u32>,
    windows: Windows,
    /// Frame offset of the key of map lookups.
    key_slot: Option<i16>,
    code: Code,
    /// Labels below are blocks.
    labels: u32,
    line: PackedOption<Line>,
    /// The block that follows in the code.
    next: Option<Block>,
    /// Moves of edges that branches take, not emitted yet.
    stubs: Stubs,
    /// A number of more than 32 bits, and the register that holds it in the blocks at hand.
    wide: Option<(u64, Reg)>,
}

const fn alu(op: BinOp) -> Alu {
    match op {
        BinOp::Add => Alu::Add,
        BinOp::Sub => Alu::Sub,
        BinOp::Mul => Alu::Mul,
        BinOp::And => Alu::And,
        BinOp::Or => Alu::Or,
        BinOp::Xor => Alu::Xor,
        BinOp::Shl => Alu::Lsh,
        BinOp::Shr => Alu::Rsh,
        BinOp::Rem => Alu::Mod,
    }
}

const fn test(cond: Cond) -> Test {
    match cond {
        Cond::Eq => Test::Eq,
        Cond::Ne => Test::Ne,
        Cond::Lt => Test::Lt,
        Cond::Le => Test::Le,
        Cond::Gt => Test::Gt,
        Cond::Ge => Test::Ge,
    }
}

/// `n` as an immediate that sign extension restores.
fn signed(n: u64) -> Option<i32> {
    i32::try_from(n as i64).ok()
}

impl Select<'_> {
    fn emit(&mut self, op: Op) {
        self.code.ops.push((op, self.line));
    }

    fn emit_alu(&mut self, alu: Alu, dst: Reg, src: Src) {
        self.emit(Op::Alu { wide: true, alu, dst, src });
    }

    fn emit_branch(&mut self, test: Test, lhs: Reg, rhs: Src, to: Label) {
        self.emit(Op::Branch { wide: true, test, lhs, rhs, to });
    }

    fn emit_call(&mut self, callee: Callee, args: Vec<Arg>) -> Reg {
        let ret = self.code.fresh(false);
        self.emit(Op::Call { callee, args, ret: Some(ret) });
        ret
    }

    fn fresh(&mut self) -> Reg {
        self.code.fresh(false)
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    fn max(&self, value: Value) -> u64 {
        self.bits[value].max_value()
    }

    /// The register of a value that is no constant; asked before its definition only in code that is
    /// never reached.
    fn home(&mut self, value: Value) -> Reg {
        match self.regs[value] {
            Some(reg) => reg,
            None => {
                let reg = self.fresh();
                self.regs[value] = Some(reg);
                reg
            }
        }
    }

    fn load_number(&mut self, dst: Reg, n: u64) {
        match (signed(n), u32::try_from(n)) {
            (Some(imm), _) => self.emit(Op::mov(dst, Src::Imm(imm))),
            (None, Ok(low)) => {
                let src = Src::Imm(low.cast_signed());
                self.emit(Op::Alu { wide: false, alu: Alu::Mov, dst, src });
            }
            (None, Err(_)) => self.emit(Op::Const { dst, value: n }),
        }
    }

    /// A register that holds `value`; constants are made anew for each use, so that they never live long.
    fn reg(&mut self, value: Value) -> Reg {
        match self.func.constant(value) {
            Some(n) => {
                let reg = self.fresh();
                self.load_number(reg, n);
                reg
            }
            None => self.home(value),
        }
    }

    fn src(&mut self, value: Value) -> Src {
        match self.func.constant(value).and_then(signed) {
            Some(imm) => Src::Imm(imm),
            None => Src::Reg(self.reg(value)),
        }
    }

    /// `dst = value`
    fn set(&mut self, dst: Reg, value: Value) {
        match self.func.constant(value) {
            Some(n) => self.load_number(dst, n),
            None => {
                let src = Src::Reg(self.home(value));
                self.emit(Op::mov(dst, src));
            }
        }
    }

    fn block(&mut self, block: Block, is_entry: bool) {
        let data = &self.func.blocks[block];
        self.line = data.insts.first().map_or(data.term_line, |&i| self.func.inst_lines[i]);
        if is_entry {
            self.prologue(&data.params);
        }
        self.emit(Op::Label(Label(block.as_u32())));
        self.find_fused(block);
        for &inst in &data.insts {
            self.line = self.func.inst_lines[inst];
            self.inst(&self.func.insts[inst], self.func.results[inst].expand());
        }
        self.line = data.term_line;
        self.term(block, &data.term);
    }

    fn prologue(&mut self, params: &[Value]) {
        self.emit(Op::mov(Reg::CTX, Src::Reg(Reg::machine(1))));
        let moves: Vec<_> = (2..)
            .zip(params)
            .map(|(n, &value)| (self.home(value), Src::Reg(Reg::machine(n))))
            .collect();
        self.parallel(moves);
    }

    fn parallel(&mut self, moves: Vec<(Reg, Src)>) {
        if !moves.is_empty() {
            let tmp = self.code.fresh(true);
            self.emit(Op::Moves { moves, tmp });
        }
    }

    /// An `and` whose only use is the comparison with zero that ends its block becomes a bit test there.
    fn find_fused(&mut self, block: Block) {
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
    fn bit_test(&self, block: Block, value: Value) -> Option<(Value, Value)> {
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

    fn inst(&mut self, data: &InstData, result: Option<Value>) {
        if result.is_some_and(|v| self.fused[v] || (!data.has_effect() && self.uses.of(v) == 0)) {
            return;
        }
        match (data, result) {
            (InstData::Count { slot, bytes }, _) => self.count(*slot, *bytes),
            (InstData::Sample { slot, packet_bytes, kept_bytes }, _) => {
                self.sample(*slot, *packet_bytes, *kept_bytes);
            }
            (InstData::Redirect { iface }, _) => self.redirect(*iface),
            (InstData::Const(_), _) | (_, None) => {}
            (InstData::Binary { op, args }, Some(v)) => self.binary(*op, *args, v),
            (InstData::Swap { width, arg }, Some(v)) => {
                let dst = self.home(v);
                self.set(dst, *arg);
                self.emit(Op::Swap { width: *width, dst });
            }
            (InstData::Load { ptr, disp_bytes, width }, Some(v)) => {
                let dst = self.home(v);
                self.packet_load(dst, *ptr, *disp_bytes, *width);
            }
            (InstData::Env(env), Some(v)) => {
                let dst = self.home(v);
                self.env(dst, *env);
            }
            (InstData::IfaceSlot(slot), Some(v)) => {
                let dst = self.home(v);
                self.iface_slot(dst, *slot);
            }
            (InstData::Member { table, hi, lo }, Some(v)) => {
                let dst = self.home(v);
                self.member(dst, *table, *hi, *lo);
            }
            (
                InstData::Random
                | InstData::Spend { .. }
                | InstData::Hash { .. }
                | InstData::Flow { .. }
                | InstData::Nth { .. },
                Some(v),
            ) => {
                let dst = self.home(v);
                self.stateful(dst, data);
            }
            (InstData::Call { func, args }, Some(v)) => {
                let mut list = vec![Arg::Src(Src::Reg(Reg::CTX))];
                list.extend(args.iter().map(|&a| Arg::Src(self.src(a))));
                let ret = Some(self.home(v));
                self.emit(Op::Call { callee: Callee::Func(*func), args: list, ret });
            }
            // Made by hand, as a function of its own.
            (InstData::Reject { .. }, Some(_)) => {}
        }
    }

    fn binary(&mut self, op: BinOp, args: [Value; 2], result: Value) {
        let [mut a, mut b] = args;
        let commutes = matches!(op, BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor);
        let b_ends_here = self.uses.of(b) == 1 && self.uses.of(a) > 1;
        let is_const = |v| self.func.constant(v).is_some();
        if commutes && !is_const(b) && (is_const(a) || b_ends_here) {
            (a, b) = (b, a);
        }
        let dst = self.home(result);
        let (mut wide, amount) = (true, self.func.constant(b));
        if op == BinOp::Rem && amount == Some(0) {
            // The kernel takes no division by a number 0; by a register of 0 it is this.
            return self.set(dst, a);
        }
        let src = match (op, amount) {
            (BinOp::Shl | BinOp::Shr, Some(n)) => Src::Imm((n & 63) as i32),
            // A 32-bit `and` clears the upper half, as such a mask would.
            (BinOp::And, Some(n)) if signed(n).is_none() && u32::try_from(n).is_ok() => {
                wide = false;
                Src::Imm((n as u32).cast_signed())
            }
            _ if a == b => Src::Reg(dst),
            _ => self.src(b),
        };
        self.set(dst, a);
        self.emit(Op::Alu { wide, alu: alu(op), dst, src });
    }

    /// Jumps to `to` if `value cond n`. Immediates of 64-bit comparisons are kept non-negative.
    fn compare(&mut self, cond: Cond, value: Value, n: u64, to: Label) {
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

    fn term(&mut self, block: Block, term: &Term) {
        match term {
            Term::Jump(to) => self.goto(to),
            Term::Br { cond, args, then, otherwise } => {
                self.br(block, *cond, *args, then, otherwise);
            }
            Term::Guard { off, len_bytes, ptr, ok, fail } => {
                let failed = self.edge_label(fail);
                self.guard(*off, *len_bytes, *ptr, failed);
                self.emit(Op::Jump(Label(ok.as_u32())));
            }
            Term::Return(value) => {
                self.set(Reg::R0, *value);
                self.emit(Op::Exit);
            }
            // The verifier lets no such block through.
            Term::None => {}
        }
        self.stubs_here();
    }

    fn goto(&mut self, to: &BlockCall) {
        let params = &self.func.blocks[to.block].params;
        let moves = params
            .iter()
            .zip(&to.args)
            .map(|(&param, &arg)| (self.home(param), self.src(arg)))
            .collect();
        self.parallel(moves);
        self.emit(Op::Jump(Label(to.block.as_u32())));
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

    fn br(
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
        let tells = self.is_used_elsewhere(a) || self.is_used_elsewhere(b);
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
