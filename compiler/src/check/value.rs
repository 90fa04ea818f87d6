//! Values: words, texts, lists and names of constants, not yet fitted to a field.

use super::diags::Diags;
use super::names::{Names, Sort, nearest};
use super::words::{self, is_name, range_ends};
use super::{errors, graph};
use crate::fields::FIELDS;
use crate::hir::{Pattern, SetId};
use cranelift_entity::EntityRef;
use l4c_grammar::{Name, S, Span, Value, spanned};
use std::cell::Cell;
use std::rc::Rc;

/// All lists of constants together may hold so many values: a list of lists of lists grows fast.
const MAX_LISTED: usize = 4_000_000;

/// What a value means by itself.
#[derive(Debug, Clone)]
pub(crate) enum Val {
    /// A number or size.
    Number(u64),
    /// Nanoseconds.
    Duration(u64),
    /// `N/M`, whatever the numbers.
    Ratio { part: u64, whole: u64 },
    /// `N/s`: so many in so many nanoseconds.
    Rate { amount: u64, per_ns: u64 },
    /// An IPv4 address.
    Addr4(u32),
    /// An IPv6 address.
    Addr6(u128),
    /// An IPv4 prefix, host bits as written.
    Prefix4 { address: u32, len: u8 },
    /// An IPv6 prefix, host bits as written.
    Prefix6 { address: u128, len: u8 },
    /// A hardware address.
    Mac(u64),
    /// `A-B`, both ends included.
    Range(Box<(Val, Val)>),
    /// A word that only a field can know: `tcp`, `echo_request`.
    Name(String),
    /// Text or hex.
    Bytes(Rc<Pattern>),
    /// `(syn|ack)`
    Flags(Vec<Name>),
    /// `@name`
    Set(SetId),
    /// A list without lists in it.
    List(Rc<[S<Val>]>),
    /// Reported already.
    Error,
}

impl Pattern {
    /// Text; `nocase` lets ASCII letters stand for either case.
    pub(crate) fn text(bytes: &[u8], nocase: bool) -> Self {
        let case = |b: &u8| if nocase && b.is_ascii_alphabetic() { 0xdf } else { 0xff };
        let care: Vec<u8> = bytes.iter().map(case).collect();
        let want = bytes.iter().zip(&care).map(|(b, c)| b & c).collect();
        Self { want, care }
    }

    pub(crate) fn hex(bytes: &[Option<u8>]) -> Self {
        Self {
            want: bytes.iter().map(|b| b.unwrap_or(0)).collect(),
            care: bytes.iter().map(|b| if b.is_some() { 0xff } else { 0 }).collect(),
        }
    }
}

impl Val {
    /// As a user calls it.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Duration(_) => "a duration",
            Self::Ratio { .. } => "a ratio",
            Self::Rate { .. } => "a rate",
            Self::Addr4(_) => "an IPv4 address",
            Self::Addr6(_) => "an IPv6 address",
            Self::Prefix4 { .. } => "an IPv4 prefix",
            Self::Prefix6 { .. } => "an IPv6 prefix",
            Self::Mac(_) => "a hardware address",
            Self::Range(_) => "a range",
            Self::Name(_) => "a word",
            Self::Bytes(_) => "a text",
            Self::Flags(_) => "flags",
            Self::Set(_) => "a set",
            Self::List(_) => "a list",
            Self::Error => "a mistake",
        }
    }

    /// Its number, for one value that has one.
    fn single(&self) -> Option<u128> {
        if let Self::Number(n) | Self::Mac(n) = self {
            Some(u128::from(*n))
        } else if let Self::Addr4(n) = self {
            Some(u128::from(*n))
        } else if let Self::Addr6(n) = self {
            Some(*n)
        } else {
            None
        }
    }
}

/// The elements of a list, or the one value.
pub(crate) fn elements(value: &S<Val>) -> &[S<Val>] {
    if let Val::List(list) = &value.node { list } else { std::slice::from_ref(value) }
}

