//! Looking for a pattern at every place of a window.
//!
//! A window whose length the rule names is compared at each of its places behind one guard, where the packet
//! holds all of it. Any other goes to a function: `find(from, to)` is 1 if the whole pattern lies in the
//! packet's bytes `[from, to)`. It compares at 64 places in a row behind one guard, then, for what is left, at
//! the last 64 places once more: nothing is looped over, and a miss costs a load and a compare a place. Windows
//! of fewer places take steps of 8, then of 1. The kernel's verifier walks each of these functions once,
//! wherever the window lies.

use super::{FuncBuilder, Made};
use crate::hir::Pattern;
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

/// Places that are compared behind one guard.
const STEPS: [u64; 3] = [64, 8, 1];
/// Steps of 64 places that one function makes; calls of that function that another makes, and calls of both
/// of them: windows of 65,535 bytes. A longer row of calls in one function is more than the JIT of kernels before
/// 5.12 comes to an end with, and interpreted such programs are not only slow: calls over more than 32,767
/// instructions lead astray there.
const NEAR_STEPS: u64 = 4;
const FAR_STEPS: usize = 16;

/// A window is compared in line if it has at most so many bytes, takes at most so many loads, and is one of
/// the first so many of its hook: longer code is slower than a call.
const MAX_INLINE_WINDOW_BYTES: u32 = 256;
const MAX_INLINE_LOADS: u32 = 256;
const MAX_INLINE_WINDOWS: u32 = 4;

/// Steps that look for at most so many bytes stand where they are taken.
const MAX_INLINED_TEXT_BYTES: usize = 16;

/// A load that part of a pattern is compared with: where it begins, how wide it is, what it must give where
/// it matters. Numbers are in the order that the bytes lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub at_bytes: u32,
    pub width: Width,
    want: u64,
    care: u64,
}

/// The loads that a pattern takes, as few as can be; the last may overlap the one before it.
pub fn pieces(pattern: &Pattern) -> Vec<Piece> {
    let len = pattern.want.len();
    let widest = [8usize, 4, 2, 1].into_iter().find(|&n| n <= len).unwrap_or(1);
    let mut out = Vec::new();
    let mut at = 0;
    while at < len {
        let left = len - at;
        // What is left takes one load that begins earlier, or one that is narrower.
        let narrow = [1usize, 2, 4, 8].into_iter().find(|&n| n >= left).unwrap_or(8).min(widest);
        let step = if left >= widest { widest } else { narrow };
        let first = if left < step { len - step } else { at };
        out.extend(piece(pattern, first, step, at - first));
        at = first + step;
    }
    out
}

/// Bytes `first..first + bytes`, of which the first `done` were compared before.
pub fn piece(pattern: &Pattern, first: usize, bytes: usize, done: usize) -> Option<Piece> {
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let all = if bytes == 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 };
    let (want, care) = (&pattern.want[first..first + bytes], &pattern.care[first..first + bytes]);
    let care_number = number(care);
    // Comparing once more what is known costs nothing; a mask does.
    let old_bits =
        if care_number == all || done == 0 { 0 } else { all << (8 * (bytes - done)) & all };
    let care = care_number & !old_bits;
    if care == 0 {
        return None;
    }
    let width = Width::from_bytes(u32::try_from(bytes).ok()?)?;
    let at_bytes = u32::try_from(first).ok()?;
    Some(Piece { at_bytes, width, want: number(want) & care, care })
}

/// Goes on only where the bytes behind `ptr + disp_bytes` are those wanted.
pub fn compare(b: &mut Builder<'_>, ptr: Value, disp_bytes: u32, pattern: &[Piece], no: Block) {
    for piece in pattern {
        let mut found = b.load_be(ptr, disp_bytes + piece.at_bytes, piece.width);
        let all =
            if piece.width == Width::B8 { u64::MAX } else { (1 << (8 * piece.width.bytes())) - 1 };
        if piece.care != all {
            found = b.binary_imm(BinOp::And, found, piece.care);
        }
        let next = b.new_block();
        b.br_imm(Cond::Eq, found, piece.want, next, no);
        b.switch_to(next);
    }
}

/// Bytes that are compared behind one guard: a hook that copies what it looks at has little room for them.
pub const GUARDED_BYTES: usize = 64;

