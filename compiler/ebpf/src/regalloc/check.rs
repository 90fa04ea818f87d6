//! Checks an allocation, by other means than those it was made with: liveness as the fixed point of
//! the textbook's equations, and at each write a look at what else is alive in that place.

use super::Place;
use crate::error::Error;
use crate::live::Blocks;
use crate::mach::{Code, Op, Reg, Src};
use std::collections::BTreeSet;

type Live = BTreeSet<usize>;

/// Checks that no write destroys a value that is still needed.
///
/// # Errors
/// The first instruction that does.
pub fn check(code: &mut Code, places: &[Place]) -> Result<(), Error> {
    let blocks = Blocks::new(code);
    let count = blocks.preds.len();
    let mut alive_out: Vec<Live> = vec![Live::new(); count];
    let mut todo: BTreeSet<usize> = (0..count).collect();
    while let Some(block) = todo.pop_last() {
        let mut live = alive_out[block].clone();
        for i in (blocks.starts[block]..blocks.starts[block + 1]).rev() {
            step(&mut code.ops[i].0, &mut live);
        }
        for &pred in &blocks.preds[block] {
            let before = alive_out[pred].len();
            alive_out[pred].extend(&live);
            if alive_out[pred].len() != before {
                todo.insert(pred);
            }
        }
        if block == 0 && !live.is_empty() {
            return Err(Error::Bug(format!("{live:?} are read before they are written")));
        }
    }
    for (block, mut live) in alive_out.into_iter().enumerate() {
        for i in (blocks.starts[block]..blocks.starts[block + 1]).rev() {
            writes_nothing_alive(i, &mut code.ops[i].0, &live, places)?;
            step(&mut code.ops[i].0, &mut live);
        }
    }
    Ok(())
}

/// What is alive before an instruction, from what is alive after it.
fn step(op: &mut Op, live: &mut Live) {
    for reading in [false, true] {
        op.each_reg(|reg, role| {
            let Some(reg) = reg.index() else { return };
            if !reading && role.writes() {
                live.remove(&reg);
            }
            if reading && role.reads() {
                live.insert(reg);
            }
        });
    }
}

fn writes_nothing_alive(
    at: usize,
    op: &mut Op,
    live: &Live,
    places: &[Place],
) -> Result<(), Error> {
    let mut written: Vec<(Option<usize>, Place)> = Vec::new();
    op.each_reg(|reg, role| {
        if role.writes() && *reg != Reg::CTX {
            written.push((reg.index(), reg.index().map_or(Place::Reg(*reg), |r| places[r])));
        }
    });
    let mut after = live.clone();
    after.extend(written.iter().filter_map(|(reg, _)| *reg));
    if let Op::Call { ret, .. } = op {
        let ret = ret.and_then(Reg::index);
        let lost = (0..6).map(|n| (ret, Place::Reg(Reg::machine(n))));
        written.extend(lost);
    }
    if let Op::Moves { moves, tmp } = op {
        let tmp = tmp.index().map(|tmp| (Some(tmp), places[tmp]));
        written.extend(tmp.filter(|(_, place)| *place != Place::None));
        // The register in between may hold none of what is still to be moved.
        after.extend(moves.iter().filter_map(|(_, src)| match src {
            Src::Reg(reg) if tmp.is_some_and(|(_, place)| place == places_of(*reg, places)) => {
                reg.index()
            }
            Src::Reg(_) | Src::Imm(_) => None,
        }));
    }
    for (reg, place) in written {
        if let Some(lost) = after.iter().find(|&&r| Some(r) != reg && places[r] == place) {
            return Err(Error::Bug(format!("instruction {at}, {op:?}, destroys %{lost}")));
        }
    }
    Ok(())
}

fn places_of(reg: Reg, places: &[Place]) -> Place {
    reg.index().map_or(Place::Reg(reg), |r| places[r])
}
