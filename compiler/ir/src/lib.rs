//! Target-free SSA for packet programs.
//!
//! A [`Module`] is a set of functions over 64-bit numbers; the packet is there without being named,
//! and is read only behind a guard. The IR asks first what the kernel's verifier will ask: a load
//! must be dominated by the good side of a guard that covers it. It names no hook and no machine.
//!
//! [`parse`] and `Display` convert a module from and to text, [`verify`] checks it, [`interp`] runs
//! it, [`passes`] make it smaller.

pub mod analysis;
mod entity;
mod function;
mod inst;
pub mod interp;
mod parse;
pub mod passes;
mod text;
mod verify;

pub use entity::{Block, Func, Inst, Limit, Line, Map, Table, Value};
pub use function::{
    BlockData, Builder, Clock, Function, LimitData, LineData, MapData, Module, TableData,
    ValueData, ValueDef,
};
pub use inst::{BinOp, BlockCall, Cond, Env, FlowStep, InstData, Spent, Term, Type, Width};
pub use parse::{ParseError, parse};
pub use verify::{MAX_PARAMS, Verified, VerifyError, verify};
