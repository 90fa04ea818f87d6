//! Bytes of a layer: where they lie, and what is asked of them.

use super::layout::{L3, L4};
use super::lens::{END_SHIFT, OFF_MASK, START_SHIFT};
use super::search::{GUARDED_BYTES, compare, compare_at, pieces};
use super::value::{Bits, Extract};
use super::{FuncBuilder, pred::Wanted};
use crate::fields::Field;
use crate::hir::{AtomTest, Layer, Pattern, Slice};
use l4c_ir::{BinOp, Block, Cond, Value};

/// Slices that begin farther out can't be in any packet that a program is shown.
const MAX_SLICE_OFF_BYTES: u32 = 0x4000;

/// A piece of the packet, its layer known to be there.
#[derive(Debug, Clone, Copy)]
struct Region {
    /// Offset of its first byte.
    first: Value,
    /// Offset of the byte behind its last, if that is not simply the packet's end.
    end: Option<Value>,
    /// Its length, if it has one by itself.
    len_bytes: Option<u32>,
}

impl FuncBuilder<'_, '_> {
    /// Ends the current block: does `test` hold of the slice?
    pub(super) fn bytes_atom(
        &mut self,
        slice: &Slice,
        mask: Option<u64>,
        test: &AtomTest,
        yes: Block,
        no: Block,
    ) {
        let Some(region) = self.region(slice, no) else { return self.b.jump(no, Vec::new()) };
        match test {
            AtomTest::Present | AtomTest::Name { .. } => self.b.jump(yes, Vec::new()),
            AtomTest::Equals { pattern, negated } => {
                let (yes, no, absent) = if *negated { (no, yes, no) } else { (yes, no, no) };
                self.equals(region, pattern, yes, no, absent);
            }
            AtomTest::StartsWith(pattern) => self.lies_at(region, 0, pattern, yes, no),
            AtomTest::EndsWith(pattern) => self.ends_with(region, pattern, yes, no),
            AtomTest::Contains { pattern, within } => {
                let (from, to) = match within {
                    Some(within) => (within.start, Some(within.end)),
                    None => (0, None),
                };
                let first = self.plus(region.first, from);
                let end = self.region_end(region, to);
                self.whole(region, no);
                let last = match (region.len_bytes, to) {
                    (Some(len), Some(to)) => Some(len.min(to)),
                    (one, other) => one.or(other),
                };
                let window_bytes = last.map(|last| last.saturating_sub(from));
                self.search(pattern, (first, end), window_bytes, yes, no);
            }
            AtomTest::In { .. } | AtomTest::InSet { .. } => {
                self.number(region, mask, test, yes, no);
            }
        }
    }

    /// Where a slice lies, after asking that its layer, and the field in its offset, are there; `None` if it
    /// can't be in any packet.
    fn region(&mut self, slice: &Slice, no: Block) -> Option<Region> {
        if slice.off_bytes > MAX_SLICE_OFF_BYTES {
            return None;
        }
        let (base, end) = match slice.layer {
            Layer::L2 => (None, None),
            Layer::L3 => {
                self.require(L3, L3, no);
                (Some(self.l3_off), None)
            }
            Layer::L4 => {
                self.require(L4, L4, no);
                (Some(self.l4_off), None)
            }
            Layer::Payload => {
                let start = self.payload_start(no);
                let shifted = self.b.binary_imm(BinOp::Shr, self.lens, END_SHIFT);
                (Some(start), Some(self.b.binary_imm(BinOp::And, shifted, OFF_MASK)))
            }
        };
        let added = slice.off_field.map(|field| self.offset(field, no));
        let off = u64::from(slice.off_bytes);
        let first = match (base, added) {
            (Some(base), Some(added)) => self.b.binary(BinOp::Add, base, added),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => {
                let first = self.b.iconst(off);
                return Some(Region { first, end, len_bytes: slice.len_bytes });
            }
        };
        let first = if off == 0 { first } else { self.b.binary_imm(BinOp::Add, first, off) };
        Some(Region { first, end, len_bytes: slice.len_bytes })
    }

    /// Offset of the payload, after asking that it is there.
    pub(super) fn payload_start(&mut self, no: Block) -> Value {
        let shifted = self.b.binary_imm(BinOp::Shr, self.lens, START_SHIFT);
        let start = self.b.binary_imm(BinOp::And, shifted, OFF_MASK);
        let there = self.b.new_block();
        self.b.br_imm(Cond::Ne, start, 0, there, no);
        self.b.switch_to(there);
        start
    }

    /// The number that a field holds, for an offset.
    fn offset(&mut self, field: &'static Field, no: Block) -> Value {
        let join = self.b.new_block();
        let value = self.b.func.add_param(join);
        for place in field.places {
            let next = self.b.new_block();
            if let Bits::Narrow(bits) = self.read(place, next) {
                let Bits::Narrow(number) = self.scaled_place(Bits::Narrow(bits), place) else {
                    continue;
                };
                self.b.jump(join, vec![number]);
            }
            self.b.switch_to(next);
        }
        self.b.jump(no, Vec::new());
        self.b.switch_to(join);
        value
    }

    fn plus(&mut self, value: Value, bytes: u32) -> Value {
        if bytes == 0 { value } else { self.b.binary_imm(BinOp::Add, value, bytes.into()) }
    }

