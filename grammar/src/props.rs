//! Bodies of `set`, `limit` and `conns`: elements, and properties that follow one another without separators.

use crate::lex::{Tok, Token};
use crate::sink::{Sink, Source};
use crate::split::Piece;
use crate::syntax::{Part, shorten};
use crate::{Prop, S, SetDecl, Span, Value, errors, spanned, values};

/// A property: its word, and the least and most values behind it.
type Row = (&'static str, usize, usize);

/// An item whose body holds properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// `set`
    Set,
    /// `limit`
    Limit,
    /// `conns`
    Conns,
}

impl Owner {
    /// The item's word.
    fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Limit => "limit",
            Self::Conns => "conns",
        }
    }

    /// Its properties.
    fn rows(self) -> &'static [Row] {
        match self {
            Self::Set => &[
                ("from", 1, 1),
                ("dynamic", 0, 0),
                ("max", 1, 1),
                ("timeout", 1, 1),
                ("lenient", 0, 0),
                ("comment", 1, 1),
            ],
            Self::Limit => &[
                ("rate", 1, 2),
                ("burst", 1, 2),
                ("per", 1, 64),
                ("max", 1, 1),
                ("full", 1, 1),
                ("storage", 1, 1),
                ("quota", 1, 2),
                ("sketch", 0, 1),
            ],
            Self::Conns => {
                &[("allow", 1, 1), ("per", 1, 64), ("max", 1, 1), ("full", 1, 1), ("idle", 1, 1)]
            }
        }
    }

    /// The row of a property's word.
    pub(crate) fn row(self, word: &str) -> Option<Row> {
        self.rows().iter().find(|(name, ..)| *name == word).copied()
    }

    fn known(self) -> String {
        self.rows().iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// Reads bodies piece by piece.
pub(crate) struct Reader {
    owner: Owner,
    /// Elements, of a set only.
    elements: Vec<S<Value>>,
    props: Vec<Prop>,
    /// The property that is being read, with its row.
    open: Option<(Prop, Row)>,
    /// A comma was read since the last element.
    comma: bool,
    /// An element was read in this piece.
    after_element: bool,
}

impl Reader {
    /// For the body of an `owner`.
    pub(crate) fn new(owner: Owner) -> Self {
        let (elements, props) = (Vec::new(), Vec::new());
        Self { owner, elements, props, open: None, comma: true, after_element: false }
    }

    /// The properties, of a limit or conns.
    pub(crate) fn into_props(self) -> Vec<Prop> {
        self.props
    }

    /// Puts what was read into `set`.
    pub(crate) fn fill(self, set: &mut SetDecl, source: Source<'_>, sink: &mut Sink) {
        set.elements = self.elements;
        for prop in self.props {
            if prop.name.node == "from" {
                let path = prop.values.first().map(|value| value.span);
                let path = path.and_then(|span| file_name(source, span, sink));
                set.from.extend(path);
            } else {
                set.props.push(prop);
            }
        }
    }

    /// Reads one line of the body.
    pub(crate) fn piece(&mut self, source: Source<'_>, piece: &Piece, sink: &mut Sink) {
        if piece.broken {
            return;
        }
        let part = Part::new(source, piece.start, piece.end);
        let mut lexer = part.lexer();
        (self.comma, self.after_element) = (true, false);
        loop {
            let before = lexer;
            let Some(token) = values::next_token(&mut lexer) else { break };
            let span = source.span(token.start, token.end);
            if token.kind == Tok::Comma {
                if self.take_comma(span, sink).is_none() {
                    break;
                }
                continue;
            }
            if token.kind == Tok::Word && self.begins_property(lexer.str(token)) {
                self.begin(spanned(lexer.str(token).to_owned(), span), sink);
                continue;
            }
            lexer = before;
            match values::next(source, &mut lexer, sink) {
                Ok(Some(value)) => {
                    if self.value(source, value, sink).is_none() {
                        break;
                    }
                }
                Ok(None) | Err(None) => break,
                Err(Some(token)) => {
                    self.no_value(source, token, sink);
                    break;
                }
            }
        }
        self.end(sink);
    }

    fn no_value(&self, source: Source<'_>, token: Token, sink: &mut Sink) {
        let span = source.span(token.start, token.end);
        let wanted =
            if self.owner == Owner::Set { "an element or a property" } else { "a property" };
        sink.push(errors::expected(span, wanted, &format!("`{}`", shorten(source.at(span)))));
    }

    fn take_comma(&mut self, span: Span, sink: &mut Sink) -> Option<()> {
        let takes_many = self.open.as_ref().is_some_and(|(_, (.., max))| *max > 2);
        if takes_many {
            return Some(());
        }
        if self.open.is_some() || self.owner != Owner::Set {
            sink.push(errors::property_comma(span));
            return None;
        }
        if self.comma {
            sink.push(errors::missing_element(span));
            return None;
        }
        self.comma = true;
        Some(())
    }

    /// Whether `word` begins a property here, and is no value of the one before.
    fn begins_property(&self, word: &str) -> bool {
        let waits = self.open.as_ref().is_some_and(|(prop, (_, min, _))| prop.values.len() < *min);
        !waits && self.owner.row(word).is_some()
    }

    fn begin(&mut self, name: crate::Name, sink: &mut Sink) {
        self.end(sink);
        if let Some(row) = self.owner.row(&name.node) {
            let span = name.span;
            self.open = Some((Prop { name, values: Vec::new(), span }, row));
        }
    }

    /// Ends the property that is being read.
    fn end(&mut self, sink: &mut Sink) {
        if let Some((prop, (word, min, _))) = self.open.take() {
            if prop.values.len() < min {
                sink.push(errors::property_without_value(prop.name.span, word));
            } else {
                self.props.push(prop);
            }
        }
    }

    /// A value: of the open property, or an element.
    fn value(&mut self, source: Source<'_>, value: S<Value>, sink: &mut Sink) -> Option<()> {
        if let Some((prop, (.., max))) = &mut self.open
            && prop.values.len() < *max
            && (*max > 2 || prop.values.is_empty() || is_unit(source.at(value.span)))
        {
            prop.span = prop.span.to(value.span);
            prop.values.push(value);
            return Some(());
        }
        let text = shorten(source.at(value.span));
        let wordy = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if self.owner != Owner::Set || (wordy && !self.no_props_yet()) {
            let (item, known) = (self.owner.word(), self.owner.known());
            sink.push(errors::unknown_property(value.span, &text, item, &known));
            return None;
        }
        if !self.no_props_yet() {
            sink.push(errors::element_after_property(value.span));
            return None;
        }
        if !self.comma && self.after_element {
            sink.push(errors::missing_comma(value.span, &text));
            return None;
        }
        (self.comma, self.after_element) = (false, true);
        // Braces of a list within those of the set say the same.
        if let Value::List(values) = value.node {
            self.elements.extend(values);
        } else if sink.element(value.span) {
            self.elements.push(value);
        } else {
            return None;
        }
        Some(())
    }

    /// No property was read yet.
    fn no_props_yet(&self) -> bool {
        self.open.is_none() && self.props.is_empty()
    }
}

/// Whether a word may be the unit of the number before it; what unit it is, is decided later.
fn is_unit(word: &str) -> bool {
    let known = ["packet", "packets", "byte", "bytes", "bit", "bits", "pps", "bps"];
    word.contains('/') || known.contains(&word)
}

/// The file that `from` names.
fn file_name(source: Source<'_>, span: Span, sink: &mut Sink) -> Option<S<String>> {
    if source.at(span).starts_with(['"', 'i', 'h']) && source.at(span).ends_with('"') {
        return values::plain_text_at(source, span, sink);
    }
    let found = format!("`{}`", shorten(source.at(span)));
    sink.push(errors::expected(span, "a file name in double quotes", &found));
    None
}
