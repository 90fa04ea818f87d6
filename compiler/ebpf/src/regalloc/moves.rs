//! The last step of register allocation: operands become machine registers, and moves that happen at
//! once become moves one after the other.

use super::Place;
use crate::error::Error;
use crate::mach::{Alu, Arg, Callee, Code, Op, Reg, Src};
use cranelift_entity::packed_option::PackedOption;
use l4c_ir::{Line, Width};

/// One end of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Reg(Reg),
    /// Frame offset.
    Frame(i16),
    Imm(i32),
}

struct Finish<'a> {
    places: &'a [Place],
    /// Bytes of the frame above the slots.
    above_bytes: u32,
    slots: u32,
    /// True once a slot for breaking cycles is needed.
    spare: bool,
    out: Vec<(Op, PackedOption<Line>)>,
    line: PackedOption<Line>,
}

/// Puts machine registers in, and gives the bytes of the frame.
///
/// # Errors
/// When an operand has no place.
pub fn finish(mut code: Code, places: &[Place], slots: u32) -> Result<(Code, u32), Error> {
    let mut finish = Finish {
        places,
        above_bytes: code.frame_bytes,
        slots,
        spare: false,
        out: Vec::with_capacity(code.ops.len()),
        line: None.into(),
    };
    for (op, line) in std::mem::take(&mut code.ops) {
        finish.line = line;
        finish.op(op)?;
    }
    code.frame_bytes += 8 * (slots + u32::from(finish.spare));
    code.ops = finish.out;
    drop_unused_context(&mut code);
    let frame_bytes = code.frame_bytes;
    Ok((code, frame_bytes))
}

/// The first instruction saves the context, which not every function needs.
fn drop_unused_context(code: &mut Code) {
    let mut used = false;
    for (op, _) in code.ops.iter_mut().skip(1) {
        op.each_reg(|reg, _| used |= *reg == Reg::CTX);
    }
    if !used && !code.ops.is_empty() {
        code.ops.remove(0);
    }
}

