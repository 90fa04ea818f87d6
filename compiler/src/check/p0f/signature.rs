//! `ver:ittl:olen:mss:wsize,scale:olayout:quirks:pclass`, read.

use super::layout::{self, Layout};
use super::{Bad, errors, nearest, number};
use std::ops::{Range, RangeInclusive};

/// The parts, as p0f's documentation calls them.
const PARTS: [&str; 8] =
    ["ver", "ittl", "olen", "mss", "wsize,scale", "olayout", "quirks", "pclass"];

/// p0f reads so many options of a packet, and takes no signature with more.
pub(super) const MAX_OPTIONS: usize = 24;

/// Words that are read of a list of quirks.
const MAX_QUIRKS: usize = 256;

/// What is unusual about a packet. Each is a bit of [`Signature::quirks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quirk {
    /// `df`: don't fragment.
    Df,
    /// `id+`: don't fragment, and an identification.
    NonZeroId,
    /// `id-`: may be fragmented, and has no identification.
    ZeroId,
    /// `ecn`: support of explicit congestion notification.
    Ecn,
    /// `0+`: the reserved bit of the IPv4 flags.
    MustBeZero,
    /// `flow`: an IPv6 flow label.
    Flow,
    /// `seq-`: sequence number 0.
    ZeroSeq,
    /// `ack+`: an acknowledgement number without the flag.
    NonZeroAck,
    /// `ack-`: the flag without the number.
    ZeroAck,
    /// `uptr+`: an urgent pointer without the flag.
    NonZeroUrgent,
    /// `urgf+`: the flag URG.
    Urgent,
    /// `pushf+`: the flag PSH.
    Push,
    /// `ts1-`: own timestamp 0.
    ZeroTs,
    /// `ts2+`: a timestamp echoed in a SYN.
    NonZeroEcho,
    /// `opt+`: bytes other than 0 behind the end of options.
    NonZeroPad,
    /// `exws`: a window scale above 14.
    ExcessScale,
    /// `bad`: malformed options.
    BadOptions,
}

/// Words for quirks.
pub(super) const QUIRKS: [(&str, Quirk); 17] = [
    ("df", Quirk::Df),
    ("id+", Quirk::NonZeroId),
    ("id-", Quirk::ZeroId),
    ("ecn", Quirk::Ecn),
    ("0+", Quirk::MustBeZero),
    ("flow", Quirk::Flow),
    ("seq-", Quirk::ZeroSeq),
    ("ack+", Quirk::NonZeroAck),
    ("ack-", Quirk::ZeroAck),
    ("uptr+", Quirk::NonZeroUrgent),
    ("urgf+", Quirk::Urgent),
    ("pushf+", Quirk::Push),
    ("ts1-", Quirk::ZeroTs),
    ("ts2+", Quirk::NonZeroEcho),
    ("opt+", Quirk::NonZeroPad),
    ("exws", Quirk::ExcessScale),
    ("bad", Quirk::BadOptions),
];

/// What the window must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Any,
    Exactly(u32),
    /// `%N`
    MultipleOf(u32),
    /// `mss*N`
    TimesMss(u32),
    /// `mtu*N`
    TimesMtu(u32),
}

/// A signature. What is `None` may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// 4 or 6.
    pub version: Option<u32>,
    pub ttl: RangeInclusive<u32>,
    /// Bytes of IPv4 options.
    pub ip_options_bytes: u32,
    pub mss: Option<u32>,
    pub window: Window,
    pub scale: Option<u32>,
    pub layout: Layout,
    quirks: u32,
    /// Is there any payload?
    pub payload: Option<bool>,
}

impl Signature {
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks >> quirk as u32 & 1 != 0
    }

    /// Reads a signature; everything that is wrong goes to `bad`.
    pub fn parse(text: &str, bad: &mut Vec<Bad>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut start = 0;
        for part in text.split(':').take(PARTS.len() + 1) {
            parts.push(Part { text: part, start });
            start += part.len() + 1;
        }
        let Ok(parts) = <[Part<'_>; 8]>::try_from(parts) else {
            let given = text.split(':').count();
            let message = format!("a p0f signature has 8 parts with `:` between, this has {given}");
            bad.push(Bad::new(0..text.len(), message, format!("write `{}`", PARTS.join(":"))));
            return None;
        };
        let [version, ttl, options, mss, window, layout, quirks, payload] = parts;
        let version = version.one_of(&[("4", Some(4u32)), ("6", Some(6)), ("*", None)], bad);
        let ttl = ttl.ttl(bad);
        let ip_options_bytes = options.number(0..=255, bad);
        let mss = mss.any_or(|part, bad| part.number(0..=65535, bad), bad);
        let (window, scale) = window.window(bad);
        let known = bad.len();
        let list = layout::parse(layout.text, layout.start, bad);
        if bad.len() == known && list.kinds.len() > MAX_OPTIONS {
            let message = format!("p0f reads {MAX_OPTIONS} options, these are more");
            bad.push(layout.bad(message, "a signature with more of them matches nothing in p0f"));
        }
        let quirks = quirks.quirks(version, bad);
        let payload = payload.one_of(&[("0", Some(false)), ("+", Some(true)), ("*", None)], bad);
        bad.is_empty().then_some(Self {
            version: version?,
            ttl: ttl?,
            ip_options_bytes: ip_options_bytes?,
            mss: mss?,
            window: window?,
            scale: scale?,
            layout: list,
            quirks,
            payload: payload?,
        })
    }
}

/// A part of the text.
#[derive(Debug, Clone, Copy)]
struct Part<'t> {
    text: &'t str,
    /// Its place in the signature.
    start: usize,
}

