//! The l4 compiler: fields, checks, plan, lowering, reference evaluator.
