//! Values: words, text, lists, sets, flags and tuples. Lists are read element by element, so that a hundred
//! thousand of them cost no more than their bytes.

use crate::lex::{Lexer, Tok, Token};
use crate::sink::{Sink, Source};
use crate::syntax::{Node, Part, Rule, shorten};
use crate::{Name, S, Span, Value, errors, spanned};

/// The value that a `value` or `operand_value` node of `part` stands for; `None` if it was reported.
pub(crate) fn of_node(part: Part<'_>, node: Node<'_>, sink: &mut Sink) -> Option<S<Value>> {
    let span = part.at(&node);
    let inner = node.into_inner().next();
    let rule = inner.map_or(Rule::word, |inner| inner.as_rule());
    of_rule(part.source, rule, span, sink)
}

/// The value of the raw node kind `rule` (`text`, `list`, `group` or `word`) at `span`.
fn of_rule(source: Source<'_>, rule: Rule, span: Span, sink: &mut Sink) -> Option<S<Value>> {
    let value = match rule {
        Rule::text => text(source, span, sink)?,
        Rule::list => list(source, span, sink)?,
        Rule::group => group(source, span, sink)?,
        _ => word(source, span),
    };
    if value == Value::SetRef(String::new()) {
        sink.push(errors::expected(span, "the name of a set after `@`", "none"));
        return None;
    }
    Some(spanned(value, span))
}

/// The next value that `lexer` comes upon, newlines and comments skipped: `Ok(None)` at the end, `Err` with a
/// token that begins no value, or `Err(None)` if the value was reported.
pub(crate) fn next(
    source: Source<'_>,
    lexer: &mut Lexer<'_>,
    sink: &mut Sink,
) -> Result<Option<S<Value>>, Option<Token>> {
    let Some(token) = next_token(lexer) else { return Ok(None) };
    let mut span = source.span(token.start, token.end);
    let rule = match token.kind {
        Tok::Word => Rule::word,
        Tok::Text => Rule::text,
        Tok::Open if lexer.str(token) != "[" => {
            let close = if lexer.str(token) == "{" { "}" } else { ")" };
            let Some(end) = lexer.find(|t| t.kind == Tok::Close && is(source, *t, close)) else {
                return Err(Some(token));
            };
            span.end = source.span(end.start, end.end).end;
            if close == "}" { Rule::list } else { Rule::group }
        }
        Tok::Newline
        | Tok::Continue
        | Tok::Comment
        | Tok::BadText
        | Tok::Open
        | Tok::Close
        | Tok::Comma
        | Tok::Arrow
        | Tok::Op => return Err(Some(token)),
    };
    of_rule(source, rule, span, sink).map(Some).ok_or(None)
}

/// The next token that is no newline or comment.
pub(crate) fn next_token(lexer: &mut Lexer<'_>) -> Option<Token> {
    lexer.find(|t| !matches!(t.kind, Tok::Newline | Tok::Continue | Tok::Comment))
}

fn is(source: Source<'_>, token: Token, text: &str) -> bool {
    source.text.get(token.start..token.end) == Some(text)
}

/// A word, a set with `@`, or flags joined by `|`.
fn word(source: Source<'_>, span: Span) -> Value {
    let text = source.at(span);
    if let Some(set) = text.strip_prefix('@') {
        return Value::SetRef(set.to_owned());
    }
    if text.contains('|') {
        let flags = names(text, source, span.start as usize);
        if let Some(flags) = flags {
            return Value::Flags(flags);
        }
    }
    Value::Word(text.to_owned())
}

/// `a|b|c` at byte `start` of the source, if each part is a name.
fn names(text: &str, source: Source<'_>, start: usize) -> Option<Vec<Name>> {
    let mut pos = start;
    let mut names = Vec::new();
    for part in text.split('|') {
        let lead = part.len() - part.trim_start().len();
        let name = part.trim();
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
        if !valid {
            return None;
        }
        let from = pos + lead;
        names.push(spanned(name.to_owned(), source.span(from, from + name.len())));
        pos += part.len() + 1;
    }
    Some(names)
}

/// `{ a, b, }`, braces included in `span`.
fn list(source: Source<'_>, span: Span, sink: &mut Sink) -> Option<Value> {
    let (start, end) = (span.start as usize + 1, span.end as usize - 1);
    elements(source, start, end, sink).map(Value::List)
}

/// Comma-separated values of bytes `start..end`.
fn elements(
    source: Source<'_>,
    start: usize,
    end: usize,
    sink: &mut Sink,
) -> Option<Vec<S<Value>>> {
    let mut lexer = Lexer::new(source.text, start, end);
    let mut values: Vec<S<Value>> = Vec::new();
    let mut comma = true;
    loop {
        let before = lexer;
        let Some(token) = next_token(&mut lexer) else { return Some(values) };
        let span = source.span(token.start, token.end);
        match token.kind {
            Tok::Comma if comma => {
                sink.push(errors::missing_element(span));
                return None;
            }
            Tok::Comma => comma = true,
            Tok::Open if is(source, token, "{") => {
                sink.push(errors::nested_list(span));
                return None;
            }
            _ if !comma => {
                let found = shorten(source.at(span));
                sink.push(errors::missing_comma(span, &found));
                return None;
            }
            _ => {
                comma = false;
                if !sink.element(span) {
                    return None;
                }
                lexer = before;
                match next(source, &mut lexer, sink) {
                    Ok(Some(value)) => values.push(value),
                    Ok(None) => return Some(values),
                    Err(Some(token)) => {
                        let span = source.span(token.start, token.end);
                        sink.push(errors::not_a_value(span, &shorten(source.at(span))));
                        return None;
                    }
                    Err(None) => return None,
                }
            }
        }
    }
}

