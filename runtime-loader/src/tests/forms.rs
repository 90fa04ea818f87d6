//! Every instruction form that programs are made of, on values at the edges, in both engines.

use super::asm::*;
use super::{parse, run, xdp};
use crate::insn::Insn;
use crate::{LoadError, Vm};

const VALUES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x0123_4567_89ab_cdef,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];
const IMMS: [i32; 9] = [0, 1, 2, 7, 0x80, 0xffff, i32::MAX, i32::MIN, -1];

/// Packets that hold two of the values each.
fn pairs() -> Vec<Vec<u8>> {
    let pairs = VALUES.iter().flat_map(|a| VALUES.iter().map(move |b| [*a, *b]));
    pairs.map(|p| p.iter().flat_map(|v| v.to_le_bytes()).collect()).collect()
}

/// Runs `body` with r6 and r7 from the packet; r6 goes to the counters.
fn compute(body: impl FnOnce(Asm) -> Asm) -> Vec<u64> {
    let head = Asm::new().packet(16, "out").load(LDX_DW, 6, 2, 0).load(LDX_DW, 7, 2, 8);
    let code = body(head).counter(0, "out").store(STX_DW, 0, 0, 6).label("out").ret(2);
    let packets = pairs();
    let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    run(&xdp(code), &packets).into_iter().map(|(_, counters)| counters[0].packets).collect()
}

fn forms(name: &str, body: impl Fn(Asm) -> Asm, expected: Option<&dyn Fn(u64, u64) -> u64>) {
    let got = compute(body);
    let pairs = VALUES.iter().flat_map(|a| VALUES.iter().map(move |b| (*a, *b)));
    for ((a, b), got) in pairs.zip(got) {
        if let Some(expected) = expected {
            assert_eq!(got, expected(a, b), "{name} {a:#x} {b:#x}");
        }
    }
}

/// add sub mul div or and lsh rsh xor mov arsh
const ALU: [u8; 11] = [0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc];
const DIV: u8 = 0x3;
/// Of 64 bits only.
const MOD: u8 = 0x9;
const SHIFTS: [u8; 3] = [0x6, 0x7, 0xc];

#[test]
fn arithmetic_with_registers() {
    for op in ALU {
        for class in [4, 7] {
            let code = op << 4 | 8 | class;
            forms(&format!("{code:#x}"), |c| c.reg(code, 6, 7), None);
        }
    }
    forms("add", |c| c.reg(ADD, 6, 7), Some(&|a, b| a.wrapping_add(b)));
    forms(
        "add32",
        |c| c.reg(0x0c, 6, 7),
        Some(&|a, b| u64::from((a as u32).wrapping_add(b as u32))),
    );
    let rem = |a: u64, b: u64| a.checked_rem(b).unwrap_or(a);
    forms("mod", |c| c.reg(MOD << 4 | 8 | 7, 6, 7), Some(&rem));
}

#[test]
fn arithmetic_with_immediates() {
    for op in ALU {
        for class in [4, 7] {
            let code = op << 4 | class;
            let width = if class == 4 { 32 } else { 64 };
            // The kernel's verifier takes no shift by the width or more and no division by 0.
            let taken = |imm: &i32| {
                !(SHIFTS.contains(&op) && !(0..width).contains(imm) || op == DIV && *imm == 0)
            };
            let more = [width - 1];
            for imm in IMMS.iter().chain(&more).copied().filter(taken) {
                forms(&format!("{code:#x} {imm:#x}"), |c| c.imm(code, 6, imm), None);
            }
        }
    }
    for imm in IMMS.into_iter().filter(|imm| *imm != 0) {
        let by = i64::from(imm).cast_unsigned();
        forms("mod", |c| c.imm(MOD << 4 | 7, 6, imm), Some(&|a, _| a % by));
    }
}

#[test]
fn byte_order() {
    for code in [BE, 0xd4] {
        for width in [16, 32, 64] {
            forms(&format!("{code:#x}"), |c| c.raw(code, 6, 0, 0, width), None);
        }
    }
    forms("be16", |c| c.raw(BE, 6, 0, 0, 16), Some(&|a, _| u64::from((a as u16).swap_bytes())));
}

/// eq gt ge set ne sgt sge lt le slt sle
const JUMPS: [u8; 11] = [0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc, 0xd];
/// Those of which rbpf gets a negative immediate right at 64 bits.
const SIGN_EXTENDED: [u8; 5] = [0x4, 0x6, 0x7, 0xc, 0xd];

/// r6 = whether the jump is taken.
fn taken(code: Asm, jump: u8, imm: i32) -> Asm {
    let src = if jump & 8 == 0 { 0 } else { 7 };
    code.imm(MOV, 8, 1)
        .jump(jump, 6, src, imm, "taken")
        .imm(MOV, 8, 0)
        .label("taken")
        .reg(MOV, 6, 8)
}

