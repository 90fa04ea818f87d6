//! What every engine can do.

use crate::Shape;
use l4c_compiler::hir::SetId;
use l4c_manifest::{Key, Verdict};
use std::fmt;

pub use l4c_runtime::Counter;

/// Gives verdicts for the packets of one hook and counts what its rules did.
pub trait Engine {
    /// `vm`, `kernel` or `reference`.
    fn name(&self) -> &'static str;

    /// The hook that it judges for.
    fn shape(&self) -> &Shape;

    /// From now on packets come in by the interface of this name, or by none; by none at first.
    ///
    /// # Errors
    /// When the engine can't be told.
    fn arrive(&mut self, iface: Option<&str>) -> Result<(), JudgeError>;

    /// From now on it is so late, in nanoseconds; 0 after a reset. It never goes back.
    ///
    /// # Errors
    /// When the engine can't be told.
    fn set_time(&mut self, now_ns: u64) -> Result<(), JudgeError>;

    /// From now on chance begins at `seed`, and begins anew. What asks the kernel for chance, as programs do that were
    /// not made to be tested, is not touched by it.
    ///
    /// # Errors
    /// When the engine can't be told.
    fn set_seed(&mut self, seed: u64) -> Result<(), JudgeError>;

    /// Judges one packet, as the hook sees it.
    ///
    /// # Errors
    /// When the engine failed; the packet has no verdict then.
    fn judge(&mut self, packet: &[u8]) -> Result<Verdict, JudgeError>;

    /// Judges one packet and tells what happened on the way; slower than [`Self::judge`].
    ///
    /// # Errors
    /// As [`Self::judge`].
    fn judge_traced(&mut self, packet: &[u8]) -> Result<Opinion, JudgeError>;

    /// What was counted since the last reset, one entry a slot of [`Shape`].
    ///
    /// # Errors
    /// When the counters can't be read.
    fn counters(&mut self) -> Result<Vec<Counter>, JudgeError>;

    /// Does a set that changes hold this now? `set` is its id and its name; none if the hook does not use it.
    ///
    /// # Errors
    /// When the engine can't look.
    fn has(&mut self, set: (SetId, &str), key: &Key) -> Result<Option<bool>, JudgeError>;

    /// Back to the state of a program just loaded.
    ///
    /// # Errors
    /// When the counters can't be written.
    fn reset(&mut self) -> Result<(), JudgeError>;
}

/// What an engine made of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The verdict.
    pub verdict: Verdict,
    /// Index in [`Shape::rules`] of the rule that decided.
    pub rule: usize,
    /// Every slot that counted, by number, with what was added to it.
    pub counted: Vec<(usize, Counter)>,
}

/// An engine gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JudgeError {
    /// The engine's own words.
    Engine(String),
    /// The program returned a code that stands for no verdict.
    Code(u32),
    /// The verdict came without exactly one rule that says so: the names of those that do.
    Deciders(Verdict, Vec<String>),
}

impl fmt::Display for JudgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(why) => f.write_str(why),
            Self::Code(code) => {
                write!(f, "the program returned {code}, which stands for no verdict")
            }
            Self::Deciders(verdict, names) => write!(
                f,
                "verdict {} was given, but the counters name [{}] as the rules that decided",
                verdict.name(),
                names.join(", ")
            ),
        }
    }
}

impl std::error::Error for JudgeError {}

/// The opinion behind a verdict, from the counters before and after.
///
/// A rule whose action is a verdict ends the hook when it matches, so exactly one of them counted.
pub(crate) fn opinion(
    shape: &Shape,
    verdict: Verdict,
    before: &[Counter],
    after: &[Counter],
) -> Result<Opinion, JudgeError> {
    let counted: Vec<_> = before
        .iter()
        .zip(after)
        .enumerate()
        .filter(|(_, (before, after))| before != after)
        .map(|(slot, (before, after))| {
            let packets = after.packets.wrapping_sub(before.packets);
            let bytes = after.bytes.wrapping_sub(before.bytes);
            (slot, Counter { packets, bytes })
        })
        .collect();
    let deciders: Vec<usize> = counted
        .iter()
        .map(|&(slot, _)| slot)
        .filter(|&slot| shape.rules.get(slot).is_some_and(|rule| rule.decides.is_some()))
        .collect();
    match deciders[..] {
        [rule] if shape.rules[rule].decides == Some(verdict) => {
            Ok(Opinion { verdict, rule, counted })
        }
        _ => Err(JudgeError::Deciders(
            verdict,
            deciders.into_iter().map(|slot| shape.rules[slot].name.clone()).collect(),
        )),
    }
}
