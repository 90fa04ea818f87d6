//! Tests of the reference evaluator. Packets come from a packet library, not from the field table.

mod dns;
mod fields;
mod headers;
mod rules;
mod sample;
mod tunnels;
