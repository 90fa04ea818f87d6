//! Machine code as bytes: labels become distances.
//!
//! Functions are held below 2^15 instructions, so that each jump reaches each label with the 16 bits of
//! the oldest instruction set.

use crate::error::Error;
use crate::mach::{Alu, Callee, Code, Label, Op, Reg, Src, Symbol, Test};
use l4c_ir::{Func, Line, Width};

/// What the linker or the loader puts into an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The address of data, in a two-slot load.
    Symbol(Symbol),
    /// The distance to a function, in a call.
    Func(Func),
}

/// The bytes of one function.
#[derive(Debug, Clone)]
pub struct Bytes {
    /// 8 bytes an instruction, little-endian.
    pub code: Vec<u8>,
    /// Instructions to be completed, by index.
    pub relocs: Vec<(u32, Target)>,
    /// Instructions at which another source line begins, by index.
    pub lines: Vec<(u32, Line)>,
    /// Conditional jumps.
    pub branches: u32,
}

impl Bytes {
    /// Number of instructions; loads of 64-bit numbers count two.
    pub fn insns(&self) -> u32 {
        (self.code.len() / 8) as u32
    }
}

/// Slots that an instruction takes.
pub const fn slots(op: &Op) -> u32 {
    match op {
        Op::Label(_) => 0,
        Op::Const { .. } | Op::Address { .. } => 2,
        _ => 1,
    }
}

/// Encodes code whose operands are machine registers.
///
/// # Errors
/// When an operand is not, or a jump goes nowhere or too far: mistakes of earlier stages.
pub fn encode(code: &Code) -> Result<Bytes, Error> {
    let mut at_label = vec![None; code.label_places().len()];
    let mut at = 0u32;
    for (op, _) in &code.ops {
        if let Op::Label(Label(n)) = op {
            at_label[*n as usize] = Some(at);
        }
        at += slots(op);
    }
    let mut encoder = Encoder {
        at_label,
        bytes: Bytes { code: Vec::new(), relocs: Vec::new(), lines: Vec::new(), branches: 0 },
    };
    let mut last = None;
    for (op, line) in &code.ops {
        if let Some(line) = line.expand()
            && slots(op) > 0
            && last != Some(line)
        {
            encoder.bytes.lines.push((encoder.bytes.insns(), line));
            last = Some(line);
        }
        encoder.op(op)?;
    }
    Ok(encoder.bytes)
}

struct Encoder {
    at_label: Vec<Option<u32>>,
    bytes: Bytes,
}

/// Instruction classes and modes (`include/uapi/linux/bpf_common.h`, `bpf.h`).
const ALU32: u8 = 0x04;
const ALU64: u8 = 0x07;
const JMP64: u8 = 0x05;
const JMP32: u8 = 0x06;
const LDX_MEM: u8 = 0x61;
const ST_MEM: u8 = 0x62;
const STX_MEM: u8 = 0x63;
const ATOMIC_DW: u8 = 0xdb;
/// `BPF_CMPXCHG`
const CMPXCHG: i32 = 0xf1;
const FROM_REG: u8 = 0x08;
const END_TO_BE: u8 = 0xdc;
const LD_DW: u8 = 0x18;
const JA: u8 = 0x05;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// Source register of a call within the program.
const PSEUDO_CALL: u8 = 1;

const fn alu_code(alu: Alu) -> u8 {
    match alu {
        Alu::Add => 0x00,
        Alu::Sub => 0x10,
        Alu::Mul => 0x20,
        Alu::Or => 0x40,
        Alu::And => 0x50,
        Alu::Lsh => 0x60,
        Alu::Rsh => 0x70,
        Alu::Mod => 0x90,
        Alu::Xor => 0xa0,
        Alu::Mov => 0xb0,
    }
}

const fn test_code(test: Test) -> u8 {
    match test {
        Test::Eq => 0x10,
        Test::Gt => 0x20,
        Test::Ge => 0x30,
        Test::Set => 0x40,
        Test::Ne => 0x50,
        Test::Lt => 0xa0,
        Test::Le => 0xb0,
    }
}

