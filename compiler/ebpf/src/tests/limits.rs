//! What the kernel would refuse is refused here, by name.

use super::harness::{agree, hook, packets, read, verified};
use crate::{Error, Limit, Program, object};
use l4c_ir::{BinOp, Builder, Func, Function, LineData, Module, Verified};
use l4c_manifest::HookKind;
use std::fmt::Write as _;

#[track_caller]
fn refused(module: &Verified<Module>, kind: HookKind) -> (Limit, u64, String, Option<LineData>) {
    match object(&[Program { hook: &hook("edge", kind, 1), module }]) {
        Err(Error::Limit { what, limit, got, function, line }) => {
            assert!(got > limit && limit == what.max(), "{what:?}: {got}, {limit}");
            (what, got, function, line)
        }
        Err(error) => panic!("{error}"),
        Ok(object) => panic!("accepted: {:?}", object.stats),
    }
}

/// A function of some 3 instructions a step, without branches.
fn long(steps: u64) -> Module {
    let mut module = Module::default();
    let mut f = Function::new("long");
    let mut b = Builder::new(&mut f, 0);
    let line = module.lines.push(LineData {
        file: "long.l4".into(),
        line: 3,
        column: 1,
        text: "a long rule".into(),
    });
    b.set_line(Some(line));
    let far = b.new_block();
    let first = b.env(l4c_ir::Env::PktLen);
    let near = b.new_block();
    b.br_imm(l4c_ir::Cond::Eq, first, 64, far, near);
    b.switch_to(near);
    let mut acc = first;
    for n in 0..steps {
        acc = b.binary_imm(BinOp::Mul, acc, 31);
        acc = b.binary_imm(BinOp::Add, acc, n);
        acc = b.binary_imm(BinOp::Xor, acc, 0x55);
    }
    b.ret(acc);
    b.switch_to(far);
    b.ret(first);
    module.entry = module.funcs.push(f).into();
    module
}

#[test]
fn long_functions() {
    // The first jump reaches over all of it.
    let module = verified(long(9_990));
    for kind in HookKind::ALL {
        let report = agree(&module, kind, &packets());
        assert!(report.object.stats[0].insns > 29_900, "{:?}", report.object.stats);
    }
    let (what, got, function, line) = refused(&verified(long(10_000)), HookKind::Xdp);
    assert_eq!((what, function.as_str()), (Limit::FunctionInsns, "long"));
    assert!((30_001..31_000).contains(&got), "{got}");
    assert_eq!(line.unwrap().text, "a long rule");
}

#[test]
fn branches() {
    let chain = |count: u64| {
        let mut module = Module::default();
        let mut f = Function::new("chain");
        let mut b = Builder::new(&mut f, 0);
        let len = b.env(l4c_ir::Env::PktLen);
        let found = b.new_block();
        for n in 0..count {
            let next = b.new_block();
            b.br_imm(l4c_ir::Cond::Eq, len, n + 10_000, found, next);
            b.switch_to(next);
        }
        b.ret(len);
        b.switch_to(found);
        let none = b.iconst(0);
        b.ret(none);
        module.entry = module.funcs.push(f).into();
        verified(module)
    };
    agree(&chain(8_000), HookKind::Xdp, &packets());
    assert_eq!(refused(&chain(8_001), HookKind::Xdp).0, Limit::Branches);
}

/// Functions f0 to fN that call the next; with frames of 96 bytes, where packets are copied, if told so.
fn nested(depth: u32, windows: bool) -> Verified<Module> {
    let rest = if windows {
        "v2 = const 0 guard v2, 90 -> v3, block1, block2
         block1: v4 = load.2 v3+0 return v4
         block2: return v1"
    } else {
        "return v1"
    };
    let mut text = String::from("entry f0\n");
    for n in 0..depth {
        let value = if n + 1 == depth { "const 7".into() } else { format!("call f{}()", n + 1) };
        writeln!(text, "function f{n}() -> i64 {{ block0: v1 = {value} {rest} }}").unwrap();
    }
    read(&text)
}

#[test]
fn chains_of_calls() {
    agree(&nested(8, false), HookKind::Xdp, &packets());
    assert_eq!(refused(&nested(9, false), HookKind::Xdp).0, Limit::CallDepth);
    agree(&nested(5, true), HookKind::Socket, &packets());
    let (what, got, function, _) = refused(&nested(6, true), HookKind::Socket);
    assert_eq!((what, got, function.as_str()), (Limit::StackBytes, 6 * 96, "edge"));
}

