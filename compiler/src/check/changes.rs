//! `add KEY to @set [for D]`, `del KEY from @set`, and the question whether several fields are in a set.

use super::value::{Params, Val};
use super::want::Kind;
use super::{Checker, elements, errors};
use crate::fields::Ty;
use crate::hir::{Change, ChangeKind, Effect, KeyPart, Pred, SetId, TestStepKind, TupleTest};
use cranelift_entity::EntityRef;
use l4c_grammar::{self as ast, Action, OperandBase, S, Span, Value};
use l4c_manifest::{Column, Key};

impl Checker<'_> {
    /// `add` or `del`.
    pub(super) fn change(&mut self, action: &Action) -> Option<Effect> {
        let add = action.verb.node == "add";
        let (to, form) = if add {
            ("to", "add KEY to @SET [for DURATION]")
        } else {
            ("from", "del KEY from @SET")
        };
        let wrong = |checker: &mut Self, span: Span| {
            checker.diags.none(errors::change_form(span, &action.verb.node, form))
        };
        let (key, set, rest) = match action.args.as_slice() {
            [key, word, set, rest @ ..] if is_word(word, to) => (key, set, rest),
            [_, word, ..] => return wrong(self, word.span),
            _ => return wrong(self, action.span),
        };
        let lifetime = match rest {
            [] => None,
            [word, duration] if add && is_word(word, "for") => Some(self.lifetime(duration)?),
            [word, ..] => return wrong(self, word.span),
        };
        let id = self.named_set(set)?;
        let parts = self.key(std::slice::from_ref(key));
        if !self.sets[id.index()].dynamic {
            let name = self.sets[id.index()].name.clone();
            let at = self.policy.sets[id].span;
            return self.diags.none(errors::set_never_changes(set.span, &name, at));
        }
        self.key_fits(id, &parts, key.span)?;
        let stored = self.policy.sets[id].stored.as_ref();
        let timeout_ns = stored.and_then(|stored| stored.timeout_ns);
        let what = if add { ChangeKind::Add(lifetime.or(timeout_ns)) } else { ChangeKind::Del };
        Some(Effect::Change(Change { set: id, key: parts, what }))
    }

    /// `@name`
    fn named_set(&mut self, value: &S<Value>) -> Option<SetId> {
        match self.values.value(value, &[], &mut self.diags).node {
            Val::Set(id) => Some(id),
            Val::Error => None,
            _ => self.diags.none(errors::no_set(value.span)),
        }
    }

    /// Does a key go with the columns of a set?
    fn key_fits(&mut self, set: SetId, parts: &[KeyPart], span: Span) -> Option<()> {
        if parts.is_empty() {
            return None;
        }
        let facts = &self.sets[set.index()];
        let (ty, columns) = facts.ty.clone()?;
        let (name, prefix) = (facts.name.clone(), facts.prefix);
        let fits = parts.len() == columns.len()
            && parts.iter().zip(&columns).all(|(part, column)| part_fits(part, *column));
        if !fits {
            return self.diags.none(errors::key_of_other(span, &name, &ty));
        }
        let [part] = parts else { return Some(()) };
        let whole = !columns[0].is_address() || part.prefix_bits == [32, 128];
        if prefix || whole {
            return Some(());
        }
        self.diags.none(errors::masked_element(span, &name, &part.text()))
    }

    /// `expect @set has VALUE`
    pub(super) fn expect_set(&mut self, set: &ast::Name, value: &S<Value>) -> Option<TestStepKind> {
        let named = ast::spanned(Value::SetRef(set.node.clone()), set.span);
        let id = self.named_set(&named)?;
        let facts = &self.sets[id.index()];
        let (ty, columns) = facts.ty.clone()?;
        let by = format!("the set `{}` of `{ty}`", facts.name);
        let prefix = facts.prefix;
        let wants = elements::wants(&columns, prefix, &by);
        let parts = match &value.node {
            Value::Tuple(parts) if wants.len() > 1 => parts.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if parts.len() != wants.len() {
            return self.diags.none(errors::tuple_parts(value.span, wants.len()));
        }
        let mut pieces = Vec::new();
        for (part, want) in parts.iter().zip(&wants) {
            let val = self.values.value(part, &[], &mut self.diags);
            match want.piece(&val, &self.diags) {
                Ok(piece) => pieces.push(piece),
                Err(misfit) => misfit.into_iter().for_each(|d| self.diags.push(*d)),
            }
        }
        if pieces.len() < parts.len() {
            return None;
        }
        match elements::keys(prefix, &pieces).map(<[Key; 1]>::try_from) {
            Ok(Ok([key])) => Some(TestStepKind::ExpectSet { set: id, key }),
            Ok(Err(_)) => self.diags.none(errors::one_value(value.span, &by)),
            Err(why) => self.diags.none(errors::no_element(value.span, &why)),
        }
    }

    /// `(src, dport) in @flows`
    pub(super) fn tuple(
        &mut self,
        parts: &[ast::Operand],
        negated: bool,
        (rhs, span): (&S<Value>, Span),
        params: Params<'_>,
    ) -> Option<Pred> {
        self.spend(1, 0, span)?;
        let mut key = Vec::new();
        for part in parts {
            let word = match &part.base {
                OperandBase::Field(name) if part.mask.is_none() => name,
                OperandBase::Field(_) | OperandBase::Slice { .. } | OperandBase::Tuple(_) => {
                    self.diags.push(errors::tuple_part(part.span));
                    continue;
                }
            };
            key.extend(self.key_part(word, part.span));
        }
        let id = match self.values.value(rhs, params, &mut self.diags).node {
            Val::Set(id) => id,
            Val::Error => return None,
            _ => return self.diags.none(errors::tuple_without_set(rhs.span)),
        };
        if key.len() < parts.len() {
            return None;
        }
        let (ty, columns) = self.sets[id.index()].ty.clone()?;
        let name = self.sets[id.index()].name.clone();
        let fits = key.len() == columns.len()
            && key.iter().zip(&columns).all(|(part, column)| part_fits(part, *column));
        if !fits {
            return self.diags.none(errors::key_of_other(rhs.span, &name, &ty));
        }
        Some(Pred::Tuple(TupleTest { set: id, key, negated, span }))
    }
}

/// Is a field's value one that may stand in the column?
fn part_fits(part: &KeyPart, column: Column) -> bool {
    match (part.field.ty, elements::kind(column)) {
        (Ty::Addr, Kind::Addr { .. })
        | (Ty::Addr4, Kind::Addr { v4: true, .. })
        | (Ty::Addr6, Kind::Addr { v6: true, .. })
        | (Ty::Mac, Kind::Mac) => true,
        (Ty::Port, Kind::Port) => true,
        (Ty::Number | Ty::Port | Ty::Flags | Ty::Bit, Kind::Number) => {
            part.field.width_bits() <= column.bits(false)
        }
        _ => false,
    }
}

fn is_word(value: &S<Value>, wanted: &str) -> bool {
    matches!(&value.node, Value::Word(word) if word == wanted)
}
