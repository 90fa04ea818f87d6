//! What tcpdump reads inside the tunnels of the zoo is what `inner.` reads.

use l4c_golden::bench;
use l4c_golden::zoo::{Packet, packets};
use l4c_manifest::HookKind;
use l4c_verifier_tests::{installed, or_skip};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Parts of names of packets in which tcpdump sees more than there is: it goes on where VXLAN's flags are wrong
/// or only the source port is VXLAN's, through a third tag and a ninth extension header, reads ports of
/// headers that are cut, and looks through any number of tunnels.
const FARTHER: [&str; 11] = [
    "vxlan_flags_",
    "vxlan_from_",
    "_3_tags",
    "_9_exts",
    "_cut_",
    "ipip_ipip_",
    "ipip_sixin4_",
    "vxlan_vxlan_",
    "gre_gre_",
    "ipip_vxlan_",
    "gre_routing_",
];

/// What tcpdump does not look into, and what it prints otherwise: extension headers stand between addresses and
/// ports.
const OTHERWISE: [&str; 5] = ["gue_", "gue1_", "inner_1_exts", "inner_8_exts", "inner6_first"];

/// Predicates, and what tcpdump prints of packets that they are true of.
const PAIRS: [(&str, &str); 5] = [
    (
        "inner.ip.src == 10.1.2.3 and inner.ip.dst == 203.0.113.5 and inner.udp.sport == 5000 \
         and inner.udp.dport == 53",
        "IP 10.1.2.3.5000 > 203.0.113.5.53: ",
    ),
    (
        "inner.src == 10.1.2.3 and inner.dst == 203.0.113.5 and inner.tcp.dport == 443 \
         and inner.tcp.flags == syn",
        "IP 10.1.2.3.4000 > 203.0.113.5.443: Flags [S]",
    ),
    (
        "inner.ip6.src == 2001:db8:1::1 and inner.ip6.dst == 2001:db8:1::5 and inner.sport == 5000 \
         and inner.dport == 53",
        "IP6 2001:db8:1::1.5000 > 2001:db8:1::5.53: ",
    ),
    (
        "inner.icmp.type == echo_request and inner.icmp.id == 0x5678 and inner.icmp.seq == 3",
        "ICMP echo request, id 22136, seq 3",
    ),
    (
        "inner.icmp6.type == echo_request and inner.icmp6.id == 0x5678 and inner.icmp6.seq == 3",
        "ICMP6, echo request, id 22136, seq 3",
    ),
];

/// A capture in the classic format; packet N was seen N seconds after the beginning of time.
fn capture(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut words = |words: &[u32]| out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1]);
    for (at, packet) in packets.iter().enumerate() {
        let bytes = u32::try_from(packet.bytes.len()).expect("a packet");
        out.extend(u32::try_from(at).expect("few packets").to_le_bytes());
        out.extend([0, bytes, bytes].iter().flat_map(|word| word.to_le_bytes()));
        out.extend(&packet.bytes);
    }
    out
}

/// What tcpdump prints of each packet.
fn printed(packets: &[Packet]) -> Vec<String> {
    let mut command = Command::new("tcpdump");
    // Whole seconds in front of each packet; what it prints of the packet inside may begin a line too.
    command.args(["-nntt", "-r", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().expect("tcpdump starts");
    let mut input = child.stdin.take().expect("it was piped");
    let bytes = capture(packets);
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("tcpdump ends");
    writer.join().expect("the writer does not panic").expect("tcpdump reads everything");
    let mut lines = vec![String::new(); packets.len()];
    let mut at = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let seconds = line.split_once(".000000 ").and_then(|(seconds, _)| seconds.parse().ok());
        at = seconds.unwrap_or(at);
        lines[at].push_str(line);
    }
    lines
}

#[test]
fn tcpdump_reads_the_same_inside() {
    if or_skip(installed("tcpdump")).unwrap_or_else(|why| panic!("{why}")).is_none() {
        return;
    }
    let zoo: Vec<Packet> = packets()
        .into_iter()
        .filter(|p| p.bytes.len() >= 14 && !OTHERWISE.iter().any(|part| p.name.contains(part)))
        .collect();
    let printed = printed(&zoo);
    let mut wrong = Vec::new();
    for (predicate, words) in PAIRS {
        let text = format!("hook xdp asks {{\n    {predicate} -> drop\n}}\n");
        let rules = bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
        let hook = rules.policy.hooks.keys().next().expect("there is one");
        let mut reference = l4c_compiler::reference::Reference::new(&rules.policy, hook);
        let mut both = 0;
        for (packet, printed) in zoo.iter().zip(&printed) {
            let (ours, theirs) =
                (reference.judge(&packet.bytes).rule == 0, printed.contains(words));
            let farther = FARTHER.iter().any(|part| packet.name.contains(part));
            both += usize::from(ours && theirs);
            if ours != theirs && !(theirs && farther) {
                wrong.push(format!("{}: {ours} for `{predicate}`\n  {printed}", packet.name));
            }
        }
        assert!(both >= 10, "{both} packets for `{predicate}`");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
