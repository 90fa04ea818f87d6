//! Captures that nobody here made: every engine agrees on every packet.

use l4c_golden::bench::{panel, text};
use l4c_golden::run::agree;
use l4c_judge::EngineKind;
use l4c_manifest::{HookKind, Start};
use l4c_packets::{Capture, Shown, present};
use l4c_verifier_tests::or_skip;
use std::path::{Path, PathBuf};

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
    http: payload starts_with { \"GET \", \"POST \" } or payload contains i\"host: \" within 0..256 -> count http
    tls: l4[tcp.hdr_len:2] == 0x1603 and tcp.payload_len > 100 -> count tls
    tail: payload ends_with \"\\r\\n\" or l3 contains \"com\" -> count tail
    asks: dns.query and dns.qtype in { A, AAAA } -> count asks
    zone: dns.qname ends_with { \"com\", \".org\" } or dns.qname contains \"e.c\" -> count zone
    looks: dns.qname like \"**.*e*e*.*\" or dns.qname.labels > 4 -> count looks
    long: pkt_len > 500 -> count long
    far: l2[100:8] != 0 -> count far
    flow: ip6.flow_label in 1-0xfffff or ip6.src in ::/96 -> count flow
    deep: tcp or udp -> jump deep
    dns: udp.dport == 53 or tcp.dport == 53 -> drop
    rest: ip6 and not icmp6 -> shadow drop
}
";

/// The packets of a capture up to its end or its first fault, as an XDP hook is shown them before they are
/// cut.
fn packets(path: &Path) -> Vec<Vec<u8>> {
    let mut capture = match Capture::open(path) {
        Ok(capture) => capture,
        Err(why) => panic!("{}: {why}", path.display()),
    };
    let mut scratch = Vec::new();
    let mut out = Vec::new();
    while let Some(Ok(frame)) = capture.next_frame() {
        if let Shown::Packet(bytes) = present(frame.link, frame.data, Start::Link, &mut scratch) {
            out.push(bytes.to_vec());
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
            let frames = packets.iter().map(|bytes| ("packet", bytes.as_slice()));
            shown +=
                agree(&mut panel, frames).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        }
        println!("{} captures, {shown} packets, hook {}", captures.len(), kind.name());
        assert!(captures.is_empty() || shown > 1000, "captures hold packets");
    }
}
