//! What `reject` sends back, byte by byte, for every packet of the zoo and for packets of every length.
//!
//! Where the kernel takes programs it is asked too; where not, that is said on standard error. With
//! `L4C_REQUIRE_KERNEL=1` it is a failure.

mod answer;

use answer::answer;
use l4c_compiler::Clock;
use l4c_compiler::pipeline::Options;
use l4c_golden::bench::{self, Rules, seen_by};
use l4c_golden::zoo::{self, Packet};
use l4c_judge::Shape;
use l4c_manifest::{HookKind, Verdict};
use l4c_runtime::{Object, Vm, kernel};

const RULES: &str = "hook xdp h {\n    all -> reject\n}\n";

/// Shows a program a packet: its return code, and the packet as it left it.
type RunOut = Box<dyn FnMut(&[u8]) -> Result<(u32, Vec<u8>), String>>;

fn in_vm(object: &Object) -> RunOut {
    let mut vm = Vm::load(object, "h").unwrap_or_else(|e| panic!("{e}"));
    Box::new(move |packet| vm.run_out(packet).map_err(|e| e.to_string()))
}

fn in_kernel(object: &Object) -> RunOut {
    let program = kernel::Program::load(object, "h");
    let mut program = program.unwrap_or_else(|e| panic!("{e}\n{}", e.log));
    Box::new(move |packet| program.run_out(packet).map_err(|e| e.to_string()))
}

fn rules() -> Rules {
    bench::text(RULES, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"))
}

fn objects() -> Vec<Object> {
    rules().objects().unwrap_or_else(|e| panic!("{e}")).into_iter().map(|(_, o)| o).collect()
}

/// UDP with data of many lengths, and each once more with padding behind it.
fn lengths(packets: &[Packet]) -> Vec<Packet> {
    let of = |name: &str| packets.iter().find(|p| p.name == name).expect("it is in the zoo");
    let mut out = Vec::new();
    for (name, length_at, base) in [("udp4_to_52", 16, 14), ("udp6_to_52", 18, 54)] {
        let whole = &of(name).bytes;
        let header_bytes = if base == 14 { 42 } else { 62 };
        let sizes = (0..80).chain(500..600).chain(1150..1300).chain([3000, 3400]);
        for size in sizes {
            let mut bytes = whole[..header_bytes].to_vec();
            bytes.extend((0..size).map(|n| (n * 7 + size) as u8));
            let length = u16::try_from(bytes.len() - base).expect("they are short");
            bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
            out.push(Packet { name: format!("{name} with {size} bytes"), bytes: bytes.clone() });
            bytes.extend([0xaa; 9]);
            out.push(Packet { name: format!("{name} with {size} bytes, padded"), bytes });
        }
    }
    out
}

/// Packets from and to addresses that stand for no host, or for one.
fn addresses(packets: &[Packet]) -> Vec<Packet> {
    let of = |name: &str| packets.iter().find(|p| p.name == name).expect("it is in the zoo");
    let mut out = Vec::new();
    let firsts = [0, 1, 10, 126, 127, 128, 169, 223, 224, 239, 240, 254, 255];
    for name in ["udp4_to_52", "udp6_to_52", "tcp4_syn", "tcp6_syn"] {
        let six = name.contains('6');
        let places = if six { [22, 38] } else { [26, 30] };
        for (at, first) in places.iter().flat_map(|at| firsts.map(|first| (*at, first))) {
            let mut bytes = of(name).bytes.clone();
            bytes[at] = first;
            out.push(Packet { name: format!("{name} with {first} at {at}"), bytes: bytes.clone() });
            // Nothing behind it: the unspecified address is that.
            let rest = if six { 15 } else { 3 };
            bytes[at + 1..=at + rest].fill(0);
            out.push(Packet { name: format!("{name} with {first} alone at {at}"), bytes });
        }
        for at in [0, 6] {
            let mut bytes = of(name).bytes.clone();
            bytes[at] |= 1;
            out.push(Packet { name: format!("{name} with a group at {at}"), bytes });
        }
    }
    out
}

fn packets() -> Vec<Packet> {
    let mut packets = zoo::everything();
    let more = [lengths(&packets), addresses(&packets)].concat();
    packets.extend(more);
    packets
}

fn code(verdict: Verdict) -> u32 {
    HookKind::Xdp.code(verdict).expect("XDP gives every verdict")
}

/// Every packet gets the answer that it is to get, from this engine.
fn answers_are_right(run_out: fn(&Object) -> RunOut) {
    let rules = rules();
    let (hook, _) = rules.policy.hooks.iter().next().expect("there is a hook");
    let shape = Shape::of_policy(&rules.policy, hook);
    let [sent, dropped] = [Verdict::Reject, Verdict::Drop].map(code);
    for object in objects() {
        let mut run_out = run_out(&object);
        let (mut answered, mut silent) = (0, 0);
        for Packet { name, bytes } in packets() {
            let Some(packet) = seen_by(&shape, &bytes) else { continue };
            let (code, out) = run_out(&packet).unwrap_or_else(|e| panic!("{name}: {e}"));
            match answer(&packet) {
                Some(wanted) => {
                    assert_eq!(code, sent, "{name}: {}", bench::hex(&packet));
                    let (out, wanted) = (bench::hex(&out), bench::hex(&wanted));
                    assert_eq!(out, wanted, "{name}: {}", bench::hex(&packet));
                    answered += 1;
                }
                None => {
                    assert_eq!(code, dropped, "{name}: {}", bench::hex(&packet));
                    silent += 1;
                }
            }
        }
        assert!(answered > 1500 && silent > 150, "{answered} answered, {silent} not");
    }
}

#[test]
fn the_interpreter_answers_as_the_standards_say() {
    answers_are_right(in_vm);
}

#[test]
fn the_kernel_answers_as_the_standards_say() {
    match kernel::available() {
        Ok(()) => answers_are_right(in_kernel),
        Err(why) => {
            eprintln!("SKIPPED: no program can be loaded here: {why}");
            assert_ne!(std::env::var("L4C_REQUIRE_KERNEL").as_deref(), Ok("1"));
        }
    }
}

/// In shadow the packet is let through as it came.
#[test]
fn in_shadow_nothing_is_changed() {
    let options = Options { level: l4c_compiler::OptLevel::O2, shadow: true, clock: Clock::Kernel };
    let elf = rules().compiled_as(options).unwrap_or_else(|e| panic!("{e}")).elf;
    let object = Object::parse(&elf).unwrap_or_else(|e| panic!("{e}"));
    let mut run_out = in_vm(&object);
    let pass = code(Verdict::Pass);
    for Packet { name, bytes } in packets().iter().filter(|p| p.bytes.len() < 3500) {
        if bytes.len() >= HookKind::Xdp.min_bytes() {
            assert_eq!(run_out(bytes), Ok((pass, bytes.clone())), "{name}");
        }
    }
}
