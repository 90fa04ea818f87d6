//! Predicates: from the flat row of parts that the grammar yields to a tree, with a stack instead of recursion.

use crate::sink::Sink;
use crate::syntax::{Node, Part, Rule, shorten};
use crate::{Expr, ExprKind, OperandBase, Span, errors};

mod atoms;
mod mixed;

pub(crate) use atoms::sign;

/// Words that only ever stand before what they ask for.
const NEEDS_MORE: [(&str, &str); 5] = [
    ("over", "over(LIMIT)"),
    ("under", "under(LIMIT)"),
    ("pcap", "pcap \"EXPRESSION\""),
    ("cbpf", "cbpf l3 \"4,48 0 0 9,…\""),
    ("p0f", "p0f \"SIGNATURE\""),
];

/// `and` or `or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

/// One level of parentheses.
struct Level {
    /// Where its `(` is.
    open: Option<Span>,
    terms: Vec<Expr>,
    joins: Vec<(Join, Span)>,
    /// The first `not` before the next term, and whether their number is odd.
    not: Option<(Span, bool)>,
}

impl Level {
    fn new(open: Option<Span>) -> Self {
        Self { open, terms: Vec::new(), joins: Vec::new(), not: None }
    }

    /// A term may come next.
    fn wants_term(&self) -> bool {
        self.terms.len() == self.joins.len()
    }

    /// Takes a term, under the `not`s before it.
    fn push(&mut self, term: Expr) {
        self.terms.push(match self.not.take() {
            None => term,
            Some((span, odd)) => {
                let span = span.to(term.span);
                if odd {
                    Expr { kind: ExprKind::Not(Box::new(term)), span }
                } else {
                    Expr { kind: term.kind, span }
                }
            }
        });
    }
}

/// The predicate that `part` holds; `None` if something was wrong with it, and is reported.
pub(crate) fn parse(part: Part<'_>, sink: &mut Sink) -> Option<Expr> {
    let row = match part.parse(Rule::predicate) {
        Ok(row) => row,
        Err(diag) => {
            sink.push(*diag);
            return None;
        }
    };
    let mut builder =
        Builder { part, sink, levels: Vec::new(), level: Level::new(None), good: true };
    for node in row.into_inner() {
        if node.as_rule() != Rule::EOI {
            builder.node(node)?;
        }
    }
    builder.finish()
}

struct Builder<'a, 's> {
    part: Part<'a>,
    sink: &'s mut Sink,
    /// Levels around the current one.
    levels: Vec<Level>,
    level: Level,
    /// Nothing was reported that still lets the rest be read.
    good: bool,
}

