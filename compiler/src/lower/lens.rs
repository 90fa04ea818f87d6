//! The lengths word: how long the packet is, where its payload lies, and where DNS begins.
//!
//! It stands beside the layout word where some rule asks for such things; elsewhere it is the packet's length
//! alone. A function of its own makes it, so that the kernel's verifier walks it once.

use super::layout::{IP4, KNOWN, L3_MASK, L3_SHIFT, L4, PROTO_MASK};
use super::needs::Needs;
use super::parse::transport_off;
use crate::fields::{DNS_HEADER_BYTES, Transport};
use crate::ranges::Ranges;
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

/// Bits 0–15: bytes of the packet.
pub const PKT_LEN_MASK: u64 = 0xffff;
/// Bits 16–31: offset of the payload's first byte; 0 if there is none.
pub const START_SHIFT: u64 = 16;
/// Bits 32–47: offset of the byte behind its last.
pub const END_SHIFT: u64 = 32;
/// Each of them.
pub const OFF_MASK: u64 = 0xffff;
/// Bits 48–55: bytes of the first question's name as it is sent, 1 to 255; 0 if the question is not whole.
pub const NAME_SHIFT: u64 = 48;
/// Its bits.
pub const NAME_MASK: u64 = 0xff;
/// Two bytes of length stand in front of the DNS message. The bit is where `(word >> 61) & 2` is those two.
pub const DNS_TCP: u64 = 1 << 62;
/// By so much.
pub const DNS_TCP_SHIFT: u64 = 61;
/// There is a DNS message.
pub const DNS: u64 = 1 << 63;

/// The function being made.
struct Ctx<'b, 'f> {
    b: &'b mut Builder<'f>,
    pkt_len: Value,
    /// Returns the packet's length alone.
    none: Block,
    dns: Option<Dns<'b>>,
}

/// What DNS needs.
#[derive(Clone, Copy)]
struct Dns<'b> {
    ports: &'b Ranges,
    /// The functions that read the first question, behind UDP and behind TCP.
    questions: Option<[Func; 2]>,
}

/// `lens(layout, pkt_len)`: the word.
pub fn lens_function(
    name: &str,
    needs: Needs,
    ports: &Ranges,
    questions: Option<[Func; 2]>,
) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [layout, pkt_len] = [0, 1].map(|i| b.func.params()[i]);
    let none = b.new_block();
    let l4_off = transport_off(&mut b, layout);
    let has_l4 = b.binary_imm(BinOp::And, layout, L4 | KNOWN);
    let there = b.new_block();
    b.br_imm(Cond::Eq, has_l4, L4 | KNOWN, there, none);
    b.switch_to(there);
    let dns = needs.dns.then_some(Dns { ports, questions });
    let mut c = Ctx { b: &mut b, pkt_len, none, dns };
    let end = c.ip_end(layout);
    let proto = c.b.binary_imm(BinOp::And, layout, PROTO_MASK);
    let same = [Transport::Icmp, Transport::Icmp6, Transport::UdpLite];
    for transport in [Transport::Udp, Transport::Tcp].into_iter().chain(same) {
        let [hit, miss] = [(); 2].map(|()| c.b.new_block());
        c.b.br_imm(Cond::Eq, proto, u64::from(transport.proto()), hit, miss);
        c.b.switch_to(hit);
        match transport {
            Transport::Udp => c.udp(l4_off, end),
            Transport::Tcp => c.tcp(l4_off, end),
            Transport::Icmp
            | Transport::Icmp6
            | Transport::Sctp
            | Transport::UdpLite
            | Transport::Dccp
            | Transport::Gre
            | Transport::Esp
            | Transport::Ah
            | Transport::Igmp => {
                c.b.guard(l4_off, 8, none);
                let start = c.b.binary_imm(BinOp::Add, l4_off, 8);
                let word = c.word(start, end);
                c.b.ret(word);
            }
        }
        c.b.switch_to(miss);
    }
    b.jump(none, Vec::new());
    b.switch_to(none);
    b.ret(pkt_len);
    func
}

impl Ctx<'_, '_> {
    /// The byte behind the last that the IP header counts, or behind the packet's last.
    fn ip_end(&mut self, layout: Value) -> Value {
        let shifted = self.b.binary_imm(BinOp::Shr, layout, L3_SHIFT);
        let l3_off = self.b.binary_imm(BinOp::And, shifted, L3_MASK);
        let is_ip4 = self.b.binary_imm(BinOp::And, layout, IP4);
        let [ip4, ip6, both] = [(); 3].map(|()| self.b.new_block());
        let end = self.b.func.add_param(both);
        self.b.br_imm(Cond::Ne, is_ip4, 0, ip4, ip6);
        for (block, header_bytes, at, add) in [(ip4, 20, 2, 0), (ip6, 40, 4, 40)] {
            self.b.switch_to(block);
            let ptr = self.b.guard(l3_off, header_bytes, self.none);
            let len = self.b.load_be(ptr, at, Width::B2);
            let len = self.b.binary_imm(BinOp::Add, len, add);
            let end = self.b.binary(BinOp::Add, l3_off, len);
            self.b.jump(both, vec![end]);
        }
        self.b.switch_to(both);
        self.least(end, self.pkt_len)
    }

