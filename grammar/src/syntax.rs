//! The pest parser, and what it says when a piece does not fit, in the user's words.

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;
use pest_derive::Parser;

use crate::lex::{Lexer, Tok};
use crate::sink::Source;
use crate::{Diag, Name, Span, errors, spanned};

/// Generated from `l4.pest`.
#[derive(Parser)]
#[grammar = "l4.pest"]
pub(crate) struct L4;

/// A node of a parsed piece.
pub(crate) type Node<'a> = Pair<'a, Rule>;

/// What the user calls the parts that a piece may lack; parts not listed are never asked for by name.
const WORDS: [(Rule, &str); 40] = [
    (Rule::EOI, "the end of the line"),
    (Rule::any_name, "a name"),
    (Rule::name, "a name"),
    (Rule::value, "a value"),
    (Rule::operand_value, "a value"),
    (Rule::word, "a word"),
    (Rule::text, "text in double quotes"),
    (Rule::list, "a list in braces"),
    (Rule::verb, "an action"),
    (Rule::std_path, "`std::NAME`"),
    (Rule::equals, "`=`"),
    (Rule::colon, "`:` and the type"),
    (Rule::type_word, "a type"),
    (Rule::type_tuple, "a type"),
    (Rule::hook_kind, "the kind of hook, such as `xdp`"),
    (Rule::for_word, "`for HOOK`"),
    (Rule::params, "parameters"),
    (Rule::packet, "a packet"),
    (Rule::header, "a packet header"),
    (Rule::header_name, "a packet header"),
    (Rule::header_field, "a field and its value"),
    (Rule::times, "`x N`"),
    (Rule::times_word, "`x N`"),
    (Rule::number_of_times, "a number of times"),
    (Rule::duration, "a duration such as `1s`"),
    (Rule::expect, "`expect`"),
    (Rule::expect_word, "`expect`"),
    (Rule::verdict, "a verdict such as `drop`"),
    (Rule::by_word, "`by RULE`"),
    (Rule::counted, "the name of a rule"),
    (Rule::amount, "a number or a share such as `99%`"),
    (Rule::compare_sign, "a comparison such as `==`"),
    (Rule::set_ref, "`@SET`"),
    (Rule::has_word, "`has`"),
    (Rule::with_word, "`with`"),
    (Rule::change, "`FIELD = VALUE`"),
    (Rule::field_name, "a field"),
    (Rule::count_word, "`count RULE`"),
    (Rule::send_step, "a line of a test"),
    (Rule::let_step, "a line of a test"),
];

/// Tokens without meaning.
const BLANK: [Tok; 3] = [Tok::Newline, Tok::Continue, Tok::Comment];

/// Bytes `start..end` of a source as a piece, and the way from its nodes to spans.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Where it stands.
    pub(crate) source: Source<'a>,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

impl<'a> Part<'a> {
    /// Bytes `start..end` of `source`.
    pub(crate) fn new(source: Source<'a>, start: usize, end: usize) -> Self {
        Self { source, start, end: end.max(start) }
    }

    /// Its text.
    pub(crate) fn text(self) -> &'a str {
        self.source.text.get(self.start..self.end).unwrap_or("")
    }

    /// All of it.
    pub(crate) fn span(self) -> Span {
        self.source.span(self.start, self.end)
    }

    /// The last token, or the place behind the end of an empty part; where something is missing.
    pub(crate) fn end_span(self) -> Span {
        let last = self.lexer().filter(|token| !BLANK.contains(&token.kind)).last();
        match last {
            Some(token) => self.source.span(token.start, token.end),
            None => self.source.span(self.end, self.end),
        }
    }

    /// The span of a node of this part.
    ///
    /// A rule that ends in something optional takes blanks and comments with it; they are left out here.
    pub(crate) fn at(self, node: &Node<'_>) -> Span {
        let span = node.as_span();
        let (start, mut end) = (self.start + span.start(), self.start + span.end());
        if node.as_str().ends_with([' ', '\t', '\n']) {
            let lexer = Lexer::new(self.source.text, start, end);
            let last = lexer.filter(|token| !BLANK.contains(&token.kind)).last();
            end = last.map_or(end, |token| token.end);
        }
        self.source.span(start, end)
    }

    /// A node's text with its span.
    pub(crate) fn name(self, node: &Node<'_>) -> Name {
        spanned(node.as_str().to_owned(), self.at(node))
    }

    /// Tokens of this part, offsets in the source.
    pub(crate) fn lexer(self) -> Lexer<'a> {
        Lexer::new(self.source.text, self.start, self.end)
    }

    /// Parses it as `rule`; the error names what was expected where.
    pub(crate) fn parse(self, rule: Rule) -> Result<Node<'a>, Box<Diag>> {
        match L4::parse(rule, self.text()) {
            Ok(mut nodes) => nodes
                .next()
                .ok_or_else(|| Box::new(errors::expected(self.span(), "something", "nothing"))),
            Err(error) => Err(Box::new(self.explain(&error))),
        }
    }

    fn explain(self, error: &pest::error::Error<Rule>) -> Diag {
        let pos = match error.location {
            InputLocation::Pos(pos) | InputLocation::Span((pos, _)) => self.start + pos,
        };
        let mut wanted: Vec<&str> = Vec::new();
        if let ErrorVariant::ParsingError { positives, .. } = &error.variant {
            for (rule, words) in WORDS {
                if positives.contains(&rule) && !wanted.contains(&words) {
                    wanted.push(words);
                }
            }
        }
        let (span, found) = self.found(pos);
        errors::expected(span, &one_of(&wanted), &found)
    }

    /// What stands at `pos`, for "found …", and its place.
    pub(crate) fn found(self, pos: usize) -> (Span, String) {
        let lexer = Lexer::new(self.source.text, pos, self.end);
        let Some(token) = lexer.into_iter().find(|token| !BLANK.contains(&token.kind)) else {
            return (self.end_span(), "the end of the line".to_owned());
        };
        let span = self.source.span(token.start, token.end);
        (span, format!("`{}`", shorten(self.source.at(span))))
    }
}

/// `a`, `a or b`, `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// At most 40 characters of `text`, on one line.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= 40 && line.len() == text.len() {
        line.to_owned()
    } else {
        line.chars().take(37).chain("…".chars()).collect()
    }
}
