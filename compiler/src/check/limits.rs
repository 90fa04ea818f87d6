//! `limit NAME { … }`, and the predicates that ask one.

use super::names::Sort;
use super::value::Val;
use super::words::per_ns;
use super::{Checker, errors};
use crate::fields::{At, Field, Ty};
use crate::hir::{Kept, KeyPart, Limit, LimitId, LimitTest, Pred};
use cranelift_entity::EntityRef;
use l4c_grammar::{LimitDecl, Name, Prop, S, Span, Value, spanned};
use l4c_manifest::{Full, HookKind, Rate, Setting, Unfit, Unit};

/// Keys that find room unless a limit says otherwise.
pub(super) const DEFAULT_MAX: u64 = 65_536;

/// The largest `max`: a table of some gigabytes.
const LARGEST_MAX: u64 = 32 << 20;

/// Keys over the limit at once that a sketch is made for, unless it says otherwise, and at most: a table of two gigabytes.
const DEFAULT_HEAVY: u64 = 4096;
const LARGEST_HEAVY: u64 = 1 << 20;

/// A byte limit holds a full Ethernet frame at least, unless it says otherwise.
const FRAME_BYTES: u64 = 1514;

/// Bits of a key at most.
const MAX_KEY_BITS: u32 = 8 * 64;

const SECOND_NS: u64 = 1_000_000_000;

/// Words for units; how many of them make one that is counted.
const UNITS: &[(&str, Unit, u64)] = &[
    ("packets", Unit::Packets, 1),
    ("packet", Unit::Packets, 1),
    ("pkts", Unit::Packets, 1),
    ("bytes", Unit::Bytes, 1),
    ("byte", Unit::Bytes, 1),
    ("bits", Unit::Bytes, 8),
    ("bit", Unit::Bytes, 8),
];

/// An amount, and the unit that stood behind it, if one did.
#[derive(Clone, Copy)]
struct Amount {
    number: u64,
    unit: Option<(Unit, u64)>,
    span: Span,
}

/// The properties of a limit, each once.
#[derive(Default)]
struct Props<'d> {
    rate: Option<&'d Prop>,
    burst: Option<&'d Prop>,
    per: Option<&'d Prop>,
    max: Option<&'d Prop>,
    full: Option<&'d Prop>,
    storage: Option<&'d Prop>,
    quota: Option<&'d Prop>,
    sketch: Option<&'d Prop>,
}

