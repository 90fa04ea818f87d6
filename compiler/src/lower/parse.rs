//! Reading the headers: the entry function's first half, which makes the layout word.

use super::layout::{
    FRAG, IP4, IP6, KNOWN, L3, L3_SHIFT, L4, L4_MASK, L4_SHIFT, LINK, PORTS, PROTO_MASK, TAG1,
    TAG2, TYPE_ARP, TYPE_IP4, TYPE_IP6, UNPARSED,
};
use super::needs::Needs;
use super::walk::branch_if_ext;
use crate::fields::{TAG_TYPES, Transport};
use l4c_ir::{BinOp, Block, Builder, Cond, Func, Value, Width};
use l4c_manifest::Start;

/// Bytes of an Ethernet header.
pub(super) const ETH_BYTES: u64 = 14;
const TAG_BYTES: u64 = 4;

/// Where the reading of a packet's headers ends, each with the layout word in a block's parameter.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// Whatever the packet is.
    pub any: Block,
    /// Where there is such a block, packets of the commonest shape go there: IPv4 without options right behind an
    /// Ethernet header, first fragments, the transport header whole if that was asked. There the word's parts are
    /// known by themselves.
    pub common: Option<Block>,
}

/// Appends the reading of a packet's headers.
pub struct HeaderReader<'b, 'f> {
    pub(super) b: &'b mut Builder<'f>,
    pkt_len: Value,
    needs: Needs,
    /// Where the Ethernet header begins, if not at byte 0.
    pub(super) frame: Option<Value>,
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
        let mut reader = Self::open(b, pkt_len, needs, walk);
        let mut takes_word = || {
            let block = reader.b.new_block();
            reader.b.func.add_param(block);
            block
        };
        let common = common.then(|| (takes_word(), takes_word()));
        reader.common = common;
        let (done, transport) = (reader.done, reader.transport);
        match start {
            Start::Link => {
                let net = reader.link();
                reader.network_block(net);
            }
            Start::Network => reader.network_start(),
        }
        reader.transport_block(transport);
        if let Some((common_done, transport)) = common {
            reader.done = common_done;
            reader.transport_block(transport);
        }
        Read { any: done, common: common.map(|(done, _)| done) }
    }

    /// A reader that has appended nothing yet.
    pub(super) fn open(
        b: &'b mut Builder<'f>,
        pkt_len: Value,
        needs: Needs,
        walk: Option<Func>,
    ) -> Self {
        let done = b.new_block();
        b.func.add_param(done);
        let transport = b.new_block();
        b.func.add_param(transport);
        HeaderReader { b, pkt_len, needs, frame: None, done, transport, walk, common: None }
    }

    /// Appends the rest; returns the layout word in the block that the builder then stands in.
    pub(super) fn close(mut self) -> Value {
        self.transport_block(self.transport);
        self.b.switch_to(self.done);
        self.b.func.blocks[self.done].params[0]
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

    /// The offset `behind_bytes` behind the frame's first byte.
    fn frame_off(&mut self, behind_bytes: u64) -> Value {
        match self.frame {
            None => self.b.iconst(behind_bytes),
            Some(frame) if behind_bytes == 0 => frame,
            Some(frame) => self.b.binary_imm(BinOp::Add, frame, behind_bytes),
        }
    }

    /// The word that holds `bits` and that the network header begins, or would, `behind_bytes` behind the
    /// frame's first byte.
    fn frame_word(&mut self, bits: u64, behind_bytes: u64) -> Word {
        if self.frame.is_none() {
            let place = if bits & L3 == 0 { 0 } else { behind_bytes << L3_SHIFT };
            return self.b.iconst(bits | place);
        }
        let off = self.frame_off(behind_bytes);
        let place = self.b.binary_imm(BinOp::Shl, off, L3_SHIFT);
        self.b.binary_imm(BinOp::Or, place, bits | LINK)
    }

    /// A block that finishes with [`Self::frame_word`].
    fn frame_end(&mut self, bits: u64, behind_bytes: u64) -> Block {
        let here = self.b.block();
        let block = self.b.new_block();
        self.b.switch_to(block);
        let word = self.frame_word(bits, behind_bytes);
        self.finish(word);
        self.b.switch_to(here);
        block
    }

    /// Ethernet and up to two tags; each number of tags hands its offset to the block that is returned, which
    /// [`Self::network`] fills.
    pub(super) fn link(&mut self) -> Block {
        let cut = self.finish_block(None, UNPARSED);
        let start = self.frame_off(0);
        let eth = self.b.guard(start, 14, cut);
        let net = self.b.new_block();
        for _ in ["word", "off", "ether_type"] {
            self.b.func.add_param(net);
        }

        let mut found = self.b.load_be(eth, 12, Width::B2);
        for (tags, bits) in [(0u64, 0u64), (1, TAG1)] {
            let here = ETH_BYTES + TAG_BYTES * tags;
            let tagged = self.b.new_block();
            let plain = self.b.new_block();
            if let (0, Some(_)) = (tags, self.common) {
                // The commonest first.
                let other = self.b.new_block();
                self.b.br_imm(Cond::Eq, found, 0x0800, plain, other);
                self.b.switch_to(other);
            }
            self.branch_if_one_of(found, &TAG_TYPES.map(u64::from), tagged, plain);
            self.b.switch_to(plain);
            if let (0, Some(common)) = (tags, self.common) {
                // With numbers for offsets, and its own way on for IPv4.
                let [word, off] = [L3 | (here << L3_SHIFT), here].map(|n| self.b.iconst(n));
                self.network(word, off, found, Some(common));
            } else {
                self.go_to_network(net, bits, here, found);
            }
            self.b.switch_to(tagged);
            let cut = self.frame_end(bits | UNPARSED, here);
            let at = self.frame_off(here);
            let tag = self.b.guard(at, 4, cut);
            found = self.b.load_be(tag, 2, Width::B2);
        }
        let (here, bits) = (ETH_BYTES + 2 * TAG_BYTES, TAG1 | TAG2);
        let plain = self.b.new_block();
        let third = self.frame_end(bits | UNPARSED, here);
        self.branch_if_one_of(found, &TAG_TYPES.map(u64::from), third, plain);
        self.b.switch_to(plain);
        self.go_to_network(net, bits, here, found);
        net
    }

    fn go_to_network(&mut self, net: Block, bits: u64, behind_bytes: u64, ether_type: Value) {
        let word = self.frame_word(bits | L3, behind_bytes);
        let off = self.frame_off(behind_bytes);
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

    /// Fills `net`, which takes a layout word, the network header's offset and the EtherType in front of it.
    pub(super) fn network_block(&mut self, net: Block) {
        self.b.switch_to(net);
        let [word, off, ether_type] = [0, 1, 2].map(|i| self.b.func.blocks[net].params[i]);
        self.network(word, off, ether_type, None);
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

    fn ip4(&mut self, word: Word, off: Value, mut ends: (Block, Block)) {
        let bad = self.finish_block(Some(word), UNPARSED);
        let ptr = self.b.guard(off, 20, bad);
        let first = self.b.load(ptr, 0, Width::B1);
        if self.common == Some(ends) {
            // Without options the transport header's place is a number too.
            let [plain, other] = [(); 2].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Eq, first, 0x45, plain, other);
            self.b.switch_to(plain);
            let ihl_words = self.b.iconst(5);
            self.ip4_good(word, off, (ptr, ihl_words), ends);
            self.b.switch_to(other);
            ends = (self.done, self.transport);
        }
        let version = self.b.binary_imm(BinOp::Shr, first, 4);
        let [right, long_enough] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Eq, version, 4, right, bad);
        self.b.switch_to(right);
        let ihl_words = self.b.binary_imm(BinOp::And, first, 15);
        self.b.br_imm(Cond::Lt, ihl_words, 5, bad, long_enough);
        self.b.switch_to(long_enough);
        self.ip4_good(word, off, (ptr, ihl_words), ends);
    }

    /// An IPv4 header that is good, of so many words.
    fn ip4_good(
        &mut self,
        word: Word,
        off: Value,
        (ptr, ihl_words): (Value, Value),
        (done, transport): (Block, Block),
    ) {
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
