//! Predicates become control flow: each ends in one of two blocks, and has no value of its own.

use super::FuncBuilder;
use super::layout::{self, L3, LINK, PROTO_MASK, TAG1, TAG2};
use super::lens::{DNS, END_SHIFT, OFF_MASK};
use super::member::halves;
use super::parse::ETH_BYTES;
use super::value::{Bits, Extract};
use crate::chance::Chance;
use crate::fields::{Arrival, At, Base, DNS_HEADER_BYTES, Field, Form, Info, Place, Ty, When};
use crate::hir::{Atom, AtomTest, Operand, Pred, SetId};
use crate::ranges::Ranges;
use l4c_ir::{BinOp, Block, Cond, Env, Value, Width};

impl FuncBuilder<'_, '_> {
    /// Ends the current block: on to `yes` if `pred` holds, else to `no`.
    pub(super) fn pred(&mut self, pred: &Pred, yes: Block, no: Block) {
        match pred {
            Pred::Const(true) => self.b.jump(yes, Vec::new()),
            Pred::Const(false) => self.b.jump(no, Vec::new()),
            Pred::Not(inner) => self.pred(inner, no, yes),
            Pred::And(list) => {
                for inner in self.exact_parts(list, no) {
                    let next = self.b.new_block();
                    self.pred(inner, next, no);
                    self.b.switch_to(next);
                }
                self.b.jump(yes, Vec::new());
            }
            Pred::Or(list) => {
                for inner in list {
                    let next = self.b.new_block();
                    self.pred(inner, yes, next);
                    self.b.switch_to(next);
                }
                self.b.jump(no, Vec::new());
            }
            Pred::Atom(atom) => self.atom(atom, yes, no),
            Pred::Limit(test) => self.limit(test, yes, no),
            Pred::Tuple(test) => self.tuple(test, yes, no),
            Pred::Random(chance) => self.random(*chance, yes, no),
            Pred::Nth(test) => {
                let (wanted, of) = test.share.parts();
                let picked = self.b.nth(self.names.rows[&test.id], wanted, of);
                self.b.br_imm(Cond::Ne, picked, 0, yes, no);
            }
        }
    }

    fn random(&mut self, chance: Chance, yes: Block, no: Block) {
        if chance.is_all() {
            return self.b.jump(yes, Vec::new());
        }
        let number = self.b.random();
        self.b.br_imm(Cond::Lt, number, chance.threshold(), yes, no);
    }

    fn atom(&mut self, atom: &Atom, yes: Block, no: Block) {
        match &atom.operand {
            Operand::Field { field, inner: false, mask } => {
                self.field(field, *mask, &atom.test, yes, no);
            }
            Operand::Field { field, inner: true, mask } => match self.inner {
                Some(inner) => {
                    self.inside(inner, |f| f.field(field, *mask, &atom.test, yes, no));
                }
                None => self.b.jump(no, Vec::new()),
            },
            Operand::Bytes { slice, mask } => self.bytes_atom(slice, *mask, &atom.test, yes, no),
            Operand::Window(multiple) => self.window(multiple, yes, no),
            Operand::Name => match &atom.test {
                AtomTest::Name { test, negated } => self.name_atom(test, *negated, yes, no),
                // The checker asks nothing else of names.
                AtomTest::Present
                | AtomTest::In { .. }
                | AtomTest::InSet { .. }
                | AtomTest::Equals { .. }
                | AtomTest::StartsWith(_)
                | AtomTest::EndsWith(_)
                | AtomTest::Contains { .. } => self.b.jump(no, Vec::new()),
            },
        }
    }

    fn field(&mut self, field: &Field, mask: Option<u128>, test: &AtomTest, yes: Block, no: Block) {
        for (i, place) in field.places.iter().enumerate() {
            let next = self.b.new_block();
            let is_bit = field.ty == Ty::Bit;
            self.place(place, i, mask, is_bit, test, yes, next);
            self.b.switch_to(next);
        }
        self.b.jump(no, Vec::new());
    }

