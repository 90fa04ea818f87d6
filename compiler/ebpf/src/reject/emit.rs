//! Writing machine code by hand.

use crate::mach::{Alu, Callee, Code, Helper, Label, Op, Reg, Src, Test};
use l4c_ir::Width;

use super::{CTX, DATA, DATA_END, R0, R1};

/// Where a packet goes that gets no answer.
pub const DROP: Label = Label(0);

/// Code under construction.
pub struct Emit {
    ops: Vec<Op>,
    labels: u32,
    /// Bytes of the frame that the code uses.
    frame_bytes: u32,
}

/// A number as it lies in memory in network order.
pub const fn be16(n: u16) -> i32 {
    n.to_be() as i32
}

impl Emit {
    pub fn new() -> Self {
        Self { ops: Vec::new(), labels: 1, frame_bytes: 0 }
    }

    /// The code, and the bytes of its frame.
    pub fn finish(self) -> (Code, u32) {
        let frame_bytes = self.frame_bytes;
        let ops = self.ops.into_iter().map(|op| (op, None.into())).collect();
        (Code { ops, frame_bytes, ..Code::default() }, frame_bytes)
    }

    /// The code uses so many bytes of the frame.
    pub fn frame(&mut self, bytes: u32) {
        self.frame_bytes = self.frame_bytes.max(bytes);
    }

    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub fn place(&mut self, label: Label) {
        self.ops.push(Op::Label(label));
    }

    pub fn mov(&mut self, dst: Reg, src: Src) {
        self.ops.push(Op::mov(dst, src));
    }

    pub fn alu(&mut self, alu: Alu, dst: Reg, src: Src) {
        self.ops.push(Op::Alu { wide: true, alu, dst, src });
    }

    pub fn load(&mut self, width: Width, dst: Reg, base: Reg, off: i16) {
        self.ops.push(Op::Load { width, dst, base, off });
    }

    /// Two bytes in network order.
    pub fn load_be16(&mut self, dst: Reg, base: Reg, off: i16) {
        self.load(Width::B2, dst, base, off);
        self.swap(Width::B2, dst);
    }

    pub fn store(&mut self, width: Width, base: Reg, off: i16, src: Src) {
        self.ops.push(Op::Store { width, base, off, src });
    }

    pub fn swap(&mut self, width: Width, dst: Reg) {
        self.ops.push(Op::Swap { width, dst });
    }

    pub fn branch(&mut self, test: Test, lhs: Reg, rhs: Src, to: Label) {
        self.ops.push(Op::Branch { wide: true, test, lhs, rhs, to });
    }

    pub fn jump(&mut self, to: Label) {
        self.ops.push(Op::Jump(to));
    }

    pub fn exit(&mut self) {
        self.ops.push(Op::Exit);
    }

    pub fn drop_if(&mut self, test: Test, lhs: Reg, rhs: Src) {
        self.branch(test, lhs, rhs, DROP);
    }

    /// Where the packet begins and ends now.
    pub fn packet_ends(&mut self, start: Reg, end: Reg) {
        self.load(Width::B4, start, CTX, DATA);
        self.load(Width::B4, end, CTX, DATA_END);
    }

    /// Drops the packet if not `bytes` bytes of it lie behind `ptr`; takes r0.
    pub fn need(&mut self, ptr: Reg, bytes: i16, end: Reg) {
        self.mov(R0, Src::Reg(ptr));
        self.alu(Alu::Add, R0, Src::Imm(bytes.into()));
        self.drop_if(Test::Gt, R0, Src::Reg(end));
    }

    /// Moves an end of the packet by what r2 holds, or drops it; takes r0 to r5, and the packet's pointers.
    pub fn adjust(&mut self, helper: Helper) {
        self.mov(R1, Src::Reg(CTX));
        let (callee, args) = (Callee::Helper(helper), Vec::new());
        self.ops.push(Op::Call { callee, args, ret: None });
        self.drop_if(Test::Ne, R0, Src::Imm(0));
    }

    /// Adds `words` 32-bit words from `base + off` on to `sum`; takes r0.
    pub fn add_words(&mut self, sum: Reg, base: Reg, off: i16, words: i16) {
        for word in 0..words {
            self.load(Width::B4, R0, base, off + 4 * word);
            self.alu(Alu::Add, sum, Src::Reg(R0));
        }
    }

    /// A sum of words as they lie in memory becomes the Internet checksum of them (RFC 1071), as it lies in
    /// memory; takes r0. The sum is below 2^48.
    pub fn fold(&mut self, sum: Reg) {
        for (bits, times) in [(32, 1), (16, 3)] {
            for _ in 0..times {
                self.mov(R0, Src::Reg(sum));
                self.alu(Alu::Rsh, R0, Src::Imm(bits));
                if bits == 32 {
                    // A 32-bit move clears the upper half.
                    self.ops.push(Op::Alu {
                        wide: false,
                        alu: Alu::Mov,
                        dst: sum,
                        src: Src::Reg(sum),
                    });
                } else {
                    self.alu(Alu::And, sum, Src::Imm(0xffff));
                }
                self.alu(Alu::Add, sum, Src::Reg(R0));
            }
        }
        self.alu(Alu::Xor, sum, Src::Imm(0xffff));
    }
}
