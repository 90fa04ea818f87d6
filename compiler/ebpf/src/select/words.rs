//! The IR's words in the machine's.

use crate::mach::{Alu, Test};
use l4c_ir::{BinOp, Cond};

pub(super) const fn alu(op: BinOp) -> Alu {
    match op {
        BinOp::Add => Alu::Add,
        BinOp::Sub => Alu::Sub,
        BinOp::Mul => Alu::Mul,
        BinOp::And => Alu::And,
        BinOp::Or => Alu::Or,
        BinOp::Xor => Alu::Xor,
        BinOp::Shl => Alu::Lsh,
        BinOp::Shr => Alu::Rsh,
        BinOp::Rem => Alu::Mod,
    }
}

pub(super) const fn test(cond: Cond) -> Test {
    match cond {
        Cond::Eq => Test::Eq,
        Cond::Ne => Test::Ne,
        Cond::Lt => Test::Lt,
        Cond::Le => Test::Le,
        Cond::Gt => Test::Gt,
        Cond::Ge => Test::Ge,
    }
}

/// `n` as an immediate that sign extension restores.
pub(super) fn signed(n: u64) -> Option<i32> {
    i32::try_from(n as i64).ok()
}