    /// Goes on only where `layout & mask == want`.
    pub(super) fn require(&mut self, mask: u64, want: u64, no: Block) {
        if mask == 0 {
            return;
        }
        let bits = self.b.binary_imm(BinOp::And, self.layout, mask);
        let next = self.b.new_block();
        self.b.br_imm(Cond::Eq, bits, want, next, no);
        self.b.switch_to(next);
    }

    #[allow(clippy::too_many_arguments, reason = "one place of one atom: they belong together")]
    fn place(
        &mut self,
        place: &Place,
        index: usize,
        mask: Option<u128>,
        is_bit: bool,
        test: &AtomTest,
        yes: Block,
        no: Block,
    ) {
        if place.at == At::Nowhere {
            self.require_when(place.when, no);
            if let When::TcpOption(option) = place.when {
                self.option_off(option, no);
            }
            return self.b.jump(yes, Vec::new());
        }
        if place.at == At::Arrival(Arrival::Iface) {
            return self.iface(test, yes, no);
        }
        let bits = self.read(place, no);
        let default_test = AtomTest::In { values: vec![Ranges::one(1); index + 1], negated: false };
        let test = if is_bit && matches!(test, AtomTest::Present) { &default_test } else { test };
        self.ask(place, index, bits, mask, test, yes, no);
    }

    /// Goes on only where a place of this kind is there, as far as the words tell.
    fn require_when(&mut self, when: When, no: Block) {
        let (bits, want) = layout::question(when);
        self.require(bits, want, no);
        match when {
            When::Payload(_) => {
                self.payload_start(no);
            }
            When::Dns | When::DnsResponse(_) => {
                let there = self.b.new_block();
                let bit = self.b.binary_imm(BinOp::And, self.lens, DNS);
                self.b.br_imm(Cond::Ne, bit, 0, there, no);
                self.b.switch_to(there);
                if let When::DnsResponse(want) = when {
                    let off = self.dns_off();
                    let ptr = self.b.guard(off, DNS_HEADER_BYTES, no);
                    let byte = self.b.load(ptr, 2, Width::B1);
                    let bit = self.b.binary_imm(BinOp::And, byte, 0x80);
                    let next = self.b.new_block();
                    self.b.br_imm(Cond::Eq, bit, want.into(), next, no);
                    self.b.switch_to(next);
                }
            }
            When::Question => {
                self.the_name(no);
            }
            When::Ip4Options => self.ip4_options(no),
            // A hook sees a link header or none: only tunnels have to be asked.
            When::Link if self.inside => self.require(LINK, LINK, no),
            When::Always
            | When::Link
            | When::Tag1
            | When::Tag2
            | When::TypeIp4
            | When::TypeIp6
            | When::TypeArp
            | When::Ip4
            | When::Ip6
            | When::Arp
            | When::ArpEthIp4
            | When::Proto
            | When::ProtoIs(_)
            | When::Ports
            | When::Header(_)
            | When::Form(_)
            // Whoever reads it, or asks whether it is there, goes to it.
            | When::TcpOption(_)
            | When::Frag
            | When::Unparsed
            | When::Ext(_) => {}
        }
    }

    /// The raw number of a place with a value; on to `no` where it is not there.
    pub(super) fn read(&mut self, place: &Place, no: Block) -> Bits {
        self.require_when(place.when, no);
        match place.at {
            At::Nowhere | At::Info(Info::Name) => Bits::Narrow(self.b.iconst(1)),
            At::Const(n) => Bits::Narrow(self.b.iconst(u64::from(n))),
            At::Info(info) => Bits::Narrow(self.info(info, no)),
            At::Arrival(arrival) => Bits::Narrow(self.b.env(match arrival {
                Arrival::Iface => Env::Iface,
                Arrival::RxQueue => Env::RxQueue,
                Arrival::Cpu => Env::Cpu,
                Arrival::Mark => Env::Mark,
            })),
            At::Bits { base, off_bits, width_bits, .. } => {
                let header = self.header(place.when, base, no);
                let extract = Extract::of(
                    i32::from(off_bits) - header.before_bits,
                    u32::from(width_bits),
                    header.len_bytes,
                );
                extract.emit(&mut self.b, header.ptr)
            }
        }
    }

