//! Every opcode with every form of operand.

use super::harness::{EDGES, agree, agree_at_all, packets, verified};
use l4c_ir::{BinOp, Builder, Cond, Env, Func, Function, Module, Value, Width};
use l4c_manifest::HookKind;

const OPS: [BinOp; 9] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Rem,
];

const CONDS: [Cond; 6] = [Cond::Eq, Cond::Ne, Cond::Lt, Cond::Le, Cond::Gt, Cond::Ge];

/// The halves of a number, which a return code can hold, mixed.
fn fold(b: &mut Builder<'_>, acc: Value, value: Value) -> Value {
    let high = b.binary_imm(BinOp::Shr, value, 32);
    let sum = b.binary(BinOp::Add, value, high);
    let turned = b.binary_imm(BinOp::Mul, acc, 31);
    b.binary(BinOp::Add, turned, sum)
}

/// A module whose entry calls `body` with the given numbers, which it cannot know.
fn calls(
    numbers: &[[u64; 2]],
    body: impl FnOnce(&mut Builder<'_>, Value, Value) -> Value,
) -> Module {
    let mut module = Module::default();
    let mut entry = Function::new("entry");
    let mut b = Builder::new(&mut entry, 0);
    let mut acc = b.iconst(0);
    for &[x, y] in numbers {
        let (x, y) = (b.iconst(x), b.iconst(y));
        let result = b.call(Func::from_u32(1), vec![x, y]);
        acc = fold(&mut b, acc, result);
    }
    b.ret(acc);
    module.entry = module.funcs.push(entry).into();
    let mut callee = Function::new("body");
    let mut b = Builder::new(&mut callee, 2);
    let (x, y) = (b.func.params()[0], b.func.params()[1]);
    let result = body(&mut b, x, y);
    b.ret(result);
    module.funcs.push(callee);
    module
}

fn edge_pairs() -> Vec<[u64; 2]> {
    EDGES.iter().flat_map(|&x| EDGES.map(|y| [x, y])).collect()
}

#[test]
fn arithmetic_on_registers() {
    let module = calls(&edge_pairs(), |b, x, y| {
        let zero = b.iconst(0);
        OPS.into_iter().fold(zero, |acc, op| {
            let result = b.binary(op, x, y);
            let twice = b.binary(op, y, y);
            let acc = fold(b, acc, result);
            fold(b, acc, twice)
        })
    });
    agree(&verified(module), HookKind::Xdp, &packets()[..1]);
}

#[test]
fn arithmetic_with_constants() {
    let numbers = EDGES.map(|x| [x, !x]);
    let module = calls(&numbers, |b, x, y| {
        let mut acc = b.iconst(0);
        for op in OPS {
            for n in EDGES {
                let right = b.binary_imm(op, x, n);
                let left = b.iconst(n);
                let left = b.binary(op, left, y);
                let sum = b.binary(BinOp::Xor, left, right);
                acc = fold(b, acc, sum);
            }
        }
        acc
    });
    agree(&verified(module), HookKind::Xdp, &packets()[..1]);
}

#[test]
fn byte_order() {
    let numbers = EDGES.map(|x| [x, x.rotate_left(20)]);
    let module = calls(&numbers, |b, x, y| {
        let mut acc = b.iconst(0);
        for width in [Width::B2, Width::B4, Width::B8] {
            for value in [x, y] {
                let swapped = b.swap(width, value);
                acc = fold(b, acc, swapped);
            }
        }
        let constant = b.iconst(0x0102_0304_0506_0708);
        let constant = b.swap(Width::B4, constant);
        fold(b, acc, constant)
    });
    agree(&verified(module), HookKind::Xdp, &packets()[..1]);
}

/// Sets a bit of the result for each comparison that holds.
fn compare(
    b: &mut Builder<'_>,
    acc: Value,
    cond: Cond,
    args: [Value; 2],
    then_first: bool,
) -> Value {
    let (yes, no, join) = (b.new_block(), b.new_block(), b.new_block());
    let result = b.func.add_param(join);
    if then_first {
        b.br(cond, args[0], args[1], yes, no);
    } else {
        b.br(cond.negate(), args[0], args[1], no, yes);
    }
    b.switch_to(yes);
    let set = b.binary_imm(BinOp::Mul, acc, 3);
    let set = b.binary_imm(BinOp::Add, set, 1);
    b.jump(join, vec![set]);
    b.switch_to(no);
    let clear = b.binary_imm(BinOp::Mul, acc, 3);
    b.jump(join, vec![clear]);
    b.switch_to(join);
    result
}

#[test]
fn comparisons() {
    let module = calls(&edge_pairs(), |b, x, y| {
        let zero = b.iconst(0);
        CONDS.into_iter().fold(zero, |acc, cond| {
            let acc = compare(b, acc, cond, [x, y], true);
            compare(b, acc, cond, [y, x], false)
        })
    });
    agree(&verified(module), HookKind::Xdp, &packets()[..1]);
}

/// With constants on either side, for numbers known to have 64, 32, and 16 bits.
#[test]
fn comparisons_with_constants() {
    let numbers = EDGES.map(|x| [x, x.swap_bytes()]);
    let module = calls(&numbers, |b, x, _| {
        let mut acc = b.iconst(0);
        for mask in [u64::MAX, 0xffff_ffff, 0xffff] {
            let x = b.binary_imm(BinOp::And, x, mask);
            for n in EDGES {
                for cond in CONDS {
                    let n = b.iconst(n);
                    acc = compare(b, acc, cond, [x, n], true);
                    acc = compare(b, acc, cond, [n, x], false);
                }
            }
            let constants = [b.iconst(5), b.iconst(7)];
            acc = compare(b, acc, Cond::Lt, constants, true);
        }
        acc
    });
    agree(&verified(module), HookKind::Xdp, &packets()[..1]);
}

#[test]
fn bit_tests() {
    let numbers = EDGES.map(|x| [x, x.rotate_right(7)]);
    // Two numbers at a time: what is summed up is another constant on every path, and the kernel's verifier
    // follows all of them.
    for cond in [Cond::Eq, Cond::Ne, Cond::Gt] {
        for masks in EDGES.chunks(2) {
            let module = calls(&numbers, |b, x, y| {
                let mut acc = b.iconst(0);
                let zero = b.iconst(0);
                for &n in masks {
                    let bits = b.binary_imm(BinOp::And, x, n);
                    acc = compare(b, acc, cond, [bits, zero], true);
                }
                let bits = b.binary(BinOp::And, x, y);
                acc = compare(b, acc, cond, [bits, zero], false);
                let used_twice = b.binary(BinOp::And, x, y);
                acc = compare(b, acc, cond, [used_twice, zero], true);
                fold(b, acc, used_twice)
            });
            agree(&verified(module), HookKind::Xdp, &packets()[..1]);
        }
    }
}

#[test]
fn packet_length() {
    let mut module = Module::default();
    let mut entry = Function::new("entry");
    let mut b = Builder::new(&mut entry, 0);
    let len = b.env(Env::PktLen);
    b.ret(len);
    module.entry = module.funcs.push(entry).into();
    let module = verified(module);
    for kind in HookKind::ALL {
        agree(&module, kind, &packets());
    }
}

/// Packets come by interface 1, from queue 0, to CPU 0, unmarked.
#[test]
fn surroundings() {
    agree_at_all(
        "counters 1 ifaces 2 entry f function f() -> i64 {
         block0: v0 = env iface v1 = env cpu v2 = env rx_queue v3 = env mark
           v4 = iface_slot 0 v5 = iface_slot 1 v6 = const 10
           v7 = mul v0, v6 v8 = add v7, v1 v9 = mul v8, v6 v10 = add v9, v2 v11 = mul v10, v6
           v12 = add v11, v3 v13 = mul v12, v6 v14 = add v13, v4 v15 = mul v14, v6
           v16 = add v15, v5 return v16 }",
        &packets()[..2],
    );
}

