//! Changes that several passes make.

use crate::analysis::Cfg;
use crate::{Block, BlockCall, Function, InstData, Line, Term, Value, ValueDef};
use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;
use std::collections::{HashMap, HashSet};

/// Values that others stand for.
#[derive(Default)]
pub(super) struct Aliases {
    to: SecondaryMap<Value, PackedOption<Value>>,
    any: bool,
}

impl Aliases {
    /// From now on `with` stands for `value`.
    pub(super) fn replace(&mut self, value: Value, with: Value) {
        let with = self.resolve(with);
        debug_assert_ne!(value, with, "a value does not stand for itself");
        self.to[value] = with.into();
        self.any = true;
    }

    /// What stands for `value` in the end.
    pub(super) fn resolve(&self, value: Value) -> Value {
        let mut value = value;
        while let Some(with) = self.to[value].expand() {
            value = with;
        }
        value
    }

    /// Rewrites all operands of `func`; true if there was anything to replace.
    pub(super) fn apply(&self, func: &mut Function) -> bool {
        if !self.any {
            return false;
        }
        for &block in &func.order {
            let data = &mut func.blocks[block];
            for &inst in &data.insts {
                func.insts[inst].map_args(|v| self.resolve(v));
            }
            data.term.map_args(|v| self.resolve(v));
        }
        true
    }
}

/// Whether the packet moves anywhere in `func`: what is read of it and of its surroundings is then
/// not the same everywhere, and passes that count on that leave the function alone.
pub(super) fn moves_packet(func: &Function) -> bool {
    let mut insts = func.order.iter().flat_map(|&block| &func.blocks[block].insts);
    insts.any(|&inst| func.insts[inst].moves_packet())
}

/// Takes blocks out of the order that cannot be reached; true if there were any.
pub(super) fn drop_unreachable(func: &mut Function) -> bool {
    let cfg = Cfg::new(func);
    let before = func.order.len();
    func.order.retain(|&block| cfg.is_reachable(block));
    func.order.len() != before
}

/// Makes a number and puts it at the end of `block`.
pub(super) fn append_const(func: &mut Function, block: Block, n: u64, line: Option<Line>) -> Value {
    append(func, block, InstData::Const(n), line)
}

/// Makes an instruction with a result and puts it at the end of `block`.
pub(super) fn append(
    func: &mut Function,
    block: Block,
    data: InstData,
    line: Option<Line>,
) -> Value {
    let inst = func.make_inst(data, line);
    func.blocks[block].insts.push(inst);
    func.results[inst].expect("asked for with opcodes that have a result")
}

/// Whether two edges lead to the same place with the same numbers.
pub(super) fn same_call(func: &Function, a: &BlockCall, b: &BlockCall) -> bool {
    let same = |(&x, &y): (&Value, &Value)| {
        x == y || func.constant(x).is_some_and(|n| func.constant(y) == Some(n))
    };
    a.block == b.block && a.args.len() == b.args.len() && a.args.iter().zip(&b.args).all(same)
}

/// The instruction that defines `value`, if one does.
pub(super) fn def_of(func: &Function, value: Value) -> Option<&InstData> {
    match func.values[value].def {
        ValueDef::Result(inst) => Some(&func.insts[inst]),
        ValueDef::Param(..) | ValueDef::Guard(_) => None,
    }
}

/// Gives each block its own copy of the constants it uses, so that they tie no blocks together.
/// True if any was copied.
pub(super) fn localize_constants(func: &mut Function) -> bool {
    let mut changed = false;
    let blocks = func.order.clone();
    for &block in &blocks {
        let mut local = HashSet::<Value>::new();
        let mut copies = HashMap::<u64, Value>::new();
        let mut copy =
            |func: &mut Function, local: &HashSet<Value>, v: Value, line| match func.constant(v) {
                Some(n) if !local.contains(&v) => {
                    changed = true;
                    *copies.entry(n).or_insert_with(|| append_const(func, block, n, line))
                }
                Some(_) | None => v,
            };
        for inst in std::mem::take(&mut func.blocks[block].insts) {
            let line = func.inst_lines[inst].expand();
            let mut data = func.insts[inst].clone();
            data.map_args(|v| copy(func, &local, v, line));
            if let (InstData::Const(_), Some(v)) = (&data, func.results[inst].expand()) {
                local.insert(v);
            }
            func.insts[inst] = data;
            func.blocks[block].insts.push(inst);
        }
        let line = func.blocks[block].term_line.expand();
        let mut term = std::mem::replace(&mut func.blocks[block].term, Term::None);
        term.map_args(|v| copy(func, &local, v, line));
        func.blocks[block].term = term;
    }
    changed
}
