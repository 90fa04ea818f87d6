//! Captures that others made, packet by packet: where rules and tcpdump differ there is a reason in the bytes.
//!
//! Where our meaning is wider than tcpdump's (VLAN tags and IPv6 extension headers are looked through) or
//! stricter (a header that is cut or impossible is none, ARP has no `src`, `pkt_len` is what was captured),
//! the packets on which the two differ are looked at one by one: each must have such a reason in its bytes.

#[path = "tcpdump/dump.rs"]
mod dump;
#[path = "tcpdump/facts.rs"]
mod facts;

use dump::Tcpdump;
use facts::{Facts, Reason};
use l4c_golden::bench::{self, Panel, panel, seen_by};
use l4c_judge::{EngineKind, compare};
use l4c_manifest::{HookKind, Start};
use l4c_packets::{Capture, LinkType, Shown, present};
use l4c_verifier_tests::{captures, installed, kernel, or_skip};
use std::collections::BTreeMap;
use std::path::Path;

const FOLDERS: [&str; 2] = ["pcap-tcpdump", "pcap-ndpi"];

/// tcpdump's words, ours, and why a packet may be in one count and not in the other.
const PAIRS: [(&str, &str, &[Reason]); 10] = {
    use Reason::{Arp, Cut, Extensions, Impossible, Link, Short, Tag};
    [
        ("udp port 53", "udp.sport == 53 or udp.dport == 53", &[Tag, Extensions, Cut, Impossible]),
        ("tcp[13] & 2 != 0", "ip and tcp.flags has syn", &[Tag, Cut, Impossible]),
        ("ip[8] < 64", "ip.ttl < 64", &[Tag, Cut, Impossible]),
        ("icmp", "ip and icmp", &[Tag, Cut, Impossible]),
        ("ip6 and tcp", "ip6 and tcp", &[Tag, Extensions, Cut, Impossible]),
        ("src net 10.0.0.0/8", "src in 10.0.0.0/8", &[Tag, Arp, Cut, Impossible]),
        ("vlan", "vlan", &[Cut]),
        ("greater 200", "pkt_len >= 200", &[Short, Link]),
        ("ip[6:2] & 0x1fff != 0", "ip.frag_off != 0", &[Tag, Cut, Impossible]),
        ("tcp dst portrange 1-1024", "tcp.dport in 1-1024", &[Tag, Extensions, Cut, Impossible]),
    ]
};

/// A capture, its packets as an Ethernet hook is shown them; nothing where a packet can't be.
struct File {
    name: String,
    frames: Vec<Frame>,
}

/// A packet of a capture.
struct Frame {
    link: LinkType,
    /// As captured.
    data: Vec<u8>,
    /// Bytes that were on the wire.
    orig_bytes: u32,
    /// From an Ethernet header on, which may be made up.
    ethernet: Option<Vec<u8>>,
}

/// Captures of files that end or lie are read as far as they go.
fn read(path: &Path) -> File {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut frames = Vec::new();
    let mut scratch = Vec::new();
    if let Ok(mut capture) = Capture::open(path) {
        while let Some(Ok(frame)) = capture.next_frame() {
            let shown = present(frame.link, frame.data, Start::Link, &mut scratch);
            let ethernet = match shown {
                Shown::Packet(packet) => Some(packet.to_vec()),
                Shown::Unjudged(_) | Shown::Unsupported(_) => None,
            };
            let (link, data, orig_bytes) = (frame.link, frame.data.to_vec(), frame.orig_bytes);
            frames.push(Frame { link, data, orig_bytes, ethernet });
        }
    }
    File { name, frames }
}

/// The whole corpus, or nothing where it may be skipped.
fn corpus() -> Option<Vec<std::path::PathBuf>> {
    let found = FOLDERS.iter().map(|folder| captures(folder)).collect::<Result<Vec<_>, _>>();
    let found = or_skip(found).unwrap_or_else(|why| panic!("{why}"));
    found.map(|folders| folders.into_iter().flatten().collect())
}

/// Engines that can be had here.
fn kinds() -> Vec<EngineKind> {
    let kernel = or_skip(kernel()).unwrap_or_else(|why| panic!("{why}"));
    [EngineKind::Vm].into_iter().chain(kernel.map(|()| EngineKind::Kernel)).collect()
}

