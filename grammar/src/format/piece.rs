//! One piece laid out: its tokens with canonical blanks between them.

use crate::lex::{Lexer, Tok, Token};
use crate::props::Owner;
use crate::sink::Source;
use crate::split::Piece;

use super::columns::indent;

/// What the tokens are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An item without a body.
    Item,
    /// What stands before a body.
    Head,
    /// A rule, label left out.
    Rule,
    /// A line of a test.
    Step,
    /// Elements and properties.
    Prop,
}

/// Words before a parenthesis that are no name of what is called.
const NEVER_CALLED: [&str; 16] = [
    "and",
    "or",
    "not",
    "in",
    "has",
    "any",
    "within",
    "contains",
    "starts_with",
    "ends_with",
    "like",
    "add",
    "del",
    "from",
    "to",
    "per",
];

/// A piece as text, with the places where columns may begin.
#[derive(Debug)]
pub(super) struct Laid {
    /// Continuation lines are indented.
    pub(super) text: String,
    /// Offsets in `text`; the blank before each belongs to neither side.
    pub(super) breaks: Vec<usize>,
}

impl Laid {
    /// The text cut at its breaks.
    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells = Vec::new();
        let mut start = 0;
        for end in self.breaks.iter().copied().chain([self.text.len()]) {
            cells.push(self.text[start..end].trim_end().to_owned());
            start = end;
        }
        cells
    }
}

/// Lays out bytes `start..piece.end` of the source, at `level` levels of indent.
pub(super) fn lay(
    source: Source<'_>,
    piece: &Piece,
    start: usize,
    kind: Kind,
    level: usize,
) -> Laid {
    let mut pen = Pen {
        source,
        kind,
        level,
        out: Laid { text: String::new(), breaks: Vec::new() },
        open: Vec::new(),
        before: None,
        newlines: 0,
        after_comment: false,
        continued: false,
        packet: false,
        first: "",
        values: 0,
        least: 0,
    };
    for token in Lexer::new(source.text, start, piece.end) {
        pen.token(token);
    }
    pen.out
}

/// An iptables line: its own blanks stay, for a shell's quotes are in it.
pub(super) fn lay_iptables(source: Source<'_>, piece: &Piece) -> Laid {
    let lexer = Lexer::new(source.text, piece.main, piece.end);
    let bytes = source.text.as_bytes();
    let (mut lines, mut start, mut pos) = (Vec::new(), piece.main, piece.main);
    while pos < piece.end {
        match lexer.continuation(pos) {
            Some(end) => {
                lines.push(source.text[start..pos].trim());
                (start, pos) = (end, end);
            }
            None if bytes[pos] == b'\\' => pos += 2,
            None => pos += 1,
        }
    }
    lines.push(source.text.get(start..piece.end).unwrap_or("").trim());
    let separator = format!(" \\\n{}", indent(2));
    lines.retain(|line| !line.is_empty());
    Laid { text: lines.join(&separator), breaks: Vec::new() }
}

struct Pen<'a> {
    source: Source<'a>,
    kind: Kind,
    level: usize,
    out: Laid,
    /// Open brackets.
    open: Vec<&'a str>,
    /// The last token printed, and its text.
    before: Option<(Tok, &'a str, usize)>,
    newlines: usize,
    after_comment: bool,
    /// A `\` ended the line: nothing, unless a comment follows.
    continued: bool,
    /// In a packet of a test, where `/` stands alone.
    packet: bool,
    /// The first word.
    first: &'a str,
    /// Values of the property that is being printed, and how many it must have.
    values: usize,
    least: usize,
}

impl<'a> Pen<'a> {
    fn token(&mut self, token: Token) {
        let text: &'a str = &self.source.text[token.start..token.end];
        match token.kind {
            Tok::Newline => self.newlines += 1,
            Tok::Continue => self.continued = true,
            Tok::Comment => self.comment(text.trim_end()),
            Tok::Word if self.kind == Kind::Head && self.open.is_empty() => {
                self.cut(token, text, ':');
            }
            Tok::Word if self.packet && self.open.is_empty() => self.cut(token, text, '/'),
            Tok::Word
            | Tok::Text
            | Tok::BadText
            | Tok::Open
            | Tok::Close
            | Tok::Comma
            | Tok::Arrow
            | Tok::Op => self.print(token.kind, text, token.start),
        }
    }

    /// Prints a word in parts, `sign` by itself.
    fn cut(&mut self, token: Token, text: &'a str, sign: char) {
        let mut pos = token.start;
        for part in text.split_inclusive(sign) {
            let word = part.strip_suffix(sign).unwrap_or(part);
            if !word.is_empty() {
                self.print(Tok::Word, word, pos);
            }
            pos += word.len();
            if word.len() < part.len() {
                self.print(Tok::Op, &part[word.len()..], pos);
                pos += sign.len_utf8();
            }
        }
    }

