//! The left side of a comparison: a field or bytes, with or without a mask.

use super::names::{Sort, nearest};
use super::unsupported;
use super::value::Params;
use super::want::{Family, Want};
use super::{Checker, errors, iface, words};
use crate::fields::{FIELDS, Field, INNER, Ty, When};
use crate::hir::{Layer, Operand, Slice};
use l4c_grammar::{self as ast, OperandBase, S, SliceOff, Span, Value};
use l4c_manifest::{HookKind, Start};

/// What a comparison reads.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// As the policy holds it.
    pub operand: Operand,
    /// What it asks of values; `None` for bytes that are no number, and for a mere presence.
    pub want: Option<Want>,
    /// The family that the mask speaks of.
    pub mask_family: Option<Family>,
    /// Where it stands.
    pub span: Span,
}

/// Bytes of a slice at most.
const MAX_SLICE_BYTES: u64 = 255;
/// A slice ends here at the latest: no packet is longer.
const MAX_SLICE_END: u64 = 65_535;

/// Names of other tools and what the same thing is called here.
const ALIASES: &[(&str, &str)] = &[
    ("saddr", "src"),
    ("daddr", "dst"),
    ("ip.saddr", "ip.src"),
    ("ip.daddr", "ip.dst"),
    ("ip.addr", "src"),
    ("ip.protocol", "ip.proto"),
    ("ip.flags.df", "ip.df"),
    ("ip.flags.mf", "ip.mf"),
    ("ip.version", "family"),
    ("tcp.options", "tcp.opts"),
    ("tcp.options.mss_val", "tcp.opt.mss"),
    ("tcp.options.wscale.shift", "tcp.opt.wscale"),
    ("tcp.options.timestamp.tsval", "tcp.opt.ts_val"),
    ("tcp.options.timestamp.tsecr", "tcp.opt.ts_ecr"),
    ("ipv4", "ip"),
    ("ipv6", "ip6"),
    ("icmpv6", "icmp6"),
    ("ipv6.src", "ip6.src"),
    ("ipv6.dst", "ip6.dst"),
    ("ip6.saddr", "ip6.src"),
    ("ip6.daddr", "ip6.dst"),
    ("ip6.nexthdr", "ip6.next"),
    ("ip6.hoplimit", "ip6.hop_limit"),
    ("ip6.proto", "proto"),
    ("tcp.srcport", "tcp.sport"),
    ("tcp.dstport", "tcp.dport"),
    ("tcp.port", "tcp.dport"),
    ("udp.srcport", "udp.sport"),
    ("udp.dstport", "udp.dport"),
    ("udp.port", "udp.dport"),
    ("udp.length", "udp.len"),
    ("port", "dport"),
    ("sport", "sport"),
    ("frame.len", "pkt_len"),
    ("length", "len"),
    ("hlim", "ttl"),
    ("ether.src", "eth.src"),
    ("ether.dst", "eth.dst"),
    ("ether.type", "eth.type"),
    ("fragment", "frag"),
    ("inner", "inner.ip"),
];

