//! TCP options: a function that walks over them to the one asked for, and windows that are multiples.

use super::layout::{self, L4, L4_MASK};
use super::parse::transport_off;
use super::{FuncBuilder, Made};
use crate::fields::{TcpOption, Transport, When};
use crate::hir::Multiple;
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

/// Options have 40 bytes at most, and each takes at least one.
const MAX_OPTIONS: usize = 40;

/// Bytes of a TCP header in front of its options.
const FIXED_BYTES: u32 = Transport::Tcp.header_bytes();

/// A place on the way over options, as one number. Bits 0-15: offset of the next option. Bits 16-31: offset
/// behind the last one. Bits 32-39: the kind looked for. [`GOING`] is set, so that every place is greater than
/// every result.
const END_SHIFT: u64 = 16;
const KIND_SHIFT: u64 = 32;
const GOING: u64 = 1 << 40;
/// What a step returns when the way is over: up to this, the offset of the option, or 0 if it is not there.
const LAST_RESULT: u64 = 0xffff;

/// Goes on, with the offset behind the TCP header at `l4_off`, only where that header is whole.
fn header_end(b: &mut Builder<'_>, l4_off: Value, pkt_len: Value, no: Block) -> Value {
    let ptr = b.guard(l4_off, FIXED_BYTES, no);
    let byte = b.load(ptr, 12, Width::B1);
    let words = b.binary_imm(BinOp::Shr, byte, 4);
    let [long_enough, whole] = [(); 2].map(|()| b.new_block());
    b.br_imm(Cond::Lt, words, u64::from(FIXED_BYTES / 4), no, long_enough);
    b.switch_to(long_enough);
    let bytes = b.binary_imm(BinOp::Shl, words, 2);
    let end = b.binary(BinOp::Add, l4_off, bytes);
    b.br(Cond::Gt, end, pkt_len, no, whole);
    b.switch_to(whole);
    end
}

/// `find(layout, pkt_len, kind, lens) -> offset`: of the first option of a kind whose length is one of `lens`
/// (a bit each), from the packet's start; 0 if there is none. The layout must say that the transport is TCP.
///
/// Each step is a call of `step`: inline, the kernel's verifier would follow every sequence of lengths; a
/// function it verifies once.
fn find_function(name: &str, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 4);
    let [layout, pkt_len, kind, lens] = [0, 1, 2, 3].map(|i| b.func.params()[i]);
    let none = b.new_block();
    let done = b.new_block();
    let result = b.func.add_param(done);
    let l4_off = transport_off(&mut b, layout);
    let end = header_end(&mut b, l4_off, pkt_len, none);
    let near = b.new_block();
    b.br_imm(Cond::Gt, end, L4_MASK, none, near);
    b.switch_to(near);
    let mut place = b.binary_imm(BinOp::Add, l4_off, u64::from(FIXED_BYTES));
    for (part, shift) in [(end, END_SHIFT), (kind, KIND_SHIFT)] {
        let shifted = b.binary_imm(BinOp::Shl, part, shift);
        place = b.binary(BinOp::Or, place, shifted);
    }
    place = b.binary_imm(BinOp::Or, place, GOING);
    for _ in 0..MAX_OPTIONS {
        place = b.call(step, vec![place, lens]);
        let [over, on] = [(); 2].map(|()| b.new_block());
        b.br_imm(Cond::Gt, place, LAST_RESULT, on, over);
        b.switch_to(over);
        b.jump(done, vec![place]);
        b.switch_to(on);
    }
    b.jump(none, Vec::new());
    b.switch_to(none);
    let zero = b.iconst(0);
    b.jump(done, vec![zero]);
    b.switch_to(done);
    b.ret(result);
    func
}

