//! Branch threading: an edge whose outcome at the next test is known goes where the test would send
//! it.
//!
//! A list of rules tests the same protocol in each rule. Where the first rule fails on its port,
//! the protocol is known, and the edge to the second rule leads past its test, or past the whole
//! rule. Nothing is copied but constants, so that the code never grows.
//!
//! A test whose outcome is not known is led past as well where nothing comes of it: both its sides end at one
//! place, as when the next rule's header is there or not and the rule fails on its port in any case.
//!
//! Facts come from the branches that dominate an edge and from the edge itself. A block is led past
//! if it only tests: no effect. If what it defines is used outside, the edge ends at a block that it does not
//! dominate: from there no path leads to such a use, for it would have to come through the block once more.
//!
//! Blocks are visited after all that they lead to: edges further on lead far already, and each edge
//! takes a few steps.

use super::classes::{Class, Classes};
use super::edit::{append_const, drop_unreachable, localize_constants, moves_packet, same_call};
use super::facts::Facts;
use crate::analysis::{Cfg, Dominators};
use crate::{Block, BlockCall, Cond, Function, Term, Value};
use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{EntitySet, SecondaryMap};

/// Steps that one edge is led on; more are left to the next round.
const MAX_STEPS: usize = 64;

/// On the way along one edge so many tests whose outcome is not known are followed to both sides.
const MAX_OPEN: usize = 8;

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
    let (tests, providers) = tests(func);
    let mut threader = Threader {
        tests,
        providers,
        cfg: &cfg,
        dominators: &dominators,
        skipped: Vec::new(),
        here: Vec::new(),
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

/// Blocks that only test, and blocks that define what is used elsewhere.
fn tests(func: &Function) -> (EntitySet<Block>, EntitySet<Block>) {
    let mut homes = SecondaryMap::<Value, PackedOption<Block>>::with_capacity(func.values.len());
    for &block in &func.order {
        let data = &func.blocks[block];
        let results = data.insts.iter().filter_map(|&inst| func.results[inst].expand());
        results.chain(data.params.iter().copied()).for_each(|v| homes[v] = block.into());
    }
    let (mut tests, mut providers) = (EntitySet::<Block>::new(), EntitySet::<Block>::new());
    for &block in &func.order {
        let data = &func.blocks[block];
        let effect = data.insts.iter().any(|&inst| func.insts[inst].has_effect());
        if !effect && data.insts.len() <= MAX_TEST_INSTS {
            tests.insert(block);
        }
        let mut used = |v: Value| {
            if let Some(home) = homes[v].expand().filter(|&home| home != block) {
                providers.insert(home);
            }
        };
        data.insts.iter().for_each(|&inst| func.insts[inst].for_each_arg(&mut used));
        data.term.for_each_arg(&mut used);
    }
    (tests, providers)
}

/// A number at the end of the block whose edge is led on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// It is there.
    Value(Value),
    /// It can be made there.
    Const(u64),
}

/// A block, and what its parameters get.
type Edge = (Block, Vec<Operand>);

/// What comes behind a block that only tests.
enum Step {
    /// This.
    To(Edge),
    /// One of two: where the answer is yes, and where it is no.
    Either(Question, [Edge; 2]),
}

/// What a block asks.
#[derive(Clone, Copy)]
enum Question {
    Compare(Cond, Class, Class),
    /// Are so many bytes there?
    Readable(Class, u32),
}

