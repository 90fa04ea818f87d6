//! Names in DNS questions: walked once when the headers are read, compared by rules where they end.

use super::lens::{DNS_TCP_SHIFT, NAME_MASK, NAME_SHIFT};
use super::search::{compare_at, inlined};
use super::{FuncBuilder, Made};
use crate::fields::DNS_HEADER_BYTES;
use crate::hir::{NameTest, Pattern};
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

/// Labels that one function walks over without a call, and calls of it that the longest name takes.
pub(super) const STEP_LABELS: usize = 8;
pub(super) const MAX_STEPS: usize = 16;
/// Labels that most names have no more of.
const NEAR_LABELS: usize = 5;
/// RFC 1035 2.3.4.
const MAX_LABEL_BYTES: u64 = 63;
const MAX_NAME_BYTES: u64 = 255;
/// A name of 255 bytes has no more labels.
const MAX_LABELS: u64 = 127;

/// Bits of a walk's result: bits 0–15 are the offset it has come to, the root has been met there, the name is
/// none.
const AT_MASK: u64 = 0xffff;
const MET_ROOT: u64 = 1 << 16;
const NO_NAME: u64 = 1 << 17;

/// Labels as they are sent, letters without case; behind them the root if `root`.
pub(super) fn sent(labels: &[Vec<u8>], root: bool) -> Pattern {
    let mut pattern = Pattern { want: Vec::new(), care: Vec::new() };
    for label in labels {
        pattern.want.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        pattern.care.push(0xff);
        push_letters(&mut pattern, label);
    }
    if root {
        pattern.want.push(0);
        pattern.care.push(0xff);
    }
    pattern
}

/// Adds bytes that are compared without case.
pub(super) fn push_letters(pattern: &mut Pattern, bytes: &[u8]) {
    for &byte in bytes {
        let care = if byte.is_ascii_alphabetic() { 0xdf } else { 0xff };
        pattern.want.push(byte & care);
        pattern.care.push(care);
    }
}

/// `question(first, end) -> bytes of the name as it is sent`, 0 if the question of the message at `first` is
/// not whole before `end`.
pub(super) fn question_function(name: &str, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [first, end] = [0, 1].map(|i| b.func.params()[i]);
    let [no, root] = [(); 2].map(|()| b.new_block());
    let root_at = b.func.add_param(root);
    let ptr = b.guard(first, DNS_HEADER_BYTES, no);
    let questions = b.load(ptr, 4, Width::B2);
    let some = b.new_block();
    b.br_imm(Cond::Ne, questions, 0, some, no);
    b.switch_to(some);
    let name_at = b.binary_imm(BinOp::Add, first, DNS_HEADER_BYTES.into());
    let mut at = name_at;
    for _ in 0..STEP_LABELS {
        at = walk_label(&mut b, at, root, no);
    }
    for _ in 1..MAX_STEPS {
        let walked = b.call(step, vec![at]);
        let failed = b.binary_imm(BinOp::And, walked, NO_NAME);
        let [good, met, more] = [(); 3].map(|()| b.new_block());
        b.br_imm(Cond::Ne, failed, 0, no, good);
        b.switch_to(good);
        at = b.binary_imm(BinOp::And, walked, AT_MASK);
        let at_root = b.binary_imm(BinOp::And, walked, MET_ROOT);
        b.br_imm(Cond::Ne, at_root, 0, met, more);
        b.switch_to(met);
        b.jump(root, vec![at]);
        b.switch_to(more);
    }
    b.jump(no, Vec::new());
    b.switch_to(root);
    let behind = b.binary_imm(BinOp::Add, root_at, 1);
    let question_end = b.binary_imm(BinOp::Add, behind, 4);
    let [inside, good] = [(); 2].map(|()| b.new_block());
    b.br(Cond::Gt, question_end, end, no, inside);
    b.switch_to(inside);
    let bytes = b.binary(BinOp::Sub, behind, name_at);
    b.br_imm(Cond::Gt, bytes, MAX_NAME_BYTES, no, good);
    b.switch_to(good);
    b.ret(bytes);
    b.switch_to(no);
    let none = b.iconst(0);
    b.ret(none);
    func
}

/// Past one label: on to `root` with its place if it is the root, to `no` if it is none.
fn walk_label(b: &mut Builder<'_>, at: Value, root: Block, no: Block) -> Value {
    let ptr = b.guard(at, 1, no);
    let len = b.load(ptr, 0, Width::B1);
    let [met, label, good] = [(); 3].map(|()| b.new_block());
    b.br_imm(Cond::Eq, len, 0, met, label);
    b.switch_to(met);
    b.jump(root, vec![at]);
    b.switch_to(label);
    b.br_imm(Cond::Gt, len, MAX_LABEL_BYTES, no, good);
    b.switch_to(good);
    let behind = b.binary(BinOp::Add, at, len);
    b.binary_imm(BinOp::Add, behind, 1)
}

