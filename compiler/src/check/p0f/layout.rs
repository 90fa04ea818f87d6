//! Lists of TCP options as p0f writes them, and where each option then lies.
//!
//! `mss,sok,ts,nop,ws` names every byte between a TCP header's 20 fixed ones and its end: nearly every kind has
//! one length, so that a packet with this list has its options at known places. The few kinds of several
//! lengths give a list several *shapes*.

use super::Bad;
use std::ops::Range;

pub(super) const EOL: u8 = 0;
const NOP: u8 = 1;
pub(super) const MSS: u8 = 2;
pub(super) const WSCALE: u8 = 3;
const SACK_OK: u8 = 4;
const SACK: u8 = 5;
pub(super) const TS: u8 = 8;

/// Options behind the fixed header, in bytes, at most (RFC 9293, 3.1).
const MAX_BYTES: u32 = 40;
/// Bytes of the fixed header.
pub(super) const FIXED_BYTES: u32 = 20;
/// More shapes than this are not written out.
const MAX_SHAPES: usize = 256;

/// Words that are read of a list; far fewer fill a header.
const MAX_WORDS: usize = 256;

/// Words for kinds; `eol+N` and `?N` beside them.
const WORDS: [(&str, u8); 6] =
    [("nop", NOP), ("mss", MSS), ("ws", WSCALE), ("sok", SACK_OK), ("sack", SACK), ("ts", TS)];

/// A list of options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Kinds, in order. An end of list stands last.
    pub kinds: Vec<u8>,
    /// Bytes behind an end of list, itself left out.
    pub pad_bytes: u32,
}

/// How lengths are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lens {
    /// As RFC 2018 has them: SACK holds one to four whole blocks.
    Standard,
    /// As p0f reads them: a SACK option has any length from 10 to 34.
    P0f,
}

/// An option at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Kind byte, from the start of the TCP header.
    pub off_bytes: u32,
    /// With kind and length bytes; of an end of list, with all that follows.
    pub len_bytes: u32,
    pub kind: u8,
}

/// How p0f came to call options malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// They are well formed.
    None,
    /// The length byte of some option of fixed length says something else.
    Length,
    /// An option that the header's end cuts, or whose length byte is impossible, stands behind the others: its
    /// place, and the lengths that would be possible. Nothing is known of the other length bytes.
    Cut(u32, u8, Range<u32>),
    /// Bytes are left behind as many options as p0f reads. Nothing is known of length bytes.
    TooMany,
}

/// One way in which options of a list can lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub options: Vec<Placed>,
    /// Length of the whole TCP header.
    pub header_bytes: u32,
    pub fault: Fault,
}

/// A list has more shapes than are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyShapes;

/// Reads a list; what is wrong goes to `bad`, placed by `base`, the list's own place in a longer text.
pub(super) fn parse(text: &str, base: usize, bad: &mut Vec<Bad>) -> Layout {
    let mut layout = Layout { kinds: Vec::new(), pad_bytes: 0 };
    if text.trim().is_empty() {
        return layout;
    }
    let mut ended: Option<Range<usize>> = None;
    let mut start = base;
    for piece in text.split(',').take(MAX_WORDS) {
        let word = piece.trim();
        let first = start + piece.len() - piece.trim_start().len();
        let at = first..first + word.len();
        start += piece.len() + 1;
        if let Some(eol) = ended.take() {
            bad.push(Bad::new(eol, "nothing stands behind the end of the list", "write it last"));
        }
        match kind(word) {
            Ok((kind, pad_bytes)) => {
                layout.kinds.push(kind);
                layout.pad_bytes = pad_bytes;
                ended = (kind == EOL).then_some(at);
            }
            Err(why) => bad.push(Bad { at, ..why }),
        }
    }
    layout
}

/// The kind that a word means, and the bytes behind an end of list.
fn kind(word: &str) -> Result<(u8, u32), Bad> {
    if let Some((_, kind)) = WORDS.iter().find(|(name, _)| *name == word) {
        return Ok((*kind, 0));
    }
    if let Some(number) = word.strip_prefix('?') {
        let kind = super::number(number, 0..=255);
        return kind.map(|kind| (u8::try_from(kind).unwrap_or(u8::MAX), 0)).ok_or_else(|| {
            Bad::new(0..0, "`?` asks for the kind of an option", "a number from 0 to 255: `?30`")
        });
    }
    if let Some(rest) = word.strip_prefix("eol") {
        let pad = rest.strip_prefix('+').and_then(|number| super::number(number, 0..=255));
        return pad.map(|pad| (EOL, pad)).ok_or_else(|| {
            Bad::new(0..0, "the end of the list says how many bytes follow", "such as `eol+1`")
        });
    }
    if word.is_empty() {
        return Err(Bad::new(0..0, "an option is missing at this comma", "take the comma out"));
    }
    let message = format!("there is no TCP option `{}`", super::errors::shown(word));
    let known =
        WORDS.iter().map(|(name, _)| *name).chain(["wscale", "sack_ok", "timestamp", "eol+0"]);
    let like = super::nearest(word, known).map(|like| match like {
        "wscale" => "ws",
        "sack_ok" => "sok",
        "timestamp" => "ts",
        like => like,
    });
    Err(match like {
        Some(like) => Bad::new(0..0, message, format!("did you mean `{like}`?")),
        None => Bad::new(0..0, message, "there are `mss ws sok sack ts nop eol+N` and `?N`"),
    })
}