/// Goes on only where the pattern lies at offset `first`; on to `absent` where the packet ends before.
pub fn compare_at(
    b: &mut Builder<'_>,
    first: Value,
    pattern: &Pattern,
    (no, absent): (Block, Block),
) {
    let parts = pattern.want.chunks(GUARDED_BYTES).zip(pattern.care.chunks(GUARDED_BYTES));
    for ((want, care), at_bytes) in parts.zip((0..).step_by(GUARDED_BYTES)) {
        let part = Pattern { want: want.to_vec(), care: care.to_vec() };
        let len = u32::try_from(want.len()).unwrap_or(u32::MAX);
        let at = if at_bytes == 0 { first } else { b.binary_imm(BinOp::Add, first, at_bytes) };
        let ptr = b.guard(at, len, absent);
        compare(b, ptr, 0, &pieces(&part), no);
    }
}

impl Made<'_> {
    /// The function that finds a pattern, made at its first use.
    pub fn finder(&mut self, pattern: &Pattern) -> Func {
        if let Some(&func) = self.finders.get(pattern) {
            return func;
        }
        let base = format!("{}_find{}", self.hook, self.finders.len());
        let steps = STEPS.map(|places| {
            let func = step(&format!("{base}_{places}"), pattern, places);
            // Long ones are called: copies of them would be more than a function may hold.
            let short = pattern.want.len() <= MAX_INLINED_TEXT_BYTES;
            self.funcs.push(if short { inlined(func) } else { func })
        });
        // The first steps stand in the function itself, for those farther out it calls.
        let first = self.funcs.push(inlined(near(&format!("{base}_first"), steps[0])));
        let more = self.funcs.push(near(&format!("{base}_more"), steps[0]));
        let far = self.funcs.push(far(&format!("{base}_far"), more));
        let func = self.funcs.push(find(
            &base,
            pattern,
            Some(([first, more, far], steps[0])),
            [steps[1], steps[2]],
        ));
        self.finders.insert(pattern.clone(), func);
        func
    }

    /// The function that finds a pattern in a label, made at its first use: there are at most 63 places.
    pub fn label_finder(&mut self, pattern: &Pattern) -> Func {
        if let Some(&func) = self.label_finders.get(pattern) {
            return func;
        }
        let base = format!("{}_label{}", self.hook, self.label_finders.len());
        let few = [STEPS[1], STEPS[2]];
        let few =
            few.map(|places| self.funcs.push(step(&format!("{base}_{places}"), pattern, places)));
        let func = self.funcs.push(find(&base, pattern, None, few));
        self.label_finders.insert(pattern.clone(), func);
        func
    }
}

/// Calls of it become copies of it.
pub(super) fn inlined(mut func: Function) -> Function {
    func.inline = true;
    func
}

/// `step(first) -> 0 or 1`: does the pattern lie at one of `places` places from `first`? All of them must be
/// in the packet.
fn step(name: &str, pattern: &Pattern, places: u64) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 1);
    let first = b.func.params()[0];
    let [no, yes] = [(); 2].map(|()| b.new_block());
    let places = u32::try_from(places).expect("few places a step");
    let len = u32::try_from(pattern.want.len()).expect("patterns are shorter than packets");
    let ptr = b.guard(first, places - 1 + len, no);
    let pieces = pieces(pattern);
    for place in 0..places {
        let miss = b.new_block();
        compare(&mut b, ptr, place, &pieces, miss);
        b.jump(yes, Vec::new());
        b.switch_to(miss);
    }
    b.jump(no, Vec::new());
    returns(&mut b, no, 0);
    returns(&mut b, yes, 1);
    func
}

fn returns(b: &mut Builder<'_>, block: Block, n: u64) {
    b.switch_to(block);
    let n = b.iconst(n);
    b.ret(n);
}

/// Asks a step at `first`; goes on in a new block if it found nothing.
fn ask(b: &mut Builder<'_>, step: Func, first: Value, yes: Block) {
    let found = b.call(step, vec![first]);
    let next = b.new_block();
    b.br_imm(Cond::Ne, found, 0, yes, next);
    b.switch_to(next);
}

