//! Mistakes: the code, the underlined text, and that they spoil nothing else.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{show, under};
use l4c_grammar::{CODES, FileId, ItemKind, decode, parse, parse_body};

/// Codes for sizes, tested with texts too large for a table, and the one for bytes.
const ELSEWHERE: [&str; 7] = ["E0001", "E0002", "E0009", "E0010", "E0011", "E0012", "E0013"];

/// Source, code, underlined text.
const TOP: &[(&str, &str, &str)] = &[
    ("let A = \"a\u{1}b\"", "E0003", "\u{1}"),
    ("# \u{202e}evil", "E0004", "\u{202e}"),
    ("include \"x", "E0005", "\"x"),
    ("let A = \"x\nlet B = 1", "E0005", "\"x"),
    ("let A = { 1, 2\nlet B = 1", "E0006", "{"),
    ("hook xdp e {\n a: tcp -> drop\n", "E0006", "{"),
    ("let A = { 1 }}", "E0007", "}"),
    ("}", "E0007", "}"),
    ("match m = tcp)", "E0007", ")"),
    ("let A 5", "E0014", "5"),
    ("let A = 1, 2", "E0014", ","),
    ("let A = 1 2", "E0014", "2"),
    ("let A =", "E0014", "="),
    ("include other.l4", "E0014", "other.l4"),
    ("use bogons", "E0014", "bogons"),
    ("set x { dynamic }", "E0014", "x"),
    ("hook xdp { }", "E0014", "xdp"),
    ("test for e { }", "E0014", "for"),
    ("test \"t\" { }", "E0014", "\"t\""),
    ("match m = tcp -> drop", "E0014", "->"),
    ("limit l { rate 1/s ] }", "E0007", "]"),
    ("set s: addr { @ }", "E0014", "@"),
    ("let A = ()", "E0014", "()"),
    ("policy edge { rules }", "E0015", "policy"),
    ("hok xdp e {\n tcp => drop ) \n}", "E0015", "hok"),
    ("tcp -> drop", "E0016", "tcp -> drop"),
    ("-A INPUT -j DROP", "E0016", "-A INPUT -j DROP"),
    ("let 5x = 1", "E0017", "5x"),
    ("limit a-b { rate 1/s }", "E0017", "a-b"),
    ("chain \"\" { }", "E0017", "\"\""),
    ("let over = 1", "E0018", "over"),
    ("let A = \"a\\qb\"", "E0019", "\\q"),
    ("let A = \"\\xg1\"", "E0019", "\\x"),
    ("let A = hex\"ff 0g\"", "E0020", "0g"),
    ("let A = hex\"fff\"", "E0020", "f"),
    ("include hex\"ff\"", "E0021", "hex\"ff\""),
    ("include \"\\xff\"", "E0021", "\"\\xff\""),
    ("let A = { 1, , 2 }", "E0022", ","),
    ("let A = { 80 - 90 }", "E0022", "-"),
    ("let A = { 1, { 2 } }", "E0022", "{"),
    ("set s: addr { 1.1.1.1 2.2.2.2 }", "E0022", "2.2.2.2"),
    ("let A = { 1, == }", "E0023", "=="),
    ("chain c { -> drop }", "E0025", "->"),
    ("chain c { and tcp -> drop }", "E0030", "and"),
    ("chain c { default drop }", "E0038", "default"),
    ("limit l { rate 1/s bust 5 }", "E0039", "bust"),
    ("set s: addr { dynamic, max 5 }", "E0039", ","),
    ("set s: addr { dynamic 1.2.3.4 }", "E0039", "1.2.3.4"),
    ("limit l { rate 1/s, burst 5 }", "E0039", ","),
    ("conns c { allow 5 per }", "E0040", "per"),
    ("set s: addr { max }", "E0040", "max"),
    ("set s: addr { from x }", "E0014", "x"),
    ("hook xdp e {\n  limit l { rate 1/s }\n}", "E0041", "limit"),
    ("limit l", "E0042", "limit l"),
    ("hook xdp e\n{\n all -> drop\n}", "E0042", "e"),
    ("test \"t\" for e { sned q }", "E0043", "sned"),
    ("test \"t\" for e { send }", "E0014", "send"),
    ("test \"t\" for e { wait }", "E0014", "wait"),
    ("test \"t\" for e { let q eth }", "E0014", "eth"),
    ("test \"t\" for e { pcap x expect drop }", "E0014", "x"),
    ("test \"t\" for e { expect @s 5 }", "E0014", "5"),
];

