//! Cuts a source into items, and bodies into rules or lines, before anything is parsed.
//!
//! Guarantees: linear time; every piece that is not marked broken has balanced brackets, closed quotes and
//! at most [`limits::DEPTH`] levels; a broken piece ends at its line, so it spoils no other.

use crate::lex::{Lexer, Tok, Token};
use crate::sink::{Sink, Source};
use crate::{Comment, errors, limits};

mod piece;

/// First words of items, and what the braces behind them hold.
const ITEMS: [(&str, Body); 10] = [
    ("include", Body::None),
    ("use", Body::None),
    ("let", Body::None),
    ("match", Body::None),
    ("set", Body::Props),
    ("limit", Body::Props),
    ("conns", Body::Props),
    ("chain", Body::Rules),
    ("hook", Body::Rules),
    ("test", Body::Steps),
];

/// Words that follow the name of a `match` in a predicate, but never the first word of an item.
const NOT_A_NAME: [&str; 9] =
    ["and", "or", "not", "in", "has", "contains", "starts_with", "ends_with", "like"];

/// What the braces of an item hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// No body: braces are those of a list.
    None,
    /// Elements and properties.
    Props,
    /// Rules.
    Rules,
    /// Lines of a test.
    Steps,
    /// The item is none that is known: its body is skipped.
    Unknown,
}

/// How a piece is read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Words of the language.
    Plain,
    /// An iptables line.
    Iptables,
}

/// One rule, line or item head: bytes `start..end` of the source, blanks and comments around it left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First byte, of the label if there is one.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// Bytes of the label, without the colon; only where rules stand.
    pub(crate) label: Option<(usize, usize)>,
    /// Where the part behind the label begins.
    pub(crate) main: usize,
    /// Where the first `->` is.
    pub(crate) arrow: Option<usize>,
    /// How to read it.
    pub(crate) shape: Shape,
    /// Already reported; not to be read.
    pub(crate) broken: bool,
    /// Bytes within the braces of lists.
    pub(crate) list_bytes: usize,
}

/// An item with braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// What stands before the brace.
    pub(crate) head: Piece,
    /// Where `{` is.
    pub(crate) open: usize,
    /// One past `}`.
    pub(crate) end: usize,
    /// What the braces hold.
    pub(crate) kind: Body,
    /// In order.
    pub(crate) pieces: Vec<Piece>,
}

/// What stands at the top level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Top {
    /// An item without braces of its own.
    Line(Piece),
    /// A rule or line of a hook's body, where items and rules are mixed.
    Rule(Piece),
    /// An item with braces.
    Block(Block),
}

/// A source in pieces.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// In source order.
    pub(crate) tops: Vec<Top>,
    /// In source order.
    pub(crate) comments: Vec<Comment>,
}

/// Cuts `source`; with `mixed`, rules of a hook may stand beside the items.
pub(crate) fn split(source: Source<'_>, mixed: bool, sink: &mut Sink) -> Cut {
    let start = if source.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let lex = Lexer::new(source.text, start, source.text.len());
    let mut splitter = Splitter {
        source,
        lex,
        sink,
        mixed,
        comments: Vec::new(),
        rules: 0,
        lines: 0,
        stop: false,
        sunk: false,
    };
    let tops = splitter.tops();
    Cut { tops, comments: splitter.comments }
}

/// How a piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With its line, or with the source.
    Line,
    /// At the `{` of a body, not yet read.
    Body,
    /// At the `}` of the body that it stands in, not yet read.
    Close,
}

struct Splitter<'a, 's> {
    source: Source<'a>,
    lex: Lexer<'a>,
    sink: &'s mut Sink,
    mixed: bool,
    comments: Vec<Comment>,
    rules: usize,
    lines: usize,
    stop: bool,
    /// Brackets went too deep to tell what closes what.
    sunk: bool,
}

impl Splitter<'_, '_> {
    fn tops(&mut self) -> Vec<Top> {
        let mut tops = Vec::new();
        while let Some(token) = self.significant() {
            if self.source.text[token.start..].starts_with('}') {
                self.sink.push(errors::stray_close(self.source.span(token.start, token.end), '}'));
                self.lex.pos = token.end;
                continue;
            }
            let item = item_word(self.source.text, token);
            let is_rule = self.mixed && !begins_item(self.source.text, token.start);
            let (place, kind) = match item {
                _ if is_rule => (Place::Mixed, Body::None),
                Some(Body::None) => (Place::Line, Body::None),
                Some(kind) => (Place::Head, kind),
                None => (Place::Guess, Body::Unknown),
            };
            if !self.count(token, is_rule) {
                break;
            }
            let (piece, end) = self.piece(place);
            tops.push(match end {
                End::Body => {
                    let known = self.sink.diags.len();
                    let block = self.block(piece, kind);
                    if kind == Body::Unknown {
                        // What the braces of no item hold was never meant to be read.
                        self.sink.diags.truncate(known);
                    }
                    Top::Block(block)
                }
                End::Line | End::Close if is_rule => Top::Rule(piece),
                End::Line | End::Close => Top::Line(piece),
            });
        }
        tops
    }

