//! The language reference says what is so: its tables are those of the code, its examples are checked.
//!
//! `docs/language.md` holds two tables between markers, written from the field table and the tables of
//! diagnostics. `L4C_BLESS=1` rewrites them in place. Of every block marked `l4` the checker must have nothing
//! to say, and its tests must come out as expected; every block marked `l4-error CODE` must give that code
//! and no other.

use l4c_compiler::check::{self, CheckOptions, Checked};
use l4c_compiler::fields::{FIELDS, Field, Ty};
use l4c_compiler::hir::{Expect, Policy, TestStepKind};
use l4c_compiler::reference::Reference;
use l4c_compiler::source::{Input, InputText, MemoryFiles, load};
use l4c_compiler::{packet, pipeline, report};
use l4c_grammar::CmpOp;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// A table of the page: its marker, and how it is written.
type Table = (&'static str, fn() -> String);

const TABLES: &[Table] = &[("fields", fields_table), ("codes", codes_table)];

/// Sections of the field table: the title, and the first words of the fields in it. A field without a dot
/// that is no header stands in the first.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Any family", &[]),
    ("How the packet came", &["iface", "rx_queue", "cpu", "mark"]),
    ("Link", &["eth", "vlan", "vlan2"]),
    ("ARP", &["arp"]),
    ("IPv4", &["ip"]),
    ("IPv6", &["ip6"]),
    ("TCP", &["tcp"]),
    ("UDP", &["udp"]),
    ("ICMP", &["icmp"]),
    ("ICMPv6", &["icmp6"]),
    ("SCTP", &["sctp"]),
    ("UDP-Lite", &["udplite"]),
    ("DCCP", &["dccp"]),
    ("GRE", &["gre"]),
    ("IPsec", &["esp", "ah"]),
    ("IGMP", &["igmp"]),
    ("DNS", &["dns"]),
    ("Protocols without fields of their own", &["ipip", "ospf", "pim", "vrrp"]),
];

fn page_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md")
}

fn page() -> String {
    fs::read_to_string(page_path()).expect("the page is there")
}

/// As the page calls a type.
fn type_words(field: &Field) -> String {
    match field.ty {
        Ty::Number => format!("number, {} bits", field.width_bits()),
        Ty::Port => "port".to_owned(),
        Ty::Addr4 => "IPv4 address".to_owned(),
        Ty::Addr6 => "IPv6 address".to_owned(),
        Ty::Addr => "address of either family".to_owned(),
        Ty::Mac => "hardware address".to_owned(),
        Ty::Flags => format!("flags, {} bits", field.width_bits()),
        Ty::Bit => "bit".to_owned(),
        Ty::Presence => "there or not".to_owned(),
        Ty::Name => "DNS name".to_owned(),
        Ty::Option => format!("there or not, number, {} bits", field.width_bits()),
        Ty::Layout => "list of options".to_owned(),
        Ty::Iface => "interface".to_owned(),
    }
}

/// Which row of [`SECTIONS`] a field stands in.
fn section(field: &Field) -> usize {
    let first = field.name.split('.').next().unwrap_or(field.name);
    SECTIONS.iter().position(|(_, words)| words.contains(&first)).unwrap_or(0)
}

