//! Random verified modules, for tests: every opcode, few numbers, so that tests repeat and imply
//! each other.

use crate::analysis::{Cfg, Dominators};
use crate::{
    BinOp, Block, BlockCall, Cond, Env, Func, Function, InstData, Line, LineData, Module, Table,
    TableData, Term, Type, Value, ValueData, ValueDef, Width,
};

/// Numbers that programs and packets are made of.
const NUMBERS: [u64; 16] =
    [0, 1, 2, 4, 6, 8, 11, 17, 0x0600, 0x1100, 0xff, 0xffff, 0x10ff, 0xffff_ffff, 63, u64::MAX];

/// Decisions, drawn from bytes; 0 once they are used up, so that shorter means simpler.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % n
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// A module of an entry and a function with two parameters.
pub(super) fn module(choices: &[u8]) -> Module {
    let mut choices = Choices(choices.iter());
    let mut module = Module { counters: 3, ..Module::default() };
    let narrow = vec![(0, 1), (6, 17), (0x600, 0x1100)];
    module.tables.push(TableData { name: "narrow".to_owned(), wide: false, ranges: narrow });
    let wide = vec![(6, 17), (1 << 64, 6 << 64)];
    module.tables.push(TableData { name: "wide".to_owned(), wide: true, ranges: wide });
    for line in 1..=2 {
        module.lines.push(LineData {
            file: "a.l4".to_owned(),
            line,
            column: 1,
            text: "rule".to_owned(),
        });
    }
    let mut callee = Draft::function(&mut choices, "rules", 2, None);
    callee.inline = choices.below(2) == 1;
    let callee = module.funcs.push(callee);
    let entry = Draft::function(&mut choices, "entry", 0, Some(callee));
    module.entry = module.funcs.push(entry).into();
    module
}

struct Draft<'a, 'c> {
    choices: &'a mut Choices<'c>,
    func: Function,
    callee: Option<Func>,
    /// What can be used where the draft stands.
    numbers: Vec<Value>,
    pointers: Vec<(Value, u32)>,
}

impl Draft<'_, '_> {
    fn function(
        choices: &mut Choices<'_>,
        name: &str,
        params: usize,
        callee: Option<Func>,
    ) -> Function {
        let func = Function::new(name);
        let mut draft = Draft { choices, func, callee, numbers: Vec::new(), pointers: Vec::new() };
        draft.graph(params);
        let cfg = Cfg::new(&draft.func);
        draft.func.order.retain(|&block| cfg.is_reachable(block));
        let dominators = Dominators::new(&cfg);
        draft.fill(&dominators, draft.func.order[0]);
        draft.func
    }

    /// Blocks and where they lead; what the edges carry comes later.
    fn graph(&mut self, params: usize) {
        let count = 1 + self.choices.below(12);
        let blocks: Vec<Block> = (0..count).map(|_| self.func.add_block()).collect();
        for _ in 0..params {
            self.func.add_param(blocks[0]);
        }
        for &block in &blocks[1..] {
            for _ in 0..self.choices.one_of(&[0, 0, 0, 1, 1, 2]) {
                self.func.add_param(block);
            }
        }
        self.func.order.clear();
        let none = Value::from_u32(0);
        for (index, &block) in blocks.iter().enumerate() {
            let mut block = block;
            self.func.order.push(block);
            let later = &blocks[index + 1..];
            if later.is_empty() {
                self.func.blocks[block].term = Term::Return(none);
                continue;
            }
            for _ in 0..self.choices.one_of(&[0, 0, 1, 1, 2]) {
                let ok = self.func.add_block();
                let def = ValueDef::Guard(block);
                let ptr = self.func.values.push(ValueData { ty: Type::Ptr, def });
                let len_bytes = self.choices.one_of(&[1, 2, 4, 8, 12]);
                let fail = self.target(later);
                self.func.blocks[block].term = Term::Guard { off: none, len_bytes, ptr, ok, fail };
                block = ok;
            }
            let term = match self.choices.below(6) {
                0 | 1 => Term::Jump(self.target(later)),
                2 if index > 2 => Term::Return(none),
                _ => Term::Br {
                    cond: self.choices.one_of(&Cond::NAMES).0,
                    args: [none, none],
                    then: self.target(later),
                    otherwise: self.target(later),
                },
            };
            self.func.blocks[block].term = term;
        }
    }

    /// A block close ahead.
    fn target(&mut self, later: &[Block]) -> BlockCall {
        let block = later[self.choices.below(later.len().min(4))];
        BlockCall { block, args: Vec::new() }
    }

