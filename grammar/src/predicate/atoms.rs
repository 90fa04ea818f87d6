//! Parts of a predicate that stand alone: tests of a field, calls, chances and whole strings.

use pest::iterators::Pairs;

use crate::sink::Sink;
use crate::syntax::{Node, Part, Rule};
use crate::{
    CmpOp, ExprKind, Name, Operand, OperandBase, S, SliceOff, Span, TextOp, Value, errors, spanned,
    values,
};

/// Comparison signs of the language.
const SIGNS: [(&str, CmpOp); 6] = [
    ("==", CmpOp::Eq),
    ("!=", CmpOp::Ne),
    ("<", CmpOp::Lt),
    ("<=", CmpOp::Le),
    (">", CmpOp::Gt),
    (">=", CmpOp::Ge),
];

/// Signs of other languages, and the sign here.
const FOREIGN_SIGNS: [(&str, &str); 13] = [
    ("eq", "=="),
    ("is", "=="),
    ("equals", "=="),
    ("=", "=="),
    ("ne", "!="),
    ("<>", "!="),
    ("gt", ">"),
    ("lt", "<"),
    ("ge", ">="),
    ("le", "<="),
    ("matches", "like"),
    ("=~", "like"),
    ("~", "like"),
];

/// The meaning of a comparison sign.
pub(crate) fn sign(text: &str) -> CmpOp {
    SIGNS.iter().find(|(name, _)| *name == text).map_or(CmpOp::Eq, |(_, op)| *op)
}

/// The form that `node` is. `good` becomes false when a mistake was reported after which reading went on.
pub(super) fn build(
    part: Part<'_>,
    node: Node<'_>,
    sink: &mut Sink,
    good: &mut bool,
) -> Option<ExprKind> {
    let rule = node.as_rule();
    let mut atom = Atom { part, sink, good };
    match rule {
        Rule::all_word => Some(ExprKind::All),
        Rule::chance => {
            let mut inner = node.into_inner();
            let (word, ratio) = (inner.next()?, inner.next()?);
            Some(ExprKind::Chance { nth: word.as_str() == "nth", ratio: part.name(&ratio) })
        }
        Rule::whole => atom.whole(node.into_inner()),
        Rule::call => {
            let mut inner = node.into_inner();
            let name = part.name(&inner.next()?);
            let args = inner.map(|arg| values::of_node(part, arg, atom.sink));
            Some(ExprKind::Call { name, args: args.collect::<Option<Vec<_>>>()? })
        }
        _ => atom.test(node.into_inner()),
    }
}

struct Atom<'a, 's> {
    part: Part<'a>,
    sink: &'s mut Sink,
    good: &'s mut bool,
}

impl Atom<'_, '_> {
    fn whole(&mut self, inner: Pairs<'_, Rule>) -> Option<ExprKind> {
        let (mut kind, mut layer, mut text) = (None, None, None);
        for node in inner {
            match node.as_rule() {
                Rule::layer => layer = Some(self.part.name(&node)),
                Rule::text => text = values::plain_text(self.part, &node, self.sink),
                _ => kind = Some(self.part.name(&node)),
            }
        }
        Some(ExprKind::Whole { kind: kind?, layer, text: text? })
    }

    /// `operand [relation]`
    fn test(&mut self, mut inner: Pairs<'_, Rule>) -> Option<ExprKind> {
        let lhs = self.operand(inner.next()?)?;
        let Some(relation) = inner.next() else { return Some(ExprKind::Bare(lhs)) };
        let rule = relation.as_rule();
        let span = self.part.at(&relation);
        let mut parts = relation.into_inner();
        match rule {
            Rule::compare => {
                let op = parts.next()?;
                let op = spanned(sign(op.as_str()), self.part.at(&op));
                let rhs = self.value(parts.next(), op.span)?;
                Some(ExprKind::Compare { lhs, op, rhs })
            }
            Rule::wrong_compare => self.foreign(lhs, parts),
            Rule::in_set | Rule::not_in_set => {
                let negated = rule == Rule::not_in_set;
                let words = if negated { 2 } else { 1 };
                let last = parts.by_ref().take(words).last()?;
                let op = self.part.at(&last);
                let rhs = self.value(parts.next(), op)?;
                Some(ExprKind::In { lhs, negated, rhs })
            }
            Rule::has_flags => self.has(lhs, parts, span),
            _ => self.on_text(lhs, parts),
        }
    }