impl Layout {
    /// Lengths that an option of this kind may have.
    fn lens(&self, kind: u8, lens: Lens) -> impl Iterator<Item = u32> + use<> {
        let (first, last, step) = match (kind, lens) {
            (EOL, _) => (1 + self.pad_bytes, 1 + self.pad_bytes, 1),
            (NOP, _) => (1, 1, 1),
            (SACK, Lens::Standard) => (10, 34, 8),
            (SACK, Lens::P0f) => (10, 34, 1),
            (kind, _) => match fixed_bytes(kind) {
                Some(len) => (len, len, 1),
                None => (2, 40, 1),
            },
        };
        (first..=last).step_by(step)
    }

    /// Every shape of well-formed options: each fills the header.
    pub fn shapes(&self, lens: Lens) -> Result<Vec<Shape>, TooManyShapes> {
        let mut shapes = Vec::new();
        self.place(&self.kinds, lens, &mut |placed, bytes| {
            if bytes.is_multiple_of(4) {
                let options = placed.to_vec();
                shapes.push(Shape {
                    options,
                    header_bytes: FIXED_BYTES + bytes,
                    fault: Fault::None,
                });
            }
            shapes.len() <= MAX_SHAPES
        })?;
        Ok(shapes)
    }

    /// Every shape of options that p0f calls malformed and lists so; `most` is how many it reads.
    pub fn faulty_shapes(&self, most: usize) -> Result<Vec<Shape>, TooManyShapes> {
        let fixed = |kind: &u8| fixed_bytes(*kind).is_some();
        let mut shapes = Vec::new();
        if self.kinds.iter().any(fixed) {
            let whole = self.shapes(Lens::P0f)?;
            shapes.extend(whole.into_iter().map(|s| Shape { fault: Fault::Length, ..s }));
        }
        let Some((&last, before)) = self.kinds.split_last() else { return Ok(shapes) };
        if !matches!(last, EOL | NOP) {
            self.place(before, Lens::P0f, &mut |placed, bytes| {
                let off = FIXED_BYTES + bytes;
                shapes.extend(headers(off).filter_map(|header_bytes| {
                    let fault = cut(off, last, header_bytes)?;
                    Some(Shape { options: placed.to_vec(), header_bytes, fault })
                }));
                shapes.len() <= MAX_SHAPES
            })?;
        }
        if self.kinds.len() == most && last != EOL {
            self.place(&self.kinds, Lens::P0f, &mut |placed, bytes| {
                shapes.extend(headers(FIXED_BYTES + bytes).map(|header_bytes| {
                    let options = placed.to_vec();
                    Shape { options, header_bytes, fault: Fault::TooMany }
                }));
                shapes.len() <= MAX_SHAPES
            })?;
        }
        Ok(shapes)
    }

    /// Calls `found` with every way to place options of these kinds, and the bytes that they take, until it
    /// says no.
    fn place(
        &self,
        kinds: &[u8],
        lens: Lens,
        found: &mut dyn FnMut(&[Placed], u32) -> bool,
    ) -> Result<(), TooManyShapes> {
        // Bytes that the options from each on take at least.
        let mut least = vec![0; kinds.len() + 1];
        for (at, &kind) in kinds.iter().enumerate().rev() {
            least[at] = least[at + 1] + self.lens(kind, lens).next().unwrap_or(1);
        }
        if least[0] > MAX_BYTES {
            return Ok(());
        }
        // Depth first over lengths; each entry is one option placed and the lengths not tried yet.
        let mut placed: Vec<Placed> = Vec::new();
        let mut open: Vec<Vec<u32>> = Vec::new();
        let mut bytes = 0;
        loop {
            let depth = placed.len();
            if depth == kinds.len() {
                if !found(&placed, bytes) {
                    return Err(TooManyShapes);
                }
            } else if open.len() == depth {
                let room = MAX_BYTES - bytes - least[depth + 1];
                let mut fitting: Vec<u32> =
                    self.lens(kinds[depth], lens).take_while(|len| *len <= room).collect();
                fitting.reverse();
                open.push(fitting);
            }
            // The next length of the deepest option that has one left.
            loop {
                let depth = open.len();
                let Some(lens) = open.last_mut() else { return Ok(()) };
                if placed.len() == depth {
                    bytes -= placed.pop().map_or(0, |option| option.len_bytes);
                }
                match lens.pop() {
                    Some(len_bytes) => {
                        let (off_bytes, kind) = (FIXED_BYTES + bytes, kinds[placed.len()]);
                        placed.push(Placed { off_bytes, len_bytes, kind });
                        bytes += len_bytes;
                        break;
                    }
                    None => {
                        open.pop();
                    }
                }
            }
        }
    }
}