/// What came of one of the pairs, over all files.
#[derive(Default)]
struct Count {
    theirs: usize,
    ours: usize,
    /// Packets that only one side counts, by whose and why.
    differing: BTreeMap<(&'static str, Reason), usize>,
}

#[test]
fn each_packet_on_which_tcpdump_differs_has_a_reason() {
    let Some(paths) = corpus() else { return };
    let tcpdump = or_skip(installed("tcpdump")).unwrap_or_else(|why| panic!("{why}"));
    if tcpdump.is_none() {
        return;
    }
    let mut text = String::from("hook xdp counts {\n");
    for (_, rule, _) in PAIRS {
        text.push_str(&format!("    {rule} -> count seen\n"));
    }
    text.push_str("}\n");
    let rules = bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
    let objects = rules.objects().unwrap_or_else(|why| panic!("{why}"));
    let hook = rules.policy.hooks.keys().next().expect("there is one");
    let mut panel =
        panel(&rules.policy, hook, &objects, &kinds()).unwrap_or_else(|why| panic!("{why}"));
    let mut counts: Vec<Count> = PAIRS.iter().map(|_| Count::default()).collect();
    let mut wrong = Vec::new();
    let mut left_out = Vec::new();
    for path in &paths {
        let file = read(path);
        let ours = matched(&mut panel, &file);
        for (at, (expression, _, allowed)) in PAIRS.iter().enumerate() {
            match Tcpdump::of(path, expression, &file.frames) {
                Ok(theirs) => {
                    tally(&mut counts[at], &file, at, (&theirs, &ours), allowed, &mut wrong);
                }
                Err(why) => left_out.push(format!("{}: `{expression}`: {why}", file.name)),
            }
        }
    }
    print_table(&counts, &left_out);
    assert!(wrong.is_empty(), "{} packets:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts.iter().all(|count| count.ours > 0), "an expression is true of no packet");
    assert!(left_out.len() < paths.len(), "{left_out:#?}");
}

/// For each packet, the rules that matched; nothing for a packet that was not judged.
fn matched(panel: &mut Panel<'_>, file: &File) -> Vec<Option<Vec<usize>>> {
    let shape = panel[0].1.shape().clone();
    let judge = |frame: &Frame| {
        let packet = seen_by(&shape, frame.ethernet.as_deref()?)?;
        let opinion = compare(panel, &packet).unwrap_or_else(|d| panic!("{}: {d}", file.name));
        Some(opinion.counted.iter().map(|(slot, _)| *slot).collect())
    };
    file.frames.iter().map(judge).collect()
}

fn tally(
    count: &mut Count,
    file: &File,
    rule: usize,
    (theirs, ours): (&Tcpdump, &[Option<Vec<usize>>]),
    allowed: &[Reason],
    wrong: &mut Vec<String>,
) {
    for (at, frame) in file.frames.iter().enumerate() {
        let Some(matched) = &ours[at] else { continue };
        let (theirs, ours) = (theirs.matched[at], matched.contains(&rule));
        count.theirs += usize::from(theirs);
        count.ours += usize::from(ours);
        if theirs == ours {
            continue;
        }
        let side = if ours { "ours" } else { "tcpdump" };
        let facts = Facts::of(frame.link, &frame.data, frame.orig_bytes, frame.ethernet.as_deref());
        match facts.reason(allowed, ours) {
            Some(reason) => *count.differing.entry((side, reason)).or_insert(0) += 1,
            None => wrong.push(format!(
                "{} packet {}: `{}` is true for {side} only, and nothing says why: {}",
                file.name,
                at + 1,
                PAIRS[rule].0,
                bench::hex(&frame.data[..frame.data.len().min(100)])
            )),
        }
    }
}

fn print_table(counts: &[Count], left_out: &[String]) {
    eprintln!("{:<26} {:>8} {:>8}  only on one side", "expression", "tcpdump", "ours");
    for ((expression, _, _), count) in PAIRS.iter().zip(counts) {
        let differing: Vec<String> = count
            .differing
            .iter()
            .map(|((side, reason), packets)| format!("{side} {packets} ({})", reason.words()))
            .collect();
        eprintln!(
            "{expression:<26} {:>8} {:>8}  {}",
            count.theirs,
            count.ours,
            differing.join(", ")
        );
    }
    eprintln!("{} pairs of file and expression that tcpdump does not take", left_out.len());
}
