//! Which packet pointers are still good.

use super::Cfg;
use crate::{Block, Function};
use cranelift_entity::SecondaryMap;

/// Numbers stretches of the program in which the packet does not move.
///
/// Two places that one of them dominates are in the same epoch exactly if no path between them
/// moves the packet: where paths of different epochs meet, a new one begins. Pointers of one epoch
/// are not to be used in another.
#[derive(Debug)]
pub struct PacketEpochs {
    start: SecondaryMap<Block, u32>,
    end: SecondaryMap<Block, u32>,
}

impl PacketEpochs {
    /// Epochs of the reachable part of an acyclic function.
    #[must_use]
    pub fn new(func: &Function, cfg: &Cfg) -> Self {
        let mut epochs = Self { start: SecondaryMap::new(), end: SecondaryMap::new() };
        let mut last = 0;
        for block in cfg.reverse_postorder() {
            let mut before = cfg.preds[block].iter().map(|&pred| epochs.end[pred]);
            let first = before.next().unwrap_or(0);
            let mut now = first;
            if before.any(|epoch| epoch != first) {
                last += 1;
                now = last;
            }
            epochs.start[block] = now;
            if func.blocks[block].insts.iter().any(|&inst| func.insts[inst].moves_packet()) {
                last += 1;
                now = last;
            }
            epochs.end[block] = now;
        }
        epochs
    }

    /// The epoch at the start of `block`.
    #[must_use]
    pub fn start(&self, block: Block) -> u32 {
        self.start[block]
    }

    /// The epoch at the end of `block`.
    #[must_use]
    pub fn end(&self, block: Block) -> u32 {
        self.end[block]
    }
}
