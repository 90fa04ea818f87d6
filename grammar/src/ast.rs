//! The syntax tree: what was written, nothing resolved.
//!
//! Generic over names: `udp.dport` is a [`Field`](OperandBase::Field) whether or not the compiler knows
//! it, and a [`Word`](Value::Word) is kept whole, for what it means depends on what is asked.

use crate::{S, Span};

/// A name, a field name with dots, or a keyword argument, as written.
pub type Name = S<String>;

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// In source order.
    pub items: Vec<Item>,
    /// Every comment, in source order, without the `#`; `fmt` puts them back.
    pub comments: Vec<Comment>,
}

/// A `#` comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// From `#` to the end of the line.
    pub span: Span,
    /// Text behind `#`, trailing blanks removed.
    pub text: String,
    /// Nothing but blanks stands before it on its line.
    pub own_line: bool,
}

/// A top-level item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// The whole item.
    pub span: Span,
}

/// Items of `spec: Items`.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "few items; most of them are large")]
pub enum ItemKind {
    /// `include "file.l4"`
    Include(S<String>),
    /// `use std::NAME`; the name without `std::`.
    Use(Name),
    /// `let NAME = value`
    Let { name: Name, value: S<Value> },
    /// `set NAME: TYPE { … }`
    Set(SetDecl),
    /// `limit NAME { … }`
    Limit(LimitDecl),
    /// `conns NAME { … }`
    Conns(LimitDecl),
    /// `match NAME = expr`, `match NAME(a, b) = expr`
    Match { name: Name, params: Vec<Name>, body: Expr },
    /// `chain NAME { … }`
    Chain { name: Name, rules: Vec<Rule> },
    /// `hook KIND NAME [words] { … }`
    Hook(HookDecl),
    /// `test "…" for HOOK { … }`
    Test(TestDecl),
}

/// `set NAME: TYPE { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDecl {
    /// Its name.
    pub name: Name,
    /// One word, or several for a tuple.
    pub ty: Vec<Name>,
    /// The type was written as a tuple.
    pub tuple: bool,
    /// Inline elements; a tuple element is a [`Value::Tuple`].
    pub elements: Vec<S<Value>>,
    /// `from "file"`, each.
    pub from: Vec<S<String>>,
    /// Other properties.
    pub props: Vec<Prop>,
}

/// A property of a set, limit or conns: `max 1M`, `dynamic`, `per src/24/64`, `rate 10 packets/s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prop {
    /// The property's word.
    pub name: Name,
    /// Values that follow it, up to the next property or line.
    pub values: Vec<S<Value>>,
    /// The whole property.
    pub span: Span,
}

/// `limit NAME { … }` and `conns NAME { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitDecl {
    /// Its name.
    pub name: Name,
    /// Properties in source order.
    pub props: Vec<Prop>,
}

/// `hook KIND NAME [words] { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDecl {
    /// `xdp`, `socket` … as written.
    pub kind: Name,
    /// Its name.
    pub name: Name,
    /// Words between name and body: `ingress`, `prerouting`, `priority`, `10`.
    pub args: Vec<Name>,
    /// `default ACTION, …`, each time it was written.
    pub defaults: Vec<S<Vec<Action>>>,
    /// Other settings of a hook: `dns_ports { 53, 5300 }`.
    pub props: Vec<Prop>,
    /// In source order.
    pub rules: Vec<Rule>,
}

/// A rule of a hook or chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `label:`
    pub label: Option<Name>,
    /// What stands behind it.
    pub kind: RuleKind,
    /// The whole rule, label included, comments not.
    pub span: Span,
}

/// The two ways to write a rule.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all rules are of the larger kind")]
pub enum RuleKind {
    /// `predicate -> action, …`
    Plain { pred: Expr, actions: Vec<Action> },
    /// An iptables line, `\`-continuations joined by a blank.
    Iptables(S<String>),
}

/// One action with its words: `drop`, `jump web`, `sample nth 1/1000 snap 96`, `add src to @banned for 10m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// First word; `shadow` is kept apart.
    pub verb: Name,
    /// What follows, in order.
    pub args: Vec<S<Value>>,
    /// `shadow` stood before the verb.
    pub shadow: Option<Span>,
    /// The whole action.
    pub span: Span,
}

