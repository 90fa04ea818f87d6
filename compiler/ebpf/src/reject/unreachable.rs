//! "Port unreachable", with as much of the packet in it as the standards want: an answer over IPv4 has at most
//! 576 bytes (RFC 1812, section 4.3.2.3), one over IPv6 at most 1280 (RFC 4443, section 2.4).
//!
//! The packet's own datagram stays where it is. What is too much of it is cut off, new headers are put in front,
//! and the link header moves before them.

use super::emit::{Emit, be16};
use super::reset::length_off;
use super::{END, Family, NET, NET_OFF, R0, R1, R4, R5, R9, TRANSPORT_OFF};
use crate::mach::{Alu, Helper, Label, Src, Test};
use l4c_ir::Width;

const ICMP_BYTES: i16 = 8;

/// Words that are summed in one round of the loop.
const ROUND_WORDS: i16 = 4;

/// What differs between the families.
struct Message {
    family: Family,
    /// Bytes in front of the datagram.
    headers: i16,
    /// Bytes of the datagram at most.
    max_quote: i32,
    /// Type and code.
    kind: [u8; 2],
}

impl Message {
    fn of(family: Family) -> Self {
        let headers = family.header_bytes() + ICMP_BYTES;
        let (max_bytes, kind) = match family {
            Family::V4 => (576, [3, 3]),
            Family::V6 => (1280, [1, 4]),
        };
        Self { family, headers, max_quote: max_bytes - i32::from(headers), kind }
    }
}

pub fn answer(e: &mut Emit, family: Family) {
    let message = Message::of(family);
    cut(e, &message);
    e.mov(NET, Src::Imm(-i32::from(message.headers)));
    e.adjust(Helper::XdpAdjustHead);
    e.packet_ends(NET, END);
    link_header(e, message.headers);
    e.alu(Alu::Add, NET, Src::Reg(NET_OFF));
    e.need(NET, message.headers + family.header_bytes(), END);
    network_header(e, &message);
    icmp_header(e, &message);
}

/// r9 = bytes of the datagram that are quoted; what lies behind them is cut off.
fn cut(e: &mut Emit, message: &Message) {
    e.load_be16(R9, NET, length_off(message.family));
    if message.family == Family::V6 {
        e.alu(Alu::Add, R9, Src::Imm(message.family.header_bytes().into()));
    }
    // A datagram holds its own headers.
    e.mov(R0, Src::Reg(TRANSPORT_OFF));
    e.alu(Alu::Sub, R0, Src::Reg(NET_OFF));
    e.drop_if(Test::Lt, R9, Src::Reg(R0));
    // r5: bytes of it that are there.
    e.mov(R5, Src::Reg(END));
    e.alu(Alu::Sub, R5, Src::Reg(NET));
    for most in [Src::Reg(R5), Src::Imm(message.max_quote)] {
        let fits = e.label();
        e.branch(Test::Le, R9, most, fits);
        e.mov(R9, most);
        e.place(fits);
    }
    e.mov(NET, Src::Reg(R9));
    e.alu(Alu::Sub, NET, Src::Reg(R5));
    e.adjust(Helper::XdpAdjustTail);
}

/// Puts the link header, its addresses exchanged, at the packet's start, from where it lies `headers` bytes
/// behind it. Every VLAN tag stays.
fn link_header(e: &mut Emit, headers: i16) {
    e.need(NET, headers + 14, END);
    for (from, to) in [(0, 6), (2, 8), (4, 10), (6, 0), (8, 2), (10, 4), (12, 12)] {
        e.load(Width::B2, R0, NET, headers + from);
        e.store(Width::B2, NET, to, Src::Reg(R0));
    }
    let done = e.label();
    for bytes in [14, 18] {
        e.branch(Test::Eq, NET_OFF, Src::Imm(bytes.into()), done);
        e.need(NET, headers + bytes + 4, END);
        e.load(Width::B4, R0, NET, headers + bytes);
        e.store(Width::B4, NET, bytes, Src::Reg(R0));
    }
    e.place(done);
}

