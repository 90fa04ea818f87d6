//! Payloads and DNS in captures that nobody here made, against an independent reader: for every packet, each
//! rule is true exactly when the reader says so, and all engines agree.

#[path = "carried/dissect.rs"]
mod dissect;

use dissect::{Carried, dissect};
use l4c_golden::bench::{Panel, hex, panel, seen_by, text};
use l4c_judge::{EngineKind, compare};
use l4c_manifest::{HookKind, Start};
use l4c_packets::{Capture, Shown, present};
use l4c_verifier_tests::{captures, kernel, or_skip};
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::path::Path;

const FOLDERS: [&str; 3] = ["pcap-tcpdump", "pcap-ndpi", "pcap-ddos"];

/// A rule, and what the reader says.
type Pair = (&'static str, Box<dyn Fn(&Carried<'_>) -> bool>);

fn pair(rule: &'static str, holds: impl Fn(&Carried<'_>) -> bool + 'static) -> Pair {
    (rule, Box::new(holds))
}

/// Of a name with `\n` between its labels.
fn name(rule: &'static str, pattern: &str) -> Pair {
    let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("it is a pattern");
    pair(rule, move |carried| carried.name(|name| pattern.is_match(name)))
}

fn of_header() -> Vec<Pair> {
    vec![
        pair("dns", |c| c.dns.is_some()),
        pair("dns.query", |c| c.dns.is_some() && !c.bit(16)),
        pair("dns.response", |c| c.bit(16)),
        pair("dns.aa", |c| c.bit(21)),
        pair("dns.tc", |c| c.bit(22)),
        pair("dns.rd", |c| c.bit(23)),
        pair("dns.ra", |c| c.bit(24)),
        pair("dns.opcode == query", |c| c.count(2, |flags| flags >> 11 & 15 == 0)),
        pair("dns.rcode != NOERROR", |c| c.count(2, |flags| flags & 15 != 0)),
        pair("dns.id & 1 == 1", |c| c.count(0, |id| id & 1 == 1)),
        pair("dns.qdcount != 1", |c| c.count(4, |count| count != 1)),
        pair("dns.ancount > 0", |c| c.count(6, |count| count > 0)),
        pair("dns.nscount in 1-3", |c| c.count(8, |count| (1..=3).contains(&count))),
        pair("dns.arcount > 0", |c| c.count(10, |count| count > 0)),
    ]
}

fn of_question() -> Vec<Pair> {
    vec![
        pair("dns.qtype == A", |c| c.asks(|q| q.qtype == 1)),
        pair("dns.qtype in { AAAA, TXT, PTR, SRV }", |c| {
            c.asks(|q| [28, 16, 12, 33].contains(&q.qtype))
        }),
        pair("dns.qtype in { DNSKEY, SSHFP }", |c| c.asks(|q| q.qtype == 48 || q.qtype == 44)),
        pair("dns.qclass == IN", |c| c.asks(|q| q.qclass == 1)),
        pair("dns.qname.labels == 3", |c| c.asks(|q| q.labels.len() == 3)),
        pair("dns.qname.labels > 3", |c| c.asks(|q| q.labels.len() > 3)),
        pair("dns.qname.len >= 20", |c| c.name(|name| name.chars().count() >= 20)),
        name("dns.qname == \".\"", ""),
        name("dns.qname == \"WWW.tcpdump.org\"", "www\ntcpdump\norg"),
        name("dns.qname ends_with \"com\"", "(?s:.*\n)?com"),
        name("dns.qname ends_with \".weberlab.de\"", "(?s:.+)\nweberlab\nde"),
        name("dns.qname ends_with { \"org\", \"net\" }", "(?s:.*\n)?(?:org|net)"),
        name("dns.qname contains \"BERL\"", "(?s:.*)berl(?s:.*)"),
        name("dns.qname contains \"E.C\"", "(?s:.*)e\nc(?s:.*)"),
        name("dns.qname contains \"-\"", "(?s:.*)-(?s:.*)"),
        name("dns.qname like \"*.*\"", "[^\n]+\n[^\n]+"),
        name("dns.qname like \"**.*a*e*.*\"", "(?s:.*\n)?[^\n]*a[^\n]*e[^\n]*\n[^\n]+"),
        name("dns.qname like \"www.*.*\"", "www\n[^\n]+\n[^\n]+"),
        name("dns.qname like \"**.*{5-9}.?e*\"", "(?s:.*\n)?[^\n]{5,9}\n[^\n]e[^\n]*"),
        name("dns.qname like \"**.*{3}e*{1}l*{2}.de\"", "(?s:.*\n)?[^\n]{3}e[^\n]l[^\n]{2}\nde"),
        name("dns.qname like \"**.*{1-4}o*{0-9}.*\"", "(?s:.*\n)?[^\n]{1,4}o[^\n]{0,9}\n[^\n]+"),
    ]
}

