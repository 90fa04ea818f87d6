//! Mistakes: each with its code and the text that is underlined.

use super::{body, checked, checked_with, said, shown, table};
use crate::source::MemoryFiles;
use l4c_manifest::HookKind;

#[test]
fn names() {
    table(
        body,
        &[
            ("udp.dprt == 53 -> drop", &[("E0101", "udp.dprt")]),
            ("frobnicate -> drop", &[("E0101", "frobnicate")]),
            ("inner -> drop", &[("E0101", "inner")]),
            ("inner.udp.dprt == 53 -> drop", &[("E0101", "inner.udp.dprt")]),
            ("inner.ip.saddr == 10.0.0.1 -> drop", &[("E0101", "inner.ip.saddr")]),
            ("inner.pkt_len == 53 -> drop", &[("E0101", "inner.pkt_len")]),
            ("inner.inner.udp -> drop", &[("E0101", "inner.inner.udp")]),
            ("inner.iface == \"eth0\" -> drop", &[("E0101", "inner.iface")]),
            ("udp.dport == PORT -> drop", &[("E0209", "PORT")]),
            ("src in @nowhere -> drop", &[("E0103", "@nowhere")]),
            ("udp -> jump nowhere", &[("E0104", "nowhere")]),
            ("udp -> drp", &[("E0105", "drp")]),
            ("a: udp -> drop\na: tcp -> drop", &[("E0106", "a")]),
            ("m(1) -> drop", &[("E0102", "m")]),
            ("udp -> jump h", &[("E0110", "h")]),
        ],
    );
    table(
        checked,
        &[
            ("let a = 1\nset a: addr { 10.0.0.1 }", &[("E0106", "a")]),
            ("let tcp = 1", &[("E0107", "tcp")]),
            ("let dns = 1", &[("E0107", "dns")]),
            ("let inner = 1", &[("E0107", "inner")]),
            ("let a = { 1, b }\nlet b = a", &[("E0108", "a")]),
            ("let a = nonsense\nhook xdp h { ttl == a -> drop }", &[("E0102", "nonsense")]),
            ("match a = b\nmatch b = not a", &[("E0108", "a")]),
            ("match a(x) = a(x)", &[("E0108", "a")]),
            ("set s: addr { 10.0.0.1 }\nhook xdp h { src in s -> drop }", &[("E0109", "s")]),
            ("let a = 53\nhook xdp h { a -> drop }", &[("E0110", "a")]),
            ("match m = udp\nhook xdp h { src in @m -> drop }", &[("E0110", "@m")]),
            ("match m(a) = a == 53", &[("E0110", "a")]),
            ("hook xpd h { }", &[("E0111", "xpd")]),
            ("hook xdp sixteen_bytes_16 { }", &[("E0107", "sixteen_bytes_16")]),
            ("hook xdp h ingress { }", &[("E0312", "ingress")]),
            ("set s: adr { 10.0.0.1 }", &[("E0113", "adr")]),
            ("match m(a, a) = udp.dport == a", &[("E0106", "a")]),
            (
                "match m(a) = udp.dport == a\nhook xdp h { m(1, 2) -> drop }",
                &[("E0218", "m(1, 2)")],
            ),
            ("match m(a) = udp.dport == a\nhook xdp h { m -> drop }", &[("E0218", "m")]),
        ],
    );
}

