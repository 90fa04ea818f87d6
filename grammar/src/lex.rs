//! Tokens: just enough of the text's shape to cut it into pieces, read lists and lay it out anew.
//!
//! One linear pass, no meaning. Words stay whole, so what `80-90` or `2001:db8::/32` is gets decided later.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tok {
    /// `\n` or `\r\n`.
    Newline,
    /// `\` at the end of a line, with the newline.
    Continue,
    /// `#` to the end of the line, the newline left out.
    Comment,
    /// `"…"`, `i"…"`, `hex"…"`.
    Text,
    /// A quote that its line does not close.
    BadText,
    /// `(`, `[`, `{`.
    Open,
    /// `)`, `]`, `}`.
    Close,
    /// `,`
    Comma,
    /// `->`
    Arrow,
    /// `==`, `&`, `!` and other signs.
    Op,
    /// Anything else up to a blank, comma, bracket, quote, sign, `#` or `->`.
    Word,
}

/// A token and its place in the text, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Tok,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

/// Signs that end a word, longest first.
const OPS: [&str; 12] = ["&&", "||", "==", "!=", "<=", ">=", "=>", "=", "<", ">", "!", "&"];

/// Reads tokens from `pos` up to `end`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Next byte to read.
    pub(crate) pos: usize,
    end: usize,
}

impl<'a> Lexer<'a> {
    /// Over bytes `start..end` of `text`.
    pub(crate) fn new(text: &'a str, start: usize, end: usize) -> Self {
        let end = end.min(text.len());
        Self { text, pos: start.min(end), end }
    }

    /// The text from `pos` on.
    pub(crate) fn rest(&self, pos: usize) -> &'a str {
        self.text.get(pos..self.end).unwrap_or("")
    }

    fn byte(&self, pos: usize) -> Option<u8> {
        if pos < self.end { self.text.as_bytes().get(pos).copied() } else { None }
    }

    /// The text of `token`.
    pub(crate) fn str(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    /// Past blanks (not newlines) from `pos`.
    pub(crate) fn skip_blanks(&self, mut pos: usize) -> usize {
        while matches!(self.byte(pos), Some(b' ' | b'\t')) {
            pos += 1;
        }
        pos
    }

    /// Length of the newline at `pos`, 0 if there is none.
    pub(crate) fn newline_len(&self, pos: usize) -> usize {
        match (self.byte(pos), self.byte(pos + 1)) {
            (Some(b'\n'), _) => 1,
            (Some(b'\r'), Some(b'\n')) => 2,
            _ => 0,
        }
    }

    /// End of a `\` continuation that begins at `pos`, with its newline.
    pub(crate) fn continuation(&self, pos: usize) -> Option<usize> {
        if self.byte(pos) != Some(b'\\') {
            return None;
        }
        let after = self.skip_blanks(pos + 1);
        match self.newline_len(after) {
            0 if after == self.end => Some(after),
            0 => None,
            n => Some(after + n),
        }
    }

    /// Where the line that holds `pos` ends, the newline left out.
    pub(crate) fn line_end(&self, pos: usize) -> usize {
        let rest = &self.text.as_bytes()[pos.min(self.end)..self.end];
        let end = rest.iter().position(|b| *b == b'\n').map_or(self.end, |n| pos + n);
        if end > pos && end < self.end && self.byte(end - 1) == Some(b'\r') { end - 1 } else { end }
    }

    /// Length of a text's prefix and opening quote at `pos`, 0 if no text begins there.
    fn quote_len(&self, pos: usize) -> usize {
        let rest = &self.text.as_bytes()[pos..self.end];
        let openings: [&[u8]; 3] = [b"\"", b"i\"", b"hex\""];
        openings.iter().find(|open| rest.starts_with(open)).map_or(0, |open| open.len())
    }

    fn text_token(&self, start: usize, quote_len: usize) -> Token {
        let mut pos = start + quote_len;
        loop {
            match self.byte(pos) {
                Some(b'"') => return Token { kind: Tok::Text, start, end: pos + 1 },
                Some(b'\\') if self.newline_len(pos + 1) == 0 => pos += 2,
                Some(b) if b != b'\n' => pos += 1,
                Some(_) | None => {
                    let end = self.line_end(start);
                    return Token { kind: Tok::BadText, start, end };
                }
            }
        }
    }

    /// Length of the text prefix at the end of the word `start..end`: in `/hex"00"` the text begins at `hex`.
    fn prefix_len(&self, start: usize, end: usize) -> usize {
        let word = &self.text.as_bytes()[start..end];
        let of = |prefix: &[u8]| {
            let rest = word.strip_suffix(prefix)?;
            let apart = rest.last().is_some_and(|b| !b.is_ascii_alphanumeric() && *b != b'_');
            apart.then_some(prefix.len())
        };
        of(b"hex").or_else(|| of(b"i")).unwrap_or(0)
    }

    fn op_len(&self, pos: usize) -> usize {
        let rest = &self.text.as_bytes()[pos..self.end];
        OPS.iter().find(|op| rest.starts_with(op.as_bytes())).map_or(0, |op| op.len())
    }

    fn ends_word(&self, pos: usize) -> bool {
        match self.byte(pos) {
            None => true,
            Some(b) if b.is_ascii_alphanumeric() || b >= 0x80 => false,
            Some(b'-') => self.byte(pos + 1) == Some(b'>'),
            Some(b'\\') => self.continuation(pos).is_some(),
            Some(b'\r') => self.newline_len(pos) > 0,
            Some(b' ' | b'\t' | b'\n' | b',' | b'#' | b'"') => true,
            Some(b'(' | b')' | b'[' | b']' | b'{' | b'}') => true,
            Some(_) => self.op_len(pos) > 0,
        }
    }

    fn word(&self, start: usize) -> Token {
        let mut pos = start + 1;
        while !self.ends_word(pos) {
            pos += 1;
        }
        if self.byte(pos) == Some(b'"') {
            pos -= self.prefix_len(start, pos);
        }
        Token { kind: Tok::Word, start, end: pos }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.skip_blanks(self.pos);
        let byte = self.byte(start)?;
        let of = |kind, len| Token { kind, start, end: start + len };
        let token = match byte {
            b'\n' => of(Tok::Newline, 1),
            b'\r' if self.newline_len(start) > 0 => of(Tok::Newline, 2),
            b'#' => of(Tok::Comment, self.line_end(start) - start),
            b'(' | b'[' | b'{' => of(Tok::Open, 1),
            b')' | b']' | b'}' => of(Tok::Close, 1),
            b',' => of(Tok::Comma, 1),
            b'-' if self.byte(start + 1) == Some(b'>') => of(Tok::Arrow, 2),
            _ => match (self.quote_len(start), self.op_len(start), self.continuation(start)) {
                (0, 0, None) => self.word(start),
                (0, 0, Some(end)) => Token { kind: Tok::Continue, start, end },
                (0, len, _) => of(Tok::Op, len),
                (quote_len, _, _) => self.text_token(start, quote_len),
            },
        };
        self.pos = token.end;
        Some(token)
    }
}
