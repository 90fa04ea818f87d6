//! What a policy means: names resolved, types checked, every comparison a set of numbers.
//!
//! Lowering and the reference evaluator both start here, and share nothing else.

mod limit;
mod set;
mod test;

use crate::chance::Chance;
use crate::fields::Field;
use crate::ranges::Ranges;
use cranelift_entity::{PrimaryMap, entity_impl};
use l4c_grammar::Span;
use l4c_manifest::{HookKind, Verdict};
pub use limit::{Kept, KeyPart, Limit, LimitTest};
pub use set::{Change, ChangeKind, Set, Stored, TupleTest, set_form};
use std::ops::Range;
pub use test::{Amount, Expect, Test, TestStep, TestStepKind};

/// A set of the policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(u32);
entity_impl!(SetId, "set");

/// A chain of the policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId(u32);
entity_impl!(ChainId, "chain");

/// A hook of the policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HookId(u32);
entity_impl!(HookId, "hook");

/// A counter made by `count NAME`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterId(u32);
entity_impl!(CounterId, "counter");

/// A limit of the policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(u32);
entity_impl!(LimitId, "limit");

/// An `nth` of a rule, told apart from those of all other rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NthId(u32);
entity_impl!(NthId, "nth");

/// An interface that rules name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IfaceId(u32);
entity_impl!(IfaceId, "iface");

/// A whole policy, free of errors.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Sets.
    pub sets: PrimaryMap<SetId, Set>,
    /// Limits.
    pub limits: PrimaryMap<LimitId, Limit>,
    /// Chains, in source order. They do not reach themselves.
    pub chains: PrimaryMap<ChainId, Chain>,
    /// Hooks, in source order.
    pub hooks: PrimaryMap<HookId, Hook>,
    /// Names of counters.
    pub counters: PrimaryMap<CounterId, String>,
    /// Names of interfaces, each once.
    pub ifaces: PrimaryMap<IfaceId, String>,
    /// Tests, in source order.
    pub tests: Vec<Test>,
}

/// A chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// In order.
    pub rules: Vec<Rule>,
    /// Where its name stands.
    pub span: Span,
}

/// A hook.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its name: at most 15 bytes.
    pub name: String,
    /// What it hangs on.
    pub kind: HookKind,
    /// UDP and TCP ports that DNS is spoken on.
    pub dns_ports: Ranges,
    /// In order.
    pub rules: Vec<Rule>,
    /// What happens when no rule decided: its predicate is true, its steering action a verdict, its name
    /// `default`.
    pub default: Rule,
    /// Where its name stands.
    pub span: Span,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As reports print it: `LABEL` or `HOOK.N` in a hook, `CHAIN.LABEL` or `CHAIN.N` in a chain.
    pub name: String,
    /// When it matches.
    pub pred: Pred,
    /// What it does besides, in order.
    pub effects: Vec<Effect>,
    /// Where it steers.
    pub steer: Option<Steer>,
    /// The steering action is counted and not done.
    pub shadow: bool,
    /// The whole rule.
    pub span: Span,
}

/// Actions that let the next rule run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// `count NAME`
    Count(CounterId),
    /// `sample N/M`, `sample nth N/M`
    Sample {
        /// Which packets.
        share: Share,
        /// `snap BYTES`: so many bytes of each are kept; all if it is left out.
        snap_bytes: Option<u32>,
    },
    /// `add KEY to @set`, `del KEY from @set`
    Change(Change),
}

/// A share of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Each packet by itself.
    Random(Chance),
    /// So many of every so many that come.
    Nth(NthTest),
}

/// `nth N/M`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NthTest {
    /// Which of the policy's.
    pub id: NthId,
    /// How many of how many.
    pub share: Chance,
}

/// Actions that steer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Ends the hook. Never [`Verdict::Redirect`], which has an interface: [`Steer::Redirect`].
    Verdict(Verdict),
    /// Runs a chain and comes back.
    Jump(ChainId),
    /// Runs a chain and does not come back here.
    Goto(ChainId),
    /// Leaves the chain.
    Return,
    /// Ends the hook: the packet leaves by this interface.
    Redirect(IfaceId),
}

