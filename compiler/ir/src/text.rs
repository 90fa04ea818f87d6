//! The text form of modules and functions.
//!
//! Values and blocks are numbered anew, densely, in the order in which they stand: the text of a
//! function depends on its shape only, not on what passes created and removed on the way to it.
//! Broken functions print too (a verifier's error quotes them): what does not resolve is marked
//! with `?`.

use crate::{
    BinOp, Block, BlockCall, Cond, Env, Func, Function, Inst, InstData, Limit, Line, Map, Module,
    Table, TableData, Term, Value,
};
use cranelift_entity::SecondaryMap;
use std::fmt::{self, Display, Formatter, Write as _};

/// Column where a `@line` mark starts, if the instruction is not longer.
const LINE_MARK_COLUMN: usize = 44;

/// A table with more ranges is printed with one range a line.
const RANGES_ON_ONE_LINE: usize = 4;

/// The numbers that values and blocks have in the text.
pub(crate) struct Names {
    values: SecondaryMap<Value, u32>,
    blocks: SecondaryMap<Block, u32>,
}

/// Not numbered: defined nowhere in the order.
const UNNAMED: u32 = u32::MAX;

impl Names {
    /// Numbers what stands in `func`.
    pub(crate) fn new(func: &Function) -> Self {
        let mut names = Self {
            values: SecondaryMap::with_default(UNNAMED),
            blocks: SecondaryMap::with_default(UNNAMED),
        };
        let mut next_value = 0;
        let mut define = |values: &mut SecondaryMap<Value, u32>, value: Value| {
            if func.values.is_valid(value) && values[value] == UNNAMED {
                values[value] = next_value;
                next_value += 1;
            }
        };
        for (index, &block) in (0..).zip(&func.order) {
            let Some(data) = func.blocks.get(block) else { continue };
            if names.blocks[block] == UNNAMED {
                names.blocks[block] = index;
            }
            data.params.iter().for_each(|&v| define(&mut names.values, v));
            for &inst in &data.insts {
                if let Some(value) = func.results[inst].expand() {
                    define(&mut names.values, value);
                }
            }
            if let Term::Guard { ptr, .. } = data.term {
                define(&mut names.values, ptr);
            }
        }
        names
    }

    fn value(&self, value: Value) -> String {
        match self.values[value] {
            UNNAMED => format!("v?{}", value.as_u32()),
            n => format!("v{n}"),
        }
    }

    /// The name of `block` in the text.
    pub(crate) fn block(&self, block: Block) -> String {
        match self.blocks[block] {
            UNNAMED => format!("block?{}", block.as_u32()),
            n => format!("block{n}"),
        }
    }

    fn list(&self, values: &[Value]) -> String {
        values.iter().map(|&v| self.value(v)).collect::<Vec<_>>().join(", ")
    }

    fn call(&self, to: &BlockCall) -> String {
        let block = self.block(to.block);
        if to.args.is_empty() { block } else { format!("{block}({})", self.list(&to.args)) }
    }
}

/// Prints one function, with the names of its module where there is one.
pub(crate) struct FuncText<'a> {
    /// Where callees and tables have their names.
    pub module: Option<&'a Module>,
    /// What is printed.
    pub func: &'a Function,
    /// Its numbers.
    pub names: Names,
}

impl<'a> FuncText<'a> {
    /// `func` of `module`.
    pub(crate) fn new(module: Option<&'a Module>, func: &'a Function) -> Self {
        Self { module, func, names: Names::new(func) }
    }

    fn callee(&self, func: Func) -> String {
        match self.module.and_then(|m| m.funcs.get(func)) {
            Some(callee) => callee.name.clone(),
            None => format!("fn?{}", func.as_u32()),
        }
    }

    fn table(&self, table: Table) -> String {
        match self.module.and_then(|m| m.tables.get(table)) {
            Some(table) => table.name.clone(),
            None => format!("table?{}", table.as_u32()),
        }
    }

    fn limit(&self, limit: Limit) -> String {
        match self.module.and_then(|m| m.limits.get(limit)) {
            Some(limit) => limit.name.clone(),
            None => format!("limit?{}", limit.as_u32()),
        }
    }

