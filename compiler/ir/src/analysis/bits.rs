//! Bits of a value that are the same for every packet.

use super::Cfg;
use crate::{BinOp, Block, Env, Function, InstData, Spent, Term, Value, Width};
use cranelift_entity::SecondaryMap;

/// Bits known to be zero and bits known to be one. No bit is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownBits {
    /// Always zero.
    pub zeros: u64,
    /// Always one.
    pub ones: u64,
}

impl KnownBits {
    /// A number.
    #[must_use]
    pub const fn constant(n: u64) -> Self {
        Self { zeros: !n, ones: n }
    }

    /// Any number up to `max`.
    #[must_use]
    pub const fn up_to(max: u64) -> Self {
        Self { zeros: !(u64::MAX.unbounded_shr(max.leading_zeros())), ones: 0 }
    }

    /// No number with these bits is larger.
    #[must_use]
    pub const fn max_value(self) -> u64 {
        !self.zeros
    }

    /// No number with these bits is smaller.
    #[must_use]
    pub const fn min_value(self) -> u64 {
        self.ones
    }

    /// The number, if all bits are known.
    #[must_use]
    pub fn as_constant(self) -> Option<u64> {
        (self.zeros | self.ones == u64::MAX).then_some(self.ones)
    }

    /// True if no number has both these bits and `other`'s.
    #[must_use]
    pub const fn contradicts(self, other: Self) -> bool {
        self.zeros & other.ones | self.ones & other.zeros != 0
    }

    /// What is known of a number that is one of two.
    #[must_use]
    pub const fn either(self, other: Self) -> Self {
        Self { zeros: self.zeros & other.zeros, ones: self.ones & other.ones }
    }

    /// What is known of a number of which both are known.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self { zeros: self.zeros | other.zeros, ones: self.ones | other.ones }
    }

    /// What is known of an operation's result.
    #[must_use]
    pub fn binary(op: BinOp, a: Self, b: Self) -> Self {
        if let (Some(a), Some(b)) = (a.as_constant(), b.as_constant()) {
            return Self::constant(op.eval(a, b));
        }
        match op {
            BinOp::And => Self { zeros: a.zeros | b.zeros, ones: a.ones & b.ones },
            BinOp::Or => Self { zeros: a.zeros & b.zeros, ones: a.ones | b.ones },
            BinOp::Xor => Self {
                zeros: a.zeros & b.zeros | a.ones & b.ones,
                ones: a.zeros & b.ones | a.ones & b.zeros,
            },
            BinOp::Add => bounded(a.max_value().checked_add(b.max_value())).both(low_zeros(a, b)),
            BinOp::Mul => bounded(a.max_value().checked_mul(b.max_value())),
            BinOp::Sub => {
                let no_borrow = a.min_value() >= b.max_value();
                bounded(no_borrow.then(|| a.max_value() - b.min_value())).both(low_zeros(a, b))
            }
            BinOp::Shl => b.as_constant().map_or(Self::default(), |n| Self {
                zeros: a.zeros << (n & 63) | !(u64::MAX << (n & 63)),
                ones: a.ones << (n & 63),
            }),
            BinOp::Shr => match b.as_constant() {
                Some(n) => Self {
                    zeros: a.zeros >> (n & 63) | !(u64::MAX >> (n & 63)),
                    ones: a.ones >> (n & 63),
                },
                None => Self::up_to(a.max_value()),
            },
            // Below the divisor, unless that may be 0.
            BinOp::Rem if b.min_value() > 0 => Self::up_to(a.max_value().min(b.max_value() - 1)),
            BinOp::Rem => Self::up_to(a.max_value()),
        }
    }

    /// What is known of the low `width` bytes in reverse order.
    #[must_use]
    pub const fn swap(width: Width, a: Self) -> Self {
        let mask = width.mask();
        Self { zeros: width.swap_bytes(a.zeros) | !mask, ones: width.swap_bytes(a.ones) }
    }
}

/// Low bits that are zero in both stay zero in a sum and a difference.
fn low_zeros(a: KnownBits, b: KnownBits) -> KnownBits {
    let n = a.zeros.trailing_ones().min(b.zeros.trailing_ones());
    KnownBits { zeros: !u64::MAX.unbounded_shl(n), ones: 0 }
}

