//! The packet inside a tunnel: where it begins, and the layout word of its headers.
//!
//! A function of its own makes that word from the outer one, so that the kernel's verifier walks the inner
//! headers once and knows nothing of the outer ones there. No bit of it is set where there is no tunnel.

use super::layout::{KNOWN, L3, L3_SHIFT, L4, PROTO_MASK};
use super::needs::Needs;
use super::parse::{HeaderReader, transport_off};
use crate::fields::{GUE_PORT, Transport, VXLAN_PORTS};
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};

const UDP_BYTES: u64 = 8;
const VXLAN_BYTES: u64 = 8;
/// "There is a network identifier": RFC 7348 5.
const VXLAN_VNI: u64 = 0x08;
/// What is inside, as an EtherType.
const TYPE_IP4: u64 = 0x0800;
const TYPE_IP6: u64 = 0x86dd;
/// A frame in GRE: RFC 1701.
const TYPE_FRAME: u64 = 0x6558;
/// Protocol numbers of IPv4 and IPv6 inside IP: RFC 2003, RFC 2473.
const PROTO_IP4: u64 = 4;
const PROTO_IP6: u64 = 41;

/// Looks for what a tunnel carries, and goes on where that begins.
struct Finder<'b, 'f> {
    b: &'b mut Builder<'f>,
    pkt_len: Value,
    /// Each takes the offset of the inner packet's first byte.
    frame: Block,
    ip4: Block,
    ip6: Block,
    /// There is no inner packet.
    none: Block,
}

/// `inner(layout, pkt_len) -> word`: the layout word of the packet inside, as far as `needs` says; 0 if there
/// is none. Offsets in it count from the outer packet's first byte.
///
/// They fit: headers in front of the outer transport end before byte 16,500 (8 extension headers of 2,048
/// bytes), and a tunnel's header has at most 136.
pub fn inner_function(name: &str, needs: Needs, walk: Option<Func>) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [layout, pkt_len] = [0, 1].map(|i| b.func.params()[i]);
    let [frame, ip4, ip6, none] = [(); 4].map(|()| b.new_block());
    let [frame_off, ip4_off, ip6_off] = [frame, ip4, ip6].map(|block| b.func.add_param(block));
    Finder { b: &mut b, pkt_len, frame, ip4, ip6, none }.find(layout);

    let mut reader = HeaderReader::open(&mut b, pkt_len, needs, walk);
    reader.b.switch_to(frame);
    reader.frame = Some(frame_off);
    let net = reader.link();
    for (block, off, ether_type) in [(ip4, ip4_off, TYPE_IP4), (ip6, ip6_off, TYPE_IP6)] {
        reader.b.switch_to(block);
        let at = reader.b.binary_imm(BinOp::Shl, off, L3_SHIFT);
        let word = reader.b.binary_imm(BinOp::Or, at, L3);
        let ether_type = reader.b.iconst(ether_type);
        reader.b.jump(net, vec![word, off, ether_type]);
    }
    reader.network_block(net);
    let word = reader.close();
    b.ret(word);
    b.switch_to(none);
    let nothing = b.iconst(0);
    b.ret(nothing);
    func
}

impl Finder<'_, '_> {
    fn find(&mut self, layout: Value) {
        let none = self.none;
        let off = transport_off(self.b, layout);
        let first = self.b.binary_imm(BinOp::And, layout, L4 | KNOWN);
        self.go_on_if(first, L4 | KNOWN);
        let proto = self.b.binary_imm(BinOp::And, layout, PROTO_MASK);
        let [udp, gre] = [(); 2].map(|()| self.b.new_block());
        let [udp_proto, gre_proto] =
            [Transport::Udp, Transport::Gre].map(|transport| u64::from(transport.proto()));
        for (wanted, block, args) in [
            (udp_proto, udp, vec![]),
            (PROTO_IP4, self.ip4, vec![off]),
            (PROTO_IP6, self.ip6, vec![off]),
            (gre_proto, gre, vec![]),
        ] {
            self.case(proto, wanted, block, args);
        }
        self.b.jump(none, Vec::new());
        self.b.switch_to(udp);
        self.udp(off);
        self.b.switch_to(gre);
        self.gre(off);
    }

