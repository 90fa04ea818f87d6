use super::*;
use l4c_compiler::source::Source;
use l4c_grammar::Span;

fn sources(texts: &[(&str, &str)]) -> Sources {
    let mut sources = Sources::default();
    for (name, text) in texts {
        sources.push(Source { name: (*name).into(), text: (*text).into(), dir: "".into() });
    }
    sources
}

fn span_of(sources: &Sources, file: u32, needle: &str) -> Span {
    let text = &sources.as_slice()[file as usize].text;
    let start = text.find(needle).expect("the needle is there") as u32;
    Span::new(FileId(file), start, start + needle.len() as u32)
}

fn rendered(sources: &Sources, diag: &Diag) -> String {
    render(&handler(false), &mut Sheets::new(sources), diag)
}

#[test]
fn a_report_shows_code_place_text_labels_and_help() {
    let s = sources(&[("edge.l4", "one\nall -> dorp\nthree\n\nfive\n")]);
    let diag = Diag::error("E0001", span_of(&s, 0, "dorp"), "there is no action `dorp`")
        .label("this word")
        .other(span_of(&s, 0, "three"), "and here")
        .help("did you mean `drop`?");
    let text = rendered(&s, &diag);
    for part in ["E0001", "edge.l4:2:8", "all -> dorp", "this word", "and here", "help: did you"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn a_place_in_another_file_is_shown_there() {
    let s = sources(&[("a.l4", "let X = 1\n"), ("sub/b.l4", "\n\nlet X = 2\n")]);
    let diag = Diag::error("E0101", span_of(&s, 1, "X"), "`X` is defined twice")
        .other(span_of(&s, 0, "X"), "first here");
    let text = rendered(&s, &diag);
    for part in ["sub/b.l4:3:5", "a.l4:1:5", "first here", "let X = 1", "let X = 2"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn of_a_long_line_a_window_is_shown() {
    let line = format!("{}oops{}{}far\n", "é".repeat(50_000), "b".repeat(5), "c".repeat(50_000));
    let s = sources(&[("long.l4", &line)]);
    let diag = Diag::error("E0001", span_of(&s, 0, "oops"), "wrong")
        .label("here")
        .other(span_of(&s, 0, "far"), "far away");
    let text = rendered(&s, &diag);
    assert!(text.len() < 3000, "{} bytes", text.len());
    assert!(text.contains("long.l4:1:50001") && text.contains("oops"), "{text}");
    assert!(text.contains("far away"), "{text}");
}

#[test]
fn a_span_over_everything_is_shown_by_its_beginning() {
    let text = "rule\n".repeat(100_000);
    let s = sources(&[("big.l4", &text)]);
    let whole = Span::new(FileId(0), 0, text.len() as u32);
    let shown = rendered(&s, &Diag::error("E0001", whole, "too much"));
    assert!(shown.len() < 10_000, "{} bytes", shown.len());
}

#[test]
fn spans_that_make_no_sense_do_no_harm() {
    let s = sources(&[("é.l4", "é é"), ("empty.l4", "")]);
    for (file, start, end) in [(0, 1, 1), (0, 3, 900), (0, 900, 3), (1, 0, 0), (1, 5, 9), (7, 0, 1)]
    {
        let diag = Diag::error("E0001", Span::new(FileId(file), start, end), "odd");
        assert!(rendered(&s, &diag).contains("odd"), "{file} {start} {end}");
    }
}

#[test]
fn nothing_in_a_text_steers_the_terminal() {
    let s = sources(&[("e\x1b[2Jvil.l4", "a\x1b[31m \u{202e}b\u{9b}c\r\nd\re\0\n")]);
    let diag = Diag::error("E0001", Span::new(FileId(0), 0, 1), "bad \x1b[31m")
        .label("\x07")
        .help("\u{2066}");
    let text = rendered(&s, &diag);
    let steering: Vec<char> = text.chars().filter(|&c| c.is_control() && c != '\n').collect();
    assert!(steering.is_empty(), "{steering:?} in {text}");
    assert!(!text.contains(['\u{202e}', '\u{2066}']), "{text}");
}

#[test]
fn lines_and_columns_are_those_of_an_editor() {
    let text = format!("{}äb\nlast", "x\n".repeat(70_000));
    let sheet = Sheet::new("f", &text);
    assert_eq!(sheet.line_column(0), (1, 1));
    assert_eq!(sheet.line_column(2 * 69_999), (70_000, 1));
    let b = text.find('b').expect("there is one");
    assert_eq!(sheet.line_column(b), (70_001, 2));
    assert_eq!(sheet.line_column(usize::MAX), (70_002, 5));
}

#[test]
fn tallies_read_well() {
    let span = Span::default();
    let diags = [Diag::error("E1", span, "a"), Diag::warning("W1", span, "b")];
    assert_eq!(Tally::of(&diags).in_words(), "1 error, 1 warning");
    assert_eq!(Tally { errors: 0, warnings: 2 }.in_words(), "2 warnings");
}