    /// The value behind an operator at `op`.
    fn value(&mut self, node: Option<Node<'_>>, op: Span) -> Option<S<Value>> {
        match node {
            Some(node) => values::of_node(self.part, node, self.sink),
            None => {
                self.no_value(op);
                None
            }
        }
    }

    fn no_value(&mut self, op: Span) {
        let (_, found) = self.part.found(op.end as usize);
        let sign = self.part.source.at(op);
        self.sink.push(errors::missing_value(op, sign, &found));
    }

    /// A comparison in another language's words: reported, then read on as what was meant.
    fn foreign(&mut self, lhs: Operand, mut parts: Pairs<'_, Rule>) -> Option<ExprKind> {
        let op = parts.next()?;
        let span = self.part.at(&op);
        let ours = FOREIGN_SIGNS.iter().find(|(name, _)| *name == op.as_str());
        let ours = ours.map_or("==", |(_, sign)| *sign);
        self.sink.push(errors::foreign_operator(span, op.as_str(), ours));
        *self.good = false;
        let rhs = self.value(parts.next(), span)?;
        Some(ExprKind::Compare { lhs, op: spanned(sign(ours), span), rhs })
    }

    fn has(&mut self, lhs: Operand, parts: Pairs<'_, Rule>, span: Span) -> Option<ExprKind> {
        let mut any = false;
        let mut flags: Vec<Name> = Vec::new();
        for node in parts {
            match node.as_rule() {
                Rule::any_word => any = true,
                Rule::flags => flags.extend(node.into_inner().map(|flag| self.part.name(&flag))),
                _ => {}
            }
        }
        if flags.is_empty() {
            self.no_value(span);
            return None;
        }
        Some(ExprKind::Has { lhs, any, flags })
    }

    fn on_text(&mut self, lhs: Operand, mut parts: Pairs<'_, Rule>) -> Option<ExprKind> {
        let op = parts.next()?;
        let kind = match op.as_str() {
            "starts_with" => TextOp::StartsWith,
            "ends_with" => TextOp::EndsWith,
            "contains" => TextOp::Contains,
            _ => TextOp::Like,
        };
        let op = spanned(kind, self.part.at(&op));
        let mut next = parts.next();
        let rhs = match next.take_if(|node| node.as_rule() == Rule::operand_value) {
            Some(value) => self.value(Some(value), op.span)?,
            None => return self.value(None, op.span).and(None),
        };
        let within = match parts.next() {
            None => None,
            Some(within) => {
                let mut inner = within.into_inner();
                let word = self.part.at(&inner.next()?);
                Some(self.value(inner.next(), word)?)
            }
        };
        Some(ExprKind::Text { lhs, op, rhs, within })
    }

    /// An `operand` or `tuple_part`.
    fn operand(&mut self, node: Node<'_>) -> Option<Operand> {
        let span = self.part.at(&node);
        let mut inner = node.into_inner();
        let base = inner.next()?;
        let mask = match inner.next() {
            None => None,
            Some(mask) => Some(values::of_node(self.part, mask.into_inner().next()?, self.sink)?),
        };
        Some(Operand { base: self.base(base)?, mask, span })
    }

    fn base(&mut self, node: Node<'_>) -> Option<OperandBase> {
        match node.as_rule() {
            Rule::slice => self.slice(node),
            Rule::bad_slice => {
                let inner = node.as_str().trim_end_matches(']').rsplit('[').next();
                self.sink.push(errors::bad_slice(self.part.at(&node), inner.unwrap_or("")));
                None
            }
            Rule::tuple => {
                // Parts of a tuple are no tuples, so this goes one deep.
                let parts = node.into_inner().map(|part| self.operand(part));
                Some(OperandBase::Tuple(parts.collect::<Option<Vec<_>>>()?))
            }
            _ => Some(OperandBase::Field(node.as_str().to_owned())),
        }
    }

    fn slice(&mut self, node: Node<'_>) -> Option<OperandBase> {
        let mut inner = node.into_inner();
        let layer = self.part.name(&inner.next()?);
        let offset = inner.next()?;
        let off_span = self.part.at(&offset);
        let mut pieces = offset.into_inner();
        let first = pieces.next()?;
        let off = if first.as_rule() == Rule::number {
            SliceOff::Const(first.as_str().to_owned())
        } else {
            let plus = pieces.next().map(|plus| plus.as_str().to_owned());
            SliceOff::Field { field: first.as_str().to_owned(), plus }
        };
        let len = self.part.name(&inner.next()?);
        Some(OperandBase::Slice { layer, off: spanned(off, off_span), len })
    }
}
