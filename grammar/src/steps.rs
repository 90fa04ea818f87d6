//! Lines of tests.

use pest::iterators::Pairs;

use crate::predicate::sign;
use crate::sink::{Sink, Source};
use crate::split::Piece;
use crate::syntax::{Node, Part, Rule};
use crate::{
    CmpOp, Expect, Name, Packet, PacketLayer, S, TestStep, TestStepKind, Value, errors, names,
    spanned, values,
};

/// First words of a line.
const FIRST: [&str; 5] = ["let", "send", "pcap", "wait", "expect"];

/// Reads one line of a test.
pub(crate) fn step(source: Source<'_>, piece: &Piece, sink: &mut Sink) -> Option<TestStep> {
    if piece.broken {
        return None;
    }
    let part = Part::new(source, piece.start, piece.end);
    let mut lexer = part.lexer();
    let first = lexer.next()?;
    if !FIRST.contains(&lexer.str(first)) {
        let span = source.span(first.start, first.end);
        sink.push(errors::unknown_step(span, &crate::syntax::shorten(lexer.str(first))));
        return None;
    }
    let row = match part.parse(Rule::step) {
        Ok(row) => row,
        Err(diag) => {
            sink.push(*diag);
            return None;
        }
    };
    let node = row.into_inner().next()?;
    let mut reader = Reader { part, sink };
    let kind = reader.kind(node)?;
    Some(TestStep { kind, span: part.span() })
}

struct Reader<'a, 's> {
    part: Part<'a>,
    sink: &'s mut Sink,
}

impl Reader<'_, '_> {
    fn kind(&mut self, node: Node<'_>) -> Option<TestStepKind> {
        let rule = node.as_rule();
        let mut inner = node.into_inner();
        // The line's first word.
        inner.next()?;
        match rule {
            Rule::let_step => {
                let name = self.part.name(&inner.next()?);
                let good = names::check_form(&name, self.sink);
                inner.next()?;
                let packet = self.packet(inner.next()?)?;
                good.then_some(TestStepKind::Let { name, packet })
            }
            Rule::send_step => {
                let packet = self.packet(inner.next()?)?;
                let (mut times, mut expect) = (None, None);
                for node in inner {
                    if node.as_rule() == Rule::times {
                        times = node.into_inner().nth(1).map(|n| self.part.name(&n));
                    } else {
                        expect = Some(self.expect(node)?);
                    }
                }
                Some(TestStepKind::Send { packet, times, expect })
            }
            Rule::pcap_step => {
                let path = values::plain_text(self.part, &inner.next()?, self.sink)?;
                let expect = match inner.next() {
                    Some(node) => Some(self.expect(node)?),
                    None => None,
                };
                Some(TestStepKind::Pcap { path, expect })
            }
            Rule::wait_step => Some(TestStepKind::Wait(self.part.name(&inner.next()?))),
            Rule::expect_set => {
                let set = self.part.name(&inner.next()?);
                let set = spanned(set.node.trim_start_matches('@').to_owned(), set.span);
                let value = self.value(inner.nth(1)?)?;
                Some(TestStepKind::ExpectSet { set, value })
            }
            _ => {
                let rule = self.part.name(&inner.nth(1)?);
                let (op, count) = self.amount(&mut inner)?;
                Some(TestStepKind::ExpectCount { rule, op, count })
            }
        }
    }

    fn value(&mut self, node: Node<'_>) -> Option<S<Value>> {
        values::of_node(self.part, node, self.sink)
    }

    /// `OP N`
    fn amount(&self, inner: &mut Pairs<'_, Rule>) -> Option<(S<CmpOp>, Name)> {
        let (op, amount) = (inner.next()?, inner.next()?);
        Some((spanned(sign(op.as_str()), self.part.at(&op)), self.part.name(&amount)))
    }

    fn expect(&mut self, node: Node<'_>) -> Option<Expect> {
        let span = self.part.at(&node);
        let mut inner = node.into_inner();
        let verdict = self.part.name(&inner.nth(1)?);
        let mut by = None;
        if inner.peek().is_some_and(|node| node.as_rule() == Rule::by_word) {
            by = inner.nth(1).map(|node| self.part.name(&node));
        }
        let amount = self.amount(&mut inner);
        Some(Expect { verdict, by, amount, span })
    }

    fn packet(&mut self, node: Node<'_>) -> Option<Packet> {
        let span = self.part.at(&node);
        let (mut layers, mut with) = (Vec::new(), Vec::new());
        for node in node.into_inner() {
            match node.as_rule() {
                Rule::header => layers.push(self.header(node)?),
                Rule::change => {
                    let mut inner = node.into_inner();
                    let name = self.part.name(&inner.next()?);
                    with.push((name, self.value(inner.nth(1)?)?));
                }
                _ => {}
            }
        }
        Some(Packet { layers, with, span })
    }

    fn header(&mut self, node: Node<'_>) -> Option<PacketLayer> {
        let start = self.part.at(&node).start;
        let mut name = spanned(String::new(), crate::Span { end: start, ..self.part.at(&node) });
        let mut fields = Vec::new();
        for node in node.into_inner() {
            match node.as_rule() {
                Rule::text => {
                    let span = self.part.at(&node);
                    let mut lexer =
                        Part::new(self.part.source, span.start as usize, span.end as usize).lexer();
                    let value = values::next(self.part.source, &mut lexer, self.sink).ok()??;
                    fields.push((None, Some(value)));
                }
                Rule::header_name => name = self.part.name(&node),
                _ => fields.push(self.field(node)?),
            }
        }
        Some(PacketLayer { name, fields })
    }

    /// `FIELD VALUE`, a flag alone, or a value alone.
    fn field(&mut self, node: Node<'_>) -> Option<(Option<Name>, Option<S<Value>>)> {
        let (mut name, mut value) = (None, None);
        for node in node.into_inner() {
            if node.as_rule() == Rule::field_name {
                name = Some(self.part.name(&node));
            } else {
                value = Some(self.value(node)?);
            }
        }
        Some((name, value))
    }
}