impl Finish<'_> {
    fn emit(&mut self, op: Op) {
        if let Op::Alu { wide: true, alu: Alu::Mov, dst, src: Src::Reg(src) } = op
            && dst == src
        {
            return;
        }
        self.out.push((op, self.line));
    }

    /// Frame offset of slot number `slot`. Frames too large for the offset are refused later, by their size.
    fn slot_off(&self, slot: u32) -> i16 {
        let bytes = self.above_bytes + 8 * (slot + 1);
        i16::try_from(bytes).map_or(i16::MIN, |bytes| -bytes)
    }

    fn end(&self, reg: Reg) -> Result<End, Error> {
        let Some(at) = reg.index() else { return Ok(End::Reg(reg)) };
        match self.places[at] {
            Place::Reg(reg) => Ok(End::Reg(reg)),
            Place::Slot(slot) => Ok(End::Frame(self.slot_off(slot))),
            Place::None => Err(Error::Bug(format!("{reg:?} has no place"))),
        }
    }

    fn source(&self, src: Src) -> Result<End, Error> {
        match src {
            Src::Imm(imm) => Ok(End::Imm(imm)),
            Src::Reg(reg) => self.end(reg),
        }
    }

    fn op(&mut self, op: Op) -> Result<(), Error> {
        match op {
            Op::Moves { moves, tmp } => {
                let tmp = match tmp.index().map(|at| self.places[at]) {
                    Some(Place::Reg(reg)) => Some(reg),
                    Some(Place::None | Place::Slot(_)) | None => None,
                };
                let mut pending = Vec::new();
                for (dst, src) in moves {
                    pending.push((self.end(dst)?, self.source(src)?));
                }
                self.parallel(pending, tmp)
            }
            Op::Call { callee, args, ret } => self.call(callee, args, ret),
            Op::CmpXchg { base, off, expected, new, ret } => {
                let (End::Reg(base), End::Reg(new)) = (self.end(base)?, self.end(new)?) else {
                    return Err(Error::Bug("an exchange out of no register".into()));
                };
                let r0 = Reg::R0;
                let expected = self.end(expected)?;
                self.single(End::Reg(r0), expected, None)?;
                self.emit(Op::CmpXchg { base, off, expected: r0, new, ret: r0 });
                let ret = self.end(ret)?;
                self.single(ret, End::Reg(r0), None)
            }
            Op::Fill { dst, from } => {
                let (dst, from) = (self.end(dst)?, self.end(from)?);
                self.single(dst, from, None)
            }
            Op::Spill { to, src } => {
                let (to, src) = (self.end(to)?, self.source(src)?);
                self.single(to, src, None)
            }
            mut op => {
                let mut wrong = None;
                op.each_reg(|reg, _| match self.end(*reg) {
                    Ok(End::Reg(machine)) => *reg = machine,
                    Ok(End::Frame(_) | End::Imm(_)) | Err(_) => wrong = Some(*reg),
                });
                if let Some(reg) = wrong {
                    return Err(Error::Bug(format!("{reg:?} is in no register")));
                }
                self.emit(op);
                Ok(())
            }
        }
    }

    fn call(&mut self, callee: Callee, args: Vec<Arg>, ret: Option<Reg>) -> Result<(), Error> {
        let (mut moves, mut addresses) = (Vec::new(), Vec::new());
        for (n, arg) in (1..).zip(args) {
            let dst = Reg::machine(n);
            match arg {
                Arg::Src(src) => moves.push((End::Reg(dst), self.source(src)?)),
                Arg::Frame(off) => {
                    addresses.push(Op::mov(dst, Src::Reg(Reg::FP)));
                    let src = Src::Imm(off.into());
                    addresses.push(Op::Alu { wide: true, alu: Alu::Add, dst, src });
                }
                Arg::Symbol(symbol) => addresses.push(Op::Address { dst, symbol }),
            }
        }
        // No argument goes to r0, so it is on no cycle, and what it holds is moved before one is broken.
        self.parallel(moves, Some(Reg::R0))?;
        addresses.into_iter().for_each(|op| self.emit(op));
        self.emit(Op::Call { callee, args: Vec::new(), ret: None });
        match ret {
            Some(ret) => {
                let dst = self.end(ret)?;
                self.single(dst, End::Reg(Reg::R0), None)
            }
            None => Ok(()),
        }
    }

    fn single(&mut self, dst: End, src: End, tmp: Option<Reg>) -> Result<(), Error> {
        let width = Width::B8;
        match (dst, src) {
            (End::Reg(dst), End::Reg(src)) => self.emit(Op::mov(dst, Src::Reg(src))),
            (End::Reg(dst), End::Imm(imm)) => self.emit(Op::mov(dst, Src::Imm(imm))),
            (End::Reg(dst), End::Frame(off)) => {
                self.emit(Op::Load { width, dst, base: Reg::FP, off });
            }
            (End::Frame(off), End::Reg(src)) => {
                self.emit(Op::Store { width, base: Reg::FP, off, src: Src::Reg(src) });
            }
            (End::Frame(off), End::Imm(imm)) => {
                self.emit(Op::Store { width, base: Reg::FP, off, src: Src::Imm(imm) });
            }
            (End::Frame(to), End::Frame(from)) if to == from => {}
            (End::Frame(_), End::Frame(_)) => {
                let Some(tmp) = tmp else {
                    return Err(Error::Bug("no register to move from frame to frame".into()));
                };
                self.single(End::Reg(tmp), src, None)?;
                self.single(dst, End::Reg(tmp), None)?;
            }
            (End::Imm(_), _) => return Err(Error::Bug("a move to a number".into())),
        }
        Ok(())
    }

    /// Makes moves that happen at once happen one after the other: first those to places that no other
    /// still reads, breaking cycles with `tmp` or, if that is needed otherwise, with a spare slot.
    fn parallel(&mut self, moves: Vec<(End, End)>, tmp: Option<Reg>) -> Result<(), Error> {
        let (numbers, mut pending): (Vec<_>, Vec<_>) = moves
            .into_iter()
            .filter(|(dst, src)| dst != src)
            .partition(|(_, src)| matches!(src, End::Imm(_)));
        while !pending.is_empty() {
            let ready = (0..pending.len()).find(|&i| {
                let dst = pending[i].0;
                pending.iter().enumerate().all(|(j, (_, src))| j == i || *src != dst)
            });
            if let Some(at) = ready {
                let (dst, src) = pending.remove(at);
                self.single(dst, src, tmp)?;
                continue;
            }
            let broken = pending[0].1;
            let through_frame = pending.iter().any(|m| matches!(m, (End::Frame(_), End::Frame(_))));
            let spare = match tmp {
                Some(tmp) if !through_frame => End::Reg(tmp),
                Some(_) | None => {
                    self.spare = true;
                    End::Frame(self.slot_off(self.slots))
                }
            };
            self.single(spare, broken, tmp)?;
            pending.iter_mut().filter(|(_, src)| *src == broken).for_each(|m| m.1 = spare);
        }
        numbers.into_iter().try_for_each(|(dst, src)| self.single(dst, src, tmp))
    }
}
