//! What is attached stays, whoever goes; and how it is taken off without us.

use super::{
    Ask, FREED_WITHIN, HOOK, equal, expect_counts, on_wire, rows, send, sent, states, synced,
    until_bare,
};
use l4c_runtime::policy::{HookTarget, LoadRequest, Root, State, XdpChoice};
use l4c_verifier_tests::wire::{KernelId, Lab, Line, compiled, run, until};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

const RULES: &str = "hook xdp edge {
    sync:  udp.dport == 9      -> pass
    shut:  udp.dport == 1001   -> drop
}
";

/// Pin folder and interface of the process that loads and dies.
const CHILD: [&str; 2] = ["L4C_WIRE_PINS", "L4C_WIRE_IFACE"];

const SIGABRT: i32 = 6;

/// No test: what the next one starts as a process.
#[test]
#[ignore = "another test starts it"]
fn loads_and_dies() {
    let [Ok(pins), Ok(iface)] = CHILD.map(std::env::var) else { return };
    let object = compiled(RULES).expect("they compile");
    let request = LoadRequest {
        policy: "orphan",
        object: &object,
        targets: &[HookTarget { hook: HOOK.to_owned(), iface }],
        mode: XdpChoice::Auto,
        replace: false,
        replace_foreign: false,
        stop: &AtomicBool::new(false),
    };
    let locked = Root::new(pins).open(&mut || ()).expect("the folder may be had");
    locked.load(&request).expect("the interface is free");
    // Nothing is dropped, nothing said to anybody.
    std::process::abort();
}

/// Lets another process load, which is dead when this returns.
fn loaded_by_the_dead(lab: &Lab) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let iface = lab.veths[0].receiver_iface.as_str();
    let mut child = Command::new(own);
    child.args(["survive::loads_and_dies", "--exact", "--ignored", "--nocapture"]);
    child.env(CHILD[0], lab.pins.path()).env(CHILD[1], iface).stdin(Stdio::null());
    let output = lab.receiver.within(|| child.output()).map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    equal(
        &format!("end of the process, which said {said}"),
        &output.status.signal(),
        &Some(SIGABRT),
    )
}

#[test]
fn the_loader_s_death_and_a_plain_off() {
    on_wire(1, |lab| {
        loaded_by_the_dead(lab)?;
        let iface = lab.veths[0].receiver_iface.as_str();
        let mut line = Line::new(lab, &lab.veths[0])?;
        equal("arrived", &send(&mut line, lab, 0, 1001, 100)?, &0)?;
        equal("status", &states(&rows(lab)?), &vec![(iface, State::Attached)])?;
        expect_counts(lab, "orphan", &[sent("shut", 100), synced(&line), sent("default", 0)])?;

        for flavour in ["xdp", "xdpdrv", "xdpgeneric"] {
            let off = ["-n", lab.receiver.name(), "link", "set", "dev", iface, flavour, "off"];
            // The kernel refuses to take off what a link holds; in another mode there is nothing to.
            let refused = run("ip", &off);
            if flavour != "xdpgeneric" && refused.is_ok() {
                return Err(format!("{flavour} off is not refused"));
            }
        }
        equal("arrived", &send(&mut line, lab, 0, 1001, 100)?, &0)?;
        expect_counts(lab, "orphan", &[sent("shut", 200), synced(&line), sent("default", 0)])?;

        // Somebody else's load over it counts on.
        let object = compiled(RULES)?;
        let loaded = Ask::new("orphan", &object, &[]).load(lab)?;
        equal("rows", &states(&loaded.rows), &vec![(iface, State::Replaced)])?;
        equal("arrived", &send(&mut line, lab, 0, 1001, 100)?, &0)?;
        expect_counts(lab, "orphan", &[sent("shut", 300), synced(&line), sent("default", 0)])
    });
}

#[test]
fn without_its_pins_it_goes() {
    on_wire(1, |lab| {
        let object = compiled(RULES)?;
        let iface = lab.veths[0].receiver_iface.as_str();
        Ask::new("brittle", &object, &[iface]).load(lab)?;
        let ids = KernelId::pinned_under(&lab.pins.policy("brittle"))?;
        let mut line = Line::new(lab, &lab.veths[0])?;
        equal("arrived", &send(&mut line, lab, 0, 1001, 10)?, &0)?;
        let folder = lab.pins.path().display().to_string();
        run("rm", &["-r", &folder])?;
        until_bare(lab, iface)?;
        equal("arrived", &send(&mut line, lab, 0, 1001, 10)?, &10)?;
        until(FREED_WITHIN, || {
            let all = KernelId::all()?;
            let left: Vec<&KernelId> = ids.iter().filter(|id| all.contains(id)).collect();
            Ok((!left.is_empty()).then(|| format!("the kernel still has {left:?}")))
        })?;
        equal("status", &rows(lab)?.len(), &0)?;
        // As if nothing had been.
        let loaded = Ask::new("brittle", &object, &[iface]).load(lab)?;
        equal("rows", &states(&loaded.rows), &vec![(iface, State::Attached)])
    });
}