/// Length of an option whose kind has only one, but for those of a single byte.
pub(super) const fn fixed_bytes(kind: u8) -> Option<u32> {
    match kind {
        MSS => Some(4),
        WSCALE => Some(3),
        SACK_OK => Some(2),
        TS => Some(10),
        _ => None,
    }
}

/// Lengths of headers that have a byte at `off_bytes`.
fn headers(off_bytes: u32) -> impl Iterator<Item = u32> {
    let first = (off_bytes + 1).next_multiple_of(4);
    (first..=FIXED_BYTES + MAX_BYTES).step_by(4)
}

/// How an option at `off_bytes` of a header can be malformed, so that p0f stops there; `None` if it cannot.
fn cut(off_bytes: u32, kind: u8, header_bytes: u32) -> Option<Fault> {
    let room = header_bytes - off_bytes;
    match fixed_bytes(kind) {
        Some(len) if len <= room => None,
        Some(_) => Some(Fault::Cut(off_bytes, kind, 0..0)),
        None => {
            let (first, last) = if kind == SACK { (10, 34) } else { (2, 40) };
            let possible = if room == 1 { 0..0 } else { first..last.min(room) + 1 };
            Some(Fault::Cut(off_bytes, kind, possible))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Layout, Lens, Shape, parse};

    fn layout(text: &str) -> Layout {
        let mut bad = Vec::new();
        let layout = parse(text, 0, &mut bad);
        assert!(bad.is_empty(), "{text}: {bad:?}");
        layout
    }

    fn shapes(text: &str) -> Vec<Shape> {
        layout(text).shapes(Lens::Standard).unwrap()
    }

    #[test]
    fn most_lists_have_one_shape() {
        let [shape] = &shapes("mss,sok,ts,nop,ws")[..] else { panic!() };
        assert_eq!(shape.header_bytes, 40);
        let places: Vec<_> = shape.options.iter().map(|o| (o.off_bytes, o.len_bytes)).collect();
        assert_eq!(places, [(20, 4), (24, 2), (26, 10), (36, 1), (37, 3)]);
        assert_eq!(shapes("")[0].header_bytes, 20);
        assert_eq!(shapes("mss,nop,eol+18")[0].header_bytes, 44);
        // Three bytes, and more than 40.
        assert_eq!(shapes("ws"), []);
        assert_eq!(shapes("ts,ts,ts,ts,mss"), []);
        assert_eq!(shapes("mss,eol+255"), []);
    }

    #[test]
    fn kinds_of_several_lengths_have_a_shape_for_each() {
        let lens = |text: &str| shapes(text).iter().map(|s| s.header_bytes).collect::<Vec<_>>();
        assert_eq!(lens("nop,nop,sack"), [32, 40, 48, 56]);
        assert_eq!(lens("?254"), [24, 28, 32, 36, 40, 44, 48, 52, 56, 60]);
        let pairs = shapes("?254,?253");
        assert!(pairs.iter().all(|s| s.header_bytes % 4 == 0));
        // One for each sum of two lengths from 2 that is a multiple of 4.
        assert_eq!(pairs.len(), (1..=10).map(|n| 4 * n - 3).sum::<usize>());
        assert!(layout("?254,?253,?252").shapes(Lens::Standard).is_err());
        assert_eq!(layout("nop,nop,sack").shapes(Lens::P0f).unwrap().len(), 7);
    }

    #[test]
    fn faults_are_where_p0f_finds_them() {
        let faults = |text: &str| {
            let shapes = layout(text).faulty_shapes(24).unwrap();
            shapes.into_iter().map(|s| (s.header_bytes, s.fault)).collect::<Vec<_>>()
        };
        assert_eq!(faults("mss"), [(24, Fault::Length)]);
        assert_eq!(faults(""), []);
        assert_eq!(faults("nop,nop"), []);
        assert_eq!(faults("nop,nop,ws"), [(24, Fault::Cut(22, 3, 0..0))]);
        let cut = faults("nop,nop,nop,?9");
        assert_eq!(cut[0], (24, Fault::Cut(23, 9, 0..0)));
        assert_eq!(cut[1], (28, Fault::Cut(23, 9, 2..6)));
        let many = ["nop"; 24].join(",");
        assert_eq!(faults(&many)[0], (48, Fault::TooMany));
    }
}
