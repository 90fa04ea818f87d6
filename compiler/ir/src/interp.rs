//! Runs a module on a packet: the meaning of the IR, written to be obviously right.
//!
//! Tests of passes and of code generators are judged by it. It is slow, and asks nothing of the
//! module: what the verifier would refuse is an error here, never a panic.

#[cfg(test)]
mod tests;

use crate::{
    Block, BlockCall, Env, FlowStep, Func, Function, InstData, Limit, Map, Module, Spent,
    TableData, Term, Value,
};
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// Calls within calls; the kernel allows far fewer.
const MAX_DEPTH: u32 = 128;

/// Where chance begins.
const SEED: u64 = 1;

/// Tokens in a bucket; they do not come back.
const BURST: u64 = 2;

/// A packet longer than this is seen cut: offsets are 16-bit numbers everywhere.
const MAX_VISIBLE_BYTES: usize = 0xffff;

/// Why a module could not be run to its end. Verified modules give none of these but
/// `TooDeep`, and `Missing` where a packet is to be answered: that is left to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterpError {
    /// The module has no entry, or a function no blocks.
    NoEntry,
    /// Something is used that is not there, by its name in the function.
    Missing(String),
    /// A load outside the packet: offset and bytes.
    Outside(u64, u32),
    /// Calls within calls without end, or nearly.
    TooDeep,
    /// More blocks were run than the module has: a cycle.
    Endless,
}

impl Display for InterpError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntry => f.write_str("nothing to run"),
            Self::Missing(what) => write!(f, "{what} is used but not there"),
            Self::Outside(off, bytes) => {
                write!(f, "a load of {bytes} bytes at offset {off} is outside the packet")
            }
            Self::TooDeep => write!(f, "more than {MAX_DEPTH} calls within calls"),
            Self::Endless => f.write_str("the program does not end"),
        }
    }
}

impl std::error::Error for InterpError {}

/// Runs the entry of `module` on `packet` and gives what it returns. `counters` holds packets and
/// bytes of each slot.
///
/// # Errors
///
/// Where the module asks for what is not there; see [`InterpError`].
pub fn run(
    module: &Module,
    packet: &[u8],
    counters: &mut [(u64, u64)],
) -> Result<u64, InterpError> {
    run_func(module, module.entry.expand().ok_or(InterpError::NoEntry)?, &[], packet, counters)
}

/// Runs any function of `module` with arguments; otherwise like [`run`].
///
/// # Errors
///
/// Where the module asks for what is not there; see [`InterpError`].
pub fn run_func(
    module: &Module,
    func: Func,
    args: &[u64],
    packet: &[u8],
    counters: &mut [(u64, u64)],
) -> Result<u64, InterpError> {
    let packet = &packet[..packet.len().min(MAX_VISIBLE_BYTES)];
    let mut machine = Machine {
        module,
        packet,
        counters,
        depth: 0,
        chance: SEED,
        buckets: HashMap::new(),
        held: HashMap::new(),
        flows: HashMap::new(),
        rows: HashMap::new(),
    };
    machine.call(func, args)
}

struct Machine<'a> {
    module: &'a Module,
    packet: &'a [u8],
    counters: &'a mut [(u64, u64)],
    depth: u32,
    /// What the next random number is made of.
    chance: u64,
    /// Tokens spent.
    buckets: HashMap<(Limit, Vec<u64>), u64>,
    /// What maps hold: nothing at first.
    held: HashMap<(Map, Vec<u64>), u64>,
    /// Flows that are open.
    flows: HashMap<(Limit, Vec<u64>), Vec<u64>>,
    /// Places taken in each row.
    rows: HashMap<u32, u64>,
}

/// The values of one call. A pointer is the packet offset it points at.
struct Frame<'a> {
    func: &'a Function,
    values: SecondaryMap<Value, Option<u64>>,
}

