//! Which instructions the interpreter runs as the kernel does.
//!
//! rbpf 0.4.1 ignores what newer instruction sets put into the offset and source fields, extends
//! negative immediates of 64-bit unsigned comparisons with zeros, has no atomics, and leaves the
//! program in places when control runs off its end. What is not known to be right is refused here.

use crate::LoadError;
use crate::insn::{CALL, EXIT, Insn, JA, LD_DW, PSEUDO_CALL};
use crate::object::Function;
use l4c_manifest::HookKind;

/// Slots a function may have; rbpf counts them in 15 bits, and a prologue comes on top.
pub const MAX_INSNS: usize = 30_000;

/// Helpers that programs may call: numbers of `include/uapi/linux/bpf.h`.
pub mod helper {
    /// `bpf_map_lookup_elem`
    pub const MAP_LOOKUP_ELEM: i32 = 1;
    /// `bpf_map_update_elem`
    pub const MAP_UPDATE_ELEM: i32 = 2;
    /// `bpf_map_delete_elem`
    pub const MAP_DELETE_ELEM: i32 = 3;
    /// `bpf_ktime_get_ns`
    pub const KTIME_GET_NS: i32 = 5;
    /// `bpf_jiffies64`
    pub const JIFFIES64: i32 = 118;
    /// `bpf_spin_lock`
    pub const SPIN_LOCK: i32 = 93;
    /// `bpf_spin_unlock`
    pub const SPIN_UNLOCK: i32 = 94;
    /// `bpf_get_prandom_u32`
    pub const GET_PRANDOM_U32: i32 = 7;
    /// `bpf_perf_event_output`
    pub const PERF_EVENT_OUTPUT: i32 = 25;
    /// `bpf_get_smp_processor_id`
    pub const GET_SMP_PROCESSOR_ID: i32 = 8;
    /// `bpf_redirect`
    pub const REDIRECT: i32 = 23;
    /// `bpf_xdp_adjust_head`
    pub const XDP_ADJUST_HEAD: i32 = 44;
    /// `bpf_xdp_adjust_tail`
    pub const XDP_ADJUST_TAIL: i32 = 65;
    /// `bpf_skb_load_bytes`
    pub const SKB_LOAD_BYTES: i32 = 26;
    /// `bpf_skb_load_bytes_relative`
    pub const SKB_LOAD_BYTES_RELATIVE: i32 = 68;
}

/// The helpers that a hook's programs may call, among those that l4c uses.
const fn helpers(kind: HookKind) -> &'static [i32] {
    match kind {
        HookKind::Xdp => &[
            helper::MAP_LOOKUP_ELEM,
            helper::MAP_UPDATE_ELEM,
            helper::MAP_DELETE_ELEM,
            helper::KTIME_GET_NS,
            helper::JIFFIES64,
            helper::GET_PRANDOM_U32,
            helper::GET_SMP_PROCESSOR_ID,
            helper::SPIN_LOCK,
            helper::SPIN_UNLOCK,
            helper::REDIRECT,
            helper::PERF_EVENT_OUTPUT,
            helper::XDP_ADJUST_HEAD,
            helper::XDP_ADJUST_TAIL,
        ],
        HookKind::Socket => &[
            helper::MAP_LOOKUP_ELEM,
            helper::MAP_UPDATE_ELEM,
            helper::MAP_DELETE_ELEM,
            helper::KTIME_GET_NS,
            helper::JIFFIES64,
            helper::GET_PRANDOM_U32,
            helper::GET_SMP_PROCESSOR_ID,
            helper::PERF_EVENT_OUTPUT,
            helper::SKB_LOAD_BYTES,
            helper::SKB_LOAD_BYTES_RELATIVE,
        ],
    }
}

/// Refuses a function, called from a hook of `kind`, with anything in it that would be run wrongly.
///
/// # Errors
/// [`LoadError::Insn`] or [`LoadError::TooLong`].
pub fn check(function: &Function, kind: HookKind) -> Result<(), LoadError> {
    let insns = &function.insns;
    let name = || function.name.clone();
    if insns.len() > MAX_INSNS {
        return Err(LoadError::TooLong { function: name(), insns: insns.len(), max: MAX_INSNS });
    }
    let error = |index: usize, why| {
        let code = insns.get(index).map_or(0, |i| i.code);
        LoadError::Insn { function: name(), index, code, why }
    };
    let mut index = 0;
    let mut last = None;
    while let Some(&insn) = insns.get(index) {
        let relocated = function.refs.contains_key(&index);
        let why = refuse(insn, relocated, kind).or_else(|| strays(insn, index, insns.len()));
        why.map_or(Ok(()), |why| Err(error(index, why)))?;
        last = Some(insn.code);
        index += if insn.code == LD_DW { 2 } else { 1 };
    }
    if matches!(last, Some(EXIT | JA)) { Ok(()) } else { Err(error(index, "runs off the end")) }
}

