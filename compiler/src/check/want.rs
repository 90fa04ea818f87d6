//! What a field, a slice or a set asks of a value, and the numbers that the value is there.

use super::diags::Diags;
use super::value::{Val, like_value, prefix4, prefix6};
use super::{errors, value};
use crate::fields::{At, Field, Place, Ty};
use crate::ranges::max_value;
use l4c_grammar::{Diag, S, Span};

/// What kind of value is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number.
    Number,
    /// A port.
    Port,
    /// An address of the families that are true.
    Addr { v4: bool, v6: bool },
    /// A hardware address.
    Mac,
    /// Bits with names.
    Flags,
    /// The name of an interface.
    Iface,
}

/// What is asked of a value, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// The kind.
    pub kind: Kind,
    /// The largest number.
    pub max: u128,
    /// Words for values.
    pub names: &'static [(&'static str, u64)],
    /// As a user calls it: `` `udp.dport` ``.
    pub by: String,
    /// Prefixes and ranges of addresses may stand there.
    pub many: bool,
}

/// The family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The numbers of one value: `lo..=hi`, for addresses within a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// For addresses.
    pub family: Option<Family>,
    /// First.
    pub lo: u128,
    /// Last.
    pub hi: u128,
}

/// Why a value does not fit; `None` if that was reported already.
pub(crate) type Misfit = Option<Box<Diag>>;

/// The largest number that a place can say.
pub(crate) fn place_max(place: &Place) -> u128 {
    if let At::Bits { width_bits, shift, add, .. } = place.at {
        let top = max_value(u32::from(width_bits));
        if shift == 0 && add == 0 { top } else { (top << shift) + u128::from(add) }
    } else {
        max_value(place.width_bits().max(1))
    }
}

/// Words that are written in capitals (`ANY`) may be written small.
fn spelled(name: &str, word: &str) -> bool {
    name == word
        || name.starts_with(|c: char| c.is_ascii_uppercase()) && name.eq_ignore_ascii_case(word)
}

impl Want {
    /// What a field asks; `None` for one that has no value but its presence.
    pub(crate) fn of_field(field: &Field, inner: bool) -> Option<Self> {
        let kind = match field.ty {
            Ty::Number | Ty::Bit | Ty::Option => Kind::Number,
            Ty::Port => Kind::Port,
            Ty::Addr4 => Kind::Addr { v4: true, v6: false },
            Ty::Addr6 => Kind::Addr { v4: false, v6: true },
            Ty::Addr => Kind::Addr { v4: true, v6: true },
            Ty::Mac => Kind::Mac,
            Ty::Flags => Kind::Flags,
            Ty::Iface => Kind::Iface,
            Ty::Presence | Ty::Name | Ty::Layout => return None,
        };
        let max = field.places.iter().map(place_max).max().unwrap_or(0);
        let by = format!("`{}`", field.shown(inner));
        Some(Self { kind, max, names: field.names, by, many: true })
    }

    /// What a list of ports asks, in the property called `word`.
    pub(crate) fn of_ports(word: &str) -> Self {
        let by = format!("`{word}`");
        Self { kind: Kind::Port, max: max_value(16), names: &[], by, many: true }
    }

    /// What `len_bytes` bytes ask when they are compared as a number.
    pub(crate) fn of_bytes(len_bytes: u32) -> Self {
        let by = format!("{len_bytes} bytes of the packet");
        Self { kind: Kind::Number, max: max_value(8 * len_bytes), names: &[], by, many: true }
    }

