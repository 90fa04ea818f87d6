//! Reading the headers: the entry function's first half, which makes the layout word.

use super::layout::{
    FRAG, IP4, IP6, KNOWN, L3, L3_SHIFT, L4, L4_MASK, L4_SHIFT, LATER, PORTS, PROTO_MASK, TAG1,
    TAG2, TYPE_ARP, TYPE_IP4, TYPE_IP6, UNPARSED, ext_bit,
};
use super::needs::Needs;
use crate::fields::{Ext, MAX_EXT_HEADERS, TAG_TYPES, Transport};
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Function, Value, Width};
use l4c_manifest::Start;

const ETH_BYTES: u64 = 14;
const TAG_BYTES: u64 = 4;

/// Where the reading of a packet's headers ends, each with the layout word in a block's parameter.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// Whatever the packet is.
    pub any: Block,
    /// Where there is such a block, packets of the commonest shape go there: IPv4 right behind an Ethernet
    /// header, first fragments, the transport header whole if that was asked. There the word's parts are
    /// known by themselves.
    pub common: Option<Block>,
}

/// Appends the reading of a packet's headers.
pub struct HeaderReader<'b, 'f> {
    b: &'b mut Builder<'f>,
    pkt_len: Value,
    needs: Needs,
    /// Takes the layout word.
    done: Block,
    /// Takes a layout word whose transport has not been looked at.
    transport: Block,
    /// Walks over extension headers.
    walk: Option<Func>,
    /// For packets of the commonest shape: takes the place of `done` and of `transport`.
    common: Option<(Block, Block)>,
}

/// A layout word under construction: a number known now, and bits of it found at run time.
type Word = Value;

impl<'b, 'f> HeaderReader<'b, 'f> {
    /// Appends everything; `common` asks for a block of its own for the commonest packets.
    pub fn read(
        b: &'b mut Builder<'f>,
        start: Start,
        pkt_len: Value,
        needs: Needs,
        walk: Option<Func>,
        common: bool,
    ) -> Read {
        let mut takes_word = || {
            let block = b.new_block();
            b.func.add_param(block);
            block
        };
        let [done, transport] = [(); 2].map(|()| takes_word());
        let common = common.then(|| (takes_word(), takes_word()));
        let mut reader = HeaderReader { b, pkt_len, needs, done, transport, walk, common };
        match start {
            Start::Link => reader.link(),
            Start::Network => reader.network_start(),
        }
        reader.transport_block(transport);
        if let Some((common_done, transport)) = common {
            reader.done = common_done;
            reader.transport_block(transport);
        }
        Read { any: done, common: common.map(|(done, _)| done) }
    }

    fn finish(&mut self, word: Word) {
        let done = self.done;
        self.b.jump(done, vec![word]);
    }

    fn finish_const(&mut self, word: u64) {
        let word = self.b.iconst(word);
        self.finish(word);
    }

    /// A block that finishes with `word | bits`.
    fn finish_block(&mut self, word: Option<Word>, bits: u64) -> Block {
        let here = self.b.block();
        let block = self.b.new_block();
        self.b.switch_to(block);
        match word {
            Some(word) => {
                let word = self.b.binary_imm(BinOp::Or, word, bits);
                self.finish(word);
            }
            None => self.finish_const(bits),
        }
        self.b.switch_to(here);
        block
    }

