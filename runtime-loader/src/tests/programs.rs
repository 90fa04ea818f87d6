//! Whole programs: counters, calls, tables, copied windows.

use super::asm::*;
use super::elf::Builder;
use super::{kernel_here, parse, run, xdp};
use crate::{Counter, LoadError, RunError, Vm, kernel};
use l4c_manifest::HookKind;

/// Counts the packet in slot 1 with its length, then passes it.
fn counting() -> Builder {
    let main = Asm::new()
        .load(LDX_W, 6, 1, 0)
        .load(LDX_W, 7, 1, 4)
        .raw(0x1f, 7, 6, 0, 0)
        .counter(1, "out")
        .load(LDX_DW, 1, 0, 0)
        .imm(ADD, 1, 1)
        .store(STX_DW, 0, 0, 1)
        .load(LDX_DW, 1, 0, 8)
        .reg(ADD, 1, 7)
        .store(STX_DW, 0, 8, 1)
        .ret(2)
        .label("out")
        .ret(1);
    xdp(main).slots(3)
}

#[test]
fn counts_packets_and_bytes() {
    let outcomes = run(&counting(), &[&[0; 60], &[0; 14], &[7; 3520]]);
    for ((code, counters), bytes) in outcomes.into_iter().zip([60, 14, 3520]) {
        assert_eq!(code, 2);
        let counted = Counter { packets: 1, bytes };
        assert_eq!(counters, [Counter::default(), counted, Counter::default()]);
    }
}

#[test]
fn counters_add_up_until_reset() {
    let object = parse(&counting());
    let counted = Counter { packets: 1000, bytes: 60_000 };
    let mut vm = Vm::load(&object, "main").unwrap();
    (0..1000).for_each(|_| assert_eq!(vm.run(&[0; 60]), Ok(2)));
    assert_eq!(vm.counters()[1], counted);
    vm.reset();
    assert_eq!(vm.counters(), [Counter::default(); 3]);
    if kernel_here() {
        let mut program = kernel::Program::load(&object, "main").unwrap();
        (0..1000).for_each(|_| assert_eq!(program.run(&[0; 60]), Ok(2)));
        assert_eq!(program.counters().unwrap()[1], counted);
        program.reset().unwrap();
        assert_eq!(program.counters().unwrap(), [Counter::default(); 3]);
        assert!(program.verified_insns().is_none_or(|n| n > 10));
    }
}

#[test]
fn xdp_sees_the_first_3520_bytes() {
    let outcomes = run(&counting(), &[&[0; 9000]]);
    assert_eq!(outcomes[0].1[1].bytes, 3520);
}

#[test]
fn packets_that_cannot_be_shown_are_errors_in_both() {
    let lengths = [
        (HookKind::Xdp, 13),
        (HookKind::Socket, 19),
        (HookKind::Socket, HookKind::Socket.max_visible_bytes() + 1),
    ];
    for (kind, bytes) in lengths {
        let object = parse(&Builder::new(kind, Asm::new().ret(0)));
        let not_shown = RunError::NotShown {
            bytes,
            min_bytes: kind.min_bytes(),
            max_bytes: kind.max_visible_bytes(),
        };
        let packet = vec![0x45; bytes];
        assert_eq!(Vm::load(&object, "main").unwrap().run(&packet), Err(not_shown.clone()));
        if kernel_here() {
            let mut program = kernel::Program::load(&object, "main").unwrap();
            assert_eq!(program.run(&packet), Err(not_shown));
        }
    }
}

#[test]
fn the_shortest_and_longest_packets_are_shown() {
    for kind in HookKind::ALL {
        for first in [0x00, 0x45, 0x60, 0xff] {
            let (short, long) =
                (vec![first; kind.min_bytes()], vec![first; kind.max_visible_bytes()]);
            let outcomes = run(&Builder::new(kind, Asm::new().ret(-1)), &[&short, &long]);
            assert!(outcomes.iter().all(|o| o.0 == u32::MAX));
        }
    }
}