#[test]
fn values() {
    table(
        body,
        &[
            ("udp.dport == 70000 -> drop", &[("E0203", "70000")]),
            ("ttl == 256 -> drop", &[("E0203", "256")]),
            ("len < 70000 -> drop", &[("E0203", "70000")]),
            ("udp.dport == 010 -> drop", &[("E0202", "010")]),
            ("udp.dport == 99999999999999999999 -> drop", &[("E0203", "99999999999999999999")]),
            ("udp.dport == 80:90 -> drop", &[("E0208", "80:90")]),
            ("udp.dport == 90-80 -> drop", &[("E0204", "90-80")]),
            ("udp.dport in { 1, 90-80, 70000 } -> drop", &[("E0204", "90-80"), ("E0203", "70000")]),
            ("udp.dport in { } -> drop", &[("E0204", "{ }")]),
            ("udp.dport == 10m -> drop", &[("E0207", "10m")]),
            ("udp.dport == 10q -> drop", &[("E0207", "10q")]),
            ("udp.dport == 10.0.0.1 -> drop", &[("E0205", "10.0.0.1")]),
            ("src == 53 -> drop", &[("E0205", "53")]),
            ("src == 10.0.0.0/99 -> drop", &[("E0206", "10.0.0.0/99")]),
            ("src == 10.0.0.0/255.0.0.0 -> drop", &[("E0206", "10.0.0.0/255.0.0.0")]),
            ("src == 10.0.0.256 -> drop", &[("E0201", "10.0.0.256")]),
            ("src == 10.0.1 -> drop", &[("E0201", "10.0.1")]),
            ("src == fe80::1%eth0 -> drop", &[("E0201", "fe80::1%eth0")]),
            ("src == 10.0.0.1-fe80::1 -> drop", &[("E0205", "10.0.0.1-fe80::1")]),
            ("ip.src == fe80::1 -> drop", &[("E0205", "fe80::1")]),
            ("ip6.src in { fe80::1, 10.0.0.1 } -> drop", &[("E0205", "10.0.0.1")]),
            ("eth.src == 02-00-00-00-00-01 -> drop", &[("E0201", "02-00-00-00-00-01")]),
            ("udp.dport == -1 -> drop", &[("E0201", "-1")]),
            ("udp.dport == 1.5 -> drop", &[("E0201", "1.5")]),
            ("udp.dport == udp.sport -> drop", &[("E0201", "udp.sport")]),
            ("icmp.type == echo_rquest -> drop", &[("E0209", "echo_rquest")]),
            ("udp.dport == dns -> drop", &[("E0209", "dns")]),
            ("udp.dport -> drop", &[("E0210", "udp.dport")]),
            ("tcp.flags -> drop", &[("E0210", "tcp.flags")]),
            ("tcp.flags & syn -> drop", &[("E0210", "tcp.flags & syn")]),
            ("l4[0:2] -> drop", &[("E0210", "l4[0:2]")]),
            ("udp == 1 -> drop", &[("E0211", "udp")]),
            ("vlan in { 1, 2 } -> drop", &[("E0211", "vlan")]),
            ("src < 10.0.0.1 -> drop", &[("E0212", "<")]),
            ("tcp.flags > 3 -> drop", &[("E0212", ">")]),
            ("udp.dport has syn -> drop", &[("E0212", "udp.dport")]),
            ("tcp.flags has sin -> drop", &[("E0209", "sin")]),
            ("udp.dport > 1-2 -> drop", &[("E0217", "1-2")]),
            ("udp.dport > { 1, 2 } -> drop", &[("E0217", "{ 1, 2 }")]),
            ("udp.dport == \"x\" -> drop", &[("E0205", "\"x\"")]),
            ("frag & 1 == 1 -> drop", &[("E0216", "1")]),
            ("ttl & 256 == 0 -> drop", &[("E0203", "256")]),
            ("src & 255.0.0.0 == fe80::1 -> drop", &[("E0216", "fe80::1")]),
        ],
    );
}

#[test]
fn slices() {
    table(
        body,
        &[
            ("l4[0:0] == 1 -> drop", &[("E0214", "0")]),
            ("l4[0:256] == \"x\" -> drop", &[("E0214", "256")]),
            ("l4[65535:2] == 1 -> drop", &[("E0214", "l4[65535:2]")]),
            ("l4[0:2] == \"abc\" -> drop", &[("E0215", "\"abc\"")]),
            ("l4[0:3] == 5 -> drop", &[("E0215", "5")]),
            ("l4[0:3] > 5 -> drop", &[("E0215", "5")]),
            ("l4[0:3] & 5 == 5 -> drop", &[("E0215", "5")]),
            ("l4[0:2] & 5 == \"ab\" -> drop", &[("E0216", "\"ab\"")]),
            ("l4[0:1] == 256 -> drop", &[("E0203", "256")]),
            ("payload[0:2] == 1 -> drop", &[]),
            ("l4[tcp.hdr_len:2] == 1 -> drop", &[]),
            ("l4[tcp.seq:2] == 1 -> drop", &[("E0214", "tcp.seq")]),
            ("l4[tcp:2] == 1 -> drop", &[("E0214", "tcp")]),
            ("l4[src+4:2] == 1 -> drop", &[("E0214", "src+4")]),
        ],
    );
}

