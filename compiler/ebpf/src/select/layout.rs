//! The order of blocks in the code.

use cranelift_entity::SecondaryMap;
use l4c_ir::{Block, Function};

/// The reachable blocks, so that no edge goes backward (functions have no cycles): the order of the IR if it
/// does that, else a reverse postorder that follows it as far as it can.
pub fn order(func: &Function) -> Vec<Block> {
    let postorder = postorder(func);
    let mut reached = SecondaryMap::<Block, bool>::new();
    postorder.iter().for_each(|&b| reached[b] = true);
    let as_written: Vec<Block> = func.order.iter().copied().filter(|&b| reached[b]).collect();
    if goes_forward(func, &as_written) {
        return as_written;
    }
    postorder.into_iter().rev().collect()
}

/// True if every edge goes to a later block.
fn goes_forward(func: &Function, order: &[Block]) -> bool {
    let mut place = SecondaryMap::<Block, usize>::new();
    order.iter().enumerate().for_each(|(i, &b)| place[b] = i);
    order.iter().all(|&b| func.blocks[b].term.successors().all(|s| place[s] > place[b]))
}

/// Visits later successors first, so that, reversed, a block is followed by its earliest one.
fn postorder(func: &Function) -> Vec<Block> {
    let mut written = SecondaryMap::<Block, usize>::new();
    func.order.iter().enumerate().for_each(|(i, &b)| written[b] = i);
    let successors = |block: Block| {
        let mut next: Vec<Block> = func.blocks[block].term.successors().collect();
        next.sort_by_key(|&b| written[b]);
        next
    };
    let mut seen = SecondaryMap::<Block, bool>::new();
    let mut out = Vec::new();
    let mut stack = Vec::new();
    if let Some(entry) = func.entry() {
        seen[entry] = true;
        stack.push((entry, successors(entry)));
    }
    while let Some((block, next)) = stack.last_mut() {
        match next.pop() {
            Some(succ) if seen[succ] => {}
            Some(succ) => {
                seen[succ] = true;
                stack.push((succ, successors(succ)));
            }
            None => {
                out.push(*block);
                stack.pop();
            }
        }
    }
    out
}