    /// The next token that is neither blank nor comment, not yet taken; comments on the way are kept.
    fn significant(&mut self) -> Option<Token> {
        while !self.stop && !self.sink.full {
            let before = self.lex;
            let token = self.lex.next()?;
            match token.kind {
                Tok::Newline | Tok::Continue => {}
                Tok::Comment => self.comment(token),
                Tok::Text
                | Tok::BadText
                | Tok::Open
                | Tok::Close
                | Tok::Comma
                | Tok::Arrow
                | Tok::Op
                | Tok::Word => {
                    self.lex = before;
                    return Some(token);
                }
            }
        }
        None
    }

    fn comment(&mut self, token: Token) {
        if self.comments.len() >= limits::COMMENTS {
            if !self.stop {
                let span = self.source.span(token.start, token.end);
                self.sink.push(errors::too_many_comments(span));
            }
            self.stop = true;
            return;
        }
        let bytes = self.source.text.as_bytes();
        let mut line = bytes[..token.start].iter().rev().take_while(|b| **b != b'\n');
        let own_line = line.all(|b| matches!(b, b' ' | b'\t'));
        self.comments.push(Comment {
            span: self.source.span(token.start, token.end),
            text: self.source.text[token.start + 1..token.end].trim_end().to_owned(),
            own_line,
        });
    }

    /// The body of an item, from its `{` on.
    fn block(&mut self, head: Piece, kind: Body) -> Block {
        let open = self.lex.skip_blanks(self.lex.pos);
        self.lex.pos = open + 1;
        let place = match kind {
            Body::Rules => Place::Rule,
            Body::Steps => Place::Step,
            Body::None | Body::Props | Body::Unknown => Place::Prop,
        };
        let mut block = Block { head, open, end: open + 1, kind, pieces: Vec::new() };
        while let Some(token) = self.significant() {
            if self.source.text[token.start..].starts_with('}') {
                self.lex.pos = token.end;
                block.end = token.end;
                return block;
            }
            if self.next_item(token.start, place) || !self.count(token, place == Place::Rule) {
                break;
            }
            block.pieces.push(self.piece(place).0);
        }
        if !self.stop && !self.sink.full && !self.sunk {
            self.sink.push(errors::unclosed_bracket(self.source.span(open, open + 1), '{'));
        }
        block.end = self.lex.pos.max(open + 1);
        block
    }

    /// Counts a rule or another line; false, and the end, when the source holds too many.
    fn count(&mut self, token: Token, is_rule: bool) -> bool {
        let span = self.source.span(token.start, token.end);
        if is_rule {
            self.rules += 1;
            self.stop = self.rules > limits::RULES;
            if self.stop {
                self.sink.push(errors::too_many_rules(span));
            }
        } else {
            self.lines += 1;
            self.stop = self.lines > limits::LINES;
            if self.stop {
                self.sink.push(errors::too_many_lines(span));
            }
        }
        !self.stop
    }

    /// Whether the line at `pos` begins a new item at the left margin, though a body or bracket is open.
    fn next_item(&self, pos: usize, place: Place) -> bool {
        let at_margin = pos == 0 || self.source.text.as_bytes()[pos - 1] == b'\n';
        let is_let = self.source.text[pos..].starts_with("let");
        at_margin && !(place == Place::Step && is_let) && begins_item(self.source.text, pos)
    }
}

/// Where a piece stands: it decides what braces and labels mean in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An item without a body.
    Line,
    /// An item whose first `{` opens its body.
    Head,
    /// No known item: a body unless it looks like a predicate.
    Guess,
    /// A rule beside items.
    Mixed,
    /// A rule of a hook or chain.
    Rule,
    /// A line of a test.
    Step,
    /// A line of a set, limit or conns.
    Prop,
}

impl Place {
    /// In the braces of an item.
    fn in_body(self) -> bool {
        matches!(self, Self::Rule | Self::Step | Self::Prop)
    }

    /// Where labels and iptables lines stand.
    fn of_rules(self) -> bool {
        matches!(self, Self::Mixed | Self::Rule)
    }
}

fn item_word(text: &str, token: Token) -> Option<Body> {
    let word = &text[token.start..token.end];
    ITEMS.iter().find(|(name, _)| *name == word).map(|(_, body)| *body)
}

/// Whether an item begins at `pos`: its word, then a name or a text, as no predicate has them side by side.
pub(crate) fn begins_item(text: &str, pos: usize) -> bool {
    let mut lex = Lexer::new(text, pos, text.len());
    let Some(first) = lex.next() else { return false };
    if first.start != pos || item_word(text, first).is_none() {
        return false;
    }
    match lex.next() {
        Some(Token { kind: Tok::Text | Tok::BadText, .. }) => true,
        Some(next) if next.kind == Tok::Word => {
            let word = &text[next.start..next.end];
            !NOT_A_NAME.contains(&word) && !word.starts_with(':')
        }
        Some(_) | None => false,
    }
}
