//! Everything that is named exists, and counts agree. After this, indices can be followed blindly.

use super::{Broken, MAX_PARAMS, Place};
use crate::{
    Block, BlockCall, Function, InstData, Line, Map, Module, Term, Type, Value, ValueData,
    ValueDef, Width,
};
use cranelift_entity::EntitySet;

struct Shape<'a> {
    module: &'a Module,
    func: &'a Function,
    listed: EntitySet<Block>,
    placed: EntitySet<crate::Inst>,
}

/// Checks the shape of a function.
pub(super) fn check(module: &Module, func: &Function) -> Result<(), Broken> {
    let mut listed = EntitySet::new();
    for &block in &func.order {
        if !func.blocks.is_valid(block) {
            return Err(Broken::function("the order lists a block that does not exist"));
        }
        if !listed.insert(block) {
            return Err(Broken::at(block, Place::Whole, "stands in the order twice"));
        }
    }
    let Some(entry) = func.entry() else { return Err(Broken::function("has no block")) };
    if func.blocks[entry].params.len() > MAX_PARAMS {
        return Err(Broken::function(format!("takes more than {MAX_PARAMS} parameters")));
    }
    let mut shape = Shape { module, func, listed, placed: EntitySet::new() };
    for &block in &func.order {
        shape.block(block)?;
    }
    Ok(())
}