impl<'t> Part<'t> {
    fn at(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn bad(self, message: impl Into<String>, help: impl Into<String>) -> Bad {
        Bad::new(self.at(), message, help)
    }

    /// Cut off `bytes` bytes in front.
    fn behind(self, bytes: usize) -> Self {
        Self { text: &self.text[bytes..], start: self.start + bytes }
    }

    fn one_of<T: Copy>(self, words: &[(&str, T)], bad: &mut Vec<Bad>) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == self.text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let message = format!("`{}` cannot stand here", errors::shown(self.text));
            bad.push(self.bad(message, format!("write {}", known.join(" or "))));
        }
        found
    }

    fn number(self, range: RangeInclusive<u32>, bad: &mut Vec<Bad>) -> Option<u32> {
        let found = number(self.text, range.clone());
        if found.is_none() {
            let (first, last) = range.into_inner();
            let message =
                format!("`{}` is no number from {first} to {last}", errors::shown(self.text));
            bad.push(self.bad(message, "digits only"));
        }
        found
    }

    /// `*`, or what `read` reads.
    fn any_or<T>(
        self,
        read: impl FnOnce(Self, &mut Vec<Bad>) -> Option<T>,
        bad: &mut Vec<Bad>,
    ) -> Option<Option<T>> {
        if self.text == "*" { Some(None) } else { read(self, bad).map(Some) }
    }

    /// `64`, `64-` (random: any up to it), `54+10` (seen ten hops away).
    fn ttl(self, bad: &mut Vec<Bad>) -> Option<RangeInclusive<u32>> {
        /// Farther away than this is nobody.
        const MAX_HOPS: u32 = 35;
        if let Some(ttl) = self.text.strip_suffix('-') {
            let ttl = Part { text: ttl, ..self }.number(1..=255, bad)?;
            return Some(0..=ttl);
        }
        let initial = match self.text.split_once('+') {
            None => self.number(1..=255, bad)?,
            Some((seen, _)) => {
                let hops = self.behind(seen.len() + 1);
                let seen = Part { text: seen, ..self }.number(1..=255, bad);
                let hops = hops.number(0..=255, bad);
                let (seen, hops) = (seen?, hops?);
                if seen + hops > 255 {
                    bad.push(
                        self.bad("together these are more than 255", "the largest TTL is 255"),
                    );
                    return None;
                }
                seen + hops
            }
        };
        Some(initial.saturating_sub(MAX_HOPS)..=initial)
    }

    /// `wsize,scale`
    fn window(self, bad: &mut Vec<Bad>) -> (Option<Window>, Option<Option<u32>>) {
        let Some((size, _)) = self.text.split_once(',') else {
            bad.push(self.bad(
                "window and scale stand here with a comma between",
                "such as `mss*20,10`, `65535,*` or `*,0`",
            ));
            return (None, None);
        };
        let scale = self.behind(size.len() + 1).any_or(|part, bad| part.number(0..=255, bad), bad);
        let size = Part { text: size, ..self };
        let window = if size.text == "*" {
            Some(Window::Any)
        } else if size.text.starts_with('%') {
            size.behind(1).number(2..=65535, bad).map(Window::MultipleOf)
        } else if size.text.starts_with("mss*") {
            size.behind(4).number(1..=1000, bad).map(Window::TimesMss)
        } else if size.text.starts_with("mtu*") {
            size.behind(4).number(1..=1000, bad).map(Window::TimesMtu)
        } else {
            let found = number(size.text, 0..=65535).map(Window::Exactly);
            if found.is_none() {
                let message = format!("`{}` is no window size", errors::shown(size.text));
                let help = "a number up to 65535, `*`, `%N`, `mss*N` or `mtu*N`";
                bad.push(size.bad(message, help));
            }
            found
        };
        (window, scale)
    }

    fn quirks(self, version: Option<Option<u32>>, bad: &mut Vec<Bad>) -> u32 {
        let mut quirks = 0;
        if self.text.is_empty() {
            return quirks;
        }
        let mut start = self.start;
        for text in self.text.split(',').take(MAX_QUIRKS) {
            let word = Part { text, start };
            start += text.len() + 1;
            let Some((_, quirk)) = QUIRKS.iter().find(|(name, _)| *name == text) else {
                let message = format!("there is no quirk `{}`", errors::shown(text));
                let known = || QUIRKS.iter().map(|(name, _)| *name);
                bad.push(match nearest(text, known()) {
                    Some(like) => word.bad(message, format!("did you mean `{like}`?")),
                    None => {
                        let known = known().collect::<Vec<_>>().join(" ");
                        word.bad(message, format!("there are {known}"))
                    }
                });
                continue;
            };
            let other = match quirk {
                Quirk::Df | Quirk::NonZeroId | Quirk::ZeroId | Quirk::MustBeZero => 6,
                Quirk::Flow => 4,
                Quirk::Ecn
                | Quirk::ZeroSeq
                | Quirk::NonZeroAck
                | Quirk::ZeroAck
                | Quirk::NonZeroUrgent
                | Quirk::Urgent
                | Quirk::Push
                | Quirk::ZeroTs
                | Quirk::NonZeroEcho
                | Quirk::NonZeroPad
                | Quirk::ExcessScale
                | Quirk::BadOptions => 0,
            };
            if version == Some(Some(other)) {
                let message = format!("IPv{other} has no quirk `{text}`");
                bad.push(word.bad(message, "leave it out, or write `*` for the version"));
            }
            quirks |= 1 << *quirk as u32;
        }
        quirks
    }
}