    /// Ethernet and up to two tags; each number of tags hands its constant offset to the network part.
    fn link(&mut self) {
        let cut = self.finish_block(None, UNPARSED);
        let zero = self.b.iconst(0);
        let eth = self.b.guard(zero, 14, cut);
        let net = self.b.new_block();
        let word = self.b.func.add_param(net);
        let off = self.b.func.add_param(net);
        let ether_type = self.b.func.add_param(net);

        let mut found = self.b.load_be(eth, 12, Width::B2);
        for (tags, bits) in [(0u64, 0u64), (1, TAG1)] {
            let here = ETH_BYTES + TAG_BYTES * tags;
            let tagged = self.b.new_block();
            let plain = self.b.new_block();
            self.branch_if_one_of(found, &TAG_TYPES.map(u64::from), tagged, plain);
            self.b.switch_to(plain);
            let word = bits | L3 | (here << L3_SHIFT);
            if let (0, Some(common)) = (tags, self.common) {
                // With numbers for offsets, and its own way on for IPv4.
                let [word, off] = [word, here].map(|n| self.b.iconst(n));
                self.network(word, off, found, Some(common));
            } else {
                self.go_to_network(net, word, here, found);
            }
            self.b.switch_to(tagged);
            let cut = self.finish_block(None, bits | UNPARSED);
            let at = self.b.iconst(here);
            let tag = self.b.guard(at, 4, cut);
            found = self.b.load_be(tag, 2, Width::B2);
        }
        let (here, bits) = (ETH_BYTES + 2 * TAG_BYTES, TAG1 | TAG2);
        let plain = self.b.new_block();
        let third = self.finish_block(None, bits | UNPARSED);
        self.branch_if_one_of(found, &TAG_TYPES.map(u64::from), third, plain);
        self.b.switch_to(plain);
        self.go_to_network(net, bits | L3 | (here << L3_SHIFT), here, found);

        self.b.switch_to(net);
        self.network(word, off, ether_type, None);
    }

    fn go_to_network(&mut self, net: Block, word: u64, off: u64, ether_type: Value) {
        let word = self.b.iconst(word);
        let off = self.b.iconst(off);
        self.b.jump(net, vec![word, off, ether_type]);
    }

    fn branch_if_one_of(&mut self, value: Value, wanted: &[u64], yes: Block, no: Block) {
        for (i, &n) in wanted.iter().enumerate() {
            let next = if i + 1 == wanted.len() { no } else { self.b.new_block() };
            self.b.br_imm(Cond::Eq, value, n, yes, next);
            if next != no {
                self.b.switch_to(next);
            }
        }
    }

