//! Comparisons: what stands on the right becomes sets of numbers.

use super::operand::Target;
use super::text::MAX_TEXT_BYTES;
use super::value::{Params, Val, elements};
use super::want::{Family, Kind, Misfit, Piece, Want, place_max};
use super::{Checker, errors};
use crate::fields::{At, Field, Place, Ty};
use crate::hir::{Atom, AtomTest, Operand, Pattern, Pred, SetId};
use crate::ranges::{Ranges, max_value};
use l4c_grammar::{self as ast, CmpOp, Name, S, Span, Value};
use std::rc::Rc;

/// The right side of a membership, sorted by how it is asked.
#[derive(Debug, Default)]
struct Parts {
    /// Numbers for each place of the operand.
    numbers: Vec<Vec<(u128, u128)>>,
    sets: Vec<SetId>,
    patterns: Vec<Rc<Pattern>>,
    names: Vec<AtomTest>,
}

impl Checker<'_> {
    /// `x == v` and its kin.
    pub(super) fn comparison(
        &mut self,
        lhs: &ast::Operand,
        op: &S<CmpOp>,
        rhs: &S<Value>,
        span: Span,
        params: Params<'_>,
    ) -> Option<Pred> {
        if let ast::OperandBase::Tuple(parts) = &lhs.base {
            return match op.node {
                CmpOp::Eq => self.tuple(parts, false, (rhs, span), params),
                CmpOp::Ne => self.tuple(parts, true, (rhs, span), params),
                CmpOp::Lt | CmpOp::Le | CmpOp::Gt | CmpOp::Ge => {
                    self.diags.none(errors::tuple_without_set(rhs.span))
                }
            };
        }
        let (target, value) = self.sides(lhs, rhs, params);
        let (target, value) = (target?, value);
        match op.node {
            CmpOp::Eq => self.member(&target, &value, false, span),
            CmpOp::Ne => self.member(&target, &value, true, span),
            CmpOp::Lt | CmpOp::Le | CmpOp::Gt | CmpOp::Ge => {
                self.relation(&target, op, &value, span)
            }
        }
    }

    /// `x in v`
    pub(super) fn membership(
        &mut self,
        lhs: &ast::Operand,
        negated: bool,
        rhs: &S<Value>,
        span: Span,
        params: Params<'_>,
    ) -> Option<Pred> {
        if let ast::OperandBase::Tuple(parts) = &lhs.base {
            return self.tuple(parts, negated, (rhs, span), params);
        }
        let (target, value) = self.sides(lhs, rhs, params);
        self.member(&target?, &value, negated, span)
    }

    /// Both sides, so that the mistakes of both are told.
    fn sides(
        &mut self,
        lhs: &ast::Operand,
        rhs: &S<Value>,
        params: Params<'_>,
    ) -> (Option<Target>, S<Val>) {
        let target = self.target(lhs, params);
        let value = self.values.value(rhs, params, &mut self.diags);
        (target, value)
    }

    /// `x has A|B`, `x has any A|B`
    pub(super) fn has(
        &mut self,
        lhs: &ast::Operand,
        any: bool,
        flags: &[Name],
        span: Span,
        params: Params<'_>,
    ) -> Option<Pred> {
        let target = self.target(lhs, params)?;
        let Operand::Field { field, inner, mask: None } = target.operand else {
            return self.diags.none(errors::has_flags(target.span));
        };
        let want = target.want.as_ref().filter(|_| field.ty == Ty::Flags);
        let Some(want) = want else { return self.diags.none(errors::has_flags(target.span)) };
        let value = ast::spanned(Val::Flags(flags.to_vec()), span);
        let bits = want.number(&value, &self.diags).map_err(|m| self.report(m)).ok()?;
        let operand = Operand::Field { field, inner, mask: Some(bits) };
        let values = vec![Ranges::one(if any { 0 } else { bits }); field.places.len()];
        self.atom(operand, AtomTest::In { values, negated: any }, span)
    }

    fn report(&mut self, misfit: Misfit) {
        if let Some(diag) = misfit {
            self.diags.push(*diag);
        }
    }

    /// `<`, `<=`, `>`, `>=`
    fn relation(
        &mut self,
        target: &Target,
        op: &S<CmpOp>,
        value: &S<Val>,
        span: Span,
    ) -> Option<Pred> {
        if is_layout(target) {
            let diag = errors::no_order(op.span, "`tcp.opts`", "a list of options");
            return self.diags.none(diag);
        }
        if target.want.is_none() && matches!(value.node, Val::Bytes(_)) {
            match &target.operand {
                Operand::Bytes { .. } => {
                    return self.diags.none(errors::bytes_order(op.span));
                }
                Operand::Name => return self.diags.none(errors::name_order(op.span)),
                Operand::Field { .. } | Operand::Window(_) => {}
            }
        }
        let want = self.numeric_want(target, value)?;
        let ordered = match want.kind {
            Kind::Number | Kind::Port => true,
            Kind::Addr { .. } | Kind::Mac | Kind::Flags | Kind::Iface => false,
        };
        if !ordered {
            return self.diags.none(errors::no_order(op.span, &want.by, want.words()));
        }
        let n = want.number(value, &self.diags).map_err(|m| self.report(m)).ok()?;
        let values: Vec<Ranges> = widths(&target.operand)
            .into_iter()
            .map(|width| {
                let top = max_value(width);
                match op.node {
                    CmpOp::Eq => Ranges::one(n),
                    CmpOp::Ne => Ranges::one(n).complement(width),
                    CmpOp::Lt if n == 0 => Ranges::empty(),
                    CmpOp::Lt => Ranges::span(0, (n - 1).min(top)),
                    CmpOp::Le => Ranges::span(0, n.min(top)),
                    CmpOp::Gt => Ranges::span(n + 1, top),
                    CmpOp::Ge => Ranges::span(n, top),
                }
            })
            .collect();
        self.numbers(target, values, false, span)
    }

    /// What a target asks of a number, or why it has none.
    fn numeric_want(&mut self, target: &Target, value: &S<Val>) -> Option<Want> {
        if let Some(want) = &target.want {
            return Some(want.clone());
        }
        let diag = match &target.operand {
            Operand::Field { field, inner, .. } => {
                errors::presence_compared(target.span, &field.shown(*inner))
            }
            Operand::Bytes { slice, .. } => match slice.len_bytes {
                Some(len) => errors::bytes_number(value.span, len, value.node.words()),
                None => errors::text_compared(value.span, &value.node),
            },
            Operand::Name => errors::name_asked(value.span, &value.node),
            // No comparison is written of it.
            Operand::Window(_) => return None,
        };
        self.diags.none(diag)
    }

    /// `==`, `!=`, `in`, `not in`
    fn member(
        &mut self,
        target: &Target,
        value: &S<Val>,
        negated: bool,
        span: Span,
    ) -> Option<Pred> {
        if let (Operand::Field { field, inner, .. }, None) = (&target.operand, &target.want)
            && !is_layout(target)
        {
            return self.diags.none(errors::presence_compared(target.span, &field.shown(*inner)));
        }
        let elements = elements(value);
        if elements.is_empty() {
            return self.diags.none(errors::list_empty(value.span));
        }
        if is_layout(target) {
            return self.options_member(target, value, negated, span);
        }
        let mut parts =
            Parts { numbers: vec![Vec::new(); widths(&target.operand).len()], ..Parts::default() };
        let mut whole = true;
        for element in elements {
            let part = if matches!(target.operand, Operand::Name) {
                self.name_is(element, negated, value.span).map(|test| parts.names.push(test))
            } else {
                self.part(target, element, value.span, &mut parts)
            };
            whole &= part.is_some();
        }
        if !whole {
            return None;
        }
        self.joined(target, parts, negated, span)
    }

    /// Sorts one element of the right side into its part.
    fn part(
        &mut self,
        target: &Target,
        element: &S<Val>,
        used_at: Span,
        parts: &mut Parts,
    ) -> Option<()> {
        if let Val::Set(set) = element.node {
            self.set_fits(target, set, element.span)?;
            parts.sets.push(set);
            return Some(());
        }
        if let (Val::Bytes(pattern), Operand::Bytes { slice, .. }) =
            (&element.node, &target.operand)
        {
            let pattern = self.pattern(target, pattern, slice.len_bytes, element.span)?;
            parts.patterns.push(pattern);
            return Some(());
        }
        if let Some(Want { kind: Kind::Iface, .. }) = target.want {
            let value = self.iface(element)?.value().into();
            parts.numbers[0].push((value, value));
            return Some(());
        }
        let want = self.numeric_want(target, element)?;
        let piece = match want.piece(element, &self.diags) {
            Ok(piece) => piece,
            Err(misfit) => {
                let from_afar = element.span.file != used_at.file
                    || element.span.start < used_at.start
                    || element.span.end > used_at.end;
                let misfit = misfit.map(|d| {
                    Box::new(if from_afar { d.other(used_at, "it is used here") } else { *d })
                });
                self.report(misfit);
                return None;
            }
        };
        if target.mask_family.is_some() && target.mask_family != piece.family {
            return self.diags.none(errors::mask_family(element.span, target.span));
        }
        place_piece(&target.operand, piece, &mut parts.numbers);
        Some(())
    }

    /// A text or hex pattern that has the slice's length.
    fn pattern(
        &mut self,
        target: &Target,
        pattern: &Rc<Pattern>,
        len_bytes: Option<u32>,
        span: Span,
    ) -> Option<Rc<Pattern>> {
        if pattern.want.is_empty() {
            return self.diags.none(errors::text_empty(span));
        }
        if pattern.want.len() > MAX_TEXT_BYTES {
            let diag = errors::text_limit(span, pattern.want.len(), MAX_TEXT_BYTES);
            return self.diags.none(diag);
        }
        if let Some(asked) = len_bytes.filter(|&asked| pattern.want.len() != asked as usize) {
            let diag = errors::bytes_length(span, pattern.want.len(), asked);
            return self.diags.none(diag);
        }
        if let Operand::Bytes { mask: Some(_), .. } = target.operand {
            return self.diags.none(errors::mask_text(span));
        }
        Some(Rc::clone(pattern))
    }

    /// One atom for each part, joined as the relation says.
    fn joined(&mut self, target: &Target, parts: Parts, negated: bool, span: Span) -> Option<Pred> {
        let mut atoms = Vec::new();
        if parts.numbers.iter().any(|n| !n.is_empty()) {
            let values = parts.numbers.into_iter().map(Ranges::from_unsorted).collect();
            atoms.push(self.numbers(target, values, negated, span)?);
        }
        for pattern in parts.patterns {
            let test = AtomTest::Equals { pattern: Pattern::clone(&pattern), negated };
            atoms.push(self.atom(target.operand.clone(), test, span)?);
        }
        for test in parts.names {
            atoms.push(self.atom(target.operand.clone(), test, span)?);
        }
        for set in parts.sets {
            let test = AtomTest::InSet { set, negated };
            atoms.push(self.atom(target.operand.clone(), test, span)?);
        }
        match (atoms.len(), negated) {
            (0 | 1, _) => atoms.pop(),
            (_, false) => Some(Pred::Or(atoms)),
            (_, true) => Some(Pred::And(atoms)),
        }
    }

    /// An atom of numbers; warns if its answer does not depend on the packet's value.
    fn numbers(
        &mut self,
        target: &Target,
        values: Vec<Ranges>,
        negated: bool,
        span: Span,
    ) -> Option<Pred> {
        let possible = match &target.operand {
            Operand::Field { field, mask, .. } => field_possible(field, *mask, &values),
            Operand::Bytes { mask, .. } => {
                let width = widths(&target.operand)[0];
                possible(&values[0], mask.map(u128::from), width)
            }
            Operand::Name | Operand::Window(_) => Possible::Some,
        };
        match possible {
            Possible::Some => {}
            Possible::None if negated => self.diags.push(errors::always_true(span)),
            Possible::None => self.diags.push(errors::never_true(span)),
            Possible::All if negated => self.diags.push(errors::never_true(span)),
            Possible::All => self.diags.push(errors::always_true(span)),
        }
        self.atom(target.operand.clone(), AtomTest::In { values, negated }, span)
    }

    /// An atom, counted.
    pub(super) fn atom(&mut self, operand: Operand, test: AtomTest, span: Span) -> Option<Pred> {
        let ranges = match &test {
            AtomTest::In { values, .. } => values.iter().map(|v| v.as_slice().len()).sum(),
            AtomTest::Present
            | AtomTest::InSet { .. }
            | AtomTest::Equals { .. }
            | AtomTest::StartsWith(_)
            | AtomTest::EndsWith(_)
            | AtomTest::Contains { .. }
            | AtomTest::Name { .. } => 1,
        };
        self.spend(1, ranges, span)?;
        Some(Pred::Atom(Atom { operand, test, span }))
    }
}