#[test]
fn windows() {
    let module = |lens: [u32; 2]| {
        read(&format!(
            "line0 \"w.l4\":2:1 \"a first rule\" line1 \"w.l4\":3:5 \"a wide rule\"
             entry f function f() -> i64 {{
             block0: v0 = const 0 guard v0, {} -> v1, block1, block3 @line0
             block1: guard v0, {} -> v2, block2, block3 @line1
             block2: v3 = load.1 v1+0 v4 = load.1 v2+1 v5 = sub v3, v4 return v5
             block3: return v0 }}",
            lens[0], lens[1]
        ))
    };
    agree(&module([200, 56]), HookKind::Socket, &packets());
    agree(&module([200, 57]), HookKind::Xdp, &packets());
    let (what, got, _, line) = refused(&module([200, 57]), HookKind::Socket);
    assert_eq!((what, got, line.unwrap().line), (Limit::WindowBytes, 264, 3));
    assert_eq!(refused(&module([300, 2]), HookKind::Socket).3.unwrap().line, 2);
    assert_eq!(refused(&module([60_000, 2]), HookKind::Socket).0, Limit::WindowBytes);
}

fn star(functions: u32, steps: u64) -> Verified<Module> {
    let mut module = Module::default();
    let mut f = Function::new("main");
    let mut b = Builder::new(&mut f, 0);
    let mut acc = b.iconst(0);
    for n in 1..functions {
        let result = b.call(Func::from_u32(n), vec![]);
        acc = b.binary(BinOp::Add, acc, result);
    }
    b.ret(acc);
    module.entry = module.funcs.push(f).into();
    for n in 1..functions {
        let leaf = long(steps);
        let entry = leaf.entry.expand().unwrap();
        let mut leaf = leaf.funcs[entry].clone();
        leaf.inst_lines.clear();
        for block in leaf.blocks.values_mut() {
            block.term_line = None.into();
        }
        leaf.name = format!("leaf.{n}");
        module.funcs.push(leaf);
    }
    verified(module)
}

#[test]
fn many_functions() {
    agree(&star(256, 1), HookKind::Xdp, &packets());
    assert_eq!(refused(&star(257, 1), HookKind::Xdp).0, Limit::Functions);
    let (what, got, ..) = refused(&star(40, 9_000), HookKind::Xdp);
    assert_eq!(what, Limit::ProgramInsns);
    assert!((1_000_001..1_100_000).contains(&got), "{got}");
}

#[test]
fn names() {
    let module = read("entry f function f() -> i64 { block0: v0 = const 2 return v0 }");
    for (name, map, good) in [
        ("fifteen_bytes_x", "fifteen_bytes_c", true),
        ("sixteen_bytes_xx", "count", false),
        ("edge", "sixteen_bytes_cc", false),
    ] {
        let mut hook = hook(name, HookKind::Xdp, 1);
        hook.counter_map = map.into();
        let result = object(&[Program { hook: &hook, module: &module }]);
        match result {
            Ok(_) => assert!(good, "{name}"),
            Err(Error::Limit { what, got, .. }) => {
                assert!(!good && what == Limit::NameBytes && got == 16, "{name}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn messages_name_limit_and_rule() {
    let hook = hook("edge", HookKind::Xdp, 1);
    let module = verified(long(11_000));
    let error = object(&[Program { hook: &hook, module: &module }]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`long` needs 33010 instructions in one function; the limit is 30000 \
         (long.l4:3:1: a long rule)"
    );
}

#[test]
fn more_maps_than_a_program_may_use() {
    let module = |tables: usize| {
        let mut text = String::new();
        (0..tables).for_each(|n| writeln!(text, "table t{n} u64 {{ {n}..{n} }}").unwrap());
        text.push_str("counters 1\nentry f\nfunction f() -> i64 {\nblock0:\n    v0 = env pkt_len\n    v1 = const 0\n");
        text.push_str("    v2 = const 0\n    count v1, v0\n");
        for n in 0..tables {
            let (found, sum) = (3 + 2 * n, 4 + 2 * n);
            let before = if n == 0 { 2 } else { sum - 2 };
            writeln!(text, "    v{found} = member t{n}, v1, v0").unwrap();
            writeln!(text, "    v{sum} = add v{before}, v{found}").unwrap();
        }
        writeln!(text, "    return v{}\n}}", 2 + 2 * tables).unwrap();
        read(&text)
    };
    // The counters are one.
    let hook = hook("edge", HookKind::Xdp, 1);
    assert!(object(&[Program { hook: &hook, module: &module(63) }]).is_ok());
    let (what, got, ..) = refused(&module(64), HookKind::Xdp);
    assert_eq!((what, got), (Limit::Maps, 65));
}
