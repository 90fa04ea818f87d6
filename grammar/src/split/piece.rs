//! One piece: from its first token to the newline or brace that ends it.

use super::{End, Piece, Place, Shape, Splitter};
use crate::lex::{Lexer, Tok, Token};
use crate::{errors, limits};

/// Words that show a brace to be a list's, where it is not known what begins here.
const LIST_BEFORE: [&str; 4] = ["in", "has", "contains", "="];

/// What is known of a piece while it is read.
struct State {
    place: Place,
    /// Open brackets: which, and where.
    open: Vec<(char, usize)>,
    end: usize,
    arrow: Option<usize>,
    broken: bool,
    /// The last token lets the line go on.
    joins: bool,
    /// A sign or word was seen that no item's head has.
    predicate_like: bool,
    /// Too deep: brackets are skipped, braces still counted, so that the end of the body is found.
    sunk: Option<usize>,
    list_bytes: usize,
    /// A list within a list that is still open.
    nested: Option<usize>,
}

impl Splitter<'_, '_> {
    /// Reads one piece; the next token is its first.
    pub(super) fn piece(&mut self, place: Place) -> (Piece, End) {
        let start = self.lex.skip_blanks(self.lex.pos);
        let label = if place.of_rules() { label(self.lex, start) } else { None };
        let main = label.map_or(start, |(_, colon)| self.past_continuations(colon + 1));
        let mut piece = Piece {
            start,
            end: main,
            label: label.map(|(name_end, _)| (start, name_end)),
            main,
            arrow: None,
            shape: Shape::Plain,
            broken: false,
            list_bytes: 0,
        };
        self.lex.pos = main;
        if let Some((_, colon)) = label {
            piece.end = colon + 1;
        }
        if place.of_rules() && begins_iptables(self.lex, main) {
            piece.shape = Shape::Iptables;
            let end = self.iptables_line(&mut piece, place);
            return (piece, end);
        }
        let mut state = State {
            place,
            open: Vec::new(),
            end: piece.end,
            arrow: None,
            broken: false,
            joins: false,
            predicate_like: label.is_some(),
            sunk: None,
            list_bytes: 0,
            nested: None,
        };
        let end = self.plain(&mut state);
        self.too_long(&mut state, start);
        piece.end = state.end;
        piece.arrow = state.arrow;
        piece.broken = state.broken;
        piece.list_bytes = state.list_bytes;
        (piece, end)
    }

    /// Past blanks and `\` line ends from `pos`.
    fn past_continuations(&self, pos: usize) -> usize {
        let mut pos = self.lex.skip_blanks(pos);
        while let Some(next) = self.lex.continuation(pos) {
            let after = self.lex.skip_blanks(next);
            if after == pos {
                break;
            }
            pos = after;
        }
        pos
    }

    fn plain(&mut self, state: &mut State) -> End {
        loop {
            let before = self.lex;
            let Some(token) = self.lex.next() else {
                self.report_unclosed(state);
                return End::Line;
            };
            match token.kind {
                Tok::Newline => {
                    if state.place == Place::Head && self.brace_follows() {
                        let head = self.source.span(state.end.saturating_sub(1), state.end);
                        self.sink.push(errors::brace_on_next_line(head));
                        state.broken = true;
                        continue;
                    }
                    if !self.goes_on(state) {
                        // Left for the next piece, that margins can be told.
                        self.lex = before;
                        return End::Line;
                    }
                    continue;
                }
                Tok::Continue => continue,
                Tok::Comment => {
                    self.comment(token);
                    continue;
                }
                Tok::Open => {
                    if self.opens_body(state, token) {
                        self.lex = before;
                        return End::Body;
                    }
                    self.open(state, token);
                }
                Tok::Close => {
                    if self.close(state, token) {
                        self.lex = before;
                        return End::Close;
                    }
                }
                Tok::BadText => {
                    let quote = self.source.span(token.start, token.end);
                    self.sink.push(errors::unclosed_quote(quote));
                    state.broken = true;
                }
                Tok::Arrow => {
                    self.report_unclosed(state);
                    state.arrow = state.arrow.or(Some(token.start));
                }
                Tok::Op => state.predicate_like = true,
                Tok::Word => state.predicate_like |= LIST_BEFORE.contains(&self.lex.str(token)),
                Tok::Text | Tok::Comma => {}
            }
            state.joins = joins(self.lex, token);
            state.end = token.end;
        }
    }

