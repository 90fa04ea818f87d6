//! Reaching the packet: through pointers (XDP) or by copies in the frame (socket filters).

use super::Select;
use super::window::pieces;
use crate::mach::{Alu, Arg, Callee, Helper, Label, Op, Reg, Src, Test};
use l4c_ir::{Value, Width};
use l4c_manifest::HookKind;

/// Offsets of `struct xdp_md` and `struct __sk_buff` (`include/uapi/linux/bpf.h`).
const XDP_DATA: i16 = 0;
const XDP_DATA_END: i16 = 4;
const SKB_LEN: i16 = 0;

/// `BPF_HDR_START_NET`: offsets count from the network header, wherever the hook's data begins.
const HDR_START_NET: i32 = 1;

/// No packet has a byte at or behind this offset (the verifier's `MAX_PACKET_OFF`).
const MAX_PACKET_OFF: u64 = 0xffff;

impl Select<'_> {
    /// `dst` = a 32-bit word of the context.
    pub(super) fn context_word(&mut self, dst: Reg, off: i16) {
        self.emit(Op::Load { width: Width::B4, dst, base: Reg::CTX, off });
    }

    /// `dst` = bytes of the packet.
    pub(super) fn packet_len(&mut self, dst: Reg) {
        match self.kind {
            HookKind::Xdp => {
                let start = self.fresh();
                self.context_word(dst, XDP_DATA_END);
                self.context_word(start, XDP_DATA);
                self.emit_alu(Alu::Sub, dst, Src::Reg(start));
            }
            HookKind::Socket => {
                // Segments that the network card joined can be longer than any packet on the wire.
                let short = self.label();
                self.context_word(dst, SKB_LEN);
                let limit = Src::Imm(MAX_PACKET_OFF as i32);
                self.emit_branch(Test::Le, dst, limit, short);
                self.emit(Op::mov(dst, limit));
                self.emit(Op::Label(short));
            }
        }
    }

    /// Goes on where `[off, off + len)` is readable through `ptr`, else to `failed`.
    pub(super) fn guard(&mut self, off: Value, len_bytes: u32, ptr: Value, failed: Label) {
        let most = MAX_PACKET_OFF.checked_sub(u64::from(len_bytes));
        let constant = self.func.constant(off);
        match most {
            Some(most) if constant.is_none_or(|n| n <= most) => match self.kind {
                HookKind::Xdp => self.guard_pointer(off, len_bytes, most, ptr, failed),
                HookKind::Socket => self.guard_window(off, len_bytes, ptr, failed),
            },
            Some(_) | None => self.emit(Op::Jump(failed)),
        }
    }

    /// Guards of fixed places share one pointer to the packet's start and one to its end, as long as the way
    /// from the first to the next is straight.
    fn guard_fixed(&mut self, off: u32, len: u32, ptr: Value, failed: Label) {
        let (start, end) = *self.edges.get_or_insert_with(|| {
            let (start, end) = (self.code.fresh(false), self.code.fresh(false));
            for (dst, off) in [(start, XDP_DATA), (end, XDP_DATA_END)] {
                let load = Op::Load { width: Width::B4, dst, base: Reg::CTX, off };
                self.code.ops.push((load, self.line));
            }
            (start, end)
        });
        let past = self.code.fresh(true);
        self.emit(Op::mov(past, Src::Reg(start)));
        self.emit_alu(Alu::Add, past, Src::Imm((off + len) as i32));
        self.emit_branch(Test::Gt, past, Src::Reg(end), failed);
        self.regs[ptr] = Some(start);
        self.bias_bytes[ptr] = off;
    }

    /// The pointer is made once, compared once, and then only copied: what the verifier learns at the
    /// comparison belongs to this one value.
    fn guard_pointer(&mut self, off: Value, len: u32, most: u64, ptr: Value, failed: Label) {
        let variable = match self.func.constant(off) {
            Some(n) => return self.guard_fixed(n as u32, len, ptr, failed),
            None if self.seen_max[off] <= most => self.home(off),
            None => {
                // One register for comparison and sum, or the verifier may not see that they are one.
                let bounded = self.code.fresh(true);
                self.set(bounded, off);
                self.emit_branch(Test::Gt, bounded, Src::Imm(most as i32), failed);
                bounded
            }
        };
        let start = self.code.fresh(true);
        let (past, end) = (self.code.fresh(true), self.code.fresh(true));
        self.context_word(start, XDP_DATA);
        self.emit_alu(Alu::Add, start, Src::Reg(variable));
        self.emit(Op::mov(past, Src::Reg(start)));
        self.emit_alu(Alu::Add, past, Src::Imm(len as i32));
        self.context_word(end, XDP_DATA_END);
        self.emit_branch(Test::Gt, past, Src::Reg(end), failed);
        let home = self.home(ptr);
        self.emit(Op::mov(home, Src::Reg(start)));
    }

    fn guard_window(&mut self, off: Value, len_bytes: u32, ptr: Value, failed: Label) {
        if self.max(off) > MAX_PACKET_OFF {
            // The helper takes 32 bits.
            let lhs = self.home(off);
            self.emit_branch(Test::Gt, lhs, Src::Imm(MAX_PACKET_OFF as i32), failed);
        }
        let args = vec![
            Arg::Src(Src::Reg(Reg::CTX)),
            Arg::Src(self.src(off)),
            Arg::Frame(self.windows.offset[ptr]),
            Arg::Src(Src::Imm(len_bytes as i32)),
            Arg::Src(Src::Imm(HDR_START_NET)),
        ];
        let error = self.emit_call(Callee::Helper(Helper::SkbLoadBytesRelative), args);
        self.emit_branch(Test::Ne, error, Src::Imm(0), failed);
    }

    /// `dst` = `width` bytes at `ptr + disp_bytes`.
    pub(super) fn packet_load(&mut self, dst: Reg, ptr: Value, disp_bytes: u32, width: Width) {
        match self.kind {
            HookKind::Xdp => {
                let mut base = self.home(ptr);
                let mut disp = disp_bytes + self.bias_bytes[ptr];
                if i16::try_from(disp).is_err() {
                    let far = self.fresh();
                    self.emit(Op::mov(far, Src::Reg(base)));
                    self.emit_alu(Alu::Add, far, Src::Imm(disp as i32));
                    (base, disp) = (far, 0);
                }
                self.emit(Op::Load { width, dst, base, off: disp as i16 });
            }
            HookKind::Socket => self.window_load(dst, ptr, disp_bytes, width),
        }
    }

    fn window_load(&mut self, dst: Reg, ptr: Value, disp_bytes: u32, width: Width) {
        let first = self.windows.offset[ptr] + disp_bytes as i16;
        for (from, piece) in pieces(u32::from(first as u16 & 7), width) {
            let part = if from == 0 { dst } else { self.fresh() };
            let off = first + from as i16;
            self.emit(Op::Load { width: piece, dst: part, base: Reg::FP, off });
            if from > 0 {
                self.emit_alu(Alu::Lsh, part, Src::Imm(8 * from as i32));
                self.emit_alu(Alu::Or, dst, Src::Reg(part));
            }
        }
    }
}
