//! A signature as questions to a packet: what p0f 3 does with a SYN, where it calls a match exact.
//!
//! Quirks mean what p0f's documentation says they do. Its program takes `ack+` from one bit of the number only,
//! and overlooks the last byte of padding; those are slips, not meaning, and are not followed.

use super::errors;
use super::layout::{self, EOL, FIXED_BYTES, Fault, Lens, MSS, Placed, Shape, TS, WSCALE};
use super::signature::{MAX_OPTIONS, Quirk, Signature, Window};
use crate::check::Checker;
use crate::hir::{AtomTest, Divisor, Layer, Multiple, Operand, Pattern, Pred, Slice};
use crate::ranges::{Ranges, max_value};
use l4c_grammar::Span;
use std::ops::Range;

/// Flags of TCP: RFC 9293, 3.1.
const SYN: u128 = 0x02;
const PSH: u128 = 0x08;
const URG: u128 = 0x20;
/// ECE and CWR (RFC 3168), and the bit in front of them, once NS (RFC 3540).
const ECN: u128 = 0x1c0;

/// Window scales above this are an excess: RFC 7323, 2.3.
const MAX_SCALE: u128 = 14;

/// No window is held against an MSS below this.
const MIN_MSS: u128 = 100;

/// Bytes of the fixed headers.
const IP4_BYTES: u32 = 20;
const IP6_BYTES: u32 = 40;
/// A frame of Ethernet carries so many.
const MTU: i32 = 1500;

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Every number of `bits` bits but 0.
fn nonzero(bits: u32) -> Ranges {
    Ranges::span(1, max_value(bits))
}

/// 0, or every other number of `bits` bits.
fn zero_or_not(zero: bool, bits: u32) -> Ranges {
    if zero { Ranges::one(0) } else { nonzero(bits) }
}

/// The places of options of a kind.
fn places(shape: &Shape, kind: u8) -> Vec<Placed> {
    shape.options.iter().copied().filter(|option| option.kind == kind).collect()
}

/// The families that a signature speaks of.
fn families(signature: &Signature) -> Vec<Family> {
    let only_ip4 = signature.ip_options_bytes > 0 || signature.has(Quirk::MustBeZero);
    match signature.version {
        Some(4) => vec![Family::V4],
        Some(_) if only_ip4 => vec![],
        Some(_) => vec![Family::V6],
        None if only_ip4 => vec![Family::V4],
        None => vec![Family::V4, Family::V6],
    }
}

/// Why no packet can match a signature; `None` if one may.
pub(super) fn contradiction(signature: &Signature) -> Option<&'static str> {
    let has = |quirk| signature.has(quirk);
    let count = |kind| signature.layout.kinds.iter().filter(|k| **k == kind).count();
    let (mss, scales, stamps) = (count(MSS), count(WSCALE), count(TS));
    let well_formed = !has(Quirk::BadOptions);
    let scale_fits = |scale: u128| (scale > MAX_SCALE) == has(Quirk::ExcessScale);
    let odd_options =
        signature.ip_options_bytes > 40 || !signature.ip_options_bytes.is_multiple_of(4);
    let of_mss = matches!(signature.window, Window::TimesMss(_) | Window::TimesMtu(_));
    let wrong = [
        (odd_options, "IP options have 0 to 40 bytes, in steps of 4"),
        (families(signature).is_empty(), "IPv6 has no such options"),
        (has(Quirk::ZeroAck), "`ack-` asks for the flag ACK, which no request to connect has"),
        (has(Quirk::NonZeroId) && !has(Quirk::Df), "`id+` goes with `df`"),
        (has(Quirk::ZeroId) && has(Quirk::Df), "`id-` does not go with `df`"),
        (has(Quirk::NonZeroUrgent) && has(Quirk::Urgent), "`uptr+` does not go with `urgf+`"),
        (mss == 0 && signature.mss.is_some_and(|n| n > 0), "there is no `mss` among the options"),
        (of_mss && mss == 0, "there is no `mss` among the options"),
        (of_mss && signature.mss.is_some_and(|n| u128::from(n) < MIN_MSS), "the MSS is below 100"),
        (
            scales == 0 && signature.scale.is_some_and(|n| n > 0),
            "there is no `ws` among the options",
        ),
        (scales == 0 && has(Quirk::ExcessScale), "there is no `ws` among the options"),
        (
            well_formed && scales == 1 && signature.scale.is_some_and(|n| !scale_fits(n.into())),
            "`exws` stands for a window scale above 14, and for nothing else",
        ),
        (stamps == 0 && has(Quirk::ZeroTs), "there is no `ts` among the options"),
        (stamps == 0 && has(Quirk::NonZeroEcho), "there is no `ts` among the options"),
        (
            signature.layout.pad_bytes == 0 && has(Quirk::NonZeroPad),
            "there are no bytes behind the end of the options",
        ),
    ];
    wrong.iter().find(|(is, _)| *is).map(|(_, why)| *why)
}

