//! The body of `reject`: a packet is made an answer to itself and sent back where it came from.
//!
//! TCP is answered by a reset (RFC 9293, section 3.10.7.1), everything else by "port unreachable" (RFC 792, RFC
//! 4443), which is what iptables' REJECT chooses. What must not be answered is dropped (RFC 1122, section
//! 3.2.2; RFC 1812, section 4.3.2.7; RFC 4443, section 2.4): see [`checks`].
//!
//! The code is a function of its own, `(ctx, network offset, transport offset, protocol, family) → code`,
//! written for machine registers: it changes the packet, which the compiler's own representation can't say, and
//! it is the same for every policy. The kernel's verifier walks it once, with unknown arguments.

mod checks;
mod emit;
mod reset;
mod unreachable;

use crate::error::Error;
use crate::mach::{Alu, Code, Reg, Src, Test};
use emit::Emit;
use l4c_ir::{Function, InstData, Width};
use l4c_manifest::{HookKind, Verdict};

/// Offsets of `struct xdp_md` (`include/uapi/linux/bpf.h`).
const DATA: i16 = 0;
const DATA_END: i16 = 4;

/// Bytes of an Ethernet header with two VLAN tags, the most that stands in front of a network header.
const MAX_LINK_BYTES: i32 = 22;
/// A transport header farther out is in no packet that a program is shown.
const MAX_TRANSPORT_OFF: i32 = 0x3fff;

/// Time to live of answers.
const TTL: i32 = 64;

const R0: Reg = Reg::R0;
const R1: Reg = Reg::machine(1);
/// The network header, once it is known to be whole.
const NET: Reg = Reg::machine(2);
/// The packet's end.
const END: Reg = Reg::machine(3);
const R4: Reg = Reg::machine(4);
const R5: Reg = Reg::machine(5);
const CTX: Reg = Reg::CTX;
/// Offset of the network header.
const NET_OFF: Reg = Reg::machine(7);
/// Offset of the transport header.
const TRANSPORT_OFF: Reg = Reg::machine(8);
const R9: Reg = Reg::machine(9);

/// The two versions of IP, and where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// Bytes of the fixed header, which is all that an answer has.
    const fn header_bytes(self) -> i16 {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }

    /// Where the source address lies in the header; the destination follows.
    const fn addresses_off(self) -> i16 {
        match self {
            Self::V4 => 12,
            Self::V6 => 8,
        }
    }

    /// 32-bit words of an address.
    const fn address_words(self) -> i16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 4,
        }
    }

    /// Protocol of ICMP.
    const fn icmp(self) -> i32 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }
}

/// True for a function whose body is written here.
pub fn is_made_here(func: &Function) -> bool {
    let insts = func.order.iter().flat_map(|&block| &func.blocks[block].insts);
    insts.into_iter().any(|&inst| matches!(func.insts[inst], InstData::Reject { .. }))
}

/// The function's code, in machine registers, and the bytes of its frame.
///
/// # Errors
/// For a hook that can send nothing.
pub fn code(kind: HookKind) -> Result<(Code, u32), Error> {
    let (Some(sent), Some(dropped)) = (kind.code(Verdict::Reject), kind.code(Verdict::Drop)) else {
        return Err(Error::Bug(format!("{} hooks answer no packet", kind.name())));
    };
    let mut e = Emit::new();
    e.mov(CTX, Src::Reg(R1));
    e.mov(NET_OFF, Src::Reg(NET));
    e.mov(TRANSPORT_OFF, Src::Reg(END));
    let (v6, finish) = (e.label(), e.label());
    e.drop_if(Test::Gt, NET_OFF, Src::Imm(MAX_LINK_BYTES));
    e.drop_if(Test::Gt, TRANSPORT_OFF, Src::Imm(MAX_TRANSPORT_OFF));
    e.packet_ends(NET, END);
    checks::link(&mut e);
    e.alu(Alu::Add, NET, Src::Reg(NET_OFF));
    e.branch(Test::Eq, R5, Src::Imm(6), v6);
    for family in [Family::V4, Family::V6] {
        if family == Family::V6 {
            e.place(v6);
        }
        let (tcp, icmp) = (e.label(), e.label());
        checks::addresses(&mut e, family);
        e.branch(Test::Eq, R4, Src::Imm(6), tcp);
        e.branch(Test::Ne, R4, Src::Imm(family.icmp()), icmp);
        checks::icmp(&mut e, family);
        e.place(icmp);
        unreachable::answer(&mut e, family);
        e.jump(finish);
        e.place(tcp);
        reset::answer(&mut e, family);
        e.jump(finish);
    }
    e.place(finish);
    e.mov(R0, Src::Imm(sent.cast_signed()));
    e.exit();
    e.place(emit::DROP);
    e.mov(R0, Src::Imm(dropped.cast_signed()));
    e.exit();
    Ok(e.finish())
}

/// Exchanges the addresses of the header that [`NET`] points at.
fn swap_addresses(e: &mut Emit, family: Family) {
    let (first, words) = (family.addresses_off(), family.address_words());
    for word in 0..words {
        let (src, dst) = (first + 4 * word, first + 4 * (words + word));
        e.load(Width::B4, R0, NET, src);
        e.load(Width::B4, R1, NET, dst);
        e.store(Width::B4, NET, src, Src::Reg(R1));
        e.store(Width::B4, NET, dst, Src::Reg(R0));
    }
}

/// Everything but the addresses of the IPv4 header that [`NET`] points at, with its checksum, for which the
/// addresses are there already or only change places. `bytes`: the total length as it lies in memory. Takes
/// r0 and r4.
fn ip4_header(e: &mut Emit, tos: i32, bytes: Src, proto: i32) {
    e.store(Width::B2, NET, 0, Src::Imm(emit::be16(0x4500) | tos << 8));
    e.store(Width::B2, NET, 2, bytes);
    // No identification for what is no fragment and is not to become one (RFC 6864).
    e.store(Width::B4, NET, 4, Src::Imm(0x40 << 16));
    e.store(Width::B4, NET, 8, Src::Imm(TTL | proto << 8));
    e.mov(R4, Src::Imm(0));
    e.add_words(R4, NET, 0, 5);
    e.fold(R4);
    e.store(Width::B2, NET, 10, Src::Reg(R4));
}

/// Everything but the addresses of the IPv6 header that [`NET`] points at. `bytes`: the payload's length as it
/// lies in memory.
fn ip6_header(e: &mut Emit, bytes: Src, proto: i32) {
    e.store(Width::B4, NET, 0, Src::Imm(0x60));
    e.store(Width::B2, NET, 4, bytes);
    e.store(Width::B2, NET, 6, Src::Imm(proto | TTL << 8));
}
