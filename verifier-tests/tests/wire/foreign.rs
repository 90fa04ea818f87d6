//! Interfaces that others hold: other policies, programs of others.

use super::{
    Ask, counted, equal, expect_counts, on_wire, opened, rows, send, sent, states, synced, words,
};
use l4c_runtime::Object;
use l4c_runtime::net::XdpMode;
use l4c_runtime::policy::{State, XdpChoice};
use l4c_verifier_tests::wire::{Lab, Line, Pins, compiled, run, unique};
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const RULES: &str = "hook xdp edge {
    sync:  udp.dport == 9      -> pass
    shut:  udp.dport == 1001   -> drop
}
";

/// What somebody else runs; its hook is his program's name.
fn of_another(program: &str) -> Result<Object, String> {
    compiled(&format!("hook xdp {program} {{\n    theirs: udp.dport == 1002 -> drop\n}}\n"))
}

/// A program that `bpftool` put on an interface of the receiver, without a link.
struct Foreign {
    file: PathBuf,
    pin: PathBuf,
}

impl Foreign {
    /// `mode` as `bpftool net attach` has it.
    fn attach(lab: &Lab, program: &str, iface: &str, mode: &str) -> Result<Self, String> {
        let name = unique("foreign");
        let file = std::env::temp_dir().join(format!("{name}.o"));
        let foreign = Self { file, pin: Path::new("/sys/fs/bpf").join(name) };
        std::fs::write(&foreign.file, of_another(program)?.elf()).map_err(|e| e.to_string())?;
        let (file, pin) = (foreign.file.display().to_string(), foreign.pin.display().to_string());
        run("bpftool", &["prog", "load", &file, &pin])?;
        lab.receiver
            .within(|| run("bpftool", &["net", "attach", mode, "pinned", &pin, "dev", iface]))?;
        Ok(foreign)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // What was never made can't be removed.
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_file(&self.pin);
    }
}

/// An interface of every namespace, whose driver runs no XDP programs.
const NOT_NATIVE: &str = "lo";

fn holds(text: &str, parts: &[&str]) -> Result<(), String> {
    match parts.iter().find(|part| !text.contains(*part)) {
        Some(part) => Err(format!("no `{part}` in: {text}")),
        None => Ok(()),
    }
}

/// Names of the policies that are there.
fn names(lab: &Lab) -> Result<Vec<String>, String> {
    opened(lab, |locked| locked.names().map_err(|e| words(&e)))
}

#[test]
fn another_policy_is_refused_or_replaced_without_a_gap() {
    on_wire(2, |lab| {
        let object = compiled(RULES)?;
        let [first, second] = [0, 1].map(|at| lab.veths[at].receiver_iface.as_str());
        let one = Ask::new("one", &object, &[first, second]).load(lab)?;
        let ask = Ask::new("two", &object, from_ref(&first));
        let id = format!("program {}", one.rows[0].prog_id);
        holds(&ask.refusal(lab)?, &["`one`", first, &id, "native", "--replace"])?;
        equal("policies", &names(lab)?, &vec!["one".to_owned()])?;

        let mut line = Line::new(lab, &lab.veths[0])?;
        let stop = AtomicBool::new(false);
        let (loaded, arrived, bursts) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let (mut arrived, mut bursts) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    arrived += send(&mut line, lab, 0, 1001, 32)?;
                    bursts += 1;
                }
                line.finish()?;
                Ok::<_, String>((arrived, bursts))
            });
            std::thread::sleep(Duration::from_millis(50));
            let loaded = Ask { replace: true, ..ask }.load(lab);
            std::thread::sleep(Duration::from_millis(50));
            stop.store(true, Ordering::Relaxed);
            let sent = sender.join().unwrap_or_else(|_| Err("the sender panicked".to_owned()))?;
            Ok::<_, String>((loaded?, sent.0, sent.1))
        })?;
        holds(&loaded.notes.join("\n"), &["`one`", first])?;
        equal("rows", &states(&loaded.rows), &vec![(first, State::Replaced)])?;
        equal("arrived", &arrived, &0)?;
        let (one, two) = (counted(lab, "one")?["shut"], counted(lab, "two")?["shut"]);
        if one.packets == 0 || two.packets == 0 {
            return Err(format!("not both judged: {one:?}, {two:?}"));
        }
        equal("judged", &(one + two).packets, &(32 * bursts))?;
        eprintln!("taken over: {} packets judged before, {} after", one.packets, two.packets);
        let want = vec![(second, State::Attached), (first, State::Attached)];
        equal("status", &states(&rows(lab)?), &want)?;

        // The last place of a policy is taken: it is gone.
        Ask { replace: true, ..Ask::new("two", &object, &[second]) }.load(lab)?;
        equal("policies", &names(lab)?, &vec!["two".to_owned()])
    });
}

#[test]
fn a_policy_gets_its_place_back_when_another_fails() {
    on_wire(1, |lab| {
        let object = compiled(RULES)?;
        let first = lab.veths[0].receiver_iface.as_str();
        let one = Ask::new("one", &object, &[first]).load(lab)?;
        let mut line = Line::new(lab, &lab.veths[0])?;
        equal("arrived", &send(&mut line, lab, 0, 1001, 10)?, &0)?;
        let ifaces = [first, NOT_NATIVE];
        let ask =
            Ask { replace: true, mode: XdpChoice::Native, ..Ask::new("two", &object, &ifaces) };
        holds(&ask.refusal(lab)?, &[NOT_NATIVE])?;
        equal("policies", &names(lab)?, &vec!["one".to_owned()])?;
        equal("program", &lab.xdp_id(first)?, &Some(u64::from(one.rows[0].prog_id)))?;
        equal("status", &states(&rows(lab)?), &vec![(first, State::Attached)])?;
        equal("arrived", &send(&mut line, lab, 0, 1001, 10)?, &0)?;
        expect_counts(lab, "one", &[sent("shut", 20), synced(&line), sent("default", 0)])
    });
}

