//! The machine's instructions, as far as l4c uses them, over virtual or machine registers.
//!
//! Only what every engine runs alike is here: one atomic (see [`Op::CmpXchg`]), nothing of instruction set v4, and
//! no 64-bit comparison with a negative immediate (the userspace machine zero-extends those; see
//! [`Op::Branch`]).

pub use crate::helper::Helper;
use cranelift_entity::packed_option::PackedOption;
use l4c_ir::{Func, Limit, Line, Map, Table, Width};
use std::fmt;

/// A register: machine registers r0 to r10, then virtual ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(u32);

const FIRST_VIRTUAL: u32 = 16;

/// Of a row of jumps so many are looked along.
const MAX_JUMPS_IN_A_ROW: usize = 64;

impl Reg {
    /// Result of calls and of the function.
    pub const R0: Self = Self(0);
    /// The context, in the whole of a function that needs it. Calls keep it.
    pub const CTX: Self = Self(6);
    /// The frame's upper end; read-only.
    pub const FP: Self = Self(10);

    /// Machine register `n`.
    pub const fn machine(n: u32) -> Self {
        assert!(n <= 10, "eleven machine registers");
        Self(n)
    }

    /// Virtual register `n`.
    pub const fn virt(n: u32) -> Self {
        Self(n + FIRST_VIRTUAL)
    }

    /// The index of a virtual register.
    pub const fn index(self) -> Option<usize> {
        if self.0 < FIRST_VIRTUAL { None } else { Some((self.0 - FIRST_VIRTUAL) as usize) }
    }

    /// The number of a machine register.
    pub const fn number(self) -> Option<u8> {
        if self.0 < FIRST_VIRTUAL { Some(self.0 as u8) } else { None }
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index() {
            Some(n) => write!(f, "%{n}"),
            None => write!(f, "r{}", self.0),
        }
    }
}

/// Arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alu {
    Add,
    Sub,
    Mul,
    Or,
    And,
    Lsh,
    Rsh,
    Xor,
    /// Remainder, unsigned; by a register of 0 it changes nothing. A number 0 the kernel refuses.
    Mod,
    Mov,
}

/// Relations that a branch tests, unsigned. `Set`: have both a bit in common?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Set,
}

/// Right-hand operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Src {
    Reg(Reg),
    /// Sign-extended to 64 bits by 64-bit arithmetic.
    Imm(i32),
}

/// A place in the code of one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// What the loader puts an address in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// The hook's counter map.
    Counters,
    /// The hook's map of perf rings for samples.
    Samples,
    /// The first byte of a table's data.
    Table(Table),
    /// The numbers of interfaces, 4 bytes each, which the loader writes.
    Ifaces,
    /// The map that holds the time in a program that is tested.
    Clock,
    /// The rows of `nth`.
    Rows,
    /// The table of a limit.
    Limit(Limit),
    /// What the loader tells of a limit.
    Params(Limit),
    /// A map with elements of a set.
    Map(Map),
    /// The word that says which elements of a set count, by number.
    SetState(u32),
}

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callee {
    Helper(Helper),
    Func(Func),
}

/// An argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    Src(Src),
    /// The address of a byte of the frame, relative to its upper end.
    Frame(i16),
    Symbol(Symbol),
}