/// `walk(at) -> offset | MET_ROOT | NO_NAME`, over 8 labels.
pub(super) fn walk_function(name: &str) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 1);
    let mut at = b.func.params()[0];
    let [no, root] = [(); 2].map(|()| b.new_block());
    let root_at = b.func.add_param(root);
    for _ in 0..STEP_LABELS {
        at = walk_label(&mut b, at, root, no);
    }
    b.ret(at);
    b.switch_to(root);
    let met = b.binary_imm(BinOp::Or, root_at, MET_ROOT);
    b.ret(met);
    b.switch_to(no);
    let none = b.iconst(NO_NAME);
    b.ret(none);
    func
}

/// Functions that go over labels.
#[derive(Clone, Copy)]
enum Walk {
    /// Over eight of them.
    Step,
    /// By as many calls of that as it takes.
    Far(Func),
    /// Over those that most names have, then by a call of that.
    Near(Func),
}

/// `labels(at, stop, left) -> offset | left << 16`: goes over labels of a good name until `stop` is reached or
/// passed, or `left` labels are behind.
fn labels_function(name: &str, walk: Walk) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 3);
    let [mut at, stop, mut left] = [0, 1, 2].map(|i| b.func.params()[i]);
    let out = b.new_block();
    let [out_at, out_left] = [(); 2].map(|()| b.func.add_param(out));
    let cut = b.new_block();
    let rounds = match walk {
        Walk::Step => STEP_LABELS,
        Walk::Near(_) => NEAR_LABELS,
        Walk::Far(_) => MAX_STEPS,
    };
    for _ in 0..rounds {
        let [there, some, enough, more] = [(); 4].map(|()| b.new_block());
        b.br(Cond::Ge, at, stop, there, some);
        b.switch_to(there);
        b.jump(out, vec![at, left]);
        b.switch_to(some);
        b.br_imm(Cond::Eq, left, 0, enough, more);
        b.switch_to(enough);
        b.jump(out, vec![at, left]);
        b.switch_to(more);
        if let Walk::Far(step) = walk {
            let walked = b.call(step, vec![at, stop, left]);
            at = b.binary_imm(BinOp::And, walked, AT_MASK);
            left = b.binary_imm(BinOp::Shr, walked, 16);
        } else {
            let ptr = b.guard(at, 1, cut);
            let len = b.load(ptr, 0, Width::B1);
            let behind = b.binary(BinOp::Add, at, len);
            at = b.binary_imm(BinOp::Add, behind, 1);
            left = b.binary_imm(BinOp::Sub, left, 1);
        }
    }
    if let Walk::Near(far) = walk {
        let result = b.call(far, vec![at, stop, left]);
        b.ret(result);
    } else {
        b.jump(out, vec![at, left]);
    }
    b.switch_to(out);
    let high = b.binary_imm(BinOp::Shl, out_left, 16);
    let low = b.binary_imm(BinOp::And, out_at, AT_MASK);
    let result = b.binary(BinOp::Or, high, low);
    b.ret(result);
    b.switch_to(cut);
    // Of a name that was walked before, all is there.
    let nowhere = b.iconst(AT_MASK);
    b.ret(nowhere);
    func
}

impl Made<'_> {
    /// The function that goes over labels.
    pub fn labels(&mut self) -> Func {
        if let Some(func) = self.labels {
            return func;
        }
        let name = |suffix: &str| format!("{}_labels{suffix}", self.hook);
        let step = self.funcs.push(labels_function(&name("8"), Walk::Step));
        let far = self.funcs.push(labels_function(&name("_far"), Walk::Far(step)));
        let near = inlined(labels_function(&name(""), Walk::Near(far)));
        *self.labels.insert(self.funcs.push(near))
    }
}

/// A name that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct TheName {
    /// Offset of its first length byte.
    pub first: Value,
    /// Its bytes as sent, the root's included.
    pub bytes: Value,
}

impl FuncBuilder<'_, '_> {
    /// Offset of the DNS message.
    pub(super) fn dns_off(&mut self) -> Value {
        let shifted = self.b.binary_imm(BinOp::Shr, self.lens, super::lens::START_SHIFT);
        let start = self.b.binary_imm(BinOp::And, shifted, super::lens::OFF_MASK);
        let shifted = self.b.binary_imm(BinOp::Shr, self.lens, DNS_TCP_SHIFT);
        let length_bytes = self.b.binary_imm(BinOp::And, shifted, 2);
        self.b.binary(BinOp::Add, start, length_bytes)
    }

