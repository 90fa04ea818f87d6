//! A rule without `->`: what it was probably meant to be.

use crate::lex::{Tok, Token};
use crate::syntax::{Part, shorten};
use crate::{Diag, errors};

/// Words that begin an action, here or in other rule languages, and the word here.
const VERBS: [(&str, &str); 20] = [
    ("pass", "pass"),
    ("drop", "drop"),
    ("reject", "reject"),
    ("redirect", "redirect"),
    ("syncookie", "syncookie"),
    ("truncate", "truncate"),
    ("jump", "jump"),
    ("goto", "goto"),
    ("return", "return"),
    ("count", "count"),
    ("sample", "sample"),
    ("add", "add"),
    ("del", "del"),
    ("mark", "mark"),
    ("shadow", "shadow"),
    ("accept", "pass"),
    ("allow", "pass"),
    ("deny", "drop"),
    ("block", "drop"),
    ("DROP", "drop"),
];

/// A hook's setting, whose values stand in braces.
const SETTING: &str = "dns_ports";

/// Signs that people write in place of `->`.
const FOR_ARROW: [&str; 5] = ["=>", "=", ":", "then", "→"];

/// The error for the rule in `part`, label left out.
pub(super) fn diag(part: Part<'_>) -> Diag {
    let blank = [Tok::Newline, Tok::Continue, Tok::Comment];
    let tokens: Vec<Token> =
        part.lexer().filter(|token| !blank.contains(&token.kind)).take(4096).collect();
    let rewritten = rewrite(part, &tokens);
    let sign = tokens.iter().find(|t| ["=>", "→"].contains(&part.lexer().str(**t)));
    let span = sign.map_or(part.span(), |t| part.source.span(t.start, t.end));
    errors::missing_arrow(span, rewritten.as_deref())
}

fn rewrite(part: Part<'_>, tokens: &[Token]) -> Option<String> {
    let text = |token: &Token| part.lexer().str(*token);
    let slice = |start: usize, end: usize| shorten(part.source.text[start..end].trim());
    let verb = |token: &Token| VERBS.iter().find(|(word, _)| *word == text(token));
    let first = tokens.first()?;
    if text(first) == SETTING {
        let values = tokens.get(1)?;
        return Some(format!("{SETTING} {{ {} }}", slice(values.start, part.end)));
    }
    if let Some((_, verb)) = verb(first) {
        return Some(match tokens.get(1) {
            None => format!("all -> {verb}"),
            Some(next) => format!("{} -> {verb}", slice(next.start, part.end)),
        });
    }
    let at = tokens.iter().position(|token| verb(token).is_some())?;
    let (word, ours) = verb(&tokens[at])?;
    let before = tokens[..at].iter().rfind(|token| !FOR_ARROW.contains(&text(token)))?;
    let pred = part.source.text[part.start..before.end].trim_end_matches(':');
    let rest = &part.source.text[tokens[at].start + word.len()..part.end];
    Some(format!("{} -> {ours}{}", shorten(pred), shorten(rest)))
}