/// An instruction. `wide` means 64 bits; else 32, with the upper half of a result cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// `dst = dst alu src`, or `dst = src`.
    Alu {
        wide: bool,
        alu: Alu,
        dst: Reg,
        src: Src,
    },
    /// Reverses the low bytes of `dst`, clears the rest.
    Swap {
        width: Width,
        dst: Reg,
    },
    /// Any number; two slots.
    Const {
        dst: Reg,
        value: u64,
    },
    /// An address the loader knows; two slots.
    Address {
        dst: Reg,
        symbol: Symbol,
    },
    /// Zero-extending.
    Load {
        width: Width,
        dst: Reg,
        base: Reg,
        off: i16,
    },
    Store {
        width: Width,
        base: Reg,
        off: i16,
        src: Src,
    },
    /// If the 64-bit word at `base + off` is `expected`, `new` takes its place. `ret` is what was there. Whoever emits
    /// it has read `expected` from there before: the userspace machine, which nobody interrupts, makes a store of it.
    CmpXchg {
        base: Reg,
        off: i16,
        expected: Reg,
        new: Reg,
        ret: Reg,
    },
    /// With `wide`, an immediate is never negative.
    Branch {
        wide: bool,
        test: Test,
        lhs: Reg,
        rhs: Src,
        to: Label,
    },
    Jump(Label),
    Label(Label),
    /// Arguments go to r1 and up, the result comes from r0. Destroys r0 to r5.
    Call {
        callee: Callee,
        args: Vec<Arg>,
        ret: Option<Reg>,
    },
    /// All at once: each left side gets what its right side was before. `tmp` may be used on the way.
    Moves {
        moves: Vec<(Reg, Src)>,
        tmp: Reg,
    },
    /// Reads a virtual register that lives in the frame.
    Fill {
        dst: Reg,
        from: Reg,
    },
    /// Writes a virtual register that lives in the frame.
    Spill {
        to: Reg,
        src: Src,
    },
    Exit,
}

/// What an instruction does to an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Use,
    Def,
    /// Reads, then writes.
    Both,
    /// Reads it where it lives, frame or register.
    PlaceUse,
    /// Writes it where it lives, frame or register.
    PlaceDef,
}

impl Role {
    pub const fn reads(self) -> bool {
        matches!(self, Self::Use | Self::Both | Self::PlaceUse)
    }

    pub const fn writes(self) -> bool {
        matches!(self, Self::Def | Self::Both | Self::PlaceDef)
    }
}

impl Op {
    /// `dst = src`
    pub const fn mov(dst: Reg, src: Src) -> Self {
        Self::Alu { wide: true, alu: Alu::Mov, dst, src }
    }

    /// Calls `f` on each register operand but the `tmp` of [`Op::Moves`].
    pub fn each_reg(&mut self, mut f: impl FnMut(&mut Reg, Role)) {
        let src = |s: &mut Src, role, f: &mut dyn FnMut(&mut Reg, Role)| {
            if let Src::Reg(r) = s {
                f(r, role);
            }
        };
        match self {
            Self::Alu { alu, dst, src: s, .. } => {
                src(s, Role::Use, &mut f);
                f(dst, if *alu == Alu::Mov { Role::Def } else { Role::Both });
            }
            Self::Swap { dst, .. } => f(dst, Role::Both),
            Self::Const { dst, .. } | Self::Address { dst, .. } => f(dst, Role::Def),
            Self::Load { dst, base, .. } => {
                f(base, Role::Use);
                f(dst, Role::Def);
            }
            Self::Store { base, src: s, .. } => {
                f(base, Role::Use);
                src(s, Role::Use, &mut f);
            }
            Self::CmpXchg { base, expected, new, ret, .. } => {
                f(base, Role::Use);
                f(new, Role::Use);
                f(expected, Role::PlaceUse);
                f(ret, Role::PlaceDef);
            }
            Self::Branch { lhs, rhs, .. } => {
                f(lhs, Role::Use);
                src(rhs, Role::Use, &mut f);
            }
            Self::Call { args, ret, .. } => {
                for arg in args {
                    if let Arg::Src(s) = arg {
                        src(s, Role::PlaceUse, &mut f);
                    }
                }
                if let Some(ret) = ret {
                    f(ret, Role::PlaceDef);
                }
            }
            Self::Moves { moves, .. } => {
                moves.iter_mut().for_each(|(_, s)| src(s, Role::PlaceUse, &mut f));
                moves.iter_mut().for_each(|(d, _)| f(d, Role::PlaceDef));
            }
            Self::Fill { dst, from } => {
                f(from, Role::PlaceUse);
                f(dst, Role::Def);
            }
            Self::Spill { to, src: s } => {
                src(s, Role::Use, &mut f);
                f(to, Role::PlaceDef);
            }
            Self::Jump(_) | Self::Label(_) | Self::Exit => {}
        }
    }

    /// True if the next instruction in order is not reached from this one.
    pub const fn never_falls_through(&self) -> bool {
        matches!(self, Self::Jump(_) | Self::Exit)
    }

    /// Where it may jump.
    pub const fn target(&self) -> Option<Label> {
        match self {
            Self::Jump(to) | Self::Branch { to, .. } => Some(*to),
            _ => None,
        }
    }
}