/// `(a, b)`, `(syn|ack)`, or one word in parentheses.
fn group(source: Source<'_>, span: Span, sink: &mut Sink) -> Option<Value> {
    let (start, end) = (span.start as usize + 1, span.end as usize - 1);
    let inner = source.span(start, end);
    let text = source.at(inner);
    if text.contains('|')
        && let Some(flags) = names(text, source, start)
    {
        return Some(Value::Flags(flags));
    }
    let mut values = elements(source, start, end, sink)?;
    match (values.len(), text.contains(',')) {
        (0, _) => {
            sink.push(errors::expected(span, "a value in the parentheses", "none"));
            None
        }
        (1, false) => values.pop().map(|only| only.node),
        _ => Some(Value::Tuple(values)),
    }
}

/// `"…"`, `i"…"` or `hex"…"` with its escapes resolved.
fn text(source: Source<'_>, span: Span, sink: &mut Sink) -> Option<Value> {
    let raw = source.at(span);
    if let Some(hex) = raw.strip_prefix("hex\"") {
        let body = hex.strip_suffix('"').unwrap_or(hex);
        return hex_bytes(source, span.start as usize + 4, body, sink).map(Value::Hex);
    }
    let (nocase, quoted) = match raw.strip_prefix('i') {
        Some(rest) => (true, rest),
        None => (false, raw),
    };
    let body_start = span.start as usize + usize::from(nocase) + 1;
    let body = quoted.strip_prefix('"').and_then(|body| body.strip_suffix('"')).unwrap_or("");
    Some(Value::Text { bytes: unescape(source, body_start, body, sink)?, nocase })
}

/// Bytes of `body`, which begins at byte `start` of the source.
fn unescape(source: Source<'_>, start: usize, body: &str, sink: &mut Sink) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    let mut good = true;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at..];
        let pos = start + (body.len() - escape.len());
        let (len, byte) = escape_at(escape);
        match byte {
            Some(byte) => bytes.push(byte),
            None => {
                good = false;
                let span = source.span(pos, pos + len);
                sink.push(errors::unknown_escape(span, &escape[..len]));
            }
        }
        rest = &escape[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    good.then_some(bytes)
}

/// Length of the escape that `text` begins with, and its byte if it is one.
fn escape_at(text: &str) -> (usize, Option<u8>) {
    let simple = [('\\', b'\\'), ('"', b'"'), ('n', b'\n'), ('r', b'\r'), ('t', b'\t'), ('0', 0)];
    let Some(letter) = text[1..].chars().next() else { return (1, None) };
    if let Some((_, byte)) = simple.iter().find(|(name, _)| *name == letter) {
        return (2, Some(*byte));
    }
    let digits = text.get(2..4).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
    match (letter, digits) {
        ('x', Some(digits)) => (4, u8::from_str_radix(digits, 16).ok()),
        _ => (1 + letter.len_utf8(), None),
    }
}

/// Pairs of hex digits, `??` for any byte, blanks between them.
fn hex_bytes(
    source: Source<'_>,
    start: usize,
    body: &str,
    sink: &mut Sink,
) -> Option<Vec<Option<u8>>> {
    let mut bytes = Vec::new();
    let mut pos = 0;
    while pos < body.len() {
        let rest = &body[pos..];
        let first = rest.chars().next().unwrap_or(' ');
        if first == ' ' || first == '\t' {
            pos += 1;
            continue;
        }
        let pair = rest.get(..2).filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(Some(byte));
        } else if rest.starts_with("??") {
            bytes.push(None);
        } else {
            let len = rest.chars().take(2).take_while(|c| !c.is_whitespace());
            let len = len.map(char::len_utf8).sum();
            sink.push(errors::bad_hex(source.span(start + pos, start + pos + len), &rest[..len]));
            return None;
        }
        pos += 2;
    }
    Some(bytes)
}

/// The UTF-8 text of a `text` node: a path, a title, an expression of another language.
pub(crate) fn plain_text(part: Part<'_>, node: &Node<'_>, sink: &mut Sink) -> Option<S<String>> {
    let span = part.at(node);
    plain_text_at(part.source, span, sink)
}

/// The UTF-8 text of the quoted text at `span`.
pub(crate) fn plain_text_at(source: Source<'_>, span: Span, sink: &mut Sink) -> Option<S<String>> {
    match text(source, span, sink)? {
        Value::Text { bytes, nocase: false } => match String::from_utf8(bytes) {
            Ok(text) => Some(spanned(text, span)),
            Err(_) => {
                sink.push(errors::not_plain_text(span));
                None
            }
        },
        Value::Text { .. }
        | Value::Hex(_)
        | Value::Word(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::SetRef(_)
        | Value::Flags(_) => {
            sink.push(errors::not_plain_text(span));
            None
        }
    }
}
