//! One eBPF instruction as it lies in memory (RFC 9669, section 3).

/// Bytes of an instruction; `LD_DW` takes two of them.
pub const INSN_BYTES: usize = 8;

/// Load of a 64-bit immediate, the only instruction of two slots.
pub const LD_DW: u8 = 0x18;
/// Call of a helper (`src` 0) or of a function (`src` 1).
pub const CALL: u8 = 0x85;
/// Return from the program or function.
pub const EXIT: u8 = 0x95;
/// Unconditional jump with a 16-bit offset.
pub const JA: u8 = 0x05;
/// `dst = src`, 64 bits.
pub const MOV64_REG: u8 = 0xbf;
/// `dst = *(u64 *)(src + off)`.
pub const LDX_DW: u8 = 0x79;
/// `*(u64 *)(dst + off) = src`
pub const STX_DW: u8 = 0x7b;

/// `src` of a [`CALL`] that names a function of the same object (`BPF_PSEUDO_CALL`).
pub const PSEUDO_CALL: u8 = 1;

/// A decoded instruction slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register, or a sub-operation.
    pub src: u8,
    /// Jump distance in slots, or memory offset in bytes.
    pub off: i16,
    /// Immediate operand.
    pub imm: i32,
}

impl Insn {
    /// Reads a slot.
    pub const fn from_bytes(b: [u8; INSN_BYTES]) -> Self {
        Self {
            code: b[0],
            dst: b[1] & 0x0f,
            src: b[1] >> 4,
            off: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// Writes a slot. Register numbers have four bits each.
    pub const fn to_bytes(self) -> [u8; INSN_BYTES] {
        let (off, imm) = (self.off.to_le_bytes(), self.imm.to_le_bytes());
        [
            self.code,
            (self.dst & 0x0f) | (self.src << 4),
            off[0],
            off[1],
            imm[0],
            imm[1],
            imm[2],
            imm[3],
        ]
    }
}