/// The text of a rule, code, underlined text.
const RULE: &[(&str, &str, &str)] = &[
    ("a: (udp.dport == 53 -> drop", "E0006", "("),
    ("src in { 1.1.1.1, 2.2.2.2 -> drop", "E0006", "{"),
    ("tcp) -> drop", "E0007", ")"),
    ("tcp", "E0024", "tcp"),
    ("udp.dport == 53 drop", "E0024", "udp.dport == 53 drop"),
    ("drop udp.dport == 53", "E0024", "drop udp.dport == 53"),
    ("udp.dport == 53 => drop", "E0024", "=>"),
    ("a: -> drop", "E0025", "->"),
    ("tcp ->", "E0026", "->"),
    ("tcp -> drop,", "E0026", ","),
    ("default", "E0026", "default"),
    ("tcp -> drop -> pass", "E0027", "->"),
    ("tcp && udp -> drop", "E0028", "&&"),
    ("tcp || udp -> drop", "E0028", "||"),
    ("!tcp -> drop", "E0028", "!"),
    ("udp.dport eq 53 -> drop", "E0028", "eq"),
    ("udp.dport ne 53 -> drop", "E0028", "ne"),
    ("udp.dport = 53 -> drop", "E0028", "="),
    ("udp.dport ge 53 and tcp -> drop", "E0028", "ge"),
    ("tcp and udp or frag -> drop", "E0029", "or"),
    ("(tcp or udp and frag) -> drop", "E0029", "and"),
    ("tcp and -> drop", "E0030", "and"),
    ("tcp and or udp -> drop", "E0030", "or"),
    ("() -> drop", "E0030", ")"),
    ("not -> drop", "E0030", "not"),
    ("(tcp or) -> drop", "E0030", ")"),
    ("tcp udp -> drop", "E0031", "udp"),
    ("tcp (udp) -> drop", "E0031", "("),
    ("tcp not udp -> drop", "E0031", "not"),
    ("udp.dport == -> drop", "E0032", "=="),
    ("udp.dport == and tcp -> drop", "E0032", "=="),
    ("src in -> drop", "E0032", "in"),
    ("src not in -> drop", "E0032", "in"),
    ("tcp.flags has -> drop", "E0032", "has"),
    ("payload contains -> drop", "E0032", "contains"),
    ("payload contains \"x\" within -> drop", "E0032", "within"),
    ("over -> drop", "E0033", "over"),
    ("over per_client -> drop", "E0033", "over"),
    ("pcap udp -> drop", "E0033", "pcap"),
    ("53 == udp.dport -> drop", "E0034", "53"),
    ("udp.dport == 80 - 90 -> drop", "E0034", "-"),
    ("@bogons -> drop", "E0034", "@bogons"),
    ("src { 1.1.1.1 } -> drop", "E0034", "{"),
    ("tcp, udp -> drop", "E0034", ","),
    ("tcp; -> drop", "E0034", ";"),
    ("tcp & == 1 -> drop", "E0034", "&"),
    ("l4[12] == 5 -> drop", "E0035", "l4[12]"),
    ("l4[12:] == 5 -> drop", "E0035", "l4[12:]"),
    ("tcp -> drop and count x", "E0036", "and"),
    ("tcp -> drop && count x", "E0036", "&&"),
    ("tcp -> 5", "E0036", "5"),
    ("tcp -> count = x", "E0014", "="),
    ("default: drop", "E0037", "default"),
    ("default -> drop", "E0038", "->"),
    ("my-label: tcp -> drop", "E0017", "my-label"),
    ("-p udp -m comment --comment 'x -j DROP", "E0005", "'x -j DROP"),
    ("tcp -> jump \"x", "E0005", "\"x"),
    ("src in { 1, 2 3 } -> drop", "E0022", "3"),
    ("payload == \"\\z\" -> drop", "E0019", "\\z"),
];

#[track_caller]
fn check(text: &str, code: &str, underlined: &str) {
    let diags = parse(FileId::default(), text).diags;
    let found: Vec<_> = diags.iter().map(|diag| (diag.code, under(text, diag))).collect();
    assert_eq!(found, [(code, underlined)], "{text}\n{}", show(text, &diags));
    for diag in &diags {
        let raw = diag.message.contains('_') && !text.contains('_');
        assert!(!raw, "a name of the grammar shows: {}", diag.message);
        assert!(!diag.message.ends_with('.') && !diag.message.is_empty());
    }
}

#[test]
fn items_are_told_what_is_wrong() {
    for (text, code, underlined) in TOP {
        check(text, code, underlined);
    }
}

