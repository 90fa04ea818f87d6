//! A policy as text, for `--emit hir` and for tests: the same policy gives the same text.

use crate::fields::Ty;
use crate::hir::{
    Amount, Atom, AtomTest, Change, ChangeKind, Divisor, Effect, Expect, Glob, KeyPart, Multiple,
    NameTest, Operand, Pattern, Policy, Pred, Rule, Share, Steer, Test, TestStepKind,
};
use crate::ranges::Ranges;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Of a set of numbers so many ranges are written, then how many more there are.
const MAX_SHOWN: usize = 16;

/// Of a packet so many bytes are written.
const MAX_PACKET_BYTES: usize = 64;

/// The whole policy, a line a set, rule, and step of a test.
#[must_use]
pub fn hir_text(policy: &Policy) -> String {
    let mut out = String::new();
    for set in policy.sets.values() {
        line(&mut out, 0, format_args!("set {}", set.name));
        for (family, ranges) in [("narrow", &set.narrow), ("wide", &set.wide)] {
            if !ranges.is_empty() {
                line(&mut out, 1, format_args!("{family} {}", numbers(ranges, plain)));
            }
        }
        if let Some(stored) = &set.stored {
            let [narrow, wide] = stored.keys.each_ref().map(Vec::len);
            line(&mut out, 1, format_args!("in maps: {narrow} and {wide} bytes of keys"));
        }
    }
    for chain in policy.chains.values() {
        line(&mut out, 0, format_args!("chain {}", chain.name));
        chain.rules.iter().for_each(|rule| line_of_rule(&mut out, policy, rule));
    }
    for hook in policy.hooks.values() {
        line(&mut out, 0, format_args!("hook {} {}", hook.kind.name(), hook.name));
        hook.rules.iter().chain([&hook.default]).for_each(|r| line_of_rule(&mut out, policy, r));
    }
    for test in &policy.tests {
        test_lines(&mut out, policy, test);
    }
    out
}

/// A predicate on one line, `not` bound tightest, `and` and `or` in parentheses.
#[must_use]
pub fn pred_text(policy: &Policy, pred: &Pred) -> String {
    let join = |list: &[Pred], word: &str| {
        let parts: Vec<String> = list.iter().map(|p| pred_text(policy, p)).collect();
        format!("({})", parts.join(word))
    };
    match pred {
        Pred::Const(true) => "all".to_owned(),
        Pred::Const(false) => "not all".to_owned(),
        Pred::Atom(atom) => atom_text(policy, atom),
        Pred::Limit(test) => {
            let word = if test.under { "under" } else { "over" };
            format!("{word}({})", policy.limits[test.limit].name)
        }
        Pred::Tuple(test) => {
            let (key, set) = (key_text(&test.key), &policy.sets[test.set].name);
            format!("{key} {} @{set}", relation(test.negated))
        }
        Pred::Random(chance) => format!("random {chance}"),
        Pred::Nth(test) => format!("nth {}", test.share),
        Pred::Not(inner) => format!("not {}", pred_text(policy, inner)),
        Pred::And(list) => join(list, " and "),
        Pred::Or(list) => join(list, " or "),
    }
}

fn line(out: &mut String, depth: usize, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{:indent$}{text}", "", indent = depth * 4).expect("a string takes all");
}

fn line_of_rule(out: &mut String, policy: &Policy, rule: &Rule) {
    let mut actions: Vec<String> = rule
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Count(counter) => format!("count {}", policy.counters[*counter]),
            Effect::Sample { share, snap_bytes } => {
                let snap = snap_bytes.map(|bytes| format!(" snap {bytes}")).unwrap_or_default();
                match share {
                    Share::Random(chance) => format!("sample {chance}{snap}"),
                    Share::Nth(test) => format!("sample nth {}{snap}", test.share),
                }
            }
            Effect::Change(change) => change_text(policy, change),
        })
        .collect();
    if let Some(steer) = rule.steer {
        let shadow = if rule.shadow { "shadow " } else { "" };
        actions.push(match steer {
            Steer::Verdict(verdict) => format!("{shadow}{}", verdict.name()),
            Steer::Jump(chain) => format!("{shadow}jump {}", policy.chains[chain].name),
            Steer::Goto(chain) => format!("{shadow}goto {}", policy.chains[chain].name),
            Steer::Return => format!("{shadow}return"),
            Steer::Redirect(iface) => format!("{shadow}redirect {:?}", policy.ifaces[iface]),
        });
    }
    let pred = pred_text(policy, &rule.pred);
    line(out, 1, format_args!("{}: {pred} -> {}", rule.name, actions.join(", ")));
}