/// r0 = 1a + 2b + 3c + 4d + 5e; all but the sum clobbered.
fn weighted_sum() -> Asm {
    let mut code = Asm::new().imm(MOV, 0, 0);
    for arg in 1..=5u8 {
        code = code.imm(0x2f, arg, i32::from(arg)).reg(ADD, 0, arg);
    }
    (1..=9).fold(code, |code, r| code.imm(MOV, r, -1)).exit()
}

/// A call of `function` with five arguments made of `seed`.
fn call_with_five(code: Asm, function: &str, seed: i32) -> Asm {
    (1..=5u8).fold(code, |c, r| c.imm(MOV, r, seed * i32::from(r))).call(function)
}

#[test]
fn five_arguments_arrive_and_callee_saved_registers_stay() {
    let main = Asm::new().imm(MOV, 6, 1000).imm(MOV, 9, 9).store(STX_DW, 10, -512, 6);
    let main = call_with_five(main, "sum", 10)
        .reg(ADD, 0, 6)
        .reg(ADD, 0, 9)
        .load(LDX_DW, 1, 10, -512)
        .reg(ADD, 0, 1)
        .exit();
    // 10 * (1 + 4 + 9 + 16 + 25) + 2009
    // The whole stack is the program's, since the callee needs none of its own.
    let builder = xdp(main).function("sum", weighted_sum());
    assert_eq!(run(&builder, &[&[0; 14]])[0].0, 2559);
}

#[test]
fn nested_calls_do_not_clobber() {
    // outer(a..e) = sum(10..) + 100 * inner() + a + e, each value kept over the other calls
    let outer = Asm::new().reg(MOV, 6, 1).reg(MOV, 7, 5);
    let outer = call_with_five(outer, "sum", 10).reg(MOV, 8, 0);
    let outer = call_with_five(outer, "inner", 1)
        .imm(0x2f, 0, 100)
        .reg(ADD, 0, 8)
        .reg(ADD, 0, 6)
        .reg(ADD, 0, 7)
        .exit();
    let inner = Asm::new().store(STX_DW, 10, -8, 4);
    let inner = call_with_five(inner, "sum", 1).load(LDX_DW, 1, 10, -8).reg(ADD, 0, 1).exit();
    let main = call_with_five(Asm::new(), "outer", 7).exit();
    let builder =
        xdp(main).function("sum", weighted_sum()).function("inner", inner).function("outer", outer);
    // 550 + 100 * (55 + 4) + 7 + 35
    assert_eq!(run(&builder, &[&[0; 14]])[0].0, 6492);
}

#[test]
fn seven_calls_deep() {
    let mut builder = xdp(call_with_five(Asm::new(), "f1", 1).exit());
    for depth in 1..7 {
        let code = Asm::new().reg(MOV, 6, 1).call(&format!("f{}", depth + 1)).reg(ADD, 0, 6);
        builder = builder.function(&format!("f{depth}"), code.exit());
    }
    builder = builder.function("f7", Asm::new().reg(MOV, 0, 5).exit());
    assert_eq!(run(&builder, &[&[0; 14]])[0].0, 11);
}

#[test]
fn long_functions_call_and_count_too() {
    let long = (0..100).fold(Asm::new().reg(MOV, 0, 1), |c, _| c.imm(ADD, 0, 1));
    let main = (0..100).fold(Asm::new().imm(MOV, 6, 0), |c, _| c.imm(ADD, 6, 3));
    let main = main.imm(MOV, 1, 5).call("long").reg(ADD, 6, 0).counter(0, "out");
    let main = main.store(STX_DW, 0, 0, 6).label("out").reg(MOV, 0, 6).exit();
    let outcomes = run(&xdp(main).function("long", long.exit()), &[&[0; 14]]);
    assert_eq!(outcomes[0], (405, vec![Counter { packets: 405, bytes: 0 }]));
}

