//! Several bits of one header that must be just so, compared by as few loads as their bytes take.
//!
//! `tcp.ack == 0 and tcp.window == 29200 and l4[20:4] == hex"…"` are three questions to one header: of those
//! that an `and` holds, what must be equal becomes one pattern of bytes behind one guard.

use super::FuncBuilder;
use super::cheapest::cheapest;
use super::layout;
use super::search::{compare, pieces};
use crate::fields::{At, Base, When};
use crate::hir::{Atom, AtomTest, Layer, Operand, Pattern, Pred};
use l4c_ir::Block;

/// Patterns do not grow beyond this; what lies farther out is asked by itself.
const MAX_PATTERN_BYTES: u32 = 64;

/// Bits that must be just so.
#[derive(Debug, Clone, Copy)]
struct Exact<'p> {
    layer: Layer,
    /// The header that must be there besides, if one must.
    when: Option<When>,
    off_bits: u32,
    width_bits: u32,
    /// Right-aligned, `want` zero where `care` is; up to 128 bits, or else a whole pattern.
    bits: Option<(u128, u128)>,
    pattern: Option<&'p Pattern>,
}

/// The predicates of nested `and`s, in order.
fn flat<'p>(list: &'p [Pred], out: &mut Vec<&'p Pred>) {
    for pred in list {
        match pred {
            Pred::And(inner) => flat(inner, out),
            Pred::Or(one) if one.len() == 1 => flat(one, out),
            Pred::Const(_)
            | Pred::Atom(_)
            | Pred::Limit(_)
            | Pred::Tuple(_)
            | Pred::Random(_)
            | Pred::Nth(_)
            | Pred::Not(_)
            | Pred::Or(_) => out.push(pred),
        }
    }
}

fn exact(pred: &Pred) -> Option<Exact<'_>> {
    let Pred::Atom(Atom { operand, test, .. }) = pred else { return None };
    let found = match operand {
        Operand::Field { field, mask, inner: false } => {
            let [place] = field.places else { return None };
            let At::Bits { base, off_bits, width_bits, shift, add: 0 } = place.at else {
                return None;
            };
            let (layer, when) = match (base, place.when) {
                (Base::Net, When::Ip4) => (Layer::L3, When::Ip4),
                (Base::Transport, when @ When::Header(_)) => (Layer::L4, when),
                _ => return None,
            };
            let width_bits = u32::from(width_bits);
            let (want, care) = one_of(test, *mask, width_bits + u32::from(shift))?;
            let low = (1u128 << shift) - 1;
            let fits = want & low == 0 && care & low == low;
            let bits = fits.then_some((want >> shift, care >> shift))?;
            let off_bits = u32::try_from(off_bits).ok()?;
            let (when, bits) = (Some(when), Some(bits));
            Exact { layer, when, off_bits, width_bits, bits, pattern: None }
        }
        Operand::Bytes { slice, mask } => {
            let (None, Some(len), Layer::L3 | Layer::L4) =
                (slice.off_field, slice.len_bytes, slice.layer)
            else {
                return None;
            };
            let (off_bits, width_bits) = (slice.off_bytes.checked_mul(8)?, len * 8);
            let (bits, pattern) = match test {
                AtomTest::Equals { pattern, negated: false } => (None, Some(pattern)),
                _ => (Some(one_of(test, mask.map(u128::from), width_bits)?), None),
            };
            Exact { layer: slice.layer, when: None, off_bits, width_bits, bits, pattern }
        }
        Operand::Field { inner: true, .. } | Operand::Name | Operand::Window(_) => return None,
    };
    (found.off_bits + found.width_bits <= MAX_PATTERN_BYTES * 8).then_some(found)
}

/// Value and mask, if the test asks for one value, or for those of a prefix.
fn one_of(test: &AtomTest, mask: Option<u128>, width_bits: u32) -> Option<(u128, u128)> {
    let AtomTest::In { values, negated: false } = test else { return None };
    let [values] = values.as_slice() else { return None };
    let [(lo, hi)] = *values.as_slice() else { return None };
    let all = crate::ranges::max_value(width_bits);
    match mask {
        Some(mask) if lo == hi && lo & !mask == 0 => Some((lo, mask & all)),
        Some(_) => None,
        None => {
            let size = (hi - lo).checked_add(1)?;
            (size.is_power_of_two() && lo & (size - 1) == 0).then(|| (lo, all & !(size - 1)))
        }
    }
}

