//! Predicates, and the `match`es in them.
//!
//! A `match` without parameters is worked out once and copied where it is named; one with parameters is
//! worked out for each use. What that comes to is counted as it grows, so that a few lines that double
//! each other end in an error and not in all of memory.

use super::names::{MatchItem, Sort, check_name};
use super::value::{Params, Val};
use super::{Checker, errors, graph, unsupported};
use crate::fields::Ty;
use crate::hir::{AtomTest, Operand, Pred};
use l4c_grammar::{self as ast, Expr, ExprKind, Name, OperandBase, S, Span, Value, spanned};

/// One rule may ask so many questions, its `match`es written out.
const MAX_LEAVES: usize = 100_000;

/// The rules of a policy may take so many questions together from its `match`es.
const MAX_COPIED: usize = 2_000_000;

/// All comparisons of a policy may hold so many ranges together (32 bytes each).
const MAX_RANGES: usize = 8_000_000;

/// `and`s and `or`s may be nested so deep, `match`es written out. The parser takes 256 brackets around each
/// other, so that a predicate without `match`es never comes here.
const MAX_DEPTH: usize = 260;

/// What a predicate has come to so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// Questions of the predicate at hand.
    leaves: usize,
    /// Ranges of the predicate at hand.
    ranges: usize,
    /// Deepest nesting of the predicate at hand.
    depth: usize,
    /// A bound was passed: said once, the rest of the predicate is not looked at.
    over: bool,
    /// Questions copied from `match`es, of the whole policy.
    copied: usize,
    /// Ranges of the whole policy.
    all_ranges: usize,
    /// A bound of the whole policy was passed: no predicate is looked at any more.
    exhausted: bool,
}

/// A `match`, worked out.
#[derive(Debug, Clone, Default)]
pub(super) struct MatchFacts {
    pred: Option<Pred>,
    leaves: usize,
    ranges: usize,
    depth: usize,
}

impl<'a> Checker<'a> {
    /// Works out every `match`, those first that others name.
    pub(super) fn check_matches(&mut self) {
        let items: Vec<MatchItem<'a>> = self.values.names.matches.clone();
        let edges: Vec<Vec<usize>> = items
            .iter()
            .map(|item| {
                let mut used = Vec::new();
                self.matches_in(item.body, &mut used);
                used
            })
            .collect();
        let order = graph::order(&edges);
        for cycle in &order.cycles {
            let names: Vec<&Name> = cycle.iter().map(|&n| items[n].name).collect();
            self.diags.push(errors::name_cycle(&names));
        }
        self.looping = order.cycles.iter().flatten().copied().collect();
        self.matches = vec![MatchFacts::default(); items.len()];
        for n in order.post {
            let item = items[n];
            for (at, param) in item.params.iter().enumerate() {
                check_name(param, &mut self.diags);
                if let Some(first) = item.params[..at].iter().find(|p| p.node == param.node) {
                    self.diags.push(errors::name_twice(param, "a parameter", first.span));
                }
            }
            // With values unknown, what is wrong whatever they are is still found.
            let unknown: Vec<(&str, S<Val>)> = item
                .params
                .iter()
                .map(|p| (p.node.as_str(), spanned(Val::Error, p.span)))
                .collect();
            let pred = self.predicate(item.body, &unknown);
            let Spent { leaves, ranges, depth, .. } = self.spent;
            self.matches[n] = MatchFacts { pred, leaves, ranges, depth };
        }
    }

    /// The `match`es that a predicate names.
    fn matches_in(&self, expr: &Expr, out: &mut Vec<usize>) {
        let name = match &expr.kind {
            ExprKind::Not(inner) | ExprKind::Paren(inner) => return self.matches_in(inner, out),
            ExprKind::And(list) | ExprKind::Or(list) => {
                return list.iter().for_each(|e| self.matches_in(e, out));
            }
            ExprKind::Bare(operand) => match &operand.base {
                OperandBase::Field(name) => name,
                OperandBase::Slice { .. } | OperandBase::Tuple(_) => return,
            },
            ExprKind::Call { name, .. } => &name.node,
            ExprKind::All
            | ExprKind::Compare { .. }
            | ExprKind::In { .. }
            | ExprKind::Has { .. }
            | ExprKind::Text { .. }
            | ExprKind::Chance { .. }
            | ExprKind::Whole { .. } => return,
        };
        let symbol = self.values.names.peek(name).filter(|s| s.sort == Sort::Match);
        out.extend(symbol.map(|s| s.index));
    }

    /// A whole predicate; `None` if something in it is wrong.
    pub(super) fn predicate(&mut self, expr: &Expr, params: Params<'_>) -> Option<Pred> {
        let Spent { copied, all_ranges, exhausted, .. } = self.spent;
        let over = exhausted;
        self.spent = Spent { copied, all_ranges, exhausted, over, ..Spent::default() };
        self.expr(expr, params, 1)
    }

