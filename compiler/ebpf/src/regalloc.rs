//! Machine registers for virtual ones.
//!
//! Virtual registers are placed one after the other, the most used for their length of life first, each
//! in a machine register that is free whenever it is alive: a life may have gaps, so that a value is not
//! disturbed by a call on a path on which it is not needed. What finds no room lives in the frame; short
//! lives are put around its uses, and all is placed again.

mod check;
mod moves;

use crate::error::Error;
use crate::live::{Lives, Span, read_at, write_at};
use crate::mach::{Alu, Arg, Code, Op, Reg, Role, Src};
use cranelift_entity::packed_option::PackedOption;
use l4c_ir::Line;
use std::collections::BTreeMap;

/// Where a virtual register lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Nowhere: it is never alive.
    None,
    /// In a machine register.
    Reg(Reg),
    /// In the frame's slot of this number, 8 bytes.
    Slot(u32),
}

/// Registers in the order in which they are tried: those that calls destroy first, and of these the ones
/// that few calls want for arguments and results.
const POOL: [u32; 9] = [5, 4, 3, 2, 1, 0, 7, 8, 9];
/// How many of [`POOL`] calls destroy.
const DESTROYED: usize = 6;
/// Of those that a register would like to share with, so many are looked at before they have a place.
const MAX_PARTNERS: usize = 4;
/// Far more rounds than are needed: each puts what found no room into the frame, and what is put in its
/// place lives so shortly that it finds room sooner or later.
const MAX_ROUNDS: usize = 64;

/// Times at which something is taken, by their beginnings.
#[derive(Default, Clone)]
struct Taken(BTreeMap<u32, u32>);

impl Taken {
    fn is_free(&self, spans: &[Span]) -> bool {
        spans.iter().all(|&(from, to)| {
            self.0.range(..to).next_back().is_none_or(|(_, &taken_to)| taken_to <= from)
        })
    }

    fn take(&mut self, spans: &[Span]) {
        self.0.extend(spans.iter().copied());
    }
}

/// Gives every operand of `code` a machine register, and gives the bytes of its frame.
///
/// # Errors
/// When the code asks for more registers at once than there are, or reads what nothing wrote: mistakes
/// of selection.
pub fn allocate(mut code: Code) -> Result<(Code, u32), Error> {
    let mut in_frame = vec![false; code.virtuals as usize];
    for _ in 0..MAX_ROUNDS {
        let lives = Lives::new(&mut code, &in_frame);
        let (mut places, spilled) = place(&mut code, &lives, &in_frame)?;
        if spilled.is_empty() {
            let slots = place_slots(&lives, &in_frame, &mut places);
            if cfg!(debug_assertions) {
                check::check(&mut code, &places)?;
            }
            let (mut code, stack_bytes) = moves::finish(code, &places, slots)?;
            // Moves that came to nothing leave jumps to jumps.
            code.prune();
            return Ok((code, stack_bytes));
        }
        spilled.iter().for_each(|&reg| in_frame[reg] = true);
        spill(&mut code, &in_frame);
        in_frame.resize(code.virtuals as usize, false);
    }
    Err(Error::Bug("register allocation does not end".into()))
}

/// Places what lives in registers; gives what found no room, too.
fn place(
    code: &mut Code,
    lives: &Lives,
    in_frame: &[bool],
) -> Result<(Vec<Place>, Vec<usize>), Error> {
    let mut taken = fixed(code);
    let hints = hints(code);
    let mut places = vec![Place::None; lives.spans.len()];
    let mut order: Vec<usize> =
        (0..places.len()).filter(|&r| !in_frame[r] && !lives.spans[r].is_empty()).collect();
    let weight = |reg: usize| {
        let length: u64 = lives.spans[reg].iter().map(|&(from, to)| u64::from(to - from)).sum();
        (code.local[reg], u64::from(lives.uses[reg]) * 1_000_000 / length.max(1))
    };
    order.sort_by_cached_key(|&reg| (std::cmp::Reverse(weight(reg)), reg));
    let mut spilled = Vec::new();
    for reg in order {
        let hinted = hints[reg].iter().filter_map(|hint| match hint.index() {
            None => in_pool(*hint),
            Some(other) => match places[other] {
                Place::Reg(machine) => in_pool(machine),
                Place::None | Place::Slot(_) => None,
            },
        });
        let fits = |at: usize, reg: usize| taken[at].is_free(&lives.spans[reg]);
        // Where those that come later and would share it fit as well, no move is left between them. The few
        // registers that calls keep are not handed out for that.
        let partners = || hints[reg].iter().filter_map(|hint| hint.index()).take(MAX_PARTNERS);
        let shared = (0..DESTROYED).filter(|&at| {
            partners().all(|p| places[p] != Place::None || in_frame[p] || fits(at, p))
        });
        let free = hinted.chain(shared).chain(0..POOL.len()).find(|&at| fits(at, reg));
        match free {
            Some(at) => {
                taken[at].take(&lives.spans[reg]);
                places[reg] = Place::Reg(Reg::machine(POOL[at]));
            }
            None if code.local[reg] => {
                return Err(Error::Bug(format!("no register for %{reg}, which must have one")));
            }
            None => spilled.push(reg),
        }
    }
    Ok((places, spilled))
}

