//! From a function as it is in the object to one that runs in rbpf.

use super::check::is_exchange;
use super::machine::{CALL_FUNCTION, ENTER, MAP_HANDLE, MAX_FUNCTIONS};
use crate::LoadError;
use crate::insn::{CALL, Insn, LDX_DW, MOV64_REG, STX_DW};
use crate::object::{Function, Object, Ref};

/// The functions that a program reaches by calls, itself first, as indices in the object.
///
/// # Errors
/// [`LoadError::TooManyFunctions`]
pub fn reach(object: &Object, program: usize) -> Result<Vec<usize>, LoadError> {
    let mut reached = vec![program];
    let mut seen = vec![false; object.functions().len()];
    seen[program] = true;
    let mut next = 0;
    while let Some(&index) = reached.get(next) {
        next += 1;
        for target in object.functions()[index].refs.values() {
            match *target {
                Ref::Function(callee) if !seen[callee] => {
                    seen[callee] = true;
                    reached.push(callee);
                }
                Ref::Function(_) | Ref::Map(_) | Ref::Rodata { .. } => {}
            }
        }
    }
    if reached.len() > MAX_FUNCTIONS {
        return Err(LoadError::TooManyFunctions { max: MAX_FUNCTIONS });
    }
    Ok(reached)
}

/// What references become.
pub struct Addresses<'a> {
    /// Functions of the object, in the order of the machine's.
    pub functions: &'a [usize],
    /// Where the object's read-only tables lie.
    pub rodata: &'a [u64],
}

/// The function with its references resolved, behind a prologue that gives it its arguments.
pub fn link(function: &Function, is_program: bool, addresses: &Addresses<'_>) -> Vec<Insn> {
    let mut insns = prologue(function, is_program);
    let body = insns.len();
    insns.extend(function.insns.iter().map(|&insn| {
        // The compiler exchanges only what it has read there before, and nobody else is here: it is a store, and what
        // was expected, in r0, is what was there.
        if is_exchange(insn) { Insn { code: STX_DW, imm: 0, ..insn } } else { insn }
    }));
    for (&slot, target) in &function.refs {
        let slots = &mut insns[body + slot..];
        match *target {
            Ref::Function(callee) => {
                let position = addresses.functions.iter().position(|&f| f == callee);
                let position = position.expect("callees are reached from their callers") as i32;
                slots[0] = Insn { src: 0, imm: CALL_FUNCTION + position, ..slots[0] };
            }
            Ref::Map(index) => load_address(slots, MAP_HANDLE + index as u64),
            Ref::Rodata { table, off_bytes } => {
                load_address(slots, addresses.rodata[table] + off_bytes as u64);
            }
        }
    }
    insns
}

fn load_address(slots: &mut [Insn], address: u64) {
    slots[0].src = 0;
    slots[0].imm = address as i32;
    if let Some(second) = slots.get_mut(1) {
        second.imm = (address >> 32) as i32;
    }
}

/// Runs with r1 = argument block and r10 = end of the stack.
fn prologue(function: &Function, is_program: bool) -> Vec<Insn> {
    let mut insns = Vec::new();
    // Helpers get addresses of the stack: the machine must know where it is.
    if function.insns.iter().any(|i| i.code == CALL && i.src == 0) {
        insns.push(Insn { code: MOV64_REG, dst: 2, src: 10, off: 0, imm: 0 });
        insns.push(Insn { code: CALL, dst: 0, src: 0, off: 0, imm: ENTER });
    }
    let arguments: u8 = if is_program { 1 } else { 5 };
    insns.extend((1..=arguments).rev().map(|reg| {
        let off = i16::from(reg - 1) * 8;
        Insn { code: LDX_DW, dst: reg, src: 1, off, imm: 0 }
    }));
    insns
}