fn of_payload() -> Vec<Pair> {
    const ALL: usize = usize::MAX;
    let folded = |bytes: &[u8], wanted: &[u8]| {
        bytes.windows(wanted.len()).any(|found| found.eq_ignore_ascii_case(wanted))
    };
    vec![
        pair("payload contains \"HTTP/1.\"", |c| c.has(b"HTTP/1.", 0, ALL)),
        pair("payload contains \"e\"", |c| c.has(b"e", 0, ALL)),
        pair("payload contains \"\\0\\0\\0\"", |c| c.has(&[0; 3], 0, ALL)),
        pair("payload contains \"com\" within 0..64", |c| c.has(b"com", 0, 64)),
        pair("payload contains \"com\" within 40..300", |c| c.has(b"com", 40, 300)),
        pair("payload contains \"www.\" within 0..256", |c| c.has(b"www.", 0, 256)),
        pair("payload contains i\"host: \"", move |c| c.bytes(|b| folded(b, b"host: "))),
        pair("payload contains i\"user-agent: mozilla/5.0 \"", move |c| {
            c.bytes(|b| folded(b, b"user-agent: mozilla/5.0 "))
        }),
        pair("payload contains hex\"16 03 ?? 00\"", |c| {
            c.bytes(|b| b.windows(4).any(|w| w[..2] == [0x16, 3] && w[3] == 0))
        }),
        pair("payload starts_with { \"GET \", \"POST \" }", |c| {
            c.bytes(|b| b.starts_with(b"GET ") || b.starts_with(b"POST "))
        }),
        pair("payload starts_with hex\"16 03 ??\"", |c| {
            c.bytes(|b| b.len() > 2 && b.starts_with(&[0x16, 3]))
        }),
        pair("payload ends_with \"\\r\\n\"", |c| c.bytes(|b| b.ends_with(b"\r\n"))),
        pair("payload == \"\\0\"", |c| c.bytes(|b| b == [0])),
        pair("payload != hex\"?? ??\"", |c| c.bytes(|b| b.len() != 2)),
        pair("payload[0:2] in 0x0100-0x1603", |c| {
            c.bytes(|b| {
                b.first_chunk().is_some_and(|n| (0x0100..=0x1603).contains(&u16::from_be_bytes(*n)))
            })
        }),
        pair("payload[100:4] & 0xff == 0", |c| c.bytes(|b| b.get(103) == Some(&0))),
        pair("payload[4:40] contains \"\\x01\"", |c| {
            c.bytes(|b| b.len() >= 44 && c.has(&[1], 4, 44))
        }),
        pair("tcp.payload_len > 0", |c| c.tcp && c.bytes(|b| !b.is_empty())),
        pair("tcp.payload_len in 100-1000", |c| {
            c.tcp && c.bytes(|b| (100..=1000).contains(&b.len()))
        }),
        pair("l4[tcp.hdr_len+1:1] >= 0x80", |c| {
            let byte = c.segment.and_then(|s| s.get(c.tcp_header_bytes + 1));
            c.tcp && byte.is_some_and(|&byte| byte >= 0x80)
        }),
    ]
}