/// Values that stand for the parameters of a `match`.
pub(crate) type Params<'p> = &'p [(&'p str, S<Val>)];

/// What values need to know: names, and what the constants are.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    /// All names.
    pub names: Names<'a>,
    lets: Vec<Val>,
    listed: Cell<usize>,
}

impl<'a> Values<'a> {
    /// Works out every constant, whatever their order.
    pub(crate) fn new(names: Names<'a>, diags: &mut Diags) -> Self {
        let lets = vec![Val::Error; names.lets.len()];
        let mut values = Self { names, lets, listed: Cell::new(0) };
        let edges: Vec<Vec<usize>> = values
            .names
            .lets
            .iter()
            .map(|item| {
                let mut used = Vec::new();
                values.constants_in(&item.value.node, &mut used);
                used
            })
            .collect();
        let order = graph::order(&edges);
        for cycle in order.cycles {
            let names: Vec<&Name> = cycle.iter().map(|&n| values.names.lets[n].name).collect();
            diags.push(errors::name_cycle(&names));
        }
        for n in order.post {
            let value = values.value(values.names.lets[n].value, &[], diags);
            let known = values.check_words(&value, diags);
            values.lets[n] = if known { value.node } else { Val::Error };
        }
        values
    }

    /// The constants that a value names.
    fn constants_in(&self, value: &Value, out: &mut Vec<usize>) {
        match value {
            Value::Word(word) => {
                let (low, high) = range_ends(word).unwrap_or((word, ""));
                for word in [low, high] {
                    let symbol = self.names.peek(word).filter(|s| s.sort == Sort::Let);
                    out.extend(symbol.map(|s| s.index));
                }
            }
            Value::List(list) | Value::Tuple(list) => {
                for value in list {
                    self.constants_in(&value.node, out);
                }
            }
            Value::Text { .. } | Value::Hex(_) | Value::SetRef(_) | Value::Flags(_) => {}
        }
    }

    /// A word in a constant that no field knows is a slip, whether or not the constant is used.
    fn check_words(&self, value: &S<Val>, diags: &mut Diags) -> bool {
        let mut all = true;
        for element in elements(value) {
            let Val::Name(word) = &element.node else { continue };
            if !FIELDS.iter().any(|f| f.names.iter().any(|(name, _)| name == word)) {
                let like = self.names.like(word, Sort::Let, diags);
                diags.push(errors::unknown_name(element.span, word, like));
                all = false;
            }
        }
        all
    }

    /// What `value` means.
    pub(crate) fn value(&self, value: &S<Value>, params: Params<'_>, diags: &mut Diags) -> S<Val> {
        let span = value.span;
        let node = match &value.node {
            Value::Word(word) => self.word(word, span, params, diags),
            Value::Text { bytes, nocase } => Val::Bytes(Rc::new(Pattern::text(bytes, *nocase))),
            Value::Hex(bytes) => Val::Bytes(Rc::new(Pattern::hex(bytes))),
            Value::List(list) => self.list(list, span, params, diags),
            Value::Tuple(_) => {
                diags.push(errors::tuple_without_set(span));
                Val::Error
            }
            Value::SetRef(name) => self.set(name, span, diags).map_or(Val::Error, Val::Set),
            Value::Flags(names) => Val::Flags(names.clone()),
        };
        spanned(node, span)
    }

    fn list(&self, list: &[S<Value>], span: Span, params: Params<'_>, diags: &mut Diags) -> Val {
        let mut out = Vec::with_capacity(list.len());
        for value in list {
            let value = self.value(value, params, diags);
            let elements = elements(&value);
            self.listed.set(self.listed.get() + elements.len());
            if self.listed.get() > MAX_LISTED {
                diags.push(errors::too_large(
                    span,
                    &format!("the lists of this policy hold more than {MAX_LISTED} values"),
                    "put them into a `set` with `from \"FILE\"`",
                ));
                return Val::Error;
            }
            out.extend_from_slice(elements);
        }
        Val::List(out.into())
    }

    fn word(&self, word: &str, span: Span, params: Params<'_>, diags: &mut Diags) -> Val {
        if is_name(word) {
            return self.name(word, span, params, diags);
        }
        if let Some(problem) = words::dashed_mac(word) {
            diags.push(errors::word(span, word, problem));
            return Val::Error;
        }
        if let Some((low, high)) = range_ends(word) {
            return self.range((low, high), span, params, diags);
        }
        match words::parse(word) {
            Ok(val) => {
                warn_host_bits(&val, span, diags);
                val
            }
            Err(problem) => {
                diags.push(errors::word(span, word, problem));
                Val::Error
            }
        }
    }

    fn name(&self, word: &str, span: Span, params: Params<'_>, diags: &mut Diags) -> Val {
        if let Some((_, value)) = params.iter().find(|(name, _)| *name == word) {
            return value.node.clone();
        }
        // A user's own constant goes before the names that fields have for values.
        let Some(symbol) = self.names.find(word) else { return Val::Name(word.to_owned()) };
        match symbol.sort {
            Sort::Let => self.lets[symbol.index].clone(),
            Sort::Set => {
                diags.push(errors::set_without_at(span, word));
                Val::Error
            }
            Sort::Limit | Sort::Conns | Sort::Match | Sort::Chain | Sort::Hook => {
                diags.push(errors::wrong_sort(span, word, symbol, "a value"));
                Val::Error
            }
        }
    }

    fn range(
        &self,
        (low, high): (&str, &str),
        span: Span,
        params: Params<'_>,
        diags: &mut Diags,
    ) -> Val {
        let mut end = |word: &str| {
            let val = self.word(word, span, params, diags);
            let fits = val.single().is_some() || matches!(val, Val::Name(_) | Val::Error);
            if !fits {
                diags.push(errors::range_end(span, word, val.words()));
            }
            if fits { val } else { Val::Error }
        };
        let (low_val, high_val) = (end(low), end(high));
        if matches!(low_val, Val::Error) || matches!(high_val, Val::Error) {
            return Val::Error;
        }
        if let (Some(first), Some(last)) = (low_val.single(), high_val.single()) {
            if low_val.words() != high_val.words() {
                let words = format!("{} and {}", low_val.words(), high_val.words());
                diags.push(errors::range_mixed(span, &words));
                return Val::Error;
            }
            if first > last {
                diags.push(errors::range_empty(span, low, high));
                return Val::Error;
            }
        }
        Val::Range(Box::new((low_val, high_val)))
    }

    /// The set that `@name` means.
    pub(crate) fn set(&self, name: &str, span: Span, diags: &mut Diags) -> Option<SetId> {
        match self.names.find(name) {
            Some(symbol) if symbol.sort == Sort::Set => Some(SetId::new(symbol.index)),
            Some(symbol) => diags.none(errors::wrong_sort(span, name, symbol, "a set")),
            None if self.names.of_module(name) => None,
            None => {
                let like = self.names.like(name, Sort::Set, diags);
                diags.none(errors::unknown_set(span, name, like))
            }
        }
    }
}

/// A number of a count: `2000`, `50k`.
pub(crate) fn count(word: &Name, diags: &mut Diags) -> Option<u64> {
    match words::parse(&word.node) {
        Ok(Val::Number(n)) => Some(n),
        Ok(val) => diags.none(errors::wrong_type(word.span, "a number", &val)),
        Err(problem) => diags.none(errors::word(word.span, &word.node, problem)),
    }
}

/// Nanoseconds of a duration as rules write it: `10m`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn duration(word: &str) -> Result<u64, String> {
    match words::parse(word) {
        Ok(Val::Duration(ns)) if ns > 0 => Ok(ns),
        Ok(_) => Err(format!("`{word}` is no duration; as `10m` or `30s`")),
        Err(problem) => Err(errors::problem_words(word, &problem)),
    }
}

