//! Computes what only some ways need on those ways.
//!
//! The headers' reader packs all that it finds into a word, and a list of rules takes it apart again, whatever
//! the rules turn out to ask. An instruction whose result is used behind a branch only moves behind it: to the
//! closest block through which all paths to its uses go, or onto the one edge that carries it. What is left in
//! front of the branch is then a test and nothing else, and [`super::thread`] can lead past it.
//!
//! Nothing moves into more than one place but the packet's length, which costs less to ask for again than to
//! keep: counters want it at the end of every path, and hardly anybody before.

use super::edit::moves_packet;
use crate::analysis::{Cfg, Dominators};
use crate::{Block, BlockCall, BlockData, Env, Function, Inst, InstData, Term, Value};
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

/// What is used in more places than this is needed on most ways.
const MAX_SITES: usize = 8;

/// The packet's length is asked for in at most so many places.
const MAX_COPIES: usize = 8;

/// Runs the pass.
pub(super) fn run(func: &mut Function) -> bool {
    if moves_packet(func) {
        return false;
    }
    let cfg = Cfg::new(func);
    let dominators = Dominators::new(&cfg);
    let changed = copy_pkt_len(func, &cfg, &dominators);
    let mut sink = Sink {
        func,
        dominators,
        sites: SecondaryMap::new(),
        edges: HashMap::new(),
        new_blocks: Vec::new(),
        changed,
    };
    // A block is seen after all that use what it computes.
    for &block in &cfg.postorder {
        sink.block(block);
    }
    sink.place_blocks();
    sink.changed
}

/// Where a value is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Site {
    Block(Block),
    /// By an edge of the branch that ends the block: the first or the second.
    Edge(Block, bool),
}

impl Site {
    const fn block(self) -> Block {
        match self {
            Self::Block(block) | Self::Edge(block, _) => block,
        }
    }
}

struct Sink<'f> {
    func: &'f mut Function,
    dominators: Dominators,
    sites: SecondaryMap<Value, Vec<Site>>,
    /// Blocks that were put onto edges.
    edges: HashMap<Site, Block>,
    /// These blocks, each with the one in front of it and the one behind it.
    new_blocks: Vec<(Block, Block, Block)>,
    changed: bool,
}

/// True if the instruction gives the same wherever it stands, and what it costs is not a call.
const fn can_move(data: &InstData) -> bool {
    match data {
        InstData::Binary { .. } | InstData::Swap { .. } | InstData::Load { .. } => true,
        InstData::Env(Env::PktLen | Env::Iface | Env::RxQueue | Env::Mark) => true,
        InstData::Member { .. } | InstData::IfaceSlot(_) | InstData::SetState(_) => true,
        InstData::Hash { .. } => true,
        InstData::Env(Env::Cpu | Env::Now | Env::Ticks) => false,
        // A number is made where it is used, wherever it stands.
        InstData::Const(_)
        | InstData::Count { .. }
        | InstData::Random
        | InstData::Sample { .. }
        | InstData::Spend { .. }
        | InstData::Find { .. }
        | InstData::Put { .. }
        | InstData::Erase { .. }
        | InstData::Nth { .. }
        | InstData::Flow { .. }
        | InstData::Call { .. }
        | InstData::Redirect { .. }
        | InstData::Reject { .. } => false,
    }
}

