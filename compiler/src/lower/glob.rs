//! Pieces of names: what a label looks like, and text anywhere in a name.

use super::name::{MAX_STEPS, STEP_LABELS, push_letters};
use super::search::{compare, pieces};
use super::{FuncBuilder, Made};
use crate::hir::{Glob, Pattern};
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

/// RFC 1035 2.3.4.
const MAX_LABEL_BYTES: u64 = 63;

/// What a finder's step returns: 0 if the name has ended without it, 1 if it is there, else the offset
/// to go on at (bits 1–16) and the length of the label before it (bits 17–23).
const AT_SHIFT: u64 = 1;
const BEFORE_SHIFT: u64 = 17;
const OFF_MASK: u64 = 0xffff;

/// A label's pieces with at most one `*`: the bytes before it and those behind.
struct Simple {
    before: Pattern,
    behind: Pattern,
    /// Bytes that the label has.
    least: u64,
    most: u64,
}

fn simple(label: &[Glob]) -> Option<Simple> {
    let mut parts = [const { Pattern { want: Vec::new(), care: Vec::new() } }; 2];
    let (mut stars, mut least, mut most) = (0, 0, 0);
    for glob in label {
        match glob {
            Glob::Byte(byte) => push_letters(&mut parts[stars], &[*byte]),
            Glob::Any => {
                parts[stars].want.push(0);
                parts[stars].care.push(0);
            }
            Glob::Some { min, max } => {
                stars += 1;
                (least, most) = (u64::from(*min), u64::from(*max));
                if stars > 1 {
                    return None;
                }
            }
        }
    }
    let [before, behind] = parts;
    let fixed = (before.want.len() + behind.want.len()) as u64;
    Some(Simple { before, behind, least: least + fixed, most: (most + fixed).min(MAX_LABEL_BYTES) })
}

impl FuncBuilder<'_, '_> {
    /// Goes on where the label at `at` looks so; the offset behind it.
    pub(super) fn label_like(&mut self, at: Value, label: &[Glob], no: Block) -> Value {
        let ptr = self.b.guard(at, 1, no);
        let len = self.b.load(ptr, 0, Width::B1);
        let first = self.b.binary_imm(BinOp::Add, at, 1);
        match simple(label) {
            Some(simple) => self.label_simple(first, len, &simple, no),
            None => {
                let some = self.b.new_block();
                self.b.br_imm(Cond::Ne, len, 0, some, no);
                self.b.switch_to(some);
                let func = self.made.glob(label);
                let fits = self.b.call(func, vec![first, len]);
                let yes = self.b.new_block();
                self.b.br_imm(Cond::Ne, fits, 0, yes, no);
                self.b.switch_to(yes);
            }
        }
        self.b.binary(BinOp::Add, first, len)
    }

    fn label_simple(&mut self, first: Value, len: Value, label: &Simple, no: Block) {
        let [long_enough, short_enough] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Ge, len, label.least.max(1), long_enough, no);
        self.b.switch_to(long_enough);
        self.b.br_imm(Cond::Le, len, label.most, short_enough, no);
        self.b.switch_to(short_enough);
        let bytes = |pattern: &Pattern| u32::try_from(pattern.want.len()).unwrap_or(u32::MAX);
        if bytes(&label.before) > 0 {
            let ptr = self.b.guard(first, bytes(&label.before), no);
            compare(&mut self.b, ptr, 0, &pieces(&label.before), no);
        }
        if bytes(&label.behind) > 0 {
            let end = self.b.binary(BinOp::Add, first, len);
            let at = self.b.binary_imm(BinOp::Sub, end, bytes(&label.behind).into());
            let ptr = self.b.guard(at, bytes(&label.behind), no);
            compare(&mut self.b, ptr, 0, &pieces(&label.behind), no);
        }
    }
}

/// An automaton for labels with several `*`: state `n` is reached when the first `n` elements are behind.
struct States {
    /// What each element is; `None` is any byte.
    elements: Vec<Option<u8>>,
    /// Elements that may be left out.
    optional: u64,
    /// States that stay on any byte.
    stays: u64,
}

impl States {
    fn of(label: &[Glob]) -> Self {
        let mut states = Self { elements: Vec::new(), optional: 0, stays: 0 };
        for glob in label {
            match *glob {
                Glob::Byte(byte) => states.elements.push(Some(byte)),
                Glob::Any => states.elements.push(None),
                Glob::Some { min, max } => {
                    states.elements.extend((0..min).map(|_| None));
                    if u64::from(max) >= MAX_LABEL_BYTES {
                        states.stays |= 1 << states.elements.len().min(63);
                    } else {
                        for _ in min..max {
                            states.optional |= 1 << states.elements.len().min(63);
                            states.elements.push(None);
                        }
                    }
                }
            }
        }
        // The checker lets no more through.
        states.elements.truncate(63);
        states
    }

