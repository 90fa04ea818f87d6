//! Where a rule ends: newlines, braces, continuations, iptables lines.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::good;
use l4c_grammar::{FileId, HookDecl, ItemKind, RuleKind, parse_body};

/// The rules of a hook's body, each as its source text.
#[track_caller]
fn rules(body: &str) -> Vec<String> {
    let text = format!("hook xdp e {{ {body}\n}}");
    let file = good(&text);
    let ItemKind::Hook(hook) = &file.items[0].kind else { panic!("no hook") };
    assert_eq!(file.items.len(), 1);
    hook.rules
        .iter()
        .map(|rule| text[rule.span.start as usize..rule.span.end as usize].to_owned())
        .collect()
}

#[test]
fn a_newline_or_the_closing_brace_ends_a_rule() {
    assert_eq!(rules("tcp -> drop\nudp -> pass"), ["tcp -> drop", "udp -> pass"]);
    assert_eq!(rules("\n\n  # c\n tcp -> drop # d\r\n\r\n"), ["tcp -> drop"]);
    let file = good("limit a { rate 1/s } limit b { rate 1/s } let C = 1");
    assert_eq!(file.items.len(), 3);
    assert_eq!(good("chain c { tcp -> drop } chain d { }").items.len(), 2);
}

#[test]
fn open_brackets_hold_newlines() {
    for rule in [
        "(tcp\n\nor # c\nudp\n) -> drop",
        "src in {\n 1.1.1.1,\n\n 2.2.2.2 # }\n} -> drop",
        "l4[0\n:2] == 5 -> drop",
        "over(\nx\n) -> add (\nsrc) to @s",
    ] {
        assert_eq!(rules(&format!("{rule}\nall -> pass")), [rule, "all -> pass"]);
    }
}

#[test]
fn joining_words_hold_newlines_at_either_end() {
    for rule in [
        "tcp and\nudp -> drop",
        "tcp # c\n\n# d\n  and udp -> drop",
        "tcp or\n\nudp ->\n drop,\n count x",
        "tcp\n-> drop\n, count x",
        "tcp \\\n and udp \\  \n -> drop",
        "a:\\\n tcp -> drop",
    ] {
        assert_eq!(rules(&format!("{rule}\nall -> pass")), [rule, "all -> pass"]);
    }
    assert_eq!(rules("tcp -> drop\nandroid: udp -> pass").len(), 2, "only whole words join");
}

#[test]
fn brackets_in_text_and_comments_are_none() {
    for rule in [
        "payload contains \"}) ->\\\" {\" -> drop",
        "payload == hex\"7d\" -> drop",
        "payload == i\"{\" -> drop",
        "pcap \"ip[8] == (1\" -> drop",
    ] {
        assert_eq!(rules(&format!("{rule}\nall -> pass # }} ( \"")), [rule, "all -> pass"]);
    }
}

/// The text of the only rule, an iptables line.
#[track_caller]
fn iptables(body: &str) -> (Option<String>, String) {
    let text = format!("chain c {{\n{body}\nlast: all -> pass }}");
    let file = good(&text);
    let ItemKind::Chain { rules, .. } = &file.items[0].kind else { panic!("no chain") };
    assert_eq!(rules.len(), 2, "{rules:?}");
    let RuleKind::Iptables(line) = &rules[0].kind else { panic!("not an iptables line") };
    assert_eq!(line.node.len(), (line.span.end - line.span.start) as usize, "offsets are kept");
    (rules[0].label.as_ref().map(|label| label.node.clone()), line.node.clone())
}

#[test]
fn iptables_lines_end_with_their_line() {
    for (body, label, line) in [
        ("-p udp -j DROP", None, "-p udp -j DROP"),
        ("  --protocol udp,  # c, and", None, "--protocol udp,"),
        ("! -s 10.0.0.0/8 -j DROP", None, "! -s 10.0.0.0/8 -j DROP"),
        ("x: -p udp \\\n  -j DROP", Some("x"), "-p udp     -j DROP"),
        ("x : -p udp and\\\r\nor", Some("x"), "-p udp and   or"),
        ("-m comment --comment 'a \"# }' -j X", None, "-m comment --comment 'a \"# }' -j X"),
        ("-m comment --comment \"a '#\\\" }\"", None, "-m comment --comment \"a '#\\\" }\""),
        ("--comment a\\#b\\ c\\}", None, "--comment a\\#b\\ c\\}"),
        ("--string {a}(", None, "--string {a}("),
    ] {
        assert_eq!(iptables(body), (label.map(str::to_owned), line.to_owned()), "{body}");
    }
    let file = good("chain c { -p udp -j DROP }\nchain d { all -> drop }");
    assert_eq!(file.items.len(), 2, "the brace of the body ends an iptables line");
}

#[test]
fn an_arrow_at_the_start_of_a_line_is_no_option() {
    assert_eq!(rules("tcp\n-> drop"), ["tcp\n-> drop"]);
}

#[track_caller]
fn body(text: &str) -> (usize, HookDecl) {
    let parsed = parse_body(FileId(3), text, "socket", "cmdline");
    assert!(parsed.diags.is_empty(), "{}", common::show(text, &parsed.diags));
    let items = parsed.file.items.len() - 1;
    let Some(ItemKind::Hook(hook)) = parsed.file.items.into_iter().last().map(|item| item.kind)
    else {
        panic!("no hook")
    };
    (items, hook)
}

#[test]
fn a_body_may_hold_items_beside_rules() {
    let text = "let A = { 1, 2 }\ndefault drop\nset s: addr { dynamic }\ndns_ports { 53 }\n\
                a: udp.dport in A -> pass\nlimit and tcp -> drop\n-p udp -j DROP\nset -> pass\n\
                match m = tcp and\nudp\nlimit l { rate 1/s }";
    let (items, hook) = body(text);
    assert_eq!((items, hook.rules.len(), hook.defaults.len(), hook.props.len()), (4, 4, 1, 1));
    assert_eq!((hook.kind.node.as_str(), hook.name.node.as_str()), ("socket", "cmdline"));
    let span = hook.rules[0].span;
    assert_eq!(span.file, FileId(3));
    assert_eq!(&text[span.start as usize..span.end as usize], "a: udp.dport in A -> pass");
    assert_eq!(body("").1.rules.len(), 0);
    assert_eq!(body("udp.dport == 53 -> drop").1.rules.len(), 1);
}