/// A key in parentheses, if it has several parts.
fn key_text(key: &[KeyPart]) -> String {
    match key {
        [one] => one.text(),
        parts => format!("({})", parts.iter().map(KeyPart::text).collect::<Vec<_>>().join(", ")),
    }
}

fn change_text(policy: &Policy, change: &Change) -> String {
    let (key, set) = (key_text(&change.key), &policy.sets[change.set].name);
    match change.what {
        ChangeKind::Add(None) => format!("add {key} to @{set}"),
        ChangeKind::Add(Some(ns)) => format!("add {key} to @{set} for {ns}ns"),
        ChangeKind::Del => format!("del {key} from @{set}"),
    }
}

fn atom_text(policy: &Policy, atom: &Atom) -> String {
    let operand = operand_text(&atom.operand);
    match &atom.test {
        AtomTest::Present => operand,
        AtomTest::In { values, negated } => {
            let places: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(n, v)| place_text(policy, &atom.operand, n, v))
                .collect();
            format!("{operand} {} {}", relation(*negated), places.join(" | "))
        }
        AtomTest::InSet { set, negated } => {
            format!("{operand} {} @{}", relation(*negated), policy.sets[*set].name)
        }
        AtomTest::Equals { pattern, negated } => {
            format!("{operand} {} {}", if *negated { "!=" } else { "==" }, pattern_text(pattern))
        }
        AtomTest::StartsWith(pattern) => format!("{operand} starts_with {}", pattern_text(pattern)),
        AtomTest::EndsWith(pattern) => format!("{operand} ends_with {}", pattern_text(pattern)),
        AtomTest::Contains { pattern, within } => {
            let within = within.as_ref().map(|w| format!(" within {}..{}", w.start, w.end));
            format!("{operand} contains {}{}", pattern_text(pattern), within.unwrap_or_default())
        }
        AtomTest::Name { test, negated } => name_text(&operand, test, *negated),
    }
}

fn pattern_text(pattern: &Pattern) -> String {
    let bytes = pattern.want.iter().zip(&pattern.care).map(|(want, care)| match care {
        0xff => format!("{want:02x}"),
        0 => "??".to_owned(),
        care => format!("{want:02x}&{care:02x}"),
    });
    format!("hex\"{}\"", bytes.collect::<Vec<_>>().join(" "))
}

fn name_text(operand: &str, test: &NameTest, negated: bool) -> String {
    let dotted = |labels: &[Vec<u8>]| {
        let labels: Vec<String> = labels.iter().map(|l| l.escape_ascii().to_string()).collect();
        labels.join(".")
    };
    match test {
        NameTest::Is(labels) => {
            let sign = if negated { "!=" } else { "==" };
            format!("{operand} {sign} \"{}.\"", dotted(labels))
        }
        NameTest::EndsWith { labels, above } => {
            let dot = if *above > 0 { "." } else { "" };
            format!("{operand} ends_with \"{dot}{}.\"", dotted(labels))
        }
        NameTest::Contains(parts) => format!("{operand} contains \"{}\"", dotted(parts)),
        NameTest::Like { any_before, labels } => {
            let before = if *any_before { "**." } else { "" };
            let labels: Vec<String> = labels.iter().map(|label| glob_text(label)).collect();
            format!("{operand} like \"{before}{}.\"", labels.join("."))
        }
    }
}

fn glob_text(label: &[Glob]) -> String {
    let piece = |glob: &Glob| match glob {
        Glob::Byte(byte) => byte.escape_ascii().to_string(),
        Glob::Any => "?".to_owned(),
        Glob::Some { min: 0, max: 63 } => "*".to_owned(),
        Glob::Some { min, max } => format!("*{{{min}-{max}}}"),
    };
    label.iter().map(piece).collect()
}

fn relation(negated: bool) -> &'static str {
    if negated { "not in" } else { "in" }
}

fn operand_text(operand: &Operand) -> String {
    match operand {
        Operand::Field { field, inner, mask: None } => field.shown(*inner).into_owned(),
        Operand::Field { field, inner, mask: Some(mask) } => {
            format!("{} & {mask:#x}", field.shown(*inner))
        }
        Operand::Bytes { slice, mask } => {
            let mask = mask.map(|m| format!(" & {m:#x}")).unwrap_or_default();
            format!("{}{mask}", slice.text())
        }
        Operand::Name => "dns.qname".to_owned(),
        Operand::Window(multiple) => multiple_text(multiple),
    }
}