impl<'a> Builder<'a, '_> {
    /// Takes one part of the row; `None` when no sense can be made of what follows.
    fn node(&mut self, node: Node<'_>) -> Option<()> {
        let span = self.part.at(&node);
        match node.as_rule() {
            Rule::and_word => self.join(Join::And, span),
            Rule::or_word => self.join(Join::Or, span),
            Rule::not_word => self.not(span),
            Rule::wrong_join => self.foreign(node.as_str(), span),
            Rule::open => {
                self.room_for_term(span, "(")?;
                let outer = std::mem::replace(&mut self.level, Level::new(Some(span)));
                self.levels.push(outer);
                Some(())
            }
            Rule::close => self.close(span),
            Rule::junk => self.junk(node.as_str(), span),
            _ => {
                self.room_for_term(span, node.as_str())?;
                let kind = atoms::build(self.part, node, self.sink, &mut self.good)?;
                self.check_bare(&kind, span)?;
                self.level.push(Expr { kind, span });
                Some(())
            }
        }
    }

    fn not(&mut self, span: Span) -> Option<()> {
        self.room_for_term(span, "not")?;
        self.level.not = Some(match self.level.not {
            None => (span, true),
            Some((first, odd)) => (first.to(span), !odd),
        });
        Some(())
    }

    /// Other languages' `&&`, `||` and `!`: named, then read as what was meant.
    fn foreign(&mut self, sign: &str, span: Span) -> Option<()> {
        let (word, join) = match sign {
            "&&" => ("and", Some(Join::And)),
            "||" => ("or", Some(Join::Or)),
            _ => ("not", None),
        };
        self.sink.push(errors::foreign_operator(span, sign, word));
        self.good = false;
        match join {
            Some(join) => self.join(join, span),
            None => self.not(span),
        }
    }

    fn join(&mut self, join: Join, span: Span) -> Option<()> {
        if self.level.wants_term() {
            let found = format!("`{}`", self.part.source.at(span));
            let before = self.before(&self.level);
            self.sink.push(errors::missing_term(span, before, &found));
            return None;
        }
        self.level.joins.push((join, span));
        Some(())
    }

    /// Reports a term that follows a term.
    fn room_for_term(&mut self, span: Span, text: &str) -> Option<()> {
        if self.level.wants_term() {
            return Some(());
        }
        let last = self.level.terms.last();
        let needs = last.and_then(|last| bare_word(&last.kind)).and_then(needs_more);
        self.sink.push(match (needs, last) {
            (Some(form), Some(last)) => errors::incomplete(last.span, form),
            _ => errors::missing_join(span, &shorten(text)),
        });
        None
    }

    /// `over` without its limit and the like.
    fn check_bare(&mut self, kind: &ExprKind, span: Span) -> Option<()> {
        let word = bare_word(kind).filter(|word| *word == "over" || *word == "under");
        if let Some(form) = word.and_then(needs_more) {
            self.sink.push(errors::incomplete(span, form));
            return None;
        }
        Some(())
    }

    fn close(&mut self, span: Span) -> Option<()> {
        let Some(outer) = self.levels.pop() else {
            self.sink.push(errors::stray_close(span, ')'));
            return None;
        };
        let inner = std::mem::replace(&mut self.level, outer);
        let whole = inner.open.map_or(span, |open| open.to(span));
        let body = self.fold(inner, span)?;
        self.level.push(Expr { kind: ExprKind::Paren(Box::new(body)), span: whole });
        Some(())
    }

    fn finish(mut self) -> Option<Expr> {
        let level = std::mem::replace(&mut self.level, Level::new(None));
        if let (Some(open), false) = (level.open, self.levels.is_empty()) {
            self.sink.push(errors::unclosed_bracket(open, '('));
            return None;
        }
        let end = self.part.end_span();
        let expr = self.fold(level, end)?;
        self.good.then_some(expr)
    }

    /// What stands before the place where a term of `level` is missing.
    fn before(&self, level: &Level) -> Option<&'a str> {
        match (level.not, level.joins.last(), level.open) {
            (Some(_), _, _) => Some("not"),
            (None, Some((_, span)), _) => Some(self.part.source.at(*span)),
            (None, None, Some(_)) => Some("("),
            (None, None, None) => None,
        }
    }

    /// The terms of a level as one; `end` is where it ends.
    fn fold(&mut self, mut level: Level, end: Span) -> Option<Expr> {
        if level.wants_term() {
            let found = if self.part.source.at(end) == ")" { "`)`" } else { "the end" };
            let before = self.before(&level);
            // At the very end nothing stands to be underlined but the word that asks for more.
            let asks =
                level.not.map(|(span, _)| span).or(level.joins.last().map(|(_, span)| *span));
            let span = if found == "the end" { asks.unwrap_or(end) } else { end };
            self.sink.push(errors::missing_term(span, before, found));
            return None;
        }
        let Some((first, _)) = level.joins.first().copied() else { return level.terms.pop() };
        if let Some((_, other)) = level.joins.iter().find(|(join, _)| *join != first) {
            self.sink.push(mixed::diag(self.part.source, &level.terms, &level.joins, *other));
            self.good = false;
        }
        let ends = (level.terms.first()?.span, level.terms.last()?.span);
        let kind = match first {
            Join::And => ExprKind::And(level.terms),
            Join::Or => ExprKind::Or(level.terms),
        };
        Some(Expr { kind, span: ends.0.to(ends.1) })
    }

    /// What fits nowhere: the most likely reason first.
    fn junk(&mut self, text: &str, span: Span) -> Option<()> {
        let last = self.level.terms.last().filter(|_| !self.level.wants_term());
        let needs = last.and_then(|last| bare_word(&last.kind)).and_then(needs_more);
        if let (Some(form), Some(last)) = (needs, last) {
            self.sink.push(errors::incomplete(last.span, form));
            return None;
        }
        self.sink.push(errors::unexpected(span, text, self.level.wants_term()));
        None
    }
}

/// The one word that a bare predicate is.
fn bare_word(kind: &ExprKind) -> Option<&str> {
    let ExprKind::Bare(operand) = kind else { return None };
    match &operand.base {
        OperandBase::Field(name) if operand.mask.is_none() => Some(name),
        OperandBase::Field(_) | OperandBase::Slice { .. } | OperandBase::Tuple(_) => None,
    }
}

fn needs_more(word: &str) -> Option<&'static str> {
    NEEDS_MORE.iter().find(|(name, _)| *name == word).map(|(_, form)| *form)
}
