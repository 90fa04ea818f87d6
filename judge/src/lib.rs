//! Packets through engines: dry runs, traces, test blocks, explanations.
//!
//! An [`Engine`] gives verdicts for one hook. Three of them exist, and everything here works with
//! any of them: the emitted program in a userspace interpreter, the same program in the kernel, and
//! the reference evaluator, which runs no program at all. [`dry_run`] takes captures through an
//! engine, [`run_test`] a policy's own tests, [`compare`] one packet through several engines.
//!
//! Nothing here prints: what there is to see goes to a [`Sink`] or is returned.

mod compare;
mod dry_run;
mod engine;
mod explain;
mod open;
mod shape;
mod summary;
mod test_block;
#[cfg(test)]
mod tests;

pub use compare::{Disagreement, compare};
pub use dry_run::{Captured, DryRun, FileError, FileErrorKind, Judged, Progress, Sink, dry_run};
pub use engine::{Counter, Engine, JudgeError, Opinion};
pub use explain::{Explanation, Read, Step, explain};
pub use open::{EngineKind, OpenError, open};
pub use shape::{Shape, ShapeRule};
pub use summary::{Count, RuleCount, Summary};
pub use test_block::{Failure, TestOutcome, run_test};
