//! Reads one function.

use super::{ParseError, Parser, Tok, number};
use crate::{
    BinOp, Block, BlockCall, BlockData, Cond, Env, Function, InstData, Line, Term, Type, Value,
    ValueData, ValueDef, Width,
};
use cranelift_entity::EntityRef;
use std::collections::HashMap;

/// The function being read. Names may be used before they are defined; each keeps the line of its
/// first mention for the error if the definition never comes.
struct Scope {
    func: Function,
    values: HashMap<u32, Named<Value>>,
    blocks: HashMap<u32, Named<Block>>,
}

#[derive(Clone, Copy)]
struct Named<T> {
    key: T,
    first_line: u32,
    defined: bool,
}

impl Scope {
    fn value(&mut self, n: u32, line: u32) -> &mut Named<Value> {
        let func = &mut self.func;
        self.values.entry(n).or_insert_with(|| {
            // The definition replaces this; without one the function is not handed out.
            let def = ValueDef::Param(Block::new(0), 0);
            let key = func.values.push(ValueData { ty: Type::I64, def });
            Named { key, first_line: line, defined: false }
        })
    }

    fn define(&mut self, n: u32, line: u32, ty: Type, def: ValueDef) -> Result<Value, ParseError> {
        let named = self.value(n, line);
        if named.defined {
            return Err(ParseError::new(line, format!("v{n} is defined twice")));
        }
        named.defined = true;
        let key = named.key;
        self.func.values[key] = ValueData { ty, def };
        Ok(key)
    }

    fn block(&mut self, n: u32, line: u32) -> &mut Named<Block> {
        let func = &mut self.func;
        self.blocks.entry(n).or_insert_with(|| {
            let data = BlockData {
                params: Vec::new(),
                insts: Vec::new(),
                term: Term::None,
                term_line: None.into(),
            };
            Named { key: func.blocks.push(data), first_line: line, defined: false }
        })
    }

    fn all_defined(&self) -> Result<(), ParseError> {
        let values = self.values.iter().map(|(n, v)| (v.defined, v.first_line, format!("v{n}")));
        let blocks =
            self.blocks.iter().map(|(n, b)| (b.defined, b.first_line, format!("block{n}")));
        let missing = values.chain(blocks).filter(|(defined, ..)| !defined);
        match missing.map(|(_, line, name)| (line, name)).min() {
            Some((line, name)) => Err(ParseError::new(line, format!("{name} is never defined"))),
            None => Ok(()),
        }
    }
}

impl<'a> Parser<'a> {
    /// What follows `function NAME`.
    pub(super) fn function(&mut self, name: &str) -> Result<Function, ParseError> {
        let mut scope =
            Scope { func: Function::new(name), values: HashMap::new(), blocks: HashMap::new() };
        let header_line = self.line();
        self.sign('(')?;
        let params = self.list(|p| p.numbered("v"))?;
        self.arrow()?;
        if self.word("`i64`")? != "i64" {
            return self.error("functions return i64");
        }
        self.sign('{')?;
        while !self.skip('}') {
            let first = scope.func.order.is_empty();
            let block_params = self.block(&mut scope)?;
            if first && block_params != params {
                let message = "the first block takes the function's parameters";
                return Err(ParseError::new(header_line, message));
            }
        }
        scope.all_defined()?;
        Ok(scope.func)
    }

