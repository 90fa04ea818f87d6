//! Lines in columns: neighbours of one kind are padded to a common width.

/// A column wider than this is left out when the width is found, so that one long line moves no other.
const WIDEST: usize = 72;
/// Blanks a level.
const INDENT: usize = 4;

/// Lines that share columns when they stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Shares with none.
    None,
    /// Rules: up to `->`.
    Rules,
    /// Lines of a test: up to `expect`.
    Steps,
    /// Sets on one line: name, type, body.
    Sets,
    /// Limits and conns on one line: name, body.
    Limits,
}

/// A line, or several that belong together.
#[derive(Debug)]
pub(super) struct Entry {
    level: usize,
    run: Run,
    cells: Vec<String>,
    /// A comment behind it.
    pub(super) comment: Option<String>,
    /// An empty line stands before it.
    pub(super) blank_before: bool,
}

impl Entry {
    /// Without comment or empty line.
    pub(super) fn new(level: usize, run: Run, cells: Vec<String>) -> Self {
        Self { level, run, cells, comment: None, blank_before: false }
    }
}

/// The text of all lines.
pub(super) fn render(entries: &[Entry]) -> String {
    let mut out = String::new();
    let mut rest = entries;
    while let Some((first, behind)) = rest.split_first() {
        let same =
            |next: &&Entry| next.run == first.run && first.run != Run::None && !next.blank_before;
        let count = 1 + behind.iter().take_while(same).count();
        let (run, after) = rest.split_at(count);
        let widths = widths(run);
        for entry in run {
            line(&mut out, entry, &widths);
        }
        rest = after;
    }
    out
}

/// Width of each column but the last of a line, which is never padded.
fn widths(run: &[Entry]) -> Vec<usize> {
    let columns = run.iter().map(|entry| entry.cells.len()).max().unwrap_or(0);
    (0..columns)
        .map(|column| {
            let cells = run.iter().filter(|entry| entry.cells.len() > column + 1);
            let widths = cells.map(|entry| entry.cells[column].chars().count());
            widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
        })
        .collect()
}

fn line(out: &mut String, entry: &Entry, widths: &[usize]) {
    if entry.blank_before {
        out.push('\n');
    }
    out.extend(std::iter::repeat_n(' ', entry.level * INDENT));
    for (column, cell) in entry.cells.iter().enumerate() {
        out.push_str(cell);
        if column + 1 < entry.cells.len() {
            let pad = widths[column].saturating_sub(cell.chars().count());
            out.extend(std::iter::repeat_n(' ', pad + 1));
        }
    }
    if let Some(comment) = &entry.comment {
        out.push_str("  ");
        out.push_str(comment);
    }
    out.push('\n');
}

/// Blanks of `level` levels, for lines inside an entry.
pub(super) fn indent(level: usize) -> String {
    " ".repeat(level * INDENT)
}