fn network_header(e: &mut Emit, message: &Message) {
    let (family, headers) = (message.family, message.headers);
    let (first, words) = (family.addresses_off(), family.address_words());
    for word in 0..2 * words {
        let from = (word + words) % (2 * words);
        e.load(Width::B4, R0, NET, headers + first + 4 * from);
        e.store(Width::B4, NET, first + 4 * word, Src::Reg(R0));
    }
    e.mov(R5, Src::Reg(R9));
    let length_covers = match family {
        Family::V4 => headers,
        Family::V6 => ICMP_BYTES,
    };
    e.alu(Alu::Add, R5, Src::Imm(length_covers.into()));
    e.swap(Width::B2, R5);
    match family {
        // Precedence "internetwork control" (RFC 1812, section 4.3.2.5).
        Family::V4 => super::ip4_header(e, 0xc0, Src::Reg(R5), family.icmp()),
        Family::V6 => super::ip6_header(e, Src::Reg(R5), family.icmp()),
    }
}

/// The message's own header; r5 holds the length of the network header, as it lies in memory.
fn icmp_header(e: &mut Emit, message: &Message) {
    let (family, at) = (message.family, message.family.header_bytes());
    let kind = i32::from(u16::from_ne_bytes(message.kind));
    // r4: the sum.
    e.mov(R4, Src::Imm(kind));
    if family == Family::V6 {
        // The pseudo header (RFC 8200, section 8.1).
        e.alu(Alu::Add, R4, Src::Imm(be16(family.icmp() as u16)));
        e.alu(Alu::Add, R4, Src::Reg(R5));
        e.add_words(R4, NET, family.addresses_off(), 2 * family.address_words());
    }
    sum_quote(e, message);
    e.fold(R4);
    e.store(Width::B4, NET, at, Src::Imm(kind));
    e.store(Width::B4, NET, at + 4, Src::Imm(0));
    e.store(Width::B2, NET, at + 2, Src::Reg(R4));
}

/// Adds the quoted bytes to r4: a loop over most of them, then what is left. The packet ends with them.
fn sum_quote(e: &mut Emit, message: &Message) {
    let (again, rest): (Label, Label) = (e.label(), e.label());
    // r1: the next byte; r5: rounds that are left.
    e.mov(R1, Src::Reg(NET));
    e.alu(Alu::Add, R1, Src::Imm(message.headers.into()));
    e.mov(R5, Src::Imm(message.max_quote / i32::from(4 * ROUND_WORDS)));
    e.place(again);
    e.mov(R0, Src::Reg(R1));
    e.alu(Alu::Add, R0, Src::Imm(i32::from(4 * ROUND_WORDS)));
    e.branch(Test::Gt, R0, Src::Reg(END), rest);
    e.add_words(R4, R1, 0, ROUND_WORDS);
    e.alu(Alu::Add, R1, Src::Imm(i32::from(4 * ROUND_WORDS)));
    e.alu(Alu::Sub, R5, Src::Imm(1));
    e.branch(Test::Ne, R5, Src::Imm(0), again);
    e.place(rest);
    for (width, bytes) in [(Width::B8, 8), (Width::B4, 4), (Width::B2, 2), (Width::B1, 1)] {
        let none = e.label();
        e.mov(R0, Src::Reg(R1));
        e.alu(Alu::Add, R0, Src::Imm(bytes));
        e.branch(Test::Gt, R0, Src::Reg(END), none);
        match width {
            Width::B8 => e.add_words(R4, R1, 0, 2),
            Width::B4 => e.add_words(R4, R1, 0, 1),
            Width::B2 | Width::B1 => {
                e.load(width, R0, R1, 0);
                e.alu(Alu::Add, R4, Src::Reg(R0));
            }
        }
        e.alu(Alu::Add, R1, Src::Imm(bytes));
        e.place(none);
    }
}