    fn map(&self, map: Map) -> String {
        match self.module.and_then(|m| m.maps.get(map)) {
            Some(map) => map.name.clone(),
            None => format!("map?{}", map.as_u32()),
        }
    }

    /// An instruction without its `@line`.
    pub(crate) fn inst(&self, inst: Inst) -> String {
        let Some(data) = self.func.insts.get(inst) else {
            return format!("inst?{}", inst.as_u32());
        };
        let v = |value: &Value| self.names.value(*value);
        let text = match data {
            InstData::Const(n) => format!("const {n:#x}"),
            InstData::Binary { op, args: [a, b] } => format!("{op} {}, {}", v(a), v(b)),
            InstData::Swap { width, arg } => format!("swap.{} {}", width.bytes(), v(arg)),
            InstData::Load { ptr, disp_bytes, width } => {
                format!("load.{} {}+{disp_bytes}", width.bytes(), v(ptr))
            }
            InstData::Env(env) => format!("env {env}"),
            InstData::Member { table, hi, lo } => {
                format!("member {}, {}, {}", self.table(*table), v(hi), v(lo))
            }
            InstData::Count { slot, bytes } => format!("count {}, {}", v(slot), v(bytes)),
            InstData::Random => "random".to_owned(),
            InstData::Sample { slot, packet_bytes, kept_bytes } => {
                format!("sample {}, {}, {}", v(slot), v(packet_bytes), v(kept_bytes))
            }
            InstData::Spend { limit, key, units, time } => {
                let (limit, key) = (self.limit(*limit), self.names.list(key));
                format!("spend {limit}, {}, {}, ({key})", v(units), v(time))
            }
            InstData::Find { map, key, word } => {
                format!("find {}, {word}, ({})", self.map(*map), self.names.list(key))
            }
            InstData::Put { map, key, word } => {
                format!("put {}, {}, ({})", self.map(*map), v(word), self.names.list(key))
            }
            InstData::Erase { map, key } => {
                format!("erase {}, ({})", self.map(*map), self.names.list(key))
            }
            InstData::SetState(set) => format!("set_state {set}"),
            InstData::Hash { limit, words } => {
                format!("hash {}, ({})", self.limit(*limit), self.names.list(words))
            }
            InstData::Flow { limit, args } => {
                format!("flow {}, {}", self.limit(*limit), self.names.list(args))
            }
            InstData::Nth { slot, wanted, of } => format!("nth {slot}, {wanted}, {of}"),
            InstData::Call { func, args } => {
                format!("call {}({})", self.callee(*func), self.names.list(args))
            }
            InstData::IfaceSlot(slot) => format!("iface_slot {slot}"),
            InstData::Redirect { iface } => format!("redirect {}", v(iface)),
            InstData::Reject { args } => format!("reject {}", self.names.list(args)),
        };
        match self.func.results[inst].expand() {
            Some(result) => format!("{} = {text}", v(&result)),
            None => text,
        }
    }

    /// A terminator without its `@line`.
    pub(crate) fn term(&self, term: &Term) -> String {
        let names = &self.names;
        match term {
            Term::Jump(to) => format!("jump {}", names.call(to)),
            Term::Br { cond, args, then, otherwise } => format!(
                "br {cond} {}, {}, {}",
                names.list(args),
                names.call(then),
                names.call(otherwise)
            ),
            Term::Guard { off, len_bytes, ptr, ok, fail } => format!(
                "guard {}, {len_bytes} -> {}, {}, {}",
                names.value(*off),
                names.value(*ptr),
                names.block(*ok),
                names.call(fail)
            ),
            Term::Return(value) => format!("return {}", names.value(*value)),
            Term::None => "none".to_owned(),
        }
    }

    fn line(f: &mut Formatter<'_>, text: &str, line: Option<Line>) -> fmt::Result {
        match line {
            Some(line) => {
                let pad = LINE_MARK_COLUMN.saturating_sub(4);
                writeln!(f, "    {text:<pad$} @{line}")
            }
            None => writeln!(f, "    {text}"),
        }
    }
}