#[test]
fn more_code_than_one_interpreter_holds() {
    let long = || (0..20_000).fold(Asm::new().reg(MOV, 0, 1), |c, _| c.imm(ADD, 0, 1)).exit();
    let main = Asm::new().imm(MOV, 1, 1).call("a").reg(MOV, 1, 0).call("b").exit();
    let builder = xdp(main).function("a", long()).function("b", long());
    assert_eq!(run(&builder, &[&[0; 14]])[0].0, 40_001);
}

#[test]
fn reads_tables() {
    let table: Vec<u8> = (0..=255).collect();
    let main = Asm::new()
        .packet(14, "out")
        .load(LDX_B, 3, 2, 0)
        .table(4, ".rodata.map", 0)
        .reg(ADD, 4, 3)
        .load(LDX_B, 0, 4, 0)
        .table(5, ".rodata.word", 8)
        .load(LDX_W, 5, 5, 4)
        .reg(ADD, 0, 5)
        .exit()
        .label("out")
        .ret(0);
    let word = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9];
    let builder = xdp(main).table(".rodata.map", &table).table(".rodata.word", &word);
    let outcomes = run(&builder, &[&[200; 14], &[3; 14]]);
    assert_eq!(outcomes.iter().map(|o| o.0).collect::<Vec<_>>(), [456, 259]);
}

/// Copies `len` bytes at `off` by helper and returns them as a number, or 7 if the helper refuses.
fn window(helper: i32, off: i32) -> Builder {
    let main = Asm::new()
        .imm(MOV, 2, off)
        .reg(MOV, 3, 10)
        .imm(ADD, 3, -8)
        .imm(MOV, 4, 4)
        .imm(MOV, 5, 1)
        .helper(helper)
        .load(LDX_W, 6, 10, -8)
        .raw(BE, 6, 0, 0, 32)
        .jump(0x15, 0, 0, 0, "copied")
        // What was asked for in vain is zeroed.
        .imm(ADD, 6, 7)
        .label("copied")
        .reg(MOV, 0, 6)
        .exit();
    Builder::new(HookKind::Socket, main)
}

#[test]
fn copies_windows_of_the_packet() {
    let packet: Vec<u8> = (0x45..0x45 + 40).collect();
    let cases = [(0, 0x4546_4748), (9, 0x4e4f_5051), (36, 0x696a_6b6c), (37, 7), (40, 7), (-1, 7)];
    for helper in [26, 68] {
        for (off, expected) in cases.into_iter().chain([(0x1_0000, 7), (i32::MAX, 7)]) {
            let outcomes = run(&window(helper, off), &[&packet]);
            assert_eq!(outcomes[0].0, expected, "helper {helper}, offset {off}");
        }
    }
}

#[test]
fn socket_context_holds_length_and_protocol() {
    let main =
        Asm::new().load(LDX_W, 0, 1, 0).load(LDX_W, 2, 1, 16).imm(LSH, 2, 16).reg(ADD, 0, 2).exit();
    let (four, six, other) = ([0x45; 25], [0x60; 41], [0xf0; 33]);
    let outcomes = run(&Builder::new(HookKind::Socket, main), &[&four, &six, &other]);
    let codes: Vec<u32> = outcomes.iter().map(|o| o.0).collect();
    assert_eq!(codes, [0x0008_0000 + 25, 0xdd86_0000 + 41, 0xb588_0000 + 33]);
}

#[test]
fn chance_is_the_same_in_each_life_of_the_interpreter() {
    let object = parse(&xdp(Asm::new().helper(7).exit()));
    let numbers = || {
        let mut vm = Vm::load(&object, "main").unwrap();
        [(); 4].map(|()| vm.run(&[0; 60]).unwrap())
    };
    let first = numbers();
    assert_eq!(numbers(), first);
    assert!(first.windows(2).all(|pair| pair[0] != pair[1]), "{first:?}");
}

#[test]
fn unknown_hooks_are_named() {
    let object = parse(&counting());
    assert_eq!(Vm::load(&object, "nix").err(), Some(LoadError::NoHook("nix".to_owned())));
    let error = kernel::Program::load(&object, "nix").err().unwrap();
    assert!(error.message.contains("`nix`"), "{error}");
}
