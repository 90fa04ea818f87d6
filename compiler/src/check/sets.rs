//! Sets: their elements, written out and from files.

use super::elements::{self, COLUMNS};
use super::names::nearest;
use super::operand::Target;
use super::value::{self, Val};
use super::want::{Family, Kind, Piece, Want};
use super::{Checker, errors};
use crate::hir::{Operand, Set, SetId, Stored, set_form};
use crate::ranges::Ranges;
use l4c_grammar::{self as ast, S, SetDecl, Span, Value};
use l4c_manifest::{Column, Key, MAX_KEY_BYTES, key_bytes};

/// Elements that a set holds unless it says otherwise.
const DEFAULT_MAX: u64 = 65_536;

/// The largest `max`.
const LARGEST_MAX: u64 = 64 << 20;

/// The longest life of an element: a hundred years.
const MAX_LIFETIME_NS: u64 = 100 * 365 * 86_400 * 1_000_000_000;

/// What a set is made of.
#[derive(Debug, Clone)]
struct Form {
    /// As rules write it.
    ty: String,
    columns: Vec<Column>,
    prefix: bool,
    tuple: bool,
}

/// Properties of a set.
#[derive(Debug, Clone, Copy, Default)]
struct Props {
    max: Option<u64>,
    dynamic: Option<Span>,
    timeout: Option<(u64, Span)>,
}

/// What later checks ask of a set.
#[derive(Debug, Clone)]
pub(super) struct SetFacts {
    /// Its name.
    pub name: String,
    /// Its type, if that is one, and its columns.
    pub ty: Option<(String, Vec<Column>)>,
    /// Elements are prefixes.
    pub prefix: bool,
    /// It may change while it is loaded.
    pub dynamic: bool,
    /// Its shortest prefix, if that is shorter than /8.
    pub wide: Option<String>,
}

/// Elements while they are gathered.
#[derive(Default)]
pub(super) struct Gathered {
    narrow: Vec<(u128, u128)>,
    wide: Vec<(u128, u128)>,
    /// Of a set that is kept in maps.
    pub keys: Vec<Key>,
    shortest: Option<(u8, String)>,
}

impl Gathered {
    pub fn add(&mut self, piece: Piece, val: &Val) {
        match piece.family {
            Some(Family::V4) | None => self.narrow.push((piece.lo, piece.hi)),
            Some(Family::V6) => self.wide.push((piece.lo, piece.hi)),
        }
        let prefix = if let Val::Prefix4 { address, len } = *val {
            Some((len, std::net::IpAddr::from(address.to_be_bytes())))
        } else if let Val::Prefix6 { address, len } = *val {
            Some((len, std::net::IpAddr::from(address.to_be_bytes())))
        } else {
            None
        };
        if let Some((len, address)) = prefix.filter(|(len, _)| *len < 8)
            && self.shortest.as_ref().is_none_or(|(shortest, _)| len < *shortest)
        {
            self.shortest = Some((len, format!("{address}/{len}")));
        }
    }

    /// Elements, each once.
    fn count(&mut self) -> usize {
        for list in [&mut self.narrow, &mut self.wide] {
            list.sort_unstable();
            list.dedup();
        }
        self.narrow.len() + self.wide.len()
    }
}

