//! More values than registers.

use super::harness::{agree, packets, verified};
use l4c_ir::{BinOp, Builder, Func, Function, Module, Value, Width};
use l4c_manifest::HookKind;

/// Reads `count` values, and uses all of them again in another order; between, calls if told so.
fn pressure(count: u32, calls: bool) -> Module {
    let mut module = Module::default();
    let mut f = Function::new("entry");
    let mut b = Builder::new(&mut f, 0);
    let fail = b.new_block();
    let off = b.iconst(0);
    let ptr = b.guard(off, 20, fail);
    let mut values: Vec<Value> = Vec::new();
    for n in 0..count {
        let byte = b.load(ptr, n % 20, Width::B1);
        let value = b.binary_imm(BinOp::Mul, byte, u64::from(n) + 3);
        values.push(value);
        if calls && n % 5 == 0 {
            let (first, last) = (values[0], values[values.len() / 2]);
            values.push(b.call(Func::from_u32(1), vec![value, first, last, byte]));
        }
    }
    let mut acc = b.load(ptr, 7, Width::B4);
    let order = (0..values.len()).map(|n| n * 7 % values.len());
    for at in order.chain((0..values.len()).rev()) {
        acc = b.binary_imm(BinOp::Mul, acc, 31);
        acc = b.binary(BinOp::Add, acc, values[at]);
    }
    b.ret(acc);
    b.switch_to(fail);
    let none = b.iconst(0);
    b.ret(none);
    module.entry = module.funcs.push(f).into();
    let mut g = Function::new("mix");
    let mut b = Builder::new(&mut g, 4);
    let p = b.func.params().to_vec();
    let left = b.binary(BinOp::Sub, p[0], p[3]);
    let right = b.binary(BinOp::Xor, p[2], p[1]);
    let sum = b.binary(BinOp::Mul, left, right);
    b.ret(sum);
    module.funcs.push(g);
    module
}

#[test]
fn spills() {
    for (count, calls) in [(5, false), (9, false), (14, false), (50, false), (4, true), (30, true)]
    {
        let module = verified(pressure(count, calls));
        for kind in HookKind::ALL {
            let report = agree(&module, kind, &packets());
            let stack_bytes = report.object.stats[0].stack_bytes;
            assert_eq!(stack_bytes > 100, count >= 30, "{count}: {:?}", report.object.stats);
        }
    }
}

/// Parameters that trade places on edges, some of them in the frame.
#[test]
fn cycles_of_moves() {
    let mut module = Module::default();
    let mut f = Function::new("entry");
    let mut b = Builder::new(&mut f, 0);
    let fail = b.new_block();
    let off = b.iconst(0);
    let ptr = b.guard(off, 20, fail);
    let mut values: Vec<Value> = (0..14).map(|n| b.load(ptr, n, Width::B1)).collect();
    for turn in 1..6 {
        let next = b.new_block();
        let params: Vec<Value> = values.iter().map(|_| b.func.add_param(next)).collect();
        let mut args = values.clone();
        args.rotate_left(turn % 3);
        args.swap(turn, 13 - turn);
        if turn % 2 == 0 {
            b.jump(next, args);
        } else {
            let straight = values.clone();
            let (yes, no) = (b.new_block(), b.new_block());
            b.br_imm(l4c_ir::Cond::Gt, values[0], 100, yes, no);
            b.switch_to(yes);
            b.jump(next, args);
            b.switch_to(no);
            b.jump(next, straight);
        }
        b.switch_to(next);
        values = params;
    }
    let mut acc = b.iconst(1);
    for value in values {
        acc = b.binary_imm(BinOp::Mul, acc, 31);
        acc = b.binary(BinOp::Add, acc, value);
    }
    b.ret(acc);
    b.switch_to(fail);
    let none = b.iconst(0);
    b.ret(none);
    module.entry = module.funcs.push(f).into();
    let module = verified(module);
    for kind in HookKind::ALL {
        agree(&module, kind, &packets());
    }
}
