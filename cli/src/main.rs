//! The l4c command.
fn main() {}
