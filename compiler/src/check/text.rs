//! Questions to bytes and names: `starts_with`, `ends_with`, `contains`, `like`, and names compared.

use super::operand::Target;
use super::value::{Params, Val, elements};
use super::{Checker, dns_name, errors};
use crate::hir::{AtomTest, NameTest, Operand, Pattern, Pred};
use l4c_grammar::{self as ast, S, Span, TextOp, Value};
use std::ops::Range;
use std::rc::Rc;

/// Bytes that are compared at one place, and that are looked for at every place of a window.
pub(super) const MAX_TEXT_BYTES: usize = 255;
const MAX_SEARCHED_BYTES: usize = 128;
/// No packet has more bytes.
const MAX_WITHIN: u32 = 65_535;

impl Checker<'_> {
    /// `x starts_with v` and its kin; any of several values will do.
    pub(super) fn text(
        &mut self,
        (lhs, op): (&ast::Operand, &S<TextOp>),
        (rhs, within): (&S<Value>, Option<&S<Value>>),
        span: Span,
        params: Params<'_>,
    ) -> Option<Pred> {
        let target = self.target(lhs, params);
        let value = self.values.value(rhs, params, &mut self.diags);
        let within_at = within.map(|within| within.span);
        let within = within.map(|within| self.within(op, within));
        let target = target?;
        let within = match within {
            Some(within) => Some(within?),
            None => None,
        };
        let elements = elements(&value);
        if elements.is_empty() {
            return self.diags.none(errors::list_empty(value.span));
        }
        if let (Operand::Name, Some(_), Some(at)) = (&target.operand, &within, within_at) {
            return self.diags.none(errors::within_bytes(at));
        }
        let mut atoms = Vec::new();
        let mut whole = true;
        for element in elements {
            let test = match &target.operand {
                Operand::Name => self.name_test(op, element),
                Operand::Bytes { .. } => self.bytes_test(op, &target, element, within.clone()),
                Operand::Field { .. } | Operand::Window(_) => {
                    self.diags.push(errors::text_misplaced(op, target.span));
                    return None;
                }
            };
            match test {
                Some(test) => atoms.push(self.atom(target.operand.clone(), test, span)?),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        if atoms.len() < 2 { atoms.pop() } else { Some(Pred::Or(atoms)) }
    }

    /// `A..B`
    fn within(&mut self, op: &S<TextOp>, within: &S<Value>) -> Option<Range<u32>> {
        if op.node != TextOp::Contains {
            return self.diags.none(errors::within_misplaced(within.span));
        }
        let Value::Word(word) = &within.node else {
            return self.diags.none(errors::within(within.span, "two numbers must stand here"));
        };
        let ends = word
            .split_once("..")
            .and_then(|(from, to)| Some((from.parse::<u32>().ok()?, to.parse::<u32>().ok()?)));
        match ends {
            Some((from, to)) if from < to && to <= MAX_WITHIN => Some(from..to),
            Some((from, to)) if from >= to => {
                self.diags.none(errors::within(within.span, "there is nothing in it"))
            }
            Some(_) => self.diags.none(errors::within(within.span, "no packet is that long")),
            None if digits_only(word) => {
                self.diags.none(errors::within(within.span, "no packet is that long"))
            }
            None => self.diags.none(errors::within(within.span, "two numbers must stand here")),
        }
    }

    /// The bytes of a text or hex pattern.
    fn text_value(&mut self, op: &S<TextOp>, value: &S<Val>) -> Option<Rc<Pattern>> {
        match &value.node {
            Val::Bytes(pattern) if pattern.want.is_empty() => {
                self.diags.none(errors::text_empty(value.span))
            }
            Val::Bytes(pattern) => Some(Rc::clone(pattern)),
            Val::Error => None,
            other => self.diags.none(errors::text_asked(value.span, op, other)),
        }
    }

    fn bytes_test(
        &mut self,
        op: &S<TextOp>,
        target: &Target,
        value: &S<Val>,
        within: Option<Range<u32>>,
    ) -> Option<AtomTest> {
        let pattern = self.text_value(op, value)?;
        let Operand::Bytes { slice, mask } = target.operand else { return None };
        if mask.is_some() {
            return self.diags.none(errors::mask_text(value.span));
        }
        let len = pattern.want.len();
        if slice.len_bytes.is_some_and(|most| len > most as usize) {
            let most = slice.len_bytes.unwrap_or(0);
            return self.diags.none(errors::text_too_long(value.span, len, most));
        }
        if within.as_ref().is_some_and(|within| len > within.len()) {
            let most = within.map_or(0, |within| within.end - within.start);
            return self.diags.none(errors::text_too_long(value.span, len, most));
        }
        let most = if op.node == TextOp::Contains { MAX_SEARCHED_BYTES } else { MAX_TEXT_BYTES };
        if len > most {
            return self.diags.none(errors::text_limit(value.span, len, most));
        }
        let pattern = Pattern::clone(&pattern);
        Some(match op.node {
            TextOp::StartsWith => AtomTest::StartsWith(pattern),
            TextOp::EndsWith => AtomTest::EndsWith(pattern),
            TextOp::Contains => AtomTest::Contains { pattern, within },
            TextOp::Like => return self.diags.none(errors::like_names_only(op.span)),
        })
    }

    fn name_test(&mut self, op: &S<TextOp>, value: &S<Val>) -> Option<AtomTest> {
        let pattern = self.text_value(op, value)?;
        let test = match op.node {
            TextOp::StartsWith => return self.diags.none(errors::name_starts_with(op.span)),
            TextOp::EndsWith => dns_name::ends_with(&pattern),
            TextOp::Contains => dns_name::contains(&pattern),
            TextOp::Like => dns_name::like(&pattern),
        };
        match test {
            Ok(test) => Some(AtomTest::Name { test, negated: false }),
            Err(why) => self.diags.none(errors::bad_name(value.span, &why)),
        }
    }

    /// `dns.qname == "…"`: one of the right side's elements.
    pub(super) fn name_is(
        &mut self,
        value: &S<Val>,
        negated: bool,
        span: Span,
    ) -> Option<AtomTest> {
        let Val::Bytes(pattern) = &value.node else {
            if !matches!(value.node, Val::Error) {
                self.diags.push(errors::name_asked(value.span, &value.node));
            }
            return None;
        };
        match dns_name::labels(pattern) {
            Ok(labels) => Some(AtomTest::Name { test: NameTest::Is(labels), negated }),
            Err(why) => {
                let from_afar = value.span.start < span.start || value.span.end > span.end;
                let diag = errors::bad_name(value.span, &why);
                self.diags.none(if from_afar { diag.other(span, "it is used here") } else { diag })
            }
        }
    }
}

/// Two numbers, however large.
fn digits_only(within: &str) -> bool {
    let digits = |end: &str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
    within.split_once("..").is_some_and(|(from, to)| digits(from) && digits(to))
}
