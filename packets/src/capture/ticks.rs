//! Time stamps of pcapng: counts of an interface's own unit from its own zero.

const NS_PER_SECOND: u64 = 1_000_000_000;

/// An interface's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    per_second: u64,
    offset_seconds: i64,
}

impl Ticks {
    /// The resolution of an interface that names none.
    pub(super) const MICROSECONDS: u8 = 6;

    /// From `if_tsresol` (a negative power of ten, or of two if the top bit is set) and
    /// `if_tsoffset`; `None` if a second has more units than 64 bits hold.
    pub(super) fn new(resolution: u8, offset_seconds: i64) -> Option<Self> {
        let exponent = u32::from(resolution & 0x7f);
        let base = if resolution & 0x80 == 0 { 10_u64 } else { 2 };
        Some(Self { per_second: base.checked_pow(exponent)?, offset_seconds })
    }

    /// Nanoseconds since 1970; times outside of what 64 bits hold become the nearest that they do.
    pub(super) fn to_ns(self, ticks: u64) -> u64 {
        let seconds = ticks / self.per_second;
        let rest = ticks % self.per_second;
        let fraction_ns = match rest.checked_mul(NS_PER_SECOND) {
            Some(scaled) => scaled / self.per_second,
            None => {
                let exact = u128::from(rest) * u128::from(NS_PER_SECOND);
                u64::try_from(exact / u128::from(self.per_second)).unwrap_or(NS_PER_SECOND - 1)
            }
        };
        seconds
            .saturating_add_signed(self.offset_seconds)
            .saturating_mul(NS_PER_SECOND)
            .saturating_add(fraction_ns)
    }
}