const fn width_code(width: Width) -> u8 {
    match width {
        Width::B4 => 0x00,
        Width::B2 => 0x08,
        Width::B1 => 0x10,
        Width::B8 => 0x18,
    }
}

impl Encoder {
    fn put(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        let out = &mut self.bytes.code;
        out.extend([code, src << 4 | dst]);
        out.extend(off.to_le_bytes());
        out.extend(imm.to_le_bytes());
    }

    /// An instruction whose right side is a register or a number.
    fn put_src(&mut self, code: u8, dst: Reg, off: i16, src: Src) -> Result<(), Error> {
        match src {
            Src::Reg(reg) => self.put(code | FROM_REG, number(dst)?, number(reg)?, off, 0),
            Src::Imm(imm) => self.put(code, number(dst)?, 0, off, imm),
        }
        Ok(())
    }

    fn distance(&self, to: Label) -> Result<i16, Error> {
        let Some(Some(target)) = self.at_label.get(to.0 as usize) else {
            return Err(Error::Bug(format!("{to:?} is nowhere")));
        };
        let distance = i64::from(*target) - i64::from(self.bytes.insns()) - 1;
        i16::try_from(distance).map_err(|_| Error::Bug(format!("a jump over {distance}")))
    }

    fn wide_load(&mut self, dst: Reg, value: u64) -> Result<(), Error> {
        self.put(LD_DW, number(dst)?, 0, 0, (value as u32).cast_signed());
        self.put(0, 0, 0, 0, ((value >> 32) as u32).cast_signed());
        Ok(())
    }

    fn op(&mut self, op: &Op) -> Result<(), Error> {
        let at = self.bytes.insns();
        match op {
            Op::Alu { wide, alu, dst, src } => {
                let class = if *wide { ALU64 } else { ALU32 };
                self.put_src(class | alu_code(*alu), *dst, 0, *src)?;
            }
            Op::Swap { width, dst } => {
                self.put(END_TO_BE, number(*dst)?, 0, 0, 8 * width.bytes() as i32);
            }
            Op::Const { dst, value } => self.wide_load(*dst, *value)?,
            Op::Address { dst, symbol } => {
                self.bytes.relocs.push((at, Target::Symbol(*symbol)));
                self.wide_load(*dst, 0)?;
            }
            Op::Load { width, dst, base, off } => {
                self.put(LDX_MEM | width_code(*width), number(*dst)?, number(*base)?, *off, 0);
            }
            Op::Store { width, base, off, src: Src::Reg(src) } => {
                self.put(STX_MEM | width_code(*width), number(*base)?, number(*src)?, *off, 0);
            }
            Op::Store { width, base, off, src: Src::Imm(imm) } => {
                self.put(ST_MEM | width_code(*width), number(*base)?, 0, *off, *imm);
            }
            Op::CmpXchg { base, off, new, .. } => {
                self.put(ATOMIC_DW, number(*base)?, number(*new)?, *off, CMPXCHG);
            }
            Op::Branch { wide, test, lhs, rhs, to } => {
                self.bytes.branches += 1;
                let class = if *wide { JMP64 } else { JMP32 };
                self.put_src(class | test_code(*test), *lhs, self.distance(*to)?, *rhs)?;
            }
            Op::Jump(to) => self.put(JA, 0, 0, self.distance(*to)?, 0),
            Op::Label(_) => {}
            Op::Call { callee: Callee::Helper(helper), .. } => {
                self.put(CALL, 0, 0, 0, helper.number());
            }
            Op::Call { callee: Callee::Func(func), .. } => {
                self.bytes.relocs.push((at, Target::Func(*func)));
                self.put(CALL, 0, PSEUDO_CALL, 0, -1);
            }
            Op::Exit => self.put(EXIT, 0, 0, 0, 0),
            Op::Moves { .. } | Op::Fill { .. } | Op::Spill { .. } => {
                return Err(Error::Bug(format!("{op:?} has no code")));
            }
        }
        Ok(())
    }
}

fn number(reg: Reg) -> Result<u8, Error> {
    reg.number().ok_or_else(|| Error::Bug(format!("{reg:?} is no machine register")))
}
