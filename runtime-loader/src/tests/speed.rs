//! How fast the interpreter is. Run in release: `cargo test --release -p l4c-runtime speed --
//! --ignored --nocapture`.

use super::asm::*;
use super::{kernel_here, parse, xdp};
use crate::{Vm, kernel};
use std::time::Instant;

/// Looks at bytes of the packet one after the other: three instructions each, all executed.
fn checks(code: Asm, count: i16) -> Asm {
    (0..count).fold(code, |c, i| {
        c.load(LDX_B, 3, 2, i % 60).imm(AND, 3, 0xff).jump(JEQ & !8, 3, 0, 99, "hit")
    })
}

/// The best of many short runs, so that what else the machine does counts less.
fn report(name: &str, builder: &super::elf::Builder) -> f64 {
    const PACKETS: u32 = 2_000;
    let mut vm = Vm::load(&parse(builder), "main").unwrap();
    let packet = [0u8; 64];
    let best = (0..400).map(|_| {
        let start = Instant::now();
        (0..PACKETS).for_each(|_| assert_eq!(vm.run(&packet), Ok(2)));
        start.elapsed()
    });
    let seconds = best.min().unwrap().as_secs_f64();
    let rate = f64::from(PACKETS) / seconds;
    println!("{name}: {:.2} M packets/s, {:.0} ns", rate / 1e6, 1e9 / rate);
    rate
}

#[test]
#[ignore = "measures time"]
fn speed() {
    let end = |c: Asm| c.label("hit").label("out").ret(2);
    for count in [0, 3, 7, 10, 14, 20, 47] {
        let main = end(checks(Asm::new().packet(60, "out"), count));
        report(&format!("{} instructions", 7 + 3 * count), &xdp(main));
    }
    let main = checks(Asm::new().packet(60, "out"), 20).counter(0, "out");
    let main = main.load(LDX_DW, 1, 0, 0).imm(ADD, 1, 1).store(STX_DW, 0, 0, 1);
    let main = end(main.imm(MOV, 1, 1).call("f").imm(MOV, 1, 1).call("g"));
    let callee = || (0..30).fold(Asm::new(), |c, _| c.imm(MOV, 0, 1)).exit();
    let builder = xdp(main).function("f", callee()).function("g", callee());
    let rate = report("150 instructions, two calls, a counter", &builder);
    assert!(rate > 0.9e6, "{rate}");
}

/// What it costs to judge a packet in the kernel, and to read and reset all counters after it.
#[test]
#[ignore = "measures time"]
fn kernel_speed() {
    const PACKETS: u32 = 50_000;
    if !kernel_here() {
        return;
    }
    for slots in [1, 10, 1000] {
        let object = parse(&xdp(Asm::new().ret(2)).slots(slots));
        let mut program = kernel::Program::load(&object, "main").unwrap();
        let packet = [0u8; 64];
        let start = Instant::now();
        (0..PACKETS).for_each(|_| assert_eq!(program.run(&packet), Ok(2)));
        let run = start.elapsed() / PACKETS;
        let start = Instant::now();
        (0..1000).for_each(|_| drop(program.counters().unwrap()));
        println!("run {run:?}, counters of {slots} slots {:?}", start.elapsed() / 1000);
    }
}