/// `near(first, last) -> 0, or where 1 was found 1, or the place to go on at shifted left by 1`: as many whole
/// steps of 64 as there are up to `last`, at most 4.
fn near(name: &str, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [mut first, last] = [0, 1].map(|i| b.func.params()[i]);
    let yes = b.new_block();
    for _ in 0..NEAR_STEPS {
        let behind = b.binary_imm(BinOp::Add, first, STEPS[0]);
        let end = b.binary_imm(BinOp::Add, last, 1);
        let [whole, rest] = [(); 2].map(|()| b.new_block());
        b.br(Cond::Gt, behind, end, rest, whole);
        b.switch_to(rest);
        let result = b.binary_imm(BinOp::Shl, first, 1);
        b.ret(result);
        b.switch_to(whole);
        ask(&mut b, step, first, yes);
        first = behind;
    }
    let result = b.binary_imm(BinOp::Shl, first, 1);
    b.ret(result);
    returns(&mut b, yes, 1);
    func
}

/// The same, of 16 calls of such a function.
fn far(name: &str, near: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [from, last] = [0, 1].map(|i| b.func.params()[i]);
    let [yes, out] = [(); 2].map(|()| b.new_block());
    let at = b.func.add_param(out);
    calls(&mut b, (from, last), &[near; FAR_STEPS], (yes, out));
    b.switch_to(out);
    let result = b.binary_imm(BinOp::Shl, at, 1);
    b.ret(result);
    returns(&mut b, yes, 1);
    func
}

/// Calls functions like [`near`] one after the other, the next one where the one before it has come to: on to
/// `yes`, or, with less than a step left, to `out` with that place.
fn calls(
    b: &mut Builder<'_>,
    (from, last): (Value, Value),
    funcs: &[Func],
    (yes, out): (Block, Block),
) {
    let mut first = from;
    for (nth, &func) in funcs.iter().enumerate() {
        if nth > 0 {
            let end = b.binary_imm(BinOp::Add, first, STEPS[0] - 1);
            let [less, more] = [(); 2].map(|()| b.new_block());
            b.br(Cond::Gt, end, last, less, more);
            b.switch_to(less);
            b.jump(out, vec![first]);
            b.switch_to(more);
        }
        let result = b.call(func, vec![first, last]);
        let next = b.new_block();
        b.br_imm(Cond::Eq, result, 1, yes, next);
        b.switch_to(next);
        first = b.binary_imm(BinOp::Shr, result, 1);
    }
    b.jump(out, vec![first]);
}

/// `find(from, to) -> 0 or 1`; without functions for many places, for windows of up to 63 of them.
fn find(
    name: &str,
    pattern: &Pattern,
    far: Option<([Func; 3], Func)>,
    few_steps: [Func; 2],
) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [from, to] = [0, 1].map(|i| b.func.params()[i]);
    let [no, yes] = [(); 2].map(|()| b.new_block());
    let len = pattern.want.len() as u64;
    let [fits, some] = [(); 2].map(|()| b.new_block());
    b.br_imm(Cond::Ge, to, len, fits, no);
    b.switch_to(fits);
    let last = b.binary_imm(BinOp::Sub, to, len);
    b.br(Cond::Le, from, last, some, no);
    b.switch_to(some);
    let before_last = b.binary(BinOp::Sub, last, from);
    let [many, few] = [(); 2].map(|()| b.new_block());
    b.br_imm(Cond::Ge, before_last, STEPS[0] - 1, many, few);
    b.switch_to(many);
    match far {
        Some((near, step)) => many_places(&mut b, (from, last), near, step, (yes, no)),
        None => b.jump(no, Vec::new()),
    }
    b.switch_to(few);
    few_places(&mut b, (from, last), few_steps, (yes, no));
    returns(&mut b, no, 0);
    returns(&mut b, yes, 1);
    func
}

/// At least 64 places.
fn many_places(
    b: &mut Builder<'_>,
    (from, last): (Value, Value),
    [near, more, far]: [Func; 3],
    step: Func,
    (yes, no): (Block, Block),
) {
    let rest = b.new_block();
    let at = b.func.add_param(rest);
    let mut funcs = vec![near];
    funcs.extend([more; FAR_STEPS - 1]);
    funcs.extend([far; FAR_STEPS - 1]);
    calls(b, (from, last), &funcs, (yes, rest));
    b.switch_to(rest);
    let overlap = b.new_block();
    b.br(Cond::Gt, at, last, no, overlap);
    b.switch_to(overlap);
    let first = b.binary_imm(BinOp::Sub, last, STEPS[0] - 1);
    ask(b, step, first, yes);
    b.jump(no, Vec::new());
}

