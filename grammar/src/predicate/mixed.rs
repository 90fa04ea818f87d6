//! `a and b or c`: both readings are shown, for nobody agrees which one it is.

use super::Join;
use crate::sink::Source;
use crate::{Diag, Expr, errors};

/// Longest reading that is worth showing, characters.
const READING_CHARS: usize = 160;

/// The error at `other`, the first word that differs from the ones before it.
pub(super) fn diag(
    source: Source<'_>,
    terms: &[Expr],
    joins: &[(Join, crate::Span)],
    other: crate::Span,
) -> Diag {
    let first = joins.first().map_or(other, |(_, span)| *span);
    let readings = if terms.len() > 16 {
        ["(a and b) or c".to_owned(), "a and (b or c)".to_owned()]
    } else {
        [Join::And, Join::Or].map(|tight| reading(source, terms, joins, tight))
    };
    errors::mixed_joins(other, first, &readings)
}

/// The text with the runs joined by `tight` in parentheses.
fn reading(
    source: Source<'_>,
    terms: &[Expr],
    joins: &[(Join, crate::Span)],
    tight: Join,
) -> String {
    let mut out = String::new();
    let binds = |at: Option<&(Join, crate::Span)>| at.is_some_and(|(join, _)| *join == tight);
    for (i, term) in terms.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| joins.get(i));
        if let Some((join, _)) = before {
            out.push_str(if *join == Join::And { " and " } else { " or " });
        }
        if binds(joins.get(i)) && !binds(before) {
            out.push('(');
        }
        let words = source.at(term.span).split_whitespace();
        out.push_str(&words.collect::<Vec<_>>().join(" "));
        if binds(before) && !binds(joins.get(i)) {
            out.push(')');
        }
    }
    if out.chars().count() > READING_CHARS {
        return out.chars().take(READING_CHARS - 1).chain("…".chars()).collect();
    }
    out
}