/// Is it compared with lists of options?
fn is_layout(target: &Target) -> bool {
    matches!(target.operand, Operand::Field { field, .. } if field.ty == Ty::Layout)
}

/// Widths in bits of an operand's places.
fn widths(operand: &Operand) -> Vec<u32> {
    match operand {
        Operand::Field { field, .. } => field.places.iter().map(Place::width_bits).collect(),
        Operand::Bytes { slice, .. } => vec![8 * slice.len_bytes.unwrap_or(0)],
        Operand::Name => vec![0],
        Operand::Window(_) => vec![16],
    }
}

/// Puts numbers where their family is read, cut to what each place can hold.
fn place_piece(operand: &Operand, piece: Piece, numbers: &mut [Vec<(u128, u128)>]) {
    let Operand::Field { field, .. } = operand else {
        numbers[0].push((piece.lo, piece.hi));
        return;
    };
    let only = piece.family.filter(|_| field.ty == Ty::Addr).map(|family| match family {
        Family::V4 => 0,
        Family::V6 => 1,
    });
    for (n, place) in field.places.iter().enumerate() {
        let top = place_max(place);
        if only.is_none_or(|only| only == n) && piece.lo <= top {
            numbers[n].push((piece.lo, piece.hi.min(top)));
        }
    }
}