#[test]
fn a_program_of_others_is_refused_replaced_and_put_back() {
    on_wire(1, |lab| {
        let object = compiled(RULES)?;
        let first = lab.veths[0].receiver_iface.as_str();
        let foreign = Foreign::attach(lab, "guest", first, "xdpgeneric")?;
        let theirs = lab.xdp_id(first)?.ok_or("bpftool attached nothing")?;
        let text = format!("program {theirs} (`guest`, generic)");
        let seen = opened(lab, |locked| locked.foreign().map_err(|e| words(&e)))?;
        equal("foreign", &seen.len(), &1)?;
        let is = (seen[0].target.as_str(), seen[0].mode, seen[0].name.as_deref());
        equal("foreign", &is, &(first, XdpMode::Generic, Some("guest")))?;
        equal("foreign", &u64::from(seen[0].prog_id), &theirs)?;

        let ask = Ask::new("ours", &object, from_ref(&first));
        holds(&ask.refusal(lab)?, &[first, &text, "--replace-foreign"])?;
        // That other switch is for policies.
        holds(&Ask { replace: true, ..ask }.refusal(lab)?, &[first, &text])?;
        equal("program", &lab.xdp_id(first)?, &Some(theirs))?;

        // What fails behind it puts it back.
        let ifaces = [first, NOT_NATIVE];
        let fails = Ask {
            replace_foreign: true,
            mode: XdpChoice::Native,
            ..Ask::new("ours", &object, &ifaces)
        };
        holds(&fails.refusal(lab)?, &[NOT_NATIVE])?;
        equal("program", &lab.xdp_id(first)?, &Some(theirs))?;
        equal("policies", &names(lab)?, &Vec::new())?;
        let seen_again = opened(lab, |locked| locked.foreign().map_err(|e| words(&e)))?;
        equal("foreign", &seen_again, &seen)?;
        let mut line = Line::new(lab, &lab.veths[0])?;
        equal("theirs", &send(&mut line, lab, 0, 1002, 10)?, &0)?;
        equal("ours", &send(&mut line, lab, 0, 1001, 10)?, &10)?;

        let loaded = Ask { replace_foreign: true, ..ask }.load(lab)?;
        holds(&loaded.notes.join("\n"), &[first, &text])?;
        equal("rows", &states(&loaded.rows), &vec![(first, State::Attached)])?;
        equal("mode", &loaded.rows[0].mode, &Some(XdpMode::Native))?;
        equal("foreign", &opened(lab, |l| l.foreign().map_err(|e| words(&e)))?, &Vec::new())?;
        equal("theirs", &send(&mut line, lab, 0, 1002, 10)?, &10)?;
        equal("ours", &send(&mut line, lab, 0, 1001, 10)?, &0)?;
        drop(foreign);
        Ok(())
    });
}

#[test]
fn a_link_of_others_is_refused_and_replaced() {
    on_wire(1, |lab| {
        let object = compiled(RULES)?;
        let first = lab.veths[0].receiver_iface.as_str();
        // A policy of another pin folder is a stranger's.
        let elsewhere = Pins::new();
        let theirs =
            Ask { mode: XdpChoice::Generic, ..Ask::new("theirs", &object, from_ref(&first)) };
        let stranger = theirs.load_into(lab, &elsewhere)?;
        let text = format!("program {} (`edge`, generic)", stranger.rows[0].prog_id);
        let ask = Ask::new("ours", &object, from_ref(&first));
        holds(&ask.refusal(lab)?, &[first, &text, "--replace-foreign"])?;
        let loaded = Ask { replace_foreign: true, ..ask }.load(lab)?;
        equal("rows", &states(&loaded.rows), &vec![(first, State::Attached)])?;
        let mut line = Line::new(lab, &lab.veths[0])?;
        equal("ours", &send(&mut line, lab, 0, 1001, 10)?, &0)?;
        expect_counts(lab, "ours", &[sent("shut", 10), synced(&line), sent("default", 0)])
    });
}

#[test]
fn a_dispatcher_is_never_replaced() {
    on_wire(1, |lab| {
        let object = compiled(RULES)?;
        let first = lab.veths[0].receiver_iface.as_str();
        let dispatcher = Foreign::attach(lab, "xdp_dispatcher", first, "xdpdrv")?;
        let theirs = lab.xdp_id(first)?.ok_or("bpftool attached nothing")?;
        let ask = Ask::new("ours", &object, from_ref(&first));
        let (replace, replace_foreign) = (true, true);
        for ask in [ask, Ask { replace, replace_foreign, ..ask }] {
            let text = format!("program {theirs} (`xdp_dispatcher`, native)");
            holds(&ask.refusal(lab)?, &[first, &text, "libxdp"])?;
            equal("program", &lab.xdp_id(first)?, &Some(theirs))?;
        }
        drop(dispatcher);
        Ok(())
    });
}
