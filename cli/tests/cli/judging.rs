//! `l4c run` and `l4c explain`

use super::support::{Dir, EDGE, arg, capture, edge, edge_capture, kernel, packet, steady};
use l4c_packets::Capture;

const RUN: &[&str] = &["run", "edge.l4", "--pcap", "edge.pcap"];

/// What [`RUN`] prints as JSON, but for the name of the engine.
const SUMMARY: &str = concat!(
    r#"{"hook":"edge","engine":"vm","packets":4,"bytes":216,"verdicts":{"pass":2,"drop":2},"#,
    r#""rules":[{"rule":"bogon","action":"drop","packets":1,"bytes":54},"#,
    r#"{"rule":"dns","action":"drop","shadow":true,"packets":1,"bytes":54},"#,
    r#"{"rule":"web","action":"jump web","packets":2,"bytes":108},"#,
    r#"{"rule":"web.tls","action":"drop","packets":1,"bytes":54},"#,
    r#"{"rule":"default","action":"pass","packets":2,"bytes":108}],"#,
    r#""counters":{"secure":{"packets":1,"bytes":54}},"unjudged":1}"#,
    "\n"
);

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn a_run_prints_a_table() {
    let ran = edge().run(RUN).code(0);
    insta::assert_snapshot!(steady(&ran.out));
    assert_eq!(ran.err, "");
}

#[test]
fn a_run_prints_its_summary_as_documented_in_every_engine() {
    let dir = edge();
    for engine in ["vm", "reference", "kernel"] {
        if engine == "kernel" && !kernel() {
            continue;
        }
        let ran = dir.run(&with(RUN, &["--format", "json", "--engine", engine])).code(0);
        assert_eq!(ran.out, SUMMARY.replace("\"vm\"", &format!("\"{engine}\"")));
        assert_eq!(ran.err, "");
    }
}

/// One block of a pcapng file, its body a multiple of 4 bytes.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let bytes = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &bytes, body, &bytes].concat()
}

