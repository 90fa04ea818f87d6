//! Fewer guards: of several that look at bytes of one place, one is enough.
//!
//! *Merging*: a guard in the good side of another that covers it always holds; it goes, and its
//! loads read through the other's pointer. *Widening*: where the good side of a guard does nothing
//! but come to a second one with the same way out, the first takes the bytes of both.
//!
//! Offsets are a base plus a number. That sums may wrap does no harm: once the first guard has
//! held, its offset lies in the packet, and what lies a few bytes further on cannot wrap.

use super::classes::{Class, ClassDef, Classes};
use super::edit::{append, append_const, def_of, drop_unreachable};
use crate::analysis::{Cfg, Dominators, PacketEpochs};
use crate::{BinOp, Block, BlockCall, Function, InstData, Term, Value};
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

/// A guard is not widened beyond this, since hooks that copy bytes to the stack have little of it.
const MAX_WIDE_BYTES: u64 = 64;

/// Loads reach this far from their pointer: the machine's displacement is a signed 16-bit number.
const MAX_DISP_BYTES: u64 = 0x7fff;

/// Guards of one base that are looked at when a further one comes.
const MAX_LOOK_BACK: usize = 16;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    let Some(entry) = func.entry() else { return false };
    drop_unreachable(func);
    let cfg = Cfg::new(func);
    let dominators = Dominators::new(&cfg);
    let mut guards = Guards {
        classes: Classes::new(func, &cfg),
        epochs: PacketEpochs::new(func, &cfg),
        cfg,
        func,
        held: HashMap::new(),
        roots: SecondaryMap::new(),
        starts: SecondaryMap::new(),
        changed: false,
    };
    // What holds in a block also holds in what it dominates.
    let mut stack = vec![(entry, 0, None)];
    guards.block(entry);
    while let Some((block, next, base)) = stack.last_mut() {
        if let Some(&child) = dominators.children(*block).get(*next) {
            *next += 1;
            let base = guards.enter(*block, child);
            stack.push((child, 0, base));
            guards.block(child);
        } else {
            if let Some(base) = base {
                guards.held.entry(*base).or_default().pop();
            }
            stack.pop();
        }
    }
    let changed = guards.changed;
    guards.rewrite_loads();
    drop_unreachable(func);
    changed
}

/// A place in the packet: a base, if it is not the packet's start, and a distance.
type Base = Option<Class>;

/// A guard that holds.
#[derive(Clone, Copy)]
struct Held {
    /// Where its bytes start, counted from the base.
    start: u64,
    len: u64,
    ptr: Value,
    /// The packet has not moved since this epoch began.
    epoch: u32,
}

struct Guards<'f> {
    func: &'f mut Function,
    cfg: Cfg,
    classes: Classes,
    epochs: PacketEpochs,
    held: HashMap<Base, Vec<Held>>,
    /// For the pointer of a guard that went: the pointer that stands for it. For all pointers seen:
    /// where from the base they point.
    roots: SecondaryMap<Value, Option<(Value, u64)>>,
    /// Where the pointers of guards that stay point now.
    starts: SecondaryMap<Value, u64>,
    changed: bool,
}

