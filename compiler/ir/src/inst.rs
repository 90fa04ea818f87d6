//! Opcodes. All numbers are 64 bits wide; a pointer comes from a guard and from nowhere else.

use crate::{Block, Func, Limit, Map, Table, Value};

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// A 64-bit number.
    I64,
    /// A packet pointer, valid for the bytes its guard promised.
    Ptr,
}

/// Two-operand arithmetic on 64-bit numbers, wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Left shift; amounts are taken modulo 64.
    Shl,
    /// Logical right shift; amounts are taken modulo 64.
    Shr,
    /// Remainder; by 0 it is the number itself, as for the machine.
    Rem,
}

/// Bytes read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Width {
    /// 1
    B1,
    /// 2
    B2,
    /// 4
    B4,
    /// 8
    B8,
}

/// Relations between unsigned 64-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cond {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// Things of the packet's surroundings that the hook knows how to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Env {
    /// Bytes of the packet that the hook sees; at most 0xffff.
    PktLen,
    /// Number of the interface that the packet came in by: 32 bits.
    Iface,
    /// Receive queue that the packet came in by: 32 bits.
    RxQueue,
    /// CPU that the program runs on: 32 bits.
    Cpu,
    /// What the kernel marked the packet with: 32 bits.
    Mark,
    /// Nanoseconds of a clock that never goes back.
    Now,
    /// Ticks of the machine's coarse clock, which costs next to nothing to read. How long one takes, the loader
    /// knows.
    Ticks,
}

/// An instruction that is not a terminator.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InstData {
    /// A number.
    Const(u64),
    /// Arithmetic.
    Binary { op: BinOp, args: [Value; 2] },
    /// The low `width` bytes in reverse order, zero above. `B1` is not allowed.
    Swap { width: Width, arg: Value },
    /// `width` bytes at `ptr + disp_bytes`, the first byte lowest (as a little-endian machine reads
    /// them), zero-extended. The guard of `ptr` must cover them.
    Load { ptr: Value, disp_bytes: u32, width: Width },
    /// Something of the packet's surroundings.
    Env(Env),
    /// 1 if the key lies in one of the table's ranges, else 0. Tables of 128-bit keys take the high
    /// half in `hi`; others take `hi` = a constant 0.
    Member { table: Table, hi: Value, lo: Value },
    /// Adds one packet and `bytes` bytes to counter slot `slot`. Has an effect, no result.
    Count { slot: Value, bytes: Value },
    /// A number of 32 bits that nobody can foresee, a new one each time. Has an effect: the next one is
    /// another.
    Random,
    /// Hands the first `kept_bytes` bytes of a packet of `packet_bytes` bytes to whoever listens, with the
    /// counter slot of the rule that wants it. `kept_bytes` is at most the packet's length. Has an effect, no
    /// result.
    Sample { slot: Value, packet_bytes: Value, kept_bytes: Value },
    /// Takes `units` tokens out of the bucket that the key has in the limit, if so many are left. `time` is what
    /// the limit's clock shows. Gives one of [`Spent`]. Has an effect.
    Spend { limit: Limit, key: Vec<Value>, units: Value, time: Value },
    /// A word of what the map holds under a key; 0 if it holds nothing there. Has an effect, since others may change
    /// the map between two of these.
    Find { map: Map, key: Vec<Value>, word: u32 },
    /// Puts a word into the map under a key; 0 if that was done, anything else if there was no room. Has an effect.
    Put { map: Map, key: Vec<Value>, word: Value },
    /// Takes what the map holds under a key out of it. Has an effect, no result.
    Erase { map: Map, key: Vec<Value> },
    /// The word that the loader wrote for a set of the module, by number.
    SetState(u32),
    /// A hash of numbers that nobody outside can foresee; the same as long as the limit's table is. Its upper half
    /// tells more than its lower.
    Hash { limit: Limit, words: Vec<Value> },
    /// Takes a packet of a flow: `key` and `flow` are hashes of the limit's, `step` one of [`FlowStep`], `time` what
    /// the limit's clock shows. Gives one of [`Spent`]. Has an effect.
    Flow { limit: Limit, args: [Value; 4] },
    /// Takes the next place in row `slot`, one of the module's: 1 for `wanted` places of every `of`, spread evenly,
    /// else 0. 1 ≤ `wanted` ≤ `of`. Has an effect.
    Nth { slot: u32, wanted: u32, of: u32 },
    /// Calls a function with the packet and these numbers. Has the callee's effects; nothing is read of the
    /// packet behind a call of one that moves it.
    Call { func: Func, args: Vec<Value> },
    /// The number that the loader wrote into a slot of the module's table of interfaces: 32 bits.
    IfaceSlot(u32),
    /// Sends the packet out by the interface of this number, if the program then returns the code that says
    /// so. Has an effect, no result.
    Redirect { iface: Value },
    /// Makes the packet an answer to itself, if it may be answered, and gives the return code that sends it
    /// back; else the code that drops it. `args`: offset of the network header, offset of the transport
    /// header, protocol, family (4 or 6). Moves the packet. A function that holds it holds nothing else: it
    /// takes these numbers and returns that code.
    Reject { args: [Value; 4] },
}

