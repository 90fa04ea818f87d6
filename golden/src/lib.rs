//! Golden cases, snapshots and random tests of the whole compiler.
//!
//! Three judges stand against each other here: the reference evaluator, the emitted program in a userspace
//! interpreter, and (in `verifier-tests`, which shares this crate) the same program in the kernel. What they
//! judge are rule files of [`cases`](case) and [made-up ones](random), and packets of the [`zoo`].

pub mod bench;
pub mod case;
pub mod diag;
pub mod random;
pub mod run;
pub mod traffic;
pub mod zoo;
