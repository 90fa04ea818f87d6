//! The l4 compiler: fields, checks, plan, lowering, reference evaluator.

pub mod chance;
pub mod check;
pub mod fields;
pub mod hir;
pub mod hir_text;
pub mod limits;
pub mod lower;
pub mod names;
pub mod packet;
pub mod pipeline;
pub mod plan;
pub mod ranges;
pub mod reference;
pub mod report;
pub mod rows;
mod sets;
pub mod source;

pub use l4c_ir::Clock;
pub use l4c_ir::passes::{OptLevel, PASSES};