impl Display for FuncText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let func = self.func;
        let params = func
            .entry()
            .and_then(|b| func.blocks.get(b))
            .map_or_else(String::new, |data| self.names.list(&data.params));
        let inline = if func.inline { "inline " } else { "" };
        writeln!(f, "{inline}function {}({params}) -> i64 {{", func.name)?;
        for &block in &func.order {
            let Some(data) = func.blocks.get(block) else {
                writeln!(f, "{}:", self.names.block(block))?;
                continue;
            };
            match data.params.as_slice() {
                [] => writeln!(f, "{}:", self.names.block(block))?,
                params => {
                    writeln!(f, "{}({}):", self.names.block(block), self.names.list(params))?;
                }
            }
            for &inst in &data.insts {
                Self::line(f, &self.inst(inst), func.inst_lines[inst].expand())?;
            }
            Self::line(f, &self.term(&data.term), data.term_line.expand())?;
        }
        writeln!(f, "}}")
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        FuncText::new(None, self).fmt(f)
    }
}

impl Display for TableData {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "table {} {} {{", self.name, if self.wide { "u128" } else { "u64" })?;
        let one_a_line = self.ranges.len() > RANGES_ON_ONE_LINE;
        for (index, (lo, hi)) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let gap = if one_a_line { "\n    " } else { " " };
            write!(f, "{comma}{gap}{lo:#x}..{hi:#x}")?;
        }
        f.write_str(if one_a_line { "\n}" } else { " }" })
    }
}

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for table in self.tables.values() {
            writeln!(f, "{table}")?;
        }
        for limit in self.limits.values() {
            writeln!(f, "limit {} {}", limit.name, limit.key_words)?;
        }
        for map in self.maps.values() {
            writeln!(f, "map {} {} {}", map.name, map.key_bytes, map.value_words)?;
        }
        for (key, line) in &self.lines {
            let (file, text) = (quoted(&line.file), quoted(&line.text));
            writeln!(f, "{key} {file}:{}:{} {text}", line.line, line.column)?;
        }
        writeln!(f, "counters {}", self.counters)?;
        if self.ifaces > 0 {
            writeln!(f, "ifaces {}", self.ifaces)?;
        }
        if self.set_states > 0 {
            writeln!(f, "set_states {}", self.set_states)?;
        }
        if self.rows > 0 {
            writeln!(f, "rows {}", self.rows)?;
        }
        if let Some(entry) = self.entry.expand() {
            match self.funcs.get(entry) {
                Some(func) => writeln!(f, "entry {}", func.name)?,
                None => writeln!(f, "entry fn?{}", entry.as_u32())?,
            }
        }
        for func in self.funcs.values() {
            writeln!(f)?;
            FuncText::new(Some(self), func).fmt(f)?;
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("strings take all text");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl BinOp {
    /// All of them, with their names in the text.
    pub(crate) const NAMES: [(Self, &'static str); 9] = [
        (Self::Add, "add"),
        (Self::Sub, "sub"),
        (Self::Mul, "mul"),
        (Self::And, "and"),
        (Self::Or, "or"),
        (Self::Xor, "xor"),
        (Self::Shl, "shl"),
        (Self::Shr, "shr"),
        (Self::Rem, "rem"),
    ];
}

impl Cond {
    /// All of them, with their names in the text.
    pub(crate) const NAMES: [(Self, &'static str); 6] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
    ];
}

impl Env {
    /// All of them, with their names in the text.
    pub(crate) const NAMES: [(Self, &'static str); 7] = [
        (Self::PktLen, "pkt_len"),
        (Self::Iface, "iface"),
        (Self::RxQueue, "rx_queue"),
        (Self::Cpu, "cpu"),
        (Self::Mark, "mark"),
        (Self::Now, "now"),
        (Self::Ticks, "ticks"),
    ];
}

/// The name of `key` in a table that holds each variant.
fn name_in<T: Copy + PartialEq>(names: &[(T, &'static str)], key: T) -> &'static str {
    names.iter().find(|(k, _)| *k == key).expect("the table holds each variant").1
}

impl Display for BinOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(name_in(&Self::NAMES, *self))
    }
}

impl Display for Cond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(name_in(&Self::NAMES, *self))
    }
}

impl Display for Env {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(name_in(&Self::NAMES, *self))
    }
}