impl Sink<'_> {
    fn use_at(&mut self, value: Value, site: Site) {
        let known = &mut self.sites[value];
        if known.len() <= MAX_SITES && !known.contains(&site) {
            known.push(site);
        }
    }

    fn block(&mut self, block: Block) {
        self.use_in_term(block);
        let insts = std::mem::take(&mut self.func.blocks[block].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts.into_iter().rev() {
            let place = self.place(block, inst);
            let site = place.unwrap_or(Site::Block(block));
            let data = self.func.insts[inst].clone();
            data.for_each_arg(|v| self.use_at(v, site));
            match place {
                Some(site) => self.put(inst, site),
                None => kept.push(inst),
            }
        }
        kept.reverse();
        self.func.blocks[block].insts = kept;
    }

    fn use_in_term(&mut self, block: Block) {
        let term = self.func.blocks[block].term.clone();
        let all = |sink: &mut Self, args: &[Value], site| {
            args.iter().for_each(|&v| sink.use_at(v, site));
        };
        match &term {
            Term::Jump(to) => all(self, &to.args, Site::Block(block)),
            Term::Br { args, then, otherwise, .. } => {
                all(self, args, Site::Block(block));
                all(self, &then.args, Site::Edge(block, true));
                all(self, &otherwise.args, Site::Edge(block, false));
            }
            Term::Guard { off, fail, .. } => {
                self.use_at(*off, Site::Block(block));
                all(self, &fail.args, Site::Edge(block, false));
            }
            Term::Return(value) => self.use_at(*value, Site::Block(block)),
            Term::None => {}
        }
    }

    /// Where an instruction of `block` goes, if elsewhere.
    fn place(&self, block: Block, inst: Inst) -> Option<Site> {
        let value = self.func.results[inst].expand()?;
        let sites = &self.sites[value];
        if !can_move(&self.func.insts[inst]) || sites.len() > MAX_SITES {
            return None;
        }
        let (&first, others) = sites.split_first()?;
        if others.is_empty() && matches!(first, Site::Edge(..)) {
            return Some(first);
        }
        let common = others.iter().fold(first.block(), |common, site| {
            let mut common = common;
            while !self.dominators.dominates(common, site.block()) {
                common = self.dominators.idom(common).unwrap_or(block);
            }
            common
        });
        (common != block).then_some(Site::Block(common))
    }

    /// Puts an instruction in front of all that use it at `site`.
    fn put(&mut self, inst: Inst, site: Site) {
        let block = match site {
            Site::Block(block) => block,
            Site::Edge(from, first) => self.block_on_edge(from, first),
        };
        self.func.blocks[block].insts.insert(0, inst);
        self.changed = true;
    }

    fn block_on_edge(&mut self, from: Block, first: bool) -> Block {
        if let Some(&block) = self.edges.get(&Site::Edge(from, first)) {
            return block;
        }
        let block = self.func.blocks.next_key();
        let term_line = self.func.blocks[from].term_line;
        let edge = match &mut self.func.blocks[from].term {
            Term::Br { then, .. } if first => then,
            Term::Br { otherwise: to, .. } | Term::Guard { fail: to, .. } | Term::Jump(to) => to,
            Term::Return(_) | Term::None => unreachable!("only edges carry values"),
        };
        let to = std::mem::replace(edge, BlockCall { block, args: Vec::new() });
        self.new_blocks.push((from, block, to.block));
        let (params, insts, term) = (Vec::new(), Vec::new(), Term::Jump(to));
        self.func.blocks.push(BlockData { params, insts, term, term_line });
        self.edges.insert(Site::Edge(from, first), block);
        block
    }

    /// Puts the new blocks into the order where nothing has to jump around them: behind the last block in front
    /// of their goal that nothing falls through.
    fn place_blocks(&mut self) {
        if self.new_blocks.is_empty() {
            return;
        }
        let order = std::mem::take(&mut self.func.order);
        let mut at = SecondaryMap::<Block, usize>::new();
        order.iter().enumerate().for_each(|(i, &block)| at[block] = i);
        let mut behind: Vec<Vec<Block>> = vec![Vec::new(); order.len()];
        for &(from, block, to) in &self.new_blocks {
            let between = at[from]..at[to].max(at[from] + 1);
            let free = between.clone().rev().find(|&i| {
                let falls =
                    |next: &Block| self.func.blocks[order[i]].term.successors().any(|s| s == *next);
                i != at[from] && !order.get(i + 1).is_some_and(falls)
            });
            behind[free.unwrap_or(between.end - 1)].push(block);
        }
        for (block, new) in order.into_iter().zip(behind) {
            self.func.order.push(block);
            self.func.order.extend(new);
        }
    }
}

/// Asks for the packet's length in each block that needs it, if those are few and none of them is where it is
/// asked for now.
fn copy_pkt_len(func: &mut Function, cfg: &Cfg, dominators: &Dominators) -> bool {
    let mut changed = false;
    for &block in &cfg.postorder {
        for inst in func.blocks[block].insts.clone() {
            if matches!(func.insts[inst], InstData::Env(Env::PktLen))
                && let Some(value) = func.results[inst].expand()
            {
                changed |= copy_to_users(func, dominators, block, inst, value);
            }
        }
    }
    changed
}

fn copy_to_users(
    func: &mut Function,
    dominators: &Dominators,
    home: Block,
    inst: Inst,
    value: Value,
) -> bool {
    let is_user = |block: &Block| {
        let data = &func.blocks[*block];
        let mut used = false;
        data.insts.iter().for_each(|&i| func.insts[i].for_each_arg(|v| used |= v == value));
        data.term.for_each_arg(|v| used |= v == value);
        used
    };
    let users: Vec<Block> = func.order.iter().copied().filter(is_user).collect();
    let mut tops: Vec<Block> = Vec::new();
    for &user in &users {
        if !users.iter().any(|&u| u != user && dominators.dominates(u, user)) {
            tops.push(user);
        }
        if user == home || tops.len() > MAX_COPIES {
            return false;
        }
    }
    if tops.len() < 2 {
        return false;
    }
    let line = func.inst_lines[inst].expand();
    for &top in &tops {
        let copy = func.make_inst(InstData::Env(Env::PktLen), line);
        let Some(copied) = func.results[copy].expand() else { continue };
        let replace = |v: Value| if v == value { copied } else { v };
        for &user in users.iter().filter(|&&user| dominators.dominates(top, user)) {
            for i in func.blocks[user].insts.clone() {
                func.insts[i].map_args(replace);
            }
            func.blocks[user].term.map_args(replace);
        }
        func.blocks[top].insts.insert(0, copy);
    }
    true
}