impl Checker<'_> {
    /// Checks the limits; a [`LimitId`] is a place in the names' list, that of limits, and behind it that of conns.
    pub(super) fn check_limits(&mut self) {
        for decl in self.values.names.limits.clone() {
            let limit = self.limit(decl);
            self.policy.limits.push(limit);
        }
        for decl in self.values.names.conns.clone() {
            let conns = self.conns(decl);
            self.policy.limits.push(conns);
        }
    }

    fn limit(&mut self, decl: &LimitDecl) -> Limit {
        let props = self.limit_props(decl);
        let (unit, rate, burst) = self.pace(decl, &props);
        let key = props.per.map_or_else(Vec::new, |per| self.key(&per.values));
        let full = props.full.map_or(Full::Evict, |full| {
            let rows = [("evict", Full::Evict), ("drop", Full::Drop), ("pass", Full::Pass)];
            self.one_of(full, &rows).unwrap_or(Full::Evict)
        });
        let word = props.storage.is_some_and(|storage| {
            let rows = [("word", true), ("lock", false)];
            self.one_of(storage, &rows).unwrap_or(false)
        });
        let max = props.max.map_or(DEFAULT_MAX, |max| self.limit_max(max));
        if props.per.is_none() {
            self.without_key([props.max, props.full, props.sketch]);
        }
        let heavy = props.sketch.and_then(|sketch| self.sketch(sketch, &props));
        let kept = match (heavy, word) {
            (Some(_), _) => Kept::Sketch,
            (None, true) => Kept::Word,
            (None, false) => Kept::Bucket,
        };
        Limit {
            name: decl.name.node.clone(),
            span: decl.name.span,
            unit,
            rate,
            burst,
            key,
            max: heavy.unwrap_or(max),
            full,
            kept,
        }
    }

    /// `sketch [N]`: how many keys may be over the limit; none if it can't be.
    fn sketch(&mut self, sketch: &Prop, props: &Props<'_>) -> Option<u64> {
        if self.kind != HookKind::Xdp {
            return self.diags.none(errors::needs_lock(sketch.name.span, self.kind));
        }
        props.per?;
        for other in [props.max, props.full, props.storage].into_iter().flatten() {
            let why = format!(
                "a sketch has no room for single keys, and `{}` says nothing",
                other.name.node
            );
            let help = "leave it out; `sketch 10k` is for ten thousand keys that are over the limit at once";
            self.diags.push(errors::limit_property(&other.name, &why, help));
        }
        if let Some(quota) = props.quota {
            let why = "what is spent of a quota does not come back, and would fill a sketch up";
            self.diags.push(errors::limit(quota.span, why, "use `max` in place of `sketch`"));
        }
        if sketch.values.is_empty() { Some(DEFAULT_HEAVY) } else { Some(self.heavy(sketch)) }
    }

    fn heavy(&mut self, prop: &Prop) -> u64 {
        let text = self.texts(prop).join(" ");
        let why = match self.number_of(&text, prop.span, "sketch") {
            Some(n @ 1..=LARGEST_HEAVY) => return n,
            Some(0) => "a sketch for no key over the limit limits nobody".to_owned(),
            Some(_) => format!("a sketch is for {LARGEST_HEAVY} keys over the limit at most"),
            None => return DEFAULT_HEAVY,
        };
        let help = "`sketch` alone is for 4096 keys that are over the limit at once";
        self.diags.push(errors::limit(prop.span, &why, help));
        DEFAULT_HEAVY
    }

    /// What says nothing where there is no key.
    pub(super) fn without_key<'d>(&mut self, props: impl IntoIterator<Item = Option<&'d Prop>>) {
        for prop in props.into_iter().flatten() {
            let why = format!(
                "without `per` there is one for all, and `{}` says nothing",
                prop.name.node
            );
            let help = "leave it out, or add `per src`";
            self.diags.push(errors::limit_property(&prop.name, &why, help));
        }
    }

    fn limit_props<'d>(&mut self, decl: &'d LimitDecl) -> Props<'d> {
        let mut props = Props::default();
        for prop in &decl.props {
            let place = match prop.name.node.as_str() {
                "rate" => &mut props.rate,
                "burst" => &mut props.burst,
                "per" => &mut props.per,
                "max" => &mut props.max,
                "full" => &mut props.full,
                "storage" => &mut props.storage,
                "quota" => &mut props.quota,
                // The grammar lets no other through.
                _ => &mut props.sketch,
            };
            if place.replace(prop).is_some() {
                self.diags.push(errors::property_twice(&prop.name));
            }
        }
        props
    }

    /// What is counted, how fast a bucket fills, and what it holds.
    fn pace(&mut self, decl: &LimitDecl, props: &Props<'_>) -> (Unit, Option<Rate>, u64) {
        let nothing = (Unit::Packets, None, 1);
        let (unit, rate, burst) = match (props.rate, props.quota) {
            (None, None) => {
                let help = "add `rate 1000 packets/s`, or `quota 10G bytes`";
                let diag = errors::limit(decl.name.span, "this limit has no rate", help);
                self.diags.push(diag);
                return nothing;
            }
            (Some(_), Some(quota)) => {
                let why = "a quota is spent once, and has no rate";
                self.diags.push(errors::limit(quota.span, why, "leave `rate` or `quota` out"));
                return nothing;
            }
            (None, Some(quota)) => {
                if let Some(burst) = props.burst {
                    let why = "the quota itself is what a bucket holds";
                    self.diags.push(errors::limit(burst.span, why, "leave `burst` out"));
                }
                let Some(amount) = self.limit_amount(quota) else { return nothing };
                let (unit, of) = amount.unit.unwrap_or((Unit::Packets, 1));
                (unit, None, amount.number / of)
            }
            (Some(prop), None) => {
                let Some((unit, rate)) = self.rate(prop) else { return nothing };
                let burst = props.burst.and_then(|burst| self.burst(burst, unit));
                let second =
                    u128::from(rate.amount) * u128::from(SECOND_NS) / u128::from(rate.per_ns);
                let second = u64::try_from(second).unwrap_or(u64::MAX);
                let least = if unit == Unit::Bytes { FRAME_BYTES } else { 1 };
                (unit, Some(rate), burst.unwrap_or(second.max(least)))
            }
        };
        let span = props.burst.or(props.quota).or(props.rate).map_or(decl.name.span, |p| p.span);
        self.check_pace(span, unit, rate, burst);
        (unit, rate, burst)
    }

    fn check_pace(&mut self, span: Span, unit: Unit, rate: Option<Rate>, burst: u64) {
        if burst == 0 {
            let help =
                "one packet, or a frame of 1514 bytes, is the least that lets anything through";
            return self.diags.push(errors::limit(
                span,
                "a bucket of nothing is always empty",
                help,
            ));
        }
        match Setting::new(unit, rate, burst, 0) {
            Err(Unfit::Years(years)) => {
                let why = format!("a bucket of this limit would take {years} years to fill");
                self.diags.push(errors::limit_numbers(span, &why));
            }
            Err(Unfit::Fast) => {
                let why = "this is more in a nanosecond than can be counted";
                self.diags.push(errors::limit_numbers(span, why));
            }
            Ok(_) if unit == Unit::Bytes && burst < FRAME_BYTES => {
                self.diags.push(errors::small_burst(span, burst));
            }
            Ok(_) => {
                let endless = rate.is_some_and(|r| unit == Unit::Packets && r.amount >= r.per_ns);
                if endless {
                    self.diags.push(errors::cannot_bind(span));
                }
            }
        }
    }

    /// `1000 packets/s`, `1000/s`, `1000pps`, `1G bit/s`
    fn rate(&mut self, prop: &Prop) -> Option<(Unit, Rate)> {
        let form = |checker: &mut Self| checker.diags.none(errors::rate_form(prop.span));
        let (number, word) = match self.texts(prop).as_slice() {
            [one] => match one.strip_suffix("pps") {
                Some(number) => (number.to_owned(), "packets/s".to_owned()),
                None => match one.split_once('/') {
                    Some((number, per)) => (number.to_owned(), format!("packets/{per}")),
                    None => return self.named_rate(prop),
                },
            },
            [number, word] if word == "pps" => (number.clone(), "packets/s".to_owned()),
            [number, word] if word == "bps" => (number.clone(), "bit/s".to_owned()),
            [number, word] => (number.clone(), word.clone()),
            _ => return form(self),
        };
        let unit = word.split_once('/').and_then(|(unit, per)| {
            let &(_, unit, of) = UNITS.iter().find(|(name, ..)| *name == unit)?;
            Some((unit, of, per_ns(per)?))
        });
        let Some((unit, of, per_ns)) = unit else { return form(self) };
        let amount = self.number_of(&number, prop.span, "rate")?;
        if amount == 0 {
            let help = "`drop` alone lets nothing through";
            return self.diags.none(errors::limit(
                prop.span,
                "a rate of 0 lets nothing through",
                help,
            ));
        }
        // Bits by eights, or else in eight times the time.
        let rate = if amount.is_multiple_of(of) {
            Rate { amount: amount / of, per_ns }
        } else {
            Rate { amount, per_ns: per_ns * of }
        };
        Some((unit, rate))
    }

    /// A constant that is a rate, of packets.
    fn named_rate(&mut self, prop: &Prop) -> Option<(Unit, Rate)> {
        let value = self.values.value(prop.values.first()?, &[], &mut self.diags);
        match value.node {
            Val::Rate { amount, per_ns } if amount > 0 => {
                Some((Unit::Packets, Rate { amount, per_ns }))
            }
            Val::Error => None,
            _ => self.diags.none(errors::rate_form(prop.span)),
        }
    }

    /// `burst 2000 [packets]`, in the unit of the rate.
    fn burst(&mut self, prop: &Prop, unit: Unit) -> Option<u64> {
        let amount = self.limit_amount(prop)?;
        match amount.unit {
            Some((other, _)) if other != unit => {
                let words = if unit == Unit::Bytes { "bytes" } else { "packets" };
                self.diags.none(errors::other_unit(amount.span, "burst", words))
            }
            Some((_, of)) => Some(amount.number / of),
            None => Some(amount.number),
        }
    }

    fn limit_amount(&mut self, prop: &Prop) -> Option<Amount> {
        let word = prop.name.node.clone();
        let texts = self.texts(prop);
        let unit = match texts.get(1) {
            None => None,
            Some(unit) => match UNITS.iter().find(|(name, ..)| name == unit) {
                Some(&(_, unit, of)) => Some((unit, of)),
                None => return self.diags.none(errors::amount_form(prop.span, &word)),
            },
        };
        let number = self.number_of(texts.first()?, prop.span, &word)?;
        Some(Amount { number, unit, span: prop.span })
    }

    /// The words of a property, constants replaced by what they say.
    pub(super) fn texts(&self, prop: &Prop) -> Vec<String> {
        prop.values.iter().map(|value| self.sources.text(value.span).to_owned()).collect()
    }

    /// A number, or a constant that is one.
    pub(super) fn number_of(&mut self, word: &str, span: Span, what: &str) -> Option<u64> {
        let value = spanned(Value::Word(word.to_owned()), span);
        match self.values.value(&value, &[], &mut self.diags).node {
            Val::Number(n) => Some(n),
            Val::Error => None,
            _ if what == "rate" => self.diags.none(errors::rate_form(span)),
            _ => self.diags.none(errors::amount_form(span, what)),
        }
    }

    pub(super) fn limit_max(&mut self, prop: &Prop) -> u64 {
        let text = self.texts(prop).join(" ");
        match self.number_of(&text, prop.span, "max") {
            Some(0) => {
                let why = "a table for no key holds no bucket";
                self.diags.push(errors::limit(prop.span, why, "`max 1` is the least"));
                DEFAULT_MAX
            }
            Some(n) if n > LARGEST_MAX => {
                let why = format!("a table holds {LARGEST_MAX} keys at most");
                self.diags.push(errors::limit(prop.span, &why, "with `full evict` (the default) no more are needed: buckets that have refilled make room"));
                DEFAULT_MAX
            }
            Some(n) => n,
            None => DEFAULT_MAX,
        }
    }

    pub(super) fn one_of<T: Copy>(&mut self, prop: &Prop, rows: &[(&str, T)]) -> Option<T> {
        let text = self.texts(prop).join(" ");
        let found = rows.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<String> = rows.iter().map(|(name, _)| format!("`{name}`")).collect();
            let asked = format!("one of {}", names.join(", "));
            self.diags.push(errors::property_values(prop.span, &prop.name.node, &asked));
        }
        found.map(|&(_, value)| value)
    }

    /// The parts of a key: a list of fields, with masks.
    pub(super) fn key(&mut self, values: &[S<Value>]) -> Vec<KeyPart> {
        let mut parts: Vec<KeyPart> = Vec::new();
        for value in values {
            match &value.node {
                Value::List(list) | Value::Tuple(list) => {
                    let inner = self.key(list);
                    parts.extend(inner);
                }
                Value::Word(word) => {
                    let part = self.key_part(word, value.span);
                    if let Some(part) = part.filter(|part| parts.contains(part)) {
                        let why = format!("`{}` stands in the key already", part.text());
                        self.diags.push(errors::key(value.span, &why, "leave it out"));
                    }
                    parts.extend(part);
                }
                Value::Text { .. } | Value::Hex(_) | Value::SetRef(_) | Value::Flags(_) => {
                    let help = "a key is a list of fields, as in `per src/24/64, dport`";
                    self.diags.push(errors::key(value.span, "this is no field", help));
                }
            }
        }
        let bits: u32 = parts.iter().map(|part| part.field.width_bits()).sum();
        if bits > MAX_KEY_BITS
            && let (Some(first), Some(last)) = (values.first(), values.last())
        {
            let why = format!("this key has {bits} bits, and a table takes {MAX_KEY_BITS}");
            self.diags.push(errors::key(first.span.to(last.span), &why, "leave fields out"));
        }
        parts
    }

    pub(super) fn key_part(&mut self, word: &str, span: Span) -> Option<KeyPart> {
        let mut pieces = word.split('/');
        let name = pieces.next().unwrap_or_default();
        let (field, inner) = self.row(name, span)?;
        let masks: Vec<&str> = pieces.collect();
        let no = |checker: &mut Self, why: &str, help: &str| {
            checker.diags.none(errors::key(span, why, help))
        };
        if !is_number(field) {
            let why = format!("`{name}` has no number that could be a key");
            return no(self, &why, "keys are made of addresses, ports and numbers");
        }
        let most: &[u8] = match field.ty {
            Ty::Addr => &[32, 128],
            Ty::Addr4 => &[32],
            Ty::Addr6 => &[128],
            _ => &[],
        };
        if let ([_], [_, _]) = (masks.as_slice(), most) {
            let why = format!("`{name}` may be of either family, and this is one mask");
            return no(self, &why, &format!("write `{name}/24/64`: first IPv4's, then IPv6's"));
        }
        if masks.len() > most.len() {
            let why = format!("`{name}` takes no mask like this");
            return no(self, &why, "masks go with addresses: `src/24/64`, `ip.src/24`");
        }
        let mut prefix_bits = [32, 128];
        for (mask, &most) in masks.iter().zip(most) {
            match mask.parse::<u8>() {
                Ok(bits) if bits <= most => prefix_bits[usize::from(most == 128)] = bits,
                Ok(_) | Err(_) => {
                    let why = format!("`{mask}` is no prefix length of at most {most}");
                    return no(
                        self,
                        &why,
                        "write the number of bits that count, as in `src/24/64`",
                    );
                }
            }
        }
        Some(KeyPart { field, inner, prefix_bits })
    }

    /// `over(NAME)`, `under(NAME)`
    pub(super) fn limit_test(
        &mut self,
        word: &Name,
        under: bool,
        args: &[S<Value>],
        span: Span,
    ) -> Option<Pred> {
        self.spend(1, 0, span)?;
        let [S { node: Value::Word(name), span: at }] = args else {
            return self.diags.none(errors::limit_name(span, &word.node));
        };
        match self.values.names.find(name).map(|symbol| (symbol.sort, symbol.index)) {
            Some((Sort::Limit, index)) => {
                Some(Pred::Limit(LimitTest { limit: LimitId::new(index), under, span }))
            }
            Some((Sort::Conns, index)) => {
                if self.kind != HookKind::Xdp {
                    return self.diags.none(errors::needs_lock(span, self.kind));
                }
                let limit = LimitId::new(self.values.names.limits.len() + index);
                Some(Pred::Limit(LimitTest { limit, under, span }))
            }
            Some(_) => {
                let symbol = self.values.names.peek(name)?;
                self.diags.none(errors::wrong_sort(*at, name, symbol, "a limit or a conns"))
            }
            None => {
                let names = &self.values.names;
                let like = names.like(name, Sort::Limit, &self.diags);
                let like = like.or_else(|| names.like(name, Sort::Conns, &self.diags));
                self.diags.none(errors::unknown_limit(*at, name, like))
            }
        }
    }
}

/// A field whose values are numbers, the same wherever the packet is judged.
fn is_number(field: &Field) -> bool {
    match field.ty {
        Ty::Number
        | Ty::Port
        | Ty::Addr4
        | Ty::Addr6
        | Ty::Addr
        | Ty::Mac
        | Ty::Flags
        | Ty::Bit => field.places.iter().all(|place| place.at != At::Nowhere),
        Ty::Presence | Ty::Name | Ty::Option | Ty::Layout | Ty::Iface => false,
    }
}