/// A window held against divisors; those that do not count are in brackets.
fn multiple_text(multiple: &Multiple) -> String {
    let divisor = |d: &Divisor| {
        let number = if d.mss { format!("mss{:+}", d.add) } else { d.add.to_string() };
        if d.counts { number } else { format!("({number})") }
    };
    let divisors: Vec<String> = multiple.divisors.iter().map(divisor).collect();
    let times = multiple.times.map_or("n".to_owned(), |times| times.to_string());
    let at = multiple.mss_off_bytes;
    format!("tcp.window is {times} times the first of {}; mss = l4[{at}:2]:", divisors.join(", "))
}

/// The numbers of one place, in the form that the field's values have.
fn place_text(policy: &Policy, operand: &Operand, place: usize, values: &Ranges) -> String {
    let Operand::Field { field, .. } = operand else { return numbers(values, plain) };
    match field.ty {
        Ty::Addr4 => numbers(values, addr4),
        Ty::Addr6 => numbers(values, addr6),
        Ty::Addr => numbers(values, if place == 0 { addr4 } else { addr6 }),
        Ty::Iface => numbers(values, |n| {
            let id = policy.ifaces.keys().find(|id| u128::from(id.value()) == n);
            id.map_or_else(|| plain(n), |id| format!("{:?}", policy.ifaces[id]))
        }),
        Ty::Mac | Ty::Flags => numbers(values, |n| format!("{n:#x}")),
        Ty::Number | Ty::Port | Ty::Bit | Ty::Presence | Ty::Name | Ty::Option | Ty::Layout => {
            numbers(values, plain)
        }
    }
}

fn plain(n: u128) -> String {
    n.to_string()
}

fn addr4(n: u128) -> String {
    u32::try_from(n).map_or_else(|_| plain(n), |n| Ipv4Addr::from(n).to_string())
}

fn addr6(n: u128) -> String {
    Ipv6Addr::from(n).to_string()
}

fn numbers(ranges: &Ranges, form: impl Fn(u128) -> String) -> String {
    let ranges = ranges.as_slice();
    let mut parts: Vec<String> = ranges
        .iter()
        .take(MAX_SHOWN)
        .map(|&(lo, hi)| if lo == hi { form(lo) } else { format!("{}-{}", form(lo), form(hi)) })
        .collect();
    if ranges.len() > MAX_SHOWN {
        parts.push(format!("… {} more", ranges.len() - MAX_SHOWN));
    }
    format!("{{{}}}", parts.join(", "))
}

fn test_lines(out: &mut String, policy: &Policy, test: &Test) {
    line(out, 0, format_args!("test {:?} for {}", test.title, policy.hooks[test.hook].name));
    for step in &test.steps {
        match &step.kind {
            TestStepKind::Send { packet, iface, times, expect } => {
                let hex: String =
                    packet.iter().take(MAX_PACKET_BYTES).map(|b| format!("{b:02x}")).collect();
                let more = if packet.len() > MAX_PACKET_BYTES { "…" } else { "" };
                let bytes = packet.len();
                let expect = expect_text(expect.as_ref());
                let by = iface.map(|id| format!(" by {:?}", policy.ifaces[id])).unwrap_or_default();
                line(
                    out,
                    1,
                    format_args!("send {times} x {hex}{more} ({bytes} bytes){by}{expect}"),
                );
            }
            TestStepKind::Pcap { path, expect } => {
                // The folder is the machine's business.
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                line(out, 1, format_args!("pcap {name:?}{}", expect_text(expect.as_ref())));
            }
            TestStepKind::Wait { ns } => line(out, 1, format_args!("wait {ns} ns")),
            TestStepKind::ExpectSet { set, key } => {
                let set = &policy.sets[*set].name;
                line(out, 1, format_args!("expect @{set} has {key:?}"));
            }
            TestStepKind::ExpectCount { rule, op, count } => {
                line(out, 1, format_args!("expect count {rule} {} {count}", op.sign()));
            }
        }
    }
}

fn expect_text(expect: Option<&Expect>) -> String {
    let Some(expect) = expect else { return String::new() };
    let mut text = format!(" expect {}", expect.verdict.name());
    if let Some(rule) = &expect.by {
        let _ = write!(text, " by {rule}");
    }
    match expect.amount {
        Some((op, Amount::Packets(n))) => {
            let _ = write!(text, " {} {n}", op.sign());
        }
        Some((op, Amount::Percent(share))) => {
            let _ = write!(text, " {} {share}%", op.sign());
        }
        None => {}
    }
    text
}