    /// The smaller one.
    fn least(&mut self, a: Value, b: Value) -> Value {
        let [take_b, out] = [(); 2].map(|()| self.b.new_block());
        let take_a = self.b.new_block();
        let least = self.b.func.add_param(out);
        self.b.br(Cond::Le, a, b, take_a, take_b);
        self.b.switch_to(take_a);
        self.b.jump(out, vec![a]);
        self.b.switch_to(take_b);
        self.b.jump(out, vec![b]);
        self.b.switch_to(out);
        least
    }

    /// The word without DNS. A payload that ends before it begins is empty.
    fn word(&mut self, start: Value, end: Value) -> Value {
        let [empty, out, some] = [(); 3].map(|()| self.b.new_block());
        let last = self.b.func.add_param(out);
        self.b.br(Cond::Lt, end, start, empty, some);
        self.b.switch_to(empty);
        self.b.jump(out, vec![start]);
        self.b.switch_to(some);
        self.b.jump(out, vec![end]);
        self.b.switch_to(out);
        let start = self.b.binary_imm(BinOp::Shl, start, START_SHIFT);
        let last = self.b.binary_imm(BinOp::Shl, last, END_SHIFT);
        let both = self.b.binary(BinOp::Or, start, last);
        self.b.binary(BinOp::Or, both, self.pkt_len)
    }

    fn udp(&mut self, l4_off: Value, end: Value) {
        let none = self.none;
        let ptr = self.b.guard(l4_off, 8, none);
        let udp_len = self.b.load_be(ptr, 4, Width::B2);
        let udp_end = self.b.binary(BinOp::Add, l4_off, udp_len);
        let end = self.least(udp_end, end);
        let start = self.b.binary_imm(BinOp::Add, l4_off, 8);
        let word = self.word(start, end);
        if let Some(dns) = self.dns {
            self.ports(dns, ptr, word);
            let header_end = self.b.binary_imm(BinOp::Add, start, DNS_HEADER_BYTES.into());
            self.message(dns, word, (start, header_end, end), DNS);
        } else {
            self.b.ret(word);
        }
    }

    fn tcp(&mut self, l4_off: Value, end: Value) {
        let none = self.none;
        let ptr = self.b.guard(l4_off, 20, none);
        let byte = self.b.load(ptr, 12, Width::B1);
        let words = self.b.binary_imm(BinOp::Shr, byte, 4);
        let [long_enough, inside] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Lt, words, 5, none, long_enough);
        self.b.switch_to(long_enough);
        let bytes = self.b.binary_imm(BinOp::Shl, words, 2);
        let start = self.b.binary(BinOp::Add, l4_off, bytes);
        self.b.br(Cond::Gt, start, self.pkt_len, none, inside);
        self.b.switch_to(inside);
        let word = self.word(start, end);
        if let Some(dns) = self.dns {
            self.ports(dns, ptr, word);
            // RFC 1035 4.2.2: its length stands in front of a message.
            let plain = self.plain(word);
            let ptr = self.b.guard(start, 2, plain);
            let len = self.b.load_be(ptr, 0, Width::B2);
            let first = self.b.binary_imm(BinOp::Add, start, 2);
            let last = self.b.binary(BinOp::Add, first, len);
            let whole = self.b.new_block();
            self.b.br(Cond::Gt, last, end, plain, whole);
            self.b.switch_to(whole);
            let header_end = self.b.binary_imm(BinOp::Add, first, DNS_HEADER_BYTES.into());
            self.message(dns, word, (first, header_end, last), DNS | DNS_TCP);
        } else {
            self.b.ret(word);
        }
    }

    /// A block that returns `word`.
    fn plain(&mut self, word: Value) -> Block {
        let here = self.b.block();
        let block = self.b.new_block();
        self.b.switch_to(block);
        self.b.ret(word);
        self.b.switch_to(here);
        block
    }

    /// Goes on where one of the ports behind `ptr` is one of those that DNS is spoken on.
    fn ports(&mut self, dns: Dns<'_>, ptr: Value, word: Value) {
        let plain = self.plain(word);
        let hit = self.b.new_block();
        for off_bytes in [2, 0] {
            let port = self.b.load_be(ptr, off_bytes, Width::B2);
            for &(lo, hi) in dns.ports.as_slice() {
                let [low, high] = [lo, hi].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
                let miss = self.b.new_block();
                if low == high {
                    self.b.br_imm(Cond::Eq, port, low, hit, miss);
                } else {
                    let above = self.b.binary_imm(BinOp::Sub, port, low);
                    self.b.br_imm(Cond::Le, above, high - low, hit, miss);
                }
                self.b.switch_to(miss);
            }
        }
        self.b.jump(plain, Vec::new());
        self.b.switch_to(hit);
    }

    /// Returns `word`, with its bits if the message in `[first, last)` has a whole header.
    fn message(
        &mut self,
        dns: Dns<'_>,
        word: Value,
        (first, header_end, last): (Value, Value, Value),
        bits: u64,
    ) {
        let plain = self.plain(word);
        let whole = self.b.new_block();
        self.b.br(Cond::Gt, header_end, last, plain, whole);
        self.b.switch_to(whole);
        let mut word = self.b.binary_imm(BinOp::Or, word, bits);
        if let Some([of_udp, of_tcp]) = dns.questions {
            let question = if bits & DNS_TCP == 0 { of_udp } else { of_tcp };
            let name_bytes = self.b.call(question, vec![first, last]);
            let at = self.b.binary_imm(BinOp::Shl, name_bytes, NAME_SHIFT);
            word = self.b.binary(BinOp::Or, word, at);
        }
        self.b.ret(word);
    }
}
