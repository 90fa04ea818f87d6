//! Tests of packet bytes: each bit is asked for once, by as narrow a load as will do.
//!
//! *Known bits*: behind a test that found some bits to be so, later ones do not ask for them, and a load of nothing
//! else is a number. *Narrow loads*: bytes that a test's mask leaves out are not loaded, so that the number often
//! fits the comparison. *Implied tests*: a test goes whose answer follows from one of the next few that has the
//! same way out: the header's reader looks for a first fragment, the rule for one that may not be fragmented.
//!
//! What is known of bits is kept for the pointer that they were read through; guards of one place have been merged
//! before. Facts end where paths meet, so that they never tie rules together.

use super::edit::{append, append_const, def_of, drop_unreachable, moves_packet, same_call};
use crate::analysis::{Cfg, Dominators, KnownBits, UseCounts};
use crate::{BinOp, Block, BlockCall, Cond, Function, InstData, Term, Value, Width};
use std::collections::HashMap;

/// So far down a test is looked for that implies the one at hand. Asking early ends early.
const MAX_AHEAD: usize = 4;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    if moves_packet(func) {
        return false;
    }
    let Some(entry) = func.entry() else { return false };
    let cfg = Cfg::new(func);
    let dominators = Dominators::new(&cfg);
    let uses = UseCounts::new(func);
    let mut bytes =
        Bytes { func, cfg, uses, known: HashMap::new(), log: Vec::new(), changed: false };
    bytes.block(entry);
    let mut stack = vec![(entry, 0, 0)];
    while let Some((block, next, mark)) = stack.last_mut() {
        if let Some(&child) = dominators.children(*block).get(*next) {
            *next += 1;
            let mark = bytes.log.len();
            bytes.enter(*block, child);
            stack.push((child, 0, mark));
            bytes.block(child);
        } else {
            bytes.forget(*mark);
            stack.pop();
        }
    }
    // Tests are in their final form now.
    for block in bytes.cfg.postorder.clone() {
        bytes.drop_implied(block);
    }
    let changed = bytes.changed;
    if changed {
        drop_unreachable(func);
    }
    changed
}

/// Bits of a byte: which, and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bits {
    care: u8,
    want: u8,
}

/// A byte of the packet: so far behind a pointer.
type At = (Value, u32);

struct Bytes<'f> {
    func: &'f mut Function,
    cfg: Cfg,
    uses: UseCounts,
    known: HashMap<At, Bits>,
    log: Vec<(At, Option<Bits>)>,
    changed: bool,
}

/// `load & care == want`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Equal {
    ptr: Value,
    disp_bytes: u32,
    width: Width,
    care: u64,
    want: u64,
}

impl Equal {
    /// Instructions that the test takes.
    fn cost(&self) -> u32 {
        let wide = |n: u64| u32::from(i32::try_from(n.cast_signed()).is_err());
        match (self.width, self.care == self.width.mask()) {
            (Width::B8, true) => 2 + wide(self.want),
            (Width::B8, false) => 3 + wide(self.care) + wide(self.want),
            (_, full) => 2 + u32::from(!full),
        }
    }

    /// The bits that it asks for, byte by byte.
    fn bits(&self) -> impl Iterator<Item = (At, Bits)> + use<> {
        let this = *self;
        (0..this.width.bytes()).map(move |n| {
            let byte = |of: u64| (of >> (8 * n)) as u8;
            let bits = Bits { care: byte(this.care), want: byte(this.want) };
            ((this.ptr, this.disp_bytes + n), bits)
        })
    }

    /// The same of `width` bytes, the first `skipped` left out.
    const fn part(&self, skipped: u32, width: Width) -> Self {
        Self {
            ptr: self.ptr,
            disp_bytes: self.disp_bytes + skipped,
            width,
            care: self.care >> (8 * skipped) & width.mask(),
            want: self.want >> (8 * skipped) & width.mask(),
        }
    }

    /// Whether where this holds `other` holds.
    fn implies(&self, other: &Self) -> bool {
        other.bits().all(|(at, bits)| {
            let here = self.bits().find(|&(here, _)| here == at);
            let here = here.map_or(Bits::default(), |(_, bits)| bits);
            bits.care & !here.care == 0 && here.want & bits.care == bits.want
        })
    }
}

