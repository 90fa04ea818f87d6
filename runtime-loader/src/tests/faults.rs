//! What goes wrong: bad programs, bad files.

use super::asm::*;
use super::elf::{Builder, RULE};
use super::{kernel_here, parse, xdp};
use crate::{LoadError, Object, ObjectError, Place, RunError, Vm, kernel};
use l4c_manifest::HookKind;

/// The function that failed and why, after running one packet.
fn fault(builder: &Builder) -> (String, String) {
    let mut vm = Vm::load(&parse(builder), "main").unwrap();
    // A long packet first: its rest must not be readable behind a shorter one.
    let _ = vm.run(&[0x45; 1000]);
    match vm.run(&[0x45; 20]) {
        Err(RunError::Fault { function, why }) => (function, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_past_the_packet_are_faults() {
    for (bytes, code) in [(17, 0x61), (19, 0x69), (20, 0x71), (13, 0x79)] {
        let main = Asm::new().load(LDX_W, 2, 1, 0).load(code, 0, 2, bytes).exit();
        let (function, why) = fault(&xdp(main));
        assert_eq!(function, "main");
        assert!(why.starts_with("out of bounds memory load"), "{why}");
    }
}

#[test]
fn stores_anywhere_else_are_faults() {
    let main = Asm::new().imm(MOV, 2, 4096).store(STX_DW, 2, 0, 1).ret(2);
    assert!(fault(&xdp(main)).1.starts_with("out of bounds memory store"));
    let main = Asm::new().store(STX_DW, 10, -520, 1).ret(2);
    assert!(fault(&xdp(main)).1.starts_with("out of bounds memory store"));
}

#[test]
fn a_fault_in_a_function_is_no_verdict() {
    let main = Asm::new().call("inner").call("other").ret(2);
    let inner = Asm::new().imm(MOV, 1, 0).load(LDX_B, 0, 1, 0).exit();
    let builder = xdp(main).function("inner", inner).function("other", Asm::new().ret(0));
    assert_eq!(fault(&builder).0, "inner");
}

#[test]
fn endless_recursion_is_a_fault() {
    let again = Asm::new().call("again").call("again").exit();
    let builder = xdp(Asm::new().call("again").exit()).function("again", again);
    assert_eq!(fault(&builder), ("again".to_owned(), "calls are nested too deep".to_owned()));
}

#[test]
fn helpers_touch_only_what_the_program_may() {
    let key = Asm::new().counter(0, "out").label("out").ret(2);
    for (at, key_imm) in [(2, -2), (2, -520), (2, 0)] {
        let mut code = key.clone();
        code.insns[at].imm = key_imm;
        assert_eq!(fault(&xdp(code)).1, "map key out of bounds", "{key_imm}");
    }
    let copy = |to: i32, len: i32| {
        let code = Asm::new().imm(MOV, 2, 0).reg(MOV, 3, 10).imm(ADD, 3, to).imm(MOV, 4, len);
        Builder::new(HookKind::Socket, code.helper(26).ret(0))
    };
    for (to, len) in [(-8, 9), (-520, 8), (0, 1), (-8, -1)] {
        assert_eq!(fault(&copy(to, len)).1, "packet copy with a bad context or target");
    }
    let no_ring = Asm::new().reg(MOV, 4, 10).imm(ADD, 4, -8).imm(MOV, 3, -1).imm(MOV, 5, 8);
    let no_ring = no_ring.counters(2).helper(25).ret(0);
    assert_eq!(fault(&xdp(no_ring)).1, "sample with a bad context, map or head");
    let no_map = Asm::new().imm(MOV, 1, 77).reg(MOV, 2, 10).imm(ADD, 2, -4).helper(1).ret(0);
    assert_eq!(fault(&xdp(no_map)).1, "looks up in what is no map");
}

#[test]
fn socket_helpers_are_not_for_xdp() {
    let object = parse(&xdp(Asm::new().helper(26).ret(0)));
    assert!(matches!(Vm::load(&object, "main"), Err(LoadError::Insn { index: 0, .. })));
}

#[test]
fn functions_too_long_or_too_many() {
    let long = (0..30_000).fold(Asm::new(), |c, _| c.imm(MOV, 0, 0)).exit();
    let object = parse(&xdp(long));
    let error = Vm::load(&object, "main").err();
    let expected = LoadError::TooLong { function: "main".to_owned(), insns: 30_001, max: 30_000 };
    assert_eq!(error, Some(expected));

    let many = (0..256).fold(Asm::new(), |c, i| c.call(&format!("f{i}"))).exit();
    let builder = (0..256).fold(xdp(many), |b, i| b.function(&format!("f{i}"), Asm::new().ret(0)));
    let error = Vm::load(&parse(&builder), "main").err();
    assert_eq!(error, Some(LoadError::TooManyFunctions { max: 256 }));
}

#[test]
fn the_last_function_of_255_is_called() {
    let main = (0..255).fold(Asm::new(), |c, i| c.call(&format!("f{i}"))).exit();
    let builder = (0..255).fold(xdp(main), |b, i| b.function(&format!("f{i}"), Asm::new().ret(i)));
    assert_eq!(super::run(&builder, &[&[0; 14]])[0].0, 254);
}

#[test]
fn a_manifest_that_asks_for_too_much_is_refused() {
    let object = parse(&xdp(Asm::new().ret(2)).slots(u32::MAX));
    assert!(matches!(Vm::load(&object, "main"), Err(LoadError::Memory { .. })));
}

#[test]
fn what_is_no_object_is_said_to_be_none() {
    assert!(matches!(Object::parse(b"hook xdp edge {}"), Err(ObjectError::Elf(_))));
    assert!(matches!(Object::parse(b""), Err(ObjectError::Elf(_))));
    let this_test = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(Object::parse(&this_test).err(), Some(ObjectError::NotBpf));
}

/// Whatever the bytes, there is an answer.
#[test]
fn hostile_bytes_never_panic() {
    let main = Asm::new().table(3, ".rodata.t", 1).call("f").counter(0, "out").label("out").ret(2);
    let builder = xdp(main).function("f", Asm::new().ret(1)).table(".rodata.t", b"table");
    let good = builder.build();
    let mut loaded = 0;
    for len in 0..good.len() {
        loaded += usize::from(load_any(&good[..len]));
    }
    for at in 0..good.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, good[at] ^ 4] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            loaded += usize::from(load_any(&bytes));
        }
    }
    assert!(loaded > 0);
}

fn load_any(bytes: &[u8]) -> bool {
    Object::parse(bytes).is_ok_and(|object| Vm::load(&object, "main").is_ok())
}

#[test]
fn the_verifiers_refusal_comes_with_its_log() {
    if !kernel_here() {
        return;
    }
    let main = Asm::new().load(LDX_W, 2, 1, 0).load(LDX_B, 0, 2, 0).exit();
    let error = kernel::Program::load(&parse(&xdp(main.clone())), "main").err().unwrap();
    assert!(error.message.contains("refused program `main`"), "{error}");
    assert!(error.log.contains("invalid access to packet"), "{}", error.log);
    assert_eq!(error.place, None);

    let builder = xdp(main).source("rules/edge.l4", 17);
    let error = kernel::Program::load(&parse(&builder), "main").err().unwrap();
    assert!(error.log.contains(RULE), "{}", error.log);
    let place = Place { file: "edge.l4".to_owned(), line: 17 };
    assert_eq!(error.place, Some(place), "{}", error.log);
}
