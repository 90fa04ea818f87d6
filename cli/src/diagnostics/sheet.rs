//! A source text, made fit for showing.
//!
//! Lines may be as long as the file, and files hold whatever their writer liked: of a long line only
//! a window around the fault is shown, and characters that steer a terminal or turn text around are
//! replaced by ones of the same length.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use std::borrow::Cow;

/// Columns shown of a long line.
const WINDOW_BYTES: usize = 200;

/// Spans that are longer are shown by their beginning.
const MAX_SPAN_BYTES: usize = 400;

/// Lines before a place are counted from marks that lie so many bytes apart.
const MARK_BYTES: usize = 1 << 16;

/// A text and its name.
pub struct Sheet<'a> {
    name: Cow<'a, str>,
    text: Cow<'a, str>,
    /// Line ends before each multiple of [`MARK_BYTES`].
    marks: Vec<u32>,
}

/// Characters that change what is around them: controls, and those that turn the writing direction.
fn steers(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}')
}

/// `text` with every steering character replaced by one of the same length.
pub fn clean(text: &str) -> Cow<'_, str> {
    let harmless = |text: &str| !text.chars().any(steers);
    // A carriage return before a line feed is part of the line end.
    if harmless(text) || text.contains('\r') && text.split("\r\n").all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let line_end = c == '\r' && chars.peek() == Some(&'\n');
        out.push(match c.len_utf8() {
            _ if line_end || !steers(c) => c,
            1 => '?',
            2 => '\u{b7}',
            _ => char::REPLACEMENT_CHARACTER,
        });
    }
    Cow::Owned(out)
}

fn line_ends(bytes: &[u8]) -> u32 {
    // A file has fewer than 2^32 bytes.
    bytes.iter().map(|&b| u32::from(b == b'\n')).sum()
}

impl<'a> Sheet<'a> {
    /// Prepares a text.
    pub fn new(name: &'a str, text: &'a str) -> Self {
        let text = clean(text);
        let mut marks = vec![0];
        for block in text.as_bytes().chunks(MARK_BYTES) {
            marks.push(marks[marks.len() - 1] + line_ends(block));
        }
        Self { name: clean(name), text, marks }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Line and column of a byte, both from 1, columns in characters. Past the end is the end.
    pub fn line_column(&self, off_bytes: usize) -> (u32, u32) {
        let at = self.boundary(off_bytes);
        let mark = at / MARK_BYTES;
        let before = line_ends(&self.text.as_bytes()[mark * MARK_BYTES..at]);
        let column = self.text[self.line_start(at)..at].chars().count();
        (self.marks[mark] + before + 1, u32::try_from(column).unwrap_or(u32::MAX) + 1)
    }

    /// A span for a label: inside the text, and not too long to be shown.
    pub fn label_span(&self, start: u32, end: u32) -> SourceSpan {
        let start = self.boundary(start as usize);
        let end = self.boundary((end as usize).min(start + MAX_SPAN_BYTES)).max(start);
        (start, end - start).into()
    }

    /// The last place between characters that is not behind `off_bytes`.
    fn boundary(&self, off_bytes: usize) -> usize {
        let mut at = off_bytes.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |n| n + 1)
    }

    /// End of the line that `at` is in, the line feed left out.
    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |n| at + n)
    }

    /// What is shown around a span: its lines, a line before and after where they are short, and no
    /// more than a window of lines that are long.
    fn window(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.line_start(start);
        let mut from = first;
        if start - first > WINDOW_BYTES / 2 {
            from = self.boundary(start - WINDOW_BYTES / 2);
        } else if first > 0 {
            let previous = self.line_start(first - 1);
            if first - previous <= WINDOW_BYTES {
                from = previous;
            }
        }
        let last = self.line_end(end);
        let mut to = last;
        if last - end > WINDOW_BYTES / 2 {
            to = self.boundary(end + WINDOW_BYTES / 2);
        } else if last < self.text.len() {
            let next = self.line_end(last + 1);
            if next - last <= WINDOW_BYTES {
                to = next;
            }
        }
        (from, to)
    }
}

impl SourceCode for Sheet<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        _lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let (start, end) = (span.offset(), span.offset() + span.len());
        // Two labels that are far apart get a window each.
        if end > self.text.len() || span.len() > 2 * MAX_SPAN_BYTES {
            return Err(MietteError::OutOfBounds);
        }
        // Without lines around it, only the place is asked for.
        let (from, to) = if lines_before == 0 { (start, end) } else { self.window(start, end) };
        let (line, column) = self.line_column(from);
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone().into_owned(),
            &self.text.as_bytes()[from..to],
            (from, to - from).into(),
            line as usize - 1,
            column as usize - 1,
            line_ends(&self.text.as_bytes()[from..to]) as usize + 1,
        )))
    }
}
