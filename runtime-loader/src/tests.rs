//! The same objects through both engines.

mod asm;
mod elf;
mod faults;
mod forms;
mod programs;
mod speed;

use crate::{Counter, Object, Vm, kernel};
use asm::Asm;
use elf::Builder;
use l4c_manifest::HookKind;

/// What one packet led to.
type Outcome = (u32, Vec<Counter>);

fn parse(builder: &Builder) -> Object {
    Object::parse(&builder.build()).unwrap()
}

/// Whether the kernel can be asked; where it must be (`L4C_REQUIRE_KERNEL=1`), it is a failure if
/// not.
fn kernel_here() -> bool {
    match kernel::available() {
        Ok(()) => true,
        Err(why) if std::env::var_os("L4C_REQUIRE_KERNEL").is_some_and(|v| v == "1") => {
            panic!("the kernel is required: {why}")
        }
        Err(why) => {
            eprintln!("SKIPPED, the kernel was not asked: {why}");
            false
        }
    }
}

/// Runs each packet with fresh counters in both engines, which must agree; the interpreter's
/// outcomes.
fn run(builder: &Builder, packets: &[&[u8]]) -> Vec<Outcome> {
    let object = parse(builder);
    let mut vm = Vm::load(&object, "main").unwrap();
    let outcomes: Vec<Outcome> = packets
        .iter()
        .map(|packet| {
            vm.reset();
            let code = vm.run(packet).unwrap();
            (code, vm.counters())
        })
        .collect();
    if kernel_here() {
        let mut program =
            kernel::Program::load(&object, "main").unwrap_or_else(|e| panic!("{e}\n{}", e.log));
        for (packet, outcome) in packets.iter().zip(&outcomes) {
            program.reset().unwrap();
            let code = program.run(packet).unwrap();
            assert_eq!((code, program.counters().unwrap()), *outcome, "{packet:02x?}");
        }
    }
    outcomes
}

fn xdp(main: Asm) -> Builder {
    Builder::new(HookKind::Xdp, main)
}