/// The code of one function.
#[derive(Debug, Clone, Default)]
pub struct Code {
    /// In order, each with the source line it comes from.
    pub ops: Vec<(Op, PackedOption<Line>)>,
    /// Number of virtual registers.
    pub virtuals: u32,
    /// Virtual registers that must get a machine register; their lives are a few instructions long.
    pub local: Vec<bool>,
    /// Bytes at the top of the frame that the code addresses itself; a multiple of 8.
    pub frame_bytes: u32,
}

impl Code {
    /// A new virtual register.
    pub fn fresh(&mut self, local: bool) -> Reg {
        self.virtuals += 1;
        self.local.push(local);
        Reg::virt(self.virtuals - 1)
    }

    /// Drops what no path from the first instruction reaches (the kernel refuses such code) and jumps to
    /// the next instruction.
    pub fn prune(&mut self) {
        self.thread_jumps();
        let places = self.label_places();
        let mut reached = vec![false; self.ops.len()];
        let mut todo = vec![0];
        while let Some(mut at) = todo.pop() {
            while at < self.ops.len() && !std::mem::replace(&mut reached[at], true) {
                let op = &self.ops[at].0;
                if let Some(Label(to)) = op.target() {
                    todo.extend(places[to as usize]);
                }
                if op.never_falls_through() {
                    break;
                }
                at += 1;
            }
        }
        let mut keep = reached.into_iter();
        self.ops.retain(|_| keep.next() == Some(true));
        let mut kept: Vec<(Op, PackedOption<Line>)> = Vec::with_capacity(self.ops.len());
        for item in std::mem::take(&mut self.ops) {
            if let Op::Label(here) = item.0 {
                drop_jumps_to(&mut kept, here);
            }
            kept.push(item);
        }
        self.ops = kept;
    }

    /// Leads jumps to jumps where those lead. A row of jumps to one place is more than untidy: the kernel's JIT
    /// (before 5.12) takes one of them out a pass, gives up after 20 passes, and what is left to the
    /// interpreter may not call functions more than 32,767 instructions away.
    fn thread_jumps(&mut self) {
        let places = self.label_places();
        let leads_to = |Label(n): Label| {
            let mut at = (*places.get(n as usize)?)?;
            while let Some((Op::Label(_), _)) = self.ops.get(at) {
                at += 1;
            }
            match self.ops.get(at) {
                Some((Op::Jump(to), _)) => Some(*to),
                _ => None,
            }
        };
        let last = |mut to: Label| {
            // Functions have no cycles; the bound is for what is never reached.
            for _ in 0..MAX_JUMPS_IN_A_ROW {
                match leads_to(to) {
                    Some(next) if next != to => to = next,
                    Some(_) | None => break,
                }
            }
            to
        };
        let ends: Vec<Option<Label>> =
            self.ops.iter().map(|(op, _)| op.target().map(last)).collect();
        for ((op, _), end) in self.ops.iter_mut().zip(ends) {
            if let (Op::Jump(to) | Op::Branch { to, .. }, Some(end)) = (op, end) {
                *to = end;
            }
        }
    }

    /// Index of each label's instruction.
    pub fn label_places(&self) -> Vec<Option<usize>> {
        let mut places = Vec::new();
        for (i, (op, _)) in self.ops.iter().enumerate() {
            if let Op::Label(Label(n)) = op {
                let n = *n as usize;
                if places.len() <= n {
                    places.resize(n + 1, None);
                }
                places[n] = Some(i);
            }
        }
        let top = self.ops.iter().filter_map(|(op, _)| op.target()).map(|l| l.0 as usize + 1).max();
        places.resize(places.len().max(top.unwrap_or(0)), None);
        places
    }
}

/// Drops a jump to `here` that stands before nothing but labels.
fn drop_jumps_to(ops: &mut Vec<(Op, PackedOption<Line>)>, here: Label) {
    let labels = ops.iter().rev().take_while(|(op, _)| matches!(op, Op::Label(_))).count();
    let Some(at) = ops.len().checked_sub(labels + 1) else { return };
    if ops[at].0 == Op::Jump(here) {
        ops.remove(at);
    }
}
