//! Counting in a function of its own, where a program counts in many places.
//!
//! The kernel puts an array lookup in line at each place, and moves all that follows for each of them:
//! thousands take it longer than all else that it does with a program. A call costs a packet 2 ns, and
//! only where it is counted.

use crate::error::Error;
use l4c_ir::{
    Builder, Func, Function, InstData, Module, Type, ValueData, ValueDef, Verified, verify,
};
use std::borrow::Cow;

/// Up to so many places count in line.
const INLINE: usize = 32;

/// The module with its counting in one function, if it counts in many places.
///
/// # Errors
/// When what comes out is no valid module; a mistake of this crate.
pub fn counts<'m>(module: &'m Verified<Module>) -> Result<Cow<'m, Verified<Module>>, Error> {
    if module.funcs.values().map(|f| places(f).count()).sum::<usize>() <= INLINE {
        return Ok(Cow::Borrowed(module));
    }
    let mut module: Module = (**module).clone();
    let mut name = String::from("count");
    while module.funcs.values().any(|f| f.name == name) {
        name.push('_');
    }
    let counter = module.funcs.next_key();
    for func in module.funcs.values_mut() {
        call_instead(func, counter);
    }
    module.funcs.push(counting_function(name));
    let verified = verify(module).map_err(|e| Error::Bug(format!("counts: {e}\n{}", e.text)))?;
    Ok(Cow::Owned(verified))
}

fn places(func: &Function) -> impl Iterator<Item = l4c_ir::Inst> {
    let insts = func.order.iter().flat_map(|&b| &func.blocks[b].insts).copied();
    insts.filter(|&i| matches!(func.insts[i], InstData::Count { .. }))
}

fn call_instead(func: &mut Function, counter: Func) {
    for inst in places(func).collect::<Vec<_>>() {
        let InstData::Count { slot, bytes } = func.insts[inst] else { continue };
        func.insts[inst] = InstData::Call { func: counter, args: vec![slot, bytes] };
        let result = ValueData { ty: Type::I64, def: ValueDef::Result(inst) };
        func.results[inst] = func.values.push(result).into();
    }
}

fn counting_function(name: String) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 2);
    let (slot, bytes) = (b.func.params()[0], b.func.params()[1]);
    b.count(slot, bytes);
    let nothing = b.iconst(0);
    b.ret(nothing);
    func
}
