//! Generated code against the meaning of the IR: the interpreter, the userspace machine and the kernel
//! must agree on every packet, its verdict and its counters.

mod big;
mod harness;
mod limits;
mod object;
mod opcodes;
mod packet;
mod random;
mod registers;
mod sample;
mod straight;
mod tables;