    /// Whether the newline just read lets the piece go on.
    fn goes_on(&mut self, state: &mut State) -> bool {
        let next_line = self.lex.pos;
        let new_item = self.next_item(next_line, state.place);
        if !state.open.is_empty() || state.joins {
            let first = self.lex.skip_blanks(next_line);
            let new_rule = state.place.of_rules() && label_then_blank(self.lex, first);
            if new_item || new_rule {
                self.report_unclosed(state);
            }
            return !(new_item || new_rule);
        }
        if new_item {
            return false;
        }
        let mut ahead = self.lex;
        loop {
            match ahead.next() {
                Some(Token { kind: Tok::Newline | Tok::Comment | Tok::Continue, .. }) => {}
                Some(token) => return joins(ahead, token),
                None => return false,
            }
        }
    }

    /// Whether the next line begins with `{`.
    fn brace_follows(&self) -> bool {
        let next = self.lex.skip_blanks(self.lex.pos);
        self.lex.rest(next).starts_with('{')
    }

    fn opens_body(&self, state: &State, token: Token) -> bool {
        let brace = self.lex.str(token) == "{" && state.open.is_empty() && state.sunk.is_none();
        match state.place {
            Place::Head => brace,
            Place::Guess => brace && !state.predicate_like && state.arrow.is_none(),
            Place::Line | Place::Mixed | Place::Rule | Place::Step | Place::Prop => false,
        }
    }

    fn open(&mut self, state: &mut State, token: Token) {
        let bracket = char_at(self.lex, token);
        if let Some(braces) = &mut state.sunk {
            *braces += usize::from(bracket == '{');
        } else if state.open.len() >= limits::DEPTH {
            self.sink.push(errors::too_deep(self.source.span(token.start, token.end)));
            state.broken = true;
            self.sunk = true;
            let braces = state.open.iter().filter(|(open, _)| *open == '{').count();
            state.sunk = Some(braces + usize::from(bracket == '{'));
            state.open.clear();
        } else {
            state.open.push((bracket, token.start));
        }
    }

    /// Takes a closing bracket; true if it is the brace of the body around.
    fn close(&mut self, state: &mut State, token: Token) -> bool {
        let bracket = char_at(self.lex, token);
        if let Some(braces) = &mut state.sunk {
            if bracket != '}' {
                return false;
            }
            let of_body = *braces == 0 && state.place.in_body();
            *braces = braces.saturating_sub(1);
            return of_body;
        }
        let opener = match bracket {
            ')' => '(',
            ']' => '[',
            _ => '{',
        };
        if let Some(depth) = state.open.iter().rposition(|(open, _)| *open == opener) {
            if depth + 1 < state.open.len() {
                let (open, pos) = state.open[depth + 1];
                self.sink.push(errors::unclosed_bracket(self.source.span(pos, pos + 1), open));
                state.broken = true;
            }
            if bracket == '}' {
                self.close_list(state, depth, token.end);
            }
            state.open.truncate(depth);
            return false;
        }
        if bracket == '}' && state.place.in_body() {
            self.report_unclosed(state);
            return true;
        }
        if !state.broken {
            self.sink.push(errors::stray_close(self.source.span(token.start, token.end), bracket));
            state.broken = true;
        }
        false
    }

    /// Closes the list that is the open bracket `depth`.
    fn close_list(&mut self, state: &mut State, depth: usize, end: usize) {
        let start = state.open[depth].1;
        if state.open[..depth].iter().any(|(open, _)| *open == '{') {
            state.nested = state.nested.or(Some(start));
            return;
        }
        state.list_bytes += end - start;
        if let Some(pos) = state.nested.take() {
            self.sink.push(errors::nested_list(self.source.span(pos, pos + 1)));
            state.broken = true;
        }
    }

    /// Reports the innermost open bracket, and takes all for closed.
    fn report_unclosed(&mut self, state: &mut State) {
        if let Some((open, pos)) = state.open.pop() {
            self.sink.push(errors::unclosed_bracket(self.source.span(pos, pos + 1), open));
            state.broken = true;
            state.open.clear();
        }
    }

    fn too_long(&mut self, state: &mut State, start: usize) {
        let bytes = state.end - start - state.list_bytes.min(state.end - start);
        // Elements and properties are read by hand, so they may be many.
        let bounded = state.place != Place::Prop && !state.broken;
        if bytes > limits::PIECE_BYTES && bounded {
            self.sink.push(errors::piece_too_long(self.source.span(start, start + 1), bytes));
            state.broken = true;
        }
    }