/// The place of a machine register in [`POOL`].
fn in_pool(reg: Reg) -> Option<usize> {
    POOL.iter().position(|&n| Reg::machine(n) == reg)
}

/// What the code itself wants of each register of the pool.
fn fixed(code: &mut Code) -> Vec<Taken> {
    let mut taken = vec![Taken::default(); POOL.len()];
    for (i, (op, _)) in code.ops.iter_mut().enumerate() {
        if let Op::Call { .. } = op {
            let span = [(read_at(i) + 1, write_at(i))];
            taken[..DESTROYED].iter_mut().for_each(|t| t.take(&span));
        }
        if let Op::CmpXchg { .. } = op
            && let Some(result) = in_pool(Reg::R0)
        {
            taken[result].take(&[(read_at(i), write_at(i))]);
        }
        // Parameters stay where they came in until the function's first moves.
        if let Op::Moves { moves, .. } = op {
            for (_, src) in moves {
                if let Src::Reg(reg) = src
                    && let Some(at) = in_pool(*reg)
                {
                    taken[at].take(&[(0, read_at(i) + 1)]);
                }
            }
        }
    }
    taken
}

/// For each virtual register, those with which it would like to share.
fn hints(code: &Code) -> Vec<Vec<Reg>> {
    let mut hints: Vec<Vec<Reg>> = vec![Vec::new(); code.virtuals as usize];
    let mut pair = |a: Reg, b: Reg| {
        for (a, b) in [(a, b), (b, a)] {
            if let Some(at) = a.index() {
                hints[at].push(b);
            }
        }
    };
    for (op, _) in &code.ops {
        match op {
            Op::Alu { alu: Alu::Mov, dst, src: Src::Reg(src), .. } => pair(*dst, *src),
            Op::Moves { moves, .. } => {
                for (dst, src) in moves {
                    if let Src::Reg(src) = src {
                        pair(*dst, *src);
                    }
                }
            }
            Op::Call { args, ret, .. } => {
                for (n, arg) in (1..).zip(args) {
                    if let Arg::Src(Src::Reg(reg)) = arg {
                        pair(*reg, Reg::machine(n));
                    }
                }
                ret.iter().for_each(|&ret| pair(ret, Reg::R0));
            }
            Op::CmpXchg { ret, .. } => pair(*ret, Reg::R0),
            _ => {}
        }
    }
    hints
}

/// Places what lives in the frame; gives the number of slots.
fn place_slots(lives: &Lives, in_frame: &[bool], places: &mut [Place]) -> u32 {
    let mut slots: Vec<Taken> = Vec::new();
    for reg in (0..places.len()).filter(|&r| in_frame[r] && !lives.spans[r].is_empty()) {
        let spans = &lives.spans[reg];
        let at = slots.iter().position(|slot| slot.is_free(spans)).unwrap_or(slots.len());
        if at == slots.len() {
            slots.push(Taken::default());
        }
        slots[at].take(spans);
        places[reg] = Place::Slot(at as u32);
    }
    slots.len() as u32
}

/// Puts short-lived registers around the uses of those that live in the frame.
fn spill(code: &mut Code, in_frame: &[bool]) {
    let is_framed = |reg: Reg| reg.index().is_some_and(|r| in_frame.get(r) == Some(&true));
    for (op, line) in std::mem::take(&mut code.ops) {
        match op {
            Op::Alu { wide: true, alu: Alu::Mov, dst, src } if is_framed(dst) => match src {
                Src::Reg(from) if is_framed(from) => {
                    let dst_tmp = code.fresh(true);
                    code.ops.push((Op::Fill { dst: dst_tmp, from }, line));
                    let src = Src::Reg(dst_tmp);
                    code.ops.push((Op::Spill { to: dst, src }, line));
                }
                Src::Reg(_) | Src::Imm(_) => {
                    code.ops.push((Op::Spill { to: dst, src }, line));
                }
            },
            Op::Alu { wide: true, alu: Alu::Mov, dst, src: Src::Reg(from) } if is_framed(from) => {
                code.ops.push((Op::Fill { dst, from }, line));
            }
            op => spill_operands(code, op, line, &is_framed),
        }
    }
}

fn spill_operands(
    code: &mut Code,
    mut op: Op,
    line: PackedOption<Line>,
    is_framed: &impl Fn(Reg) -> bool,
) {
    let mut stand_ins: Vec<(Reg, Reg)> = Vec::new();
    let mut after = Vec::new();
    op.each_reg(|reg, role| {
        if matches!(role, Role::PlaceUse | Role::PlaceDef) || !is_framed(*reg) {
            return;
        }
        let framed = *reg;
        let known = stand_ins.iter().find(|(of, _)| *of == framed).map(|&(_, short)| short);
        let short = known.unwrap_or_else(|| {
            let short = code.fresh(true);
            stand_ins.push((framed, short));
            if role.reads() {
                code.ops.push((Op::Fill { dst: short, from: framed }, line));
            }
            short
        });
        if role.writes() {
            after.push((Op::Spill { to: framed, src: Src::Reg(short) }, line));
        }
        *reg = short;
    });
    code.ops.push((op, line));
    code.ops.append(&mut after);
}
