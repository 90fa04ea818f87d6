//! Upper bounds of values as the kernel's verifier will see them.
//!
//! It knows less than is true: it forgets bounds at a byte swap, and knows nothing of a global
//! function's arguments and of packet lengths. What it does not know must be compared in the code.

use cranelift_entity::SecondaryMap;
use l4c_ir::{BinOp, Block, Function, InstData, Value};

/// An upper bound for each value defined in `order`; `u64::MAX` where nothing is known.
pub fn seen_by_verifier(func: &Function, order: &[Block]) -> SecondaryMap<Value, u64> {
    let mut max = SecondaryMap::with_default(u64::MAX);
    for &block in order {
        for &inst in &func.blocks[block].insts {
            if let Some(value) = func.results[inst].expand() {
                max[value] = result(func, &func.insts[inst], &max);
            }
        }
    }
    max
}

fn result(func: &Function, data: &InstData, max: &SecondaryMap<Value, u64>) -> u64 {
    match data {
        InstData::Const(n) => *n,
        InstData::Binary { op: op @ (BinOp::Shl | BinOp::Shr), args: [a, b] } => {
            func.constant(*b).map_or(u64::MAX, |amount| shift(*op, max[*a], amount & 63))
        }
        InstData::Binary { op, args: [a, b] } => binary(*op, max[*a], max[*b]),
        InstData::Load { width, .. } => width.mask(),
        InstData::Member { .. } | InstData::Nth { .. } => 1,
        InstData::Swap { .. }
        | InstData::Env(_)
        | InstData::Count { .. }
        | InstData::Random
        | InstData::Sample { .. }
        | InstData::Spend { .. }
        | InstData::Find { .. }
        | InstData::Put { .. }
        | InstData::Erase { .. }
        | InstData::SetState(_)
        | InstData::Hash { .. }
        | InstData::Flow { .. }
        | InstData::Call { .. }
        | InstData::IfaceSlot(_)
        | InstData::Redirect { .. }
        | InstData::Reject { .. } => u64::MAX,
    }
}

/// Bound of a shift by a constant; the verifier follows no other.
fn shift(op: BinOp, a: u64, amount: u64) -> u64 {
    match op {
        BinOp::Shr => a >> amount,
        BinOp::Shl if u64::from(a.leading_zeros()) >= amount => a << amount,
        BinOp::Shl
        | BinOp::Add
        | BinOp::Sub
        | BinOp::Mul
        | BinOp::And
        | BinOp::Or
        | BinOp::Xor
        | BinOp::Rem => u64::MAX,
    }
}

/// Bound of `a op b` from the bounds of `a` and `b`. The verifier gives up on products of what may not
/// fit 32 bits.
fn binary(op: BinOp, a: u64, b: u64) -> u64 {
    match op {
        BinOp::Add => a.saturating_add(b),
        BinOp::Mul if a.max(b) <= u64::from(u32::MAX) => a * b,
        BinOp::And => a.min(b),
        BinOp::Or | BinOp::Xor => ones(a | b),
        BinOp::Mul | BinOp::Sub | BinOp::Shl | BinOp::Shr | BinOp::Rem => u64::MAX,
    }
}

/// The number with every bit set below and at the highest set bit of `n`.
const fn ones(n: u64) -> u64 {
    u64::MAX.unbounded_shr(n.leading_zeros())
}