/// Nanoseconds of a duration: `10m`.
pub(crate) fn duration_ns(word: &Name, diags: &mut Diags) -> Option<u64> {
    match words::parse(&word.node) {
        Ok(Val::Duration(ns)) => Some(ns),
        Ok(val) => diags.none(errors::wrong_type(word.span, "a duration", &val)),
        Err(problem) => diags.none(errors::word(word.span, &word.node, problem)),
    }
}

/// The first and last address of a prefix.
pub(crate) fn prefix4(address: u32, len: u8) -> (u32, u32) {
    let host = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
    (address & !host, address | host)
}

/// The first and last address of a prefix.
pub(crate) fn prefix6(address: u128, len: u8) -> (u128, u128) {
    let host = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
    (address & !host, address | host)
}

fn warn_host_bits(val: &Val, span: Span, diags: &mut Diags) {
    if let Some(instead) = host_bits(val) {
        diags.push(errors::host_bits(span, &instead));
    }
}

/// For a prefix with host bits set, the prefix without them.
pub(crate) fn host_bits(val: &Val) -> Option<String> {
    if let Val::Prefix4 { address, len } = *val {
        let first = prefix4(address, len).0;
        (first != address).then(|| format!("{}/{len}", std::net::Ipv4Addr::from(first)))
    } else if let Val::Prefix6 { address, len } = *val {
        let first = prefix6(address, len).0;
        (first != address).then(|| format!("{}/{len}", std::net::Ipv6Addr::from(first)))
    } else {
        None
    }
}

/// The name of a value most like `word`.
pub(crate) fn like_value(
    word: &str,
    names: &[(&'static str, u64)],
    diags: &Diags,
) -> Option<String> {
    nearest(word, names.iter().map(|(name, _)| *name), diags).map(str::to_owned)
}