/// Places of two rows, with and without locks; shares whose numbers no immediate holds.
#[test]
fn places_in_rows() {
    agree_at_all(
        "counters 1 rows 2 entry f function f() -> i64 {
         block0: v0 = nth 0, 2, 3 v1 = nth 1, 4294967294, 4294967295 v2 = nth 0, 2, 3
           v3 = nth 1, 4294967294, 4294967295 v4 = nth 0, 2, 3 v6 = const 10
           v7 = mul v0, v6 v8 = add v7, v1 v9 = mul v8, v6 v10 = add v9, v2 v11 = mul v10, v6
           v12 = add v11, v3 v13 = mul v12, v6 v14 = add v13, v4 return v14 }",
        &packets()[..1],
    );
}

/// The number of an interface far behind in the table, and where packets are sent.
#[test]
fn many_interfaces() {
    let text = "counters 1 ifaces 20000 entry f function f() -> i64 {
         block0: v0 = iface_slot 0 v1 = iface_slot 19999 v2 = add v0, v1 redirect v1
           v3 = const 3 v4 = add v2, v3 return v4 }";
    agree(&super::harness::read(text), HookKind::Xdp, &packets()[..1]);
}

#[test]
fn counters() {
    agree_at_all(
        "counters 3 entry f function f() -> i64 {
         block0: v0 = env pkt_len v1 = const 1 v2 = const 2 v3 = const 3 v4 = const 0xffffffff
           v5 = const 0x100000001 v6 = const 17 v7 = const 32
           count v1, v0
           count v2, v6
           count v3, v0
           count v4, v0
           count v5, v0
           v8 = sub v0, v7
           count v8, v0
           v9 = shl v8, v7
           count v9, v0
           return v0 }",
        &[packets(), vec![super::harness::numbered(32, 1), super::harness::numbered(34, 1)]]
            .concat(),
    );
}

#[test]
fn block_parameters_move_all_at_once() {
    agree_at_all(
        "entry f function f() -> i64 {
         block0: v0 = const 3 v1 = const 5 v2 = const 9 v3 = env pkt_len v4 = const 64
           br lt v3, v4, block1(v3, v1, v2), block1(v0, v3, v4)
         block1(v5, v6, v7): v8 = const 1 v9 = const 100
           br lt v3, v9, block2(v6, v5, v8), block2(v7, v5, v6)
         block2(v10, v11, v12): v13 = const 1000
           br lt v3, v13, block3(v12, v10, v11, v3), block3(v11, v10, v12, v13)
         block3(v14, v15, v16, v17): v18 = const 7
           v19 = mul v14, v18 v20 = add v19, v15 v21 = mul v20, v18 v22 = add v21, v16
           v23 = mul v22, v18 v24 = add v23, v17 return v24 }",
        &packets(),
    );
}