    /// `ip4_ends`: where IPv4 goes that is found good, without a look at the transport and with one.
    fn network(
        &mut self,
        word: Word,
        off: Value,
        ether_type: Value,
        ip4_ends: Option<(Block, Block)>,
    ) {
        let ip4_ends = ip4_ends.unwrap_or((self.done, self.transport));
        let [ip4, not_ip4, ip6, not_ip6, arp, other] = [(); 6].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Eq, ether_type, 0x0800, ip4, not_ip4);
        self.b.switch_to(not_ip4);
        self.b.br_imm(Cond::Eq, ether_type, 0x86dd, ip6, not_ip6);
        self.b.switch_to(not_ip6);
        self.b.br_imm(Cond::Eq, ether_type, 0x0806, arp, other);
        self.b.switch_to(other);
        self.finish(word);
        self.b.switch_to(arp);
        self.arp(word, off);
        self.b.switch_to(ip4);
        let word4 = self.b.binary_imm(BinOp::Or, word, TYPE_IP4);
        self.ip4(word4, off, ip4_ends);
        self.b.switch_to(ip6);
        let word6 = self.b.binary_imm(BinOp::Or, word, TYPE_IP6);
        self.ip6(word6, off);
    }

    /// Without a link header the first nibble tells the family.
    fn network_start(&mut self) {
        let empty = self.finish_block(None, L3 | UNPARSED);
        let off = self.b.iconst(0);
        let ptr = self.b.guard(off, 1, empty);
        let first = self.b.load(ptr, 0, Width::B1);
        let version = self.b.binary_imm(BinOp::Shr, first, 4);
        let [ip4, not_ip4, ip6] = [(); 3].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Eq, version, 4, ip4, not_ip4);
        self.b.switch_to(not_ip4);
        self.b.br_imm(Cond::Eq, version, 6, ip6, empty);
        self.b.switch_to(ip4);
        let word = self.b.iconst(L3 | TYPE_IP4);
        let ends = (self.done, self.transport);
        self.ip4(word, off, ends);
        self.b.switch_to(ip6);
        let word = self.b.iconst(L3 | TYPE_IP6);
        self.ip6(word, off);
    }

    fn arp(&mut self, word: Word, off: Value) {
        let word = self.b.binary_imm(BinOp::Or, word, TYPE_ARP);
        if !self.needs.unparsed {
            return self.finish(word);
        }
        let cut = self.finish_block(Some(word), UNPARSED);
        let whole = self.finish_block(Some(word), 0);
        let ptr = self.b.guard(off, 8, cut);
        let hw_bytes = self.b.load(ptr, 4, Width::B1);
        let proto_bytes = self.b.load(ptr, 5, Width::B1);
        let pair = self.b.binary(BinOp::Add, hw_bytes, proto_bytes);
        let both = self.b.binary_imm(BinOp::Shl, pair, 1);
        let fixed = self.b.binary_imm(BinOp::Add, both, 8);
        let end = self.b.binary(BinOp::Add, off, fixed);
        let pkt_len = self.pkt_len;
        self.b.br(Cond::Gt, end, pkt_len, cut, whole);
    }

    fn ip4(&mut self, word: Word, off: Value, (done, transport): (Block, Block)) {
        let bad = self.finish_block(Some(word), UNPARSED);
        let ptr = self.b.guard(off, 20, bad);
        let first = self.b.load(ptr, 0, Width::B1);
        let version = self.b.binary_imm(BinOp::Shr, first, 4);
        let [right, long_enough] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Eq, version, 4, right, bad);
        self.b.switch_to(right);
        let ihl_words = self.b.binary_imm(BinOp::And, first, 15);
        self.b.br_imm(Cond::Lt, ihl_words, 5, bad, long_enough);
        self.b.switch_to(long_enough);
        let mut word = self.b.binary_imm(BinOp::Or, word, IP4 | KNOWN);
        let proto = self.b.load(ptr, 9, Width::B1);
        word = self.b.binary(BinOp::Or, word, proto);
        if !self.needs.transport {
            return self.b.jump(done, vec![word]);
        }
        let frag = self.b.load_be(ptr, 6, Width::B2);
        if self.needs.frag {
            word = self.or_if_any(word, frag, 0x3fff, FRAG);
        }
        let hdr_bytes = self.b.binary_imm(BinOp::Shl, ihl_words, 2);
        let l4_off = self.b.binary(BinOp::Add, off, hdr_bytes);
        let cut = self.finish_block(Some(word), UNPARSED);
        let [inside, first_fragment] = [(); 2].map(|()| self.b.new_block());
        let pkt_len = self.pkt_len;
        self.b.br(Cond::Gt, l4_off, pkt_len, cut, inside);
        self.b.switch_to(inside);
        let later = self.finish_block(Some(word), 0);
        let frag_off = self.b.binary_imm(BinOp::And, frag, 0x1fff);
        self.b.br_imm(Cond::Eq, frag_off, 0, first_fragment, later);
        self.b.switch_to(first_fragment);
        let at = self.b.binary_imm(BinOp::Shl, l4_off, L4_SHIFT);
        word = self.b.binary(BinOp::Or, word, at);
        word = self.b.binary_imm(BinOp::Or, word, L4);
        self.b.jump(transport, vec![word]);
    }

    /// `word | bit` if `value & mask` is not zero, else `word`; without a branch, so that the verifier's
    /// states do not double: `0 - x` has its top bit set exactly for small `x` that are not zero.
    fn or_if_any(&mut self, word: Word, value: Value, mask: u64, bit: u64) -> Word {
        let some = self.b.binary_imm(BinOp::And, value, mask);
        let zero = self.b.iconst(0);
        let sign = self.b.binary(BinOp::Sub, zero, some);
        let one = self.b.binary_imm(BinOp::Shr, sign, 63);
        let flag = self.b.binary_imm(BinOp::Shl, one, u64::from(bit.trailing_zeros()));
        self.b.binary(BinOp::Or, word, flag)
    }

    fn ip6(&mut self, word: Word, off: Value) {
        let bad = self.finish_block(Some(word), UNPARSED);
        let ptr = self.b.guard(off, 40, bad);
        let first = self.b.load(ptr, 0, Width::B1);
        let version = self.b.binary_imm(BinOp::Shr, first, 4);
        let right = self.b.new_block();
        self.b.br_imm(Cond::Eq, version, 6, right, bad);
        self.b.switch_to(right);
        let word = self.b.binary_imm(BinOp::Or, word, IP6);
        let Some(walk) = self.walk else { return self.finish(word) };
        let next = self.b.load(ptr, 6, Width::B1);
        let end = self.b.binary_imm(BinOp::Add, off, 40);
        let at = self.b.binary_imm(BinOp::Shl, end, L4_SHIFT);
        let word = self.b.binary(BinOp::Or, word, next);
        let word = self.b.binary(BinOp::Or, word, at);
        let [extended, plain] = [(); 2].map(|()| self.b.new_block());
        branch_if_ext(self.b, next, extended, plain);
        self.b.switch_to(plain);
        let found = self.b.binary_imm(BinOp::Or, word, KNOWN | L4);
        let transport = self.transport;
        self.b.jump(transport, vec![found]);
        self.b.switch_to(extended);
        let pkt_len = self.pkt_len;
        let walked = self.b.call(walk, vec![word, pkt_len]);
        let has_l4 = self.b.binary_imm(BinOp::And, walked, L4);
        let [some, none] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Ne, has_l4, 0, some, none);
        self.b.switch_to(none);
        self.finish(walked);
        self.b.switch_to(some);
        self.b.jump(transport, vec![walked]);
    }

    /// Fills the block that looks at transport headers: only what some rule asks.
    fn transport_block(&mut self, block: Block) {
        self.b.switch_to(block);
        let word = self.b.func.blocks[block].params[0];
        if !self.needs.ports && !self.needs.unparsed {
            return self.finish(word);
        }
        let proto = self.b.binary_imm(BinOp::And, word, PROTO_MASK);
        let off = transport_off(self.b, word);
        let whole = self.finish_block(Some(word), 0);
        let with_ports = self.finish_block(Some(word), PORTS);
        let cut = self.finish_block(Some(word), UNPARSED);
        // Where to if its fixed header is there; the common ones first.
        let mut table = vec![
            (Transport::Tcp, with_ports),
            (Transport::Udp, with_ports),
            (Transport::Icmp, whole),
            (Transport::Icmp6, whole),
            (Transport::UdpLite, with_ports),
            (Transport::Sctp, with_ports),
            (Transport::Dccp, with_ports),
        ];
        if self.needs.unparsed {
            // Only whether they are cut is asked of these.
            let others = [Transport::Gre, Transport::Esp, Transport::Ah, Transport::Igmp];
            table.extend(others.map(|transport| (transport, whole)));
        }
        for (transport, there) in table {
            let [hit, miss] = [(); 2].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Eq, proto, u64::from(transport.proto()), hit, miss);
            self.b.switch_to(hit);
            let ptr = self.b.guard(off, transport.header_bytes(), cut);
            if transport == Transport::Tcp && self.needs.unparsed {
                self.tcp_length(word, off, ptr);
            } else if transport == Transport::Gre {
                self.gre_length(off, ptr, cut, whole);
            } else {
                self.b.jump(there, Vec::new());
            }
            self.b.switch_to(miss);
        }
        self.b.jump(whole, Vec::new());
    }

    /// The first four bytes of a GRE header are there; are the parts that its flags announce? Version 0 only.
    fn gre_length(&mut self, off: Value, ptr: Value, cut: Block, whole: Block) {
        let first = self.b.load_be(ptr, 0, Width::B2);
        let version = self.b.binary_imm(BinOp::And, first, 7);
        let known = self.b.new_block();
        self.b.br_imm(Cond::Eq, version, 0, known, whole);
        self.b.switch_to(known);
        let [checksum, routing, key, seq] = [15, 14, 13, 12].map(|at| {
            let shifted = self.b.binary_imm(BinOp::Shr, first, at);
            self.b.binary_imm(BinOp::And, shifted, 1)
        });
        // Checksum and routing share a word: RFC 1701.
        let mut words = self.b.binary(BinOp::Or, checksum, routing);
        words = self.b.binary(BinOp::Add, words, key);
        words = self.b.binary(BinOp::Add, words, seq);
        let bytes = self.b.binary_imm(BinOp::Shl, words, 2);
        let fixed = self.b.binary_imm(BinOp::Add, bytes, 4);
        let end = self.b.binary(BinOp::Add, off, fixed);
        let pkt_len = self.pkt_len;
        self.b.br(Cond::Gt, end, pkt_len, cut, whole);
    }

    /// The fixed TCP header is there; are its options? It has ports either way.
    fn tcp_length(&mut self, word: Word, off: Value, ptr: Value) {
        let bad = self.finish_block(Some(word), PORTS | UNPARSED);
        let good = self.finish_block(Some(word), PORTS);
        let byte = self.b.load(ptr, 12, Width::B1);
        let words = self.b.binary_imm(BinOp::Shr, byte, 4);
        let long_enough = self.b.new_block();
        self.b.br_imm(Cond::Lt, words, 5, bad, long_enough);
        self.b.switch_to(long_enough);
        let bytes = self.b.binary_imm(BinOp::Shl, words, 2);
        let end = self.b.binary(BinOp::Add, off, bytes);
        let pkt_len = self.pkt_len;
        self.b.br(Cond::Gt, end, pkt_len, bad, good);
    }
}