/// What became of a token.
pub struct Spent;

impl Spent {
    /// It was there, and is spent.
    pub const YES: u64 = 0;
    /// It was not there.
    pub const OVER: u64 = 1;
    /// There is no bucket to be had, which counts as if it were empty.
    pub const OVER_FULL: u64 = 2;
    /// There is no bucket to be had, which does not matter.
    pub const PASS_FULL: u64 = 3;
    /// It was there, in a bucket that another key lost.
    pub const EVICTED: u64 = 4;
}

/// What a packet does to its flow.
pub struct FlowStep;

impl FlowStep {
    /// It belongs to one that is there already, if there is one.
    pub const GOES_ON: u64 = 0;
    /// It is the first of one, if there is none yet.
    pub const OPENS: u64 = 1;
    /// It is the last of one.
    pub const CLOSES: u64 = 2;
}

/// A block and what its parameters get.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockCall {
    /// Where to.
    pub block: Block,
    /// One number a parameter.
    pub args: Vec<Value>,
}

/// The last instruction of a block.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// Goes on.
    Jump(BlockCall),
    /// Compares two unsigned numbers.
    Br { cond: Cond, args: [Value; 2], then: BlockCall, otherwise: BlockCall },
    /// Are the bytes `[off, off + len_bytes)` of the packet readable? In `ok`, and in what it
    /// dominates, `ptr` points at the first of them. `ok` takes no parameters and has no other
    /// predecessor.
    ///
    /// The kernel's verifier asks the same of the machine code, and forgets when the pointer is
    /// computed anew: `ptr` is never rematerialised.
    Guard { off: Value, len_bytes: u32, ptr: Value, ok: Block, fail: BlockCall },
    /// Leaves the function.
    Return(Value),
    /// A block under construction. The verifier refuses it.
    None,
}

impl Width {
    /// Bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::B1 => 1,
            Self::B2 => 2,
            Self::B4 => 4,
            Self::B8 => 8,
        }
    }

    /// The width of `bytes` bytes, if there is one.
    #[must_use]
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            1 => Some(Self::B1),
            2 => Some(Self::B2),
            4 => Some(Self::B4),
            8 => Some(Self::B8),
            _ => None,
        }
    }
}

impl BinOp {
    /// What the operation gives; the one definition that folding and the machine agree on.
    #[must_use]
    pub const fn eval(self, a: u64, b: u64) -> u64 {
        match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Shl => a << (b & 63),
            Self::Shr => a >> (b & 63),
            Self::Rem if b == 0 => a,
            Self::Rem => a % b,
        }
    }
}

