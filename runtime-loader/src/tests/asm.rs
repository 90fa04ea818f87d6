//! A small assembler: instructions with labels and references by name.

use crate::insn::{CALL, EXIT, Insn, LD_DW, PSEUDO_CALL};
use std::collections::HashMap;

/// 64-bit arithmetic with a register; the immediate form is one bit less ([`IMM`]).
pub const ADD: u8 = 0x0f;
pub const MOV: u8 = 0xbf;
pub const AND: u8 = 0x5f;
pub const LSH: u8 = 0x6f;
pub const JEQ: u8 = 0x1d;
pub const JGT: u8 = 0x2d;
pub const LDX_B: u8 = 0x71;
pub const LDX_W: u8 = 0x61;
pub const LDX_DW: u8 = 0x79;
pub const STX_DW: u8 = 0x7b;
pub const ST_W: u8 = 0x62;
pub const BE: u8 = 0xdc;

/// What a relocated instruction refers to.
#[derive(Debug, Clone)]
pub enum Target {
    Function(String),
    Counters,
    Table(String),
}

/// Code under construction.
#[derive(Debug, Clone, Default)]
pub struct Asm {
    pub insns: Vec<Insn>,
    pub refs: Vec<(usize, Target)>,
    labels: HashMap<&'static str, usize>,
    jumps: Vec<(usize, &'static str)>,
}

impl Asm {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raw(mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        self.insns.push(Insn { code, dst, src, off, imm });
        self
    }

    /// `dst OP= src`
    pub fn reg(self, code: u8, dst: u8, src: u8) -> Self {
        self.raw(code, dst, src, 0, 0)
    }

    /// `dst OP= imm`, with the code of the register form.
    pub fn imm(self, code: u8, dst: u8, imm: i32) -> Self {
        self.raw(code & !8, dst, 0, 0, imm)
    }

    /// `dst = *(src + off)`
    pub fn load(self, code: u8, dst: u8, src: u8, off: i16) -> Self {
        self.raw(code, dst, src, off, 0)
    }

    /// `*(dst + off) = src`
    pub fn store(self, code: u8, dst: u8, off: i16, src: u8) -> Self {
        self.raw(code, dst, src, off, 0)
    }

    pub fn jump(mut self, code: u8, dst: u8, src: u8, imm: i32, label: &'static str) -> Self {
        self.jumps.push((self.insns.len(), label));
        self.raw(code, dst, src, 0, imm)
    }

    pub fn label(mut self, label: &'static str) -> Self {
        self.labels.insert(label, self.insns.len());
        self
    }

    fn refer(mut self, target: Target) -> Self {
        self.refs.push((self.insns.len(), target));
        self
    }

    pub fn call(self, function: &str) -> Self {
        self.refer(Target::Function(function.to_owned())).raw(CALL, 0, PSEUDO_CALL, 0, -1)
    }

    pub fn helper(self, number: i32) -> Self {
        self.raw(CALL, 0, 0, 0, number)
    }

    pub fn table(self, dst: u8, section: &str, off_bytes: i32) -> Self {
        self.refer(Target::Table(section.to_owned()))
            .raw(LD_DW, dst, 0, 0, off_bytes)
            .raw(0, 0, 0, 0, 0)
    }

    pub fn ret(self, value: i32) -> Self {
        self.imm(MOV, 0, value).exit()
    }

    pub fn exit(self) -> Self {
        self.raw(EXIT, 0, 0, 0, 0)
    }

    /// r0 = address of a counter slot, or `out` is taken. Uses r1, r2 and 8 bytes of stack.
    pub fn counter(self, slot: i32, out: &'static str) -> Self {
        self.raw(ST_W, 10, 0, -8, slot)
            .reg(MOV, 2, 10)
            .imm(ADD, 2, -8)
            .refer(Target::Counters)
            .raw(LD_DW, 1, 0, 0, 0)
            .raw(0, 0, 0, 0, 0)
            .helper(1)
            .jump(JEQ & !8, 0, 0, 0, out)
    }

    /// `dst` = the map of counters.
    pub fn counters(self, dst: u8) -> Self {
        self.refer(Target::Counters).raw(LD_DW, dst, 0, 0, 0).raw(0, 0, 0, 0, 0)
    }

    /// r2 = packet, with `bytes` of it readable, or `out` is taken. Uses r3 and r4; r1 is the
    /// context.
    pub fn packet(self, bytes: i32, out: &'static str) -> Self {
        self.load(LDX_W, 2, 1, 0)
            .load(LDX_W, 3, 1, 4)
            .reg(MOV, 4, 2)
            .imm(ADD, 4, bytes)
            .jump(JGT, 4, 3, 0, out)
    }

    /// The instructions with all jumps resolved.
    pub fn finish(&self) -> Vec<Insn> {
        let mut insns = self.insns.clone();
        for (at, label) in &self.jumps {
            let distance = self.labels[label] as i64 - *at as i64 - 1;
            insns[*at].off = i16::try_from(distance).unwrap();
        }
        insns
    }
}
