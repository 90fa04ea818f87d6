//! Static sets: their elements, written out and from files.

use super::diags::Diags;
use super::names::nearest;
use super::operand::Target;
use super::value::{Val, elements, host_bits};
use super::want::{Family, Kind, Misfit, Piece, Want};
use super::{Checker, errors, unsupported, words};
use crate::hir::{Operand, Set, SetId};
use crate::ranges::{Ranges, max_value};
use crate::source::Base;
use l4c_grammar::{self as ast, S, SetDecl, Span, spanned};
use std::io::{BufRead, Read};

/// Elements that a set holds unless it says otherwise.
const DEFAULT_MAX: u64 = 65_536;

/// The largest `max`.
const LARGEST_MAX: u64 = 64 << 20;

/// So many bad lines of a file are listed, then their number.
const BAD_LINES_LISTED: usize = 20;

/// Of a line no more bytes are looked at: the longest element has 87.
const MAX_LINE_BYTES: u64 = 4096;

/// A type of set: its name, what it asks of an element, whether it holds prefixes and ranges.
struct SetType {
    name: &'static str,
    kind: Kind,
    bits: u32,
    many: bool,
}

const fn row(name: &'static str, kind: Kind, bits: u32, many: bool) -> SetType {
    SetType { name, kind, bits, many }
}

const BOTH: Kind = Kind::Addr { v4: true, v6: true };
const V4: Kind = Kind::Addr { v4: true, v6: false };
const V6: Kind = Kind::Addr { v4: false, v6: true };

const TYPES: &[SetType] = &[
    row("addr", BOTH, 128, false),
    row("addr4", V4, 32, false),
    row("addr6", V6, 128, false),
    row("prefix", BOTH, 128, true),
    row("prefix4", V4, 32, true),
    row("prefix6", V6, 128, true),
    row("port", Kind::Port, 16, true),
    row("mac", Kind::Mac, 48, true),
    row("u8", Kind::Number, 8, true),
    row("u16", Kind::Number, 16, true),
    row("u32", Kind::Number, 32, true),
    row("u64", Kind::Number, 64, true),
];

/// What later checks ask of a set.
#[derive(Debug, Clone)]
pub(super) struct SetFacts {
    /// Its name.
    pub name: String,
    /// Its type, if that is one.
    pub ty: Option<(&'static str, Kind)>,
    /// Its shortest prefix, if that is shorter than /8.
    pub wide: Option<String>,
}

/// Elements while they are gathered.
#[derive(Default)]
struct Gathered {
    narrow: Vec<(u128, u128)>,
    wide: Vec<(u128, u128)>,
    shortest: Option<(u8, String)>,
}

impl Gathered {
    fn add(&mut self, piece: Piece, val: &Val) {
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
        let ty = self.set_type(decl);
        let max = self.set_props(decl);
        // Words are told from mistakes even where the type is none.
        let inline: Vec<S<Val>> =
            decl.elements.iter().map(|v| self.values.value(v, &[], &mut self.diags)).collect();
        if let Some(ty) = ty {
            let by = format!("the set `{}` of `{}`", errors::shown(&name), ty.name);
            let want =
                Want { kind: ty.kind, max: max_value(ty.bits), names: &[], by, many: ty.many };
            for element in inline.iter().flat_map(elements) {
                self.element(&want, element, &mut gathered);
            }
            for from in &decl.from {
                self.file_elements(&want, from, &mut gathered);
            }
            self.check_size(decl, &mut gathered, max);
        }
        let set = Set {
            name: name.clone(),
            span: decl.name.span,
            narrow: Ranges::from_unsorted(gathered.narrow),
            wide: Ranges::from_unsorted(gathered.wide),
        };
        let wide = gathered.shortest.map(|(_, text)| text);
        (set, SetFacts { name, ty: ty.map(|t| (t.name, t.kind)), wide })
    }

    fn set_type(&mut self, decl: &SetDecl) -> Option<&'static SetType> {
        if let (Some(first), true) = (decl.ty.first(), decl.tuple) {
            return self.diags.none(unsupported::at(first.span, "a set of tuples"));
        }
        let word = decl.ty.first()?;
        let found = TYPES.iter().find(|t| t.name == word.node);
        if found.is_none() {
            let like = nearest(&word.node, TYPES.iter().map(|t| t.name), &self.diags);
            self.diags.push(errors::unknown_set_type(word, like));
        }
        found
    }