    /// Counts questions and ranges; `None` once they are too many.
    pub(super) fn spend(&mut self, leaves: usize, ranges: usize, span: Span) -> Option<()> {
        self.spent.leaves += leaves;
        self.spent.ranges += ranges;
        self.spent.all_ranges += ranges;
        self.spent.exhausted = self.spent.copied > MAX_COPIED || self.spent.all_ranges > MAX_RANGES;
        let passed = if self.spent.leaves > MAX_LEAVES {
            format!("this asks more than {MAX_LEAVES} questions, its matches written out")
        } else if self.spent.copied > MAX_COPIED {
            format!("the matches of this policy, written out, ask more than {MAX_COPIED} questions")
        } else if self.spent.all_ranges > MAX_RANGES {
            format!("the comparisons of this policy hold more than {MAX_RANGES} ranges")
        } else {
            return Some(());
        };
        self.too_large(span, &passed, "put values into a `set`, and rules into a `chain`")
    }

    fn too_large<T>(&mut self, span: Span, what: &str, help: &str) -> Option<T> {
        if !std::mem::replace(&mut self.spent.over, true) {
            self.diags.push(errors::too_large(span, what, help));
        }
        None
    }

    /// Calls itself only for what stands in an `and` or `or`, and for `match`es.
    fn expr(&mut self, expr: &Expr, params: Params<'_>, depth: usize) -> Option<Pred> {
        if self.spent.over {
            return None;
        }
        self.spent.depth = self.spent.depth.max(depth);
        if depth > MAX_DEPTH {
            return self.too_deep(expr.span);
        }
        let (mut expr, mut negate) = (expr, false);
        loop {
            let pred = match &expr.kind {
                ExprKind::Paren(inner) => {
                    expr = inner;
                    continue;
                }
                ExprKind::Not(inner) => {
                    (expr, negate) = (inner, !negate);
                    continue;
                }
                ExprKind::And(list) => Pred::And(self.list(list, params, depth)?),
                ExprKind::Or(list) => Pred::Or(self.list(list, params, depth)?),
                ExprKind::All
                | ExprKind::Bare(_)
                | ExprKind::Compare { .. }
                | ExprKind::In { .. }
                | ExprKind::Has { .. }
                | ExprKind::Text { .. }
                | ExprKind::Call { .. }
                | ExprKind::Chance { .. }
                | ExprKind::Whole { .. } => self.leaf(expr, params, depth)?,
            };
            return Some(if negate { negated(pred) } else { pred });
        }
    }

    fn too_deep(&mut self, span: Span) -> Option<Pred> {
        let what = format!("this is nested more than {MAX_DEPTH} deep, its matches written out");
        self.too_large(span, &what, "give the inner parts rules of their own")
    }

    /// Every member is looked at, so that the mistakes of all are told.
    fn list(&mut self, list: &[Expr], params: Params<'_>, depth: usize) -> Option<Vec<Pred>> {
        let mut out = Some(Vec::with_capacity(list.len()));
        for expr in list {
            let pred = self.expr(expr, params, depth + 1);
            match (&mut out, pred) {
                (Some(list), Some(pred)) => list.push(pred),
                (Some(_) | None, None) => out = None,
                (None, Some(_)) => {}
            }
        }
        out
    }

