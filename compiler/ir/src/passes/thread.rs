//! Branch threading: an edge whose outcome at the next test is known goes where the test would send
//! it.
//!
//! A list of rules tests the same protocol in each rule. Where the first rule fails on its port,
//! the protocol is known, and the edge to the second rule leads past its test, or past the whole
//! rule. Nothing is copied but constants, so that the code never grows.
//!
//! Facts come from the branches that dominate an edge and from the edge itself. A block is led past
//! if it only tests: no effect, nothing defined in it is used outside. Dominance of definitions
//! over uses stays intact, since such blocks define nothing that others need.
//!
//! Blocks are visited after all that they lead to: edges further on lead far already, and each edge
//! takes a few steps.

use super::classes::{Class, Classes};
use super::edit::{append_const, drop_unreachable, localize_constants, moves_packet, same_call};
use super::facts::Facts;
use crate::analysis::{Cfg, Dominators};
use crate::{Block, BlockCall, Function, Term, Value};
use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{EntitySet, SecondaryMap};

/// Steps that one edge is led on; more are left to the next round.
const MAX_STEPS: usize = 64;

/// A test with more instructions than this is not looked through.
const MAX_TEST_INSTS: usize = 16;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    if moves_packet(func) {
        return false;
    }
    let mut changed = drop_unreachable(func);
    changed |= localize_constants(func);
    let Some(entry) = func.entry() else { return changed };
    let cfg = Cfg::new(func);
    let dominators = Dominators::new(&cfg);
    let mut threader = Threader {
        tests: tests(func),
        classes: Classes::new(func, &cfg),
        facts: Facts::new(),
        changed: false,
        func,
    };
    // Blocks that dominate the one at hand, how many of their children are visited, and what was
    // known before them. Children go last first: see above.
    let mut stack = vec![(entry, 0, threader.facts.mark())];
    while let Some((block, visited, mark)) = stack.last_mut() {
        let (block, children) = (*block, dominators.children(*block));
        if *visited < children.len() {
            *visited += 1;
            let child = children[children.len() - *visited];
            stack.push((child, 0, threader.facts.mark()));
            if cfg.single_pred(child) == Some(block) {
                threader.enter(block, child);
            }
        } else {
            threader.leave(block);
            threader.facts.undo_to(*mark);
            stack.pop();
        }
    }
    changed |= threader.changed;
    if changed {
        drop_unreachable(func);
    }
    changed
}

/// Blocks that only test.
fn tests(func: &Function) -> EntitySet<Block> {
    let mut homes = SecondaryMap::<Value, PackedOption<Block>>::with_capacity(func.values.len());
    for &block in &func.order {
        let data = &func.blocks[block];
        let results = data.insts.iter().filter_map(|&inst| func.results[inst].expand());
        results.chain(data.params.iter().copied()).for_each(|v| homes[v] = block.into());
    }
    let mut tests = EntitySet::<Block>::new();
    tests.extend(func.order.iter().copied());
    for &block in &func.order {
        let data = &func.blocks[block];
        let effect = data.insts.iter().any(|&inst| func.insts[inst].has_effect());
        if effect || data.insts.len() > MAX_TEST_INSTS {
            tests.remove(block);
        }
        let mut used = |v: Value| {
            if let Some(home) = homes[v].expand().filter(|&home| home != block) {
                tests.remove(home);
            }
        };
        data.insts.iter().for_each(|&inst| func.insts[inst].for_each_arg(&mut used));
        data.term.for_each_arg(&mut used);
    }
    tests
}

/// A number at the end of the block whose edge is led on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// It is there.
    Value(Value),
    /// It can be made there.
    Const(u64),
}

struct Threader<'f> {
    func: &'f mut Function,
    classes: Classes,
    facts: Facts,
    tests: EntitySet<Block>,
    changed: bool,
}