    /// The byte behind the last that is looked at: `to` bytes from the region's first at most.
    fn region_end(&mut self, region: Region, to: Option<u32>) -> Value {
        let most = match (region.len_bytes, to) {
            (Some(len), Some(to)) => Some(len.min(to)),
            (one, other) => one.or(other),
        };
        let end = region.end.unwrap_or(self.pkt_len);
        let Some(most) = most else { return end };
        let limit = self.plus(region.first, most);
        let [out, nearer, farther] = [(); 3].map(|()| self.b.new_block());
        let least = self.b.func.add_param(out);
        self.b.br(Cond::Le, limit, end, nearer, farther);
        self.b.switch_to(nearer);
        self.b.jump(out, vec![limit]);
        self.b.switch_to(farther);
        self.b.jump(out, vec![end]);
        self.b.switch_to(out);
        least
    }

    /// Goes on where a slice with a length is there as a whole.
    fn whole(&mut self, region: Region, no: Block) {
        if let Some(len) = region.len_bytes {
            self.fits(region, len, region.end.unwrap_or(self.pkt_len), no);
        }
    }

    /// Goes on where `len` bytes from the region's first end at or before `end`.
    fn fits(&mut self, region: Region, len: u32, end: Value, no: Block) {
        let behind = self.plus(region.first, len);
        let inside = self.b.new_block();
        self.b.br(Cond::Gt, behind, end, no, inside);
        self.b.switch_to(inside);
    }

    /// A pointer to the first `len` bytes of a region, or of the whole slice.
    fn guarded(&mut self, region: Region, len: u32, no: Block) -> Value {
        let len = region.len_bytes.unwrap_or(len).max(len);
        if let Some(end) = region.end {
            self.fits(region, len, end, no);
        }
        self.b.guard(region.first, len, no)
    }

    /// Are these the bytes from `disp_bytes` on?
    fn lies_at(
        &mut self,
        region: Region,
        disp_bytes: u32,
        pattern: &Pattern,
        yes: Block,
        no: Block,
    ) {
        self.compare_in(region, disp_bytes, pattern, (no, no));
        self.b.jump(yes, Vec::new());
    }

    /// Goes on where the bytes from `disp_bytes` on are these; on to `absent` where the slice ends before, or
    /// is not there as a whole.
    fn compare_in(
        &mut self,
        region: Region,
        disp_bytes: u32,
        pattern: &Pattern,
        (no, absent): (Block, Block),
    ) {
        let len = u32::try_from(pattern.want.len()).unwrap_or(u32::MAX);
        let behind = disp_bytes.saturating_add(len);
        let whole = region.len_bytes.unwrap_or(behind).max(behind);
        if whole as usize <= GUARDED_BYTES {
            let ptr = self.guarded(region, behind, absent);
            return compare(&mut self.b, ptr, disp_bytes, &pieces(pattern), no);
        }
        self.fits(region, whole, region.end.unwrap_or(self.pkt_len), absent);
        let first = self.plus(region.first, disp_bytes);
        compare_at(&mut self.b, first, pattern, (no, absent));
    }

    /// Are these all of the bytes? `absent`: they are not there.
    fn equals(&mut self, region: Region, pattern: &Pattern, yes: Block, no: Block, absent: Block) {
        let len = u32::try_from(pattern.want.len()).unwrap_or(u32::MAX);
        if region.len_bytes.is_none() {
            let end = region.end.unwrap_or(self.pkt_len);
            let behind = self.plus(region.first, 0);
            let there = self.b.new_block();
            self.b.br(Cond::Gt, behind, end, absent, there);
            self.b.switch_to(there);
            let want = self.plus(region.first, len);
            let same = self.b.new_block();
            self.b.br(Cond::Eq, want, end, same, no);
            self.b.switch_to(same);
        }
        self.compare_in(region, 0, pattern, (no, absent));
        self.b.jump(yes, Vec::new());
    }

    fn ends_with(&mut self, region: Region, pattern: &Pattern, yes: Block, no: Block) {
        let len = u32::try_from(pattern.want.len()).unwrap_or(u32::MAX);
        if let Some(slice_len) = region.len_bytes {
            return self.lies_at(region, slice_len.saturating_sub(len), pattern, yes, no);
        }
        let end = region.end.unwrap_or(self.pkt_len);
        self.fits(region, len, end, no);
        let first = self.b.binary_imm(BinOp::Sub, end, len.into());
        compare_at(&mut self.b, first, pattern, (no, no));
        self.b.jump(yes, Vec::new());
    }

    /// Bytes that are compared as a number.
    fn number(
        &mut self,
        region: Region,
        mask: Option<u64>,
        test: &AtomTest,
        yes: Block,
        no: Block,
    ) {
        let Some(len) = region.len_bytes else { return self.b.jump(no, Vec::new()) };
        let ptr = self.guarded(region, len, no);
        let width_bits = len * 8;
        let mut value = Extract::of(0, width_bits, len).emit(&mut self.b, ptr);
        if let Some(mask) = mask {
            value = self.masked(value, u128::from(mask));
        }
        let Some(Wanted { ranges, set, negated }) = self.wanted(test) else {
            return self.b.jump(no, Vec::new());
        };
        let (yes, no) = if negated { (no, yes) } else { (yes, no) };
        self.member_of(value, ranges, width_bits, set, yes, no);
    }
}