impl Frame<'_> {
    fn get(&self, value: Value) -> Result<u64, InterpError> {
        self.values[value].ok_or_else(|| InterpError::Missing(value.to_string()))
    }

    fn set(&mut self, value: Value, n: u64) -> Result<(), InterpError> {
        if !self.func.values.is_valid(value) {
            return Err(InterpError::Missing(value.to_string()));
        }
        self.values[value] = Some(n);
        Ok(())
    }

    fn get_all(&self, values: &[Value]) -> Result<Vec<u64>, InterpError> {
        values.iter().map(|&v| self.get(v)).collect()
    }

    /// Hands numbers to a block and goes there.
    fn enter(&mut self, block: Block, args: &[u64]) -> Result<Block, InterpError> {
        let missing = || InterpError::Missing(block.to_string());
        let params = &self.func.blocks.get(block).ok_or_else(missing)?.params;
        if params.len() != args.len() {
            return Err(InterpError::Missing(format!("an argument of {block}")));
        }
        for (&param, &arg) in params.iter().zip(args) {
            self.set(param, arg)?;
        }
        Ok(block)
    }

    fn follow(&mut self, to: &BlockCall) -> Result<Block, InterpError> {
        let args = self.get_all(&to.args)?;
        self.enter(to.block, &args)
    }
}