#[test]
fn rules_are_told_what_is_wrong_and_spoil_no_neighbour() {
    for (rule, code, underlined) in RULE {
        let text =
            format!("hook xdp e {{\n before: all -> count x\n {rule}\n\n next: tcp -> drop\n}}");
        check(&text, code, underlined);
        let file = parse(FileId::default(), &text).file;
        let ItemKind::Hook(hook) = &file.items[0].kind else { panic!("no hook") };
        let labels = hook.rules.iter().filter_map(|rule| rule.label.as_ref());
        let labels: Vec<_> = labels.map(|label| label.node.as_str()).collect();
        assert_eq!(labels, ["before", "next"], "{rule}");
    }
}

#[test]
fn every_code_has_a_case() {
    let cases: BTreeSet<&str> =
        TOP.iter().chain(RULE).map(|case| case.1).chain(ELSEWHERE).chain(["E0008"]).collect();
    let codes: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(cases, codes);
    assert!(CODES.is_sorted() && CODES.len() == codes.len());
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "let 1a = 2\nhook xdp e {\n tcp drop\n tcp && udp -> 5\n}\nlimit l { bust 1 }\n";
    let diags = parse(FileId::default(), text).diags;
    let codes: Vec<_> = diags.iter().map(|diag| diag.code).collect();
    assert_eq!(codes, ["E0017", "E0024", "E0028", "E0036", "E0039"]);
}

#[test]
fn help_shows_what_to_write() {
    let cases = [
        ("udp.dport == 53 drop", "write `udp.dport == 53 -> drop`"),
        ("udp.dport == 53: DROP", "write `udp.dport == 53 -> drop`"),
        ("udp.dport == 53 => count x", "write `udp.dport == 53 -> count x`"),
        ("drop", "write `all -> drop`"),
        ("accept udp.dport == 53", "write `udp.dport == 53 -> pass`"),
        ("tcp and udp or frag -> drop", "write `(tcp and udp) or frag` or `tcp and (udp or frag)`"),
        (
            "a or b and not c or d -> drop",
            "write `a or (b and not c) or d` or `(a or b) and (not c or d)`",
        ),
        ("default: drop", "what happens when no rule decides is written `default drop`"),
        ("default: udp -> drop", "what happens when no rule decides is written `default drop`"),
        ("l4[12] == 1 -> drop", "the length is written too: `[12:1]`"),
    ];
    for (rule, help) in cases {
        let text = format!("hook xdp e {{\n{rule}\n}}");
        let diags = parse(FileId::default(), &text).diags;
        assert_eq!(diags[0].help.as_deref(), Some(help), "{rule}");
    }
}

#[test]
fn expectations_are_in_the_users_words() {
    let cases = [
        ("let A", "expected `=`, found the end of the line"),
        ("set x { }", "expected `:` and the type, found the end of the line"),
        ("test \"t\" { }", "expected `for HOOK`, found the end of the line"),
        ("include", "expected text in double quotes, found the end of the line"),
        ("test \"t\" for e { send q x }", "expected a number of times, found the end of the line"),
        ("test \"t\" for e { send q expect 5 }", "expected a verdict such as `drop`, found `5`"),
    ];
    for (text, message) in cases {
        let diags = parse(FileId::default(), text).diags;
        assert_eq!(diags[0].message, message, "{text}");
    }
}

#[test]
fn a_broken_item_spoils_no_other() {
    let text = "hook xdp a {\n x: (tcp and udp\n\nhook xdp b {\n all -> drop\n}\nlet X = {1, 2\nlet Y = 3\n";
    let parsed = parse(FileId::default(), text);
    let codes: Vec<_> = parsed.diags.iter().map(|d| (d.code, d.span.start)).collect();
    assert_eq!(
        codes,
        [("E0006", 11), ("E0006", 17), ("E0006", 67)],
        "{}",
        show(text, &parsed.diags)
    );
    let hooks = parsed.file.items.iter().filter(|item| matches!(item.kind, ItemKind::Hook(_)));
    assert_eq!(hooks.count(), 2);
    assert!(
        matches!(&parsed.file.items.last().unwrap().kind, ItemKind::Let { name, .. } if name.node == "Y")
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let bytes = b"let A = 1\n# \xff\n";
    let diag = decode(FileId::default(), bytes).unwrap_err();
    assert_eq!(diag.code, "E0002");
    assert_eq!(under(&String::from_utf8_lossy(bytes), &diag), "\u{fffd}");
    assert_eq!(decode(FileId::default(), b"ok"), Ok("ok"));
}

#[test]
fn a_rule_alone_on_the_command_line_is_named_in_place() {
    let text = "let A = 1\nudp.dport == 53 drop\nall -> pass";
    let parsed = parse_body(FileId::default(), text, "xdp", "cmdline");
    let found: Vec<_> = parsed.diags.iter().map(|diag| (diag.code, under(text, diag))).collect();
    assert_eq!(found, [("E0024", "udp.dport == 53 drop")]);
    assert_eq!(parsed.file.items.len(), 2);
}