impl Checker<'_> {
    /// The whole signature; `place` is where its text stands.
    pub(super) fn signature(
        &mut self,
        signature: &Signature,
        place: Span,
        span: Span,
    ) -> Option<Pred> {
        let bad = signature.has(Quirk::BadOptions);
        let shapes = if bad {
            signature.layout.faulty_shapes(MAX_OPTIONS)
        } else {
            signature.layout.shapes(Lens::P0f)
        };
        let Ok(shapes) = shapes else {
            return self.diags.none(errors::too_many_shapes(place));
        };
        if shapes.is_empty() {
            let why = if bad {
                "such options cannot be malformed"
            } else {
                "the options of a TCP header take 0 to 40 bytes, in steps of 4"
            };
            self.diags.push(errors::p0f_never(place, why));
            return Some(Pred::Const(false));
        }
        let mut ways = Vec::new();
        for family in families(signature) {
            for shape in &shapes {
                let mut list = self.shape(shape, shape.fault == Fault::None, span)?;
                list.extend(self.fault(shape, span)?);
                list.extend(self.network(signature, family, shape.header_bytes, span)?);
                list.extend(self.options(signature, family, shape, span)?);
                ways.push(Pred::And(list));
            }
        }
        let mut list = self.transport(signature, span)?;
        list.push(Pred::Or(ways));
        Some(Pred::And(list))
    }

    /// What the TCP header says before its options.
    fn transport(&mut self, signature: &Signature, span: Span) -> Option<Vec<Pred>> {
        let has = |quirk| signature.has(quirk);
        let ecn = has(Quirk::Ecn);
        let mut flags = SYN;
        flags |= if has(Quirk::Push) { PSH } else { 0 };
        flags |= if has(Quirk::Urgent) { URG } else { 0 };
        let mask = if ecn { 0x3f } else { 0x3f | ECN };
        let flags_at = |mask: u128| Operand::Bytes {
            slice: Slice::at(Layer::L4, 12, 2),
            mask: u64::try_from(mask).ok(),
        };
        let one_of = |values| AtomTest::In { values: vec![values], negated: false };
        let mut list = vec![self.atom(flags_at(mask), one_of(Ranges::one(flags)), span)?];
        if ecn {
            let any_flag = self.atom(flags_at(ECN), one_of(nonzero(16)), span)?;
            let marked = self.ask("ecn", nonzero(2), span)?;
            list.push(Pred::Or(vec![any_flag, marked]));
        } else {
            list.push(self.ask("ecn", Ranges::one(0), span)?);
        }
        list.push(self.ask("tcp.seq", zero_or_not(has(Quirk::ZeroSeq), 32), span)?);
        list.push(self.ask("tcp.ack", zero_or_not(!has(Quirk::NonZeroAck), 32), span)?);
        if !has(Quirk::Urgent) {
            list.push(self.ask("tcp.urgent", zero_or_not(!has(Quirk::NonZeroUrgent), 16), span)?);
        }
        if let Window::Exactly(size) = signature.window {
            list.push(self.ask("tcp.window", Ranges::one(size.into()), span)?);
        }
        if let Window::MultipleOf(size) = signature.window {
            let divisor = Divisor { mss: false, add: size.cast_signed(), counts: true };
            list.push(self.multiple(0, vec![divisor], None, span)?);
        }
        Some(list)
    }

    /// What the IP header says. Fragments and extension headers are none of p0f's.
    fn network(
        &mut self,
        signature: &Signature,
        family: Family,
        tcp_bytes: u32,
        span: Span,
    ) -> Option<Vec<Pred>> {
        let has = |quirk| signature.has(quirk);
        let ttl = Ranges::span((*signature.ttl.start()).into(), (*signature.ttl.end()).into());
        let lengths = |bytes: u32| match signature.payload {
            Some(false) => Ranges::one(bytes.into()),
            Some(true) => Ranges::span(u128::from(bytes) + 1, 0xffff),
            None => Ranges::span(bytes.into(), 0xffff),
        };
        if family == Family::V6 {
            return Some(vec![
                self.ask("ip6.next", Ranges::one(6), span)?,
                self.ask("ip6.hop_limit", ttl, span)?,
                self.ask("ip6.len", lengths(tcp_bytes), span)?,
                self.ask("ip6.flow_label", zero_or_not(!has(Quirk::Flow), 20), span)?,
            ]);
        }
        let ip_bytes = IP4_BYTES + signature.ip_options_bytes;
        let flag = |quirk, bit: u128| if has(quirk) { bit } else { 0 };
        let flags = flag(Quirk::Df, 0x4000) | flag(Quirk::MustBeZero, 0x8000);
        let no_id = if has(Quirk::Df) { !has(Quirk::NonZeroId) } else { has(Quirk::ZeroId) };
        let flags_at = Operand::Bytes { slice: Slice::at(Layer::L3, 6, 2), mask: None };
        let flags = AtomTest::In { values: vec![Ranges::one(flags)], negated: false };
        Some(vec![
            self.ask("ip.hdr_len", Ranges::one(ip_bytes.into()), span)?,
            self.ask("ip.ttl", ttl, span)?,
            self.ask("ip.len", lengths(ip_bytes + tcp_bytes), span)?,
            self.atom(flags_at, flags, span)?,
            self.ask("ip.id", zero_or_not(no_id, 16), span)?,
        ])
    }

    /// How options are malformed.
    fn fault(&mut self, shape: &Shape, span: Span) -> Option<Vec<Pred>> {
        match &shape.fault {
            Fault::None | Fault::TooMany => Some(Vec::new()),
            Fault::Length => {
                let fixed = |kind| layout::fixed_bytes(kind);
                let fixed =
                    shape.options.iter().filter_map(|o| Some((o.off_bytes, fixed(o.kind)?)));
                let wrong: Option<Vec<Pred>> = fixed
                    .map(|(off_bytes, len)| {
                        let others = Ranges::one(len.into()).complement(8);
                        self.ask_at(off_bytes + 1, 1, others, span)
                    })
                    .collect();
                Some(vec![Pred::Or(wrong?)])
            }
            Fault::Cut(_, _, Range { start, end }) if start >= end => Some(Vec::new()),
            Fault::Cut(off_bytes, _, possible) => {
                let possible = Ranges::span(possible.start.into(), u128::from(possible.end) - 1);
                Some(vec![self.ask_at(off_bytes + 1, 1, possible.complement(8), span)?])
            }
        }
    }

    /// What the options say.
    fn options(
        &mut self,
        signature: &Signature,
        family: Family,
        shape: &Shape,
        span: Span,
    ) -> Option<Vec<Pred>> {
        let mut list = Vec::new();
        match (signature.mss, places(shape, MSS).last()) {
            (None, _) | (Some(0), None) => {}
            (Some(_), None) => list.push(Pred::Const(false)),
            (Some(mss), Some(at)) => {
                list.push(self.ask_at(at.off_bytes + 2, 2, Ranges::one(mss.into()), span)?);
            }
        }
        list.extend(self.scales(signature, shape, span)?);
        let stamps = places(shape, TS);
        list.push(self.some(
            &stamps,
            (2, 4, Ranges::one(0)),
            signature.has(Quirk::ZeroTs),
            span,
        )?);
        list.push(self.some(
            &stamps,
            (6, 4, nonzero(32)),
            signature.has(Quirk::NonZeroEcho),
            span,
        )?);
        if let Some(end) = places(shape, EOL).first()
            && end.len_bytes > 1
        {
            let pad = end.len_bytes as usize - 1;
            let zeros = Pattern { want: vec![0; pad], care: vec![0xff; pad] };
            let zeros = self.ask_pattern(end.off_bytes + 1, zeros, span)?;
            let other = signature.has(Quirk::NonZeroPad);
            list.push(if other { Pred::Not(Box::new(zeros)) } else { zeros });
        }
        list.extend(self.times(signature, family, shape, span)?);
        Some(list)
    }

    /// Window scales.
    fn scales(&mut self, signature: &Signature, shape: &Shape, span: Span) -> Option<Vec<Pred>> {
        let scales = places(shape, WSCALE);
        let excess = Ranges::span(MAX_SCALE + 1, 0xff);
        let mut list =
            vec![self.some(&scales, (2, 1, excess), signature.has(Quirk::ExcessScale), span)?];
        match (signature.scale, scales.last()) {
            (None, _) | (Some(0), None) => {}
            (Some(_), None) => list.push(Pred::Const(false)),
            (Some(scale), Some(at)) => {
                list.push(self.ask_at(at.off_bytes + 2, 1, Ranges::one(scale.into()), span)?);
            }
        }
        Some(list)
    }

    /// Is it so, or not, that some of these options have such a number, `(offset, length, numbers)`?
    fn some(
        &mut self,
        options: &[Placed],
        (off_bytes, len_bytes, values): (u32, u32, Ranges),
        wanted: bool,
        span: Span,
    ) -> Option<Pred> {
        let values = if wanted { values } else { values.complement(8 * len_bytes) };
        let each: Option<Vec<Pred>> = options
            .iter()
            .map(|o| self.ask_at(o.off_bytes + off_bytes, len_bytes, values.clone(), span))
            .collect();
        Some(if wanted { Pred::Or(each?) } else { Pred::And(each?) })
    }

    /// `mss*N` and `mtu*N`: of everything that p0f divides a window by, what fits first counts.
    fn times(
        &mut self,
        signature: &Signature,
        family: Family,
        shape: &Shape,
        span: Span,
    ) -> Option<Vec<Pred>> {
        let (times, of_mtu) = match signature.window {
            Window::TimesMss(times) => (times, false),
            Window::TimesMtu(times) => (times, true),
            Window::Any | Window::Exactly(_) | Window::MultipleOf(_) => return Some(Vec::new()),
        };
        let Some(mss) = places(shape, MSS).last().map(|o| o.off_bytes + 2) else {
            return Some(vec![Pred::Const(false)]);
        };
        let ip_bytes = match family {
            Family::V4 => IP4_BYTES + signature.ip_options_bytes,
            Family::V6 => IP6_BYTES,
        };
        let headers = (ip_bytes + shape.header_bytes).cast_signed();
        let mut list = vec![
            self.ask("tcp.window", nonzero(16), span)?,
            self.ask_at(mss, 2, Ranges::span(MIN_MSS, 0xffff), span)?,
        ];
        let divisors = |stamped| divisors(family, headers, stamped, of_mtu);
        let Some(last) = places(shape, TS).last().copied() else {
            list.push(self.multiple(mss, divisors(false), Some(times), span)?);
            return Some(list);
        };
        // Whether the last timestamp is 0 decides about one of the divisors.
        let mut ways = Vec::new();
        for zero in [false, true] {
            if zero && !signature.has(Quirk::ZeroTs) {
                continue;
            }
            let stamp = self.ask_at(last.off_bytes + 2, 4, zero_or_not(zero, 32), span)?;
            let fits = self.multiple(mss, divisors(!zero), Some(times), span)?;
            ways.push(Pred::And(vec![stamp, fits]));
        }
        list.push(Pred::Or(ways));
        Some(list)
    }

    fn multiple(
        &mut self,
        mss_off_bytes: u32,
        divisors: Vec<Divisor>,
        times: Option<u32>,
        span: Span,
    ) -> Option<Pred> {
        let operand = Operand::Window(Multiple { mss_off_bytes, divisors, times });
        self.atom(operand, AtomTest::Present, span)
    }
}