fn pairs() -> Vec<Pair> {
    let mut pairs = of_header();
    pairs.extend(of_question());
    pairs.extend(of_payload());
    pairs
}

/// The packets of a capture, up to its end or its first fault.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut scratch = Vec::new();
    if let Ok(mut capture) = Capture::open(path) {
        while let Some(Ok(frame)) = capture.next_frame() {
            if let Shown::Packet(bytes) = present(frame.link, frame.data, Start::Link, &mut scratch)
            {
                out.push(bytes.to_vec());
            }
        }
    }
    out
}

/// What came of all packets.
#[derive(Default)]
struct Sum {
    packets: usize,
    left_out: BTreeMap<&'static str, usize>,
    /// By rule, how often it was true.
    matched: Vec<usize>,
    wrong: Vec<String>,
}

fn judge(sum: &mut Sum, panel: &mut Panel<'_>, pairs: &[Pair], file: &Path) {
    let shape = panel[0].1.shape().clone();
    for (at, frame) in frames(file).iter().enumerate() {
        let Some(packet) = seen_by(&shape, frame) else { continue };
        let place = || format!("{} packet {}", file.display(), at + 1);
        let opinion = compare(panel, &packet).unwrap_or_else(|d| panic!("{}: {d}", place()));
        let carried = match dissect(&packet) {
            Ok(carried) => carried,
            Err(why) => {
                *sum.left_out.entry(why).or_insert(0) += 1;
                continue;
            }
        };
        sum.packets += 1;
        for (slot, (rule, holds)) in pairs.iter().enumerate() {
            let ours = opinion.counted.iter().any(|(counted, _)| *counted == slot);
            sum.matched[slot] += usize::from(ours);
            if ours != holds(&carried) {
                let bytes = hex(&packet[..packet.len().min(200)]);
                sum.wrong.push(format!("{}: `{rule}` is {ours} for us: {bytes}", place()));
            }
        }
    }
}

#[test]
fn rules_are_true_where_an_independent_reader_says_so() {
    let found = FOLDERS.iter().map(|folder| captures(folder)).collect::<Result<Vec<_>, _>>();
    let found = or_skip(found).unwrap_or_else(|why| panic!("{why}"));
    let Some(files) = found.map(|folders| folders.concat()) else { return };
    let kernel = or_skip(kernel()).unwrap_or_else(|why| panic!("{why}"));
    let kinds: Vec<_> =
        [EngineKind::Vm].into_iter().chain(kernel.map(|()| EngineKind::Kernel)).collect();
    let pairs = pairs();
    let mut source = String::from("hook xdp carried {\n");
    for (rule, _) in &pairs {
        source.push_str(&format!("    {rule} -> count seen\n"));
    }
    source.push_str("}\n");
    let rules = text(&source, HookKind::Xdp).unwrap_or_else(|why| panic!("{why}"));
    let objects = rules.objects().unwrap_or_else(|why| panic!("{why}"));
    let hook = rules.policy.hooks.keys().next().expect("there is one");
    let mut panel =
        panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|why| panic!("{why}"));
    let mut sum = Sum { matched: vec![0; pairs.len()], ..Sum::default() };
    for file in &files {
        judge(&mut sum, &mut panel, &pairs, file);
    }
    for ((rule, _), matched) in pairs.iter().zip(&sum.matched) {
        eprintln!("{matched:>8}  {rule}");
    }
    eprintln!("{} packets, left out: {:?}", sum.packets, sum.left_out);
    let shown: Vec<_> = sum.wrong.iter().take(40).cloned().collect();
    assert!(sum.wrong.is_empty(), "{} answers:\n{}", sum.wrong.len(), shown.join("\n"));
    let silent: Vec<_> =
        pairs.iter().zip(&sum.matched).filter(|(_, n)| **n == 0).map(|(p, _)| p.0).collect();
    assert!(silent.len() <= 4, "true of no packet: {silent:#?}");
    assert!(sum.left_out.values().sum::<usize>() * 10 < sum.packets, "{:?}", sum.left_out);
}