#[test]
fn jumps_by_registers() {
    for op in JUMPS {
        for class in [5, 6] {
            let code = op << 4 | 8 | class;
            forms(&format!("{code:#x}"), |c| taken(c, code, 0), None);
        }
    }
    forms("lt", |c| taken(c, 0xad, 0), Some(&|a, b| u64::from(a < b)));
    forms("le32", |c| taken(c, 0xbe, 0), Some(&|a, b| u64::from(a as u32 <= b as u32)));
}

#[test]
fn jumps_by_immediates() {
    for op in JUMPS {
        for (class, imm) in [5, 6].into_iter().flat_map(|c| IMMS.map(|i| (c, i))) {
            let code = op << 4 | class;
            if class == 6 || imm >= 0 || SIGN_EXTENDED.contains(&op) {
                forms(&format!("{code:#x} {imm:#x}"), |c| taken(c, code, imm), None);
            } else {
                refused(Asm::new().imm(MOV, 6, 0).raw(code, 6, 0, 0, imm).ret(0), 1);
            }
        }
    }
}

#[test]
fn loads_and_stores() {
    // Word, half, byte, double word.
    for size in [0x00, 0x08, 0x10, 0x18] {
        let (load, store, store_imm) = (0x61 | size, 0x63 | size, 0x62 | size);
        forms("load", |c| c.load(load, 6, 2, 0), None);
        forms("load at 3", |c| c.load(load, 6, 2, 3), None);
        let back = |c: Asm| c.load(LDX_DW, 6, 10, -16);
        forms("store", |c| back(c.store(STX_DW, 10, -16, 6).store(store, 10, -16, 7)), None);
        for imm in IMMS {
            forms(
                "store immediate",
                |c| back(c.store(STX_DW, 10, -16, 6).raw(store_imm, 10, 0, -16, imm)),
                None,
            );
        }
        forms("load from the stack", |c| c.store(STX_DW, 10, -16, 6).load(load, 6, 10, -16), None);
    }
}

#[test]
fn wide_immediates() {
    for value in VALUES {
        let (low, high) = (value as i32, (value >> 32) as i32);
        let body = |c: Asm| c.raw(0x18, 6, 0, 0, low).raw(0, 0, 0, 0, high);
        forms("lddw", body, Some(&|_, _| value));
    }
}

/// The interpreter must not take the program, because of the instruction at `index`.
fn refused(main: Asm, index: usize) {
    match Vm::load(&parse(&xdp(main)), "main") {
        Err(LoadError::Insn { function, index: at, .. }) => {
            assert_eq!((function.as_str(), at), ("main", index));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken"),
    }
}

#[test]
fn what_rbpf_gets_wrong_is_refused() {
    let cases: [(&str, u8, u8, i16, i32); 16] = [
        ("movsx8", 0xbf, 7, 8, 0),
        ("movsx32 of 32 bits", 0xbc, 7, 16, 0),
        ("sdiv", 0x3f, 7, 1, 0),
        ("smod", 0x97, 0, 1, 3),
        ("mod32", 0x9c, 7, 0, 0),
        ("neg", 0x87, 0, 0, 0),
        ("bswap", 0xd7, 0, 0, 16),
        ("ldsx", 0x91, 7, 0, 0),
        ("atomic add", 0xdb, 7, 0, 0),
        ("atomic add of 32 bits", 0xc3, 7, 0, 0),
        ("exchange", 0xdb, 7, 0, 0xe1),
        ("gotol", 0x06, 0, 0, 0),
        ("may_goto", 0xe5, 0, 0, 0),
        ("legacy packet load", 0x30, 0, 0, 0),
        ("kernel function", 0x85, 2, 0, 1),
        ("ktime_get_boot_ns", 0x85, 0, 0, 125),
    ];
    for (name, code, src, off, imm) in cases {
        eprintln!("{name}");
        refused(Asm::new().imm(MOV, 6, 1).imm(MOV, 7, 1).raw(code, 6, src, off, imm).ret(0), 2);
    }
}

#[test]
fn control_stays_in_the_function() {
    refused(Asm::new().raw(0x05, 0, 0, -2, 0).ret(0), 0);
    refused(Asm::new().raw(0x05, 0, 0, 3, 0).ret(0), 0);
    refused(Asm::new().imm(MOV, 0, 0), 1);
    refused(Asm::new().imm(MOV, 0, 0).raw(0x15, 0, 0, -2, 0), 2);
    refused(Asm::new().ret(0).raw(0x18, 0, 0, 0, 0), 4);
    // A call and an address that nothing explains.
    refused(Asm::new().raw(0x85, 0, 1, 0, -1).ret(0), 0);
    refused(Asm::new().raw(0x18, 1, 1, 0, 3).raw(0, 0, 0, 0, 0).ret(0), 0);
}

#[test]
fn instructions_survive_encoding() {
    let insn = Insn { code: 0x63, dst: 10, src: 3, off: -264, imm: -2 };
    assert_eq!(insn.to_bytes(), [0x63, 0x3a, 0xf8, 0xfe, 0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(Insn::from_bytes(insn.to_bytes()), insn);
}
