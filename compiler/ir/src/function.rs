//! Modules, functions, and the builder that fills them.

use crate::{
    BinOp, Block, BlockCall, Cond, Env, Func, Inst, InstData, Limit, Line, Map, Table, Term, Type,
    Value, Width,
};
use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{PrimaryMap, SecondaryMap};

/// Everything one program is made of.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// All functions. Calls form no cycle.
    pub funcs: PrimaryMap<Func, Function>,
    /// The function that the hook calls; it takes no numbers and returns the hook's own return
    /// code.
    pub entry: PackedOption<Func>,
    /// Read-only tables.
    pub tables: PrimaryMap<Table, TableData>,
    /// Source lines that instructions come from.
    pub lines: PrimaryMap<Line, LineData>,
    /// Number of counter slots; `count` with a slot at or above it does nothing.
    pub counters: u32,
    /// Number of slots in the table of interfaces.
    pub ifaces: u32,
    /// Limits.
    pub limits: PrimaryMap<Limit, LimitData>,
    /// Maps with the elements of sets.
    pub maps: PrimaryMap<Map, MapData>,
    /// Number of sets that have a word of state.
    pub set_states: u32,
    /// Number of rows that `nth` takes places in.
    pub rows: u32,
    /// Where the time comes from.
    pub clock: Clock,
}

/// A limit as far as the IR knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitData {
    /// Name, unique in the module: letters, digits and `_`.
    pub name: String,
    /// Numbers that a key has.
    pub key_words: usize,
}

/// A map as far as the IR knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapData {
    /// Name, unique in the module: letters, digits and `_`.
    pub name: String,
    /// Bytes of a key: 4, of which the one number of a key is the index in an array; or 8 for each number.
    pub key_bytes: u32,
    /// 64-bit words of a value.
    pub value_words: u32,
}

impl MapData {
    /// Numbers that a key has.
    #[must_use]
    pub const fn key_words(&self) -> usize {
        self.key_bytes.div_ceil(8) as usize
    }

    /// It is an array.
    #[must_use]
    pub const fn is_array(&self) -> bool {
        self.key_bytes == 4
    }
}

/// Where a program takes the time from, and chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The kernel's clocks.
    #[default]
    Kernel,
    /// Whoever tests the program says how late it is, and where chance begins: nanoseconds and ticks are both what a
    /// map holds, and random numbers follow from another number there.
    Injected,
}

/// A read-only table of key ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableData {
    /// Name, unique in the module: letters, digits and `_`.
    pub name: String,
    /// True if keys have 128 bits; else they have 64 (the upper half of the ranges is zero).
    pub wide: bool,
    /// Inclusive ranges, sorted, disjoint and not touching.
    pub ranges: Vec<(u128, u128)>,
}

/// A place in the user's source, quoted by the kernel's verifier log and by `bpftool`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineData {
    /// File as the compiler was given it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// The rule's text on one line.
    pub text: String,
}

/// A function: numbers in, one number out; the packet is there without being named.
#[derive(Debug, Clone)]
pub struct Function {
    /// Unique in the module: letters, digits, `_` and `.`.
    pub name: String,
    /// Calls of it may become copies of it.
    pub inline: bool,
    /// Blocks in program order; the first is the entry and its parameters are the function's (at
    /// most 4).
    pub order: Vec<Block>,
    /// All blocks, removed ones included.
    pub blocks: PrimaryMap<Block, BlockData>,
    /// All instructions, removed ones included.
    pub insts: PrimaryMap<Inst, InstData>,
    /// All values.
    pub values: PrimaryMap<Value, ValueData>,
    /// What an instruction defines.
    pub results: SecondaryMap<Inst, PackedOption<Value>>,
    /// Where an instruction comes from.
    pub inst_lines: SecondaryMap<Inst, PackedOption<Line>>,
}

/// A basic block.
#[derive(Debug, Clone)]
pub struct BlockData {
    /// Numbers that each predecessor hands over.
    pub params: Vec<Value>,
    /// In order.
    pub insts: Vec<Inst>,
    /// How it ends.
    pub term: Term,
    /// Where the terminator comes from.
    pub term_line: PackedOption<Line>,
}

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueData {
    /// Its type.
    pub ty: Type,
    /// Its definition.
    pub def: ValueDef,
}

/// Where a value is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueDef {
    /// Parameter number `.1` of a block.
    Param(Block, u32),
    /// Result of an instruction.
    Result(Inst),
    /// Pointer of the guard that ends a block.
    Guard(Block),
}