    /// What is asked for, as a user calls it.
    pub(crate) fn words(&self) -> &'static str {
        match self.kind {
            Kind::Number => "a number",
            Kind::Port => "a port",
            Kind::Addr { v4: true, v6: false } => "an IPv4 address",
            Kind::Addr { v4: false, v6: true } => "an IPv6 address",
            Kind::Addr { .. } => "an address",
            Kind::Mac => "a hardware address",
            Kind::Flags => "flags",
            Kind::Iface => "the name of an interface in quotes",
        }
    }

    /// The numbers that `val` is here.
    pub(crate) fn piece(&self, val: &S<Val>, diags: &Diags) -> Result<Piece, Misfit> {
        if let Val::Range(ends) = &val.node {
            let (low, high) =
                (self.single(&ends.0, val.span, diags)?, self.single(&ends.1, val.span, diags)?);
            if low.lo > high.lo {
                return Err(Some(Box::new(errors::range_empty(val.span, &low.lo, &high.lo))));
            }
            return self.many(Piece { hi: high.lo, ..low }, val);
        }
        let prefix = if let Val::Prefix4 { address, len } = val.node {
            let (lo, hi) = prefix4(address, len);
            Some(Piece { family: Some(Family::V4), lo: lo.into(), hi: hi.into() })
        } else if let Val::Prefix6 { address, len } = val.node {
            let (lo, hi) = prefix6(address, len);
            Some(Piece { family: Some(Family::V6), lo, hi })
        } else {
            None
        };
        match prefix {
            Some(prefix) if self.takes(prefix.family) => self.many(prefix, val),
            Some(_) => Err(self.wrong(&val.node, val.span)),
            None => self.single(&val.node, val.span, diags),
        }
    }

    /// A prefix or range, where more than one value may stand.
    fn many(&self, piece: Piece, val: &S<Val>) -> Result<Piece, Misfit> {
        if self.many || piece.lo == piece.hi {
            Ok(piece)
        } else {
            let words = val.node.words();
            Err(Some(Box::new(errors::one_address(val.span, words, &self.by))))
        }
    }

    /// True if addresses of `family` are asked for.
    fn takes(&self, family: Option<Family>) -> bool {
        match (self.kind, family) {
            (Kind::Addr { v4, .. }, Some(Family::V4)) => v4,
            (Kind::Addr { v6, .. }, Some(Family::V6)) => v6,
            (Kind::Addr { .. }, None) => false,
            (Kind::Number | Kind::Port | Kind::Mac | Kind::Flags | Kind::Iface, _) => false,
        }
    }

    fn single(&self, val: &Val, span: Span, diags: &Diags) -> Result<Piece, Misfit> {
        let one = |n: u128| Piece { family: None, lo: n, hi: n };
        match val {
            Val::Error => Err(None),
            Val::Number(n) if self.is_number() => self.bounded(u128::from(*n), span).map(one),
            Val::Addr4(n) if self.takes(Some(Family::V4)) => {
                Ok(Piece { family: Some(Family::V4), ..one(u128::from(*n)) })
            }
            Val::Addr6(n) if self.takes(Some(Family::V6)) => {
                Ok(Piece { family: Some(Family::V6), ..one(*n) })
            }
            Val::Mac(n) if self.kind == Kind::Mac => Ok(one(u128::from(*n))),
            Val::Name(word) => self.named(word, span, diags).map(one),
            Val::Flags(flags) if self.kind == Kind::Flags => {
                let mut bits = 0;
                for flag in flags {
                    bits |= self.named(&flag.node, flag.span, diags)?;
                }
                Ok(one(bits))
            }
            Val::Number(_)
            | Val::Duration(_)
            | Val::Ratio { .. }
            | Val::Rate { .. }
            | Val::Addr4(_)
            | Val::Addr6(_)
            | Val::Prefix4 { .. }
            | Val::Prefix6 { .. }
            | Val::Mac(_)
            | Val::Range(_)
            | Val::Bytes(_)
            | Val::Flags(_)
            | Val::Set(_)
            | Val::List(_) => Err(self.wrong(val, span)),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::Port | Kind::Flags)
    }

    fn bounded(&self, n: u128, span: Span) -> Result<u128, Misfit> {
        if n <= self.max {
            Ok(n)
        } else {
            Err(Some(Box::new(errors::too_big(span, n, &self.by, self.words(), self.max))))
        }
    }

    /// The number that a word means here.
    fn named(&self, word: &str, span: Span, diags: &Diags) -> Result<u128, Misfit> {
        if let Some((_, n)) = self.names.iter().find(|(name, _)| spelled(name, word)) {
            return Ok(u128::from(*n));
        }
        Err(Some(Box::new(if self.names.is_empty() {
            errors::no_such_word(span, word, self.words(), &self.by)
        } else {
            let like = like_value(word, self.names, diags);
            errors::no_such_value(span, word, &self.by, self.names, like)
        })))
    }

    fn wrong(&self, val: &Val, span: Span) -> Misfit {
        Some(Box::new(errors::wrong_type_for(span, &self.by, self.words(), val)))
    }

    /// The number of a single value, for a packet that is built or a mask.
    pub(crate) fn number(&self, val: &S<Val>, diags: &Diags) -> Result<u128, Misfit> {
        let elements = value::elements(val);
        let [one] = elements else {
            return Err(Some(Box::new(errors::one_value(val.span, &self.by))));
        };
        let piece = self.piece(one, diags)?;
        if piece.lo == piece.hi {
            Ok(piece.lo)
        } else {
            Err(Some(Box::new(errors::one_value(val.span, &self.by))))
        }
    }
}