#[test]
fn limits_that_cannot_be() {
    let limit = |text: &str| checked(&format!("limit a {{ {text} }}"));
    table(
        limit,
        &[
            ("burst 5", &[("E0330", "a")]),
            ("rate fast", &[("E0330", "rate fast")]),
            ("rate 10", &[("E0330", "rate 10")]),
            ("rate 10 apples/s", &[("E0330", "rate 10 apples/s")]),
            ("rate 10 packets/y", &[("E0330", "rate 10 packets/y")]),
            ("rate 0/s", &[("E0330", "rate 0/s")]),
            ("rate 10/s rate 10/s", &[("E0311", "rate")]),
            ("rate 10/s burst 0", &[("E0330", "burst 0")]),
            ("rate 10/s burst 10 bytes", &[("E0330", "burst 10 bytes")]),
            ("rate 1/d burst 1M", &[("E0330", "burst 1M")]),
            ("rate 10/s quota 5", &[("E0330", "quota 5")]),
            ("quota 10G bytes burst 5", &[("E0330", "burst 5")]),
            ("rate 10/s per src max 0", &[("E0330", "max 0")]),
            ("rate 10/s per src max 1G", &[("E0330", "max 1G")]),
            ("rate 10/s max 5", &[("E0330", "max")]),
            ("rate 10/s full drop", &[("E0330", "full")]),
            ("rate 10/s per src full never", &[("E0311", "full never")]),
            ("rate 10/s storage disk", &[("E0311", "storage disk")]),
            ("rate 10/s per source", &[("E0101", "source")]),
            ("rate 10/s per tcp", &[("E0331", "tcp")]),
            ("rate 10/s per dns.qname", &[("E0331", "dns.qname")]),
            ("rate 10/s per iface", &[("E0331", "iface")]),
            ("rate 10/s per src/24", &[("E0331", "src/24")]),
            ("rate 10/s per ip.src/33", &[("E0331", "ip.src/33")]),
            ("rate 10/s per sport/8", &[("E0331", "sport/8")]),
            ("rate 10/s per src, dst, src", &[("E0331", "src")]),
            ("rate 1M bytes/s burst 1000", &[("W0108", "burst 1000")]),
            ("rate 2G packets/s", &[("W0108", "rate 2G packets/s")]),
            ("rate 1000 pps", &[]),
            ("rate 1000pps", &[]),
            ("rate 10M bit/s burst 64k bytes per src/24/64, dport", &[]),
            ("quota 10G bytes per (src, dport)", &[]),
        ],
    );
    let asks = |text: &str| {
        checked(&format!(
            "limit lim {{ rate 10/s }}\nset s: addr {{ 10.0.0.1 }}\nhook xdp h {{ {text} }}"
        ))
    };
    let unused = ("W0103", "s");
    table(
        asks,
        &[
            ("over(lin) -> drop", &[("E0102", "lin")]),
            ("over(lim, lim) -> drop", &[("E0330", "over(lim, lim)")]),
            ("over(s) -> drop", &[("E0110", "s")]),
            ("over(lim) and udp -> drop", &[unused, ("W0109", "over(lim)")]),
            ("udp and not under(lim) -> drop", &[unused]),
        ],
    );
}

#[test]
fn what_is_not_there_yet() {
    table(
        body,
        &[
            ("pcap \"udp\" -> drop", &[("E0900", "pcap")]),
            ("cbpf l3 \"1,6 0 0 0\" -> drop", &[("E0900", "cbpf")]),
            ("inner.payload contains \"x\" -> drop", &[("E0900", "inner.payload")]),
            ("inner.payload[0:2] == 1 -> drop", &[("E0900", "inner.payload")]),
            ("inner.l4[0:2] == 1 -> drop", &[("E0900", "inner.l4")]),
            ("l4[inner.ip.hdr_len:2] == 1 -> drop", &[("E0900", "inner.ip.hdr_len")]),
            ("inner.dns -> drop", &[("E0900", "inner.dns")]),
            ("inner.dns.qname == \"a\" -> drop", &[("E0900", "inner.dns.qname")]),
            ("inner.tcp.payload_len == 1 -> drop", &[("E0900", "inner.tcp.payload_len")]),
            ("inner.tcp.opts == \"mss\" -> drop", &[("E0900", "inner.tcp.opts")]),
            ("udp -> syncookie", &[("E0900", "syncookie")]),
            ("udp -> truncate 64", &[("E0900", "truncate")]),
            ("udp -> shadow truncate 5", &[("E0900", "truncate")]),
            ("-p udp --dport 53 -j DROP", &[("E0900", "-p udp --dport 53 -j DROP")]),
        ],
    );
    table(
        checked,
        &[
            ("use std::bogons", &[("E0900", "bogons")]),
            (
                "use std::bogons\nhook xdp h { src in @bogons or bogons_v6 -> jump bogons }",
                &[("E0900", "bogons")],
            ),
            ("hook socket s { }", &[("E0900", "socket")]),
            ("hook netfilter s input { }", &[("E0900", "netfilter")]),
        ],
    );
}

