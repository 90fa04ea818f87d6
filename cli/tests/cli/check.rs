//! `l4c check`

use super::support::{Dir, EDGE, arg, edge};

/// Twenty-one mistakes, one a line, each with its code.
const MISTAKES: &str = "\
let X = 010
set s: prefix { 10.0.0.0/8, banana }
hook xdp edge {
    a: udp.dprt == 53 -> drop
    b: udp.dport == 99999 -> drop
    c: src in s -> drop
    d: tcp.dport == 80:90 -> drop
    e: tcp.dport == 80 && ip -> drop
    f: tcp.dport eq 80 -> drop
    g: ip.src == 2001:db8::1 -> drop
    h: all -> dorp
    i: all -> jump nowhere
    i: all -> drop
    k: ip and tcp or udp -> drop
    l: tcp.flags has banana -> drop
    m: 5 -> drop
    n: over(x) -> drop
    o: src in { 1.2.3.4/99 } -> drop
    p: tcp.dport in 90-80 -> drop
    q: all -> drop, pass
    r: eth.src == 5 -> drop
    t: frag == 1 -> drop
}
";

#[test]
fn right_rules_exit_0() {
    let ran = edge().run(&["check", "edge.l4"]).code(0);
    assert_eq!(ran.out, "edge.l4: 1 hook, 4 rules, 0 tests: nothing wrong\n");
    assert_eq!(ran.err, "");
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let dir = Dir::new().with("many.l4", MISTAKES);
    let ran = dir.run(&["check", "many.l4"]).code(1);
    insta::assert_snapshot!(ran.err);
    let lines = dir.run(&["check", "--format", "json", "many.l4"]).code(1).json();
    let errors = lines.iter().filter(|line| line["severity"] == "error");
    let mut at: Vec<u64> = errors.filter_map(|line| line["line"].as_u64()).collect();
    at.dedup();
    let wanted: Vec<u64> = (1..=22).filter(|&line| line != 3).collect();
    assert_eq!(at, wanted);
}

#[test]
fn json_goes_to_the_output_alone() {
    let ran = Dir::new().run(&["check", "--format", "json", "-e", "udp.dprt == 5 -> drop"]).code(1);
    assert_eq!(ran.err, "");
    let line = &ran.json()[0];
    assert_eq!(line["file"], "<command line>");
    assert_eq!((&line["line"], &line["column"]), (&1.into(), &1.into()));
    assert_eq!((&line["end_line"], &line["end_column"]), (&1.into(), &9.into()));
    assert_eq!(line["help"], "did you mean `udp.dport`?");
}

#[test]
fn warnings_fail_when_denied() {
    let dir = Dir::new().with("w.l4", "set unused: addr { 1.2.3.4 }\nhook xdp h { all -> pass }\n");
    dir.run(&["check", "w.l4"]).code(0).says("unused").prints("1 warning");
    dir.run(&["check", "--deny", "warnings", "w.l4"]).code(1).says("denied");
    let quiet = dir.run(&["check", "-q", "w.l4"]).code(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    edge().run(&["check", "--deny", "warnings", "edge.l4"]).code(0);
}

#[test]
fn rules_come_from_standard_input() {
    let dir = Dir::new();
    dir.run_with(&["check", "-"], EDGE.as_bytes()).code(0).prints("<stdin>: 1 hook");
    dir.run_with(&["check", "-"], b"hook xdp h { all -> dorp }").code(1).says("<stdin>:1:21");
    dir.run_with(&["check", "-"], b"\xff").code(1).says("UTF-8");
}

#[test]
fn rules_come_from_the_command_line() {
    let dir = Dir::new();
    let rules = "let P = 53\nudp.dport == P -> drop\ndefault pass";
    dir.run(&["check", "-e", rules]).code(0).prints("1 hook, 1 rule");
    dir.run(&["check", "-e", "all -> drop", "--kind", "frob"]).code(1).says("frob");
    // An iptables line begins like an option.
    dir.run(&["check", "-e", "-p udp --dport 53 -j DROP"]).code(1).says("not supported yet");
}

#[test]
fn a_file_that_can_not_be_read_exits_4_and_the_others_are_checked() {
    let dir = edge().with("bad.l4", "hook xdp h { all -> dorp }");
    let ran = dir.run(&["check", "missing.l4", "edge.l4", "bad.l4"]).code(4);
    ran.says("missing.l4").says("dorp").prints("edge.l4: 1 hook");
    dir.run(&["check", "."]).code(4);
}

#[test]
fn what_is_included_is_shown_in_its_own_file() {
    let dir = Dir::new()
        .with("root.l4", "include \"sub/part.l4\"\nhook xdp h { all -> jump c }\n")
        .with("sub/part.l4", "# a chain\nchain c {\n    all -> dorp\n}\n");
    dir.run(&["check", "root.l4"]).code(1).says("sub/part.l4:3:12");
}

#[test]
fn only_folders_that_were_allowed_are_read() {
    let dir = Dir::new()
        .with("in/root.l4", "include \"../out/part.l4\"\nhook xdp h { all -> jump c }\n")
        .with("out/part.l4", "chain c { all -> drop }\n");
    dir.run(&["check", "in/root.l4"]).code(1).says("leaves the folder");
    let out = dir.path("out");
    dir.run(&["check", "--root", arg(&out), "in/root.l4"]).code(0);
    dir.run(&["check", "--root", "out", "in/root.l4"]).code(0);
}

#[test]
fn of_very_many_mistakes_the_first_are_shown() {
    let rules = "    all -> dorp\n".repeat(1000);
    let dir = Dir::new().with("many.l4", format!("hook xdp h {{\n{rules}}}\n"));
    let ran = dir.run(&["check", "many.l4"]).code(1);
    assert_eq!(ran.err.matches("there is no action").count(), 100);
    let ran = ran.says("… and 900 errors more");
    assert!(ran.err.ends_with("many.l4: 1 000 errors\n"), "{}", ran.err);
}
