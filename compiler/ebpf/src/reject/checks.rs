//! What must not be answered.
//!
//! Broadcasts and multicasts of the link; addresses that do not stand for one host, on either side; resets;
//! errors of ICMP, and what may be one. Later fragments, and packets cut before their transport header, never
//! come here.

use super::emit::{DROP, Emit};
use super::{CTX, DATA, END, Family, NET, R0, R1, TRANSPORT_OFF};
use crate::mach::{Alu, Reg, Src, Test};
use l4c_ir::Width;

/// Types of ICMP that report an error (RFC 792), as bits: unreachable, source quench, redirect, time exceeded,
/// parameter problem.
const ICMP_ERRORS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12;
/// The last type of ICMP that is known to be none (address mask reply).
const LAST_ICMP_TYPE: i32 = 18;
/// Types of ICMPv6 from here on report no error.
const FIRST_ICMP6_INFORMATION: i32 = 128;
/// A redirect of ICMPv6, which is not to be answered either.
const ICMP6_REDIRECT: i32 = 137;

/// Link addresses; [`NET`] points at the packet's start.
pub fn link(e: &mut Emit) {
    e.need(NET, 14, END);
    for off in [0, 6] {
        e.load(Width::B1, R0, NET, off);
        // The group bit: multicast and broadcast.
        e.drop_if(Test::Set, R0, Src::Imm(1));
    }
}

/// Addresses of the header that [`NET`] points at.
pub fn addresses(e: &mut Emit, family: Family) {
    e.need(NET, family.header_bytes(), END);
    let bytes = 4 * family.address_words();
    for address in [family.addresses_off(), family.addresses_off() + bytes] {
        e.load(Width::B1, R0, NET, address);
        match family {
            Family::V4 => {
                // 0.0.0.0/8, 127.0.0.0/8, and from 224.0.0.0 on multicast, reserved, broadcast.
                e.drop_if(Test::Eq, R0, Src::Imm(0));
                e.drop_if(Test::Eq, R0, Src::Imm(127));
                e.drop_if(Test::Ge, R0, Src::Imm(224));
            }
            Family::V6 => {
                // ff00::/8, and the unspecified address.
                e.drop_if(Test::Eq, R0, Src::Imm(0xff));
                e.load(Width::B4, R0, NET, address);
                for word in 1..family.address_words() {
                    e.load(Width::B4, R1, NET, address + 4 * word);
                    e.alu(Alu::Or, R0, Src::Reg(R1));
                }
                e.drop_if(Test::Eq, R0, Src::Imm(0));
            }
        }
    }
}

/// `ptr` = the transport header, of which `bytes` bytes are there; takes r0. [`NET`] stays.
pub fn transport(e: &mut Emit, ptr: Reg, bytes: i16) {
    e.load(Width::B4, ptr, CTX, DATA);
    e.alu(Alu::Add, ptr, Src::Reg(TRANSPORT_OFF));
    e.need(ptr, bytes, END);
}

/// The type of an ICMP message.
pub fn icmp(e: &mut Emit, family: Family) {
    transport(e, R1, 1);
    e.load(Width::B1, R0, R1, 0);
    match family {
        Family::V4 => {
            e.drop_if(Test::Gt, R0, Src::Imm(LAST_ICMP_TYPE));
            e.mov(R1, Src::Imm(1));
            e.alu(Alu::Lsh, R1, Src::Reg(R0));
            e.branch(Test::Set, R1, Src::Imm(ICMP_ERRORS), DROP);
        }
        Family::V6 => {
            e.drop_if(Test::Lt, R0, Src::Imm(FIRST_ICMP6_INFORMATION));
            e.drop_if(Test::Eq, R0, Src::Imm(ICMP6_REDIRECT));
        }
    }
}