impl Shape<'_> {
    fn block(&mut self, block: Block) -> Result<(), Broken> {
        let data = &self.func.blocks[block];
        for (index, &param) in (0..).zip(&data.params) {
            let wanted = ValueData { ty: Type::I64, def: ValueDef::Param(block, index) };
            if self.func.values.get(param) != Some(&wanted) {
                let reason = "a parameter is not recorded as such";
                return Err(Broken::at(block, Place::Whole, reason));
            }
        }
        for (index, &inst) in data.insts.iter().enumerate() {
            let checked = self.inst(inst);
            checked.map_err(|reason| Broken::at(block, Place::Inst(index), reason))?;
        }
        let checked =
            self.term(block, &data.term).and_then(|()| self.line(data.term_line.expand()));
        checked.map_err(|reason| Broken::at(block, Place::Term, reason))
    }

    fn line(&self, line: Option<Line>) -> Result<(), String> {
        match line {
            Some(line) if !self.module.lines.is_valid(line) => {
                Err(format!("the module has no {line}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn values_exist(&self, visit: impl FnOnce(&mut dyn FnMut(Value))) -> Result<(), String> {
        let mut all = true;
        visit(&mut |v| all &= self.func.values.is_valid(v));
        if all { Ok(()) } else { Err("an operand does not exist".to_owned()) }
    }

    fn inst(&mut self, inst: crate::Inst) -> Result<(), String> {
        let func = self.func;
        let Some(data) = func.insts.get(inst) else {
            return Err("an instruction does not exist".to_owned());
        };
        if !self.placed.insert(inst) {
            return Err("stands in the function twice".to_owned());
        }
        self.values_exist(|f| data.for_each_arg(f))?;
        self.line(func.inst_lines[inst].expand())?;
        let result = func.results[inst].expand();
        if result.is_some() != data.has_result() {
            return Err("has a result where its opcode has none, or none where it has".to_owned());
        }
        let recorded = ValueData { ty: Type::I64, def: ValueDef::Result(inst) };
        if result.is_some_and(|v| func.values.get(v) != Some(&recorded)) {
            return Err("the result is not recorded as such".to_owned());
        }
        self.opcode(data)
    }

    /// What only some opcodes want.
    fn opcode(&self, data: &InstData) -> Result<(), String> {
        match data {
            InstData::Swap { width: Width::B1, .. } => Err("one byte has no order".to_owned()),
            InstData::Member { table, hi, .. } => match self.module.tables.get(*table) {
                None => Err("the table does not exist".to_owned()),
                Some(table) if !table.wide && self.func.constant(*hi) != Some(0) => {
                    Err("the high half of a 64-bit key is the constant 0".to_owned())
                }
                Some(_) => Ok(()),
            },
            InstData::Spend { limit, key, .. } => match self.module.limits.get(*limit) {
                None => Err("the limit does not exist".to_owned()),
                Some(data) if data.key_words == key.len() => Ok(()),
                Some(data) => Err(format!("a key of `{}` has another length", data.name)),
            },
            InstData::Find { map, key, .. }
            | InstData::Put { map, key, .. }
            | InstData::Erase { map, key } => self.map_key(data, *map, key.len()),
            InstData::SetState(set) if *set < self.module.set_states => Ok(()),
            InstData::SetState(_) => Err("the set does not exist".to_owned()),
            InstData::Hash { limit, words } if self.module.limits.is_valid(*limit) => {
                if words.is_empty() { Err("there is nothing to hash".to_owned()) } else { Ok(()) }
            }
            InstData::Flow { limit, .. } if self.module.limits.is_valid(*limit) => Ok(()),
            InstData::Hash { .. } | InstData::Flow { .. } => {
                Err("the limit does not exist".to_owned())
            }
            &InstData::Nth { slot, wanted, of } => {
                if slot >= self.module.rows {
                    return Err("the module has no such row".to_owned());
                }
                let fits = wanted > 0 && wanted <= of;
                if fits { Ok(()) } else { Err("that is no share of places".to_owned()) }
            }
            InstData::Call { func, args } => {
                let Some(callee) = self.module.funcs.get(*func) else {
                    return Err("the function does not exist".to_owned());
                };
                let entry = callee.entry().and_then(|block| callee.blocks.get(block));
                let wanted = entry.map_or(0, |data| data.params.len());
                if args.len() == wanted {
                    return Ok(());
                }
                Err(format!("`{}` takes {wanted} arguments, not {}", callee.name, args.len()))
            }
            InstData::Const(_)
            | InstData::Binary { .. }
            | InstData::Swap { .. }
            | InstData::Load { .. }
            | InstData::Env(_)
            | InstData::Count { .. }
            | InstData::Random
            | InstData::Sample { .. }
            | InstData::Redirect { .. } => Ok(()),
            InstData::IfaceSlot(slot) if *slot < self.module.ifaces => Ok(()),
            InstData::IfaceSlot(_) => Err("the table of interfaces has no such slot".to_owned()),
            InstData::Reject { args } => {
                let blocks = &self.func.blocks;
                let insts = self.func.order.iter().filter_map(|&block| blocks.get(block));
                let alone = insts.map(|block| block.insts.len()).sum::<usize>() == 1;
                if alone && *args == *self.func.params() {
                    Ok(())
                } else {
                    Err("an answer is made in a function of its own".to_owned())
                }
            }
        }
    }

    /// Keys of a map have one length; nobody puts anything into an array.
    fn map_key(&self, data: &InstData, map: Map, words: usize) -> Result<(), String> {
        let Some(map) = self.module.maps.get(map) else {
            return Err("the map does not exist".to_owned());
        };
        match data {
            _ if map.key_words() != words => {
                Err(format!("a key of `{}` has another length", map.name))
            }
            InstData::Find { word, .. } if *word >= map.value_words => {
                Err(format!("values of `{}` have no such word", map.name))
            }
            InstData::Find { .. } => Ok(()),
            _ if map.is_array() || map.value_words != 1 => {
                Err(format!("`{}` is only looked into", map.name))
            }
            _ => Ok(()),
        }
    }

    fn target(&self, block: Block) -> Result<(), String> {
        if !self.listed.contains(block) {
            return Err("a target does not stand in the order".to_owned());
        }
        if self.func.entry() == Some(block) {
            return Err("nothing goes back to the entry".to_owned());
        }
        Ok(())
    }

    fn block_call(&self, to: &BlockCall) -> Result<(), String> {
        self.target(to.block)?;
        let wanted = self.func.blocks[to.block].params.len();
        if to.args.len() == wanted {
            return Ok(());
        }
        Err(format!("an edge carries {} numbers, its target takes {wanted}", to.args.len()))
    }

    fn term(&self, block: Block, term: &Term) -> Result<(), String> {
        self.values_exist(|f| term.for_each_arg(f))?;
        match term {
            Term::Jump(to) => self.block_call(to),
            Term::Br { then, otherwise, .. } => {
                self.block_call(then).and_then(|()| self.block_call(otherwise))
            }
            Term::Guard { len_bytes, ptr, ok, fail, .. } => {
                self.target(*ok)?;
                self.block_call(fail)?;
                let recorded = ValueData { ty: Type::Ptr, def: ValueDef::Guard(block) };
                if self.func.values.get(*ptr) != Some(&recorded) {
                    return Err("the pointer is not recorded as such".to_owned());
                }
                if !self.func.blocks[*ok].params.is_empty() {
                    return Err("the good side takes parameters".to_owned());
                }
                if !(1..=0xffff).contains(len_bytes) {
                    return Err("the length is not in 1 to 0xffff".to_owned());
                }
                Ok(())
            }
            Term::Return(_) | Term::None => Ok(()),
        }
    }
}