    fn info(&mut self, info: Info, no: Block) -> Value {
        match info {
            Info::Proto => self.b.binary_imm(BinOp::And, self.layout, PROTO_MASK),
            Info::PktLen => self.pkt_len,
            Info::PayloadLen => {
                let start = self.payload_start(no);
                let shifted = self.b.binary_imm(BinOp::Shr, self.lens, END_SHIFT);
                let end = self.b.binary_imm(BinOp::And, shifted, OFF_MASK);
                self.b.binary(BinOp::Sub, end, start)
            }
            Info::NameLen => {
                // Each label has a byte of length, all but the last a dot, the root one byte alone.
                let name = self.the_name(no);
                let without_root = self.b.binary_imm(BinOp::Sub, name.bytes, 1);
                let zero = self.b.iconst(0);
                let sign = self.b.binary(BinOp::Sub, zero, without_root);
                let one = self.b.binary_imm(BinOp::Shr, sign, 63);
                self.b.binary(BinOp::Sub, without_root, one)
            }
            Info::NameLabels => {
                let name = self.the_name(no);
                self.label_count(name)
            }
            Info::Name => self.b.iconst(1),
        }
    }

    /// Offset of the link header: inside a tunnel, in front of what stands behind it and its tags.
    fn link_off(&mut self) -> Value {
        if !self.inside {
            return self.b.iconst(0);
        }
        let mut off = self.b.binary_imm(BinOp::Sub, self.l3_off, ETH_BYTES);
        for tag in [TAG1, TAG2] {
            let bit = self.b.binary_imm(BinOp::And, self.layout, tag);
            // A tag has four bytes.
            let shift = u64::from(tag.trailing_zeros() - 2);
            let tag_bytes = self.b.binary_imm(BinOp::Shr, bit, shift);
            off = self.b.binary(BinOp::Sub, off, tag_bytes);
        }
        off
    }

    /// Guards the header that a place lies in.
    fn header(&mut self, when: When, base: Base, no: Block) -> Header {
        let len_bytes = layout::header_bytes(when);
        let (off, len_bytes, before_bits) = match (base, when) {
            (Base::Link, _) => (self.link_off(), len_bytes, 0),
            // The EtherType: two bytes before whatever stands behind it.
            (Base::Net, When::Link) => {
                self.require(L3, L3, no);
                (self.b.binary_imm(BinOp::Sub, self.l3_off, 2), 2, -16)
            }
            (Base::Net, _) => (self.l3_off, len_bytes, 0),
            (Base::Transport, _) => (self.l4_off, len_bytes, 0),
            (Base::TcpOption(option), _) => (self.option_off(option, no), len_bytes, 0),
            (Base::Dns, _) => (self.dns_off(), len_bytes, 0),
            (Base::QuestionEnd, _) => {
                let name = self.the_name(no);
                (self.b.binary(BinOp::Add, name.first, name.bytes), len_bytes, 0)
            }
        };
        let ptr = self.b.guard(off, len_bytes, no);
        if when == When::ArpEthIp4 {
            // htype 1, ptype 0x0800, hlen 6, plen 4
            for (disp_bytes, width, want) in [(0, Width::B4, 0x0001_0800), (4, Width::B2, 0x0604)] {
                let found = self.b.load_be(ptr, disp_bytes, width);
                let next = self.b.new_block();
                self.b.br_imm(Cond::Eq, found, want, next, no);
                self.b.switch_to(next);
            }
        }
        if let When::Form(Form { mask, want, .. }) = when
            && mask != 0
        {
            let first = self.b.load_be(ptr, 0, Width::B2);
            let asked = self.b.binary_imm(BinOp::And, first, u64::from(mask));
            let next = self.b.new_block();
            self.b.br_imm(Cond::Eq, asked, u64::from(want), next, no);
            self.b.switch_to(next);
        }
        Header { ptr, len_bytes, before_bits }
    }

