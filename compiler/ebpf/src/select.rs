//! Instructions for IR, over virtual registers.
//!
//! What the kernel's verifier will think of the code is decided here. Packet pointers are made by
//! guards and never computed anew; comparisons for equality leave the unequal side, of which less is
//! known, to fall through, so that the states of a long chain of rules are found again and not walked
//! one by one.

mod branch;
mod count;
mod env;
mod flow;
mod guard;
mod layout;
mod map;
mod member;
mod nth;
mod range;
mod sample;
mod sketch;
mod spend;
mod stubs;
mod window;
mod word;
mod words;

use crate::error::Error;
use crate::mach::{Alu, Arg, Callee, Code, Label, Op, Reg, Src, Test};
use branch::Told;
use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use l4c_ir::analysis::{Cfg, KnownBits, UseCounts, known_bits};
use l4c_ir::{BinOp, Block, BlockCall, Func, Function, InstData, Line, Module, Term, Value};
use l4c_manifest::{Hook, HookKind};
use stubs::Stubs;
use window::Windows;
use words::{alu, signed, test};

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
    let cfg = Cfg::new(func);
    let mut select = Select {
        module,
        hook,
        func,
        kind,
        bits: known_bits(func, &cfg),
        told: Told::new(func, &cfg),
        seen_max: range::seen_by_verifier(func, &order),
        uses: UseCounts::new(func),
        regs: SecondaryMap::new(),
        fused: SecondaryMap::new(),
        bias_bytes: SecondaryMap::new(),
        code: Code { frame_bytes: windows.bytes, ..Code::default() },
        windows,
        key_slot: None,
        element_slot: None,
        labels: u32::try_from(func.blocks.len()).expect("blocks are numbered by u32"),
        line: None.into(),
        next: None,
        stubs: Stubs::default(),
        wide: None,
        edges: None,
    };
    let mut edges_behind = SecondaryMap::new();
    for (i, &block) in order.iter().enumerate() {
        select.next = order.get(i + 1).copied();
        if i == 0 || cfg.single_pred(block) != Some(order[i - 1]) {
            select.wide = None;
        }
        select.edges = cfg.single_pred(block).and_then(|pred| edges_behind[pred]);
        select.stubs_to(block);
        select.block(block, i == 0);
        // What a call destroys is not kept over it in the frame.
        let calls = func.blocks[block].insts.iter().any(|&inst| func.insts[inst].has_effect());
        edges_behind[block] = select.edges.filter(|_| !calls);
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
    told: Told,
    regs: SecondaryMap<Value, Option<Reg>>,
    /// Values that are computed where their only use is.
    fused: SecondaryMap<Value, bool>,
    /// What a packet pointer's register is short of the IR's pointer.
    bias_bytes: SecondaryMap<Value, u32>,
    windows: Windows,
    /// Frame offset of the key of map lookups.
    key_slot: Option<i16>,
    /// Frame offset of keys and values of sets' maps.
    element_slot: Option<i16>,
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
    /// Registers with the packet's start and end, of a guard before.
    edges: Option<(Reg, Reg)>,
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
            (InstData::Erase { map, key }, _) => self.erase(*map, key),
            (InstData::Binary { op, args }, Some(v)) => self.binary(*op, *args, v),
            // Constants are made where they are used; answers by hand, as functions of their own.
            (InstData::Const(_) | InstData::Reject { .. }, _) | (_, None) => {}
            (_, Some(v)) => {
                let dst = self.home(v);
                self.result(dst, data);
            }
        }
    }

    /// `dst` = what an instruction gives.
    fn result(&mut self, dst: Reg, data: &InstData) {
        match data {
            InstData::Swap { width, arg } => {
                self.set(dst, *arg);
                self.emit(Op::Swap { width: *width, dst });
            }
            InstData::Load { ptr, disp_bytes, width } => {
                self.packet_load(dst, *ptr, *disp_bytes, *width);
            }
            InstData::Env(env) => self.env(dst, *env),
            InstData::IfaceSlot(slot) => self.iface_slot(dst, *slot),
            InstData::Member { table, hi, lo } => self.member(dst, *table, *hi, *lo),
            InstData::Find { map, key, word } => self.find(dst, *map, key, *word),
            InstData::Put { map, key, word } => self.put(dst, *map, key, *word),
            InstData::SetState(set) => self.set_state(dst, *set),
            InstData::Random
            | InstData::Spend { .. }
            | InstData::Hash { .. }
            | InstData::Flow { .. }
            | InstData::Nth { .. } => self.stateful(dst, data),
            InstData::Call { func, args } => {
                let mut list = vec![Arg::Src(Src::Reg(Reg::CTX))];
                list.extend(args.iter().map(|&a| Arg::Src(self.src(a))));
                self.emit(Op::Call { callee: Callee::Func(*func), args: list, ret: Some(dst) });
            }
            // These give nothing, or were taken before.
            InstData::Const(_)
            | InstData::Binary { .. }
            | InstData::Count { .. }
            | InstData::Sample { .. }
            | InstData::Erase { .. }
            | InstData::Redirect { .. }
            | InstData::Reject { .. } => {}
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
        if commutes && amount.is_some_and(|n| signed(n).is_none() && u32::try_from(n).is_err()) {
            // A number that needs a register anyway is made where the result goes.
            let src = Src::Reg(self.reg(a));
            self.set(dst, b);
            return self.emit(Op::Alu { wide, alu: alu(op), dst, src });
        }
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
        let pairs = params.iter().copied().zip(to.args.iter().copied());
        let (wide, others): (Vec<_>, Vec<_>) = pairs
            .partition(|&(_, arg)| self.func.constant(arg).is_some_and(|n| signed(n).is_none()));
        let moves =
            others.into_iter().map(|(param, arg)| (self.home(param), self.src(arg))).collect();
        self.parallel(moves);
        // Where all registers have been read, a number that no move can hold is made where it goes.
        for (param, arg) in wide {
            let home = self.home(param);
            self.set(home, arg);
        }
        self.emit(Op::Jump(Label(to.block.as_u32())));
    }
}