    /// Fills a block and what it dominates.
    fn fill(&mut self, dominators: &Dominators, block: Block) {
        let (numbers, pointers) = (self.numbers.len(), self.pointers.len());
        self.numbers.extend(&self.func.blocks[block].params);
        for _ in 0..self.choices.below(5) {
            self.inst(block);
        }
        let mut term = self.func.blocks[block].term.clone();
        match &mut term {
            Term::Br { args: [a, b], .. } => {
                *a = self.number(block);
                *b =
                    if self.choices.below(5) == 0 { self.number(block) } else { self.small(block) };
            }
            Term::Guard { off, .. } => {
                *off =
                    if self.choices.below(3) == 0 { self.number(block) } else { self.small(block) };
                if self.choices.below(3) == 0 {
                    let step = self.small(block);
                    *off =
                        self.emit(block, InstData::Binary { op: BinOp::Add, args: [*off, step] });
                }
            }
            Term::Return(value) => *value = self.number(block),
            Term::Jump(_) | Term::None => {}
        }
        term.for_each_call_mut(|to| {
            let wanted = self.func.blocks[to.block].params.len();
            to.args = (0..wanted).map(|_| self.number(block)).collect();
        });
        let line = self.line();
        let data = &mut self.func.blocks[block];
        (data.term, data.term_line) = (term.clone(), line.into());
        for &child in dominators.children(block) {
            let seen = self.pointers.len();
            if let Term::Guard { ptr, ok, len_bytes, .. } = term
                && ok == child
            {
                self.pointers.push((ptr, len_bytes));
            }
            self.fill(dominators, child);
            self.pointers.truncate(seen);
        }
        self.numbers.truncate(numbers);
        self.pointers.truncate(pointers);
    }

    fn line(&mut self) -> Option<Line> {
        [None, Some(Line::from_u32(0)), Some(Line::from_u32(1))][self.choices.below(3)]
    }

    fn emit(&mut self, block: Block, data: InstData) -> Value {
        let line = self.line();
        let inst = self.func.make_inst(data, line);
        self.func.blocks[block].insts.push(inst);
        let value = self.func.results[inst].expand();
        self.numbers.extend(value);
        value.unwrap_or(Value::from_u32(0))
    }

    fn small(&mut self, block: Block) -> Value {
        let n = self.choices.one_of(&NUMBERS);
        self.emit(block, InstData::Const(n))
    }

    /// Something there is, rather new.
    fn number(&mut self, block: Block) -> Value {
        match self.numbers.len() {
            0 => self.small(block),
            n => self.numbers[n - 1 - self.choices.below(n.min(8))],
        }
    }

    fn inst(&mut self, block: Block) {
        let data = match self.choices.below(16) {
            0 => InstData::Const(self.choices.one_of(&NUMBERS)),
            1 => InstData::Env(Env::PktLen),
            2 | 3 => {
                let width = self.choices.one_of(&[Width::B2, Width::B4, Width::B8]);
                InstData::Swap { width, arg: self.number(block) }
            }
            4 => {
                let zero = self.emit(block, InstData::Const(0));
                InstData::Member { table: Table::from_u32(0), hi: zero, lo: self.number(block) }
            }
            5 => {
                let [hi, lo] = [self.number(block), self.number(block)];
                InstData::Member { table: Table::from_u32(1), hi, lo }
            }
            6 => match self.choices.below(4) {
                0 => InstData::Random,
                _ => InstData::Count { slot: self.small(block), bytes: self.number(block) },
            },
            7 if self.callee.is_some() => {
                let args = vec![self.number(block), self.number(block)];
                InstData::Call { func: self.callee.unwrap(), args }
            }
            8..=11 if !self.pointers.is_empty() => {
                let (ptr, len) = self.choices.one_of(&self.pointers.clone());
                let widths = [Width::B1, Width::B2, Width::B4, Width::B8];
                let width = self.choices.one_of(&widths);
                let width = if width.bytes() > len { Width::B1 } else { width };
                let room = (len - width.bytes() + 1) as usize;
                InstData::Load { ptr, disp_bytes: self.choices.below(room) as u32, width }
            }
            _ => {
                let op = self.choices.one_of(&BinOp::NAMES).0;
                let a = self.number(block);
                let with_number = self.choices.below(3) != 0;
                let b = if with_number { self.small(block) } else { self.number(block) };
                InstData::Binary { op, args: [a, b] }
            }
        };
        self.emit(block, data);
    }
}