fn fields_table() -> String {
    let mut out = String::new();
    for (nth, (title, _)) in SECTIONS.iter().enumerate() {
        let rows: Vec<&Field> = FIELDS.iter().filter(|f| section(f) == nth).collect();
        let _ = write!(out, "**{title}**\n\n| field | type | what it is | words for values |\n");
        out.push_str("|---|---|---|---|\n");
        for field in rows {
            let names: Vec<String> =
                field.names.iter().map(|(word, n)| format!("`{word}` {n}")).collect();
            let (name, ty, doc) = (field.name, type_words(field), field.doc);
            let _ = writeln!(out, "| `{name}` | {ty} | {doc} | {} |", names.join(", "));
        }
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// Every code with its title, in order.
fn codes() -> Vec<(&'static str, &'static str)> {
    let tables = [l4c_grammar::CODES, check::CODES, packet::CODES, pipeline::CODES];
    let mut all: Vec<_> = tables.into_iter().flatten().copied().collect();
    all.sort_unstable();
    all
}

fn codes_table() -> String {
    let mut out = String::from("| code | what it says |\n|---|---|\n");
    for (code, title) in codes() {
        let _ = writeln!(out, "| {code} | {title} |");
    }
    out.trim_end().to_owned()
}

/// The text with what stands between the markers of `name` replaced.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&open).unwrap_or_else(|| panic!("no marker {open}"));
    let (_, after) = rest.split_once(&close).unwrap_or_else(|| panic!("no marker {close}"));
    format!("{before}{open}\n{table}\n{close}{after}")
}

#[test]
fn the_tables_are_those_of_the_code() {
    let text = page();
    let wanted =
        TABLES.iter().fold(text.clone(), |text, &(name, table)| with_table(&text, name, &table()));
    if std::env::var_os("L4C_BLESS").is_some_and(|v| v == "1") {
        fs::write(page_path(), wanted).expect("the page can be written");
        return;
    }
    let differs = text.lines().zip(wanted.lines()).find(|(is, should)| is != should);
    assert!(
        text == wanted,
        "the tables of docs/language.md are old; L4C_BLESS=1 rewrites them\nfirst difference: {differs:#?}"
    );
}

#[test]
fn every_field_is_listed_once() {
    let table = fields_table();
    for field in FIELDS {
        let row = format!("| `{}` |", field.name);
        assert_eq!(table.matches(&row).count(), 1, "{}", field.name);
    }
    for (title, words) in SECTIONS {
        for word in *words {
            assert!(
                FIELDS.iter().any(|f| f.name.split('.').next() == Some(word)),
                "{title}: {word}"
            );
        }
    }
}

#[test]
fn no_code_is_given_twice() {
    let all = codes();
    let distinct: BTreeSet<&str> = all.iter().map(|(code, _)| *code).collect();
    assert_eq!(distinct.len(), all.len());
}

/// A fenced block of the page.
struct Example {
    /// Behind the opening fence.
    info: String,
    text: String,
    /// Line of the page that the fence stands on, from 1.
    line: usize,
}

fn examples(page: &str) -> Vec<Example> {
    let mut out = Vec::new();
    let mut open: Option<Example> = None;
    for (nth, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(example)) => out.push(example),
            (Some(info), None) => {
                let info = info.trim().to_owned();
                open = Some(Example { info, text: String::new(), line: nth + 1 });
            }
            (None, Some(mut example)) => {
                example.text.push_str(line);
                example.text.push('\n');
                open = Some(example);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence of the page is never closed");
    out
}

/// What the page's examples include and read.
fn files() -> MemoryFiles {
    MemoryFiles::new()
        .with("networks.l4", "let OFFICE = 198.51.100.0/24\n")
        .with("blocklist.txt", "192.0.2.66 ; listed in May\n# a comment\n198.51.100.0/25\n")
}

fn checked(text: &str) -> Checked {
    let files = files().with("page.l4", text);
    let input = Input { name: "page.l4".to_owned(), text: InputText::Path("page.l4".into()) };
    let loaded = load(input, &files).expect("the text is there");
    check::check(loaded, &files, CheckOptions::default())
}

/// What the checker says, a line each.
fn said(checked: &Checked) -> String {
    let line = |d: &l4c_grammar::Diag| {
        let at = checked.sources.line_column(d.span.file, d.span.start).0;
        format!("  line {at}: {} {}\n", d.code, d.message)
    };
    checked.diags.iter().map(line).collect()
}

/// What goes wrong in the tests of a policy, a line each.
fn failures(policy: &Policy) -> String {
    let mut out = String::new();
    for test in &policy.tests {
        let mut judge = Reference::new(policy, test.hook);
        let rules = report::rules(policy, test.hook);
        let mut counts = vec![0; rules.len()];
        let mut now_ns = 0;
        for step in &test.steps {
            match &step.kind {
                TestStepKind::Send { packet, iface, times, expect } => {
                    judge.arrive(iface.map(|id| policy.ifaces[id].as_str()));
                    for _ in 0..*times {
                        let judged = judge.judge(packet);
                        judged.matched.iter().for_each(|&rule| counts[rule] += 1);
                        let got = (judged.verdict, rules[judged.rule].name.as_str());
                        let Some(Expect { verdict, by, .. }) = expect else { continue };
                        if got.0 != *verdict || by.as_ref().is_some_and(|by| by != got.1) {
                            let _ = writeln!(out, "  {}: {got:?} for {expect:?}", test.title);
                        }
                    }
                }
                TestStepKind::ExpectCount { rule, op: CmpOp::Eq, count } => {
                    let got = rules.iter().position(|r| r.name == *rule).map(|at| counts[at]);
                    if got != Some(*count) {
                        let _ = writeln!(out, "  {}: {rule} {got:?} for {count}", test.title);
                    }
                }
                TestStepKind::ExpectSet { set, key } => {
                    if judge.has(*set, key) != Some(true) {
                        let _ = writeln!(out, "  {}: {key:?} is missing", test.title);
                    }
                }
                TestStepKind::Wait { ns } => {
                    now_ns += ns;
                    judge.set_time(now_ns);
                }
                TestStepKind::Pcap { .. } | TestStepKind::ExpectCount { .. } => {
                    let _ = writeln!(out, "  {}: a step that is not run here", test.title);
                }
            }
        }
    }
    out
}

#[test]
fn the_examples_are_what_they_say() {
    let page = page();
    let (mut wrong, mut right, mut mistaken) = (String::new(), 0, 0);
    for Example { info, text, line } in examples(&page) {
        let (word, code) = info.split_once(' ').unwrap_or((&info, ""));
        let (told, fails) = match word {
            "l4" => {
                right += 1;
                let checked = checked(&text);
                let told =
                    said(&checked) + &checked.policy.iter().map(failures).collect::<String>();
                let fails = !told.is_empty() || !code.is_empty();
                (told, fails)
            }
            "l4-error" => {
                mistaken += 1;
                let checked = checked(&text);
                let codes: Vec<&str> = checked.diags.iter().map(|d| d.code).collect();
                (said(&checked), codes != [code])
            }
            _ => continue,
        };
        if fails {
            let _ = write!(wrong, "docs/language.md:{line} ({info})\n{told}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(right >= 10 && mistaken >= 10, "{right} examples, {mistaken} mistakes");
}

/// The right column of the table of tcpdump's expressions.
fn equivalents(page: &str) -> Vec<String> {
    let (_, rest) = page.split_once("| tcpdump | l4 |\n|---|---|\n").expect("the table is there");
    let rows = rest.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.replace("\\|", "\0");
        let cell = cells.split('|').nth(2).expect("two columns").trim().trim_matches('`');
        cell.replace('\0', "|")
    })
    .collect()
}

#[test]
fn what_stands_for_tcpdump_is_a_predicate() {
    let predicates = equivalents(&page());
    assert!(predicates.len() >= 15, "{predicates:?}");
    for predicate in predicates {
        let checked = checked(&format!("hook xdp h {{ {predicate} -> count c }}"));
        assert!(checked.diags.is_empty(), "{predicate}\n{}", said(&checked));
    }
}
