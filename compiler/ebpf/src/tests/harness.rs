//! Runs one module on packets in three ways.

use crate::{Error, Limit, Object, Program, assembly, object};
use l4c_ir::{InstData, Module, Verified, interp, parse, verify};
use l4c_manifest::{Hook, HookKind, Interface, Rows, Rule, Samples};
use l4c_runtime::{Object as Loaded, Vm, kernel};

/// A hook of this name and kind with one counter slot a rule.
pub fn hook(name: &str, kind: HookKind, counters: u32) -> Hook {
    let rule = |n: u32| Rule {
        name: format!("rule{n}"),
        action: "none".into(),
        shadow: false,
        file: "test.l4".into(),
        line: n + 1,
        text: format!("rule {n}"),
    };
    Hook {
        name: name.into(),
        kind,
        shadow: false,
        counter_map: format!("{name}_count"),
        rules: (0..counters.max(1)).map(rule).collect(),
        counters: Vec::new(),
        samples: None,
        interfaces: Vec::new(),
        rows: None,
        limits: Vec::new(),
        sets: Vec::new(),
    }
}

#[track_caller]
pub fn verified(module: Module) -> Verified<Module> {
    verify(module).unwrap_or_else(|e| panic!("{e}\n{}", e.text))
}

#[track_caller]
pub fn read(text: &str) -> Verified<Module> {
    verified(parse(text).unwrap_or_else(|e| panic!("{e}\n{text}")))
}

/// True if programs can be loaded; says so loudly if not, and fails if they must be.
pub fn has_kernel() -> bool {
    match kernel::available() {
        Ok(()) => true,
        Err(why) => {
            let required = std::env::var_os("L4C_REQUIRE_KERNEL").is_some_and(|v| v == "1");
            assert!(!required, "the kernel is required: {why}");
            eprintln!("SKIPPED in the kernel: {why}");
            false
        }
    }
}

/// What both machines made of a module, and what loading it took.
pub struct Report {
    pub object: Object,
    pub verified_insns: Option<u32>,
}

/// Runs `module` on each packet everywhere.
#[track_caller]
pub fn agree(module: &Verified<Module>, kind: HookKind, packets: &[Vec<u8>]) -> Report {
    agree_if_small(module, kind, packets).unwrap_or_else(|what| panic!("{what:?} is exceeded"))
}

/// Runs `module` on each packet everywhere, unless it is over a limit.
#[track_caller]
pub fn agree_if_small(
    module: &Verified<Module>,
    kind: HookKind,
    packets: &[Vec<u8>],
) -> Result<Report, Limit> {
    agree_as(&hook_for("judge", kind, module), module, packets)
}

/// A hook of this name and kind that suits a module.
fn hook_for(name: &str, kind: HookKind, module: &Module) -> Hook {
    let interface = |n| Interface { name: format!("if{n}"), rule: "rule0".into() };
    let interfaces = (1..module.ifaces).map(interface).collect();
    let mut insts = module.funcs.values().flat_map(|func| func.insts.values());
    let samples = insts
        .any(|inst| matches!(inst, InstData::Sample { .. }))
        .then(|| Samples { map: format!("{name}_sample"), slots: Vec::new() });
    let rows = (module.rows > 0).then(|| Rows { map: format!("{name}_rows"), count: module.rows });
    Hook { interfaces, samples, rows, ..hook(name, kind, module.counters) }
}

/// Runs `module` as this hook on each packet everywhere, unless it is over a limit.
#[track_caller]
fn agree_as(hook: &Hook, module: &Verified<Module>, packets: &[Vec<u8>]) -> Result<Report, Limit> {
    let programs = [Program { hook, module }];
    let object = match object(&programs) {
        Ok(object) => object,
        Err(Error::Limit { what, .. }) => return Err(what),
        Err(error) => panic!("{error}"),
    };
    let listing = || assembly(&programs).unwrap_or_else(|e| e.to_string());
    let loaded = Loaded::parse(&object.elf).unwrap();
    let mut vm = Vm::load(&loaded, "judge").unwrap();
    let mut in_kernel = has_kernel().then(|| {
        kernel::Program::load(&loaded, "judge").unwrap_or_else(|e| {
            let log = e.log.get(e.log.len().saturating_sub(6_000)..).unwrap_or(&e.log);
            panic!("{e}\n{}\n{}\n{log}", **module, listing())
        })
    });
    let mut counts = vec![(0, 0); module.counters as usize];
    for packet in packets {
        let expected = interp::run(module, packet, &mut counts).unwrap() as u32;
        let show = || format!("packet {packet:02x?}\n{}\n{}", **module, listing());
        assert_eq!(vm.run(packet).unwrap(), expected, "vm: {}", show());
        if let Some(program) = &mut in_kernel {
            assert_eq!(program.run(packet).unwrap(), expected, "kernel: {}", show());
        }
    }
    let pairs = |counters: Vec<l4c_runtime::Counter>| -> Vec<(u64, u64)> {
        counters.iter().map(|c| (c.packets, c.bytes)).take(counts.len()).collect()
    };
    assert_eq!(pairs(vm.counters()), counts, "vm: {}\n{}", **module, listing());
    if let Some(program) = &in_kernel {
        assert_eq!(pairs(program.counters().unwrap()), counts, "kernel: {}", **module);
    }
    let verified_insns = in_kernel.and_then(|p| p.verified_insns());
    Ok(Report { object, verified_insns })
}

/// Runs IR text on each packet, at hooks of both kinds.
#[track_caller]
pub fn agree_at_all(text: &str, packets: &[Vec<u8>]) {
    let module = read(text);
    for kind in HookKind::ALL {
        agree(&module, kind, packets);
    }
}

/// Packets of some lengths whose bytes tell their places; all look like IPv4.
pub fn packets() -> Vec<Vec<u8>> {
    [20, 21, 40, 64, 100, 260, 1500].map(|len| numbered(len, 7)).into()
}

pub fn numbered(len: usize, seed: u8) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_mul(37) ^ seed).collect();
    packet[0] = 0x45;
    packet
}

/// Numbers at which arithmetic goes wrong.
pub const EDGES: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_7fff_ffff,
    u64::MAX,
];

/// A small generator of numbers (xorshift64*), so that tests need no crate and repeat themselves.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    pub fn edge(&mut self) -> u64 {
        match self.below(3) {
            0 => self.next(),
            1 => self.below(300),
            _ => EDGES[self.below(EDGES.len() as u64) as usize],
        }
    }
}