impl Checker<'_> {
    /// Finds out what an operand reads.
    pub(super) fn target(&mut self, operand: &ast::Operand, params: Params<'_>) -> Option<Target> {
        match &operand.base {
            OperandBase::Field(name) => {
                if params.iter().any(|(param, _)| param == name) {
                    return self.diags.none(errors::param_as_field(operand.span, name));
                }
                if let Some(layer) = whole_layer(name) {
                    return self.whole_layer(layer, operand);
                }
                let (field, inner) = self.row(name, operand.span)?;
                if field.ty == Ty::Name {
                    if let Some(mask) = &operand.mask {
                        return self.diags.none(errors::mask_misplaced(mask.span, field.name));
                    }
                    return Some(Target {
                        operand: Operand::Name,
                        want: None,
                        mask_family: None,
                        span: operand.span,
                    });
                }
                let want = Want::of_field(field, inner);
                let (mask, mask_family) = match &operand.mask {
                    Some(mask) => {
                        let (mask, family) =
                            self.mask(mask, want.as_ref(), &field.shown(inner), params)?;
                        (Some(mask), family)
                    }
                    None => (None, None),
                };
                let operand_hir = Operand::Field { field, inner, mask };
                Some(Target { operand: operand_hir, want, mask_family, span: operand.span })
            }
            OperandBase::Slice { layer, off, len } => {
                self.slice(operand, (layer, off, len), params)
            }
            OperandBase::Tuple(_) => self.diags.none(errors::tuple_without_set(operand.span)),
        }
    }

    /// The row that `name` means, if the hook sees it.
    pub(super) fn field(&mut self, name: &str, span: Span) -> Option<&'static Field> {
        let Some(field) = Field::find(name) else {
            if self.values.names.of_module(name) {
                return None;
            }
            let diag = self.no_field(name, span);
            return self.diags.none(diag);
        };
        if self.kind.start() == Start::Network && field.places.iter().all(|p| needs_link(p.when)) {
            let diag = errors::not_seen(span, name, hook_words(self.kind));
            return self.diags.none(diag);
        }
        if let Some(why) = iface::untold(field, self.kind) {
            let diag = errors::not_told(span, name, hook_words(self.kind), why);
            return self.diags.none(diag);
        }
        Some(field)
    }

    pub(super) fn no_field(&self, name: &str, span: Span) -> ast::Diag {
        if let Some(symbol) = self.values.names.find(name) {
            return errors::wrong_sort(span, name, symbol, "a field");
        }
        let like = self.like_field(name).map(str::to_owned);
        let like = like.or_else(|| self.values.names.like(name, Sort::Match, &self.diags));
        errors::unknown_field(span, name, like)
    }

    /// The row that was meant by `name`, if one is like it.
    pub(super) fn like_field(&self, name: &str) -> Option<&'static str> {
        let alias = ALIASES.iter().find(|(theirs, _)| *theirs == name).map(|&(_, ours)| ours);
        alias.or_else(|| nearest(name, FIELDS.iter().map(|f| f.name), &self.diags))
    }

    /// The number behind `&`, and its family if it is an address.
    fn mask(
        &mut self,
        mask: &S<Value>,
        want: Option<&Want>,
        field: &str,
        params: Params<'_>,
    ) -> Option<(u128, Option<Family>)> {
        let value = self.values.value(mask, params, &mut self.diags);
        let Some(want) = want.filter(|w| w.max > 1) else {
            return self.diags.none(errors::mask_misplaced(mask.span, field));
        };
        let want = Want { many: false, ..want.clone() };
        match want.piece(&value, &self.diags) {
            Ok(piece) if piece.lo == piece.hi => Some((piece.lo, piece.family)),
            Ok(_) => self.diags.none(errors::one_value(mask.span, &want.by)),
            Err(misfit) => {
                misfit.into_iter().for_each(|d| self.diags.push(*d));
                None
            }
        }
    }

    /// `l4[12:2]`
    fn slice(
        &mut self,
        operand: &ast::Operand,
        (layer, off, len): (&ast::Name, &S<SliceOff>, &S<String>),
        params: Params<'_>,
    ) -> Option<Target> {
        let (off_field, off_bytes) = match &off.node {
            SliceOff::Const(word) => (None, self.slice_number(word, off.span, 0, MAX_SLICE_END)),
            SliceOff::Field { field, plus } => {
                let field = self.offset_field(field, off.span);
                let plus = match plus {
                    Some(word) => self.slice_number(word, off.span, 0, MAX_SLICE_END),
                    None => Some(0),
                };
                (Some(field?), plus)
            }
        };
        let len_bytes = self.slice_number(&len.node, len.span, 1, MAX_SLICE_BYTES);
        let layer = self.layer(layer)?;
        let (off_bytes, len_bytes) = (off_bytes?, len_bytes?);
        if u64::from(off_bytes) + u64::from(len_bytes) > MAX_SLICE_END {
            return self.diags.none(errors::slice(operand.span, "it ends beyond byte 65535"));
        }
        let want = matches!(len_bytes, 1 | 2 | 4 | 8).then(|| Want::of_bytes(len_bytes));
        let mask = match &operand.mask {
            Some(mask) if want.is_none() => {
                let diag = errors::bytes_number(mask.span, len_bytes, "a mask");
                return self.diags.none(diag);
            }
            Some(mask) => {
                let (mask, _) = self.mask(mask, want.as_ref(), "bytes", params)?;
                Some(u64::try_from(mask).expect("eight bytes at most were asked for"))
            }
            None => None,
        };
        let slice = Slice { layer, off_field, off_bytes, len_bytes: Some(len_bytes) };
        let operand_hir = Operand::Bytes { slice, mask };
        Some(Target { operand: operand_hir, want, mask_family: None, span: operand.span })
    }

    fn layer(&mut self, layer: &ast::Name) -> Option<Layer> {
        match whole_layer(&layer.node) {
            Some(found) => self.seen_layer(found, layer.span),
            None if inner_layer(&layer.node) => {
                let what = format!("`{}`", layer.node);
                self.diags.none(unsupported::at(layer.span, &what))
            }
            None => self.diags.none(errors::layer(layer.span, &layer.node)),
        }
    }

    fn seen_layer(&mut self, layer: Layer, span: Span) -> Option<Layer> {
        if layer == Layer::L2 && self.kind.start() == Start::Network {
            return self.diags.none(errors::not_seen(span, "l2", hook_words(self.kind)));
        }
        Some(layer)
    }

    /// `payload` without brackets: all of it.
    fn whole_layer(&mut self, layer: Layer, operand: &ast::Operand) -> Option<Target> {
        let layer = self.seen_layer(layer, operand.span)?;
        if let Some(mask) = &operand.mask {
            return self.diags.none(errors::mask_misplaced(mask.span, layer.name()));
        }
        let operand_hir = Operand::Bytes { slice: Slice::whole(layer), mask: None };
        Some(Target { operand: operand_hir, want: None, mask_family: None, span: operand.span })
    }

    /// The field that says where a slice begins: a number.
    fn offset_field(&mut self, name: &str, span: Span) -> Option<&'static Field> {
        if whole_layer(name).is_some() {
            return self
                .diags
                .none(errors::slice(span, &format!("`{name}` is bytes, not a number")));
        }
        let (field, inner) = self.row(name, span)?;
        if inner {
            return self.diags.none(unsupported::at(span, "`inner.` in an offset"));
        }
        match field.ty {
            Ty::Number | Ty::Option if field.width_bits() <= 16 => Some(field),
            Ty::Number
            | Ty::Option
            | Ty::Layout
            | Ty::Port
            | Ty::Addr4
            | Ty::Addr6
            | Ty::Addr
            | Ty::Mac
            | Ty::Flags
            | Ty::Bit
            | Ty::Presence
            | Ty::Name
            | Ty::Iface => {
                let why = format!("`{name}` is no number of up to 16 bits");
                self.diags.none(errors::slice(span, &why))
            }
        }
    }

    fn slice_number(&mut self, word: &str, span: Span, min: u64, max: u64) -> Option<u32> {
        match words::parse(word) {
            Ok(super::value::Val::Number(n)) if (min..=max).contains(&n) => u32::try_from(n).ok(),
            Ok(super::value::Val::Number(_)) => {
                let why = format!("a number from {min} to {max} must stand here");
                self.diags.none(errors::slice(span, &why))
            }
            Ok(_) => self.diags.none(errors::slice(span, "a number must stand here")),
            Err(problem) => self.diags.none(errors::word(span, word, problem)),
        }
    }
}

