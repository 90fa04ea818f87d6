//! The l4 compiler: fields, checks, plan, lowering, reference evaluator.

pub mod fields;
pub mod hir;
pub mod lower;
pub mod packet;
pub mod plan;
pub mod ranges;
pub mod reference;
pub mod report;
