//! What the branches taken so far say about values.

#[cfg(test)]
mod tests;

use super::classes::{Class, ClassDef, Classes};
use crate::analysis::KnownBits;
use crate::{BinOp, Cond};
use std::collections::HashMap;
use std::hash::Hash;

/// How far a fact is followed through arithmetic.
const MAX_DEPTH: u32 = 4;

/// Offsets up to this are added to small numbers without wrapping.
const MAX_SMALL: u64 = 0xffff_ffff;

/// Three relations, of which exactly one holds between two numbers.
const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;
const ANY: u8 = LESS | EQUAL | GREATER;

const fn relations(cond: Cond) -> u8 {
    match cond {
        Cond::Eq => EQUAL,
        Cond::Ne => LESS | GREATER,
        Cond::Lt => LESS,
        Cond::Le => LESS | EQUAL,
        Cond::Gt => GREATER,
        Cond::Ge => GREATER | EQUAL,
    }
}

/// A map that forgets what was written after a mark.
struct Scoped<K, V> {
    map: HashMap<K, V>,
    log: Vec<(K, Option<V>)>,
}

impl<K: Copy + Eq + Hash, V: Copy> Scoped<K, V> {
    fn new() -> Self {
        Self { map: HashMap::new(), log: Vec::new() }
    }

    fn get(&self, key: K) -> Option<V> {
        self.map.get(&key).copied()
    }

    fn set(&mut self, key: K, value: V) {
        self.log.push((key, self.map.insert(key, value)));
    }

    fn undo_to(&mut self, mark: usize) {
        while self.log.len() > mark {
            match self.log.pop() {
                Some((key, Some(value))) => self.map.insert(key, value),
                Some((key, None)) => self.map.remove(&key),
                None => None,
            };
        }
    }
}

/// What is known on the way to a place. If it contradicts itself, the place is never reached, and
/// any answer is right.
pub(super) struct Facts {
    relations: Scoped<(Class, Class), u8>,
    ranges: Scoped<Class, (u64, u64)>,
    bits: Scoped<Class, KnownBits>,
    /// Bytes at this distance from an offset and beyond are not there.
    unreadable: Scoped<Option<Class>, u64>,
}

/// A state of [`Facts`] to come back to.
#[derive(Clone, Copy)]
pub(super) struct Mark([usize; 4]);