impl Checker<'_> {
    /// Fills the policy's sets, in source order: a [`SetId`] is a place in the names' list.
    pub(super) fn check_sets(&mut self) {
        for decl in self.values.names.sets.clone() {
            let (set, facts) = self.set(decl);
            self.policy.sets.push(set);
            self.sets.push(facts);
        }
    }

    fn set(&mut self, decl: &SetDecl) -> (Set, SetFacts) {
        let name = decl.name.node.clone();
        let mut gathered = Gathered::default();
        let form = self.set_form(decl);
        let props = self.set_props(decl);
        let max = props.max.unwrap_or(DEFAULT_MAX);
        let tuple = form.as_ref().is_some_and(|form| form.tuple);
        let stored = tuple || props.dynamic.is_some();
        if let Some(form) = &form {
            let by = format!("the set `{}` of `{}`", errors::shown(&name), form.ty);
            let wants = elements::wants(&form.columns, form.prefix, &by);
            let stored = stored.then_some(form.prefix);
            for element in &decl.elements {
                self.written_element((&wants, stored), element, &mut gathered);
            }
            for from in &decl.from {
                self.file_elements((&wants, stored), from, &mut gathered);
            }
        } else {
            // Words are told from mistakes even where the type is none.
            for element in decl.elements.iter().filter(|v| !matches!(v.node, Value::Tuple(_))) {
                self.values.value(element, &[], &mut self.diags);
            }
        }
        let stored = form.as_ref().filter(|_| stored).map(|form| Stored {
            ty: form.ty.clone(),
            columns: form.columns.clone(),
            prefix: form.prefix,
            dynamic: props.dynamic.is_some(),
            timeout_ns: props.timeout.map(|(ns, _)| ns),
            max: max as u32,
            keys: packed(form, std::mem::take(&mut gathered.keys)),
        });
        if form.is_some() {
            self.check_size(decl, &mut gathered, stored.as_ref(), max);
        }
        let set = Set {
            name: name.clone(),
            span: decl.name.span,
            narrow: Ranges::from_unsorted(gathered.narrow),
            wide: Ranges::from_unsorted(gathered.wide),
            stored,
        };
        let wide = gathered.shortest.map(|(_, text)| text);
        let prefix = form.as_ref().is_some_and(|form| form.prefix);
        let dynamic = props.dynamic.is_some();
        let ty = form.map(|form| (form.ty, form.columns));
        (set, SetFacts { name, ty, prefix, dynamic, wide })
    }

    fn set_form(&mut self, decl: &SetDecl) -> Option<Form> {
        let mut columns = Vec::new();
        let mut prefix = false;
        for word in &decl.ty {
            let found = COLUMNS.iter().find(|(name, ..)| *name == word.node);
            let Some(&(_, column, is_prefix)) = found else {
                let like = nearest(&word.node, COLUMNS.iter().map(|row| row.0), &self.diags);
                self.diags.push(errors::unknown_set_type(word, like));
                continue;
            };
            if is_prefix && decl.tuple {
                self.diags.push(errors::prefix_in_tuple(word));
            }
            prefix |= is_prefix;
            columns.push(column);
        }
        if columns.len() < decl.ty.len() || prefix && decl.tuple {
            return None;
        }
        let words: Vec<&str> = decl.ty.iter().map(|word| word.node.as_str()).collect();
        let bits: Vec<u32> = columns.iter().map(|column| column.bits(true)).collect();
        if key_bytes(&bits) > MAX_KEY_BYTES {
            let (first, last) = (decl.ty.first()?, decl.ty.last()?);
            let diag = errors::tuple_too_wide(first.span.to(last.span), key_bytes(&bits));
            return self.diags.none(diag);
        }
        let ty = if decl.tuple { format!("({})", words.join(", ")) } else { words.concat() };
        Some(Form { ty, columns, prefix, tuple: decl.tuple })
    }

    /// `max N`, `dynamic`, `timeout D`, and a word for every other property.
    fn set_props(&mut self, decl: &SetDecl) -> Props {
        let mut props = Props::default();
        for prop in &decl.props {
            let word = prop.name.node.as_str();
            let twice = match word {
                "max" => props.max.is_some(),
                "dynamic" => props.dynamic.is_some(),
                "timeout" => props.timeout.is_some(),
                _ => {
                    let known = ["max", "from", "dynamic", "timeout"];
                    let like = nearest(word, known.into_iter(), &self.diags);
                    self.diags.push(errors::unknown_property(&prop.name, "set", like));
                    continue;
                }
            };
            if twice {
                self.diags.push(errors::property_twice(&prop.name));
                continue;
            }
            match word {
                "max" => props.max = Some(self.set_max(prop)),
                "timeout" => {
                    let ns = self.timeout(prop).unwrap_or(1);
                    props.timeout = Some((ns, prop.span));
                }
                _ => {
                    props.dynamic = Some(prop.span);
                    if let Some(value) = prop.values.first() {
                        let diag = errors::property_values(value.span, "dynamic", "nothing");
                        self.diags.push(diag);
                    }
                }
            }
        }
        if let (None, Some((_, span))) = (props.dynamic, props.timeout) {
            self.diags.push(errors::timeout_static(span, &decl.name.node));
        }
        props
    }

    /// `timeout 10m`
    fn timeout(&mut self, prop: &ast::Prop) -> Option<u64> {
        let [value] = prop.values.as_slice() else {
            let diag = errors::property_values(prop.span, "timeout", "one duration, as `10m`");
            return self.diags.none(diag);
        };
        self.lifetime(value)
    }

    /// How long an element stays.
    pub(super) fn lifetime(&mut self, value: &S<Value>) -> Option<u64> {
        let val = self.values.value(value, &[], &mut self.diags);
        match val.node {
            Val::Duration(ns) if (1..=MAX_LIFETIME_NS).contains(&ns) => Some(ns),
            Val::Duration(_) => self.diags.none(errors::lifetime(value.span)),
            Val::Error => None,
            other => self.diags.none(errors::wrong_type(value.span, "a duration", &other)),
        }
    }

    fn set_max(&mut self, prop: &ast::Prop) -> u64 {
        let [value] = prop.values.as_slice() else {
            self.diags.push(errors::property_values(prop.span, "max", "one number"));
            return LARGEST_MAX;
        };
        let want = Want {
            kind: Kind::Number,
            max: u128::from(LARGEST_MAX),
            names: &[],
            by: "`max`".to_owned(),
            many: false,
        };
        let value = self.values.value(value, &[], &mut self.diags);
        match want.number(&value, &self.diags) {
            Ok(n) => u64::try_from(n).unwrap_or(LARGEST_MAX),
            Err(misfit) => {
                misfit.into_iter().for_each(|d| self.diags.push(*d));
                LARGEST_MAX
            }
        }
    }

    /// An element that stands in the rules.
    fn written_element(
        &mut self,
        (wants, stored): (&[Want], Option<bool>),
        element: &S<Value>,
        gathered: &mut Gathered,
    ) {
        let parts: Vec<S<Val>> = match (&element.node, wants) {
            (Value::Tuple(parts), [_, _, ..]) => {
                parts.iter().map(|part| self.values.value(part, &[], &mut self.diags)).collect()
            }
            (_, [_]) => {
                let value = self.values.value(element, &[], &mut self.diags);
                for one in value::elements(&value) {
                    self.element((wants, stored), std::slice::from_ref(one), one.span, gathered);
                }
                return;
            }
            _ => Vec::new(),
        };
        if parts.len() != wants.len() {
            return self.diags.push(errors::tuple_parts(element.span, wants.len()));
        }
        self.element((wants, stored), &parts, element.span, gathered);
    }

    fn element(
        &mut self,
        (wants, stored): (&[Want], Option<bool>),
        parts: &[S<Val>],
        span: Span,
        gathered: &mut Gathered,
    ) {
        let mut pieces = Vec::new();
        for (part, want) in parts.iter().zip(wants) {
            match want.piece(part, &self.diags) {
                Ok(piece) => pieces.push(piece),
                Err(misfit) => misfit.into_iter().for_each(|d| self.diags.push(*d)),
            }
        }
        if pieces.len() < parts.len() {
            return;
        }
        if let ([piece], [part]) = (pieces.as_slice(), parts) {
            gathered.add(*piece, &part.node);
        }
        match stored.map(|prefix| elements::keys(prefix, &pieces)) {
            Some(Ok(keys)) => gathered.keys.extend(keys),
            Some(Err(why)) => self.diags.push(errors::no_element(span, &why)),
            None => {}
        }
    }

    fn check_size(
        &mut self,
        decl: &SetDecl,
        gathered: &mut Gathered,
        stored: Option<&Stored>,
        max: u64,
    ) {
        let count = match stored {
            Some(stored) => stored.count(),
            None => gathered.count() as u64,
        };
        let may_be_empty = stored.is_some_and(|stored| stored.dynamic);
        if count > max {
            self.diags.push(errors::set_too_large(decl.name.span, &decl.name.node, count, max));
        } else if count == 0 && !may_be_empty && !self.diags.any_error() {
            self.diags.push(errors::set_empty(decl.name.span, &decl.name.node));
        }
    }

    /// Reports a set whose elements a comparison cannot ask for.
    pub(super) fn set_fits(&mut self, target: &Target, set: SetId, span: Span) -> Option<()> {
        let facts = &self.sets[cranelift_entity::EntityRef::index(set)];
        let (name, columns) = facts.ty.clone()?;
        let [column] = columns.as_slice() else {
            return self.diags.none(errors::set_of_tuples(span, &facts.name, &name));
        };
        let kind = elements::kind(*column);
        let Some(want) = &target.want else {
            let Operand::Bytes { slice, .. } = target.operand else { return None };
            let diag = match slice.len_bytes {
                Some(len) => errors::bytes_number(span, len, "a set"),
                None => errors::text_misplaced_set(span),
            };
            return self.diags.none(diag);
        };
        let bytes = matches!(target.operand, Operand::Bytes { .. });
        let fits = match (want.kind, kind) {
            (Kind::Addr { v4, v6 }, Kind::Addr { v4: has4, v6: has6 }) => {
                (v4 && has4) || (v6 && has6)
            }
            (Kind::Number, Kind::Port) => bytes,
            (Kind::Number | Kind::Port, Kind::Number)
            | (Kind::Port, Kind::Port)
            | (Kind::Mac, Kind::Mac) => true,
            (
                Kind::Addr { .. }
                | Kind::Number
                | Kind::Port
                | Kind::Mac
                | Kind::Flags
                | Kind::Iface,
                _,
            ) => false,
        };
        if fits {
            return Some(());
        }
        let diag = errors::set_of_other(span, &facts.name, &name, &want.by, want.words());
        self.diags.none(diag)
    }
}

/// Keys as they lie in maps, in order and each once: those of IPv6 apart.
fn packed(form: &Form, keys: Vec<Key>) -> [Vec<u8>; 2] {
    let set = set_form(&form.columns, form.prefix);
    [false, true].map(|wide| {
        let of_family = keys.iter().filter(|key| key.wide == wide);
        let mut keys: Vec<Vec<u8>> = of_family.map(|key| set.pack(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.concat()
    })
}
