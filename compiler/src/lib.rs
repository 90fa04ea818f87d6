//! The l4 compiler: fields, checks, plan, lowering, reference evaluator.

pub mod fields;
pub mod hir;
pub mod ranges;
pub mod report;
