//! The way over IPv6 extension headers.

use super::layout::{FRAG, KNOWN, L4, L4_MASK, L4_SHIFT, LATER, PROTO_MASK, UNPARSED, ext_bit};
use super::parse::transport_off;
use crate::fields::{Ext, MAX_EXT_HEADERS};
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

/// Is `next` an extension header that is walked?
pub(super) fn branch_if_ext(b: &mut Builder<'_>, next: Value, yes: Block, no: Block) {
    let small = Ext::ALL.iter().filter(|e| e.proto() < 64).fold(0u64, |m, e| m | (1 << e.proto()));
    let [low, high] = [(); 2].map(|()| b.new_block());
    b.br_imm(Cond::Lt, next, 64, low, high);
    b.switch_to(high);
    b.br_imm(Cond::Eq, next, u64::from(Ext::Mobility.proto()), yes, no);
    b.switch_to(low);
    let mask = b.iconst(small);
    let shifted = b.binary(BinOp::Shr, mask, next);
    let bit = b.binary_imm(BinOp::And, shifted, 1);
    b.br_imm(Cond::Ne, bit, 0, yes, no);
}

/// The function that walks over extension headers: `walk(word, pkt_len) -> word`. In `word` the protocol
/// is the header to look at and the transport offset its place; on return they are the transport's. If
/// the walk ends badly the result is [`UNPARSED`] and knows no protocol.
///
/// Each step is a call of `step`: inline, the kernel's verifier would follow every sequence of header
/// kinds (six to the eighth); a function it verifies once.
pub fn walk_function(name: &str, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [mut word, pkt_len] = [0, 1].map(|i| b.func.params()[i]);
    let good = b.new_block();
    let good_word = b.func.add_param(good);
    let bad = b.new_block();
    let bad_word = b.func.add_param(bad);
    for round in 0..=MAX_EXT_HEADERS {
        let next = b.binary_imm(BinOp::And, word, PROTO_MASK);
        let [again, end, more] = [(); 3].map(|()| b.new_block());
        branch_if_ext(&mut b, next, again, end);
        b.switch_to(end);
        b.jump(good, vec![word]);
        b.switch_to(again);
        if round == MAX_EXT_HEADERS {
            b.jump(bad, vec![word]);
            break;
        }
        let walked = b.call(step, vec![word, pkt_len]);
        let [failed, later, not_failed] = [(); 3].map(|()| b.new_block());
        let unparsed = b.binary_imm(BinOp::And, walked, UNPARSED);
        b.br_imm(Cond::Ne, unparsed, 0, failed, not_failed);
        b.switch_to(failed);
        b.jump(bad, vec![walked]);
        b.switch_to(not_failed);
        let ended = b.binary_imm(BinOp::And, walked, LATER);
        b.br_imm(Cond::Ne, ended, 0, later, more);
        b.switch_to(later);
        let known = b.binary_imm(BinOp::Or, walked, KNOWN);
        b.ret(known);
        b.switch_to(more);
        word = walked;
    }
    b.switch_to(good);
    let found = b.binary_imm(BinOp::Or, good_word, KNOWN | L4);
    b.ret(found);
    b.switch_to(bad);
    let cleared = b.binary_imm(BinOp::And, bad_word, !PROTO_MASK);
    let result = b.binary_imm(BinOp::Or, cleared, UNPARSED);
    b.ret(result);
    func
}

/// One step of the walk: `step(word, pkt_len) -> word`, past one extension header.
pub fn step_function(name: &str) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [word, pkt_len] = [0, 1].map(|i| b.func.params()[i]);
    let cut = b.new_block();
    let off = transport_off(&mut b, word);
    let ptr = b.guard(off, 8, cut);
    let next = b.load(ptr, 0, Width::B1);
    let len_field = b.load(ptr, 1, Width::B1);
    let kind = b.binary_imm(BinOp::And, word, PROTO_MASK);
    let past = b.new_block();
    let bytes = b.func.add_param(past);
    let bits = b.func.add_param(past);
    let kinds = [Ext::HopByHop, Ext::Routing, Ext::DstOpts, Ext::Mobility, Ext::Auth];
    for ext in kinds {
        let [hit, miss] = [(); 2].map(|()| b.new_block());
        b.br_imm(Cond::Eq, kind, u64::from(ext.proto()), hit, miss);
        b.switch_to(hit);
        // RFC 8200 4.2: units of 8 bytes, the first not counted; RFC 4302 2.2: units of 4, two not counted.
        let (unit_shift, not_counted) = if ext == Ext::Auth { (2, 2) } else { (3, 1) };
        let units = b.binary_imm(BinOp::Add, len_field, not_counted);
        let bytes = b.binary_imm(BinOp::Shl, units, unit_shift);
        let bits = b.iconst(ext_bit(ext));
        b.jump(past, vec![bytes, bits]);
        b.switch_to(miss);
    }
    fragment_step(&mut b, ptr, past);

    b.switch_to(past);
    let end = b.binary(BinOp::Add, off, bytes);
    let [inside, fits] = [(); 2].map(|()| b.new_block());
    b.br(Cond::Gt, end, pkt_len, cut, inside);
    b.switch_to(inside);
    b.br_imm(Cond::Gt, end, L4_MASK, cut, fits);
    b.switch_to(fits);
    let kept = b.binary_imm(BinOp::And, word, !(PROTO_MASK | (L4_MASK << L4_SHIFT)));
    let at = b.binary_imm(BinOp::Shl, end, L4_SHIFT);
    let mut result = b.binary(BinOp::Or, kept, at);
    result = b.binary(BinOp::Or, result, next);
    result = b.binary(BinOp::Or, result, bits);
    b.ret(result);
    b.switch_to(cut);
    let failed = b.binary_imm(BinOp::Or, word, UNPARSED);
    b.ret(failed);
    func
}

/// The fragment header, the only kind left: RFC 8200 4.5.
fn fragment_step(b: &mut Builder<'_>, ptr: Value, past: Block) {
    let field = b.load_be(ptr, 2, Width::B2);
    let eight = b.iconst(8);
    let bit = ext_bit(Ext::Fragment);
    let [later, first, more, atomic] = [(); 4].map(|()| b.new_block());
    let offset = b.binary_imm(BinOp::And, field, 0xfff8);
    b.br_imm(Cond::Ne, offset, 0, later, first);
    for (block, bits) in [(later, bit | FRAG | LATER), (more, bit | FRAG), (atomic, bit)] {
        b.switch_to(block);
        let bits = b.iconst(bits);
        b.jump(past, vec![eight, bits]);
    }
    b.switch_to(first);
    let mf = b.binary_imm(BinOp::And, field, 1);
    b.br_imm(Cond::Ne, mf, 0, more, atomic);
}