impl Steer {
    /// The verdict, if it ends the hook.
    #[must_use]
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Redirect(_) => Some(Verdict::Redirect),
            Self::Jump(_) | Self::Goto(_) | Self::Return => None,
        }
    }

    /// The chain that it goes to.
    #[must_use]
    pub const fn chain(self) -> Option<ChainId> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            Self::Verdict(_) | Self::Return | Self::Redirect(_) => None,
        }
    }
}

impl IfaceId {
    /// The value that fields of type [`Ty::Iface`](crate::fields::Ty::Iface) have for it.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0 + 1
    }
}

/// A predicate. True or false for every packet, nothing between.
#[derive(Debug, Clone)]
pub enum Pred {
    /// `all`, and what the checker found out.
    Const(bool),
    /// One question to the packet.
    Atom(Atom),
    /// A token of a limit.
    Limit(LimitTest),
    /// Several fields together, in a set of tuples.
    Tuple(TupleTest),
    /// `random N/M`: each packet by itself.
    Random(Chance),
    /// `nth N/M`: so many of every so many that come here.
    Nth(NthTest),
    /// The other way round.
    Not(Box<Pred>),
    /// Left to right until one is false.
    And(Vec<Pred>),
    /// Left to right until one is true.
    Or(Vec<Pred>),
}

impl Pred {
    /// It does more than ask the packet: it runs when it is reached, and no more often.
    #[must_use]
    pub fn keeps_state(&self) -> bool {
        match self {
            Self::Const(_) | Self::Atom(_) | Self::Tuple(_) => false,
            Self::Limit(_) | Self::Random(_) | Self::Nth(_) => true,
            Self::Not(pred) => pred.keeps_state(),
            Self::And(list) | Self::Or(list) => list.iter().any(Self::keeps_state),
        }
    }
}

/// One question to the packet: false if what it asks of is absent.
#[derive(Debug, Clone)]
pub struct Atom {
    /// What is read.
    pub operand: Operand,
    /// What is asked of it.
    pub test: AtomTest,
    /// Where it stands.
    pub span: Span,
}

/// What is read.
#[derive(Debug, Clone)]
pub enum Operand {
    /// A field, `& mask` applied if there is one.
    Field {
        /// Its row.
        field: &'static Field,
        /// Of the packet inside a tunnel.
        inner: bool,
        /// Bits kept.
        mask: Option<u128>,
    },
    /// Bytes of a layer.
    Bytes {
        /// Which.
        slice: Slice,
        /// Bits kept, for lengths up to 8.
        mask: Option<u64>,
    },
    /// The name that a DNS message asks for first, as labels.
    Name,
    /// The window of a TCP header, held against divisors: asked only whether it is [`AtomTest::Present`].
    Window(Multiple),
}

/// The TCP window is a multiple: of the divisors that go into it without remainder, the first one of the list
/// counts, and goes into it so many times. Without a whole transport header, or without the bytes that hold
/// the MSS, it is none. That the transport is TCP is for another question to ask.
#[derive(Debug, Clone)]
pub struct Multiple {
    /// Where the two bytes of the MSS lie, from the start of the TCP header; 0 where no divisor asks.
    pub mss_off_bytes: u32,
    /// In order. None of them may come to 0 or less for an MSS of 100 or more.
    pub divisors: Vec<Divisor>,
    /// How often the divisor goes into the window; any number of times if left out.
    pub times: Option<u32>,
}

/// A number that a TCP window is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divisor {
    /// The MSS is added.
    pub mss: bool,
    /// The rest of it.
    pub add: i32,
    /// If this is the first divisor that fits, it counts.
    pub counts: bool,
}