    /// Goes to `block` if `value` is `wanted`, and on if not.
    fn case(&mut self, value: Value, wanted: u64, block: Block, args: Vec<Value>) {
        let [hit, miss] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Eq, value, wanted, hit, miss);
        self.b.switch_to(hit);
        self.b.jump(block, args);
        self.b.switch_to(miss);
    }

    /// Goes on if `value` is `wanted`; else there is no inner packet.
    fn go_on_if(&mut self, value: Value, wanted: u64) {
        let next = self.b.new_block();
        self.b.br_imm(Cond::Eq, value, wanted, next, self.none);
        self.b.switch_to(next);
    }

    /// Goes to `block` with `first`, unless that lies behind the packet's end.
    fn begins_at(&mut self, first: Value, block: Block) {
        let inside = self.b.new_block();
        self.b.br(Cond::Gt, first, self.pkt_len, self.none, inside);
        self.b.switch_to(inside);
        self.b.jump(block, vec![first]);
    }

    fn udp(&mut self, off: Value) {
        let ptr = self.b.guard(off, 8, self.none);
        let port = self.b.load_be(ptr, 2, Width::B2);
        let behind = self.b.binary_imm(BinOp::Add, off, UDP_BYTES);
        let [vxlan, gue] = [(); 2].map(|()| self.b.new_block());
        for vxlan_port in VXLAN_PORTS {
            self.case(port, u64::from(vxlan_port), vxlan, Vec::new());
        }
        self.case(port, u64::from(GUE_PORT), gue, Vec::new());
        self.b.jump(self.none, Vec::new());
        self.b.switch_to(vxlan);
        let ptr = self.b.guard(behind, 8, self.none);
        let flags = self.b.load(ptr, 0, Width::B1);
        let has_vni = self.b.binary_imm(BinOp::And, flags, VXLAN_VNI);
        self.go_on_if(has_vni, VXLAN_VNI);
        let first = self.b.binary_imm(BinOp::Add, behind, VXLAN_BYTES);
        self.b.jump(self.frame, vec![first]);
        self.b.switch_to(gue);
        self.gue(behind);
    }

    /// RFC 2784, RFC 2890: version 0 without source routes, which may be of any length and nobody takes.
    fn gre(&mut self, off: Value) {
        const ROUTING_AND_VERSION: u64 = 0x4007;
        let ptr = self.b.guard(off, 4, self.none);
        let start = self.b.load_be(ptr, 0, Width::B2);
        let ether_type = self.b.load_be(ptr, 2, Width::B2);
        let other = self.b.binary_imm(BinOp::And, start, ROUTING_AND_VERSION);
        self.go_on_if(other, 0);
        // Each of checksum, key and sequence number is a word.
        let mut first = self.b.binary_imm(BinOp::Add, off, 4);
        for bit in [15, 13, 12] {
            let shifted = self.b.binary_imm(BinOp::Shr, start, bit);
            let one = self.b.binary_imm(BinOp::And, shifted, 1);
            let bytes = self.b.binary_imm(BinOp::Shl, one, 2);
            first = self.b.binary(BinOp::Add, first, bytes);
        }
        for (wanted, carried) in
            [(TYPE_IP4, self.ip4), (TYPE_IP6, self.ip6), (TYPE_FRAME, self.frame)]
        {
            let [hit, miss] = [(); 2].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Eq, ether_type, wanted, hit, miss);
            self.b.switch_to(hit);
            self.begins_at(first, carried);
            self.b.switch_to(miss);
        }
        self.b.jump(self.none, Vec::new());
    }

    /// draft-ietf-intarea-gue: the first two bits tell whether a header follows or the packet itself.
    fn gue(&mut self, off: Value) {
        let ptr = self.b.guard(off, 1, self.none);
        let start = self.b.load(ptr, 0, Width::B1);
        let version = self.b.binary_imm(BinOp::Shr, start, 4);
        self.case(version, 4, self.ip4, vec![off]);
        self.case(version, 6, self.ip6, vec![off]);
        // Variant 0 that is no control message: bits 0, 1 and 2 are clear.
        let kind = self.b.binary_imm(BinOp::And, start, 0xe0);
        self.go_on_if(kind, 0);
        let ptr = self.b.guard(off, 4, self.none);
        let proto = self.b.load(ptr, 1, Width::B1);
        let options = self.b.binary_imm(BinOp::And, start, 0x1f);
        let option_bytes = self.b.binary_imm(BinOp::Shl, options, 2);
        let fixed_end = self.b.binary_imm(BinOp::Add, off, 4);
        let first = self.b.binary(BinOp::Add, fixed_end, option_bytes);
        for (wanted, carried) in [(PROTO_IP4, self.ip4), (PROTO_IP6, self.ip6)] {
            let [hit, miss] = [(); 2].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Eq, proto, wanted, hit, miss);
            self.b.switch_to(hit);
            self.begins_at(first, carried);
            self.b.switch_to(miss);
        }
        self.b.jump(self.none, Vec::new());
    }
}
