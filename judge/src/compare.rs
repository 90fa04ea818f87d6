//! One packet, several engines, one opinion.

use crate::{Counter, Engine, JudgeError, Opinion, Shape};
use std::fmt;

/// Engines that do not agree on a packet.
#[derive(Debug, Clone)]
pub struct Disagreement {
    /// The packet as the hook sees it.
    pub packet: Vec<u8>,
    /// What each engine said, under the name it was given.
    pub opinions: Vec<(String, Result<Opinion, JudgeError>)>,
    shape: Shape,
}

/// Shows one packet to several engines for the same hook, each under a name of the caller's choice.
///
/// They agree if the verdict, the rule that decided and everything counted are the same.
///
/// # Errors
/// When they do not agree, or when one of them fails.
///
/// # Panics
/// When there is no engine.
pub fn compare<'e>(
    engines: &mut [(String, Box<dyn Engine + 'e>)],
    packet: &[u8],
) -> Result<Opinion, Box<Disagreement>> {
    let mut opinions = Vec::with_capacity(engines.len());
    for (name, engine) in engines.iter_mut() {
        opinions.push((name.clone(), engine.judge_traced(packet)));
    }
    let shape = engines.first().expect("there is an engine to ask").1.shape();
    match &opinions[0].1 {
        Ok(first) if opinions.iter().all(|(_, opinion)| opinion.as_ref() == Ok(first)) => {
            Ok(first.clone())
        }
        Ok(_) | Err(_) => {
            Err(Box::new(Disagreement { packet: packet.to_vec(), opinions, shape: shape.clone() }))
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packet ")?;
        self.packet.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        for (name, opinion) in &self.opinions {
            write!(f, "\n  {name}: ")?;
            match opinion {
                Err(error) => error.fmt(f)?,
                Ok(opinion) => {
                    let rule = slot_name(&self.shape, opinion.rule);
                    write!(f, "{} by {rule}; counted", opinion.verdict.name())?;
                    for &(slot, Counter { packets, bytes }) in &opinion.counted {
                        let name = slot_name(&self.shape, slot);
                        write!(f, " {name}={packets}/{bytes}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Disagreement {}

fn slot_name(shape: &Shape, slot: usize) -> &str {
    let rules = shape.rules.iter().map(|rule| &rule.name);
    rules.chain(&shape.counters).nth(slot).map_or("?", String::as_str)
}