    /// What holds no other predicate.
    #[inline(never)]
    fn leaf(&mut self, expr: &Expr, params: Params<'_>, depth: usize) -> Option<Pred> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Bare(operand) => self.bare(operand, params, depth),
            ExprKind::Compare { lhs, op, rhs } => self.comparison(lhs, op, rhs, span, params),
            ExprKind::In { lhs, negated, rhs } => self.membership(lhs, *negated, rhs, span, params),
            ExprKind::Has { lhs, any, flags } => self.has(lhs, *any, flags, span, params),
            ExprKind::Call { name, args } => self.call(name, args, span, params, depth),
            ExprKind::Text { lhs, op, rhs, within } => {
                self.text((lhs, op), (rhs, within.as_ref()), span, params)
            }
            ExprKind::Chance { nth, ratio } => self.chance_test(*nth, ratio, span, params),
            ExprKind::Whole { kind, layer: None, text } if kind.node == "p0f" => {
                self.p0f(text, span)
            }
            ExprKind::Whole { kind, layer: Some(layer), .. } if kind.node == "p0f" => {
                self.diags.none(errors::p0f_layer(layer))
            }
            ExprKind::Whole { kind, .. } => {
                self.diags.none(unsupported::at(kind.span, &format!("`{}`", kind.node)))
            }
            ExprKind::All => {
                self.spend(1, 0, span)?;
                Some(Pred::Const(true))
            }
            ExprKind::Not(_) | ExprKind::Paren(_) | ExprKind::And(_) | ExprKind::Or(_) => {
                self.expr(expr, params, depth)
            }
        }
    }

    /// A field alone, or the name of a `match`.
    fn bare(&mut self, operand: &ast::Operand, params: Params<'_>, depth: usize) -> Option<Pred> {
        let span = operand.span;
        let OperandBase::Field(name) = &operand.base else {
            let target = self.target(operand, params)?;
            return self.diags.none(errors::number_alone(target.span, self.sources.text(span)));
        };
        let param = params.iter().any(|(param, _)| param == name);
        let symbol = self.values.names.find(name).map(|s| (s.sort, s.index));
        if let (Some((Sort::Match, index)), None, false) = (symbol, &operand.mask, param) {
            return self.named_match(index, name, span, depth);
        }
        let target = self.target(operand, params)?;
        let Operand::Field { field, inner, mask } = target.operand else {
            return self.diags.none(errors::number_alone(span, self.sources.text(span)));
        };
        let name = field.shown(inner);
        match field.ty {
            Ty::Bit | Ty::Presence | Ty::Option if mask.is_none() => {
                self.atom(Operand::Field { field, inner, mask }, AtomTest::Present, span)
            }
            Ty::Flags => {
                let text = if mask.is_some() { self.sources.text(span) } else { &name };
                self.diags.none(errors::flags_alone(span, text, &name))
            }
            Ty::Bit
            | Ty::Presence
            | Ty::Option
            | Ty::Layout
            | Ty::Number
            | Ty::Port
            | Ty::Addr4
            | Ty::Addr6
            | Ty::Addr
            | Ty::Mac
            | Ty::Name
            | Ty::Iface => {
                let text = if mask.is_some() { self.sources.text(span) } else { &name };
                self.diags.none(errors::number_alone(span, text))
            }
        }
    }

    /// A copy of a `match` without parameters.
    fn named_match(&mut self, index: usize, name: &str, span: Span, depth: usize) -> Option<Pred> {
        let params = self.values.names.matches[index].params.len();
        if params > 0 {
            return self.diags.none(errors::match_values(span, name, params, 0));
        }
        let facts = &self.matches[index];
        let (leaves, ranges) = (facts.leaves, facts.ranges);
        let depth = depth + facts.depth;
        facts.pred.as_ref()?;
        self.spent.copied += leaves;
        self.spent.depth = self.spent.depth.max(depth);
        if depth > MAX_DEPTH {
            return self.too_deep(span);
        }
        self.spend(leaves, ranges, span)?;
        self.matches[index].pred.clone()
    }

    /// A `match` with values, or what looks like one.
    fn call(
        &mut self,
        name: &Name,
        args: &[S<Value>],
        span: Span,
        params: Params<'_>,
        depth: usize,
    ) -> Option<Pred> {
        if let word @ ("over" | "under") = name.node.as_str() {
            return self.limit_test(name, word == "under", args, span);
        }
        let Some(symbol) = self.values.names.find(&name.node) else {
            let like = self.values.names.like(&name.node, Sort::Match, &self.diags);
            return self.diags.none(errors::unknown_match(name, like));
        };
        if symbol.sort != Sort::Match {
            let diag = errors::wrong_sort(name.span, &name.node, symbol, "a match");
            return self.diags.none(diag);
        }
        let index = symbol.index;
        let item = self.values.names.matches[index];
        let args: Vec<S<Val>> =
            args.iter().map(|v| self.values.value(v, params, &mut self.diags)).collect();
        if args.len() != item.params.len() || args.is_empty() {
            let diag = errors::match_values(span, &name.node, item.params.len(), args.len());
            return self.diags.none(diag);
        }
        if self.looping.contains(&index) || args.iter().any(|a| matches!(a.node, Val::Error)) {
            return None;
        }
        let given: Vec<(&str, S<Val>)> =
            item.params.iter().map(|p| p.node.as_str()).zip(args).collect();
        let before = self.spent.leaves;
        let pred = self.expr(item.body, &given, depth + 1);
        self.spent.copied += self.spent.leaves - before;
        pred
    }
}

/// The other way round, without two `not`s in a row.
fn negated(pred: Pred) -> Pred {
    match pred {
        Pred::Const(value) => Pred::Const(!value),
        Pred::Not(inner) => *inner,
        Pred::Atom(_)
        | Pred::Limit(_)
        | Pred::Tuple(_)
        | Pred::Random(_)
        | Pred::Nth(_)
        | Pred::And(_)
        | Pred::Or(_) => Pred::Not(Box::new(pred)),
    }
}