impl Exact<'_> {
    fn end_bytes(&self) -> u32 {
        (self.off_bits + self.width_bits).div_ceil(8)
    }

    /// Adds the bits to a pattern; false if they contradict it.
    fn add_to(&self, pattern: &mut Pattern) -> bool {
        let bits = (0..self.width_bits).filter_map(|n| {
            let at = self.off_bits + n;
            let (want, care) = match (self.pattern, self.bits) {
                (Some(pattern), _) => {
                    let (byte, bit) = ((n / 8) as usize, 7 - n % 8);
                    (pattern.want.get(byte)? >> bit & 1, pattern.care.get(byte)? >> bit & 1)
                }
                (None, Some((want, care))) => {
                    let shift = self.width_bits - 1 - n;
                    (u8::from(want >> shift & 1 == 1), u8::from(care >> shift & 1 == 1))
                }
                (None, None) => return None,
            };
            (care == 1).then_some(((at / 8) as usize, 7 - at % 8, want))
        });
        for (byte, bit, want) in bits {
            let (there, wanted) = (pattern.care[byte] >> bit & 1, pattern.want[byte] >> bit & 1);
            if there == 1 && wanted != want {
                return false;
            }
            pattern.care[byte] |= 1 << bit;
            pattern.want[byte] |= want << bit;
        }
        true
    }
}

impl FuncBuilder<'_, '_> {
    /// Asks those of an `and` together that can be, goes on where they hold, and gives the others.
    pub(super) fn exact_parts<'p>(&mut self, list: &'p [Pred], no: Block) -> Vec<&'p Pred> {
        let mut all = Vec::new();
        flat(list, &mut all);
        // What stands behind something that keeps state is not asked before it.
        let state = all.iter().position(|pred| pred.keeps_state()).unwrap_or(all.len());
        let behind = all.split_off(state);
        for layer in [Layer::L3, Layer::L4] {
            let parts: Vec<(usize, Exact<'p>)> = all
                .iter()
                .enumerate()
                .filter_map(|(at, pred)| Some((at, exact(pred)?)))
                .filter(|(_, part)| part.layer == layer)
                .collect();
            let taken = self.together(&parts, no);
            let mut at = 0;
            all.retain(|_| {
                at += 1;
                !taken.contains(&(at - 1))
            });
        }
        all.extend(behind);
        all
    }

    /// Asks the parts of one layer, if there are several and they go together; says which were asked.
    fn together(&mut self, parts: &[(usize, Exact<'_>)], no: Block) -> Vec<usize> {
        let when = parts.iter().find_map(|(_, part)| part.when);
        let one_header = parts.iter().all(|(_, part)| part.when.is_none() || part.when == when);
        let [(_, first), _, ..] = parts else { return Vec::new() };
        let end_bytes = parts.iter().map(|(_, part)| part.end_bytes()).max().unwrap_or(0);
        let bytes = end_bytes.max(when.map_or(0, layout::header_bytes));
        let mut pattern = Pattern { want: vec![0; bytes as usize], care: vec![0; bytes as usize] };
        if !one_header || !parts.iter().all(|(_, part)| part.add_to(&mut pattern)) {
            return Vec::new();
        }
        let off = match (when, first.layer) {
            (Some(when), layer) => {
                let (bits, want) = layout::question(when);
                self.require(bits, want, no);
                if layer == Layer::L3 { self.l3_off } else { self.l4_off }
            }
            (None, Layer::L3) => {
                self.require(layout::L3, layout::L3, no);
                self.l3_off
            }
            (None, _) => {
                self.require(layout::L4, layout::L4, no);
                self.l4_off
            }
        };
        let ptr = self.b.guard(off, bytes, no);
        // Where bytes are copied first, loads had better be aligned.
        let loads = if self.made.points_into_packet { cheapest } else { pieces };
        compare(&mut self.b, ptr, 0, &loads(&pattern), no);
        parts.iter().map(|(at, _)| *at).collect()
    }
}