/// Bytes of a layer. They are there only as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Where counting begins.
    pub layer: Layer,
    /// A number of bytes that the packet itself says, added to `off_bytes`: `tcp.hdr_len` in
    /// `l4[tcp.hdr_len+4:2]`. Without that field the slice is not there.
    pub off_field: Option<&'static Field>,
    /// First byte.
    pub off_bytes: u32,
    /// Number of bytes, 1, 2, 4 and 8 of which may be compared as big-endian numbers; `None` goes on to the
    /// layer's end, and may be empty.
    pub len_bytes: Option<u32>,
}

impl Slice {
    /// `layer[off_bytes:len_bytes]`
    #[must_use]
    pub const fn at(layer: Layer, off_bytes: u32, len_bytes: u32) -> Self {
        Self { layer, off_field: None, off_bytes, len_bytes: Some(len_bytes) }
    }

    /// The whole layer.
    #[must_use]
    pub const fn whole(layer: Layer) -> Self {
        Self { layer, off_field: None, off_bytes: 0, len_bytes: None }
    }
}

/// Bytes wanted: both have one length, at least 1, and `want` is zero where `care` is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The bytes.
    pub want: Vec<u8>,
    /// Which of their bits count.
    pub care: Vec<u8>,
}

/// Where a byte slice counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The link header.
    L2,
    /// The IP header, or what stands in its place behind the EtherType.
    L3,
    /// The transport header; needs fragment offset 0.
    L4,
    /// What the transport carries.
    Payload,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum AtomTest {
    /// Is it there? For flags: is it there and set?
    Present,
    /// Is the (masked) value one of these? One set of numbers for each place of the field, in the order of
    /// [`Field::places`]; for bytes, one. The numbers are in the field's own terms: [`At::Bits`]'s `add` has
    /// not been taken off. `negated`: is it there and none of these?
    ///
    /// [`At::Bits`]: crate::fields::At::Bits
    In {
        /// Numbers.
        values: Vec<Ranges>,
        /// `!=`, `not in`
        negated: bool,
    },
    /// Is it an element? Places of 128 bits look into the set's `wide` part.
    InSet {
        /// The set.
        set: SetId,
        /// `not in`
        negated: bool,
    },
    /// Bytes only: are they these, no more and no less?
    Equals {
        /// Which.
        pattern: Pattern,
        /// `!=`
        negated: bool,
    },
    /// Bytes only: are these the first of them?
    StartsWith(Pattern),
    /// Bytes only: are these the last of them?
    EndsWith(Pattern),
    /// Bytes only: are these among them?
    Contains {
        /// Which.
        pattern: Pattern,
        /// The whole pattern lies in these bytes, counted from the slice's first; the end may lie behind the
        /// slice's.
        within: Option<Range<u32>>,
    },
    /// Names only.
    Name {
        /// What is asked.
        test: NameTest,
        /// `!=`, `not in`
        negated: bool,
    },
}

/// What is asked of a name. Letters are lower case; the packet's are taken as such. A label has 1 to 63
/// bytes, the dots between labels are no part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameTest {
    /// Are these its labels?
    Is(Vec<Vec<u8>>),
    /// Are these its last labels, with at least `above` labels before them?
    EndsWith {
        /// The labels, at least one.
        labels: Vec<Vec<u8>>,
        /// 0 or 1.
        above: u8,
    },
    /// Does the name, written with dots, contain this? Text between dots; the first part ends a label (or lies
    /// in it, if it is the only one), the last begins one. Parts between them are whole labels.
    Contains(Vec<Vec<u8>>),
    /// Do its labels look like these, one by one?
    Like {
        /// Any labels may stand before them, or none.
        any_before: bool,
        /// At least one.
        labels: Vec<Vec<Glob>>,
    },
}

/// A piece of what a label looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Glob {
    /// This byte, letters in lower case.
    Byte(u8),
    /// Any byte.
    Any,
    /// So many bytes, whichever: `*` is 0 to 63.
    Some {
        /// At least.
        min: u8,
        /// At most 63.
        max: u8,
    },
}
