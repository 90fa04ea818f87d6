//! Elements of sets that are kept in maps: from what is written to keys.

use super::diags::Diags;
use super::value::Val;
use super::want::{Family, Kind, Piece, Want};
use super::{errors, words};
use crate::ranges::max_value;
use l4c_grammar::{S, Span, spanned};
use l4c_manifest::{Column, Key, Set, prefixes};

/// A range of numbers that a set holds one by one may have so many.
pub(super) const MAX_EXPANDED: u128 = 1 << 20;

/// The columns that a set may have, and whether its elements are prefixes, by the words of its type.
pub(super) const COLUMNS: &[(&str, Column, bool)] = &[
    ("addr", Column::Addr, false),
    ("addr4", Column::Addr4, false),
    ("addr6", Column::Addr6, false),
    ("prefix", Column::Addr, true),
    ("prefix4", Column::Addr4, true),
    ("prefix6", Column::Addr6, true),
    ("port", Column::Port, false),
    ("mac", Column::Mac, false),
    ("u8", Column::U8, false),
    ("u16", Column::U16, false),
    ("u32", Column::U32, false),
    ("u64", Column::U64, false),
];

/// What a column asks of a value.
pub(super) const fn kind(column: Column) -> Kind {
    match column {
        Column::Addr => Kind::Addr { v4: true, v6: true },
        Column::Addr4 => Kind::Addr { v4: true, v6: false },
        Column::Addr6 => Kind::Addr { v4: false, v6: true },
        Column::Port => Kind::Port,
        Column::Mac => Kind::Mac,
        Column::U8 | Column::U16 | Column::U32 | Column::U64 => Kind::Number,
    }
}

/// What the columns of a set ask, `by` being the set as a user calls it. Ranges may stand in a set of one column.
pub(super) fn wants(columns: &[Column], prefix: bool, by: &str) -> Vec<Want> {
    let want = |&column: &Column| Want {
        kind: kind(column),
        max: max_value(column.bits(true)),
        names: &[],
        by: by.to_owned(),
        many: columns.len() == 1 && (prefix || !column.is_address()),
    };
    columns.iter().map(want).collect()
}

/// The keys that the pieces of one element stand for.
///
/// # Errors
/// Why they stand for none, in words.
pub(super) fn keys(prefix: bool, pieces: &[Piece]) -> Result<Vec<Key>, String> {
    let families = || pieces.iter().filter_map(|piece| piece.family);
    let wide = families().next() == Some(Family::V6);
    if families().any(|family| (family == Family::V6) != wide) {
        return Err("the addresses of one element are of one family".to_owned());
    }
    match pieces {
        [Piece { lo, hi, .. }] if prefix => {
            let cut = prefixes(wide, *lo, *hi).into_iter();
            Ok(cut
                .map(|(value, bits)| Key { wide, values: vec![value], prefix_bits: Some(bits) })
                .collect())
        }
        [Piece { lo, hi, .. }] if hi - lo >= MAX_EXPANDED => {
            Err(format!("this range has more than {MAX_EXPANDED} elements"))
        }
        [Piece { lo, hi, .. }] => {
            let key = |value| Key { wide, values: vec![value], prefix_bits: None };
            Ok((*lo..=*hi).map(key).collect())
        }
        several => {
            let values = several.iter().map(|piece| piece.lo).collect();
            Ok(vec![Key { wide, values, prefix_bits: None }])
        }
    }
}

/// What a word is, where no names stand.
pub(super) fn plain_value(word: &str) -> Result<Val, words::Problem> {
    if let Some(problem) = words::dashed_mac(word) {
        return Err(problem);
    }
    match words::range_ends(word) {
        Some((low, high)) => Ok(Val::Range(Box::new((words::parse(low)?, words::parse(high)?)))),
        None => words::parse(word),
    }
}

/// The pieces of an element written as one word: those of a tuple with commas between them.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn pieces(wants: &[Want], word: &str, span: Span) -> Result<Vec<(Piece, Val)>, String> {
    let inner = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).unwrap_or(word);
    let parts: Vec<&str> = match wants {
        [_] => vec![word],
        _ => inner.split(',').map(str::trim).collect(),
    };
    if parts.len() != wants.len() {
        return Err(format!("an element has {} parts, with commas between them", wants.len()));
    }
    let diags = Diags::default();
    let piece = |(part, want): (&str, &Want)| {
        let val = plain_value(part).map_err(|problem| errors::problem_words(part, &problem))?;
        let val: S<Val> = spanned(val, span);
        let misfit = |misfit: Option<Box<l4c_grammar::Diag>>| {
            misfit.map_or_else(String::new, |diag| diag.message)
        };
        want.piece(&val, &diags).map(|piece| (piece, val.node)).map_err(misfit)
    };
    parts.into_iter().zip(wants).map(piece).collect()
}

/// The elements of a loaded set that a word stands for: one, or those of a prefix or range.
///
/// # Errors
/// Why it stands for none, in words.
pub fn elements_of(set: &Set, word: &str) -> Result<Vec<Key>, String> {
    let by = format!("the set `{}` of `{}`", set.name, set.ty);
    let pieces: Vec<Piece> = pieces(&wants(&set.columns, set.prefix, &by), word, Span::default())?
        .into_iter()
        .map(|(piece, _)| piece)
        .collect();
    keys(set.prefix, &pieces)
}
