//! The answer that `reject` gives, once a rule has decided on it.

use super::layout::{IP4, KNOWN, L3_MASK, L3_SHIFT, L4, PROTO_MASK};
use super::{parse, rules};
use l4c_ir::{BinOp, Builder, Cond, Func, Function, Value};
use l4c_manifest::{HookKind, Verdict};

/// The function that makes the answer: of the offsets of network and transport header, the protocol, and the
/// family. The machine brings its body.
pub fn function(name: &str) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 4);
    let args = [0, 1, 2, 3].map(|n| b.func.params()[n]);
    let code = b.reject(args);
    b.ret(code);
    func
}

/// Ends the function where `code` says to reject; goes on where it does not. A packet of which it is not known
/// what it carries, and a later fragment, has no answer.
pub fn answer(b: &mut Builder<'_>, answer: Func, kind: HookKind, code: Value, layout: Value) {
    let [rejects, whole, silent, ip4, ip6, other] = [(); 6].map(|()| b.new_block());
    b.br_imm(Cond::Eq, code, u64::from(rules::code(kind, Verdict::Reject)), rejects, other);
    b.switch_to(silent);
    let dropped = b.iconst(u64::from(rules::code(kind, Verdict::Drop)));
    b.ret(dropped);
    b.switch_to(rejects);
    let known = b.binary_imm(BinOp::And, layout, KNOWN | L4);
    b.br_imm(Cond::Eq, known, KNOWN | L4, whole, silent);
    b.switch_to(whole);
    let shifted = b.binary_imm(BinOp::Shr, layout, L3_SHIFT);
    let net_off = b.binary_imm(BinOp::And, shifted, L3_MASK);
    let transport_off = parse::transport_off(b, layout);
    let proto = b.binary_imm(BinOp::And, layout, PROTO_MASK);
    let is_ip4 = b.binary_imm(BinOp::And, layout, IP4);
    b.br_imm(Cond::Eq, is_ip4, 0, ip6, ip4);
    for (block, family) in [(ip4, 4), (ip6, 6)] {
        b.switch_to(block);
        let family = b.iconst(family);
        let sent = b.call(answer, vec![net_off, transport_off, proto, family]);
        b.ret(sent);
    }
    b.switch_to(other);
}