impl Function {
    /// An empty function.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            inline: false,
            order: Vec::new(),
            blocks: PrimaryMap::new(),
            insts: PrimaryMap::new(),
            values: PrimaryMap::new(),
            results: SecondaryMap::new(),
            inst_lines: SecondaryMap::new(),
        }
    }

    /// The entry block.
    #[must_use]
    pub fn entry(&self) -> Option<Block> {
        self.order.first().copied()
    }

    /// The function's parameters.
    #[must_use]
    pub fn params(&self) -> &[Value] {
        self.entry().map_or(&[], |b| &self.blocks[b].params)
    }

    /// The number that `value` is known to be, if it is a constant.
    #[must_use]
    pub fn constant(&self, value: Value) -> Option<u64> {
        match self.values[value].def {
            ValueDef::Result(inst) => match self.insts[inst] {
                InstData::Const(n) => Some(n),
                _ => None,
            },
            ValueDef::Param(..) | ValueDef::Guard(_) => None,
        }
    }

    /// A new block at the end of the order.
    pub fn add_block(&mut self) -> Block {
        let block = self.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            term: Term::None,
            term_line: None.into(),
        });
        self.order.push(block);
        block
    }

    /// A further parameter of `block`.
    pub fn add_param(&mut self, block: Block) -> Value {
        let index = u32::try_from(self.blocks[block].params.len()).expect("few parameters");
        let value =
            self.values.push(ValueData { ty: Type::I64, def: ValueDef::Param(block, index) });
        self.blocks[block].params.push(value);
        value
    }

    /// Makes an instruction that stands in no block yet.
    pub fn make_inst(&mut self, data: InstData, line: Option<Line>) -> Inst {
        let has_result = data.has_result();
        let inst = self.insts.push(data);
        self.inst_lines[inst] = line.into();
        if has_result {
            let value = self.values.push(ValueData { ty: Type::I64, def: ValueDef::Result(inst) });
            self.results[inst] = value.into();
        }
        inst
    }
}

/// Appends instructions to a function, block by block.
#[derive(Debug)]
pub struct Builder<'f> {
    /// The function being filled.
    pub func: &'f mut Function,
    block: Block,
    line: Option<Line>,
}

impl<'f> Builder<'f> {
    /// A builder that stands in a new entry block with `params` parameters.
    pub fn new(func: &'f mut Function, params: usize) -> Self {
        let block = func.add_block();
        for _ in 0..params {
            func.add_param(block);
        }
        Self { func, block, line: None }
    }

    /// The block that instructions go to.
    #[must_use]
    pub const fn block(&self) -> Block {
        self.block
    }

    /// A new block; nothing moves.
    pub fn new_block(&mut self) -> Block {
        self.func.add_block()
    }

    /// Goes on in `block`.
    pub const fn switch_to(&mut self, block: Block) {
        self.block = block;
    }

    /// What follows comes from `line`.
    pub const fn set_line(&mut self, line: Option<Line>) {
        self.line = line;
    }