/// 1 to 63 places.
fn few_places(
    b: &mut Builder<'_>,
    (from, last): (Value, Value),
    [eight, one]: [Func; 2],
    (yes, no): (Block, Block),
) {
    let before_last = b.binary(BinOp::Sub, last, from);
    let [eights, ones] = [(); 2].map(|()| b.new_block());
    b.br_imm(Cond::Ge, before_last, STEPS[1] - 1, eights, ones);
    b.switch_to(eights);
    let mut first = from;
    for round in 0..STEPS[0] / STEPS[1] {
        if round > 0 {
            let end = b.binary_imm(BinOp::Add, first, STEPS[1] - 1);
            let [rest, more] = [(); 2].map(|()| b.new_block());
            b.br(Cond::Gt, end, last, rest, more);
            b.switch_to(rest);
            overlapping(b, (first, last), eight, (yes, no));
            b.switch_to(more);
        }
        ask(b, eight, first, yes);
        first = b.binary_imm(BinOp::Add, first, STEPS[1]);
    }
    b.jump(no, Vec::new());
    b.switch_to(ones);
    let mut first = from;
    for round in 0..STEPS[1] - 1 {
        if round > 0 {
            let more = b.new_block();
            b.br(Cond::Gt, first, last, no, more);
            b.switch_to(more);
        }
        ask(b, one, first, yes);
        first = b.binary_imm(BinOp::Add, first, 1);
    }
    b.jump(no, Vec::new());
}

/// The last 8 places, if any of them is left.
fn overlapping(
    b: &mut Builder<'_>,
    (first, last): (Value, Value),
    eight: Func,
    (yes, no): (Block, Block),
) {
    let some = b.new_block();
    b.br(Cond::Gt, first, last, no, some);
    b.switch_to(some);
    let first = b.binary_imm(BinOp::Sub, last, STEPS[1] - 1);
    ask(b, eight, first, yes);
    b.jump(no, Vec::new());
}

impl FuncBuilder<'_, '_> {
    /// Ends the current block: on to `yes` if the pattern lies in the packet's bytes `[from, to)`, which are
    /// at most `window_bytes`.
    pub(super) fn search(
        &mut self,
        pattern: &Pattern,
        (from, to): (Value, Value),
        window_bytes: Option<u32>,
        yes: Block,
        no: Block,
    ) {
        if let Some(bytes) = window_bytes.filter(|&bytes| self.compares_in_line(pattern, bytes)) {
            self.made.windows += 1;
            let end = self.b.binary_imm(BinOp::Add, from, bytes.into());
            let [whole, short] = [(); 2].map(|()| self.b.new_block());
            self.b.br(Cond::Gt, end, to, short, whole);
            self.b.switch_to(whole);
            let ptr = self.b.guard(from, bytes, short);
            let pieces = pieces(pattern);
            for place in 0..=bytes - u32::try_from(pattern.want.len()).unwrap_or(bytes) {
                let miss = self.b.new_block();
                compare(&mut self.b, ptr, place, &pieces, miss);
                self.b.jump(yes, Vec::new());
                self.b.switch_to(miss);
            }
            self.b.jump(no, Vec::new());
            self.b.switch_to(short);
        }
        let find = self.made.finder(pattern);
        let found = self.b.call(find, vec![from, to]);
        self.b.br_imm(Cond::Ne, found, 0, yes, no);
    }

    fn compares_in_line(&self, pattern: &Pattern, window_bytes: u32) -> bool {
        let len = u32::try_from(pattern.want.len()).unwrap_or(u32::MAX);
        let loads = pieces(pattern).len();
        let places = window_bytes.saturating_sub(len) + 1;
        self.made.points_into_packet
            && len <= window_bytes
            && window_bytes <= MAX_INLINE_WINDOW_BYTES
            && places.saturating_mul(u32::try_from(loads).unwrap_or(u32::MAX)) <= MAX_INLINE_LOADS
            && self.made.windows < MAX_INLINE_WINDOWS
    }
}
