//! Words, strings and signs of the text form.

use super::ParseError;

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tok<'a> {
    /// Letters, digits, `_` and `.`: a name, a number, an opcode, a range.
    Word(&'a str),
    /// A string, escapes resolved.
    Text(String),
    /// One sign.
    Sign(char),
    /// `->`
    Arrow,
    /// Nothing is left.
    End,
}

/// Splits `text`; each piece carries its line, counted from 1.
pub(super) fn split(text: &str) -> Result<Vec<(Tok<'_>, u32)>, ParseError> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\n' => {
                line += 1;
                rest = after;
            }
            c if c.is_whitespace() => rest = after,
            ';' => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
            '"' => {
                let (string, after) = string(after, line)?;
                tokens.push((Tok::Text(string), line));
                rest = after;
            }
            '-' if after.starts_with('>') => {
                tokens.push((Tok::Arrow, line));
                rest = &after[1..];
            }
            '(' | ')' | '{' | '}' | ',' | ':' | '=' | '@' | '+' => {
                tokens.push((Tok::Sign(c), line));
                rest = after;
            }
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                tokens.push((Tok::Word(&rest[..end]), line));
                rest = &rest[end..];
            }
            c => return Err(ParseError::new(line, format!("unexpected character {c:?}"))),
        }
    }
    tokens.push((Tok::End, line));
    Ok(tokens)
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.')
}

/// The string that starts at `text`, after its opening quote, and what follows its closing one.
fn string(text: &str, line: u32) -> Result<(String, &str), ParseError> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\n' => break,
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => out.push(c),
                Some((at, 'u')) => {
                    let code = text[at + 1..].strip_prefix('{').and_then(|t| t.split_once('}'));
                    let c = code
                        .and_then(|(hex, _)| u32::from_str_radix(hex, 16).ok())
                        .and_then(char::from_u32);
                    out.push(c.ok_or_else(|| ParseError::new(line, "bad \\u{…} in a string"))?);
                    chars.by_ref().find(|&(_, c)| c == '}');
                }
                _ => return Err(ParseError::new(line, "unknown escape in a string")),
            },
            c => out.push(c),
        }
    }
    Err(ParseError::new(line, "a string does not end on its line"))
}