    #[allow(clippy::too_many_arguments, reason = "one place of one atom: they belong together")]
    fn ask(
        &mut self,
        place: &Place,
        index: usize,
        bits: Bits,
        mask: Option<u128>,
        test: &AtomTest,
        yes: Block,
        no: Block,
    ) {
        let (shift, add, raw_bits) = match place.at {
            At::Bits { shift, add, width_bits, .. } => (shift, add, u32::from(width_bits)),
            At::Nowhere | At::Const(_) | At::Info(_) | At::Arrival(_) => (0, 0, place.width_bits()),
        };
        match test {
            AtomTest::Present => self.b.jump(yes, Vec::new()),
            AtomTest::In { values, negated } => {
                let (yes, no) = if *negated { (no, yes) } else { (yes, no) };
                let wanted = &values[index];
                if let Some(mask) = mask {
                    let value = self.scaled(bits, shift, add);
                    let masked = self.masked(value, mask);
                    self.member_of(masked, wanted, place.width_bits(), None, yes, no);
                } else {
                    let raw = wanted.unscale(u32::from(shift), u128::from(add), raw_bits);
                    self.member_of(bits, &raw, raw_bits, None, yes, no);
                }
            }
            AtomTest::InSet { set, negated } => {
                let (yes, no) = if *negated { (no, yes) } else { (yes, no) };
                let mut value = self.scaled(bits, shift, add);
                if let Some(mask) = mask {
                    value = self.masked(value, mask);
                }
                let sets = self.policy;
                let set_data = &sets.sets[*set];
                let wanted = match value {
                    Bits::Narrow(_) => &set_data.narrow,
                    Bits::Wide { .. } => &set_data.wide,
                };
                self.member_of(value, wanted, place.width_bits(), Some(*set), yes, no);
            }
            // The checker makes these for slices and names only.
            AtomTest::Equals { .. }
            | AtomTest::StartsWith(_)
            | AtomTest::EndsWith(_)
            | AtomTest::Contains { .. }
            | AtomTest::Name { .. } => self.b.jump(no, Vec::new()),
        }
    }

    /// The field's own number of a place.
    pub(super) fn scaled_place(&mut self, bits: Bits, place: &Place) -> Bits {
        match place.at {
            At::Bits { shift, add, .. } => self.scaled(bits, shift, add),
            At::Nowhere | At::Const(_) | At::Info(_) | At::Arrival(_) => bits,
        }
    }

    /// What a membership asks for; `None` of any other question.
    pub(super) fn wanted<'t>(&self, test: &'t AtomTest) -> Option<Wanted<'t>>
    where
        Self: 't,
    {
        match test {
            AtomTest::In { values, negated } => {
                Some(Wanted { ranges: values.first()?, set: None, negated: *negated })
            }
            AtomTest::InSet { set, negated } => {
                let ranges = &self.policy.sets[*set].narrow;
                Some(Wanted { ranges, set: Some(*set), negated: *negated })
            }
            AtomTest::Present
            | AtomTest::Equals { .. }
            | AtomTest::StartsWith(_)
            | AtomTest::EndsWith(_)
            | AtomTest::Contains { .. }
            | AtomTest::Name { .. } => None,
        }
    }

    fn scaled(&mut self, bits: Bits, shift: u8, add: u8) -> Bits {
        match bits {
            Bits::Narrow(mut value) => {
                if shift > 0 {
                    value = self.b.binary_imm(BinOp::Shl, value, u64::from(shift));
                }
                if add > 0 {
                    value = self.b.binary_imm(BinOp::Add, value, u64::from(add));
                }
                Bits::Narrow(value)
            }
            Bits::Wide { .. } => bits,
        }
    }

    pub(super) fn masked(&mut self, bits: Bits, mask: u128) -> Bits {
        let (mask_hi, mask_lo) = halves(mask);
        match bits {
            Bits::Narrow(value) => Bits::Narrow(self.b.binary_imm(BinOp::And, value, mask_lo)),
            Bits::Wide { hi, lo } => Bits::Wide {
                hi: self.b.binary_imm(BinOp::And, hi, mask_hi),
                lo: self.b.binary_imm(BinOp::And, lo, mask_lo),
            },
        }
    }
}

/// Values that are asked for.
pub(super) struct Wanted<'t> {
    /// Numbers.
    pub ranges: &'t Ranges,
    /// The set they are of, if they are a set's.
    pub set: Option<SetId>,
    /// All others are.
    pub negated: bool,
}

/// A guarded header.
struct Header {
    ptr: Value,
    len_bytes: u32,
    /// How far before the header's start `ptr` points, in bits, as a negative number.
    before_bits: i32,
}