/// How many of the values that can be read are among those asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Possible {
    None,
    Some,
    All,
}

fn field_possible(field: &Field, mask: Option<u128>, values: &[Ranges]) -> Possible {
    let mut each = field.places.iter().zip(values).map(|(place, values)| match place.at {
        At::Const(n) if mask.is_none() => {
            if values.contains(u128::from(n)) {
                Possible::All
            } else {
                Possible::None
            }
        }
        At::Bits { width_bits, shift, add, .. } if mask.is_none() => {
            let width = u32::from(width_bits);
            possible(&values.unscale(u32::from(shift), u128::from(add), width), None, width)
        }
        At::Nowhere | At::Bits { .. } | At::Const(_) | At::Info(_) | At::Arrival(_) => {
            possible(values, mask, place.width_bits())
        }
    });
    let first = each.next().unwrap_or(Possible::Some);
    each.fold(first, |a, b| if a == b { a } else { Possible::Some })
}

/// The same for a number of `width_bits` bits, masked.
fn possible(values: &Ranges, mask: Option<u128>, width_bits: u32) -> Possible {
    let top = max_value(width_bits);
    let mask = mask.unwrap_or(top);
    let ranges = values.as_slice();
    if ranges.first().is_some_and(|&(lo, hi)| lo == 0 && hi >= mask) {
        Possible::All
    } else if ranges.iter().all(|&(lo, hi)| lo > mask || (lo == hi && lo & !mask != 0)) {
        Possible::None
    } else {
        Possible::Some
    }
}
