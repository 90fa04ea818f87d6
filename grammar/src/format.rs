//! The canonical layout: four blanks a level, labels and arrows in columns, one blank line at most.
//!
//! Only blanks, newlines and the columns of a text change; its words, their order and its comments never do. A line
//! break that somebody put inside a rule or list stays. Formatting twice changes nothing.

use crate::sink::{Sink, Source};
use crate::split::{self, Block, Body, Piece, Shape, Top};
use crate::{Comment, Diag, FileId, Severity, parse};

mod columns;
mod piece;

use columns::{Entry, Run};
use piece::Laid;

/// The text in its canonical layout.
///
/// # Errors
///
/// A text with mistakes of form is not touched: its mistakes come back, spans in file 0.
pub fn format(text: &str) -> Result<String, Vec<Diag>> {
    let file = FileId::default();
    let parsed = parse(file, text);
    if parsed.diags.iter().any(|diag| diag.severity == Severity::Error) {
        return Err(parsed.diags);
    }
    let source = Source { file, text };
    let cut = split::split(source, false, &mut Sink::new());
    let mut page = Page { source, comments: &cut.comments, entries: Vec::new(), end: None };
    for top in &cut.tops {
        page.top(top);
    }
    page.comments_before(text.len(), 0);
    Ok(columns::render(&page.entries))
}

struct Page<'a> {
    source: Source<'a>,
    /// Comments not yet printed.
    comments: &'a [Comment],
    entries: Vec<Entry>,
    /// Where the last thing printed ends in the source; `None` where no blank line may stand.
    end: Option<usize>,
}

impl Page<'_> {
    fn top(&mut self, top: &Top) {
        match top {
            Top::Line(piece) | Top::Rule(piece) => {
                let laid = piece::lay(self.source, piece, piece.start, piece::Kind::Item, 0);
                self.push(piece, 0, Run::None, vec![laid.text]);
            }
            Top::Block(block) => self.block(block),
        }
    }

    fn block(&mut self, block: &Block) {
        let of_props = block.kind == Body::Props;
        let inner = &self.source.text[block.open..block.end];
        if of_props && !inner.contains('\n') {
            self.one_line(block);
            return;
        }
        let head = self.head(&block.head).join(" ");
        let open = if block.pieces.is_empty() && !self.comment_within(block) { "{ }" } else { "{" };
        self.push(&block.head, 0, Run::None, vec![format!("{head} {open}")]);
        self.end = None;
        if open == "{ }" {
            self.end = Some(block.end);
            return;
        }
        match block.kind {
            Body::Rules => self.rules(&block.pieces),
            Body::Steps => self.steps(&block.pieces),
            Body::Props | Body::None | Body::Unknown => {
                for piece in &block.pieces {
                    let laid = piece::lay(self.source, piece, piece.start, piece::Kind::Prop, 1);
                    self.push(piece, 1, Run::None, vec![laid.text]);
                }
            }
        }
        self.comments_before(block.end, 1);
        self.entries.push(Entry::new(0, Run::None, vec!["}".to_owned()]));
        self.end = Some(block.end);
    }

    fn comment_within(&self, block: &Block) -> bool {
        let next = self.comments.iter().find(|c| c.span.start as usize > block.open);
        next.is_some_and(|comment| (comment.span.start as usize) < block.end)
    }

    /// The columns of an item's head: for a set its name and its type.
    fn head(&self, head: &Piece) -> Vec<String> {
        let laid = piece::lay(self.source, head, head.start, piece::Kind::Head, 0);
        laid.cells()
    }

    /// `limit NAME { … }` on one line, in columns with its neighbours.
    fn one_line(&mut self, block: &Block) {
        let mut cells = self.head(&block.head);
        let run = if cells.len() > 1 { Run::Sets } else { Run::Limits };
        let mut body = String::from("{");
        for piece in &block.pieces {
            let laid = piece::lay(self.source, piece, piece.start, piece::Kind::Prop, 1);
            body.push(' ');
            body.push_str(&laid.text);
        }
        body.push_str(" }");
        cells.push(body);
        self.push(&block.head, 0, run, cells);
        self.end = Some(block.end);
    }

    fn rules(&mut self, pieces: &[Piece]) {
        let label_len = |piece: &Piece| piece.label.map_or(0, |(start, end)| end - start + 1);
        let width = pieces.iter().map(label_len).max().unwrap_or(0);
        for piece in pieces {
            let label = piece.label.map_or(String::new(), |(start, end)| {
                let label = format!("{}:", &self.source.text[start..end]);
                format!("{label:width$} ")
            });
            let laid = match piece.shape {
                Shape::Iptables => piece::lay_iptables(self.source, piece),
                Shape::Plain => piece::lay(self.source, piece, piece.main, piece::Kind::Rule, 1),
            };
            self.columns(piece, Run::Rules, &label, &laid);
        }
    }

    fn steps(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let laid = piece::lay(self.source, piece, piece.start, piece::Kind::Step, 1);
            self.columns(piece, Run::Steps, "", &laid);
        }
    }

    /// A line of a body: in columns if it is one line.
    fn columns(&mut self, piece: &Piece, run: Run, label: &str, laid: &Laid) {
        let text = format!("{label}{}", laid.text);
        // A line without columns stands between those that have some: of a test, not of a body of rules.
        let plain = laid.breaks.is_empty() && run != Run::Steps;
        if laid.text.contains('\n') || plain {
            self.push(piece, 1, Run::None, vec![text]);
        } else {
            let mut cells = laid.cells();
            if let Some(first) = cells.first_mut() {
                first.insert_str(0, label);
            }
            self.push(piece, 1, run, cells);
        }
    }

    fn push(&mut self, piece: &Piece, level: usize, run: Run, cells: Vec<String>) {
        self.comments_before(piece.start, level);
        let mut entry = Entry::new(level, run, cells);
        entry.blank_before = self.blank_line_before(piece.start);
        self.entries.push(entry);
        self.end = Some(piece.end);
        // Those inside were printed with it.
        let inside = self.comments.partition_point(|c| (c.span.start as usize) < piece.end);
        self.comments = &self.comments[inside..];
    }

    /// Prints the comments that stand before byte `pos`.
    fn comments_before(&mut self, pos: usize, level: usize) {
        while let Some((comment, rest)) = self.comments.split_first() {
            let start = comment.span.start as usize;
            if start >= pos {
                return;
            }
            self.comments = rest;
            let text = format!("#{}", comment.text);
            let slot = self.entries.last_mut().filter(|last| last.comment.is_none());
            match slot {
                Some(last) if !comment.own_line => last.comment = Some(text),
                _ => {
                    let mut entry = Entry::new(level, Run::None, vec![text]);
                    entry.blank_before = self.blank_line_before(start);
                    self.entries.push(entry);
                    self.end = Some(comment.span.end as usize);
                }
            }
        }
    }

    /// Whether an empty line stands between the last thing printed and byte `pos`.
    fn blank_line_before(&self, pos: usize) -> bool {
        let Some(end) = self.end.filter(|end| *end <= pos) else { return false };
        // All that can stand in between is a comment behind the last thing.
        self.source.text[end..pos].matches('\n').count() > 1
    }
}
