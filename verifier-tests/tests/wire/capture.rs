//! What `sample` picks, as `l4c capture` writes it.

use super::pcapng::{self, Packet};
use super::{Ask, PACKET_BYTES, equal, on_wire, send, unload};
use l4c_runtime::policy::{Unload, XdpChoice};
use l4c_verifier_tests::wire::{Lab, Line, compiled, unique, until};
use l4c_verifier_tests::{installed, l4c_binary, or_skip};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const RULES: &str = "chain web {
    odd: udp.dport == 55 -> drop, sample 1/1
}
hook xdp edge {
    sync: udp.dport == 9 -> pass
    every: udp.dport == 54 -> sample 1/1 snap 50
    flood: udp.dport == 53 -> drop, sample 1/10
    quiet: udp.dport == 56 -> drop
    udp.dport == 55 -> jump web
    default pass
}
";

/// The same rules under other names, each at another place.
const OTHER_RULES: &str = "hook xdp edge {
    sync: udp.dport == 9 -> pass
    twice: udp.dport == 54 -> sample 1/1, sample 1/1
    default drop, sample 1/1
}
";

const NOBODY: &str = "hook xdp edge {
    sync: udp.dport == 9 -> pass
    default pass
}
";

const PATIENCE: Duration = Duration::from_secs(20);

/// A capture that goes on, and the files that hold what it says.
struct Running {
    child: Child,
    said: PathBuf,
    written: PathBuf,
}

impl Running {
    /// Starts `l4c capture` in the receiver's namespace; what it says goes to a file.
    fn start(lab: &Lab, words: &[&str]) -> Result<Self, String> {
        let running = Self::start_any(lab, words)?;
        until(PATIENCE, || {
            let said = running.said()?;
            Ok((!said.contains("listening to")).then_some(said))
        })?;
        Ok(running)
    }

    fn start_any(lab: &Lab, words: &[&str]) -> Result<Self, String> {
        let folder = std::env::temp_dir();
        let name = unique("capture");
        let said = folder.join(format!("{name}.txt"));
        let written = folder.join(format!("{name}.pcapng"));
        let errors = File::create(&said).map_err(|e| format!("{}: {e}", said.display()))?;
        let mut command = Command::new(l4c_binary()?);
        command.arg("capture").args(words).arg("--pin").arg(lab.pins.path());
        command.arg("-w").arg(&written).stdin(Stdio::null()).stderr(errors);
        let child = lab.receiver.within(|| command.spawn()).map_err(|e| format!("l4c: {e}"))?;
        Ok(Self { child, said, written })
    }