    /// Reads an iptables line by a shell's rules; `piece.main` is where it begins.
    fn iptables_line(&mut self, piece: &mut Piece, place: Place) -> End {
        let bytes = self.source.text.as_bytes();
        let mut pos = piece.main;
        let mut braces = 0_usize;
        let end = loop {
            if self.lex.newline_len(pos) > 0 || pos >= bytes.len() {
                break End::Line;
            }
            match bytes[pos] {
                b'#' => {
                    let token =
                        Token { kind: Tok::Comment, start: pos, end: self.lex.line_end(pos) };
                    self.comment(token);
                    pos = token.end;
                    continue;
                }
                b'}' if braces == 0 && place.in_body() => break End::Close,
                b'}' => braces = braces.saturating_sub(1),
                b'{' => braces += 1,
                quote @ (b'"' | b'\'') => match shell_quote_end(bytes, pos, quote) {
                    Some(end) => pos = end - 1,
                    None => {
                        let end = self.lex.line_end(pos);
                        self.sink.push(errors::unclosed_quote(self.source.span(pos, end)));
                        piece.broken = true;
                        piece.end = end;
                        pos = end;
                        continue;
                    }
                },
                b'\\' => pos = self.lex.continuation(pos).unwrap_or(pos + 2) - 1,
                _ => {}
            }
            if !matches!(bytes.get(pos), Some(b' ' | b'\t' | b'\n')) {
                piece.end = pos + 1;
            }
            pos += 1;
        };
        piece.end = piece.end.min(bytes.len());
        self.lex.pos = pos.min(bytes.len());
        let length = piece.end - piece.start;
        if length > limits::PIECE_BYTES && !piece.broken {
            let span = self.source.span(piece.start, piece.start + 1);
            self.sink.push(errors::piece_too_long(span, length));
            piece.broken = true;
        }
        end
    }
}

fn char_at(lex: Lexer<'_>, token: Token) -> char {
    lex.str(token).chars().next().unwrap_or('(')
}

/// Whether `token` at either end of a line lets the piece go on.
fn joins(lex: Lexer<'_>, token: Token) -> bool {
    match token.kind {
        Tok::Comma | Tok::Arrow => true,
        Tok::Word => matches!(lex.str(token), "and" | "or"),
        Tok::Newline
        | Tok::Continue
        | Tok::Comment
        | Tok::Text
        | Tok::BadText
        | Tok::Open
        | Tok::Close
        | Tok::Op => false,
    }
}

/// A label at `start`: the end of its name, and where its colon is.
fn label(mut lex: Lexer<'_>, start: usize) -> Option<(usize, usize)> {
    let word = lex.next().filter(|t| t.kind == Tok::Word && t.start == start)?;
    let text = lex.str(word);
    match text.find(':') {
        // `::` is of an address.
        Some(0) => None,
        Some(colon) if text[colon + 1..].starts_with(':') => None,
        Some(colon) => Some((start + colon, start + colon)),
        None => {
            let next = lex.next().filter(|t| t.kind == Tok::Word)?;
            let next_text = lex.str(next);
            let colon = next_text.starts_with(':') && !next_text.starts_with("::");
            colon.then_some((word.end, next.start))
        }
    }
}

/// A line that begins with a plain name, a colon and a blank: a label, not a value of a list.
fn label_then_blank(mut lex: Lexer<'_>, start: usize) -> bool {
    lex.pos = start;
    let Some(word) = lex.next().filter(|t| t.kind == Tok::Word && t.start == start) else {
        return false;
    };
    let Some(name) = lex.str(word).strip_suffix(':') else { return false };
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `-x`, `--x` or `! -x` at `start`.
fn begins_iptables(lex: Lexer<'_>, start: usize) -> bool {
    let rest = lex.rest(start);
    let option = |text: &str| {
        let name = text.strip_prefix("--").or_else(|| text.strip_prefix('-'));
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    match rest.strip_prefix('!') {
        Some(negated) => option(negated.trim_start_matches([' ', '\t'])),
        None => option(rest),
    }
}

/// One past the quote that closes the one at `open`, if its line has one.
fn shell_quote_end(bytes: &[u8], open: usize, quote: u8) -> Option<usize> {
    let mut pos = open + 1;
    loop {
        match bytes.get(pos)? {
            b'\n' => return None,
            b if *b == quote => return Some(pos + 1),
            b'\\' if quote == b'"' && bytes.get(pos + 1) != Some(&b'\n') => pos += 2,
            _ => pos += 1,
        }
    }
}
