//! A reset for a TCP segment (RFC 9293, section 3.10.7.1, "CLOSED").
//!
//! The answer is shorter than the packet: the header is made in the frame, where the packet's own can still be
//! read, and laid behind the network header; then the rest is cut off.

use super::emit::{Emit, be16};
use super::{
    CTX, DATA, DATA_END, END, Family, NET, NET_OFF, R0, R1, R4, R5, R9, TRANSPORT_OFF, checks,
    swap_addresses,
};
use crate::mach::{Alu, Helper, Reg, Src, Test};
use l4c_ir::Width;

const HEADER_BYTES: i16 = 20;
/// Where the header is made.
const MADE: i16 = -24;

const TCP: u16 = 6;
const RST: i32 = 0x04;
const ACK: i32 = 0x10;
/// Bits of the byte at 13: FIN and SYN, each of which takes a number of the sequence.
const FIN: i32 = 0x01;

pub fn answer(e: &mut Emit, family: Family) {
    e.frame(24);
    checks::transport(e, R1, HEADER_BYTES);
    made(e, family);
    // There must be room for it even if the headers lie: later than expected is fine, earlier is not.
    e.need(NET, family.header_bytes() + HEADER_BYTES, END);
    network_header(e, family);
    swap_addresses(e, family);
    checksum(e, family);
    for word in 0..HEADER_BYTES / 4 {
        e.load(Width::B4, R0, Reg::FP, MADE + 4 * word);
        e.store(Width::B4, NET, family.header_bytes() + 4 * word, Src::Reg(R0));
    }
    swap_link_addresses(e);
    // What lies behind it is too much.
    e.load(Width::B4, R0, CTX, DATA);
    e.load(Width::B4, R1, CTX, DATA_END);
    e.alu(Alu::Sub, R1, Src::Reg(R0));
    e.mov(NET, Src::Reg(NET_OFF));
    e.alu(Alu::Add, NET, Src::Imm((family.header_bytes() + HEADER_BYTES).into()));
    e.alu(Alu::Sub, NET, Src::Reg(R1));
    e.adjust(Helper::XdpAdjustTail);
}

fn swap_link_addresses(e: &mut Emit) {
    e.load(Width::B4, R1, CTX, DATA);
    e.need(R1, 12, END);
    for off in [0, 2, 4] {
        e.load(Width::B2, R0, R1, off);
        e.load(Width::B2, R4, R1, off + 6);
        e.store(Width::B2, R1, off, Src::Reg(R4));
        e.store(Width::B2, R1, off + 6, Src::Reg(R0));
    }
}

/// Makes the header in the frame from the one that r1 points at, its checksum left 0.
fn made(e: &mut Emit, family: Family) {
    // r9: the flags that came.
    e.load(Width::B1, R9, R1, 13);
    e.drop_if(Test::Set, R9, Src::Imm(RST));
    // r5: the end of the header that came, from the packet's start.
    e.load(Width::B1, R5, R1, 12);
    e.alu(Alu::Rsh, R5, Src::Imm(4));
    e.alu(Alu::Lsh, R5, Src::Imm(2));
    e.drop_if(Test::Lt, R5, Src::Imm(HEADER_BYTES.into()));
    e.alu(Alu::Add, R5, Src::Reg(TRANSPORT_OFF));
    // r4: the end of the datagram; then bytes of data, and what SYN and FIN take.
    e.load_be16(R4, NET, length_off(family));
    e.alu(Alu::Add, R4, Src::Reg(NET_OFF));
    if family == Family::V6 {
        e.alu(Alu::Add, R4, Src::Imm(family.header_bytes().into()));
    }
    e.drop_if(Test::Lt, R4, Src::Reg(R5));
    e.alu(Alu::Sub, R4, Src::Reg(R5));
    for shift in [0, 1] {
        e.mov(R0, Src::Reg(R9));
        e.alu(Alu::Rsh, R0, Src::Imm(shift));
        e.alu(Alu::And, R0, Src::Imm(FIN));
        e.alu(Alu::Add, R4, Src::Reg(R0));
    }
    // The ports change places.
    e.load(Width::B2, R0, R1, 0);
    e.load(Width::B2, R5, R1, 2);
    e.store(Width::B2, Reg::FP, MADE, Src::Reg(R5));
    e.store(Width::B2, Reg::FP, MADE + 2, Src::Reg(R0));
    e.store(Width::B4, Reg::FP, MADE + 12, Src::Imm(0));
    e.store(Width::B4, Reg::FP, MADE + 16, Src::Imm(0));
    e.store(Width::B1, Reg::FP, MADE + 12, Src::Imm((i32::from(HEADER_BYTES) / 4) << 4));
    let (acknowledges, numbered) = (e.label(), e.label());
    e.branch(Test::Set, R9, Src::Imm(ACK), acknowledges);
    // It acknowledges nothing: number 0, and all of it is acknowledged.
    e.load(Width::B4, R0, R1, 4);
    e.swap(Width::B4, R0);
    e.alu(Alu::Add, R0, Src::Reg(R4));
    e.swap(Width::B4, R0);
    e.store(Width::B4, Reg::FP, MADE + 4, Src::Imm(0));
    e.store(Width::B4, Reg::FP, MADE + 8, Src::Reg(R0));
    e.store(Width::B1, Reg::FP, MADE + 13, Src::Imm(RST | ACK));
    e.jump(numbered);
    e.place(acknowledges);
    // The number that it waits for.
    e.load(Width::B4, R0, R1, 8);
    e.store(Width::B4, Reg::FP, MADE + 4, Src::Reg(R0));
    e.store(Width::B4, Reg::FP, MADE + 8, Src::Imm(0));
    e.store(Width::B1, Reg::FP, MADE + 13, Src::Imm(RST));
    e.place(numbered);
}

/// Where the length stands in the network header.
pub const fn length_off(family: Family) -> i16 {
    match family {
        Family::V4 => 2,
        Family::V6 => 4,
    }
}

/// Everything of the network header but the addresses.
fn network_header(e: &mut Emit, family: Family) {
    match family {
        Family::V4 => {
            let bytes = be16(20 + HEADER_BYTES as u16);
            super::ip4_header(e, 0, Src::Imm(bytes), i32::from(TCP));
        }
        Family::V6 => super::ip6_header(e, Src::Imm(be16(HEADER_BYTES as u16)), i32::from(TCP)),
    }
}

/// Puts the checksum into the header in the frame; the network header is done.
fn checksum(e: &mut Emit, family: Family) {
    e.mov(R4, Src::Imm(be16(TCP) + be16(HEADER_BYTES as u16)));
    e.add_words(R4, NET, family.addresses_off(), 2 * family.address_words());
    e.add_words(R4, Reg::FP, MADE, HEADER_BYTES / 4);
    e.fold(R4);
    e.store(Width::B2, Reg::FP, MADE + 16, Src::Reg(R4));
}
