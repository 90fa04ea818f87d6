//! Golden cases, snapshots and random tests of the whole compiler.

pub mod traffic;