impl Guards<'_> {
    /// Splits an offset into base and distance.
    fn place(&self, off: Value) -> (Base, u64) {
        let class = self.classes.of(off);
        match self.classes.def(class) {
            ClassDef::Const(n) => (None, n),
            ClassDef::Binary(BinOp::Add, x, y) => {
                match (self.classes.constant(x), self.classes.constant(y)) {
                    (_, Some(n)) => (Some(x), n),
                    (Some(n), None) => (Some(y), n),
                    (None, None) => (Some(class), 0),
                }
            }
            ClassDef::Opaque(_)
            | ClassDef::Binary(..)
            | ClassDef::Swap(..)
            | ClassDef::Member(..)
            | ClassDef::Env(_)
            | ClassDef::SetState(_) => (Some(class), 0),
        }
    }

    /// Notes the guard that ends `block`, on its good side; gives its base then.
    fn enter(&mut self, block: Block, child: Block) -> Option<Base> {
        let Term::Guard { off, len_bytes, ptr, ok, .. } = self.func.blocks[block].term else {
            return None;
        };
        if ok != child {
            return None;
        }
        let (base, _) = self.place(off);
        let held = Held {
            start: self.starts[ptr],
            len: len_bytes.into(),
            ptr,
            epoch: self.epochs.start(ok),
        };
        self.held.entry(base).or_default().push(held);
        Some(base)
    }

    /// Removes or widens the guard that ends `block`, if one does.
    fn block(&mut self, block: Block) {
        let Term::Guard { off, len_bytes, ptr, ok, .. } = self.func.blocks[block].term else {
            return;
        };
        let (base, start) = self.place(off);
        let len = u64::from(len_bytes);
        let epoch = self.epochs.end(block);
        let covers = |held: &&Held| {
            let ahead = start.wrapping_sub(held.start);
            let end = ahead.saturating_add(len);
            end <= held.len && end <= MAX_DISP_BYTES && held.epoch == epoch
        };
        let known = self.held.get(&base).map_or(&[][..], |held| held.as_slice());
        if let Some(held) = known.iter().rev().take(MAX_LOOK_BACK).find(covers) {
            self.roots[ptr] = Some((held.ptr, start));
            self.end_with_jump(block, ok);
            return;
        }
        self.roots[ptr] = Some((ptr, start));
        self.starts[ptr] = start;
        self.widen(block);
    }

    fn end_with_jump(&mut self, block: Block, to: Block) {
        self.func.blocks[block].term = Term::Jump(BlockCall { block: to, args: Vec::new() });
        self.changed = true;
    }

    /// Takes the bytes of guards that follow the one at the end of `block` into it.
    fn widen(&mut self, block: Block) {
        let Term::Guard { off, len_bytes, ptr, ok, fail } = self.func.blocks[block].term.clone()
        else {
            return;
        };
        let (base, first) = self.place(off);
        let (mut start, mut len) = (first, u64::from(len_bytes));
        let mut at = ok;
        while self.only_computes(at) {
            at = match self.func.blocks[at].term.clone() {
                Term::Jump(to)
                    if to.args.is_empty() && self.cfg.single_pred(to.block).is_some() =>
                {
                    to.block
                }
                Term::Guard { off, len_bytes, ptr: second, ok, fail: out } => {
                    let (second_base, second_start) = self.place(off);
                    if second_base != base || !self.same_way_out(&fail, &out) {
                        break;
                    }
                    let Some(both) = union((start, len), (second_start, len_bytes.into())) else {
                        break;
                    };
                    (start, len) = both;
                    self.roots[second] = Some((ptr, second_start));
                    self.end_with_jump(at, ok);
                    ok
                }
                Term::Jump(_) | Term::Br { .. } | Term::Return(_) | Term::None => break,
            };
        }
        if (start, len) == (first, u64::from(len_bytes)) {
            return;
        }
        self.starts[ptr] = start;
        let new_off = if start == first { off } else { self.offset(block, off, base, start) };
        let len_bytes = u32::try_from(len).expect("a union of guards is short");
        self.func.blocks[block].term = Term::Guard { off: new_off, len_bytes, ptr, ok, fail };
    }

    /// True if the block has no effect: coming to its end is all it does.
    fn only_computes(&self, block: Block) -> bool {
        let insts = &self.func.blocks[block].insts;
        insts.iter().all(|&inst| {
            let data = &self.func.insts[inst];
            !data.has_effect() && !data.moves_packet()
        })
    }

    fn same_way_out(&self, a: &BlockCall, b: &BlockCall) -> bool {
        let same = |(&x, &y): (&Value, &Value)| self.classes.of(x) == self.classes.of(y);
        a.block == b.block && a.args.iter().zip(&b.args).all(same)
    }

    /// A value for `base + start` at the end of `block`, where `off` has the same base.
    fn offset(&mut self, block: Block, off: Value, base: Base, start: u64) -> Value {
        let line = self.func.blocks[block].term_line.expand();
        let number = append_const(self.func, block, start, line);
        let Some(base) = base else { return number };
        let x = match def_of(self.func, off) {
            _ if self.classes.of(off) == base => off,
            Some(&InstData::Binary { args: [x, _], .. }) if self.classes.of(x) == base => x,
            Some(&InstData::Binary { args: [_, y], .. }) => y,
            _ => off,
        };
        if start == 0 {
            return x;
        }
        let data = InstData::Binary { op: BinOp::Add, args: [x, number] };
        append(self.func, block, data, line)
    }

    /// Makes loads read through the pointers that are left.
    fn rewrite_loads(&mut self) {
        for &block in &self.func.order {
            for &inst in &self.func.blocks[block].insts {
                if let InstData::Load { ptr, disp_bytes, .. } = &mut self.func.insts[inst]
                    && let Some((root, start)) = self.roots[*ptr]
                {
                    let ahead = start.wrapping_sub(self.starts[root]);
                    *disp_bytes += u32::try_from(ahead).expect("a root covers what it stands for");
                    *ptr = root;
                }
            }
        }
    }
}

/// The stretch that holds two, if it is short. Distances may be negative, that is, wrapped.
fn union(a: (u64, u64), b: (u64, u64)) -> Option<(u64, u64)> {
    let ahead = b.0.wrapping_sub(a.0);
    let back = a.0.wrapping_sub(b.0);
    let (start, len) = if ahead <= back {
        (a.0, a.1.max(ahead.checked_add(b.1)?))
    } else {
        (b.0, b.1.max(back.checked_add(a.1)?))
    };
    (len <= MAX_WIDE_BYTES.max(a.1).max(b.1) && len <= MAX_DISP_BYTES).then_some((start, len))
}