/// A pcapng file of frames that came in by two interfaces, in turn, and by one without name.
fn by_interfaces(frames: &[Vec<u8>]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let named = |name: &[u8; 4]| [words(&[1, 0, 4 << 16 | 2]), name.to_vec(), words(&[0])].concat();
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    let interfaces = [named(b"eth0"), named(b"eth1"), words(&[1, 0])];
    interfaces.iter().for_each(|body| file.extend(block(1, body)));
    for (frame, number) in frames.iter().zip((0..3).cycle()) {
        let bytes = frame.len() as u32;
        let mut body = [words(&[number, 0, 0, bytes, bytes]), frame.clone()].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

/// Where packets came in, and those that are answered, sent on and only dropped, in every engine.
#[test]
fn rejected_and_redirected_packets_are_counted_as_such() {
    let from = [192, 0, 2, 1];
    let frames = [
        packet(6, from, 80),
        packet(6, from, 80),
        packet(6, from, 80),
        packet(17, from, 53),
        // From nowhere that could be answered.
        packet(17, [255, 255, 255, 255], 54),
        packet(17, from, 54),
    ];
    let rules = "hook xdp edge {\n    arp -> pass\n    away: iface == \"eth0\" and tcp -> redirect \"tap0\"
    other: iface != \"eth0\" and tcp -> drop\n    dns: udp.dport == 53 -> drop\n    refused: udp -> reject\n}\n";
    let dir = Dir::new().with("edge.l4", rules).with("edge.pcap", by_interfaces(&frames));
    let wanted = ["redirect", "drop", "pass", "drop", "reject", "reject"];
    for engine in ["vm", "reference", "kernel"] {
        if engine == "kernel" && !kernel() {
            continue;
        }
        let args = ["--per-packet", "--format", "json", "--engine", engine];
        let ran = dir.run(&with(RUN, &args)).code(0);
        let lines = ran.json();
        let verdicts: Vec<&str> =
            lines[..6].iter().map(|line| line["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, wanted, "{engine}");
        let sums = r#"{"drop":2,"pass":1,"redirect":1,"reject":2}"#;
        assert_eq!(lines[6]["verdicts"].to_string(), sums, "{engine}");
    }
    dir.run(&with(RUN, &["--write-drop", "gone.pcap", "--write-pass", "left.pcap"])).code(0);
    for (file, packets) in [("gone.pcap", 4), ("left.pcap", 1)] {
        let mut capture = Capture::open(&dir.path(file)).unwrap();
        let mut frames = 0;
        while capture.next_frame().is_some() {
            frames += 1;
        }
        assert_eq!(frames, packets, "{file}");
    }
    let explained = dir.run(&["explain", "edge.l4", "--pcap", "edge.pcap", "--packet", "2"]);
    explained.code(0).prints("iface = eth1").prints("verdict: drop by other");
}

#[test]
fn a_line_a_packet_names_the_rule_that_decided() {
    let dir = edge();
    let wanted = concat!(
        r#"{"packet":1,"verdict":"drop","rule":"bogon"}"#,
        "\n",
        r#"{"packet":2,"verdict":"pass","rule":"default"}"#,
        "\n",
        r#"{"packet":3,"verdict":"drop","rule":"web.tls"}"#,
        "\n",
        r#"{"packet":4,"verdict":"pass","rule":"default"}"#,
        "\n"
    );
    for engine in ["vm", "reference", "kernel"] {
        if engine == "kernel" && !kernel() {
            continue;
        }
        let args = ["--per-packet", "--format", "json", "--engine", engine];
        let ran = dir.run(&with(RUN, &args)).code(0);
        let (lines, summary) = ran.out.split_at(wanted.len());
        assert_eq!(lines, wanted, "{engine}");
        assert!(summary.starts_with(r#"{"hook":"edge""#), "{summary}");
    }
    dir.run(&with(RUN, &["--per-packet"])).code(0).prints("       3  drop  web.tls\n");
    let two = dir.run(&with(RUN, &["edge.pcap", "--per-packet", "--format", "json"])).code(0);
    two.prints(r#"{"packet":1,"verdict":"drop","rule":"bogon","capture":"edge.pcap"}"#)
        .prints(r#""packets":8,"#);
}

#[test]
fn several_hooks_have_to_be_told_apart() {
    let rules = "hook xdp one { all -> drop }\nhook xdp two { all -> pass }\n";
    let dir = edge().with("two.l4", rules).with("none.l4", "chain c { all -> drop }\n");
    let run = ["run", "two.l4", "--pcap", "edge.pcap"];
    dir.run(&run).code(2).says("--hook").says("one, two");
    dir.run(&with(&run, &["--hook", "three"])).code(2).says("one, two");
    dir.run(&with(&run, &["--hook", "two"])).code(0).prints("two: 4 packets");
    dir.run(&["explain", "two.l4", "--hex", "00"]).code(2).says("one, two");
    dir.run(&["run", "none.l4", "--pcap", "edge.pcap"]).code(2).says("no hook");
    dir.run(&["compile", "two.l4"]).code(0);
}

#[test]
fn a_broken_capture_exits_4_and_what_was_judged_is_told() {
    let whole = edge_capture();
    let dir = edge()
        .with("cut.pcap", &whole[..whole.len() - 3])
        .with("none.pcap", "no capture")
        .with("usb.pcap", capture(189, &[vec![0; 60]]));
    let pcaps = ["cut.pcap", "none.pcap", "usb.pcap", "missing.pcap", "edge.pcap"];
    let ran = dir.run(&with(&["run", "edge.l4", "--format", "json", "--pcap"], &pcaps)).code(4);
    assert_eq!(ran.json()[0]["packets"], 8);
    ran.says("cut.pcap: packet 5: ")
        .says("none.pcap: ")
        .says("usb.pcap: packet 1: ")
        .says("USB_LINUX")
        .says("missing.pcap: ");
    dir.run(&["run", "missing.l4", "--pcap", "edge.pcap"]).code(4).says("missing.l4");
    dir.run(&["run", "-e", "all -> dorp", "--pcap", "edge.pcap"]).code(1).says("dorp");
}

#[test]
fn captures_come_from_standard_input_too() {
    let dir = edge();
    let ran = dir.run_with(&["run", "edge.l4", "--pcap", "-", "--format", "json"], &edge_capture());
    assert_eq!(ran.code(0).out, SUMMARY);
    let args = ["explain", "edge.l4", "--pcap", "-", "--packet", "1"];
    dir.run_with(&args, &edge_capture()).code(0).prints("verdict: drop by bogon");
}

#[test]
fn packets_are_written_by_verdict() {
    let dir = edge();
    dir.run(&with(RUN, &["--write-pass", "p.pcap", "--write-drop", "d.pcap"])).code(0);
    let frames = |name: &str| {
        let mut capture = Capture::open(&dir.path(name)).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = capture.next_frame() {
            let frame = frame.unwrap();
            frames.push((frame.time_ns / 1_000_000_000, frame.link.0, frame.data.to_vec()));
        }
        frames
    };
    let other = [172, 16, 0, 1];
    assert_eq!(frames("p.pcap"), [(2, 1, packet(17, other, 53)), (4, 1, packet(6, other, 80))]);
    assert_eq!(
        frames("d.pcap"),
        [(1, 1, packet(17, [10, 0, 0, 1], 53)), (3, 1, packet(6, other, 443))]
    );
    assert_eq!(dir.list(), ["d.pcap", "edge.l4", "edge.pcap", "p.pcap"]);
    dir.run(&with(RUN, &["--write-pass", "no/dir/p.pcap"])).code(3).says("no/dir/p.pcap");
}

#[test]
fn link_headers_are_made_up_and_written() {
    let whole = packet(17, [10, 0, 0, 1], 53);
    let dir = edge().with("raw.pcap", capture(101, &[whole[14..].to_vec()]));
    let ran = dir.run(&["run", "edge.l4", "--pcap", "raw.pcap", "--write-drop", "d.pcap"]).code(0);
    let ran = ran.says("note: raw.pcap: ").says("Ethernet header is made up");
    ran.prints("edge: 1 packet, 54 bytes: drop 1 (100.0 %)");
    let mut capture = Capture::open(&dir.path("d.pcap")).unwrap();
    let frame = capture.next_frame().unwrap().unwrap();
    assert_eq!((frame.link.0, frame.data, frame.orig_bytes), (1, &whole[..], 54));
    let quiet = dir.run(&["run", "-q", "edge.l4", "--pcap", "raw.pcap"]).code(0);
    assert_eq!(quiet.err, "");
    assert_eq!(quiet.out, "edge: 1 packet, 54 bytes: drop 1 (100.0 %)\n");
}

#[test]
fn an_explanation_shows_what_was_read() {
    let dir = edge();
    let explain = ["explain", "edge.l4", "--pcap", "edge.pcap", "--packet", "3"];
    let ran = dir.run(&explain).code(0);
    insta::assert_snapshot!(steady(&ran.out));
    let json = dir.run(&with(&explain, &["--format", "json"])).code(0).json();
    assert_eq!((&json[0]["verdict"], &json[0]["rule"]), (&"drop".into(), &"web.tls".into()));
    let dns = &json[0]["steps"][1];
    assert_eq!((&dns["rule"], &dns["matched"]), (&"dns".into(), &false.into()));
    assert_eq!(dns["reads"][0]["field"], "udp.dport");
    assert!(dns["reads"][0]["value"].is_null());
}

#[test]
fn an_explanation_needs_a_packet_that_can_be_shown() {
    let dir = edge();
    let explain = |more: &[&str]| dir.run(&with(&["explain", "edge.l4"], more));
    explain(&["--pcap", "edge.pcap", "--packet", "6"]).code(2).says("has no packet 6: it has 5");
    explain(&["--pcap", "edge.pcap", "--packet", "5"]).code(4).says("10 bytes");
    explain(&["--pcap", "missing.pcap", "--packet", "5"]).code(4).says("missing.pcap");
    explain(&["--hex", "0011"]).code(4).says("2 bytes");
    let hex: String = packet(6, [1, 2, 3, 4], 80).iter().map(|b| format!("{b:02x} ")).collect();
    explain(&["--hex", &hex]).code(0).prints("verdict: pass by default");
    let rules = "dns: udp.dport == 53 -> drop";
    dir.run(&["explain", "-e", rules, "--hex", &hex]).code(0).prints("udp.dport absent");
}

#[test]
fn a_hook_without_privilege_is_refused_by_the_kernel_alone() {
    let dir = edge();
    let path = dir.path("edge.l4");
    let pcap = dir.path("edge.pcap");
    // `setpriv` and friends are not everywhere; a user namespace without rights is asked for by
    // `unshare`, which may be missing or forbidden just as well.
    let args = [arg(&path), "--pcap", arg(&pcap), "--engine"];
    let run = |engine: &str| {
        std::process::Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups"])
            .args([env!("CARGO_BIN_EXE_l4c"), "run"])
            .args(args)
            .arg(engine)
            .output()
    };
    let Ok(vm) = run("vm") else {
        eprintln!("SKIPPED: no setpriv");
        return;
    };
    if !vm.status.success() {
        eprintln!("SKIPPED: setpriv: {}", String::from_utf8_lossy(&vm.stderr));
        return;
    }
    let kernel = run("kernel").unwrap();
    let err = String::from_utf8_lossy(&kernel.stderr);
    assert_eq!(kernel.status.code(), Some(3), "{err}");
    assert!(err.contains("the kernel engine can't be used") && err.contains("help:"), "{err}");
}

#[test]
fn a_large_capture_agrees_between_engines() {
    let packets: Vec<Vec<u8>> = (0..2000_u32)
        .map(|n| packet([6, 17][n as usize % 2], [10, 0, 0, (n % 5) as u8], (n % 500) as u16))
        .collect();
    let dir = Dir::new().with("edge.l4", EDGE).with("edge.pcap", capture(1, &packets));
    let run = |engine| {
        let args = with(RUN, &["--format", "json", "--per-packet", "--engine", engine]);
        dir.run(&args).code(0).out.replace(engine, "ENGINE")
    };
    let reference = run("reference");
    assert_eq!(run("vm"), reference);
    if kernel() {
        assert_eq!(run("kernel"), reference);
    }
}
