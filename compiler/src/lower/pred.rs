//! Predicates become control flow: each ends in one of two blocks, and has no value of its own.

use super::FuncBuilder;
use super::layout::{self, L3, L4, PROTO_MASK};
use super::value::{Bits, Extract};
use crate::fields::{At, Base, Form, Info, Place, Ty, When};
use crate::hir::{Atom, AtomTest, Layer, Operand, Pred, SetId};
use crate::ranges::{Ranges, max_value};
use l4c_ir::{BinOp, Block, Cond, Value, Width};

/// Slices that begin farther out can't be in any packet that a program is shown.
const MAX_SLICE_OFF_BYTES: u32 = 0x4000;

/// Up to so many ranges are compared one by one; more go through a table.
const MAX_INLINE_RANGES: usize = 8;

impl FuncBuilder<'_, '_> {
    /// Ends the current block: on to `yes` if `pred` holds, else to `no`.
    pub(super) fn pred(&mut self, pred: &Pred, yes: Block, no: Block) {
        match pred {
            Pred::Const(true) => self.b.jump(yes, Vec::new()),
            Pred::Const(false) => self.b.jump(no, Vec::new()),
            Pred::Not(inner) => self.pred(inner, no, yes),
            Pred::And(list) => {
                for inner in list {
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
        }
    }

    fn atom(&mut self, atom: &Atom, yes: Block, no: Block) {
        match &atom.operand {
            Operand::Field { field, mask } => {
                for (i, place) in field.places.iter().enumerate() {
                    let next = self.b.new_block();
                    let is_bit = field.ty == Ty::Bit;
                    self.place(place, i, *mask, is_bit, &atom.test, yes, next);
                    self.b.switch_to(next);
                }
                self.b.jump(no, Vec::new());
            }
            Operand::Bytes { layer, off_bytes, len_bytes, mask } => {
                let Some(off) = self.slice_off(*layer, *off_bytes, no) else {
                    return self.b.jump(no, Vec::new());
                };
                let ptr = self.b.guard(off, *len_bytes, no);
                self.bytes(ptr, *len_bytes, *mask, &atom.test, yes, no);
            }
        }
    }

    /// Offset of a slice, after asking that its layer is there; `None` if it can't be.
    fn slice_off(&mut self, layer: Layer, off_bytes: u32, no: Block) -> Option<Value> {
        if off_bytes > MAX_SLICE_OFF_BYTES {
            return None;
        }
        let base = match layer {
            Layer::L2 => return Some(self.b.iconst(u64::from(off_bytes))),
            Layer::L3 => {
                self.require(L3, L3, no);
                self.l3_off
            }
            Layer::L4 => {
                self.require(L4, L4, no);
                self.l4_off
            }
            // The checker does not let payload slices through yet.
            Layer::Payload => return None,
        };
        Some(if off_bytes == 0 {
            base
        } else {
            self.b.binary_imm(BinOp::Add, base, u64::from(off_bytes))
        })
    }

    /// Goes on only where `layout & mask == want`.
    fn require(&mut self, mask: u64, want: u64, no: Block) {
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
        let (bits, want) = layout::question(place.when);
        self.require(bits, want, no);
        let bits = match place.at {
            At::Nowhere => return self.b.jump(yes, Vec::new()),
            At::Const(n) => Bits::Narrow(self.b.iconst(u64::from(n))),
            At::Info(Info::Proto) => {
                Bits::Narrow(self.b.binary_imm(BinOp::And, self.layout, PROTO_MASK))
            }
            At::Info(Info::PktLen) => Bits::Narrow(self.pkt_len),
            At::Bits { base, off_bits, width_bits, .. } => {
                let ptr_start = self.header(place.when, base, no);
                let extract = Extract::of(
                    i32::from(off_bits) - ptr_start.before_bits,
                    u32::from(width_bits),
                    ptr_start.len_bytes,
                );
                extract.emit(&mut self.b, ptr_start.ptr)
            }
        };
        let default_test = AtomTest::In { values: vec![Ranges::one(1); index + 1], negated: false };
        let test = if is_bit && matches!(test, AtomTest::Present) { &default_test } else { test };
        self.ask(place, index, bits, mask, test, yes, no);
    }

    /// Guards the header that a place lies in.
    fn header(&mut self, when: When, base: Base, no: Block) -> Header {
        let len_bytes = layout::header_bytes(when);
        let (off, len_bytes, before_bits) = match (base, when) {
            (Base::Link, _) => (self.b.iconst(0), len_bytes, 0),
            // The EtherType: two bytes before whatever stands behind it.
            (Base::Net, When::Link) => {
                self.require(L3, L3, no);
                (self.b.binary_imm(BinOp::Sub, self.l3_off, 2), 2, -16)
            }
            (Base::Net, _) => (self.l3_off, len_bytes, 0),
            (Base::Transport, _) => (self.l4_off, len_bytes, 0),
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
            At::Nowhere | At::Const(_) | At::Info(_) => (0, 0, place.width_bits()),
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
            // The checker makes these for slices only.
            AtomTest::Equals { .. } => self.b.jump(no, Vec::new()),
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

    fn masked(&mut self, bits: Bits, mask: u128) -> Bits {
        let (mask_hi, mask_lo) = halves(mask);
        match bits {
            Bits::Narrow(value) => Bits::Narrow(self.b.binary_imm(BinOp::And, value, mask_lo)),
            Bits::Wide { hi, lo } => Bits::Wide {
                hi: self.b.binary_imm(BinOp::And, hi, mask_hi),
                lo: self.b.binary_imm(BinOp::And, lo, mask_lo),
            },
        }
    }

    /// Is the value one of `wanted`? `set` names the table if there has to be one.
    pub(super) fn member_of(
        &mut self,
        value: Bits,
        wanted: &Ranges,
        width_bits: u32,
        set: Option<SetId>,
        yes: Block,
        no: Block,
    ) {
        let others = wanted.complement(width_bits);
        let (ranges, yes, no) = if others.as_slice().len() < wanted.as_slice().len() {
            (&others, no, yes)
        } else {
            (wanted, yes, no)
        };
        if ranges.as_slice().len() > MAX_INLINE_RANGES {
            let table = self.tables.get(wanted, matches!(value, Bits::Wide { .. }), set);
            let found = match value {
                Bits::Narrow(lo) => {
                    let zero = self.b.iconst(0);
                    self.b.member(table, zero, lo)
                }
                Bits::Wide { hi, lo } => self.b.member(table, hi, lo),
            };
            let (yes, no) = if std::ptr::eq(ranges, wanted) { (yes, no) } else { (no, yes) };
            return self.b.br_imm(Cond::Ne, found, 0, yes, no);
        }
        for &(lo, hi) in ranges.as_slice() {
            let next = self.b.new_block();
            match value {
                Bits::Narrow(v) => {
                    self.narrow_range(v, (halves(lo).1, halves(hi).1), width_bits, yes, next);
                }
                Bits::Wide { hi: vh, lo: vl } => self.wide_range(vh, vl, lo, hi, yes, next),
            }
            self.b.switch_to(next);
        }
        self.b.jump(no, Vec::new());
    }

    fn narrow_range(
        &mut self,
        value: Value,
        (lo, hi): (u64, u64),
        width_bits: u32,
        yes: Block,
        no: Block,
    ) {
        let max = halves(max_value(width_bits)).1;
        if lo == 0 && hi >= max {
            self.b.jump(yes, Vec::new());
        } else if lo == hi {
            self.b.br_imm(Cond::Eq, value, lo, yes, no);
        } else if lo == 0 {
            self.b.br_imm(Cond::Le, value, hi, yes, no);
        } else if hi >= max {
            self.b.br_imm(Cond::Ge, value, lo, yes, no);
        } else if (hi - lo + 1).is_power_of_two() && lo & (hi - lo) == 0 {
            // A prefix: one `and` and one compare, which needs no byte swap.
            let kept = self.b.binary_imm(BinOp::And, value, max & !(hi - lo));
            self.b.br_imm(Cond::Eq, kept, lo, yes, no);
        } else {
            // Below `lo` the difference wraps to something large.
            let above = self.b.binary_imm(BinOp::Sub, value, lo);
            self.b.br_imm(Cond::Le, above, hi - lo, yes, no);
        }
    }

    fn wide_range(&mut self, vh: Value, vl: Value, lo: u128, hi: u128, yes: Block, no: Block) {
        let ((lo_hi, lo_lo), (hi_hi, hi_lo)) = (halves(lo), halves(hi));
        if lo_hi == hi_hi {
            let same = self.b.new_block();
            self.b.br_imm(Cond::Eq, vh, lo_hi, same, no);
            self.b.switch_to(same);
            self.narrow_range(vl, (lo_lo, hi_lo), 64, yes, no);
        } else if lo_lo == 0 && hi_lo == u64::MAX {
            self.narrow_range(vh, (lo_hi, hi_hi), 64, yes, no);
        } else {
            let [above, equal, low_enough] = [(); 3].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Gt, vh, lo_hi, above, equal);
            self.b.switch_to(equal);
            let at_least = self.b.new_block();
            self.b.br_imm(Cond::Eq, vh, lo_hi, at_least, no);
            self.b.switch_to(at_least);
            self.b.br_imm(Cond::Ge, vl, lo_lo, yes, no);
            self.b.switch_to(above);
            self.b.br_imm(Cond::Lt, vh, hi_hi, yes, low_enough);
            self.b.switch_to(low_enough);
            let at_most = self.b.new_block();
            self.b.br_imm(Cond::Eq, vh, hi_hi, at_most, no);
            self.b.switch_to(at_most);
            self.b.br_imm(Cond::Le, vl, hi_lo, yes, no);
        }
    }

    fn bytes(
        &mut self,
        ptr: Value,
        len_bytes: u32,
        mask: Option<u64>,
        test: &AtomTest,
        yes: Block,
        no: Block,
    ) {
        match test {
            AtomTest::Present => self.b.jump(yes, Vec::new()),
            AtomTest::Equals { want, care, negated } => {
                let (yes, no) = if *negated { (no, yes) } else { (yes, no) };
                self.equal_bytes(ptr, want, care, no);
                self.b.jump(yes, Vec::new());
            }
            AtomTest::In { .. } | AtomTest::InSet { .. } => {
                let width_bits = len_bytes * 8;
                let mut value = Extract::of(0, width_bits, len_bytes).emit(&mut self.b, ptr);
                if let Some(mask) = mask {
                    value = self.masked(value, u128::from(mask));
                }
                let (wanted, set, negated) = match test {
                    AtomTest::In { values, negated } => (&values[0], None, *negated),
                    AtomTest::InSet { set, negated } => {
                        (&self.policy.sets[*set].narrow, Some(*set), *negated)
                    }
                    AtomTest::Present | AtomTest::Equals { .. } => return,
                };
                let (yes, no) = if negated { (no, yes) } else { (yes, no) };
                self.member_of(value, wanted, width_bits, set, yes, no);
            }
        }
    }

    /// Goes on only where the bytes are those wanted; as few and as wide loads as fit.
    fn equal_bytes(&mut self, ptr: Value, want: &[u8], care: &[u8], no: Block) {
        let mut at = 0;
        while at < want.len() {
            let step = [8usize, 4, 2, 1]
                .into_iter()
                .find(|&n| n <= want.len() - at)
                .expect("one byte always fits");
            let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &b| (n << 8) | u64::from(b));
            let (value, kept) = (number(&want[at..at + step]), number(&care[at..at + step]));
            let all = if step == 8 { u64::MAX } else { (1 << (8 * step)) - 1 };
            if kept != 0 {
                let disp_bytes = u32::try_from(at).expect("slices are short");
                let width = Width::from_bytes(u32::try_from(step).expect("at most 8"))
                    .expect("1, 2, 4 or 8");
                let mut found = self.b.load_be(ptr, disp_bytes, width);
                if kept != all {
                    found = self.b.binary_imm(BinOp::And, found, kept);
                }
                let next = self.b.new_block();
                self.b.br_imm(Cond::Eq, found, value & kept, next, no);
                self.b.switch_to(next);
            }
            at += step;
        }
    }
}

/// A guarded header.
struct Header {
    ptr: Value,
    len_bytes: u32,
    /// How far before the header's start `ptr` points, in bits, as a negative number.
    before_bits: i32,
}

/// The upper and lower 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "that is what halves are")]
pub(super) const fn halves(n: u128) -> (u64, u64) {
    ((n >> 64) as u64, n as u64)
}
