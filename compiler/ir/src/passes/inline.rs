//! Inlining: a call of a function that asks for it becomes a copy of that function.
//!
//! A call is dear where returns are guarded against speculation (10 ns and more on processors that
//! need it), and what is known of a number ends at it. What it costs in the kernel's verifier is
//! for those to think of that mark a function; here only the caller's size is bounded.

use crate::{Block, BlockCall, BlockData, Func, Function, Inst, InstData, Module, Term, Value};
use crate::{Line, ValueData, ValueDef};
use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{EntityRef, EntitySet, SecondaryMap};

/// A function does not grow beyond so many instructions by inlining.
const MAX_INSTS: usize = 12_000;

/// Runs the pass.
pub(super) fn run(module: &mut Module) -> bool {
    let mut changed = false;
    for func in callees_first(module) {
        changed |= into(module, func);
    }
    changed
}

/// Every function behind those it calls.
fn callees_first(module: &Module) -> Vec<Func> {
    let mut order = Vec::new();
    let mut seen = EntitySet::<Func>::new();
    let mut stack: Vec<(Func, bool)> = module.funcs.keys().map(|func| (func, false)).collect();
    while let Some((func, callees_done)) = stack.pop() {
        if callees_done {
            order.push(func);
        } else if seen.insert(func) {
            stack.push((func, true));
            stack.extend(calls(&module.funcs[func]).map(|(.., callee)| (callee, false)));
        }
    }
    order
}

/// The calls in a function, in order: their blocks, their places there, whom they call.
fn calls(func: &Function) -> impl Iterator<Item = (Block, usize, Func)> {
    func.order.iter().flat_map(move |&block| {
        func.blocks[block].insts.iter().enumerate().filter_map(move |(at, &inst)| {
            match func.insts[inst] {
                InstData::Call { func: callee, .. } => Some((block, at, callee)),
                _ => None,
            }
        })
    })
}

fn size(func: &Function) -> usize {
    func.order.iter().map(|&block| func.blocks[block].insts.len() + 1).sum()
}

/// Puts the functions in that `caller` calls and that ask for it.
fn into(module: &mut Module, caller: Func) -> bool {
    let wanted: Vec<_> = calls(&module.funcs[caller])
        .filter(|&(.., callee)| module.funcs[callee].inline && callee != caller)
        .collect();
    if wanted.is_empty() {
        return false;
    }
    let mut func = std::mem::replace(&mut module.funcs[caller], Function::new(""));
    let mut insts = size(&func);
    let mut changed = false;
    // The last first: what stands before it in its block stays where it is.
    for (block, at, callee) in wanted.into_iter().rev() {
        let callee = &module.funcs[callee];
        if insts + size(callee) > MAX_INSTS {
            continue;
        }
        insts += size(callee);
        Copy::new(&mut func, callee).at(block, at);
        changed = true;
    }
    module.funcs[caller] = func;
    changed
}

/// A callee on its way into a caller.
struct Copy<'a> {
    into: &'a mut Function,
    from: &'a Function,
    blocks: SecondaryMap<Block, PackedOption<Block>>,
    values: SecondaryMap<Value, PackedOption<Value>>,
}

impl<'a> Copy<'a> {
    fn new(into: &'a mut Function, from: &'a Function) -> Self {
        Self { into, from, blocks: SecondaryMap::new(), values: SecondaryMap::new() }
    }

    /// Replaces the call that stands at place `at` of `block`.
    fn at(mut self, block: Block, at: usize) {
        let Some(entry) = self.from.entry() else { return };
        let call = self.into.blocks[block].insts[at];
        let line = self.into.inst_lines[call];
        let InstData::Call { args, .. } = &self.into.insts[call] else { return };
        let args = args.clone();
        let behind = self.split(block, at, call);
        self.declare(entry);
        let to = BlockCall { block: self.block(entry), args };
        let data = &mut self.into.blocks[block];
        (data.term, data.term_line) = (Term::Jump(to), line);
        for &inner in &self.from.order {
            self.fill(inner, behind);
        }
        self.place(block, behind);
    }

