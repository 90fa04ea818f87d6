//! Questions that p0f's notation asks: lists of TCP options, and whole signatures of SYNs.
//!
//! Both become comparisons of fields and bytes at known places. Nothing walks over options: the list says
//! where each lies.

mod layout;
mod question;
mod signature;

use super::names::nearest as nearest_of;
use super::operand::Target;
use super::value::{Val, elements};
use super::{Checker, errors};
use crate::fields::Field;
use crate::hir::{AtomTest, Layer, Operand, Pattern, Pred, Slice};
use crate::ranges::Ranges;
use l4c_grammar::{S, Span};
use layout::{FIXED_BYTES, Fault, Lens, Shape};
use signature::Signature;
use std::ops::{Range, RangeInclusive};

/// Something wrong inside a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bad {
    /// Bytes of the text.
    at: Range<usize>,
    message: String,
    help: String,
}

impl Bad {
    fn new(at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: help.into() }
    }
}

/// A decimal number: digits and nothing else.
fn number(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| plain && range.contains(n))
}

/// The known word most like `word`.
fn nearest<'c>(word: &str, known: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    nearest_of(word, known, &super::diags::Diags::default())
}

/// What a shape asks of the options' bytes, from the first on: bytes, and which of their bits count. Padding
/// does not.
fn kinds_and_lengths(shape: &Shape, of_lengths: bool) -> Pattern {
    let len = (shape.header_bytes - FIXED_BYTES) as usize;
    let (mut want, mut care) = (vec![0; len], vec![0; len]);
    let mut put = |off_bytes: u32, byte: u8| {
        let at = (off_bytes - FIXED_BYTES) as usize;
        if let (Some(want), Some(care)) = (want.get_mut(at), care.get_mut(at)) {
            (*want, *care) = (byte, 0xff);
        }
    };
    for option in &shape.options {
        put(option.off_bytes, option.kind);
        let has_length = option.kind > 1;
        if has_length && (of_lengths || layout::fixed_bytes(option.kind).is_none()) {
            put(option.off_bytes + 1, u8::try_from(option.len_bytes).unwrap_or(u8::MAX));
        }
    }
    if let Fault::Cut(off_bytes, kind, _) = shape.fault {
        put(off_bytes, kind);
    }
    Pattern { want, care }
}

impl Checker<'_> {
    /// `tcp.opts == "…"`, `!= "…"`, `in { "…", … }`
    pub(super) fn options_member(
        &mut self,
        target: &Target,
        value: &S<Val>,
        negated: bool,
        span: Span,
    ) -> Option<Pred> {
        let Operand::Field { field, .. } = target.operand else { return None };
        let mut alternatives = Some(Vec::new());
        for element in elements(value) {
            let one = self.options_equal(element, span);
            match (&mut alternatives, one) {
                (Some(all), Some(one)) => all.extend(one),
                (Some(_) | None, _) => alternatives = None,
            }
        }
        let listed = Pred::Or(alternatives?);
        if !negated {
            return Some(listed);
        }
        let there = Operand::Field { field, inner: false, mask: None };
        let there = self.atom(there, AtomTest::Present, span)?;
        Some(Pred::And(vec![there, Pred::Not(Box::new(listed))]))
    }

    /// One list of options: any of what comes back.
    fn options_equal(&mut self, value: &S<Val>, span: Span) -> Option<Vec<Pred>> {
        let text = match &value.node {
            Val::Bytes(pattern) if pattern.care.iter().all(|care| *care == 0xff) => {
                String::from_utf8_lossy(&pattern.want).into_owned()
            }
            Val::Error => return None,
            val => return self.diags.none(errors::options_text(value.span, val)),
        };
        let mut bad = Vec::new();
        let layout = layout::parse(&text, 0, &mut bad);
        if !bad.is_empty() {
            return self.bad("E0240", &text, value.span, bad);
        }
        let Ok(shapes) = layout.shapes(Lens::Standard) else {
            return self.diags.none(errors::too_many_shapes(value.span));
        };
        if shapes.is_empty() {
            self.diags.push(errors::options_never(value.span));
        }
        shapes.iter().map(|shape| Some(Pred::And(self.shape(shape, true, span)?))).collect()
    }

    /// What every packet of a shape has: a TCP header of its length, and the kinds in their places.
    fn shape(&mut self, shape: &Shape, of_lengths: bool, span: Span) -> Option<Vec<Pred>> {
        let length = Ranges::one(u128::from(shape.header_bytes));
        let mut list = vec![self.ask("tcp.hdr_len", length, span)?];
        let pattern = kinds_and_lengths(shape, of_lengths);
        if !pattern.want.is_empty() {
            list.push(self.ask_pattern(FIXED_BYTES, pattern, span)?);
        }
        Some(list)
    }

    /// Is a field one of these, wherever it lies?
    fn ask(&mut self, name: &str, values: Ranges, span: Span) -> Option<Pred> {
        let field = Field::find(name).expect("these are rows of the table");
        let values = vec![values; field.places.len()];
        self.atom(
            Operand::Field { field, inner: false, mask: None },
            AtomTest::In { values, negated: false },
            span,
        )
    }

    /// Is a number at a place of the TCP header one of these?
    fn ask_at(
        &mut self,
        off_bytes: u32,
        len_bytes: u32,
        values: Ranges,
        span: Span,
    ) -> Option<Pred> {
        let slice = Slice::at(Layer::L4, off_bytes, len_bytes);
        let operand = Operand::Bytes { slice, mask: None };
        self.atom(operand, AtomTest::In { values: vec![values], negated: false }, span)
    }

    /// Are the bytes at a place of the TCP header these?
    fn ask_pattern(&mut self, off_bytes: u32, pattern: Pattern, span: Span) -> Option<Pred> {
        let len_bytes = u32::try_from(pattern.want.len()).ok()?;
        let slice = Slice::at(Layer::L4, off_bytes, len_bytes);
        let operand = Operand::Bytes { slice, mask: None };
        self.atom(operand, AtomTest::Equals { pattern, negated: false }, span)
    }

    /// `p0f "…"`
    pub(super) fn p0f(&mut self, text: &S<String>, span: Span) -> Option<Pred> {
        let mut bad = Vec::new();
        let Some(signature) = Signature::parse(&text.node, &mut bad) else {
            return self.bad("E0241", &text.node, text.span, bad);
        };
        if let Some(why) = question::contradiction(&signature) {
            self.diags.push(errors::p0f_never(text.span, why));
            return Some(Pred::Const(false));
        }
        self.signature(&signature, text.span, span)
    }

    /// Reports what is wrong inside a text, each at its own place if the text stands as it is written.
    fn bad<T>(&mut self, code: &'static str, text: &str, span: Span, bad: Vec<Bad>) -> Option<T> {
        let verbatim = self.sources.text(span).get(1..=text.len()) == Some(text);
        for Bad { at, message, help } in bad {
            let (start, end) = (u32::try_from(at.start).ok()?, u32::try_from(at.end).ok()?);
            let place = Span::new(span.file, span.start + 1 + start, span.start + 1 + end);
            let place = if verbatim { place } else { span };
            self.diags.push(errors::p0f_text(code, place, message, help));
        }
        None
    }
}
