//! Random rule files and packets.