impl Threader<'_> {
    /// Notes what the edge from `block` to `child`, its only way in, says.
    fn enter(&mut self, block: Block, child: Block) {
        match &self.func.blocks[block].term {
            Term::Br { cond, args, then, .. } => {
                let cond = if then.block == child { *cond } else { cond.negate() };
                let [a, b] = args.map(|v| self.classes.of(v));
                self.facts.assume(&self.classes, cond, a, b);
            }
            Term::Guard { off, len_bytes, fail, .. } if fail.block == child => {
                let off = self.classes.of(*off);
                self.facts.assume_unreadable(&self.classes, off, *len_bytes);
            }
            Term::Guard { .. } | Term::Jump(_) | Term::Return(_) | Term::None => {}
        }
    }

    /// Leads the edges of `block` on, all that they lead to being done.
    fn leave(&mut self, block: Block) {
        let term = std::mem::replace(&mut self.func.blocks[block].term, Term::None);
        let mut term = self.decided(term);
        let (classes, mark) = (&self.classes, self.facts.mark());
        match &mut term {
            Term::Jump(to) => self.lead(block, to),
            Term::Br { cond, args, then, otherwise } => {
                let [a, b] = args.map(|v| classes.of(v));
                self.facts.assume(classes, *cond, a, b);
                self.lead(block, then);
                self.facts.undo_to(mark);
                self.facts.assume(&self.classes, cond.negate(), a, b);
                self.lead(block, otherwise);
            }
            Term::Guard { off, len_bytes, fail, .. } => {
                let off = classes.of(*off);
                self.facts.assume_unreadable(classes, off, *len_bytes);
                self.lead(block, fail);
            }
            Term::Return(_) | Term::None => {}
        }
        self.facts.undo_to(mark);
        if let Term::Br { then, otherwise, .. } = &term
            && same_call(self.func, then, otherwise)
        {
            term = Term::Jump(then.clone());
            self.changed = true;
        }
        self.func.blocks[block].term = term;
    }

    /// The terminator, made a jump if its outcome is known where it stands.
    fn decided(&mut self, term: Term) -> Term {
        let known = match term {
            Term::Br { cond, args, .. } => {
                let [a, b] = args.map(|v| self.classes.of(v));
                self.facts.decide(&self.classes, cond, a, b)
            }
            Term::Guard { off, len_bytes, .. } => {
                let off = self.classes.of(off);
                self.facts.is_unreadable(&self.classes, off, len_bytes).then_some(false)
            }
            Term::Jump(_) | Term::Return(_) | Term::None => None,
        };
        self.changed |= known.is_some();
        match (term, known) {
            (Term::Br { then, .. }, Some(true)) => Term::Jump(then),
            (Term::Br { otherwise: to, .. } | Term::Guard { fail: to, .. }, Some(false)) => {
                Term::Jump(to)
            }
            (term, _) => term,
        }
    }

    /// Follows one edge of `block` through tests as far as their outcome is known.
    fn lead(&mut self, block: Block, edge: &mut BlockCall) {
        let mut args: Vec<Operand> = edge.args.iter().map(|&v| Operand::Value(v)).collect();
        let mut to = edge.block;
        for _ in 0..MAX_STEPS {
            let Some(next) = self.step(to, &args) else { break };
            (to, args) = next;
        }
        if to == edge.block {
            return;
        }
        let line = self.func.blocks[block].term_line.expand();
        let make = |func: &mut Function, operand: Operand| match operand {
            Operand::Value(v) => v,
            Operand::Const(n) => append_const(func, block, n, line),
        };
        edge.args = args.into_iter().map(|operand| make(self.func, operand)).collect();
        edge.block = to;
        self.changed = true;
    }

    /// Where `block` leads when its parameters get `args`, if that is known and nothing else
    /// happens.
    fn step(&mut self, block: Block, args: &[Operand]) -> Option<(Block, Vec<Operand>)> {
        if !self.tests.contains(block) {
            return None;
        }
        // Without parameters each value in the block is what it always is.
        let mut here: Vec<(Value, Class, Option<Operand>)> = Vec::new();
        let data = &self.func.blocks[block];
        for (&param, &operand) in data.params.iter().zip(args) {
            let class = match operand {
                Operand::Value(v) => self.classes.of(v),
                Operand::Const(n) => self.classes.number(n),
            };
            here.push((param, class, Some(operand)));
        }
        let class_of = |classes: &Classes, here: &[(Value, Class, Option<Operand>)], v: Value| {
            here.iter().find(|(known, ..)| *known == v).map_or(classes.of(v), |known| known.1)
        };
        for &inst in &data.insts {
            let Some(result) = self.func.results[inst].expand() else { continue };
            let inst = &self.func.insts[inst];
            let class = self.classes.of_inst(inst, result, |c, v| class_of(c, &here, v));
            here.push((result, class, self.classes.constant(class).map(Operand::Const)));
        }
        let of = |v: Value| class_of(&self.classes, &here, v);
        let to = match &data.term {
            Term::Jump(to) => to,
            Term::Br { cond, args: [a, b], then, otherwise } => {
                match self.facts.decide(&self.classes, *cond, of(*a), of(*b))? {
                    true => then,
                    false => otherwise,
                }
            }
            Term::Guard { off, len_bytes, fail, .. } => {
                if !self.facts.is_unreadable(&self.classes, of(*off), *len_bytes) {
                    return None;
                }
                fail
            }
            Term::Return(_) | Term::None => return None,
        };
        let operand = |&v: &Value| match here.iter().find(|(known, ..)| *known == v) {
            Some((.., operand)) => *operand,
            None => Some(Operand::Value(v)),
        };
        Some((to.block, to.args.iter().map(operand).collect::<Option<_>>()?))
    }
}
