use super::{InterpError, run, run_func};
use crate::{Block, Module, Term, Value, parse, verify};

fn module(text: &str) -> Module {
    verify(parse(text).unwrap()).unwrap().into_inner()
}

/// The result of a body that takes two numbers, and may read the packet 1, 2, 3, … 12.
#[track_caller]
fn gives(body: &str, args: [u64; 2], expected: u64) {
    let text = format!(
        "table narrow u64 {{ 5..7, 0x100..0x1ff }} table wide u128 {{ 5..7, 0x10000000000000000..0x10000000000000004 }}
         counters 1 entry f function f() -> i64 {{ block0: v0 = const 0 return v0 }}
         function g(v0, v1) -> i64 {{ block0(v0, v1): {body} }}"
    );
    let module = module(&text);
    let func = module.funcs.keys().next_back().unwrap();
    let packet: Vec<u8> = (1..=12).collect();
    assert_eq!(run_func(&module, func, &args, &packet, &mut []), Ok(expected), "{body}");
}

#[test]
fn arithmetic() {
    let op = |op: &str, args, expected| {
        gives(&format!("v2 = {op} v0, v1 return v2"), args, expected);
    };
    op("add", [u64::MAX, 2], 1);
    op("sub", [1, 2], u64::MAX);
    op("mul", [1 << 63, 3], 1 << 63);
    op("and", [6, 3], 2);
    op("or", [6, 3], 7);
    op("xor", [6, 3], 5);
    op("shl", [3, 65], 6);
    op("shr", [1 << 63, 63], 1);
    gives("v2 = swap.2 v0 return v2", [0x11_2233, 0], 0x3322);
    gives("v2 = swap.4 v0 return v2", [0xff_1122_3344, 0], 0x4433_2211);
    gives("v2 = swap.8 v0 return v2", [1, 0], 1 << 56);
    gives("v2 = env pkt_len return v2", [0, 0], 12);
}

#[test]
fn comparisons_are_unsigned() {
    let cond = |cond: &str, args, holds: bool| {
        let body = format!("br {cond} v0, v1, block1(v0), block1(v1) block1(v2): return v2");
        gives(&body, args, args[usize::from(!holds)]);
    };
    cond("lt", [1, u64::MAX], true);
    cond("gt", [1, u64::MAX], false);
    cond("le", [2, 1], false);
    cond("ge", [2, 1], true);
    cond("eq", [2, 1], false);
    cond("ne", [2, 1], true);
}

#[test]
fn packet_bytes() {
    let read = "guard v0, 4 -> v2, block1, block2(v1) block1: v3 = load.2 v2+1 return v3 block2(v4): return v4";
    gives(read, [0, 99], 0x0302);
    gives(read, [8, 99], 0x0b0a);
    gives(read, [9, 99], 99);
    gives(read, [u64::MAX, 99], 99);
    gives(&read.replace("2 v2+1", "4 v2+0"), [1, 99], 0x0504_0302);
}

#[test]
fn tables() {
    let member = |table: &str, args, expected| {
        let zero = if table == "narrow" {
            "v9 = const 0 v2 = member narrow, v9, v1"
        } else {
            "v2 = member wide, v0, v1"
        };
        gives(&format!("{zero} return v2"), args, expected);
    };
    for (key, inside) in [(4, 0), (5, 1), (7, 1), (8, 0), (0x100, 1), (0x200, 0)] {
        member("narrow", [0, key], inside);
    }
    for (hi, lo, inside) in [(0, 5, 1), (1, 5, 0), (1, 0, 1), (1, 4, 1), (2, 0, 0)] {
        member("wide", [hi, lo], inside);
    }
}

#[test]
fn calls_and_counters() {
    let module = module(
        "counters 2 entry f
         function f() -> i64 { block0: v0 = const 1 v1 = env pkt_len v2 = call g(v0, v1) v3 = call g(v1, v1) return v2 }
         function g(v0, v1) -> i64 { block0(v0, v1): count v0, v1 v2 = sub v0, v1 return v2 }",
    );
    let mut counters = [(0, 0), (7, u64::MAX)];
    assert_eq!(run(&module, &[0; 60], &mut counters), Ok(1_u64.wrapping_sub(60)));
    assert_eq!(counters, [(0, 0), (8, 59)], "slot 60 does not exist");
    assert_eq!(run(&module, &vec![0; 70_000], &mut counters), Ok(1_u64.wrapping_sub(0xffff)));
}

#[test]
fn chance_is_the_same_in_each_run() {
    let module = module(
        "entry f function f() -> i64 {
         block0: v0 = random v1 = random v2 = const 32 v3 = shl v0, v2 v4 = or v3, v1
           sample v0, v1, v2 return v4 }",
    );
    let first = run(&module, &[], &mut []).unwrap();
    assert_eq!(run(&module, &[], &mut []), Ok(first));
    assert_ne!(first >> 32, first & 0xffff_ffff, "one number follows another");
}

#[test]
fn broken_modules_are_errors() {
    let empty = Module::default();
    assert_eq!(run(&empty, &[], &mut []), Err(InterpError::NoEntry));
    let broken = |text: &str, change: fn(&mut Module)| {
        let mut module = parse(&format!("entry f function f() -> i64 {{ {text} }}")).unwrap();
        change(&mut module);
        run(&module, &[], &mut []).unwrap_err()
    };
    let as_is: fn(&mut Module) = |_| {};
    assert_eq!(broken("", as_is), InterpError::NoEntry);
    assert_eq!(broken("block0: jump block0", as_is), InterpError::Endless);
    assert_eq!(broken("block0: v0 = call f() return v0", as_is), InterpError::TooDeep);
    assert_eq!(
        broken("block0: v0 = const 0 v1 = load.4 v0+0 return v1", as_is),
        InterpError::Outside(0, 4)
    );
    let missing = |error| assert!(matches!(error, InterpError::Missing(_)), "{error}");
    missing(broken("block0: none", as_is));
    missing(broken("block0: v0 = add v0, v0 return v0", as_is));
    missing(broken("block0: v0 = const 0 jump block1 block1(v1): return v1", as_is));
    missing(broken("block0: none", |module| {
        let func = module.funcs.values_mut().next().unwrap();
        func.blocks[Block::from_u32(0)].term = Term::Return(Value::from_u32(4_000_000_000));
    }));
    missing(broken("block0: none", |module| {
        let func = module.funcs.values_mut().next().unwrap();
        func.order[0] = Block::from_u32(4_000_000_000);
    }));
}

/// Each row for itself; flows by key, and no more than there is room for.
#[test]
fn rows_and_flows() {
    let rows = module(
        "limit l 1 rows 2 entry f function f() -> i64 {
         block0: v0 = nth 0, 2, 3 v1 = nth 1, 1, 2 v2 = nth 0, 2, 3 v3 = nth 0, 2, 3 v4 = const 10
           v5 = mul v0, v4 v6 = add v5, v1 v7 = mul v6, v4 v8 = add v7, v2 v9 = mul v8, v4
           v10 = add v9, v3 return v10 }",
    );
    assert_eq!(run(&rows, &[], &mut []), Ok(11));
    let flows = module(
        "limit l 1 entry f function f() -> i64 {
         block0: v0 = const 1 v1 = const 2 v2 = hash l, (v0, v1) v3 = flow l, v2, v0, v0, v1
           v4 = flow l, v2, v0, v1, v1 v5 = add v3, v4 return v5 }",
    );
    assert_eq!(run(&flows, &[], &mut []), Ok(0));
}