    /// Cuts `block` at the call: what stood behind it goes to a new block, whose parameter is the call's
    /// result.
    fn split(&mut self, block: Block, at: usize, call: Inst) -> Block {
        let data = &mut self.into.blocks[block];
        let insts = data.insts.split_off(at + 1);
        data.insts.pop();
        let term = std::mem::replace(&mut data.term, Term::None);
        let term_line = data.term_line;
        let guarded = if let Term::Guard { ptr, .. } = term { Some(ptr) } else { None };
        let behind =
            self.into.blocks.push(BlockData { params: Vec::new(), insts, term, term_line });
        if let Some(ptr) = guarded {
            self.into.values[ptr].def = ValueDef::Guard(behind);
        }
        if let Some(result) = self.into.results[call].expand() {
            self.into.values[result].def = ValueDef::Param(behind, 0);
            self.into.blocks[behind].params.push(result);
        }
        behind
    }

    /// Makes the blocks and values that the copies are called by.
    fn declare(&mut self, entry: Block) {
        for &block in &self.from.order {
            let data = &self.from.blocks[block];
            let (params, insts, term, term_line) =
                (Vec::new(), Vec::new(), Term::None, data.term_line);
            let copy = self.into.blocks.push(BlockData { params, insts, term, term_line });
            self.blocks[block] = copy.into();
            for &param in &data.params {
                let param_copy = self.into.add_param(copy);
                self.values[param] = param_copy.into();
            }
            if let Term::Guard { ptr, .. } = data.term {
                let ty = self.from.values[ptr].ty;
                let copied = ValueData { ty, def: ValueDef::Guard(copy) };
                self.values[ptr] = self.into.values.push(copied).into();
            }
        }
        debug_assert!(self.blocks[entry].is_some(), "the entry stands in the order");
        // Results come before what uses them in no particular order of blocks.
        for &block in &self.from.order {
            for &inst in &self.from.blocks[block].insts {
                let line: Option<Line> = self.from.inst_lines[inst].expand();
                let copy = self.into.make_inst(self.from.insts[inst].clone(), line);
                let block_copy = self.block(block);
                self.into.blocks[block_copy].insts.push(copy);
                if let Some(result) = self.from.results[inst].expand() {
                    self.values[result] = self.into.results[copy];
                }
            }
        }
    }

    fn block(&self, block: Block) -> Block {
        self.blocks[block].expect("a verified function stays inside itself")
    }

    fn value(&self, value: Value) -> Value {
        self.values[value].expect("a verified function uses its own values")
    }

    /// Gives a copied block its operands and its end; returns go to `behind`.
    fn fill(&mut self, block: Block, behind: Block) {
        let copy = self.block(block);
        for inst in self.into.blocks[copy].insts.clone() {
            let mut data = self.into.insts[inst].clone();
            data.map_args(|v| self.value(v));
            self.into.insts[inst] = data;
        }
        let mut term = self.from.blocks[block].term.clone();
        term.map_args(|v| self.value(v));
        let to = |call: BlockCall| BlockCall { block: self.block(call.block), args: call.args };
        let term = match term {
            Term::Jump(call) => Term::Jump(to(call)),
            Term::Br { cond, args, then, otherwise } => {
                Term::Br { cond, args, then: to(then), otherwise: to(otherwise) }
            }
            Term::Guard { off, len_bytes, ptr, ok, fail } => {
                let (ptr, ok, fail) = (self.value(ptr), self.block(ok), to(fail));
                Term::Guard { off, len_bytes, ptr, ok, fail }
            }
            Term::Return(value) => Term::Jump(BlockCall { block: behind, args: vec![value] }),
            Term::None => Term::None,
        };
        self.into.blocks[copy].term = term;
    }

    /// Puts the new blocks into the order, behind `block`.
    fn place(&mut self, block: Block, behind: Block) {
        let at = self.into.order.iter().position(|&b| b == block).map_or(0, |at| at + 1);
        let copies: Vec<Block> = self.from.order.iter().map(|&b| self.block(b)).collect();
        self.into.order.splice(at..at, copies.into_iter().chain([behind]));
        debug_assert!(self.into.blocks.len() > behind.index(), "it was made before");
    }
}