#[test]
fn actions() {
    table(
        body,
        &[
            ("udp -> drop, pass", &[("E0304", "pass")]),
            ("udp -> shadow drop, pass", &[("E0304", "pass")]),
            ("udp -> drop 5", &[("E0307", "5")]),
            ("udp -> jump", &[("E0307", "jump")]),
            ("udp -> count 5", &[("E0307", "5")]),
            ("udp -> ACCEPT", &[("E0105", "ACCEPT")]),
            (
                "default drop\ndefault pass\narp -> pass\nicmp6 -> pass",
                &[("E0306", "default pass")],
            ),
            ("default return", &[("E0306", "return")]),
        ],
    );
    table(
        checked,
        &[
            (
                "chain a { udp -> jump b }\nchain b { tcp -> goto a }\nhook xdp h { udp -> jump a }",
                &[("E0305", "a")],
            ),
            ("chain a { udp -> jump a }\nhook xdp h { udp -> jump a }", &[("E0305", "a")]),
            (
                "chain a { udp -> jump b }\nhook xdp h { default jump a }",
                &[("E0104", "b"), ("E0306", "jump a")],
            ),
        ],
    );
}

#[test]
fn sets() {
    table(
        checked,
        &[
            ("set s: addr { 10.0.0.0/8 }", &[("E0205", "10.0.0.0/8")]),
            ("set s: addr4 { fe80::1 }", &[("E0205", "fe80::1")]),
            ("set s: port { 70000 }", &[("E0203", "70000")]),
            ("set s: u8 { 1, 256 }", &[("E0203", "256")]),
            ("set s: prefix { 10.0.0.0/8 max 1 max 2 }", &[("E0311", "max")]),
            ("set s: port { 1, 3, 5 max 2 }", &[("E0309", "s")]),
            ("set s: addr6 { fe80::1 }\nhook xdp h { ip.src in @s -> drop }", &[("E0213", "@s")]),
            ("set s: port { 1 }\nhook xdp h { src in @s -> drop }", &[("E0213", "@s")]),
            ("set s: u16 { 1 }\nhook xdp h { tcp.flags in @s -> drop }", &[("E0213", "@s")]),
            ("set s: u32 { 1 }\nhook xdp h { l4[0:3] in @s -> drop }", &[("E0215", "@s")]),
            ("set s: u32 { 1 }\nhook xdp h { ttl > @s -> drop }", &[("E0205", "@s")]),
            ("set s: addr { from \"nowhere.txt\" }", &[("E0301", "\"nowhere.txt\"")]),
            ("set s: addr { from \"/etc/passwd\" }", &[("E0302", "\"/etc/passwd\"")]),
        ],
    );
    let files =
        MemoryFiles::new().with("list.txt", "10.0.0.1\nfoo\n10.0.0.0/8\n\n# x\n;y\n1.2.3.4 z\r\n");
    let got = checked_with("set s: addr { from \"list.txt\" }", &files, None);
    let words: Vec<&str> = got.diags.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(words[0].starts_with("list.txt:2: `foo`"), "{words:?}");
    assert!(words[1].starts_with("list.txt:3: this is an IPv4 prefix"), "{words:?}");
}

#[test]
fn many_bad_lines_are_counted() {
    let files = MemoryFiles::new().with("list.txt", "x y z\n".repeat(1000));
    let got = checked_with("set s: addr { from \"list.txt\" }", &files, None);
    assert_eq!(got.diags.len(), 21);
    assert_eq!(got.diags[20].message, "list.txt: 980 more lines are no elements");
}

