//! What several tests share.

#![allow(dead_code, reason = "each test takes what it needs")]

use l4c_grammar::{Diag, File, FileId, parse};

/// The tree as text without places, for comparing what two texts mean. Runs of blanks count as one, for those of
/// an iptables line may change.
pub fn meaning(file: &File) -> String {
    let text = format!("{:?}", file.items);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Parses a text that must be without mistakes.
pub fn good(text: &str) -> File {
    let parsed = parse(FileId::default(), text);
    assert!(parsed.diags.is_empty(), "{}", show(text, &parsed.diags));
    parsed.file
}

/// Mistakes with the text that they underline.
pub fn show(text: &str, diags: &[Diag]) -> String {
    let line = |diag: &Diag| format!("{} «{}» {}\n", diag.code, under(text, diag), diag.message);
    diags.iter().map(line).collect()
}

/// The underlined text.
pub fn under<'a>(text: &'a str, diag: &Diag) -> &'a str {
    text.get(diag.span.start as usize..diag.span.end as usize).expect("a span lies in its text")
}