    /// `max N`, and a word for every other property.
    fn set_props(&mut self, decl: &SetDecl) -> u64 {
        let mut max = None;
        for prop in &decl.props {
            let word = prop.name.node.as_str();
            if unsupported::SET_PROPS.contains(&word) {
                self.diags.push(unsupported::at(prop.name.span, &format!("`{word}`")));
            } else if word != "max" {
                let like = nearest(word, ["max", "from"].into_iter(), &self.diags);
                self.diags.push(errors::unknown_property(&prop.name, "set", like));
            } else if max.is_some() {
                self.diags.push(errors::property_twice(&prop.name));
            } else {
                max = Some(self.set_max(prop));
            }
        }
        max.unwrap_or(DEFAULT_MAX)
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

    fn element(&mut self, want: &Want, element: &S<Val>, gathered: &mut Gathered) {
        match want.piece(element, &self.diags) {
            Ok(piece) => gathered.add(piece, &element.node),
            Err(misfit) => misfit.into_iter().for_each(|d| self.diags.push(*d)),
        }
    }

    fn check_size(&mut self, decl: &SetDecl, gathered: &mut Gathered, max: u64) {
        let count = gathered.count() as u64;
        if count > max {
            self.diags.push(errors::set_too_large(decl.name.span, &decl.name.node, count, max));
        } else if count == 0 && !self.diags.any_error() {
            self.diags.push(errors::set_empty(decl.name.span, &decl.name.node));
        }
    }

    /// `from "file"`: the first word of each line, read as it streams by.
    fn file_elements(&mut self, want: &Want, from: &S<String>, gathered: &mut Gathered) {
        let from_dir = self.sources.get(from.span.file).map(|s| s.dir.clone()).unwrap_or_default();
        let base = Base { root_dir: self.root_dir, from_dir: &from_dir };
        let opened = self.access.resolve(base, &from.node).and_then(|p| self.access.open(&p));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => return self.diags.push(errors::file(from, &error)),
        };
        let mut bad = BadLines { from, listed: 0, more: 0 };
        let mut line = Vec::new();
        for number in 1u64.. {
            match read_line(&mut *file, &mut line) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.diags.push(errors::file(from, &error.into())),
            }
            let start = if number == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let Some(word) = first_word(&line[start..]) else { continue };
            self.file_element(want, word, number, gathered, &mut bad);
        }
        if bad.more > 0 {
            self.diags.push(errors::more_bad_lines(from, bad.more));
        }
    }

    fn file_element(
        &mut self,
        want: &Want,
        word: &[u8],
        number: u64,
        gathered: &mut Gathered,
        bad: &mut BadLines<'_>,
    ) {
        let span = bad.from.span;
        let parsed = std::str::from_utf8(word)
            .map_err(|_| "this is not UTF-8".to_owned())
            .and_then(|word| file_value(word).map_err(|p| errors::problem_words(word, &p)))
            .and_then(|val| {
                let val = spanned(val, span);
                let piece = want.piece(&val, &self.diags);
                piece.map(|piece| (piece, val.node)).map_err(|misfit| misfit_words(&misfit))
            });
        match parsed {
            Ok((piece, val)) => {
                if let Some(instead) = host_bits(&val) {
                    let word = String::from_utf8_lossy(word);
                    self.diags.push(errors::host_bits_in_file(bad.from, number, &word, &instead));
                }
                gathered.add(piece, &val);
            }
            Err(why) => bad.push(number, &why, &mut self.diags),
        }
    }

    /// Reports a set whose elements a comparison cannot ask for.
    pub(super) fn set_fits(&mut self, target: &Target, set: SetId, span: Span) -> Option<()> {
        let facts = &self.sets[cranelift_entity::EntityRef::index(set)];
        let (name, kind) = facts.ty?;
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
        let diag = errors::set_of_other(span, &facts.name, name, &want.by, want.words());
        self.diags.none(diag)
    }
}

/// Lines of a file that are no elements.
struct BadLines<'f> {
    from: &'f S<String>,
    listed: usize,
    more: u64,
}

impl BadLines<'_> {
    fn push(&mut self, number: u64, why: &str, diags: &mut Diags) {
        if self.listed < BAD_LINES_LISTED {
            self.listed += 1;
            diags.push(errors::bad_line(self.from, number, why));
        } else {
            self.more += 1;
        }
    }
}

fn misfit_words(misfit: &Misfit) -> String {
    misfit.as_ref().map_or_else(String::new, |d| d.message.clone())
}

/// An element of a file: no names stand there.
fn file_value(word: &str) -> Result<Val, words::Problem> {
    if let Some(problem) = words::dashed_mac(word) {
        return Err(problem);
    }
    match words::range_ends(word) {
        Some((low, high)) => Ok(Val::Range(Box::new((words::parse(low)?, words::parse(high)?)))),
        None => words::parse(word),
    }
}

/// Reads one line, of which it keeps [`MAX_LINE_BYTES`]; false at the end.
fn read_line(file: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    file.take(MAX_LINE_BYTES).read_until(b'\n', line)?;
    if line.len() as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
        file.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

/// The first word of a line, unless a comment stands before it.
fn first_word(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_start();
    let ends = |&b: &u8| b.is_ascii_whitespace() || matches!(b, b'#' | b';');
    let end = line.iter().position(ends).unwrap_or(line.len());
    (end > 0).then_some(&line[..end])
}
