//! How often values are used.

use crate::{Function, Value};
use cranelift_entity::SecondaryMap;

/// The number of places that name a value, in blocks of the order.
#[derive(Debug)]
pub struct UseCounts(SecondaryMap<Value, u32>);

impl UseCounts {
    /// Counts the operands of `func`.
    #[must_use]
    pub fn new(func: &Function) -> Self {
        let mut counts = SecondaryMap::with_capacity(func.values.len());
        for &block in &func.order {
            let data = &func.blocks[block];
            for &inst in &data.insts {
                func.insts[inst].for_each_arg(|v| counts[v] += 1);
            }
            data.term.for_each_arg(|v| counts[v] += 1);
        }
        Self(counts)
    }

    /// How often `value` is named.
    #[must_use]
    pub fn of(&self, value: Value) -> u32 {
        self.0[value]
    }

    /// One use of `value` is gone; gives how many are left.
    pub fn remove(&mut self, value: Value) -> u32 {
        self.0[value] = self.0[value].saturating_sub(1);
        self.0[value]
    }
}