#[test]
fn what_a_socket_filter_does_not_see() {
    for (text, expected) in [
        ("eth.src == 02:00:00:00:00:01 -> drop", vec![("E0114", "eth.src")]),
        ("vlan or vlan2.id == 5 -> drop", vec![("E0114", "vlan"), ("E0114", "vlan2.id")]),
        ("arp -> drop", vec![("E0114", "arp")]),
        ("l2[0:2] == 1 -> drop", vec![("E0114", "l2")]),
        ("eth.type == ip -> drop", vec![("E0114", "eth.type")]),
        ("src in 10.0.0.0/8 and l3[0:1] == 0x45 and ip -> drop", vec![]),
        ("rx_queue == 1 -> drop", vec![("E0114", "rx_queue")]),
        ("mark == 1 and cpu == 0 and iface == \"eth0\" -> drop", vec![]),
        ("udp -> reject", vec![("E0314", "reject")]),
        ("udp -> redirect \"eth1\"", vec![("E0314", "redirect")]),
        ("udp -> mark 1", vec![("E0314", "mark")]),
    ] {
        let text = format!("hook xdp h {{ {text} }}");
        let got = checked_with(&text, &MemoryFiles::new(), Some(HookKind::Socket));
        let expected: Vec<_> = expected.iter().map(|(c, t)| (*c, (*t).to_owned())).collect();
        assert_eq!(said(&got), expected, "{text}\n{}", shown(&got));
    }
}

#[test]
fn test_blocks() {
    let table_of = |text: &str| {
        checked(&format!(
            "chain c {{ bad: udp -> drop }}\nhook xdp h {{ x: tcp -> drop\n udp -> jump c }}\n{text}"
        ))
    };
    for (text, expected) in [
        ("test \"t\" for nobody { }", vec![("E0111", "nobody")]),
        ("test \"t\" for h { send ip / tcp expect drop by y }", vec![("E0112", "y")]),
        ("test \"t\" for h { send ip / tcp expect drop by bad }", vec![("E0112", "bad")]),
        ("test \"t\" for h { send ip / udp expect drop by c.bad }", vec![]),
        ("test \"t\" for h { send ip / tcp expect pass by default }", vec![]),
        ("test \"t\" for h { send ip / tcp expect fly }", vec![("E0313", "fly")]),
        ("test \"t\" for h { send ip / tcp expect truncate }", vec![("E0900", "truncate")]),
        ("test \"t\" for h { send ip / tcp expect reject }", vec![]),
        ("test \"t\" for h { send ip / tcp with iface = 1 expect drop }", vec![("E0205", "1")]),
        ("test \"t\" for h { wait 5 }", vec![("E0205", "5")]),
        (
            "test \"t\" for h { pcap \"no.pcap\" expect drop >= 99% }",
            vec![("E0301", "\"no.pcap\"")],
        ),
        ("test \"t\" for h { expect count x == 3 }", vec![]),
        ("test \"t\" for h { send ip(src X) / tcp expect drop }", vec![("E0209", "X")]),
        ("test \"t\" for h { send ip(src 5) / tcp expect drop }", vec![("E0205", "5")]),
        (
            "test \"t\" for h {\nlet q = ip / tcp\nlet q = ip / udp\nsend q expect drop\n}",
            vec![("E0106", "q")],
        ),
    ] {
        let got = table_of(text);
        let expected: Vec<_> = expected.iter().map(|(c, t)| (*c, (*t).to_owned())).collect();
        assert_eq!(said(&got), expected, "{text}\n{}", shown(&got));
    }
}

#[test]
fn every_mistake_is_told_at_once_and_has_a_title() {
    let text = "use std::x\nlet a = 010\nset s: addr { 1.2.3.4/8 max 1m }\nmatch m = tcp.dprt == 5\n\
        hook xdp h {\n x: udp.dport == 80:90 -> drp\n x: m and src == fe80::/200 -> drop, pass\n\
        y: arp == 1 and frag -> jump z\n -j DROP\n}\n";
    let got = checked(text);
    let codes: Vec<&str> = got.diags.iter().map(|d| d.code).collect();
    assert_eq!(
        codes,
        [
            "E0900", "E0202", "W0101", "E0205", "E0207", "E0101", "E0208", "E0105", "E0106",
            "E0206", "E0304", "E0211", "E0104", "E0900"
        ],
        "{}",
        shown(&got)
    );
    for diag in &got.diags {
        assert!(super::super::CODES.iter().any(|(code, _)| *code == diag.code), "{}", diag.code);
        assert!(!diag.label.is_empty() && !diag.message.ends_with('.'), "{diag:?}");
    }
}
