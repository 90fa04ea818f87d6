//! Read-only tables of a module: each set of numbers once.

use crate::hir::{Policy, SetId};
use crate::ranges::Ranges;
use cranelift_entity::PrimaryMap;
use l4c_ir::{Table, TableData};
use std::collections::HashMap;

/// Makes tables and finds those made before.
#[derive(Debug)]
pub struct Tables<'p> {
    policy: &'p Policy,
    hook: &'p str,
    made: PrimaryMap<Table, TableData>,
    of_set: HashMap<(SetId, bool), Table>,
}

impl<'p> Tables<'p> {
    /// None yet.
    pub fn new(policy: &'p Policy, hook: &'p str) -> Self {
        Self { policy, hook, made: PrimaryMap::new(), of_set: HashMap::new() }
    }

    /// The table that holds `ranges`; `set` is the set they are of, if they are a set's.
    pub fn get(&mut self, ranges: &Ranges, wide: bool, set: Option<SetId>) -> Table {
        if let Some(&table) = set.and_then(|set| self.of_set.get(&(set, wide))) {
            return table;
        }
        let table = self.made.next_key();
        let name = match set {
            Some(set) => {
                let family = if wide { "6" } else { "" };
                format!("{}_{}{family}", self.hook, self.policy.sets[set].name)
            }
            None => format!("{}_list{}", self.hook, table.as_u32()),
        };
        self.made.push(TableData { name, wide, ranges: ranges.as_slice().to_vec() });
        if let Some(set) = set {
            self.of_set.insert((set, wide), table);
        }
        table
    }

    /// All of them.
    pub fn finish(self) -> PrimaryMap<Table, TableData> {
        self.made
    }
}