/// Offset of the transport header in a layout word.
pub fn transport_off(b: &mut Builder<'_>, word: Value) -> Value {
    let shifted = b.binary_imm(BinOp::Shr, word, L4_SHIFT);
    b.binary_imm(BinOp::And, shifted, L4_MASK)
}

/// Is `next` an extension header that is walked?
fn branch_if_ext(b: &mut Builder<'_>, next: Value, yes: Block, no: Block) {
    let small = Ext::ALL.iter().filter(|e| e.proto() < 64).fold(0u64, |m, e| m | (1 << e.proto()));
    let [low, high] = [(); 2].map(|()| b.new_block());
    b.br_imm(Cond::Lt, next, 64, low, high);
    b.switch_to(high);
    b.br_imm(Cond::Eq, next, u64::from(Ext::Mobility.proto()), yes, no);
    b.switch_to(low);
    let mask = b.iconst(small);
    let shifted = b.binary(BinOp::Shr, mask, next);
    let bit = b.binary_imm(BinOp::And, shifted, 1);
    b.br_imm(Cond::Ne, bit, 0, yes, no);
}

/// The function that walks over extension headers: `walk(word, pkt_len) -> word`. In `word` the protocol
/// is the header to look at and the transport offset its place; on return they are the transport's. If
/// the walk ends badly the result is [`UNPARSED`] and knows no protocol.
///
/// Each step is a call of `step`: inline, the kernel's verifier would follow every sequence of header
/// kinds (six to the eighth); a function it verifies once.
pub fn walk_function(name: &str, step: Func) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [mut word, pkt_len] = [0, 1].map(|i| b.func.params()[i]);
    let good = b.new_block();
    let good_word = b.func.add_param(good);
    let bad = b.new_block();
    let bad_word = b.func.add_param(bad);
    for round in 0..=MAX_EXT_HEADERS {
        let next = b.binary_imm(BinOp::And, word, PROTO_MASK);
        let [again, end, more] = [(); 3].map(|()| b.new_block());
        branch_if_ext(&mut b, next, again, end);
        b.switch_to(end);
        b.jump(good, vec![word]);
        b.switch_to(again);
        if round == MAX_EXT_HEADERS {
            b.jump(bad, vec![word]);
            break;
        }
        let walked = b.call(step, vec![word, pkt_len]);
        let [failed, later, not_failed] = [(); 3].map(|()| b.new_block());
        let unparsed = b.binary_imm(BinOp::And, walked, UNPARSED);
        b.br_imm(Cond::Ne, unparsed, 0, failed, not_failed);
        b.switch_to(failed);
        b.jump(bad, vec![walked]);
        b.switch_to(not_failed);
        let ended = b.binary_imm(BinOp::And, walked, LATER);
        b.br_imm(Cond::Ne, ended, 0, later, more);
        b.switch_to(later);
        let known = b.binary_imm(BinOp::Or, walked, KNOWN);
        b.ret(known);
        b.switch_to(more);
        word = walked;
    }
    b.switch_to(good);
    let found = b.binary_imm(BinOp::Or, good_word, KNOWN | L4);
    b.ret(found);
    b.switch_to(bad);
    let cleared = b.binary_imm(BinOp::And, bad_word, !PROTO_MASK);
    let result = b.binary_imm(BinOp::Or, cleared, UNPARSED);
    b.ret(result);
    func
}

