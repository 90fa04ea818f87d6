//! The commands of `docs/emergency.md`, tried.

use super::loading::Host;
use super::support::{edge, finish};
use std::process::Command;
use std::time::{Duration, Instant};

/// The command below a mark of the page, for the pin folder and the interface of a test.
fn command(mark: &str, host: &Host) -> String {
    let path = format!("{}/../docs/emergency.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- emergency: {mark} -->\n```sh\n")).expect(mark);
    let (command, _) = rest.split_once("```").unwrap();
    command.replace("/sys/fs/bpf/l4c", host.pin.to_str().unwrap()).replace("eth0", "lo")
}

/// What a command prints, run in the test's namespace; grep that finds nothing is fine.
fn sh(host: &Host, script: &str) -> String {
    let netns = format!("--net=/run/netns/{}", host.netns);
    let ran = finish(Command::new("nsenter").args([&netns, "bash", "-c", script]), b"");
    assert!(ran.code == 0 || ran.out.is_empty(), "{script}: {}", ran.err);
    ran.out
}

/// The kernel lets go of a link a moment after its pin.
#[track_caller]
fn is_off(host: &Host) {
    let check = command("check", host);
    let end = Instant::now() + Duration::from_secs(5);
    while !sh(host, &check).is_empty() {
        assert!(Instant::now() < end, "{}", sh(host, &check));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn loaded() -> Option<Host> {
    let host = Host::new(edge())?;
    host.load(&[]).code(0);
    let seen = sh(&host, &command("check", &host));
    assert!(seen.contains("xdpgeneric") && seen.contains("prog/xdp id"), "{seen}");
    Some(host)
}

#[test]
fn removing_the_pin_folder_takes_everything_off() {
    let Some(host) = loaded() else { return };
    sh(&host, &command("off", &host));
    is_off(&host);
    assert!(!host.pin.exists());
    // And nothing is in the way of a new beginning.
    host.load(&[]).code(0).prints("attached");
}

#[test]
fn links_can_be_detached_by_bpftool() {
    let Some(host) = loaded() else { return };
    // What iproute2 can't do, as the page says.
    let netns = format!("--net=/run/netns/{}", host.netns);
    let off = [&netns, "ip", "link", "set", "dev", "lo", "xdpgeneric", "off"];
    let ran = finish(Command::new("nsenter").args(off), b"");
    assert!(ran.code != 0 && ran.err.contains("XDP link"), "{}", ran.err);
    let tool = Command::new("bpftool").arg("version").output();
    if tool.is_err() {
        assert!(std::env::var_os("L4C_REQUIRE_KERNEL").is_none(), "no bpftool");
        eprintln!("SKIPPED: no bpftool");
        return;
    }
    sh(&host, &command("detach", &host));
    is_off(&host);
    host.run(&["status"]).code(0).prints("detached");
    // The next load puts it on again.
    host.load(&[]).code(0).prints("attached");
    assert!(!sh(&host, &command("check", &host)).is_empty());
}
