//! Inputs made to hurt: each must end soon, with few words and without a crash.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::show;
use l4c_grammar::{FileId, format, parse, parse_body};
use proptest::prelude::*;

/// Far above what is needed, for slow and busy machines; a quadratic reader takes hours.
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn check(text: &str, codes: &[&str]) {
    let start = Instant::now();
    let diags = parse(FileId::default(), text).diags;
    let time = start.elapsed();
    let found: Vec<_> = diags.iter().map(|diag| diag.code).collect();
    assert_eq!(found, codes, "{}", show(text, &diags));
    assert!(time < PATIENCE, "took {time:?}");
}

/// `rule` within a hook.
fn hook(rule: &str) -> String {
    format!("hook xdp e {{\n{rule}\n next: all -> pass\n}}")
}

#[test]
fn deep_brackets() {
    let million = 1_000_000;
    check(&hook(&("(".repeat(million) + "tcp -> drop")), &["E0008"]);
    check(&format!("hook xdp e {{ {} -> drop }}", "(".repeat(million)), &["E0008"]);
    check(&hook(&("[".repeat(million))), &["E0008"]);
    check(&hook(&format!("{}tcp{} -> drop", "(".repeat(million), ")".repeat(million))), &["E0008"]);
    check(&"(".repeat(million), &["E0008"]);
    check(&hook(&format!("{}tcp{} -> drop", "(".repeat(256), ")".repeat(256))), &[]);
    check(&hook(&format!("{}tcp{} -> drop", "not (".repeat(257), ")".repeat(257))), &["E0008"]);
}

#[test]
fn rows_of_not() {
    check(&hook(&("not ".repeat(1_000_000) + "tcp -> drop")), &["E0011"]);
    check(&hook(&("not ".repeat(200_000) + "tcp -> drop")), &[]);
}

#[test]
fn long_lines() {
    check(&"a".repeat(50_000_000), &["E0011"]);
    let row = "udp.dport == 53 or ".repeat(1_000_000) + "tcp -> drop";
    check(&hook(&row), &["E0011"]);
    check(&hook(&("tcp or ".repeat(100_000) + "udp -> drop")), &[]);
    check(&hook(&("tcp and udp or ".repeat(60_000) + "udp -> drop")), &["E0029"]);
    check(&hook(&format!("tcp -> {} drop", "count x,".repeat(100_000))), &[]);
    check(&"\u{0}".repeat(2_000_000), &["E0003", "E0011"]);
    check(&" ".repeat(10_000_000), &[]);
    check(&"\"".repeat(3_000_001), &["E0005"]);
}

#[test]
fn long_lists() {
    let list = "10.0.0.1, ".repeat(500_000);
    check(&format!("let A = {{ {list} }}"), &[]);
    check(&hook(&format!("src in {{ {list} }} -> drop")), &[]);
    check(&format!("set s: addr {{ {} dynamic }}", list.replace(' ', "\n")), &[]);
    check(&format!("let A = {{ {} }}", "1,".repeat(2_000_001)), &["E0012"]);
}

#[test]
fn sizes() {
    check(&" ".repeat(64 * 1024 * 1024 + 1), &["E0001"]);
    let rules = "\n-j DROP".repeat(1_000_001);
    check(&format!("hook xdp e {{{rules}\n}}"), &["E0009"]);
    check(&"#\n".repeat(4_000_001), &["E0010"]);
    let lines = "\ndynamic".repeat(1_000_001);
    check(&format!("set s: addr {{{lines}\n}}"), &["E0010"]);
}

#[test]
fn floods_of_mistakes_are_cut_off() {
    for line in ["a\n", "\"\n", "\u{0}\n", "}\n", "hook {\n"] {
        let diags = parse(FileId::default(), &line.repeat(100_000)).diags;
        assert!(diags.len() <= 10_001, "{line:?}");
    }
    let diags = parse(FileId::default(), &"a\n".repeat(20_000)).diags;
    assert_eq!(diags.last().unwrap().code, "E0013");
}

#[test]
fn odd_shapes() {
    for text in ["\u{feff}let A = 1", "\r\nlet A = 1\r\n", "let A = 1 \\", "", "#", "\\", "\\\n\\"]
    {
        let parsed = parse(FileId::default(), text);
        assert!(parsed.diags.is_empty(), "{text:?}\n{}", show(text, &parsed.diags));
    }
    for text in [
        "{", "}", "(", ")", "[", "hook", "hook {", "a: ", "->", ":", "::", "! ", "-", "i\"",
        "hex\"",
    ] {
        for text in
            [text.to_owned(), hook(text), format!("test \"t\" for e {{ {text}"), text.repeat(300)]
        {
            let _ = (parse(FileId::default(), &text), format(&text));
            let _ = parse_body(FileId::default(), &text, "xdp", "cmdline");
        }
    }
}

/// Bits of the language and its neighbourhood.
const BITS: &[&str] = &[
    "hook xdp e {",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    "->",
    ",",
    "\n",
    "\n",
    " ",
    " ",
    "\t",
    "\\\n",
    "\\",
    "# c\n",
    "#",
    "\"",
    "\"x\"",
    "i\"x\"",
    "hex\"ff\"",
    "hex\"",
    "'",
    "a:",
    "::",
    ":",
    "default",
    "drop",
    "and",
    "or",
    "not",
    "in",
    "has",
    "any",
    "udp.dport",
    "==",
    "!=",
    "=",
    "!",
    "&&",
    "||",
    "&",
    "|",
    "53",
    "@s",
    "over(",
    "l4[0:2]",
    "l4[",
    "-p udp",
    "--x",
    "! -s",
    "set s: addr {",
    "limit l {",
    "test \"t\" for e {",
    "send",
    "eth",
    "/",
    "x",
    "with",
    "expect",
    "let A =",
    "match m(",
    "chain c {",
    "use std::x",
    "include",
    "max",
    "é",
    "\u{0}",
    "\u{202e}",
    "\r",
    "\r\n",
    "\u{feff}",
    "\u{a0}",
    ";",
    "->->",
    "\\x",
    "…",
    "\"\\\n",
    "per",
    "dynamic",
    "from",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_row_of_bits_is_read(bits in prop::collection::vec(prop::sample::select(BITS), 0..60)) {
        let text = bits.concat();
        for parsed in [
            parse(FileId::default(), &text),
            parse_body(FileId::default(), &text, "xdp", "cmdline"),
        ] {
            for diag in &parsed.diags {
                common::under(&text, diag);
                for (span, _) in &diag.others {
                    assert!(text.get(span.start as usize..span.end as usize).is_some());
                }
            }
        }
        if let Ok(once) = format(&text) {
            let twice = format(&once);
            prop_assert_eq!(Ok(&once), twice.as_ref());
            let before = common::meaning(&parse(FileId::default(), &text).file);
            prop_assert_eq!(before, common::meaning(&parse(FileId::default(), &once).file));
        }
    }
}
