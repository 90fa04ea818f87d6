//! Input that means harm: an error or an answer, soon, and never a panic.

use super::{body, checked, checked_with, shown};
use crate::source::MemoryFiles;
use std::fmt::Write as _;

fn codes(checked: &super::Checked) -> Vec<&'static str> {
    checked.diags.iter().map(|d| d.code).collect()
}

#[test]
fn matches_that_double() {
    let mut text = "match m0 = udp or tcp\n".to_owned();
    for n in 1..60 {
        writeln!(text, "match m{n} = m{} and m{}", n - 1, n - 1).expect("a string");
    }
    text.push_str("hook xdp h { m59 -> drop }");
    assert_eq!(codes(&checked(&text)), ["E0308"]);
}

#[test]
fn matches_with_values_that_double() {
    let mut text = "match m0(a) = udp.dport == a\n".to_owned();
    for n in 1..60 {
        writeln!(text, "match m{n}(a) = m{}(a) and m{}(a)", n - 1, n - 1).expect("a string");
    }
    text.push_str("hook xdp h { m59(5) -> drop }");
    assert_eq!(codes(&checked(&text)), ["E0308"]);
}

#[test]
fn matches_without_end() {
    let mut text = "match m0 = udp\n".to_owned();
    for n in 1..5000 {
        writeln!(text, "match m{n} = not (m{})", n - 1).expect("a string");
    }
    let got = codes(&checked(&text));
    assert!(!got.is_empty() && got.iter().all(|c| *c == "E0308"), "{got:?}");
    let mut text = String::new();
    for n in 0..2000 {
        writeln!(text, "match m{n}(a) = m{}(a)", (n + 1) % 2000).expect("a string");
    }
    text.push_str("hook xdp h { m7(5) -> drop }");
    assert_eq!(codes(&checked(&text)), ["E0108"]);
}

#[test]
fn constants_that_double() {
    let mut text = "let k0 = { 1, 2, 3 }\n".to_owned();
    for n in 1..60 {
        writeln!(text, "let k{n} = {{ k{}, k{} }}", n - 1, n - 1).expect("a string");
    }
    let got = codes(&checked(&text));
    assert!(!got.is_empty() && got.iter().all(|c| *c == "E0308"), "{got:?}");
}

#[test]
fn a_long_line_of_constants() {
    let mut text = String::new();
    for n in 0..50_000 {
        writeln!(text, "let k{n} = k{}", n + 1).expect("a string");
    }
    text.push_str("let k50000 = 5\nhook xdp h { ttl == k0 -> drop }");
    assert_eq!(codes(&checked(&text)), Vec::<&str>::new());
}

#[test]
fn a_long_line_of_chains() {
    let mut text = String::new();
    for n in 0..20_000 {
        writeln!(text, "chain c{n} {{ udp -> jump c{} }}", n + 1).expect("a string");
    }
    text.push_str("chain c20000 { tcp -> drop }\nhook xdp h { all -> jump c0 }");
    assert_eq!(codes(&checked(&text)), Vec::<&str>::new());
}

#[test]
fn a_list_in_every_rule() {
    let mut text = "let big = {".to_owned();
    for n in 0..50_000 {
        write!(text, "10.{}.{}.1,", n / 256, n % 256).expect("a string");
    }
    text.push_str("}\nhook xdp h {\n");
    for _ in 0..1000 {
        text.push_str("src in big -> drop\n");
    }
    text.push('}');
    let got = codes(&checked(&text));
    assert!(got.contains(&"E0308"), "{got:?}");
}

#[test]
fn parentheses_and_nots() {
    for part in ["(not ", "not not (", "(tcp and ", "not (tcp or "] {
        let deep = 240;
        let text = format!("{}udp{} -> drop", part.repeat(deep), ")".repeat(deep));
        let got = body(&text);
        assert!(got.policy.is_some(), "{part}: {}", shown(&got));
    }
    for text in [
        format!("{}udp{} -> drop", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}udp -> drop", "(".repeat(100_000)),
    ] {
        assert!(body(&text).policy.is_none());
    }
    let _ = body(&format!("{}udp -> drop", "not ".repeat(100_000)));
}

#[test]
fn thousands_of_mistakes() {
    let mut text = "hook xdp h {\n".to_owned();
    for n in 0..20_000 {
        writeln!(text, "udp.dprt{n} == {n} -> drop").expect("a string");
    }
    text.push('}');
    let got = checked(&text);
    assert!(got.diags.len() <= 1001, "{}", got.diags.len());
}

#[test]
fn long_words_and_odd_ones() {
    let long = "a".repeat(100_000);
    let got = body(&format!("udp.dport == {long} -> drop"));
    assert!(got.policy.is_none());
    assert!(got.diags.iter().all(|d| d.message.len() < 1000));
    for word in [
        "0x",
        "0xg",
        "1/",
        "/8",
        "::/129",
        "1-",
        "1--2",
        "-",
        "a-",
        "1/s",
        "10k/8",
        "1.2.3.4/",
        "..",
        "1..2",
        "::ffff:1.2.3.4/96",
        "0x-0x",
        "1-2-3",
        "€",
        "1€",
        "10.0.0.0/8/8",
        "%",
        "5%",
        "a.b",
        "@",
        ":",
        "::",
        ":::",
        "00:11:22:33:44:55:66",
        "1e5",
        "0000",
        "18446744073709551615k",
        "99999999999d",
        "/",
        "./.",
        "x/8",
    ] {
        for field in ["udp.dport", "src", "eth.src", "tcp.flags", "l4[0:2]", "l4[0:3]"] {
            let _ = body(&format!("{field} == {word} -> drop"));
            let _ = body(&format!("{field} & {word} == 1 -> drop"));
            let _ = body(&format!("{field} > {word} -> drop"));
        }
        let _ = body(&format!("l4[{word}:{word}] == 1 -> drop"));
        let _ = checked(&format!("set s: prefix {{ {word} max {word} }}"));
        let _ = checked(&format!("hook xdp h {{ }}\ntest \"t\" for h {{ wait {word} }}"));
        let files = MemoryFiles::new().with("f", word);
        let _ = checked_with("set s: prefix { from \"f\" }", &files, None);
    }
}

#[test]
fn set_files_of_any_bytes() {
    let mut bytes = vec![0xff, 0xfe, 0, b'\n', b'\r', b'\r', b'\n'];
    bytes.extend(std::iter::repeat_n(b'x', 5_000_000));
    bytes.extend(b"\n1.2.3.4\n");
    let files = MemoryFiles::new().with("f", bytes);
    let got = checked_with("set s: prefix { from \"f\" }", &files, None);
    assert_eq!(codes(&got), ["E0310", "E0310"]);
    assert!(got.diags.iter().all(|d| d.message.len() < 200));
}

#[test]
fn a_million_lines() {
    let mut list = String::new();
    for n in 0..1_000_000u32 {
        writeln!(list, "{}", std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761))).expect("ok");
    }
    let files = MemoryFiles::new().with("f", list);
    let text = "set s: addr { from \"f\" max 1M }\nhook xdp h { src in @s -> drop }";
    let got = checked_with(text, &files, None);
    assert_eq!(codes(&got), Vec::<&str>::new());
    let text = "set s: addr { from \"f\" }\nhook xdp h { src in @s -> drop }";
    assert_eq!(codes(&checked_with(text, &files, None)), ["E0309"]);
}