    fn said(&self) -> Result<String, String> {
        read(&self.said).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends it as Ctrl-C does; gives what it wrote.
    fn interrupted(mut self, signal: Signal) -> Result<Vec<Packet>, String> {
        // What was sent has gone through; the rings are looked into every tenth of a second anyway.
        kill_process(Pid::from_child(&self.child), signal).map_err(|e| e.to_string())?;
        self.ended(0)
    }

    fn ended(&mut self, code: i32) -> Result<Vec<Packet>, String> {
        let status = self.child.wait().map_err(|e| e.to_string())?;
        let said = self.said()?;
        if status.code() != Some(code) {
            return Err(format!("{status}: {said}"));
        }
        let packets = pcapng::packets(&read(&self.written)?)?;
        let summary = format!("{} packets, 0 lost", packets.len());
        if said.contains(&summary) { Ok(packets) } else { Err(format!("no `{summary}`: {said}")) }
    }

    /// How it was refused.
    fn refused(mut self, code: i32) -> Result<String, String> {
        let status = self.child.wait().map_err(|e| e.to_string())?;
        let said = self.said()?;
        if status.code() == Some(code) { Ok(said) } else { Err(format!("{status}: {said}")) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for path in [&self.said, &self.written] {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn line(lab: &Lab) -> Result<Line, String> {
    Line::new(lab, &lab.veths[0])
}

fn load(lab: &Lab, rules: &str, mode: XdpChoice) -> Result<(), String> {
    let object = compiled(rules)?;
    let iface = lab.veths[0].receiver_iface.as_str();
    Ask { mode, ..Ask::new("p", &object, &[iface]) }.load(lab).map(drop)
}

/// How often a comment stands in a capture.
fn count(packets: &[Packet], comment: &str) -> usize {
    packets.iter().filter(|packet| packet.comment == comment).count()
}

fn a_flood_is_sampled(mode: XdpChoice) {
    on_wire(1, |lab| {
        load(lab, RULES, mode)?;
        let mut line = line(lab)?;
        let capture = Running::start(lab, &[])?;
        equal("let through", &send(&mut line, lab, 0, 54, 200)?, &200)?;
        equal("dropped", &send(&mut line, lab, 0, 53, 3000)?, &0)?;
        equal("dropped by the chain", &send(&mut line, lab, 0, 55, 7)?, &0)?;
        line.finish()?;
        let packets = capture.interrupted(Signal::INT)?;

        equal("every", &count(&packets, "rule every, goes on"), &200)?;
        equal("odd", &count(&packets, "rule web.odd, drop"), &7)?;
        let flood = count(&packets, "rule flood, drop");
        // 300 by binomial chance, with a deviation of 16.4: six of them to each side.
        if !(201..=399).contains(&flood) {
            return Err(format!("{flood} of 3000 are no tenth"));
        }
        equal("nothing else", &(200 + 7 + flood), &packets.len())?;
        for packet in &packets {
            let (port, bytes) = match packet.comment.as_str() {
                "rule every, goes on" => (54u16, 50),
                "rule flood, drop" => (53, PACKET_BYTES as usize),
                _ => (55, PACKET_BYTES as usize),
            };
            equal("interface", &packet.interface, &lab.veths[0].receiver_iface)?;
            equal("length", &u64::from(packet.orig_bytes), &PACKET_BYTES)?;
            equal("kept", &packet.data.len(), &bytes)?;
            equal("port", &packet.data[36..38], &port.to_be_bytes()[..])?;
        }
        let times: Vec<u64> = packets.iter().map(|packet| packet.time_ns).collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_err(|e| e.to_string())?.as_nanos() as u64;
        let recent = |&time: &u64| (now - 60_000_000_000..=now).contains(&time);
        equal("times", &times.iter().all(recent), &true)
    });
}

#[test]
fn a_flood_is_sampled_in_native_mode() {
    a_flood_is_sampled(XdpChoice::Native);
}

#[test]
fn a_flood_is_sampled_in_generic_mode() {
    a_flood_is_sampled(XdpChoice::Generic);
}

#[test]
fn tcpdump_shows_it_live() {
    let Some(()) = or_skip(installed("tcpdump")).unwrap_or_else(|why| panic!("{why}")) else {
        return;
    };
    on_wire(1, |lab| {
        load(lab, RULES, XdpChoice::Auto)?;
        let mut line = line(lab)?;
        let words = "\"$0\" capture --rule every --count 50 --pin \"$1\" | tcpdump -nn -r -";
        let mut command = Command::new("sh");
        command.args(["-c", words]).arg(l4c_binary()?).arg(lab.pins.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = lab.receiver.within(|| command.spawn()).map_err(|e| format!("sh: {e}"))?;
        // Whatever it misses before it listens: it ends when it has seen 50.
        let done = std::thread::scope(|scope| {
            let waits = scope.spawn(|| child.wait_with_output());
            let mut sent = 0;
            while !waits.is_finished() && sent < 100_000 {
                send(&mut line, lab, 0, 54, 10)?;
                send(&mut line, lab, 0, 53, 10)?;
                sent += 20;
                std::thread::sleep(Duration::from_millis(10));
            }
            let output = waits.join().map_err(|_| "no output".to_owned())?;
            output.map_err(|e| e.to_string())
        })?;
        let (out, err) =
            (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let flow = "IP 10.77.0.1.4000 > 10.77.0.2.54: UDP";
        let shown = out.lines().filter(|line| line.contains(flow)).count();
        equal(&format!("lines of tcpdump: {out}{err}"), &(shown, out.lines().count()), &(50, 50))?;
        equal(&format!("the end: {err}"), &err.contains("50 packets, 0 lost"), &true)
    });
}

#[test]
fn a_capture_goes_on_with_the_rules_that_take_the_place() {
    on_wire(1, |lab| {
        load(lab, RULES, XdpChoice::Auto)?;
        let mut line = line(lab)?;
        let mut capture = Running::start(lab, &["--policy", "p"])?;
        send(&mut line, lab, 0, 54, 20)?;
        load(lab, OTHER_RULES, XdpChoice::Auto)?;
        std::thread::sleep(Duration::from_millis(600));
        equal("let through", &send(&mut line, lab, 0, 54, 20)?, &0)?;
        load(lab, NOBODY, XdpChoice::Auto)?;
        std::thread::sleep(Duration::from_millis(600));
        send(&mut line, lab, 0, 54, 20)?;
        super::opened(lab, |locked| locked.rollback("p").map_err(|e| e.to_string()))?;
        std::thread::sleep(Duration::from_millis(600));
        send(&mut line, lab, 0, 54, 3)?;
        line.finish()?;
        unload(lab, Unload::All)?;
        let packets = capture.ended(0)?;
        let comments = ["rule every, goes on", "rule twice, goes on", "rule default, drop"];
        equal("packets", &comments.map(|c| count(&packets, c)), &[20, 46, 23])?;
        let said = capture.said()?;
        equal(&said, &said.contains("not loaded any more"), &true)
    });
}

#[test]
fn rules_in_shadow_sample() {
    on_wire(1, |lab| {
        let rules = std::env::temp_dir().join(format!("{}.l4", unique("shadow")));
        std::fs::write(&rules, RULES).map_err(|e| e.to_string())?;
        let mut command = Command::new(l4c_binary()?);
        command.arg("load").arg(&rules).args(["--policy", "p", "--shadow", "--iface"]);
        command.arg(&lab.veths[0].receiver_iface).arg("--pin").arg(lab.pins.path());
        let done = lab.receiver.within(|| command.output()).map_err(|e| e.to_string());
        let _ = std::fs::remove_file(&rules);
        equal("loaded", &done?.status.success(), &true)?;
        let mut line = line(lab)?;
        let capture = Running::start(lab, &[])?;
        equal("let through", &send(&mut line, lab, 0, 55, 30)?, &30)?;
        line.finish()?;
        let packets = capture.interrupted(Signal::INT)?;
        equal("odd", &count(&packets, "rule web.odd, drop (shadow)"), &30)
    });
}

#[test]
fn what_cannot_be_listened_to_is_told() {
    on_wire(1, |lab| {
        let refused = |words: &[&str], code, wanted: &str| {
            let said = Running::start_any(lab, words)?.refused(code)?;
            equal(&said, &said.contains(wanted), &true)
        };
        refused(&[], 3, "nothing is loaded")?;
        refused(&["--policy", "p"], 3, "no policy `p` is loaded")?;
        load(lab, NOBODY, XdpChoice::Auto)?;
        refused(&[], 2, "no rule of p samples")?;
        load(lab, RULES, XdpChoice::Auto)?;
        refused(&["--rule", "quiet"], 2, "add `sample 1/100` to the actions of `quiet`")?;
        refused(&["--rule", "floods"], 2, "no loaded rule is called `floods`")?;
        let first = Running::start(lab, &["--rule", "every"])?;
        refused(&["--rule", "flood"], 3, "somebody listens to policy `p` already")?;
        let mut line = line(lab)?;
        send(&mut line, lab, 0, 54, 5)?;
        send(&mut line, lab, 0, 55, 5)?;
        line.finish()?;
        let packets = first.interrupted(Signal::TERM)?;
        equal("every", &(count(&packets, "rule every, goes on"), packets.len()), &(5, 5))?;
        // Who is gone is in nobody's way.
        Running::start(lab, &["--rule", "flood"])?.interrupted(Signal::INT).map(drop)
    });
}
