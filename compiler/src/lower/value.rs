//! Bit fields out of headers, by as few loads as possible.

use l4c_ir::{BinOp, Builder, Value, Width};

/// A value read.
#[derive(Debug, Clone, Copy)]
pub enum Bits {
    /// Up to 64 bits.
    Narrow(Value),
    /// 128 bits.
    Wide { hi: Value, lo: Value },
}

/// How to read `width_bits` bits that lie `off_bits` behind a pointer good for `len_bytes` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extract {
    off_bits: u32,
    width_bits: u32,
    len_bytes: u32,
}

impl Extract {
    /// The field must lie within the pointer's bytes.
    pub fn of(off_bits: i32, width_bits: u32, len_bytes: u32) -> Self {
        let off_bits = u32::try_from(off_bits).expect("a field lies behind its guard's start");
        debug_assert!(off_bits + width_bits <= len_bytes * 8, "a field lies inside its header");
        Self { off_bits, width_bits, len_bytes }
    }

    /// Appends the loads.
    pub fn emit(self, b: &mut Builder<'_>, ptr: Value) -> Bits {
        if self.width_bits == 128 {
            let at = self.off_bits / 8;
            return Bits::Wide {
                hi: b.load_be(ptr, at, Width::B8),
                lo: b.load_be(ptr, at + 8, Width::B8),
            };
        }
        let first = self.off_bits / 8;
        let last = (self.off_bits + self.width_bits - 1) / 8;
        let Some((start, width)) = self.window(first, last) else {
            return Bits::Narrow(self.bytewise(b, ptr, first, last));
        };
        let loaded = b.load_be(ptr, start, width);
        let below = (start + width.bytes()) * 8 - (self.off_bits + self.width_bits);
        Bits::Narrow(self.cut(b, loaded, below, width.bytes() * 8))
    }

    /// One load that holds bytes `first..=last` and stays inside the guard.
    fn window(self, first: u32, last: u32) -> Option<(u32, Width)> {
        [Width::B1, Width::B2, Width::B4, Width::B8].into_iter().find_map(|width| {
            let n = width.bytes();
            if n < last - first + 1 || n > self.len_bytes {
                return None;
            }
            let latest = first.min(self.len_bytes - n);
            let earliest = (last + 1).saturating_sub(n);
            (earliest <= latest).then_some((latest, width))
        })
    }

    /// No single load fits (three bytes in a slice of three): byte by byte.
    fn bytewise(self, b: &mut Builder<'_>, ptr: Value, first: u32, last: u32) -> Value {
        let mut value = b.load(ptr, first, Width::B1);
        for at in first + 1..=last {
            let up = b.binary_imm(BinOp::Shl, value, 8);
            let byte = b.load(ptr, at, Width::B1);
            value = b.binary(BinOp::Or, up, byte);
        }
        let below = (last + 1) * 8 - (self.off_bits + self.width_bits);
        self.cut(b, value, below, (last - first + 1) * 8)
    }

    fn cut(self, b: &mut Builder<'_>, mut value: Value, below: u32, have_bits: u32) -> Value {
        if below > 0 {
            value = b.binary_imm(BinOp::Shr, value, u64::from(below));
        }
        if have_bits - below > self.width_bits {
            value = b.binary_imm(BinOp::And, value, (1 << self.width_bits) - 1);
        }
        value
    }
}