/// A result that is at most `max`, or wraps.
fn bounded(max: Option<u64>) -> KnownBits {
    max.map_or(KnownBits::default(), KnownBits::up_to)
}

impl Width {
    /// The bits of the low bytes.
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }

    /// The low bytes of `n` in reverse order, zero above: what the `swap` opcode gives.
    #[must_use]
    pub const fn swap_bytes(self, n: u64) -> u64 {
        n.swap_bytes() >> (64 - 8 * self.bytes())
    }
}

/// Known bits of each value that a reachable block defines. Pointers have none.
///
/// A forward estimate: one pass over an acyclic function; conditions of branches are not used.
#[must_use]
pub fn known_bits(func: &Function, cfg: &Cfg) -> SecondaryMap<Value, KnownBits> {
    let mut bits = SecondaryMap::with_capacity(func.values.len());
    for block in cfg.reverse_postorder() {
        bind_params(func, cfg, block, &mut bits);
        for &inst in &func.blocks[block].insts {
            if let Some(result) = func.results[inst].expand() {
                bits[result] = of_inst(&func.insts[inst], &bits);
            }
        }
    }
    bits
}

/// What an instruction's operands tell of its result.
pub(crate) fn of_inst(data: &InstData, bits: &SecondaryMap<Value, KnownBits>) -> KnownBits {
    match data {
        InstData::Const(n) => KnownBits::constant(*n),
        InstData::Binary { op, args: [a, b] } => KnownBits::binary(*op, bits[*a], bits[*b]),
        InstData::Swap { width, arg } => KnownBits::swap(*width, bits[*arg]),
        InstData::Load { width, .. } => KnownBits::up_to(width.mask()),
        InstData::Env(Env::PktLen) => KnownBits::up_to(0xffff),
        InstData::Member { .. } | InstData::Nth { .. } => KnownBits::up_to(1),
        InstData::Spend { .. } | InstData::Flow { .. } => KnownBits::up_to(Spent::EVICTED),
        InstData::Env(Env::Iface | Env::RxQueue | Env::Cpu | Env::Mark)
        | InstData::IfaceSlot(_)
        | InstData::Random => KnownBits::up_to(u64::from(u32::MAX)),
        InstData::Env(Env::Now | Env::Ticks)
        | InstData::Count { .. }
        | InstData::Find { .. }
        | InstData::Put { .. }
        | InstData::Erase { .. }
        | InstData::SetState(_)
        | InstData::Hash { .. }
        | InstData::Sample { .. }
        | InstData::Call { .. }
        | InstData::Redirect { .. }
        | InstData::Reject { .. } => KnownBits::default(),
    }
}

/// What is known of a block's parameters, once all predecessors are known. The entry's can be
/// anything.
pub(crate) fn bind_params(
    func: &Function,
    cfg: &Cfg,
    block: Block,
    bits: &mut SecondaryMap<Value, KnownBits>,
) {
    for (index, &param) in func.blocks[block].params.iter().enumerate() {
        let mut known: Option<KnownBits> = None;
        for &pred in &cfg.preds[block] {
            func.blocks[pred].term.for_each_call(|to| {
                if let (true, Some(&arg)) = (to.block == block, to.args.get(index)) {
                    known = Some(known.map_or(bits[arg], |k| k.either(bits[arg])));
                }
            });
        }
        bits[param] = known.unwrap_or_default();
    }
}

impl Term {
    /// Calls `f` on each edge that can carry numbers: all but a guard's good side.
    pub fn for_each_call<'a>(&'a self, mut f: impl FnMut(&'a crate::BlockCall)) {
        match self {
            Self::Jump(to) | Self::Guard { fail: to, .. } => f(to),
            Self::Br { then, otherwise, .. } => {
                f(then);
                f(otherwise);
            }
            Self::Return(_) | Self::None => {}
        }
    }

    /// Calls `f` on each edge that can carry numbers, to change it.
    pub fn for_each_call_mut(&mut self, mut f: impl FnMut(&mut crate::BlockCall)) {
        match self {
            Self::Jump(to) | Self::Guard { fail: to, .. } => f(to),
            Self::Br { then, otherwise, .. } => {
                f(then);
                f(otherwise);
            }
            Self::Return(_) | Self::None => {}
        }
    }
}