    fn comment(&mut self, text: &str) {
        if self.newlines > 0 || self.after_comment || self.continued {
            self.newline(false);
        } else if self.before.is_some() {
            self.out.text.push_str("  ");
        }
        self.out.text.push_str(text);
        self.after_comment = true;
    }

    fn newline(&mut self, closes: bool) {
        let in_list = !self.open.is_empty() || self.kind == Kind::Prop;
        if self.newlines > 1 && in_list && !closes {
            let after_open = matches!(self.before, Some((Tok::Open, ..))) && !self.after_comment;
            if !after_open {
                self.out.text.push('\n');
            }
        }
        let depth = self.open.len() - usize::from(closes && !self.open.is_empty());
        let hangs = depth == 0 && !closes && self.kind != Kind::Prop;
        self.out.text.push('\n');
        self.out.text.push_str(&indent(self.level + depth + usize::from(hangs)));
        self.newlines = 0;
        self.after_comment = false;
        self.continued = false;
    }

    fn print(&mut self, kind: Tok, text: &'a str, start: usize) {
        self.continued = false;
        let closes = kind == Tok::Close;
        let column = self.begins_column(kind, text);
        if self.before.is_some() {
            if self.newlines > 0 || self.after_comment {
                self.newline(closes);
            } else if self.wants_blank(kind, text, start) {
                let wide = column && self.kind == Kind::Prop;
                self.out.text.push_str(if wide { "  " } else { " " });
            }
            if column && self.kind != Kind::Prop {
                self.out.breaks.push(self.out.text.len());
            }
        } else {
            self.first = text;
        }
        self.out.text.push_str(text);
        match kind {
            Tok::Open => self.open.push(text),
            Tok::Close => {
                self.open.pop();
            }
            Tok::Newline
            | Tok::Continue
            | Tok::Comment
            | Tok::Text
            | Tok::BadText
            | Tok::Comma
            | Tok::Arrow
            | Tok::Op
            | Tok::Word => {}
        }
        self.track(kind, text);
        self.before = Some((kind, text, start + text.len()));
    }

    /// Whether a column begins with this token.
    fn begins_column(&self, kind: Tok, text: &str) -> bool {
        if !self.open.is_empty() {
            return false;
        }
        match self.kind {
            Kind::Rule => kind == Tok::Arrow,
            Kind::Step => text == "expect" && kind == Tok::Word,
            Kind::Head => matches!(self.before, Some((Tok::Op, ":", _))),
            Kind::Prop => kind == Tok::Word && self.values >= self.least && is_property(text),
            Kind::Item => false,
        }
    }

    fn track(&mut self, kind: Tok, text: &str) {
        if !self.open.is_empty() {
            return;
        }
        match self.kind {
            Kind::Step if matches!(self.first, "let" | "send") => {
                let starts = text == "=" || text == "send";
                let ends = kind == Tok::Word && matches!(text, "with" | "expect");
                self.packet = (self.packet || starts) && !ends;
                if text == "=" && self.first == "send" {
                    self.packet = false;
                }
            }
            Kind::Prop if kind == Tok::Word && self.values >= self.least && is_property(text) => {
                (self.values, self.least) = (0, least_values(text));
            }
            Kind::Prop => self.values += 1,
            Kind::Item | Kind::Head | Kind::Rule | Kind::Step => {}
        }
    }

    fn wants_blank(&self, kind: Tok, text: &str, start: usize) -> bool {
        let Some((before_kind, before, before_end)) = self.before else { return false };
        let in_slice = self.open.last() == Some(&"[");
        if in_slice || kind == Tok::Comma || matches!(text, ")" | "]" | "[") {
            return false;
        }
        if before_kind == Tok::Open && matches!(before, "(" | "[") {
            return false;
        }
        if self.kind == Kind::Head && text == ":" {
            return false;
        }
        let words = kind == Tok::Word && before_kind == Tok::Word;
        if words && (before.ends_with('|') || text.starts_with('|')) {
            return false;
        }
        if text == "(" && kind == Tok::Open && before_kind == Tok::Word {
            let called = before_end == start && !NEVER_CALLED.contains(&before);
            return !(called || matches!(before, "over" | "under"));
        }
        true
    }
}

fn is_property(word: &str) -> bool {
    [Owner::Set, Owner::Limit, Owner::Conns].iter().any(|owner| owner.row(word).is_some())
}

fn least_values(word: &str) -> usize {
    let rows = [Owner::Set, Owner::Limit, Owner::Conns].map(|owner| owner.row(word));
    rows.iter().flatten().map(|(_, least, _)| *least).max().unwrap_or(0)
}