    /// What stands before `)`, separated by commas; the opening one is gone.
    fn list<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut items = Vec::new();
        while !self.skip(')') {
            items.push(item(self)?);
            if !self.skip(',') && *self.peek() != Tok::Sign(')') {
                return self.wanted("`,` or `)`");
            }
        }
        Ok(items)
    }

    /// One block; gives the numbers of its parameters.
    fn block(&mut self, scope: &mut Scope) -> Result<Vec<u32>, ParseError> {
        let line = self.line();
        let n = self.numbered("block")?;
        let named = scope.block(n, line);
        if named.defined {
            return Err(ParseError::new(line, format!("block{n} is defined twice")));
        }
        named.defined = true;
        let block = named.key;
        scope.func.order.push(block);
        let params = if self.skip('(') { self.list(|p| p.numbered("v"))? } else { Vec::new() };
        for (index, &n) in (0..).zip(&params) {
            let value = scope.define(n, line, Type::I64, ValueDef::Param(block, index))?;
            scope.func.blocks[block].params.push(value);
        }
        self.sign(':')?;
        while !self.statement(scope, block)? {}
        Ok(params)
    }

    /// An instruction or a terminator; true if it was the latter.
    fn statement(&mut self, scope: &mut Scope, block: Block) -> Result<bool, ParseError> {
        let line = self.line();
        let word = self.word("an instruction")?;
        if let Some(term) = self.term(scope, block, word)? {
            let term_line = self.line_mark()?;
            let data = &mut scope.func.blocks[block];
            (data.term, data.term_line) = (term, term_line.into());
            return Ok(true);
        }
        let result: Option<u32> = if self.skip('=') {
            let n = word.strip_prefix('v').and_then(|digits| digits.parse().ok());
            let message = || ParseError::new(line, format!("`{word}` is not a value's name"));
            Some(n.ok_or_else(message)?)
        } else {
            None
        };
        let opcode = if result.is_some() { self.word("an opcode")? } else { word };
        let data = self.inst(scope, opcode, line)?;
        if data.has_result() != result.is_some() {
            let message = format!("`{opcode}` has a result exactly if its opcode says so");
            return Err(ParseError::new(line, message));
        }
        let inst = scope.func.insts.push(data);
        if let Some(n) = result {
            let value = scope.define(n, line, Type::I64, ValueDef::Result(inst))?;
            scope.func.results[inst] = value.into();
        }
        scope.func.inst_lines[inst] = self.line_mark()?.into();
        scope.func.blocks[block].insts.push(inst);
        Ok(false)
    }

    /// `@lineN`, if it stands there.
    fn line_mark(&mut self) -> Result<Option<Line>, ParseError> {
        if !self.skip('@') {
            return Ok(None);
        }
        let n = self.numbered("line")?;
        Ok(Some(Line::from_u32(n.min(u32::MAX - 1))))
    }

    fn value(&mut self, scope: &mut Scope) -> Result<Value, ParseError> {
        let line = self.line();
        let n = self.numbered("v")?;
        Ok(scope.value(n, line).key)
    }

    fn values<const N: usize>(&mut self, scope: &mut Scope) -> Result<[Value; N], ParseError> {
        let mut values = [Value::new(0); N];
        for (index, value) in values.iter_mut().enumerate() {
            if index != 0 {
                self.sign(',')?;
            }
            *value = self.value(scope)?;
        }
        Ok(values)
    }

    fn value_list(&mut self, scope: &mut Scope) -> Result<Vec<Value>, ParseError> {
        let line = self.line();
        let numbers = self.list(|p| p.numbered("v"))?;
        Ok(numbers.into_iter().map(|n| scope.value(n, line).key).collect())
    }

    fn target(&mut self, scope: &mut Scope) -> Result<Block, ParseError> {
        let line = self.line();
        let n = self.numbered("block")?;
        Ok(scope.block(n, line).key)
    }

    fn block_call(&mut self, scope: &mut Scope) -> Result<BlockCall, ParseError> {
        let block = self.target(scope)?;
        let args = if self.skip('(') { self.value_list(scope)? } else { Vec::new() };
        Ok(BlockCall { block, args })
    }

    /// The terminator that `word` starts, if it starts one.
    fn term(
        &mut self,
        scope: &mut Scope,
        block: Block,
        word: &str,
    ) -> Result<Option<Term>, ParseError> {
        Ok(Some(match word {
            "jump" => Term::Jump(self.block_call(scope)?),
            "br" => {
                let cond = self.named(&Cond::NAMES, "a condition")?;
                let args = self.values(scope)?;
                self.sign(',')?;
                let then = self.block_call(scope)?;
                self.sign(',')?;
                Term::Br { cond, args, then, otherwise: self.block_call(scope)? }
            }
            "guard" => {
                let off = self.value(scope)?;
                self.sign(',')?;
                let len_bytes = self.number()?;
                self.arrow()?;
                let line = self.line();
                let n = self.numbered("v")?;
                let ptr = scope.define(n, line, Type::Ptr, ValueDef::Guard(block))?;
                self.sign(',')?;
                let ok = self.target(scope)?;
                self.sign(',')?;
                Term::Guard { off, len_bytes, ptr, ok, fail: self.block_call(scope)? }
            }
            "return" => Term::Return(self.value(scope)?),
            "none" => Term::None,
            _ => return Ok(None),
        }))
    }

    /// A word out of a table.
    fn named<T: Copy>(&mut self, names: &[(T, &str)], what: &str) -> Result<T, ParseError> {
        let &Tok::Word(word) = self.peek() else { return self.wanted(what) };
        match names.iter().find(|(_, name)| *name == word) {
            Some((key, _)) => {
                self.next();
                Ok(*key)
            }
            None => self.wanted(what),
        }
    }

    /// What follows an opcode that has a map.
    fn map_inst(
        &mut self,
        scope: &mut Scope,
        opcode: &str,
        line: u32,
    ) -> Result<InstData, ParseError> {
        let name = self.word("a map's name")?;
        let Some(&map) = self.maps.get(name) else {
            return Err(ParseError::new(line, format!("no map `{name}` before here")));
        };
        self.sign(',')?;
        let (mut word, mut value) = (0, None);
        match opcode {
            "find" => word = self.number()?,
            "put" => value = Some(self.value(scope)?),
            _ => {}
        }
        if opcode != "erase" {
            self.sign(',')?;
        }
        self.sign('(')?;
        let key = self.value_list(scope)?;
        Ok(match (opcode, value) {
            (_, Some(word)) => InstData::Put { map, key, word },
            ("find", None) => InstData::Find { map, key, word },
            _ => InstData::Erase { map, key },
        })
    }

    /// What follows the opcode.
    fn inst(
        &mut self,
        scope: &mut Scope,
        opcode: &'a str,
        line: u32,
    ) -> Result<InstData, ParseError> {
        let (head, suffix) = opcode.split_once('.').unwrap_or((opcode, ""));
        let width = number(suffix).and_then(|n| Width::from_bytes(u32::try_from(n).ok()?));
        Ok(match (head, width) {
            ("swap", Some(width)) => InstData::Swap { width, arg: self.value(scope)? },
            ("load", Some(width)) => {
                let ptr = self.value(scope)?;
                self.sign('+')?;
                InstData::Load { ptr, disp_bytes: self.number()?, width }
            }
            ("const", None) => InstData::Const(self.number()?),
            ("env", None) => InstData::Env(self.named(&Env::NAMES, "a thing of the packet")?),
            ("member", None) => {
                let name = self.word("a table's name")?;
                let Some(&table) = self.tables.get(name) else {
                    return Err(ParseError::new(line, format!("no table `{name}` before here")));
                };
                self.sign(',')?;
                let [hi, lo] = self.values(scope)?;
                InstData::Member { table, hi, lo }
            }
            ("count", None) => {
                let [slot, bytes] = self.values(scope)?;
                InstData::Count { slot, bytes }
            }
            ("hash", None) => {
                let limit = self.limit_name(line)?;
                self.sign('(')?;
                InstData::Hash { limit, words: self.value_list(scope)? }
            }
            ("flow", None) => {
                let limit = self.limit_name(line)?;
                InstData::Flow { limit, args: self.values(scope)? }
            }
            ("spend", None) => {
                let limit = self.limit_name(line)?;
                let [units, time] = self.values(scope)?;
                self.sign(',')?;
                self.sign('(')?;
                InstData::Spend { limit, key: self.value_list(scope)?, units, time }
            }
            ("find" | "put" | "erase", None) => self.map_inst(scope, head, line)?,
            ("set_state", None) => InstData::SetState(self.number()?),
            ("random", None) => InstData::Random,
            ("nth", None) => {
                let slot = self.number()?;
                self.sign(',')?;
                let wanted = self.number()?;
                self.sign(',')?;
                InstData::Nth { slot, wanted, of: self.number()? }
            }
            ("sample", None) => {
                let [slot, packet_bytes, kept_bytes] = self.values(scope)?;
                InstData::Sample { slot, packet_bytes, kept_bytes }
            }
            ("iface_slot", None) => InstData::IfaceSlot(self.number()?),
            ("redirect", None) => InstData::Redirect { iface: self.value(scope)? },
            ("reject", None) => InstData::Reject { args: self.values(scope)? },
            ("call", None) => {
                let func = self.callee()?;
                self.sign('(')?;
                InstData::Call { func, args: self.value_list(scope)? }
            }
            _ => {
                let op = BinOp::NAMES.iter().find(|(_, name)| *name == opcode);
                let Some(&(op, _)) = op else {
                    return Err(ParseError::new(line, format!("unknown opcode `{opcode}`")));
                };
                InstData::Binary { op, args: self.values(scope)? }
            }
        })
    }

    /// `NAME,`
    fn limit_name(&mut self, line: u32) -> Result<crate::Limit, ParseError> {
        let name = self.word("a limit's name")?;
        let Some(&limit) = self.limits.get(name) else {
            return Err(ParseError::new(line, format!("no limit `{name}` before here")));
        };
        self.sign(',')?;
        Ok(limit)
    }
}
