//! Who goes to whom.

use crate::{Block, Function};
use cranelift_entity::{EntitySet, SecondaryMap};

/// The control flow graph as far as it can be reached from the entry.
#[derive(Debug)]
pub struct Cfg {
    /// Where edges to a block come from: one entry an edge, so that a branch with twice the same
    /// target stands here twice. Only reachable blocks count.
    pub preds: SecondaryMap<Block, Vec<Block>>,
    /// Reachable blocks, successors first (exactly so, if there is no cycle).
    pub postorder: Vec<Block>,
    /// An edge that closes a cycle, if there is one: from, to.
    pub back_edge: Option<(Block, Block)>,
    reachable: EntitySet<Block>,
}

impl Cfg {
    /// Walks `func` from its entry.
    #[must_use]
    pub fn new(func: &Function) -> Self {
        let mut cfg = Self {
            preds: SecondaryMap::with_capacity(func.blocks.len()),
            postorder: Vec::with_capacity(func.order.len()),
            back_edge: None,
            reachable: EntitySet::new(),
        };
        let mut done = EntitySet::<Block>::new();
        let Some(entry) = func.entry() else { return cfg };
        cfg.reachable.insert(entry);
        let mut stack = vec![(entry, func.blocks[entry].term.successors())];
        while let Some((block, successors)) = stack.last_mut() {
            let block = *block;
            let Some(next) = successors.next() else {
                done.insert(block);
                cfg.postorder.push(block);
                stack.pop();
                continue;
            };
            cfg.preds[next].push(block);
            if cfg.reachable.insert(next) {
                stack.push((next, func.blocks[next].term.successors()));
            } else if !done.contains(next) {
                cfg.back_edge = Some((block, next));
            }
        }
        cfg
    }

    /// Whether any path leads from the entry to `block`.
    #[must_use]
    pub fn is_reachable(&self, block: Block) -> bool {
        self.reachable.contains(block)
    }

    /// Reachable blocks, predecessors first.
    pub fn reverse_postorder(&self) -> impl Iterator<Item = Block> + '_ {
        self.postorder.iter().rev().copied()
    }

    /// The block that `block`'s only edge comes from.
    #[must_use]
    pub fn single_pred(&self, block: Block) -> Option<Block> {
        match self.preds[block][..] {
            [pred] => Some(pred),
            _ => None,
        }
    }
}