impl Machine<'_> {
    fn call(&mut self, func: Func, args: &[u64]) -> Result<u64, InterpError> {
        let missing = || InterpError::Missing(func.to_string());
        let func = self.module.funcs.get(func).ok_or_else(missing)?;
        if self.depth == MAX_DEPTH {
            return Err(InterpError::TooDeep);
        }
        self.depth += 1;
        let mut frame = Frame { func, values: SecondaryMap::new() };
        let mut block = frame.enter(func.entry().ok_or(InterpError::NoEntry)?, args)?;
        for _ in 0..=func.blocks.len() {
            for &inst in &func.blocks[block].insts {
                let missing = || InterpError::Missing(inst.to_string());
                let result = self.inst(&frame, func.insts.get(inst).ok_or_else(missing)?)?;
                if let Some(value) = func.results[inst].expand() {
                    frame.set(value, result)?;
                }
            }
            block = match &func.blocks[block].term {
                Term::Jump(to) => frame.follow(to)?,
                Term::Br { cond, args: [a, b], then, otherwise } => {
                    let holds = cond.eval(frame.get(*a)?, frame.get(*b)?);
                    frame.follow(if holds { then } else { otherwise })?
                }
                Term::Guard { off, len_bytes, ptr, ok, fail } => {
                    let off = frame.get(*off)?;
                    if self.bytes(off, *len_bytes).is_some() {
                        frame.set(*ptr, off)?;
                        frame.enter(*ok, &[])?
                    } else {
                        frame.follow(fail)?
                    }
                }
                Term::Return(value) => {
                    self.depth -= 1;
                    return frame.get(*value);
                }
                Term::None => return Err(InterpError::Missing("a terminator".to_owned())),
            };
        }
        Err(InterpError::Endless)
    }

    /// Bytes `[off, off + len)` of the packet, if it has them.
    fn bytes(&self, off: u64, len_bytes: u32) -> Option<&[u8]> {
        let start = usize::try_from(off).ok()?;
        let end = start.checked_add(usize::try_from(len_bytes).ok()?)?;
        self.packet.get(start..end)
    }

    /// Random numbers are the same in each run: xorshift64*, the upper half of it.
    fn random(&mut self) -> u64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    /// What an instruction gives; 0 if nothing.
    fn inst(&mut self, frame: &Frame<'_>, data: &InstData) -> Result<u64, InterpError> {
        Ok(match data {
            InstData::Const(n) => *n,
            InstData::Binary { op, args: [a, b] } => op.eval(frame.get(*a)?, frame.get(*b)?),
            InstData::Swap { width, arg } => width.swap_bytes(frame.get(*arg)?),
            InstData::Load { ptr, disp_bytes, width } => {
                let off = frame.get(*ptr)?.wrapping_add(u64::from(*disp_bytes));
                let outside = || InterpError::Outside(off, width.bytes());
                let bytes = self.bytes(off, width.bytes()).ok_or_else(outside)?;
                bytes.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte))
            }
            InstData::Env(Env::PktLen) => self.packet.len() as u64,
            // A packet comes from nowhere, as in the kernel's test run: by the interface of number 1, which is
            // what the first slot then says.
            InstData::Env(Env::Iface) | InstData::IfaceSlot(0) => 1,
            // It is always the beginning of time.
            InstData::Env(Env::RxQueue | Env::Cpu | Env::Mark | Env::Now | Env::Ticks)
            | InstData::IfaceSlot(_)
            | InstData::Redirect { .. } => 0,
            InstData::Reject { .. } => return Err(InterpError::Missing("an answer".to_owned())),
            InstData::Member { table, hi, lo } => {
                let missing = || InterpError::Missing(table.to_string());
                let table = self.module.tables.get(*table).ok_or_else(missing)?;
                u64::from(contains(table, frame.get(*hi)?, frame.get(*lo)?))
            }
            InstData::Count { slot, bytes } => {
                let (slot, bytes) = (frame.get(*slot)?, frame.get(*bytes)?);
                let slot = usize::try_from(slot).ok().and_then(|slot| self.counters.get_mut(slot));
                if let Some((packets, total)) = slot {
                    *packets = packets.wrapping_add(1);
                    *total = total.wrapping_add(bytes);
                }
                0
            }
            InstData::Random => self.random(),
            InstData::Spend { limit, key, .. } => {
                let key = (*limit, frame.get_all(key)?);
                let spent = self.buckets.entry(key).or_insert(0);
                *spent += 1;
                if *spent > BURST { Spent::OVER } else { Spent::YES }
            }
            InstData::Find { .. }
            | InstData::Put { .. }
            | InstData::Erase { .. }
            | InstData::Hash { .. }
            | InstData::Flow { .. }
            | InstData::Nth { .. } => self.state(frame, data)?,
            // Whoever loads a program says which elements count: here all do.
            InstData::SetState(_) => u64::MAX,
            // Nobody listens.
            InstData::Sample { .. } => 0,
            InstData::Call { func, args } => self.call(*func, &frame.get_all(args)?)?,
        })
    }

    /// What maps, flows and rows make of an instruction; 0 of any other.
    fn state(&mut self, frame: &Frame<'_>, data: &InstData) -> Result<u64, InterpError> {
        Ok(match data {
            InstData::Find { map, key, word: 0 } => {
                self.held.get(&(*map, frame.get_all(key)?)).copied().unwrap_or(0)
            }
            InstData::Put { map, key, word } => {
                self.held.insert((*map, frame.get_all(key)?), frame.get(*word)?);
                0
            }
            InstData::Erase { map, key } => {
                self.held.remove(&(*map, frame.get_all(key)?));
                0
            }
            InstData::Hash { words, .. } => {
                let mix = |hash: u64, word: u64| {
                    (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
                };
                frame.get_all(words)?.into_iter().fold(1, mix)
            }
            InstData::Flow { limit, args: [key, flow, step, _] } => {
                let (key, flow) = ((*limit, vec![frame.get(*key)?]), frame.get(*flow)?);
                let flows = self.flows.entry(key).or_default();
                match (flows.contains(&flow), frame.get(*step)?) {
                    (true, FlowStep::CLOSES) => flows.retain(|known| *known != flow),
                    (false, FlowStep::OPENS) if flows.len() as u64 >= BURST => {
                        return Ok(Spent::OVER);
                    }
                    (false, FlowStep::OPENS) => flows.push(flow),
                    _ => {}
                }
                Spent::YES
            }
            InstData::Nth { slot, wanted, of } => {
                let [wanted, of] = [*wanted, *of].map(u64::from);
                let taken = self.rows.entry(*slot).or_insert(0);
                *taken += 1;
                u64::from(*taken * wanted / of > (*taken - 1) * wanted / of)
            }
            _ => 0,
        })
    }
}

/// Whether the key lies in one of the ranges.
fn contains(table: &TableData, hi: u64, lo: u64) -> bool {
    let key = if table.wide { u128::from(hi) << 64 | u128::from(lo) } else { u128::from(lo) };
    table.ranges.iter().any(|&(first, last)| (first..=last).contains(&key))
}
