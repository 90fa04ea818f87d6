//! Captures that nobody here made: every engine agrees on every packet, and counts are those of tcpdump.

use l4c_compiler::OptLevel;
use l4c_golden::bench::{panel, text};
use l4c_golden::run::agree;
use l4c_judge::{Engine, EngineKind};
use l4c_manifest::{HookKind, Start};
use l4c_packets::{Capture, LinkType, Shown, present};
use l4c_verifier_tests::or_skip;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDERS: &[&str] = &["pcap-tcpdump", "pcap-ndpi"];

/// Asks every kind of question of every packet: nothing here decides before the last rules.
const QUESTIONS: &str = "
set inside: prefix { 10.0.0.0/8, 192.168.0.0/16, fe80::/10, 2001:db8::/32 }
set many: port { 1, 3, 5, 7, 9, 11, 13, 20-25, 53, 67-68, 80, 123, 137-139, 443, 5353 }
match privileged(n) = dport < n or sport < n
chain deep {
    a: tcp.flags has syn and not tcp.flags has ack -> count syn
    b: tcp.hdr_len > 20 -> return
    c: frag -> count chained_frag
}
hook xdp corpus {
    v4: ip -> count ip
    v6: ip6 -> count ip6
    arp: arp.op in { 1, 2 } -> count arp
    arp_at: arp.spa in 10.0.0.0/8 or arp.tha == 00:00:00:00:00:00 -> count arp_at
    tag: vlan.id in 1-100 or vlan2 -> count tagged
    kind: eth.type >= 0x0800 and eth.src != ff:ff:ff:ff:ff:ff -> count typed
    bad: unparsed -> count unparsed
    frags: frag -> count fragments
    exts: ip6.hbh or ip6.rt or ip6.frag or ip6.dstopts or ip6.ah or ip6.mh -> count extended
    in: src in @inside -> count from_inside
    out: dst not in @inside -> count to_outside
    not_in: not (src in @inside or dst in @inside) -> count strangers
    ports: dport in @many or udp.sport in { 53, 1900 } -> count known_port
    low: privileged(1024) -> count privileged
    proto: proto in { 6, 17, 58 } and proto != udp -> count proto
    ttl: ttl < 64 and len in 40-200 -> count short
    bits: ip.df and ip.id & 0x8000 != 0 -> count df
    tos: dscp > 0 or ecn != 0 -> count marked
    tcp: tcp.window >= 1000 and tcp.seq & 0xff == 0x10 -> count window
    udp: udp.len != 8 and udp.checksum != 0 -> count udp
    ping: icmp.type in { 0, 8 } or icmp6.type in { 128, 129 } -> count ping
    nd: icmp6.type >= 133 and ip6.hop_limit == 255 -> count nd
    l3: l3[0:1] & 0xf0 == 0x60 or l3[8:2] == 0x4006 -> count l3
    l4: l4[0:4] != 0 and l4[2:2] in { 53, 80 } -> count l4
    text: l4[8:3] == \"GET\" or l4[20:4] == hex\"47 45 54 ??\" -> count text
    long: pkt_len > 500 -> count long
    far: l2[100:8] != 0 -> count far
    flow: ip6.flow_label in 1-0xfffff or ip6.src in ::/96 -> count flow
    deep: tcp or udp -> jump deep
    dns: udp.dport == 53 or tcp.dport == 53 -> drop
    rest: ip6 and not icmp6 -> shadow drop
}
";

/// One packet of a capture, as an XDP hook is shown it before it is cut.
struct Packet {
    bytes: Vec<u8>,
    link: LinkType,
    whole: bool,
}

/// The packets of a capture up to its end or its first fault.
fn packets(path: &Path) -> Vec<Packet> {
    let mut capture = match Capture::open(path) {
        Ok(capture) => capture,
        Err(why) => panic!("{}: {why}", path.display()),
    };
    let mut scratch = Vec::new();
    let mut out = Vec::new();
    while let Some(Ok(frame)) = capture.next_frame() {
        if let Shown::Packet(bytes) = present(frame.link, frame.data, Start::Link, &mut scratch) {
            let whole = frame.orig_bytes as usize == frame.data.len();
            out.push(Packet { bytes: bytes.to_vec(), link: frame.link, whole });
        }
    }
    out
}

/// Engines that can be had; the test says which not, or fails where it must have them.
fn engines() -> Vec<EngineKind> {
    let mut kinds = vec![EngineKind::Vm];
    if needed(l4c_verifier_tests::kernel()).is_some() {
        kinds.push(EngineKind::Kernel);
    }
    kinds
}