/// The layer that a word names.
pub(super) fn whole_layer(word: &str) -> Option<Layer> {
    [Layer::L2, Layer::L3, Layer::L4, Layer::Payload].into_iter().find(|layer| layer.name() == word)
}

/// Bytes of the packet inside a tunnel.
fn inner_layer(word: &str) -> bool {
    word.strip_prefix(INNER).is_some_and(|behind| whole_layer(behind).is_some())
}

/// True for what only a hook with a link header can see.
fn needs_link(when: When) -> bool {
    match when {
        When::Link | When::Tag1 | When::Tag2 | When::TypeArp | When::Arp | When::ArpEthIp4 => true,
        When::Always
        | When::TypeIp4
        | When::TypeIp6
        | When::Ip4
        | When::Ip4Options
        | When::Ip6
        | When::TcpOption(_)
        | When::Proto
        | When::ProtoIs(_)
        | When::Ports
        | When::Header(_)
        | When::Form(_)
        | When::Payload(_)
        | When::Dns
        | When::DnsResponse(_)
        | When::Question
        | When::Frag
        | When::Unparsed
        | When::Ext(_) => false,
    }
}

/// A hook of this kind, as a user calls it.
pub(super) fn hook_words(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Xdp => "an XDP program",
        HookKind::Socket => "a socket filter",
    }
}
