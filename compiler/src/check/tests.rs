//! Snippets and what the checker says of them.

mod hostile;
mod meaning;
mod mistakes;
mod policies;

use super::{CheckOptions, Checked, check};
use crate::hir::Policy;
use crate::source::{Input, InputText, MemoryFiles, load};
use l4c_grammar::Severity;
use l4c_manifest::HookKind;

/// Checks a root file among others.
fn checked_with(text: &str, files: &MemoryFiles, kind_override: Option<HookKind>) -> Checked {
    let input = Input { name: "t.l4".to_owned(), text: InputText::Text(text.to_owned()) };
    let loaded = load(input, files).expect("the text is there");
    check(loaded, files, CheckOptions { kind_override })
}

fn checked(text: &str) -> Checked {
    checked_with(text, &MemoryFiles::new(), None)
}

/// Checks rules of a hook `h`.
fn body(text: &str) -> Checked {
    checked(&format!("hook xdp h {{\n{text}\n}}\n"))
}

/// Code and underlined text of everything said; a place past the text is empty.
fn said(checked: &Checked) -> Vec<(&'static str, String)> {
    checked.diags.iter().map(|d| (d.code, checked.sources.text(d.span).to_owned())).collect()
}

fn shown(checked: &Checked) -> String {
    let mut out = String::new();
    for d in &checked.diags {
        out.push_str(&format!(
            "{} {:?} {}: {} (help: {})\n",
            d.code,
            checked.sources.text(d.span),
            d.label,
            d.message,
            d.help.as_deref().unwrap_or("none")
        ));
    }
    out
}

/// The policy of a text without errors.
fn policy(checked: Checked) -> Policy {
    assert!(checked.diags.iter().all(|d| d.severity == Severity::Warning), "{}", shown(&checked));
    checked.policy.expect("there is no error")
}

/// Holds each snippet, checked by `how`, against what shall be said of it.
fn table(how: fn(&str) -> Checked, cases: &[(&str, &[(&str, &str)])]) {
    let mut wrong = String::new();
    for (text, expected) in cases {
        let checked = how(text);
        let got = said(&checked);
        let got: Vec<(&str, &str)> = got.iter().map(|(c, t)| (*c, t.as_str())).collect();
        if got != *expected {
            wrong.push_str(&format!("{text}\n  want {expected:?}\n  got  {got:?}\n"));
            wrong.push_str(&shown(&checked));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
