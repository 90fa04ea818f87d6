//! Where virtual registers are alive.
//!
//! Time is counted in quarters of an instruction: at instruction `i`, operands are read at `4 i`, a call
//! destroys registers at `4 i + 1`, results appear at `4 i + 2`. A register that dies at an
//! instruction and one that is born there can so share a machine register.

use crate::mach::{Code, Label, Op, Role};

/// A time during which a value is kept; half-open.
pub type Span = (u32, u32);

/// The time at which instruction `i` reads.
pub const fn read_at(i: usize) -> u32 {
    4 * i as u32
}

/// The time at which instruction `i` writes.
pub const fn write_at(i: usize) -> u32 {
    4 * i as u32 + 2
}

/// Straight runs of instructions.
pub struct Blocks {
    /// First instruction of each, and, at the end, the number of instructions.
    pub starts: Vec<usize>,
    /// Predecessors of each.
    pub preds: Vec<Vec<usize>>,
}

impl Blocks {
    pub fn new(code: &Code) -> Self {
        let mut starts = vec![0];
        for (i, (op, _)) in code.ops.iter().enumerate() {
            let next = match op {
                Op::Label(_) => i,
                Op::Branch { .. } | Op::Jump(_) | Op::Exit => i + 1,
                _ => continue,
            };
            if starts.last() != Some(&next) {
                starts.push(next);
            }
        }
        if starts.last() != Some(&code.ops.len()) {
            starts.push(code.ops.len());
        }
        let mut blocks = Self { preds: vec![Vec::new(); starts.len() - 1], starts };
        let places = code.label_places();
        for block in 0..blocks.preds.len() {
            let last = &code.ops[blocks.starts[block + 1] - 1].0;
            if !last.never_falls_through() && block + 1 < blocks.preds.len() {
                blocks.preds[block + 1].push(block);
            }
            if let Some(Label(to)) = last.target()
                && let Some(place) = places[to as usize]
            {
                let succ = blocks.of(place);
                blocks.preds[succ].push(block);
            }
        }
        blocks
    }

    /// The block of instruction `i`.
    fn of(&self, i: usize) -> usize {
        self.starts.partition_point(|&start| start <= i) - 1
    }
}

/// What one block does to one virtual register.
struct Visit {
    block: usize,
    reads_first: bool,
    writes: bool,
    first: Span,
    last: Span,
}

/// For each virtual register, when it is alive, in order; and how often it is named.
pub struct Lives {
    pub spans: Vec<Vec<Span>>,
    pub uses: Vec<u32>,
}

impl Lives {
    /// `in_frame` tells the virtual registers that have a place in the frame.
    pub fn new(code: &mut Code, in_frame: &[bool]) -> Self {
        let blocks = Blocks::new(code);
        let (visits, uses) = visits(code, &blocks);
        let mut marks = Marks::new(blocks.preds.len());
        let mut spans: Vec<Vec<Span>> = (0u32..)
            .zip(&visits)
            .map(|(reg, visits)| marks.spans_of(reg, visits, &blocks))
            .collect();
        for (i, (op, _)) in code.ops.iter().enumerate() {
            if let Op::Moves { moves, tmp } = op
                && needs_tmp(moves, in_frame)
                && let Some(tmp) = tmp.index()
            {
                spans[tmp].push((read_at(i), write_at(i) + 1));
            }
        }
        Self { spans, uses }
    }
}

/// True if the moves may take a register more: for a cycle, or from frame to frame.
fn needs_tmp(moves: &[(crate::mach::Reg, crate::mach::Src)], in_frame: &[bool]) -> bool {
    moves.len() > 1
        || moves.iter().any(|(dst, src)| {
            let framed = |r: &crate::mach::Reg| r.index().is_some_and(|i| in_frame[i]);
            framed(dst) && matches!(src, crate::mach::Src::Reg(r) if framed(r))
        })
}

fn visits(code: &mut Code, blocks: &Blocks) -> (Vec<Vec<Visit>>, Vec<u32>) {
    let mut visits: Vec<Vec<Visit>> = Vec::new();
    visits.resize_with(code.virtuals as usize, Vec::new);
    let mut uses = vec![0; code.virtuals as usize];
    let mut block = 0;
    for (i, (op, _)) in code.ops.iter_mut().enumerate() {
        if blocks.starts[block + 1] <= i {
            block += 1;
        }
        op.each_reg(|reg, role| {
            let Some(reg) = reg.index() else { return };
            uses[reg] += 1;
            let span = match role {
                Role::Use | Role::PlaceUse => (read_at(i), read_at(i) + 1),
                Role::Def | Role::PlaceDef => (write_at(i), write_at(i) + 1),
                Role::Both => (read_at(i), write_at(i) + 1),
            };
            match visits[reg].last_mut() {
                Some(visit) if visit.block == block => {
                    visit.writes |= role.writes();
                    visit.last = (visit.last.0.max(span.0), visit.last.1.max(span.1));
                }
                Some(_) | None => visits[reg].push(Visit {
                    block,
                    reads_first: role.reads(),
                    writes: role.writes(),
                    first: span,
                    last: span,
                }),
            }
        });
    }
    (visits, uses)
}

/// For each block, the last virtual register that was found alive where it begins, and where it ends.
struct Marks {
    alive_in: Vec<Option<u32>>,
    alive_out: Vec<Option<u32>>,
}

impl Marks {
    fn new(blocks: usize) -> Self {
        Self { alive_in: vec![None; blocks], alive_out: vec![None; blocks] }
    }

    /// Walks back from each block that reads before it writes, up to the writes.
    fn spans_of(&mut self, reg: u32, visits: &[Visit], blocks: &Blocks) -> Vec<Span> {
        let mark = Some(reg);
        let writes = |block: usize| {
            visits.binary_search_by_key(&block, |v| v.block).is_ok_and(|at| visits[at].writes)
        };
        let mut through = Vec::new();
        let mut todo: Vec<usize> = Vec::new();
        for visit in visits.iter().filter(|v| v.reads_first) {
            self.alive_in[visit.block] = mark;
            todo.push(visit.block);
        }
        while let Some(block) = todo.pop() {
            for &pred in &blocks.preds[block] {
                if std::mem::replace(&mut self.alive_out[pred], mark) == mark {
                    continue;
                }
                through.push(pred);
                if !writes(pred) && std::mem::replace(&mut self.alive_in[pred], mark) != mark {
                    todo.push(pred);
                }
            }
        }
        let mut spans: Vec<Span> = Vec::new();
        for &block in &through {
            if visits.binary_search_by_key(&block, |v| v.block).is_err() {
                spans.push((read_at(blocks.starts[block]), read_at(blocks.starts[block + 1])));
            }
        }
        for visit in visits {
            let (start, end) = (blocks.starts[visit.block], blocks.starts[visit.block + 1]);
            let from =
                if self.alive_in[visit.block] == mark { read_at(start) } else { visit.first.0 };
            let to = if self.alive_out[visit.block] == mark { read_at(end) } else { visit.last.1 };
            spans.push((from, to));
        }
        merge(spans)
    }
}

/// Sorts spans and joins those that touch.
fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.1 >= span.0 => last.1 = last.1.max(span.1),
            Some(_) | None => merged.push(span),
        }
    }
    merged
}
