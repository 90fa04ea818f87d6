//! Dominators, after Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).

use super::Cfg;
use crate::Block;
use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;

/// The dominator tree of the reachable blocks.
#[derive(Debug)]
pub struct Dominators {
    idom: SecondaryMap<Block, PackedOption<Block>>,
    children: SecondaryMap<Block, Vec<Block>>,
    /// When a walk of the tree enters and leaves a block, from 1; zeros if it is not reachable.
    span: SecondaryMap<Block, (u32, u32)>,
}

impl Dominators {
    /// Dominators of the graph `cfg`, with cycles or without.
    #[must_use]
    pub fn new(cfg: &Cfg) -> Self {
        let mut place = SecondaryMap::<Block, u32>::new();
        for (index, &block) in (0..).zip(&cfg.postorder) {
            place[block] = index;
        }
        let mut dominators = Self {
            idom: SecondaryMap::new(),
            children: SecondaryMap::new(),
            span: SecondaryMap::new(),
        };
        let Some(&entry) = cfg.postorder.last() else { return dominators };
        let idom = &mut dominators.idom;
        idom[entry] = entry.into();
        let mut changed = true;
        while changed {
            changed = false;
            for block in cfg.reverse_postorder().skip(1) {
                let mut known = cfg.preds[block].iter().copied().filter(|&p| idom[p].is_some());
                let first = known.next().expect("reverse postorder visits a predecessor first");
                let new = known.fold(first, |a, b| intersect(idom, &place, a, b));
                changed |= idom[block] != new.into();
                idom[block] = new.into();
            }
            // Without cycles one round is all it takes.
            changed &= cfg.back_edge.is_some();
        }
        idom[entry] = None.into();
        for block in cfg.reverse_postorder() {
            if let Some(parent) = dominators.idom[block].expand() {
                dominators.children[parent].push(block);
            }
        }
        dominators.number(entry);
        dominators
    }

    fn number(&mut self, entry: Block) {
        let mut clock = 1;
        self.span[entry].0 = clock;
        let mut stack = vec![(entry, 0)];
        while let Some((block, next)) = stack.last_mut() {
            clock += 1;
            if let Some(&child) = self.children[*block].get(*next) {
                *next += 1;
                self.span[child].0 = clock;
                stack.push((child, 0));
            } else {
                self.span[*block].1 = clock;
                stack.pop();
            }
        }
    }

    /// The closest block through which all paths to `block` go; none for the entry and for blocks
    /// that cannot be reached.
    #[must_use]
    pub fn idom(&self, block: Block) -> Option<Block> {
        self.idom[block].expand()
    }

    /// The blocks whose immediate dominator is `block`, in reverse postorder.
    #[must_use]
    pub fn children(&self, block: Block) -> &[Block] {
        &self.children[block]
    }

    /// Whether all paths to `b` go through `a`; a block dominates itself. False if `a` or `b`
    /// cannot be reached.
    #[must_use]
    pub fn dominates(&self, a: Block, b: Block) -> bool {
        let (a, b) = (self.span[a], self.span[b]);
        a.0 != 0 && a.0 <= b.0 && b.1 <= a.1
    }
}

fn intersect(
    idom: &SecondaryMap<Block, PackedOption<Block>>,
    place: &SecondaryMap<Block, u32>,
    mut a: Block,
    mut b: Block,
) -> Block {
    let up = |block: Block| idom[block].expect("blocks above a processed one are processed");
    while a != b {
        if place[a] < place[b] {
            a = up(a);
        } else {
            b = up(b);
        }
    }
    a
}