/// What a branch asks, and where it goes.
struct Test {
    ask: Ask,
    good: BlockCall,
    fail: BlockCall,
}

enum Ask {
    Equal(Equal),
    /// The value lies between two numbers, both included.
    Range(Value, u64, u64),
    Other,
}

impl Ask {
    fn implies(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equal(a), Self::Equal(b)) => a.implies(b),
            (Self::Range(a, low, high), Self::Range(b, from, to)) => {
                a == b && from <= low && high <= to
            }
            (Self::Equal(_) | Self::Range(..) | Self::Other, _) => false,
        }
    }
}

impl Bytes<'_> {
    fn forget(&mut self, mark: usize) {
        while self.log.len() > mark {
            match self.log.pop() {
                Some((at, Some(bits))) => self.known.insert(at, bits),
                Some((at, None)) => self.known.remove(&at),
                None => None,
            };
        }
    }

    /// Notes what the edge from `block` to `child`, its only way in, says.
    fn enter(&mut self, block: Block, child: Block) {
        let Term::Br { cond, args: [a, b], then, .. } = &self.func.blocks[block].term else {
            return;
        };
        let holds = (*cond == Cond::Eq) == (then.block == child);
        if !matches!(cond, Cond::Eq | Cond::Ne) || self.cfg.single_pred(child) != Some(block) {
            return;
        }
        if let Some(equal) = self.equal(*a, *b).filter(|_| holds) {
            for (at, bits) in equal.bits().filter(|(_, bits)| bits.care != 0) {
                let old = self.known.get(&at).copied();
                let before = old.unwrap_or_default();
                let (care, want) = (before.care | bits.care, before.want | bits.want);
                self.known.insert(at, Bits { care, want });
                self.log.push((at, old));
            }
        }
    }

    /// What `a == b` asks of the packet's bytes, if it asks for nothing else.
    fn equal(&self, a: Value, b: Value) -> Option<Equal> {
        let want = self.func.constant(b)?;
        let (load, mask) = match *def_of(self.func, a)? {
            InstData::Binary { op: BinOp::And, args: [x, m] } => (x, self.func.constant(m)?),
            _ => (a, u64::MAX),
        };
        let InstData::Load { ptr, disp_bytes, width } = *def_of(self.func, load)? else {
            return None;
        };
        let care = mask & width.mask();
        (want & !care == 0).then_some(Equal { ptr, disp_bytes, width, care, want })
    }

    /// What is known of bytes in the packet.
    fn found(&self, ptr: Value, disp_bytes: u32, width: Width) -> KnownBits {
        let mut found = KnownBits::default();
        for n in 0..width.bytes() {
            let bits = self.known.get(&(ptr, disp_bytes + n)).copied().unwrap_or_default();
            found.ones |= u64::from(bits.want) << (8 * n);
            found.zeros |= u64::from(bits.care & !bits.want) << (8 * n);
        }
        found
    }

    fn block(&mut self, block: Block) {
        for inst in self.func.blocks[block].insts.clone() {
            if let InstData::Load { ptr, disp_bytes, width } = self.func.insts[inst] {
                let found = self.found(ptr, disp_bytes, width);
                if found.ones | found.zeros == width.mask() {
                    self.func.insts[inst] = InstData::Const(found.ones);
                    self.changed = true;
                }
            }
        }
        let Term::Br { cond: cond @ (Cond::Eq | Cond::Ne), args: [a, b], then, otherwise } =
            self.func.blocks[block].term.clone()
        else {
            return;
        };
        let Some(equal) = self.equal(a, b) else { return };
        let found = self.found(equal.ptr, equal.disp_bytes, equal.width);
        let known = (found.ones | found.zeros) & equal.care;
        let term = if (found.ones ^ equal.want) & known != 0 {
            Term::Jump(if cond == Cond::Eq { otherwise } else { then })
        } else if known == equal.care {
            Term::Jump(if cond == Cond::Eq { then } else { otherwise })
        } else {
            let Some(args) = self.narrowed(block, a, equal, equal.care & !known) else { return };
            Term::Br { cond, args, then, otherwise }
        };
        self.func.blocks[block].term = term;
        self.changed = true;
    }

    /// The sides of a cheaper comparison, if there is one: of the bits that a test asks for only those in `open`
    /// matter.
    fn narrowed(&mut self, block: Block, a: Value, equal: Equal, open: u64) -> Option<[Value; 2]> {
        let load = match *def_of(self.func, a)? {
            InstData::Binary { args: [x, _], .. } => x,
            _ => a,
        };
        if self.uses.of(load) != 1 || self.uses.of(a) != 1 {
            return None;
        }
        let (first, last) = (open.trailing_zeros() / 8, (63 - open.leading_zeros()) / 8);
        let width = [Width::B1, Width::B2, Width::B4, Width::B8]
            .into_iter()
            .find(|width| width.bytes() > last - first)?;
        // Where less than a whole width is left, the load begins earlier.
        let skipped = first.min(equal.width.bytes().checked_sub(width.bytes())?);
        let whole = equal.part(skipped, width);
        let bare = Equal { care: open >> (8 * skipped), ..whole };
        let bare = Equal { want: whole.want & bare.care, ..bare };
        let cheaper = if bare.cost() < whole.cost() { bare } else { whole };
        if cheaper.cost() >= equal.cost() {
            return None;
        }
        let line = self.func.blocks[block].term_line.expand();
        let Equal { ptr, disp_bytes, width, care, want } = cheaper;
        let mut value = append(self.func, block, InstData::Load { ptr, disp_bytes, width }, line);
        if care != width.mask() {
            let mask = append_const(self.func, block, care, line);
            let data = InstData::Binary { op: BinOp::And, args: [value, mask] };
            value = append(self.func, block, data, line);
        }
        Some([value, append_const(self.func, block, want, line)])
    }

    /// The test that ends `block`, read so that `is_fail` of the side that it does not go on to.
    fn test(&self, block: Block, is_fail: impl Fn(&BlockCall) -> bool) -> Option<Test> {
        let Term::Br { cond, args: [a, b], then, otherwise } = &self.func.blocks[block].term else {
            return None;
        };
        let (cond, good, fail) = if is_fail(otherwise) {
            (*cond, then, otherwise)
        } else if is_fail(then) {
            (cond.negate(), otherwise, then)
        } else {
            return None;
        };
        let ask = match cond {
            Cond::Eq => self.equal(*a, *b).map(Ask::Equal),
            _ => self.range(cond, *a, *b),
        };
        Some(Test { ask: ask.unwrap_or(Ask::Other), good: good.clone(), fail: fail.clone() })
    }

    fn is_only_way(&self, from: Block, to: Block) -> bool {
        self.cfg.single_pred(to) == Some(from)
    }

    fn range(&self, cond: Cond, a: Value, b: Value) -> Option<Ask> {
        let n = self.func.constant(b)?;
        let (low, high) = match cond {
            Cond::Le => (0, n),
            Cond::Lt => (0, n.checked_sub(1)?),
            Cond::Ge => (n, u64::MAX),
            Cond::Gt => (n.checked_add(1)?, u64::MAX),
            Cond::Eq | Cond::Ne => return None,
        };
        let (value, start) = match *def_of(self.func, a)? {
            InstData::Binary { op: BinOp::Sub, args: [x, m] } => (x, self.func.constant(m)?),
            _ => (a, 0),
        };
        Some(Ask::Range(value, low.checked_add(start)?, high.checked_add(start)?))
    }

    /// Makes a jump of the test at the end of `block` that one of the next tests implies.
    fn drop_implied(&mut self, block: Block) {
        let many_ways_in = |to: &BlockCall| self.cfg.preds[to.block].len() > 1;
        let Some(test) = self.test(block, many_ways_in) else { return };
        let (mut from, mut at) = (block, test.good.block);
        for _ in 0..MAX_AHEAD {
            let insts = &self.func.blocks[at].insts;
            let effect = insts.iter().any(|&inst| self.func.insts[inst].has_effect());
            if effect || !self.is_only_way(from, at) {
                return;
            }
            from = at;
            if let Term::Jump(to) = &self.func.blocks[at].term {
                at = to.block;
                continue;
            }
            let same_way_out = |to: &BlockCall| same_call(self.func, to, &test.fail);
            let Some(next) = self.test(at, same_way_out) else { return };
            if next.ask.implies(&test.ask) {
                self.func.blocks[block].term = Term::Jump(test.good);
                self.changed = true;
                return;
            }
            at = next.good.block;
        }
    }
}