    /// True if the current block has its terminator already.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.func.blocks[self.block].term != Term::None
    }

    /// Appends any instruction.
    pub fn inst(&mut self, data: InstData) -> Option<Value> {
        let inst = self.func.make_inst(data, self.line);
        self.func.blocks[self.block].insts.push(inst);
        self.func.results[inst].expand()
    }

    fn value(&mut self, data: InstData) -> Value {
        self.inst(data).expect("opcodes handed to `value` define one")
    }

    /// A number.
    pub fn iconst(&mut self, n: u64) -> Value {
        self.value(InstData::Const(n))
    }

    /// Arithmetic.
    pub fn binary(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        self.value(InstData::Binary { op, args: [a, b] })
    }

    /// Arithmetic with a number on the right.
    pub fn binary_imm(&mut self, op: BinOp, a: Value, n: u64) -> Value {
        let b = self.iconst(n);
        self.binary(op, a, b)
    }

    /// Bytes in reverse order.
    pub fn swap(&mut self, width: Width, arg: Value) -> Value {
        self.value(InstData::Swap { width, arg })
    }

    /// Bytes of the packet as they lie.
    pub fn load(&mut self, ptr: Value, disp_bytes: u32, width: Width) -> Value {
        self.value(InstData::Load { ptr, disp_bytes, width })
    }

    /// Bytes of the packet as a big-endian number.
    pub fn load_be(&mut self, ptr: Value, disp_bytes: u32, width: Width) -> Value {
        let raw = self.load(ptr, disp_bytes, width);
        if width == Width::B1 { raw } else { self.swap(width, raw) }
    }

    /// Something of the packet's surroundings.
    pub fn env(&mut self, env: Env) -> Value {
        self.value(InstData::Env(env))
    }

    /// Table membership as 0 or 1.
    pub fn member(&mut self, table: Table, hi: Value, lo: Value) -> Value {
        self.value(InstData::Member { table, hi, lo })
    }

    /// Counts a packet.
    pub fn count(&mut self, slot: Value, bytes: Value) {
        self.inst(InstData::Count { slot, bytes });
    }

    /// A number of 32 bits that nobody can foresee.
    pub fn random(&mut self) -> Value {
        self.value(InstData::Random)
    }

    /// Hands the packet's first bytes to whoever listens.
    pub fn sample(&mut self, slot: Value, packet_bytes: Value, kept_bytes: Value) {
        self.inst(InstData::Sample { slot, packet_bytes, kept_bytes });
    }

    /// Takes a token out of the key's bucket; see [`InstData::Spend`].
    pub fn spend(&mut self, limit: Limit, key: Vec<Value>, units: Value, time: Value) -> Value {
        self.value(InstData::Spend { limit, key, units, time })
    }

    /// A word of what a map holds under a key, or 0.
    pub fn find(&mut self, map: Map, key: Vec<Value>, word: u32) -> Value {
        self.value(InstData::Find { map, key, word })
    }

    /// Puts a word into a map; 0 if there was room.
    pub fn put(&mut self, map: Map, key: Vec<Value>, word: Value) -> Value {
        self.value(InstData::Put { map, key, word })
    }

    /// Takes a key out of a map.
    pub fn erase(&mut self, map: Map, key: Vec<Value>) {
        self.inst(InstData::Erase { map, key });
    }

    /// The word of a set's state.
    pub fn set_state(&mut self, set: u32) -> Value {
        self.value(InstData::SetState(set))
    }

    /// A hash by a limit's seeds; see [`InstData::Hash`].
    pub fn hash(&mut self, limit: Limit, words: Vec<Value>) -> Value {
        self.value(InstData::Hash { limit, words })
    }

    /// Takes a packet of a flow; see [`InstData::Flow`].
    pub fn flow(&mut self, limit: Limit, args: [Value; 4]) -> Value {
        self.value(InstData::Flow { limit, args })
    }

    /// Takes the next place in a row; see [`InstData::Nth`].
    pub fn nth(&mut self, slot: u32, wanted: u32, of: u32) -> Value {
        self.value(InstData::Nth { slot, wanted, of })
    }

    /// Calls a function.
    pub fn call(&mut self, func: Func, args: Vec<Value>) -> Value {
        self.value(InstData::Call { func, args })
    }

    /// The number in a slot of the table of interfaces.
    pub fn iface_slot(&mut self, slot: u32) -> Value {
        self.value(InstData::IfaceSlot(slot))
    }

    /// Sends the packet out by an interface.
    pub fn redirect(&mut self, iface: Value) {
        self.inst(InstData::Redirect { iface });
    }

    /// Answers the packet: offsets of network and transport header, protocol, family.
    pub fn reject(&mut self, args: [Value; 4]) -> Value {
        self.value(InstData::Reject { args })
    }

    fn terminate(&mut self, term: Term) {
        debug_assert!(!self.is_terminated(), "a block ends once");
        let block = &mut self.func.blocks[self.block];
        block.term = term;
        block.term_line = self.line.into();
    }

    /// Ends the block with a jump.
    pub fn jump(&mut self, block: Block, args: Vec<Value>) {
        self.terminate(Term::Jump(BlockCall { block, args }));
    }

    /// Ends the block with a comparison; neither side takes parameters.
    pub fn br(&mut self, cond: Cond, a: Value, b: Value, then: Block, otherwise: Block) {
        self.terminate(Term::Br {
            cond,
            args: [a, b],
            then: BlockCall { block: then, args: Vec::new() },
            otherwise: BlockCall { block: otherwise, args: Vec::new() },
        });
    }

    /// Ends the block with a comparison to a number; neither side takes parameters.
    pub fn br_imm(&mut self, cond: Cond, a: Value, n: u64, then: Block, otherwise: Block) {
        let b = self.iconst(n);
        self.br(cond, a, b, then, otherwise);
    }

    /// Ends the block with a guard, goes on in a new block where its pointer is good, and gives
    /// that pointer. `fail` takes no parameters.
    pub fn guard(&mut self, off: Value, len_bytes: u32, fail: Block) -> Value {
        let block = self.block;
        let ptr = self.func.values.push(ValueData { ty: Type::Ptr, def: ValueDef::Guard(block) });
        let ok = self.new_block();
        let fail = BlockCall { block: fail, args: Vec::new() };
        self.terminate(Term::Guard { off, len_bytes, ptr, ok, fail });
        self.switch_to(ok);
        ptr
    }

    /// Ends the block and the function.
    pub fn ret(&mut self, value: Value) {
        self.terminate(Term::Return(value));
    }
}
