//! The built command, from outside: what it prints, what it writes, what it exits with.

#![allow(clippy::unwrap_used, reason = "a test that can't go on is to fail")]

mod check;
mod compile;
mod emergency;
mod fmt;
mod hostile;
mod judging;
mod loading;
mod schema;
mod support;
mod testing;
mod usage;