/// One step of the walk: `step(word, pkt_len) -> word`, past one extension header.
pub fn step_function(name: &str) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let [word, pkt_len] = [0, 1].map(|i| b.func.params()[i]);
    let cut = b.new_block();
    let off = transport_off(&mut b, word);
    let ptr = b.guard(off, 8, cut);
    let next = b.load(ptr, 0, Width::B1);
    let len_field = b.load(ptr, 1, Width::B1);
    let kind = b.binary_imm(BinOp::And, word, PROTO_MASK);
    let past = b.new_block();
    let bytes = b.func.add_param(past);
    let bits = b.func.add_param(past);
    let kinds = [Ext::HopByHop, Ext::Routing, Ext::DstOpts, Ext::Mobility, Ext::Auth];
    for ext in kinds {
        let [hit, miss] = [(); 2].map(|()| b.new_block());
        b.br_imm(Cond::Eq, kind, u64::from(ext.proto()), hit, miss);
        b.switch_to(hit);
        // RFC 8200 4.2: units of 8 bytes, the first not counted; RFC 4302 2.2: units of 4, two not counted.
        let (unit_shift, not_counted) = if ext == Ext::Auth { (2, 2) } else { (3, 1) };
        let units = b.binary_imm(BinOp::Add, len_field, not_counted);
        let bytes = b.binary_imm(BinOp::Shl, units, unit_shift);
        let bits = b.iconst(ext_bit(ext));
        b.jump(past, vec![bytes, bits]);
        b.switch_to(miss);
    }
    fragment_step(&mut b, ptr, past);

    b.switch_to(past);
    let end = b.binary(BinOp::Add, off, bytes);
    let [inside, fits] = [(); 2].map(|()| b.new_block());
    b.br(Cond::Gt, end, pkt_len, cut, inside);
    b.switch_to(inside);
    b.br_imm(Cond::Gt, end, L4_MASK, cut, fits);
    b.switch_to(fits);
    let kept = b.binary_imm(BinOp::And, word, !(PROTO_MASK | (L4_MASK << L4_SHIFT)));
    let at = b.binary_imm(BinOp::Shl, end, L4_SHIFT);
    let mut result = b.binary(BinOp::Or, kept, at);
    result = b.binary(BinOp::Or, result, next);
    result = b.binary(BinOp::Or, result, bits);
    b.ret(result);
    b.switch_to(cut);
    let failed = b.binary_imm(BinOp::Or, word, UNPARSED);
    b.ret(failed);
    func
}

/// The fragment header, the only kind left: RFC 8200 4.5.
fn fragment_step(b: &mut Builder<'_>, ptr: Value, past: Block) {
    let field = b.load_be(ptr, 2, Width::B2);
    let eight = b.iconst(8);
    let bit = ext_bit(Ext::Fragment);
    let [later, first, more, atomic] = [(); 4].map(|()| b.new_block());
    let offset = b.binary_imm(BinOp::And, field, 0xfff8);
    b.br_imm(Cond::Ne, offset, 0, later, first);
    for (block, bits) in [(later, bit | FRAG | LATER), (more, bit | FRAG), (atomic, bit)] {
        b.switch_to(block);
        let bits = b.iconst(bits);
        b.jump(past, vec![eight, bits]);
    }
    b.switch_to(first);
    let mf = b.binary_imm(BinOp::And, field, 1);
    b.br_imm(Cond::Ne, mf, 0, more, atomic);
}
