//! Packets handed to whoever listens.

use super::Select;
use crate::mach::{Alu, Arg, Callee, Helper, Op, Reg, Src, Symbol};
use l4c_ir::{Value, Width};
use l4c_manifest::{HookKind, SAMPLE_MAGIC, SampleHead};

/// Offsets of `ingress_ifindex` of `struct xdp_md` and of `ifindex` of `struct __sk_buff`
/// (`include/uapi/linux/bpf.h`).
const XDP_IFINDEX: i16 = 12;
const SKB_IFINDEX: i16 = 40;

/// Where in the flags of the helper the number of the packet's bytes stands, and below it which ring:
/// `BPF_F_CURRENT_CPU`.
const FLAGS_BYTES_SHIFT: i32 = 32;
const FLAGS_CURRENT_CPU: u64 = 0xffff_ffff;

/// Bytes of the frame that a head takes: a multiple of 8.
const HEAD_FRAME_BYTES: u32 = SampleHead::BYTES.next_multiple_of(8) as u32;

impl Select<'_> {
    /// Writes the head into the frame and has the kernel copy it and the packet behind it into this CPU's ring.
    /// What it answers (nobody listens, the ring is full) is nothing to a rule.
    pub(super) fn sample(&mut self, slot: Value, packet_bytes: Value, kept_bytes: Value) {
        self.code.frame_bytes += HEAD_FRAME_BYTES;
        let head = i16::try_from(self.code.frame_bytes).map_or(i16::MIN, |bytes| -bytes);
        let ifindex = self.fresh();
        let off = match self.kind {
            HookKind::Xdp => XDP_IFINDEX,
            HookKind::Socket => SKB_IFINDEX,
        };
        self.emit(Op::Load { width: Width::B4, dst: ifindex, base: Reg::CTX, off });
        let words = [
            (0, Src::Imm(SAMPLE_MAGIC.cast_signed())),
            (SampleHead::SLOT_OFF, self.src(slot)),
            (SampleHead::PACKET_OFF, self.src(packet_bytes)),
            (SampleHead::KEPT_OFF, self.src(kept_bytes)),
            (SampleHead::IFINDEX_OFF, Src::Reg(ifindex)),
        ];
        for (off, src) in words {
            let off = head.saturating_add(off as i16);
            self.emit(Op::Store { width: Width::B4, base: Reg::FP, off, src });
        }
        let (flags, cpu) = (self.fresh(), self.fresh());
        self.set(flags, kept_bytes);
        self.emit_alu(Alu::Lsh, flags, Src::Imm(FLAGS_BYTES_SHIFT));
        self.load_number(cpu, FLAGS_CURRENT_CPU);
        self.emit_alu(Alu::Or, flags, Src::Reg(cpu));
        let args = vec![
            Arg::Src(Src::Reg(Reg::CTX)),
            Arg::Symbol(Symbol::Samples),
            Arg::Src(Src::Reg(flags)),
            Arg::Frame(head),
            Arg::Src(Src::Imm(SampleHead::BYTES as i32)),
        ];
        self.emit(Op::Call { callee: Callee::Helper(Helper::PerfEventOutput), args, ret: None });
    }
}