// Instruction classes; the one left is 64-bit arithmetic.
const LD: u8 = 0;
const LDX: u8 = 1;
const ST: u8 = 2;
const STX: u8 = 3;
const ALU32: u8 = 4;
const JMP: u8 = 5;
const JMP32: u8 = 6;

/// Refuses jumps out of the function. rbpf sees only whether they leave the program, to which we
/// add a prologue that must run once.
fn strays(insn: Insn, index: usize, insns: usize) -> Option<&'static str> {
    let jumps = matches!(insn.code & 7, JMP | JMP32) && insn.code != CALL && insn.code != EXIT;
    let target = (index + 1).checked_add_signed(isize::from(insn.off));
    (jumps && target.is_none_or(|t| t >= insns)).then_some("jump out of the function")
}

/// Why an instruction can't be run, if it can't.
fn refuse(insn: Insn, relocated: bool, kind: HookKind) -> Option<&'static str> {
    match insn.code & 7 {
        LD => load_immediate(insn, relocated),
        LDX | ST => (!is_mem(insn)).then_some("sign-extending or legacy load"),
        STX => (!is_mem(insn) && !is_exchange(insn)).then_some("atomic operation"),
        JMP if insn.code == CALL => call(insn, relocated, kind),
        class @ (JMP | JMP32) => jump(insn, class == JMP),
        class => alu(insn, class == ALU32),
    }
}

/// Plain load or store mode (`BPF_MEM`).
fn is_mem(insn: Insn) -> bool {
    insn.code >> 5 == 3
}

/// Compare and exchange of 64 bits: see [`link`](super::link::link).
pub fn is_exchange(insn: Insn) -> bool {
    const ATOMIC_DW: u8 = 0xdb;
    const CMPXCHG: i32 = 0xf1;
    (insn.code, insn.imm) == (ATOMIC_DW, CMPXCHG)
}

fn load_immediate(insn: Insn, relocated: bool) -> Option<&'static str> {
    if insn.code != LD_DW {
        Some("legacy packet load")
    } else if insn.dst > 9 {
        Some("writes the frame pointer")
    } else {
        (insn.src != 0 && !relocated).then_some("address that no relocation explains")
    }
}

fn call(insn: Insn, relocated: bool, kind: HookKind) -> Option<&'static str> {
    match insn.src {
        0 if helpers(kind).contains(&insn.imm) => None,
        0 => Some("call of an unknown helper"),
        PSEUDO_CALL => (!relocated).then_some("call that no relocation explains"),
        _ => Some("call of a kernel function"),
    }
}

/// Jumps other than calls; `wide` if they compare 64 bits.
fn jump(insn: Insn, wide: bool) -> Option<&'static str> {
    // Indexed by the operation, code >> 4.
    const COMPARES_UNSIGNED: [u8; 6] = [0x1, 0x2, 0x3, 0x5, 0xa, 0xb];
    const COMPARES_OTHERWISE: [u8; 5] = [0x4, 0x6, 0x7, 0xc, 0xd];
    let (op, immediate) = (insn.code >> 4, insn.code & 8 == 0);
    if insn.code == EXIT || insn.code == JA {
        None
    } else if COMPARES_UNSIGNED.contains(&op) {
        (wide && immediate && insn.imm < 0).then_some("64-bit comparison with a negative immediate")
    } else {
        (!COMPARES_OTHERWISE.contains(&op)).then_some("unknown jump")
    }
}

/// Arithmetic; `narrow` if of 32 bits.
fn alu(insn: Insn, narrow: bool) -> Option<&'static str> {
    // add sub mul div or and lsh rsh, then xor mov arsh; mod of 64 bits. Not neg and mod of 32:
    // rbpf panics on a number, or leaves upper bits in place.
    const OPS: [u8; 11] = [0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc];
    const MOD: u8 = 0x9;
    const BYTE_ORDER: u8 = 0xd;
    if insn.off != 0 {
        Some("signed division or sign-extending move")
    } else if insn.code >> 4 == BYTE_ORDER {
        (!narrow).then_some("unconditional byte swap")
    } else {
        let op = insn.code >> 4;
        (!OPS.contains(&op) && (narrow || op != MOD)).then_some("unknown arithmetic")
    }
}