fn needed<T>(found: Result<T, String>) -> Option<T> {
    or_skip(found).unwrap_or_else(|why| panic!("{why}"))
}

/// Every capture of the corpus; none, and a word on it, if there is no corpus.
fn captures() -> Vec<PathBuf> {
    let all = FOLDERS.iter().map(|folder| l4c_verifier_tests::captures(folder));
    needed(all.collect::<Result<Vec<_>, _>>()).unwrap_or_default().concat()
}

#[test]
fn engines_agree_on_every_packet_of_every_capture() {
    let captures = captures();
    let kinds = engines();
    for kind in HookKind::ALL {
        let questions = match kind {
            HookKind::Xdp => QUESTIONS.to_owned(),
            // A socket filter sees no link header.
            HookKind::Socket => QUESTIONS
                .lines()
                .filter(|line| {
                    !["arp", "vlan", "eth.", "l2["].iter().any(|word| line.contains(word))
                })
                .collect::<Vec<_>>()
                .join("\n"),
        };
        let rules = text(&questions, kind).unwrap_or_else(|why| panic!("{why}"));
        let objects = rules.objects().unwrap_or_else(|why| panic!("{why}"));
        let hook = rules.policy.hooks.keys().next().expect("one hook");
        let mut shown = 0;
        let mut panel =
            panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|why| panic!("{why}"));
        for path in &captures {
            let packets = packets(path);
            for (_, engine) in &mut panel {
                engine.reset().expect("counters can be set to zero");
            }
            let frames = packets.iter().map(|p| ("packet", p.bytes.as_slice()));
            shown +=
                agree(&mut panel, frames).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        }
        println!("{} captures, {shown} packets, hook {}", captures.len(), kind.name());
        assert!(captures.is_empty() || shown > 1000, "captures hold packets");
    }
}

/// How a question is asked of tcpdump and of us.
struct Question {
    theirs: &'static str,
    ours: &'static str,
    /// Further questions to tcpdump, for what we look through and it does not; counts add up.
    wider: &'static [&'static str],
    /// Files in which we count fewer, how many fewer, and why.
    stricter: &'static [(&'static str, u64, &'static str)],
}

const QUESTIONS_TO_BOTH: &[Question] = &[
    Question {
        theirs: "udp port 53",
        ours: "udp.sport == 53 or udp.dport == 53",
        wider: &[
            "vlan and udp port 53",
            "vlan and vlan and udp port 53",
            // UDP behind the fragment header of a first fragment
            "ip6[6] = 44 and ip6[40] = 17 and ip6[42:2] & 0xfff8 = 0 and (ip6[48:2] = 53 or ip6[50:2] = 53)",
        ],
        stricter: &[],
    },
    Question {
        theirs: "tcp[13] & 2 != 0",
        ours: "ip and tcp.flags & syn != 0",
        wider: &["vlan and tcp[13] & 2 != 0", "vlan and vlan and tcp[13] & 2 != 0"],
        stricter: &[],
    },
    Question {
        theirs: "ip[8] < 64",
        ours: "ip.ttl < 64",
        wider: &["vlan and ip[8] < 64", "vlan and vlan and ip[8] < 64"],
        stricter: &[(
            "bad-ipv4-version-pgm-heapoverflow.pcap",
            1,
            "an IPv4 EtherType before a header of another version",
        )],
    },
    Question {
        theirs: "icmp",
        ours: "icmp",
        wider: &["vlan and icmp", "vlan and vlan and icmp"],
        stricter: &[],
    },
    Question {
        theirs: "ip6 and tcp",
        ours: "ip6 and tcp",
        wider: &["vlan and ip6 and tcp", "vlan and vlan and ip6 and tcp"],
        stricter: &[],
    },
    Question {
        // Without `ip` tcpdump asks ARP too, which has no `src` here.
        theirs: "ip and src net 10.0.0.0/8",
        ours: "src in 10.0.0.0/8",
        wider: &[
            "vlan and ip and src net 10.0.0.0/8",
            "vlan and vlan and ip and src net 10.0.0.0/8",
        ],
        stricter: &[],
    },
    Question { theirs: "vlan", ours: "vlan", wider: &[], stricter: &[] },
    Question { theirs: "greater 200", ours: "pkt_len >= 200", wider: &[], stricter: &[] },
    Question {
        theirs: "ip[6:2] & 0x1fff != 0",
        ours: "ip.frag_off != 0",
        wider: &["vlan and ip[6:2] & 0x1fff != 0", "vlan and vlan and ip[6:2] & 0x1fff != 0"],
        stricter: &[],
    },
    Question {
        theirs: "tcp dst portrange 1-1024",
        ours: "tcp.dport in 1-1024",
        wider: &["vlan and tcp dst portrange 1-1024", "vlan and vlan and tcp dst portrange 1-1024"],
        stricter: &[],
    },
];