    /// Elements that take `byte`, or only those that take any.
    fn taken_by(&self, byte: Option<u8>) -> u64 {
        self.elements
            .iter()
            .enumerate()
            .filter(|(_, element)| element.is_none() || **element == byte)
            .fold(0, |mask, (n, _)| mask | 1 << n)
    }

    /// Adds the states that are reached over elements left out.
    fn close(&self, b: &mut Builder<'_>, mut reached: Value) -> Value {
        let mut over = self.optional << 1;
        let mut distance = 1;
        while over != 0 && distance < 64 {
            let moved = b.binary_imm(BinOp::Shl, reached, distance);
            let allowed = b.binary_imm(BinOp::And, moved, over);
            reached = b.binary(BinOp::Or, reached, allowed);
            over &= over << distance;
            distance *= 2;
        }
        reached
    }

    /// The same for a number.
    fn closed(&self, mut reached: u64) -> u64 {
        for n in 0..63 {
            if self.optional >> n & 1 == 1 && reached >> n & 1 == 1 {
                reached |= 1 << (n + 1);
            }
        }
        reached
    }
}

/// `step(reached, byte) -> reached`
fn glob_step(name: &str, states: &States) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [reached, byte] = [0, 1].map(|i| b.func.params()[i]);
    let taken = b.new_block();
    let mask = b.func.add_param(taken);
    let mut bytes: Vec<u8> = states.elements.iter().copied().flatten().collect();
    bytes.sort_unstable();
    bytes.dedup();
    for wanted in bytes {
        let spellings = [wanted, wanted.to_ascii_uppercase()];
        let [hit, miss] = [(); 2].map(|()| b.new_block());
        if spellings[0] == spellings[1] {
            b.br_imm(Cond::Eq, byte, wanted.into(), hit, miss);
        } else {
            let folded = b.binary_imm(BinOp::And, byte, 0xdf);
            b.br_imm(Cond::Eq, folded, spellings[1].into(), hit, miss);
        }
        b.switch_to(hit);
        let mask = b.iconst(states.taken_by(Some(wanted)));
        b.jump(taken, vec![mask]);
        b.switch_to(miss);
    }
    let others = b.iconst(states.taken_by(None));
    b.jump(taken, vec![others]);
    b.switch_to(taken);
    let moving = b.binary(BinOp::And, reached, mask);
    let moved = b.binary_imm(BinOp::Shl, moving, 1);
    let staying = b.binary_imm(BinOp::And, reached, states.stays);
    let both = b.binary(BinOp::Or, moved, staying);
    let closed = states.close(&mut b, both);
    b.ret(closed);
    func
}

/// `glob(first, len) -> 0 or 1`: a label of 1 to 63 bytes.
fn glob_function(name: &str, states: &States, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [first, len] = [0, 1].map(|i| b.func.params()[i]);
    let [no, end] = [(); 2].map(|()| b.new_block());
    let last = b.func.add_param(end);
    let mut reached = b.iconst(states.closed(1));
    for n in 0..MAX_LABEL_BYTES {
        let [done, more] = [(); 2].map(|()| b.new_block());
        b.br_imm(Cond::Eq, len, n, done, more);
        b.switch_to(done);
        b.jump(end, vec![reached]);
        b.switch_to(more);
        let at = b.binary_imm(BinOp::Add, first, n);
        let ptr = b.guard(at, 1, no);
        let byte = b.load(ptr, 0, Width::B1);
        reached = b.call(step, vec![reached, byte]);
    }
    b.jump(end, vec![reached]);
    b.switch_to(end);
    let shifted = b.binary_imm(BinOp::Shr, last, states.elements.len() as u64);
    let result = b.binary_imm(BinOp::And, shifted, 1);
    b.ret(result);
    b.switch_to(no);
    let zero = b.iconst(0);
    b.ret(zero);
    func
}