/// `step(place, lens) -> place or result`: past one option.
fn step_function(name: &str) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [place, lens] = [0, 1].map(|i| b.func.params()[i]);
    let part = |b: &mut Builder<'_>, shift: u64, mask: u64| {
        let shifted = b.binary_imm(BinOp::Shr, place, shift);
        b.binary_imm(BinOp::And, shifted, mask)
    };
    let off = part(&mut b, 0, L4_MASK);
    let end = part(&mut b, END_SHIFT, L4_MASK);
    let wanted = part(&mut b, KIND_SHIFT, 0xff);
    let none = b.new_block();
    let goes_on = |b: &mut Builder<'_>, cond: Cond, x: Value, y: Value| {
        let next = b.new_block();
        b.br(cond, x, y, next, none);
        b.switch_to(next);
    };
    goes_on(&mut b, Cond::Lt, off, end);
    let first = b.guard(off, 1, none);
    let kind = b.load(first, 0, Width::B1);
    let [listed, nothing, long] = [(); 3].map(|()| b.new_block());
    b.br_imm(Cond::Eq, kind, 0, none, listed);
    b.switch_to(listed);
    b.br_imm(Cond::Eq, kind, 1, nothing, long);
    b.switch_to(nothing);
    let past = b.binary_imm(BinOp::Add, place, 1);
    b.ret(past);
    b.switch_to(long);
    let both = b.guard(off, 2, none);
    let len = b.load(both, 1, Width::B1);
    let two = b.iconst(2);
    goes_on(&mut b, Cond::Ge, len, two);
    // A length byte behind the header's end is none of its bytes: what it says ends behind that too.
    let past = b.binary(BinOp::Add, off, len);
    goes_on(&mut b, Cond::Le, past, end);
    let [same_kind, found, other] = [(); 3].map(|()| b.new_block());
    b.br(Cond::Eq, kind, wanted, same_kind, other);
    b.switch_to(same_kind);
    let bits = b.binary(BinOp::Shr, lens, len);
    let bit = b.binary_imm(BinOp::And, bits, 1);
    b.br_imm(Cond::Ne, bit, 0, found, other);
    b.switch_to(found);
    b.ret(off);
    b.switch_to(other);
    let next = b.binary(BinOp::Add, place, len);
    b.ret(next);
    b.switch_to(none);
    let zero = b.iconst(0);
    b.ret(zero);
    func
}

impl Made<'_> {
    /// The function that finds options.
    fn option_finder(&mut self) -> Func {
        let (funcs, hook) = (&mut self.funcs, self.hook);
        *self.options.get_or_insert_with(|| {
            let step = funcs.push(step_function(&format!("{hook}_option_step")));
            funcs.push(find_function(&format!("{hook}_option"), step))
        })
    }
}

impl FuncBuilder<'_, '_> {
    /// Goes on only where the IPv4 header is longer than its fixed bytes.
    pub(super) fn ip4_options(&mut self, no: Block) {
        let ptr = self.b.guard(self.l3_off, layout::header_bytes(When::Ip4Options), no);
        let first = self.b.load(ptr, 0, Width::B1);
        let words = self.b.binary_imm(BinOp::And, first, 15);
        let longer = self.b.new_block();
        self.b.br_imm(Cond::Gt, words, 5, longer, no);
        self.b.switch_to(longer);
    }

    /// Goes on, with the option's offset, only where it is there. The layout must say that the transport is TCP.
    pub(super) fn option_off(&mut self, option: TcpOption, no: Block) -> Value {
        let find = self.made.option_finder();
        let kind = self.b.iconst(u64::from(option.kind));
        let lens = self.b.iconst(option.lens);
        let result = self.b.call(find, vec![self.layout, self.pkt_len, kind, lens]);
        let there = self.b.new_block();
        self.b.br_imm(Cond::Ne, result, 0, there, no);
        self.b.switch_to(there);
        self.b.binary_imm(BinOp::And, result, L4_MASK)
    }

    /// The window as a multiple of the first divisor that fits.
    pub(super) fn window(&mut self, multiple: &Multiple, yes: Block, no: Block) {
        self.require(L4, L4, no);
        let ptr = self.b.guard(self.l4_off, 16, no);
        let window = self.b.load_be(ptr, 14, Width::B2);
        let at = self.b.binary_imm(BinOp::Add, self.l4_off, u64::from(multiple.mss_off_bytes));
        let ptr = self.b.guard(at, 2, no);
        let mss = self.b.load_be(ptr, 0, Width::B2);
        let last = multiple.divisors.iter().rposition(|d| d.counts).map_or(0, |last| last + 1);
        for divisor in &multiple.divisors[..last] {
            let add = i64::from(divisor.add).cast_unsigned();
            let by = match (divisor.mss, add) {
                (true, 0) => mss,
                (true, _) => self.b.binary_imm(BinOp::Add, mss, add),
                (false, _) => self.b.iconst(add),
            };
            let rest = self.b.binary(BinOp::Rem, window, by);
            let [fits, next] = [(); 2].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Eq, rest, 0, fits, next);
            self.b.switch_to(fits);
            match multiple.times {
                _ if !divisor.counts => self.b.jump(no, Vec::new()),
                None => self.b.jump(yes, Vec::new()),
                Some(times) => {
                    let product = self.b.binary_imm(BinOp::Mul, by, u64::from(times));
                    self.b.br(Cond::Eq, product, window, yes, no);
                }
            }
            self.b.switch_to(next);
        }
        self.b.jump(no, Vec::new());
    }
}