/// What tcpdump counts. An expression that a link type rules out counts nothing.
fn tcpdump_counts(path: &Path, expression: &str) -> u64 {
    let run = Command::new("tcpdump")
        .args(["-n", "--count", "-r"])
        .arg(path)
        .arg(expression)
        .output()
        .expect("tcpdump runs");
    let out = String::from_utf8_lossy(&run.stdout);
    if let Some(count) = out.lines().find_map(|line| line.split(" packet").next()?.parse().ok()) {
        return count;
    }
    let said = String::from_utf8_lossy(&run.stderr);
    let ruled_out = ["rejects all packets", "no VLAN support", "not supported for"];
    assert!(
        ruled_out.iter().any(|words| said.contains(words)),
        "{}: {expression}: {said}",
        path.display()
    );
    0
}

/// What an engine counts over the packets of a capture, by the first rule.
fn our_count(engine: &mut dyn Engine, packets: &[Packet]) -> u64 {
    engine.reset().expect("counters can be set to zero");
    for packet in packets {
        let shown = engine.shape().visible(&packet.bytes).map(<[u8]>::to_vec);
        if let Some(shown) = shown {
            engine.judge(&shown).unwrap_or_else(|why| panic!("{why}"));
        }
    }
    engine.counters().expect("counters can be read")[0].packets
}

/// What tcpdump counts of what we look through; only files with tags are asked about tags.
fn wider_counts(path: &Path, question: &Question) -> u64 {
    let tagged = tcpdump_counts(path, "vlan") > 0;
    let asked = question.wider.iter().filter(|e| tagged || !e.starts_with("vlan"));
    asked.map(|expression| tcpdump_counts(path, expression)).sum()
}

#[test]
fn counts_are_those_of_tcpdump_but_for_what_is_meant_otherwise() {
    let captures = captures();
    if captures.is_empty() || needed(l4c_verifier_tests::installed("tcpdump")).is_none() {
        return;
    }
    let kinds = engines();
    let read: Vec<(PathBuf, Vec<Packet>)> =
        captures.into_iter().map(|path| (path.clone(), packets(&path))).collect();
    println!("{:28} {:>8} {:>6} {:>9} {:>6}", "question", "tcpdump", "wider", "stricter", "l4c");
    for question in QUESTIONS_TO_BOTH {
        // What is cut short, or got its link header from us, has another length.
        let comparable = |packets: &[Packet]| {
            question.theirs != "greater 200"
                || packets.iter().all(|p| p.whole && p.link == LinkType::ETHERNET)
        };
        let file = format!("hook xdp q {{ hit: {} -> drop }}", question.ours);
        let rules = text(&file, HookKind::Xdp).unwrap_or_else(|why| panic!("{why}"));
        let objects = [(OptLevel::O2, rules.object(OptLevel::O2).expect("it compiles"))];
        let hook = rules.policy.hooks.keys().next().expect("one hook");
        let mut panel =
            panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|why| panic!("{why}"));
        let mut sums = [0; 4];
        for (path, packets) in read.iter().filter(|(_, packets)| comparable(packets)) {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let theirs = tcpdump_counts(path, question.theirs);
            let wider = wider_counts(path, question);
            let stricter: u64 =
                question.stricter.iter().filter(|(file, ..)| *file == name).map(|s| s.1).sum();
            let expected = theirs + wider - stricter;
            for (engine_name, engine) in &mut panel {
                let ours = our_count(engine.as_mut(), packets);
                assert_eq!(ours, expected, "{name}: `{}` by {engine_name}", question.theirs);
            }
            for (sum, n) in sums.iter_mut().zip([theirs, wider, stricter, expected]) {
                *sum += n;
            }
        }
        let [theirs, wider, stricter, ours] = sums;
        println!("{:28} {theirs:8} {wider:6} {stricter:9} {ours:6}", question.theirs);
        for (file, packets, why) in question.stricter {
            println!("    {file}: {packets} fewer: {why}");
        }
    }
}