impl Facts {
    pub(super) fn new() -> Self {
        Self {
            relations: Scoped::new(),
            ranges: Scoped::new(),
            bits: Scoped::new(),
            unreadable: Scoped::new(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark([
            self.relations.log.len(),
            self.ranges.log.len(),
            self.bits.log.len(),
            self.unreadable.log.len(),
        ])
    }

    pub(super) fn undo_to(&mut self, mark: Mark) {
        self.relations.undo_to(mark.0[0]);
        self.ranges.undo_to(mark.0[1]);
        self.bits.undo_to(mark.0[2]);
        self.unreadable.undo_to(mark.0[3]);
    }

    /// `a cond b` holds from here on.
    pub(super) fn assume(&mut self, classes: &Classes, cond: Cond, a: Class, b: Class) {
        if b < a {
            return self.assume(classes, cond.swap_args(), b, a);
        }
        let known = self.relations.get((a, b)).unwrap_or(ANY);
        self.relations.set((a, b), known & relations(cond));
        if let Some(n) = classes.constant(b) {
            self.assume_number(classes, cond, a, n);
        }
        if let Some(n) = classes.constant(a) {
            self.assume_number(classes, cond.swap_args(), b, n);
        }
    }

    fn assume_number(&mut self, classes: &Classes, cond: Cond, a: Class, n: u64) {
        let bits = self.known(classes, a, 0);
        let (low, high) = self.range(a, bits);
        let range = match cond {
            Cond::Eq => (n, n),
            Cond::Ne if n == low => (low.saturating_add(1), high),
            Cond::Ne if n == high => (low, high.saturating_sub(1)),
            Cond::Ne => (low, high),
            Cond::Lt => (low, high.min(n.saturating_sub(1))),
            Cond::Le => (low, high.min(n)),
            Cond::Gt => (low.max(n.saturating_add(1)), high),
            Cond::Ge => (low.max(n), high),
        };
        if range != (low, high) {
            self.ranges.set(a, range);
        }
        let possible = bits.max_value();
        if cond == Cond::Eq {
            self.learn(classes, a, KnownBits::constant(n), 0);
        } else if range.0 == range.1 {
            self.learn(classes, a, KnownBits::constant(range.0), 0);
        } else if cond == Cond::Ne && n == 0 && possible.is_power_of_two() {
            self.learn(classes, a, KnownBits::constant(possible), 0);
        }
    }

    /// Notes bits of a class, and of what it was computed from.
    fn learn(&mut self, classes: &Classes, a: Class, bits: KnownBits, depth: u32) {
        let known = self.bits.get(a).unwrap_or_default();
        if known.contradicts(bits) || known == known.both(bits) {
            return;
        }
        self.bits.set(a, known.both(bits));
        if depth == MAX_DEPTH {
            return;
        }
        match classes.def(a) {
            ClassDef::Binary(op, x, y) => {
                let exchange = op.is_commutative() && classes.constant(x).is_some();
                let (x, y) = if exchange { (y, x) } else { (x, y) };
                let Some(n) = classes.constant(y) else { return };
                let inner = match op {
                    BinOp::And => KnownBits { zeros: bits.zeros & n, ones: bits.ones & n },
                    BinOp::Or => KnownBits { zeros: bits.zeros, ones: bits.ones & !n },
                    BinOp::Shr => {
                        KnownBits { zeros: bits.zeros << (n & 63), ones: bits.ones << (n & 63) }
                    }
                    BinOp::Shl => {
                        KnownBits { zeros: bits.zeros >> (n & 63), ones: bits.ones >> (n & 63) }
                    }
                    BinOp::Xor | BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Rem => return,
                };
                self.learn(classes, x, inner, depth + 1);
            }
            ClassDef::Swap(width, x) => {
                let inner = KnownBits {
                    zeros: width.swap_bytes(bits.zeros & width.mask()),
                    ones: width.swap_bytes(bits.ones & width.mask()),
                };
                self.learn(classes, x, inner, depth + 1);
            }
            ClassDef::Opaque(_)
            | ClassDef::Const(_)
            | ClassDef::Member(..)
            | ClassDef::Env(_)
            | ClassDef::SetState(_) => {}
        }
    }

    /// Known bits of a class here.
    fn known(&self, classes: &Classes, a: Class, depth: u32) -> KnownBits {
        let known = add(classes.bits(a), self.bits.get(a).unwrap_or_default());
        if depth == MAX_DEPTH || known.as_constant().is_some() {
            return known;
        }
        match classes.def(a) {
            ClassDef::Binary(op, x, y) => {
                let (x, y) = (self.known(classes, x, depth + 1), self.known(classes, y, depth + 1));
                add(known, KnownBits::binary(op, x, y))
            }
            ClassDef::Swap(width, x) => {
                add(known, KnownBits::swap(width, self.known(classes, x, depth + 1)))
            }
            ClassDef::Opaque(_)
            | ClassDef::Const(_)
            | ClassDef::Member(..)
            | ClassDef::Env(_)
            | ClassDef::SetState(_) => known,
        }
    }

    /// The numbers that a class with these known bits can be, from and to.
    fn range(&self, a: Class, bits: KnownBits) -> (u64, u64) {
        let (low, high) = self.ranges.get(a).unwrap_or((0, u64::MAX));
        (low.max(bits.min_value()), high.min(bits.max_value()))
    }

    /// The outcome of a comparison, if it is the same on all ways here.
    pub(super) fn decide(&self, classes: &Classes, cond: Cond, a: Class, b: Class) -> Option<bool> {
        if a == b {
            return Some(cond.eval(0, 0));
        }
        if b < a {
            return self.decide(classes, cond.swap_args(), b, a);
        }
        let mut possible = self.relations.get((a, b)).unwrap_or(ANY);
        let (bits_a, bits_b) = (self.known(classes, a, 0), self.known(classes, b, 0));
        let (range_a, range_b) = (self.range(a, bits_a), self.range(b, bits_b));
        if range_a.0 >= range_b.1 {
            possible &= !LESS;
        }
        if range_a.1 <= range_b.0 {
            possible &= !GREATER;
        }
        if bits_a.contradicts(bits_b) || range_a.0 > range_b.1 || range_a.1 < range_b.0 {
            possible &= !EQUAL;
        }
        match (possible & relations(cond), possible & !relations(cond)) {
            (0, _) => Some(false),
            (_, 0) => Some(true),
            (_, _) => None,
        }
    }

    /// The guard of `len_bytes` at `off` fails from here on.
    pub(super) fn assume_unreadable(&mut self, classes: &Classes, off: Class, len_bytes: u32) {
        let (base, end) = reach(classes, off, len_bytes);
        if self.unreadable.get(base).is_none_or(|known| end < known) {
            self.unreadable.set(base, end);
        }
    }

    /// The guard of `len_bytes` at `off` has held: the packet is that long.
    pub(super) fn assume_readable(&mut self, classes: &mut Classes, off: Class, len_bytes: u32) {
        let pkt_len = classes.pkt_len();
        match classes.constant(off) {
            Some(n) => {
                let end = classes.number(n.saturating_add(len_bytes.into()));
                self.assume(classes, Cond::Ge, pkt_len, end);
            }
            None => self.assume(classes, Cond::Le, off, pkt_len),
        }
    }

    /// Whether the guard of `len_bytes` at `off` is known to fail.
    pub(super) fn is_unreadable(&self, classes: &Classes, off: Class, len_bytes: u32) -> bool {
        let (base, end) = reach(classes, off, len_bytes);
        self.unreadable.get(base).is_some_and(|known| known <= end)
    }
}

/// Both, if they do not contradict each other.
fn add(known: KnownBits, more: KnownBits) -> KnownBits {
    if known.contradicts(more) { known } else { known.both(more) }
}

/// Where a guard ends, counted from a base (none is the packet's start). Two guards of one base
/// whose ends are `a <= b`: if the first fails, so does the second. That would not hold if the sums
/// could wrap.
fn reach(classes: &Classes, off: Class, len_bytes: u32) -> (Option<Class>, u64) {
    let len = u64::from(len_bytes);
    match classes.def(off) {
        ClassDef::Const(n) if n <= MAX_SMALL => (None, n + len),
        ClassDef::Binary(BinOp::Add, x, y) => {
            let (x, y) = if classes.constant(x).is_some() { (y, x) } else { (x, y) };
            match classes.constant(y) {
                Some(n) if n <= MAX_SMALL && classes.bits(x).max_value() <= MAX_SMALL => {
                    (Some(x), n + len)
                }
                Some(_) | None => (Some(off), len),
            }
        }
        ClassDef::Const(_)
        | ClassDef::Opaque(_)
        | ClassDef::Binary(..)
        | ClassDef::Swap(..)
        | ClassDef::Member(..)
        | ClassDef::Env(_)
        | ClassDef::SetState(_) => (Some(off), len),
    }
}