/// A predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// Forms of a predicate.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprKind {
    /// `all`
    All,
    /// `not e`; `nots` of them in a row are kept as nested only up to parity by the parser's loop.
    Not(Box<Expr>),
    /// Two or more, left to right.
    And(Vec<Expr>),
    /// Two or more, left to right.
    Or(Vec<Expr>),
    /// `( e )`, kept for `fmt`.
    Paren(Box<Expr>),
    /// A protocol, flag, `frag`, `unparsed`, option, or the name of a `match`.
    Bare(Operand),
    /// `x == v` and the other comparisons.
    Compare { lhs: Operand, op: S<CmpOp>, rhs: S<Value> },
    /// `x in v`, `x not in v`
    In { lhs: Operand, negated: bool, rhs: S<Value> },
    /// `x has A|B`, `x has any A|B`
    Has { lhs: Operand, any: bool, flags: Vec<Name> },
    /// `x starts_with v`, `contains v [within A..B]`, `like v` …
    Text { lhs: Operand, op: S<TextOp>, rhs: S<Value>, within: Option<S<Value>> },
    /// `name(a, b)`: a `match` with arguments, `over(L)`, `under(L)`.
    Call { name: Name, args: Vec<S<Value>> },
    /// `random N/M`, `nth N/M`
    Chance { nth: bool, ratio: Name },
    /// `pcap "…"`, `cbpf l3 "…"`, `p0f "…"`
    Whole { kind: Name, layer: Option<Name>, text: S<String> },
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmpOp {
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

impl CmpOp {
    /// As rules write it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// Operators on bytes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOp {
    /// `starts_with`
    StartsWith,
    /// `ends_with`
    EndsWith,
    /// `contains`
    Contains,
    /// `like`
    Like,
}

/// The left side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Field, bytes or tuple.
    pub base: OperandBase,
    /// `& MASK`
    pub mask: Option<S<Value>>,
    /// The whole operand.
    pub span: Span,
}

/// What an operand reads.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperandBase {
    /// A dotted name: `udp.dport`, `src`, `frag`.
    Field(String),
    /// `l4[12:2]`, `payload[udp.len+4:n]`
    Slice { layer: Name, off: S<SliceOff>, len: S<String> },
    /// `(src, sport, dport)`
    Tuple(Vec<Operand>),
}

/// Offset of a slice.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceOff {
    /// A number, as written.
    Const(String),
    /// `FIELD` or `FIELD+N`, as written.
    Field { field: String, plus: Option<String> },
}

/// A value, not yet given a meaning.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One word without blanks: number, address, prefix, range, rate, name, `src/24/64` …
    Word(String),
    /// `"…"` or `i"…"`, escapes resolved.
    Text { bytes: Vec<u8>, nocase: bool },
    /// `hex"ff ?? 41"`; `None` is `??`.
    Hex(Vec<Option<u8>>),
    /// `{ a, b, }`
    List(Vec<S<Value>>),
    /// `(a, b)` as an element of a tuple set, or as a key.
    Tuple(Vec<S<Value>>),
    /// `@name`
    SetRef(String),
    /// `(syn|ack)` or `syn|ack`
    Flags(Vec<Name>),
}

/// `test "…" for HOOK { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestDecl {
    /// The text behind `test`.
    pub title: S<String>,
    /// The hook it is for.
    pub hook: Name,
    /// In source order.
    pub steps: Vec<TestStep>,
}

/// One line of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStep {
    /// What it does.
    pub kind: TestStepKind,
    /// The whole line.
    pub span: Span,
}

/// Lines of a test.
#[allow(missing_docs, reason = "a variant's text tells of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestStepKind {
    /// `let q = eth / ip(…) / …`
    Let { name: Name, packet: Packet },
    /// `send P [x N] [expect …]`
    Send { packet: Packet, times: Option<Name>, expect: Option<Expect> },
    /// `pcap "file" expect …`
    Pcap { path: S<String>, expect: Option<Expect> },
    /// `wait 1s`
    Wait(Name),
    /// `expect @set has VALUE`
    ExpectSet { set: Name, value: S<Value> },
    /// `expect count RULE == N`
    ExpectCount { rule: Name, op: S<CmpOp>, count: Name },
}

/// `expect VERDICT [by RULE] [OP N|N%]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// `pass`, `drop` …
    pub verdict: Name,
    /// `by RULE`
    pub by: Option<Name>,
    /// `>= 99%`
    pub amount: Option<(S<CmpOp>, Name)>,
    /// The whole clause.
    pub span: Span,
}

/// A packet of a test: headers, or a name with changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// `eth / ip(src 1.2.3.4) / udp(dport 53)`, or one name of a `let`.
    pub layers: Vec<PacketLayer>,
    /// `with ip.src = 5.6.9.9, udp.dport = 1`
    pub with: Vec<(Name, S<Value>)>,
    /// The whole packet expression.
    pub span: Span,
}

/// One header of a built packet: `ip(src 5.6.7.8, dst 203.0.113.5)`, `payload("GET /")`, `hex"…"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketLayer {
    /// The header's word; empty for a bare text or hex payload.
    pub name: Name,
    /// `field value` pairs; a flag alone has no value; a value alone (as in `payload("x")`) has no name.
    pub fields: Vec<(Option<Name>, Option<S<Value>>)>,
}