struct Threader<'f> {
    func: &'f mut Function,
    classes: Classes,
    facts: Facts,
    tests: EntitySet<Block>,
    /// Blocks that define what is used elsewhere.
    providers: EntitySet<Block>,
    cfg: &'f Cfg,
    dominators: &'f Dominators,
    /// Of these, those that lie on the way along an edge.
    skipped: Vec<Block>,
    /// What values are on that way: their class, and what stands for them at its beginning, if anything does.
    here: Vec<(Value, Class, Option<Operand>)>,
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
            Term::Guard { off, len_bytes, .. } => {
                let off = self.classes.of(*off);
                self.facts.assume_readable(&mut self.classes, off, *len_bytes);
            }
            Term::Jump(_) | Term::Return(_) | Term::None => {}
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
        let args = edge.args.iter().map(|&v| Operand::Value(v)).collect();
        let mut open = MAX_OPEN;
        self.skipped.clear();
        self.here.clear();
        let (to, args) = self.end_of((edge.block, args), &mut open);
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

    /// Where an edge leads in the end, as far as that is known. `open`: so many more tests are tried both ways.
    fn end_of(&mut self, edge: Edge, open: &mut usize) -> Edge {
        let (mut at, mut end) = (edge.clone(), edge);
        let mut skipped = self.skipped.len();
        for _ in 0..MAX_STEPS {
            let block = at.0;
            let Some(step) = self.step(block, &at.1) else { break };
            if self.providers.contains(block) {
                self.skipped.push(block);
            }
            at = match step {
                Step::To(next) => next,
                Step::Either(question, sides) => match self.both(question, sides, open) {
                    Some(next) => next,
                    None => break,
                },
            };
            if !self.skipped.iter().any(|&block| self.dominators.dominates(block, at.0)) {
                end = at.clone();
                skipped = self.skipped.len();
            }
        }
        self.skipped.truncate(skipped);
        end
    }

    /// Where both sides of a test end, if that is one place: whatever the outcome, nothing comes of it.
    fn both(&mut self, question: Question, sides: [Edge; 2], open: &mut usize) -> Option<Edge> {
        *open = open.checked_sub(1)?;
        let [yes, no] = sides;
        // The side that goes on, and the way out, which many take.
        let (inner, holds, out) =
            if self.only_way_to(&yes) { (yes, true, no) } else { (no, false, yes) };
        let (first, only_way) = (inner.0, self.only_way_to(&inner));
        let end = self.side(question, holds, inner, open);
        // Nothing but the side itself leads to where it ended.
        if only_way && self.dominators.dominates(first, end.0) {
            return None;
        }
        let other = self.side(question, !holds, out, open);
        (end.0 == other.0 && self.same(&end.1, &other.1)).then_some(other)
    }

    fn only_way_to(&self, edge: &Edge) -> bool {
        self.cfg.single_pred(edge.0).is_some()
    }

    /// Where an edge leads if the question in front of it had this answer.
    fn side(&mut self, question: Question, holds: bool, edge: Edge, open: &mut usize) -> Edge {
        let (mark, known) = (self.facts.mark(), self.here.len());
        match question {
            Question::Compare(cond, a, b) => {
                let cond = if holds { cond } else { cond.negate() };
                self.facts.assume(&self.classes, cond, a, b);
            }
            Question::Readable(off, len) if holds => {
                self.facts.assume_readable(&mut self.classes, off, len);
            }
            Question::Readable(off, len) => {
                self.facts.assume_unreadable(&self.classes, off, len);
            }
        }
        let end = self.end_of(edge, open);
        self.here.truncate(known);
        self.facts.undo_to(mark);
        end
    }

    fn same(&self, a: &[Operand], b: &[Operand]) -> bool {
        let number = |operand: &Operand| match *operand {
            Operand::Const(n) => Some(n),
            Operand::Value(v) => self.func.constant(v),
        };
        let mut pairs = a.iter().zip(b);
        pairs.all(|(a, b)| a == b || number(a).is_some_and(|n| number(b) == Some(n)))
    }

    /// Where `block` leads when its parameters get `args`, if nothing else happens there.
    fn step(&mut self, block: Block, args: &[Operand]) -> Option<Step> {
        if !self.tests.contains(block) {
            return None;
        }
        let data = &self.func.blocks[block];
        for (&param, &operand) in data.params.iter().zip(args) {
            let class = match operand {
                Operand::Value(v) => class_on_way(&self.classes, &self.here, v),
                Operand::Const(n) => self.classes.number(n),
            };
            self.here.push((param, class, Some(operand)));
        }
        for &inst in &data.insts {
            let Some(result) = self.func.results[inst].expand() else { continue };
            let (inst, here) = (&self.func.insts[inst], &self.here);
            let class = self.classes.of_inst(inst, result, |c, v| class_on_way(c, here, v));
            let number = self.classes.constant(class).map(Operand::Const);
            self.here.push((result, class, number));
        }
        let of = |v: Value| class_on_way(&self.classes, &self.here, v);
        let operand = |&v: &Value| match self.here.iter().rfind(|(known, ..)| *known == v) {
            Some((.., operand)) => *operand,
            None => Some(Operand::Value(v)),
        };
        let edge = |to: &BlockCall| {
            Some((to.block, to.args.iter().map(operand).collect::<Option<Vec<_>>>()?))
        };
        Some(match &data.term {
            Term::Jump(to) => Step::To(edge(to)?),
            Term::Br { cond, args: [a, b], then, otherwise } => {
                let (a, b) = (of(*a), of(*b));
                match self.facts.decide(&self.classes, *cond, a, b) {
                    Some(true) => Step::To(edge(then)?),
                    Some(false) => Step::To(edge(otherwise)?),
                    None => {
                        let question = Question::Compare(*cond, a, b);
                        Step::Either(question, [edge(then)?, edge(otherwise)?])
                    }
                }
            }
            Term::Guard { off, len_bytes, ok, fail, .. } => {
                let off = of(*off);
                if self.facts.is_unreadable(&self.classes, off, *len_bytes) {
                    Step::To(edge(fail)?)
                } else {
                    let question = Question::Readable(off, *len_bytes);
                    Step::Either(question, [(*ok, Vec::new()), edge(fail)?])
                }
            }
            Term::Return(_) | Term::None => return None,
        })
    }
}

/// The class of a value on the way along an edge.
fn class_on_way(
    classes: &Classes,
    here: &[(Value, Class, Option<Operand>)],
    value: Value,
) -> Class {
    here.iter().rfind(|(known, ..)| *known == value).map_or(classes.of(value), |known| known.1)
}
