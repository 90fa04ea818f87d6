//! Real attacks: the example's rules take them out, and nothing of anybody else's but what they name.
//!
//! Which packets are an attack's, and which a rule names, tcpdump says in its own words.

#[path = "tcpdump/dump.rs"]
mod dump;

use dump::Tcpdump;
use l4c_golden::bench::{self, Panel, panel, seen_by};
use l4c_judge::{EngineKind, compare};
use l4c_manifest::{HookKind, Start, Verdict};
use l4c_packets::{Capture, Shown, present};
use l4c_verifier_tests::{captures, installed, kernel, or_skip};
use std::path::{Path, PathBuf};

/// Captures of attacks, and which of their packets are the attack's.
const ATTACKS: [(&str, &str); 4] = [
    ("pkt.TCP.synflood.spoofed.pcap", "tcp[13] & 2 != 0"),
    (
        "amp.TCP.reflection.SYNACK.pcap",
        "tcp and (src port 80 or src port 443) and tcp[13] & 6 != 0",
    ),
    ("amp.UDP.isakmp.pcap", "udp src port 4500"),
    (
        "amp.dns.RRSIG.fragmented.pcap",
        "(udp src port 53 and udp[20:4] = 0x0870697a and udp[10] & 0x80 != 0) \
         or (udp and ip[6:2] & 0x1fff != 0)",
    ),
];

/// Captures of everyday traffic, of packets that nobody should send, and of what else arrived in an attack.
const OTHERS: [&str; 3] = ["pcap-ndpi", "pcap-tcpdump", "pcap-ddos"];

/// What each rule of the example names, in tcpdump's words.
const NAMED: [(&str, &str); 5] = [
    ("bare_syn", "tcp[13] & 0x17 = 2 and tcp[12] & 0xf0 = 0x50 and tcp[14:2] = 0"),
    ("answers", "dst host 10.10.10.10 and (src port 80 or src port 443) and tcp[13] & 6 != 0"),
    ("ike", "udp src port 4500 and udp[8:4] = 0"),
    ("rrsig", "udp src port 53 and udp[20:4] = 0x0870697a"),
    ("fragments", "dst host 10.10.10.10 and udp and ip[6:2] & 0x1fff != 0"),
];

/// Of an attack's packets at least so many go.
const MIN_SHARE: f64 = 0.99;

/// A packet of a capture.
struct Frame {
    /// As captured.
    data: Vec<u8>,
    /// Bytes that were on the wire.
    orig_bytes: u32,
    /// As an Ethernet hook is shown it, if it can be.
    ethernet: Option<Vec<u8>>,
}

fn read(path: &Path) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut scratch = Vec::new();
    let Ok(mut capture) = Capture::open(path) else { return frames };
    while let Some(Ok(frame)) = capture.next_frame() {
        let ethernet = match present(frame.link, frame.data, Start::Link, &mut scratch) {
            Shown::Packet(packet) => Some(packet.to_vec()),
            Shown::Unjudged(_) | Shown::Unsupported(_) => None,
        };
        let (data, orig_bytes) = (frame.data.to_vec(), frame.orig_bytes);
        frames.push(Frame { data, orig_bytes, ethernet });
    }
    frames
}

fn rules() -> bench::Rules {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/attacks.l4");
    let text = std::fs::read_to_string(path).expect("the example is part of the project");
    bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"))
}

/// The rule that dropped each packet, by its place; all engines agree on it.
fn dropped(panel: &mut Panel<'_>, frames: &[Frame]) -> Vec<Option<usize>> {
    let shape = panel[0].1.shape().clone();
    let judge = |frame: &Frame| {
        let packet = seen_by(&shape, frame.ethernet.as_deref()?)?;
        let opinion = compare(panel, &packet).unwrap_or_else(|d| panic!("{d}"));
        (opinion.verdict == Verdict::Drop).then_some(opinion.rule)
    };
    frames.iter().map(judge).collect()
}

fn found(folder: &str) -> Vec<PathBuf> {
    or_skip(captures(folder)).unwrap_or_else(|why| panic!("{why}")).unwrap_or_default()
}

/// Runs `each` on every capture of `folders`, with the rule that dropped each packet.
fn judge(folders: &[&str], mut each: impl FnMut(&Path, &[Frame], &[Option<usize>])) -> usize {
    let tcpdump = or_skip(installed("tcpdump")).unwrap_or_else(|why| panic!("{why}"));
    if tcpdump.is_none() {
        return 0;
    }
    let in_kernel = or_skip(kernel()).unwrap_or_else(|why| panic!("{why}"));
    let kinds: Vec<EngineKind> =
        [EngineKind::Vm].into_iter().chain(in_kernel.map(|()| EngineKind::Kernel)).collect();
    let rules = rules();
    let objects = rules.objects().unwrap_or_else(|why| panic!("{why}"));
    let hook = rules.policy.hooks.keys().next().expect("there is one");
    let mut panel =
        panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|why| panic!("{why}"));
    let paths: Vec<PathBuf> = folders.iter().flat_map(|folder| found(folder)).collect();
    for path in &paths {
        let frames = read(path);
        let dropped = dropped(&mut panel, &frames);
        each(path, &frames, &dropped);
    }
    paths.len()
}

#[test]
fn attacks_are_taken_out() {
    let mut seen = 0;
    let files = judge(&["pcap-ddos"], |path, frames, dropped| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((_, words)) = ATTACKS.iter().find(|(file, _)| *file == name) else { return };
        let theirs = Tcpdump::of(path, words, frames).unwrap_or_else(|why| panic!("{why}"));
        let attack = || theirs.matched.iter().zip(dropped).filter(|(attack, _)| **attack);
        let (packets, gone) =
            (attack().count(), attack().filter(|(_, rule)| rule.is_some()).count());
        let others = theirs.matched.iter().zip(dropped).filter(|(a, rule)| !**a && rule.is_some());
        let others = others.count();
        eprintln!(
            "{name}: {gone} of {packets} packets of the attack, {others} of {} others",
            frames.len() - packets
        );
        assert!(gone as f64 >= MIN_SHARE * packets as f64 && packets > 500, "{name}");
        seen += 1;
    });
    assert!(files == 0 || seen == ATTACKS.len(), "{seen} of {} captures", ATTACKS.len());
}

#[test]
fn what_goes_is_what_a_rule_names() {
    let mut hits = 0;
    let files = judge(&OTHERS, |path, frames, dropped| {
        for (slot, (rule, words)) in NAMED.iter().enumerate() {
            if dropped.iter().all(|by| *by != Some(slot)) {
                continue;
            }
            let named = Tcpdump::of(path, words, frames).unwrap_or_else(|why| panic!("{why}"));
            for (at, _) in dropped.iter().enumerate().filter(|(_, by)| **by == Some(slot)) {
                hits += 1;
                assert!(named.matched[at], "{}: packet {} by {rule}", path.display(), at + 1);
            }
        }
    });
    eprintln!("{hits} packets dropped in {files} captures, each as named");
}
