//! Programs in shadow: they pass every packet, and count for it what the program itself counts.
//!
//! Where the kernel takes programs it is asked too; where not, that is said on standard error. With
//! `L4C_REQUIRE_KERNEL=1` it is a failure.

use l4c_compiler::Clock;
use l4c_compiler::OptLevel;
use l4c_compiler::pipeline::Options;
use l4c_golden::bench::{self, Rules, seen_by};
use l4c_golden::case;
use l4c_golden::run::for_kind;
use l4c_golden::zoo::{self, Packet};
use l4c_judge::{Counter, Shape};
use l4c_manifest::{Hook, HookKind, Verdict};
use l4c_runtime::{Object, Vm, kernel};

/// A program, by whatever runs it.
enum Runner {
    Vm(Box<Vm>),
    Kernel(Box<kernel::Program>),
}

impl Runner {
    fn vm(object: &Object, hook: &str) -> Result<Self, String> {
        Ok(Self::Vm(Box::new(Vm::load(object, hook).map_err(|e| e.to_string())?)))
    }

    fn kernel(object: &Object, hook: &str) -> Result<Self, String> {
        let program = kernel::Program::load(object, hook);
        Ok(Self::Kernel(Box::new(program.map_err(|e| e.to_string())?)))
    }

    /// The code for a packet, and what all counters are then.
    fn run(&mut self, packet: &[u8]) -> Result<(u32, Vec<Counter>), String> {
        match self {
            Self::Vm(vm) => Ok((vm.run(packet).map_err(|e| e.to_string())?, vm.counters())),
            Self::Kernel(program) => {
                let code = program.run(packet).map_err(|e| e.to_string())?;
                Ok((code, program.counters().map_err(|e| e.to_string())?))
            }
        }
    }
}

type Load = fn(&Object, &str) -> Result<Runner, String>;

/// What was seen, so that it is known that there was something to see.
#[derive(Debug, Default)]
struct Seen {
    packets: usize,
    /// … of which the program itself dropped so many.
    dropped: usize,
}

fn object(rules: &Rules, level: OptLevel, shadow: bool) -> Result<Object, String> {
    // Two programs that look at the kernel's clock, or ask it for chance, are not told the same.
    let elf = rules.compiled_as(Options { level, shadow, clock: Clock::Injected })?.elf;
    Object::parse(&elf).map_err(|e| e.to_string())
}

/// Every hook of these rules, as it is and in shadow, side by side.
fn judge(rules: &Rules, zoo: &[Packet], load: Load, seen: &mut Seen) -> Result<(), String> {
    for &level in rules.levels() {
        let (plain, shadow) = (object(rules, level, false)?, object(rules, level, true)?);
        for (hook, in_shadow) in plain.manifest().hooks.iter().zip(&shadow.manifest().hooks) {
            assert_eq!(*in_shadow, Hook { shadow: true, ..hook.clone() });
            let shape = Shape::of_manifest(hook);
            let pass = hook.kind.code(Verdict::Pass).expect("every hook passes packets");
            let mut program = load(&plain, &hook.name)?;
            let mut its_shadow = load(&shadow, &hook.name)?;
            for packet in zoo {
                let Some(bytes) = seen_by(&shape, &packet.bytes) else { continue };
                let (code, counted) = program.run(&bytes)?;
                let passed = its_shadow.run(&bytes)?;
                if passed != (pass, counted.clone()) {
                    let name = &packet.name;
                    return Err(format!("{level:?} {name}: {passed:?} and not {counted:?}"));
                }
                seen.packets += 1;
                seen.dropped += usize::from(code != pass);
            }
        }
    }
    Ok(())
}

fn judge_all(load: Load) {
    let zoo = zoo::packets();
    let mut seen = Seen::default();
    for case in case::all("cases") {
        let packets = case::packets(&case, &zoo).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        for kind in HookKind::ALL {
            let rules = for_kind(&case, kind).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let Some(rules) = rules else { continue };
            judge(&rules, &packets, load, &mut seen)
                .unwrap_or_else(|e| panic!("{} as hook {}: {e}", case.name, kind.name()));
        }
    }
    // Programs that drop nothing would look just so.
    assert!(seen.packets > 10_000 && seen.dropped * 10 > seen.packets, "{seen:?}");
}

#[test]
fn the_interpreter_passes_everything_and_counts_the_same() {
    judge_all(Runner::vm);
}

#[test]
fn the_kernel_passes_everything_and_counts_the_same() {
    match kernel::available() {
        Ok(()) => judge_all(Runner::kernel),
        Err(why) => {
            eprintln!("SKIPPED: no program can be loaded here: {why}");
            assert_ne!(std::env::var("L4C_REQUIRE_KERNEL").as_deref(), Ok("1"));
        }
    }
}

/// The option changes nothing unless it is set, and a manifest says it only then.
#[test]
fn only_a_hook_in_shadow_says_so() {
    let text = "hook xdp e {\n    udp.dport == 53 -> drop\n}\n";
    let rules = bench::text(text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
    let compiled = |shadow| {
        rules.compiled_as(Options { level: OptLevel::O2, shadow, clock: Clock::Kernel }).unwrap()
    };
    assert_eq!(compiled(false).elf, rules.compiled(OptLevel::O2).unwrap().elf);
    let says = |shadow| String::from_utf8(compiled(shadow).manifest.to_bytes()).unwrap();
    assert!(!says(false).contains("shadow"), "{}", says(false));
    let expected = says(false).replacen(r#""kind":"xdp","#, r#""kind":"xdp","shadow":true,"#, 1);
    assert_eq!(says(true), expected);
}
