//! `l4c test`

use super::support::{Dir, EDGE, edge, edge_capture, kernel, steady};

const TESTS: &str = r#"
test "addresses that nobody has" for edge {
    let q = ip(src 10.0.0.1, dst 192.0.2.1) / udp(sport 4000, dport 53)
    send q x 3                    expect drop by bogon
    send q with ip.src = 10.0.0.2 expect pass
    expect count bogon == 3
}

test "the capture" for edge {
    pcap "edge.pcap" expect drop == 50%
    pcap "edge.pcap" expect drop by web.tls == 1
}
"#;

const WRONG: &str = r#"
test "too hopeful" for edge {
    send ip(src 10.0.0.2) / udp(dport 53) expect drop by dns
}
"#;

fn tested(tests: &str) -> Dir {
    edge().with("edge.l4", format!("{EDGE}{tests}"))
}

#[test]
fn tests_pass_on_every_engine() {
    let dir = tested(TESTS);
    let ran = dir.run(&["test", "edge.l4"]).code(0);
    let wanted = "ok    addresses that nobody has (edge, vm)\n\
                  ok    the capture (edge, vm)\n\
                  2 tests: 2 passed, 0 failed\n";
    assert_eq!(ran.out, wanted);
    let engines = if kernel() { "vm,reference,kernel" } else { "vm,reference" };
    let ran = dir.run(&["test", "--engine", engines, "--format", "json", "edge.l4"]).code(0);
    let lines = ran.json();
    assert_eq!(lines.len(), 2 * engines.split(',').count());
    assert!(lines.iter().all(|line| line["ok"] == true && line["detail"].is_null()));
}

#[test]
fn a_failing_test_shows_packet_and_trace() {
    let dir = tested(WRONG);
    let ran = dir.run(&["test", "edge.l4"]).code(1);
    insta::assert_snapshot!(steady(&ran.out));
    let line = &dir.run(&["test", "--format", "json", "edge.l4"]).code(1).json()[0];
    assert_eq!(line["ok"], false);
    assert_eq!(line["detail"]["expected"], "drop by dns");
    assert_eq!(line["detail"]["got"], "pass by default");
    assert_eq!(line["detail"]["trace"]["rule"], "default");
    assert!(line["detail"]["packet"].as_str().is_some_and(|hex| hex.contains("0a000002")));
}

#[test]
fn a_filter_picks_tests() {
    let dir = tested(&format!("{TESTS}{WRONG}"));
    let run = |filter: &str| dir.run(&["test", "--filter", filter, "edge.l4"]);
    run("^the").code(0).prints("1 test: 1 passed, 0 failed");
    run("hopeful|the").code(1).prints("2 tests: 1 passed, 1 failed");
    run("none such").code(0).prints("0 tests: 0 passed");
}

#[test]
fn files_are_tested_one_by_one() {
    let dir = tested(TESTS).with("bad.l4", "hook xdp h { all -> dorp }").with("other.l4", EDGE);
    let ran = dir.run(&["test", "bad.l4", "edge.l4", "other.l4", "missing.l4"]).code(4);
    ran.says("dorp").says("missing.l4").prints("2 tests: 2 passed, 0 failed");
    dir.run(&["test", "bad.l4", "edge.l4"]).code(1);
    let quiet = dir.run(&["test", "-q", "edge.l4"]).code(0);
    assert_eq!(quiet.out, "");
}

#[test]
fn a_capture_that_breaks_off_is_not_a_verdict() {
    let whole = edge_capture();
    let dir = tested(TESTS).with("edge.pcap", &whole[..whole.len() - 1]);
    dir.run(&["test", "edge.l4"]).code(4).prints("packet 5");
}