    /// Goes on where there is a question.
    pub(super) fn the_name(&mut self, no: Block) -> TheName {
        let shifted = self.b.binary_imm(BinOp::Shr, self.lens, NAME_SHIFT);
        let bytes = self.b.binary_imm(BinOp::And, shifted, NAME_MASK);
        let there = self.b.new_block();
        self.b.br_imm(Cond::Ne, bytes, 0, there, no);
        self.b.switch_to(there);
        let dns_off = self.dns_off();
        let first = self.b.binary_imm(BinOp::Add, dns_off, DNS_HEADER_BYTES.into());
        TheName { first, bytes }
    }

    /// Offset of the name's root.
    fn root(&mut self, name: TheName) -> Value {
        let end = self.b.binary(BinOp::Add, name.first, name.bytes);
        self.b.binary_imm(BinOp::Sub, end, 1)
    }

    /// Labels of the name.
    pub(super) fn label_count(&mut self, name: TheName) -> Value {
        let root = self.root(name);
        let most = self.b.iconst(MAX_LABELS);
        let labels = self.made.labels();
        let walked = self.b.call(labels, vec![name.first, root, most]);
        let left = self.b.binary_imm(BinOp::Shr, walked, 16);
        self.b.binary(BinOp::Sub, most, left)
    }

    /// Ends the current block: is it so of the name?
    pub(super) fn name_atom(&mut self, test: &NameTest, negated: bool, yes: Block, no: Block) {
        let name = self.the_name(no);
        let (yes, no) = if negated { (no, yes) } else { (yes, no) };
        match test {
            NameTest::Is(labels) => self.name_is(name, labels, yes, no),
            NameTest::EndsWith { labels, above } => self.name_ends(name, labels, *above, yes, no),
            NameTest::Contains(parts) => {
                let root = self.root(name);
                let func = self.made.name_finder(parts);
                let zero = self.b.iconst(0);
                let found = self.b.call(func, vec![name.first, root, zero]);
                self.b.br_imm(Cond::Ne, found, 0, yes, no);
            }
            NameTest::Like { any_before, labels } => {
                let root = self.root(name);
                let mut at = name.first;
                if *any_before {
                    at = self.skip_to_last(name, root, labels.len() as u64, no);
                }
                for label in labels {
                    at = self.label_like(at, label, no);
                }
                self.b.br(Cond::Eq, at, root, yes, no);
            }
        }
    }

    fn name_is(&mut self, name: TheName, labels: &[Vec<u8>], yes: Block, no: Block) {
        let pattern = sent(labels, true);
        let len = pattern.want.len();
        let same = self.b.new_block();
        self.b.br_imm(Cond::Eq, name.bytes, len as u64, same, no);
        self.b.switch_to(same);
        compare_at(&mut self.b, name.first, &pattern, (no, no));
        self.b.jump(yes, Vec::new());
    }

    /// Compares the last bytes, then asks whether a label begins where they do.
    fn name_ends(&mut self, name: TheName, labels: &[Vec<u8>], above: u8, yes: Block, no: Block) {
        let pattern = sent(labels, true);
        let len = pattern.want.len() as u64;
        let long_enough = self.b.new_block();
        self.b.br_imm(Cond::Ge, name.bytes, len + u64::from(above), long_enough, no);
        self.b.switch_to(long_enough);
        let before = self.b.binary_imm(BinOp::Sub, name.bytes, len);
        let at = self.b.binary(BinOp::Add, name.first, before);
        compare_at(&mut self.b, at, &pattern, (no, no));
        let most = self.b.iconst(MAX_LABELS);
        let walk = self.made.labels();
        let walked = self.b.call(walk, vec![name.first, at, most]);
        let come_to = self.b.binary_imm(BinOp::And, walked, AT_MASK);
        self.b.br(Cond::Eq, come_to, at, yes, no);
    }

    /// Offset of the `last`-to-last label; on to `no` if there are fewer.
    fn skip_to_last(&mut self, name: TheName, root: Value, last: u64, no: Block) -> Value {
        let count = self.label_count(name);
        let enough = self.b.new_block();
        self.b.br_imm(Cond::Ge, count, last, enough, no);
        self.b.switch_to(enough);
        let before = self.b.binary_imm(BinOp::Sub, count, last);
        let labels = self.made.labels();
        let walked = self.b.call(labels, vec![name.first, root, before]);
        self.b.binary_imm(BinOp::And, walked, AT_MASK)
    }
}
