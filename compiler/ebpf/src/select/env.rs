//! What surrounds the packet: where it came from, and where it may go.

use super::Select;
use crate::mach::{Alu, Arg, Callee, Helper, Op, Reg, Src, Symbol, Test};
use l4c_ir::{Clock, Env, Value, Width};
use l4c_manifest::HookKind;

/// Offsets of `struct xdp_md` and `struct __sk_buff` (`include/uapi/linux/bpf.h`).
const XDP_INGRESS_IFINDEX: i16 = 12;
const XDP_RX_QUEUE_INDEX: i16 = 16;
const SKB_MARK: i16 = 8;
const SKB_QUEUE_MAPPING: i16 = 12;
const SKB_IFINDEX: i16 = 40;

/// Bytes of an interface's number in the table that the loader fills.
const NUMBER_BYTES: u32 = l4c_manifest::INTERFACE_BYTES as u32;

impl Select<'_> {
    /// `dst` = a thing of the packet's surroundings.
    pub(super) fn env(&mut self, dst: Reg, env: Env) {
        match (env, self.kind) {
            (Env::PktLen, _) => self.packet_len(dst),
            (Env::Iface, HookKind::Xdp) => self.context_word(dst, XDP_INGRESS_IFINDEX),
            (Env::Iface, HookKind::Socket) => self.context_word(dst, SKB_IFINDEX),
            (Env::RxQueue, HookKind::Xdp) => self.context_word(dst, XDP_RX_QUEUE_INDEX),
            (Env::RxQueue, HookKind::Socket) => self.context_word(dst, SKB_QUEUE_MAPPING),
            (Env::Cpu, _) => {
                let cpu = self.emit_call(Callee::Helper(Helper::SmpProcessorId), Vec::new());
                // The helper gives 32 bits.
                self.emit(Op::Alu { wide: false, alu: Alu::Mov, dst, src: Src::Reg(cpu) });
            }
            // XDP comes before the kernel marks anything.
            (Env::Mark, HookKind::Xdp) => self.emit(Op::mov(dst, Src::Imm(0))),
            (Env::Mark, HookKind::Socket) => self.context_word(dst, SKB_MARK),
            (Env::Now, _) => self.time(dst, Helper::KtimeGetNs),
            (Env::Ticks, _) => self.time(dst, Helper::Jiffies64),
        }
    }

    /// `dst` = what a clock of the kernel shows, or what stands in its place.
    fn time(&mut self, dst: Reg, clock: Helper) {
        match self.module.clock {
            Clock::Kernel => {
                let (callee, args) = (Callee::Helper(clock), Vec::new());
                self.emit(Op::Call { callee, args, ret: Some(dst) });
            }
            Clock::Injected => {
                let out = self.label();
                let entry = self.injected(0);
                self.emit(Op::mov(dst, Src::Imm(0)));
                self.emit_branch(Test::Eq, entry, Src::Imm(0), out);
                self.emit(Op::Load { width: Width::B8, dst, base: entry, off: 0 });
                self.emit(Op::Label(out));
            }
        }
    }

    /// The address of a word that whoever tests the program writes; 0 if there is none.
    fn injected(&mut self, word: i32) -> Reg {
        let (key_off, src) = (self.key_slot(), Src::Imm(word));
        self.emit(Op::Store { width: Width::B4, base: Reg::FP, off: key_off, src });
        let args = vec![Arg::Symbol(Symbol::Clock), Arg::Frame(key_off)];
        self.emit_call(Callee::Helper(Helper::MapLookup), args)
    }

    /// `dst` = a number of 32 bits: by chance, or where a program is tested the next that follows from what is in its
    /// map (`SplitMix64`; Steele, Lea, Flood 2014; the upper half of it).
    pub(super) fn random(&mut self, dst: Reg) {
        if self.module.clock == Clock::Kernel {
            let callee = Callee::Helper(Helper::GetPrandomU32);
            return self.emit(Op::Call { callee, args: Vec::new(), ret: Some(dst) });
        }
        let out = self.label();
        let entry = self.injected(1);
        self.emit(Op::mov(dst, Src::Imm(0)));
        self.emit_branch(Test::Eq, entry, Src::Imm(0), out);
        let factor = self.fresh();
        self.emit(Op::Load { width: Width::B8, dst, base: entry, off: 0 });
        self.emit(Op::Const { dst: factor, value: 0x9e37_79b9_7f4a_7c15 });
        self.emit_alu(Alu::Add, dst, Src::Reg(factor));
        self.emit(Op::Store { width: Width::B8, base: entry, off: 0, src: Src::Reg(dst) });
        for (shift, then) in
            [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb), (31, 1 /* no more */)]
        {
            let upper = self.fresh();
            self.emit(Op::mov(upper, Src::Reg(dst)));
            self.emit_alu(Alu::Rsh, upper, Src::Imm(shift));
            self.emit_alu(Alu::Xor, dst, Src::Reg(upper));
            if then != 1 {
                self.emit(Op::Const { dst: factor, value: then });
                self.emit_alu(Alu::Mul, dst, Src::Reg(factor));
            }
        }
        self.emit_alu(Alu::Rsh, dst, Src::Imm(32));
        self.emit(Op::Label(out));
    }

    /// `dst` = the number in a slot of the table of interfaces.
    pub(super) fn iface_slot(&mut self, dst: Reg, slot: u32) {
        let mut base = self.fresh();
        self.emit(Op::Address { dst: base, symbol: Symbol::Ifaces });
        let disp = slot.saturating_mul(NUMBER_BYTES);
        let off = i16::try_from(disp).unwrap_or_else(|_| {
            let far = self.fresh();
            self.emit(Op::mov(far, Src::Reg(base)));
            self.emit_alu(Alu::Add, far, Src::Imm(disp.cast_signed()));
            base = far;
            0
        });
        self.emit(Op::Load { width: Width::B4, dst, base, off });
    }

    /// Tells the kernel where the packet goes; the program's return code then sends it there.
    pub(super) fn redirect(&mut self, iface: Value) {
        let iface = self.src(iface);
        let args = vec![Arg::Src(iface), Arg::Src(Src::Imm(0))];
        self.emit(Op::Call { callee: Callee::Helper(Helper::Redirect), args, ret: None });
    }
}
