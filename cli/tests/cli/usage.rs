//! Arguments, environment, streams.

use super::support::{Dir, edge, finish};
use std::process::Stdio;

const COMMANDS: &[&str] = &[
    "compile",
    "check",
    "fmt",
    "test",
    "run",
    "explain",
    "load",
    "unload",
    "status",
    "stats",
    "limit",
    "set",
    "capture",
    "rollback",
    "completions",
];

#[test]
fn bad_usage_exits_2() {
    let dir = edge();
    for args in [
        &[][..],
        &["frobnicate"],
        &["check"],
        &["check", "--frob", "edge.l4"],
        &["check", "-q", "-v", "edge.l4"],
        &["check", "-e", "all -> drop", "edge.l4"],
        &["run", "edge.l4"],
        &["run", "edge.l4", "--pcap", "edge.pcap", "--engine", "gpu"],
        &["compile", "edge.l4", "-O3"],
        &["compile", "edge.l4", "--emit", "frob"],
        &["compile", "edge.l4", "--emit", "after:frob"],
        &["explain", "edge.l4"],
        &["explain", "edge.l4", "--pcap", "edge.pcap"],
        &["explain", "edge.l4", "--pcap", "edge.pcap", "--packet", "0"],
        &["explain", "edge.l4", "--hex", "0g"],
        &["test", "edge.l4", "--filter", "("],
        &["completions", "tcsh"],
        &["load", "edge.l4"],
        &["load", "--iface", "lo"],
        &["load", "edge.l4", "--iface", "lo", "--hook", "other"],
        &["load", "edge.l4", "--iface", "lo", "--policy", "a.b"],
        &["load", "edge.l4", "--iface", "lo", "--xdp-mode", "fast"],
        &["unload"],
        &["unload", "--all", "--iface", "lo"],
        &["stats", "--interval", "1"],
        &["stats", "--interval", "1ms"],
    ] {
        let ran = dir.run(args);
        assert_eq!(ran.code, 2, "{args:?}\n{}", ran.err);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{args:?}");
    }
}

#[test]
fn a_slip_gets_the_right_word() {
    Dir::new().run(&["chekc", "x"]).code(2).says("check");
    edge().run(&["compile", "edge.l4", "--emit", "after:frob"]).code(2).says("gvn");
}

#[test]
fn what_a_later_version_brings_says_so() {
    let dir = edge();
    for args in [
        &["load", "edge.l4", "--socket", "1:3"][..],
        &["load", "edge.l4", "--cgroup", "/sys/fs/cgroup"],
        &["top"],
        &["exporter", "--listen", "127.0.0.1:9100"],
        &["diff", "a", "b"],
        &["import", "iptables", "-"],
        &["man"],
        &["explain-error", "E0001"],
        &["top", "--help"],
        &["compile", "edge.l4", "--kernel", "6.1"],
        &["compile", "edge.l4", "--emit", "cbpf"],
        &["run", "edge.l4", "--pcap", "edge.pcap", "--report", "x.html"],
    ] {
        dir.run(args).code(2).says("not supported yet");
    }
    assert_eq!(dir.list(), ["edge.l4", "edge.pcap"]);
}

#[test]
fn help_shows_examples_and_what_comes_later() {
    let dir = Dir::new();
    let help = dir.run(&["--help"]).code(0);
    for command in COMMANDS.iter().chain(&["exporter", "Exit codes"]) {
        assert!(help.out.contains(command), "{command}");
    }
    for command in COMMANDS {
        dir.run(&[command, "--help"]).code(0).prints("Examples:");
    }
    dir.run(&["--version"]).code(0).prints("l4c ");
}

#[test]
fn a_capture_of_nothing_is_refused() {
    let dir = Dir::new();
    let capture = |args: &[&str]| dir.run(&[&["capture", "--pin", "none"], args].concat());
    capture(&[]).code(3).says("nothing is loaded");
    capture(&["--policy", "p"]).code(3).says("no policy `p` is loaded");
    capture(&["--count", "0"]).code(2).says("0 is not in 1..");
    capture(&["-w", "x.pcapng"]).code(3);
    assert!(dir.list().is_empty(), "nothing was written");
}

#[test]
fn flags_can_come_from_the_environment() {
    let dir = edge();
    let with =
        |name: &str, value: &str, args: &[&str]| finish(dir.command(args).env(name, value), b"");
    let run = ["run", "edge.l4", "--pcap", "edge.pcap"];
    let ran = with("L4C_FORMAT", "json", &run).code(0);
    assert_eq!(ran.json().len(), 1);
    with("L4C_ENGINE", "reference", &run).code(0).prints("(reference)");
    with("L4C_ENGINE", "gpu", &run).code(2);
    with("L4C_HOOK", "other", &run).code(2).says("edge");
    let ran = with("L4C_QUIET", "true", &["check", "edge.l4"]).code(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[test]
fn colours_come_only_when_asked_for() {
    let dir = Dir::new();
    let plain = dir.run(&["check", "-e", "all -> dorp"]).code(1);
    assert!(!plain.err.contains('\x1b'));
    let loud = dir.run(&["check", "--color", "always", "-e", "all -> dorp"]).code(1);
    assert!(loud.err.contains("\x1b["));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Dir::new().run(&["completions", shell]).code(0);
        for command in COMMANDS {
            assert!(ran.out.contains(command), "{shell} {command}");
        }
        assert!(!ran.out.contains("exporter"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = edge();
    for args in [
        &["run", "edge.l4", "--pcap", "edge.pcap", "--per-packet"][..],
        &["check", "edge.l4"],
        &["completions", "bash"],
        &["--help"],
        &["compile", "edge.l4", "--emit", "asm"],
    ] {
        let mut child =
            dir.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), err.as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn output_that_can_not_be_written_is_told() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let dir = edge();
    let mut command = dir.command(&["completions", "bash"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the output"));
}