impl Made<'_> {
    /// The function that tells whether a label looks so.
    fn glob(&mut self, label: &[Glob]) -> Func {
        if let Some(&func) = self.globs.get(label) {
            return func;
        }
        let base = format!("{}_glob{}", self.hook, self.globs.len());
        let states = States::of(label);
        let step = self.funcs.push(glob_step(&format!("{base}_step"), &states));
        let func = self.funcs.push(glob_function(&base, &states, step));
        self.globs.insert(label.to_vec(), func);
        func
    }

    /// The function that finds text in a name: `(first, root, 0) -> 0 or 1`.
    pub fn name_finder(&mut self, parts: &[Vec<u8>]) -> Func {
        if let Some(&func) = self.name_finders.get(parts) {
            return func;
        }
        let base = format!("{}_name{}", self.hook, self.name_finders.len());
        let in_label = match parts {
            [only] => {
                let mut pattern = Pattern { want: Vec::new(), care: Vec::new() };
                push_letters(&mut pattern, only);
                Some(self.label_finder(&pattern))
            }
            _ => None,
        };
        let step = finder_step(&format!("{base}_step"), parts, in_label);
        let step = self.funcs.push(step);
        let func = self.funcs.push(finder_function(&base, step));
        self.name_finders.insert(parts.to_vec(), func);
        func
    }
}

/// Calls the step until it has an answer.
fn finder_function(name: &str, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 3);
    let [mut at, root, mut before] = [0, 1, 2].map(|i| b.func.params()[i]);
    let out = b.new_block();
    let answer = b.func.add_param(out);
    for _ in 0..MAX_STEPS {
        let result = b.call(step, vec![at, root, before]);
        let [done, more] = [(); 2].map(|()| b.new_block());
        b.br_imm(Cond::Le, result, 1, done, more);
        b.switch_to(done);
        b.jump(out, vec![result]);
        b.switch_to(more);
        let shifted = b.binary_imm(BinOp::Shr, result, AT_SHIFT);
        at = b.binary_imm(BinOp::And, shifted, OFF_MASK);
        before = b.binary_imm(BinOp::Shr, result, BEFORE_SHIFT);
    }
    let zero = b.iconst(0);
    b.jump(out, vec![zero]);
    b.switch_to(out);
    b.ret(answer);
    func
}

/// Eight labels from `at`; `before` is the length of the label before the first of them, 0 if there is none.
fn finder_step(name: &str, parts: &[Vec<u8>], in_label: Option<Func>) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 3);
    let [mut at, root, mut before] = [0, 1, 2].map(|i| b.func.params()[i]);
    let [no, yes] = [(); 2].map(|()| b.new_block());
    for _ in 0..STEP_LABELS {
        let some = b.new_block();
        b.br(Cond::Ge, at, root, no, some);
        b.switch_to(some);
        let ptr = b.guard(at, 1, no);
        let len = b.load(ptr, 0, Width::B1);
        let first = b.binary_imm(BinOp::Add, at, 1);
        let behind = b.binary(BinOp::Add, first, len);
        let miss = b.new_block();
        match in_label {
            Some(find) => {
                let found = b.call(find, vec![first, behind]);
                b.br_imm(Cond::Ne, found, 0, yes, miss);
            }
            None => around_dot(&mut b, parts, (at, before), yes, miss),
        }
        b.switch_to(miss);
        (at, before) = (behind, len);
    }
    let low = b.binary_imm(BinOp::Shl, at, AT_SHIFT);
    let high = b.binary_imm(BinOp::Shl, before, BEFORE_SHIFT);
    let result = b.binary(BinOp::Or, low, high);
    b.ret(result);
    for (block, n) in [(no, 0), (yes, 1)] {
        b.switch_to(block);
        let n = b.iconst(n);
        b.ret(n);
    }
    func
}

/// Does the first part end the label before `at`, and do the others begin there?
fn around_dot(
    b: &mut Builder<'_>,
    parts: &[Vec<u8>],
    (at, before): (Value, Value),
    yes: Block,
    no: Block,
) {
    let (Some((first, rest)), Some(last)) = (parts.split_first(), parts.last()) else {
        return b.jump(no, Vec::new());
    };
    let mut pattern = Pattern { want: Vec::new(), care: Vec::new() };
    push_letters(&mut pattern, first);
    for part in rest.get(..rest.len().saturating_sub(1)).unwrap_or(&[]) {
        pattern.want.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        pattern.care.push(0xff);
        push_letters(&mut pattern, part);
    }
    let last_len_at = u32::try_from(pattern.want.len()).unwrap_or(u32::MAX);
    pattern.want.push(0);
    pattern.care.push(0);
    push_letters(&mut pattern, last);
    let long_enough = b.new_block();
    b.br_imm(Cond::Ge, before, (first.len() as u64).max(1), long_enough, no);
    b.switch_to(long_enough);
    let start = b.binary_imm(BinOp::Sub, at, first.len() as u64);
    let ptr = b.guard(start, u32::try_from(pattern.want.len()).unwrap_or(u32::MAX), no);
    compare(b, ptr, 0, &pieces(&pattern), no);
    let last_len = b.load(ptr, last_len_at, Width::B1);
    b.br_imm(Cond::Ge, last_len, (last.len() as u64).max(1), yes, no);
}