impl Cond {
    /// Whether the relation holds.
    #[must_use]
    pub const fn eval(self, a: u64, b: u64) -> bool {
        match self {
            Self::Eq => a == b,
            Self::Ne => a != b,
            Self::Lt => a < b,
            Self::Le => a <= b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
        }
    }

    /// The relation that holds exactly when this one does not.
    #[must_use]
    pub const fn negate(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }

    /// The relation with its sides exchanged.
    #[must_use]
    pub const fn swap_args(self) -> Self {
        match self {
            Self::Eq => Self::Eq,
            Self::Ne => Self::Ne,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}

impl InstData {
    /// Calls `f` on each operand.
    pub fn for_each_arg(&self, mut f: impl FnMut(Value)) {
        match self {
            Self::Const(_)
            | Self::Env(_)
            | Self::Random
            | Self::SetState(_)
            | Self::Nth { .. }
            | Self::IfaceSlot(_) => {}
            Self::Find { key, .. } | Self::Erase { key, .. } => key.iter().copied().for_each(f),
            Self::Put { key, word, .. } => key.iter().chain([word]).copied().for_each(f),
            Self::Binary { args, .. } => args.iter().copied().for_each(f),
            Self::Swap { arg, .. } => f(*arg),
            Self::Load { ptr, .. } => f(*ptr),
            Self::Member { hi, lo, .. } => [*hi, *lo].into_iter().for_each(f),
            Self::Count { slot, bytes } => [*slot, *bytes].into_iter().for_each(f),
            Self::Sample { slot, packet_bytes, kept_bytes } => {
                [*slot, *packet_bytes, *kept_bytes].into_iter().for_each(f);
            }
            Self::Spend { key, units, time, .. } => {
                key.iter().chain([units, time]).copied().for_each(f);
            }
            Self::Hash { words, .. } => words.iter().copied().for_each(f),
            Self::Flow { args, .. } => args.iter().copied().for_each(f),
            Self::Call { args, .. } => args.iter().copied().for_each(f),
            Self::Redirect { iface } => f(*iface),
            Self::Reject { args } => args.iter().copied().for_each(f),
        }
    }

    /// Replaces each operand `v` by `f(v)`.
    pub fn map_args(&mut self, mut f: impl FnMut(Value) -> Value) {
        match self {
            Self::Const(_)
            | Self::Env(_)
            | Self::Random
            | Self::SetState(_)
            | Self::Nth { .. }
            | Self::IfaceSlot(_) => {}
            Self::Find { key, .. } | Self::Erase { key, .. } => {
                key.iter_mut().for_each(|v| *v = f(*v));
            }
            Self::Put { key, word, .. } => {
                key.iter_mut().chain([word]).for_each(|v| *v = f(*v));
            }
            Self::Binary { args, .. } => args.iter_mut().for_each(|v| *v = f(*v)),
            Self::Swap { arg, .. } => *arg = f(*arg),
            Self::Load { ptr, .. } => *ptr = f(*ptr),
            Self::Member { hi, lo, .. } => [hi, lo].into_iter().for_each(|v| *v = f(*v)),
            Self::Count { slot, bytes } => [slot, bytes].into_iter().for_each(|v| *v = f(*v)),
            Self::Sample { slot, packet_bytes, kept_bytes } => {
                [slot, packet_bytes, kept_bytes].into_iter().for_each(|v| *v = f(*v));
            }
            Self::Spend { key, units, time, .. } => {
                key.iter_mut().chain([units, time]).for_each(|v| *v = f(*v));
            }
            Self::Hash { words, .. } => words.iter_mut().for_each(|v| *v = f(*v)),
            Self::Flow { args, .. } => args.iter_mut().for_each(|v| *v = f(*v)),
            Self::Call { args, .. } => args.iter_mut().for_each(|v| *v = f(*v)),
            Self::Redirect { iface } => *iface = f(*iface),
            Self::Reject { args } => args.iter_mut().for_each(|v| *v = f(*v)),
        }
    }

    /// True if the instruction does something that is seen from outside, so that it may not be
    /// removed, repeated or moved over another such.
    #[must_use]
    pub const fn has_effect(&self) -> bool {
        match self {
            Self::Const(_)
            | Self::Binary { .. }
            | Self::Swap { .. }
            | Self::Load { .. }
            | Self::Env(_)
            | Self::Member { .. }
            | Self::SetState(_)
            | Self::Hash { .. }
            | Self::IfaceSlot(_) => false,
            Self::Count { .. }
            | Self::Find { .. }
            | Self::Put { .. }
            | Self::Erase { .. }
            | Self::Random
            | Self::Sample { .. }
            | Self::Spend { .. }
            | Self::Nth { .. }
            | Self::Flow { .. }
            | Self::Call { .. }
            | Self::Redirect { .. }
            | Self::Reject { .. } => true,
        }
    }

    /// True if the instruction defines a value.
    #[must_use]
    pub const fn has_result(&self) -> bool {
        !matches!(
            self,
            Self::Count { .. } | Self::Sample { .. } | Self::Redirect { .. } | Self::Erase { .. }
        )
    }

    /// True if packet pointers made before it may not be used after it.
    #[must_use]
    pub const fn moves_packet(&self) -> bool {
        match self {
            Self::Const(_)
            | Self::Binary { .. }
            | Self::Swap { .. }
            | Self::Load { .. }
            | Self::Env(_)
            | Self::Member { .. }
            | Self::Count { .. }
            | Self::Random
            | Self::Sample { .. }
            | Self::Spend { .. }
            | Self::Find { .. }
            | Self::Put { .. }
            | Self::Erase { .. }
            | Self::SetState(_)
            | Self::Nth { .. }
            | Self::Hash { .. }
            | Self::Flow { .. }
            | Self::Call { .. }
            | Self::IfaceSlot(_)
            | Self::Redirect { .. } => false,
            Self::Reject { .. } => true,
        }
    }
}

impl Term {
    /// Calls `f` on each operand, block arguments included.
    pub fn for_each_arg(&self, mut f: impl FnMut(Value)) {
        match self {
            Self::Jump(to) => to.args.iter().copied().for_each(f),
            Self::Br { args, then, otherwise, .. } => {
                args.iter().chain(&then.args).chain(&otherwise.args).copied().for_each(f);
            }
            Self::Guard { off, fail, .. } => {
                f(*off);
                fail.args.iter().copied().for_each(f);
            }
            Self::Return(value) => f(*value),
            Self::None => {}
        }
    }

    /// Replaces each operand `v` by `f(v)`, block arguments included.
    pub fn map_args(&mut self, mut f: impl FnMut(Value) -> Value) {
        match self {
            Self::Jump(to) => to.args.iter_mut().for_each(|v| *v = f(*v)),
            Self::Br { args, then, otherwise, .. } => {
                args.iter_mut()
                    .chain(&mut then.args)
                    .chain(&mut otherwise.args)
                    .for_each(|v| *v = f(*v));
            }
            Self::Guard { off, fail, .. } => {
                *off = f(*off);
                fail.args.iter_mut().for_each(|v| *v = f(*v));
            }
            Self::Return(value) => *value = f(*value),
            Self::None => {}
        }
    }

    /// The blocks it may go to, in the order written; one may stand twice.
    pub fn successors(&self) -> impl Iterator<Item = Block> + use<> {
        let pair = match self {
            Self::Jump(to) => [Some(to.block), None],
            Self::Br { then, otherwise, .. } => [Some(then.block), Some(otherwise.block)],
            Self::Guard { ok, fail, .. } => [Some(*ok), Some(fail.block)],
            Self::Return(_) | Self::None => [None, None],
        };
        pair.into_iter().flatten()
    }
}