/// What p0f divides a window by, in its order. `header_bytes` are those of IP and TCP; `stamped`: the packet has
/// a timestamp other than 0; `of_mtu`: what is taken for an MTU counts, else what is taken for an MSS.
fn divisors(family: Family, header_bytes: i32, stamped: bool, of_mtu: bool) -> Vec<Divisor> {
    const FIXED: i32 = FIXED_BYTES.cast_signed();
    const V4: i32 = IP4_BYTES.cast_signed() + FIXED;
    const V6: i32 = IP6_BYTES.cast_signed() + FIXED;
    /// A timestamp with the two bytes that align it.
    const STAMP: i32 = 12;
    let is_v6 = family == Family::V6;
    // MTU?, of the packet's own MSS?, what is added, used?
    let table = [
        (false, true, 0, true),
        (false, true, -STAMP, stamped),
        (false, false, MTU - V4, true),
        (false, false, MTU - V4 - STAMP, true),
        (false, false, MTU - V6, is_v6),
        (false, false, MTU - V6 - STAMP, is_v6),
        (true, true, V4, true),
        (true, true, header_bytes, true),
        (true, true, V6, is_v6),
        (true, false, MTU, true),
    ];
    let used = table.into_iter().filter(|row| row.3);
    used.map(|(mtu, mss, add, _)| Divisor { mss, add, counts: mtu == of_mtu }).collect()
}
