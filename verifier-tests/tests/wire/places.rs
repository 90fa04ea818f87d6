//! One policy in several places, which come and go.

use super::{Ask, equal, expect_counts, on_wire, rows, send, sent, states, synced, unload};
use l4c_runtime::policy::{State, Unload};
use l4c_verifier_tests::wire::{Line, compiled, run};

const RULES: &str = "hook xdp edge {
    sync:  udp.dport == 9      -> pass
    shut:  udp.dport == 1001   -> drop
}
";

#[test]
fn two_interfaces() {
    on_wire(2, |lab| {
        let object = compiled(RULES)?;
        let [first, second] = [0, 1].map(|at| lab.veths[at].receiver_iface.as_str());
        let mut lines = [Line::new(lab, &lab.veths[0])?, Line::new(lab, &lab.veths[1])?];
        Ask::new("both", &object, &[first]).load(lab)?;
        let mut arrived = |veth: usize| send(&mut lines[veth], lab, veth, 1001, 10);
        equal("the first", &arrived(0)?, &0)?;
        equal("the second", &arrived(1)?, &10)?;

        // A place is added; the other goes on.
        let loaded = Ask::new("both", &object, &[second]).load(lab)?;
        let want = vec![(first, State::Replaced), (second, State::Attached)];
        equal("rows", &states(&loaded.rows), &want)?;
        equal("the first", &arrived(0)?, &0)?;
        equal("the second", &arrived(1)?, &0)?;
        let want = vec![(first, State::Attached), (second, State::Attached)];
        equal("status", &states(&rows(lab)?), &want)?;
        // One hook, one set of counters, wherever it runs.
        let syncs = synced(&lines[0]).1 + synced(&lines[1]).1 - 1;
        let sync_bytes = syncs * l4c_verifier_tests::wire::SYNC_BYTES;
        let counts = [sent("shut", 30), ("sync", syncs, sync_bytes), sent("default", 0)];
        expect_counts(lab, "both", &counts)?;

        // One is taken off; the other goes on.
        let ifaces = [first.to_owned()];
        let taken = unload(lab, Unload::Policy { name: None, ifaces: &ifaces })?;
        equal("taken off", &states(&taken), &vec![(first, State::Detached)])?;
        let mut arrived = |veth: usize| send(&mut lines[veth], lab, veth, 1001, 10);
        equal("the first", &arrived(0)?, &10)?;
        equal("the second", &arrived(1)?, &0)?;
        equal("status", &states(&rows(lab)?), &vec![(second, State::Attached)])?;

        // Back on the first, then the second goes without being asked.
        Ask::new("both", &object, &[first]).load(lab)?;
        run("ip", &["-n", lab.receiver.name(), "link", "del", second])?;
        let seen = rows(lab)?;
        let seen: Vec<State> = seen.iter().map(|row| row.state).collect();
        equal("status", &seen, &vec![State::Attached, State::Gone])?;
        let loaded = Ask::new("both", &object, &[]).load(lab)?;
        equal("rows", &states(&loaded.rows), &vec![(first, State::Replaced)])?;
        equal("status", &states(&rows(lab)?), &vec![(first, State::Attached)])?;
        let mut arrived = |veth: usize| send(&mut lines[veth], lab, veth, 1001, 10);
        equal("the first", &arrived(0)?, &0)?;
        Ok(())
    });
}

#[test]
fn the_only_interface_goes() {
    on_wire(2, |lab| {
        let object = compiled(RULES)?;
        let [first, second] = [0, 1].map(|at| lab.veths[at].receiver_iface.as_str());
        let mut line = Line::new(lab, &lab.veths[1])?;
        Ask::new("lonely", &object, &[first]).load(lab)?;
        run("ip", &["-n", lab.receiver.name(), "link", "del", first])?;
        let seen: Vec<State> = rows(lab)?.iter().map(|row| row.state).collect();
        equal("status", &seen, &vec![State::Gone])?;
        let loaded = Ask::new("lonely", &object, &[second]).load(lab)?;
        equal("rows", &states(&loaded.rows), &vec![(second, State::Attached)])?;
        equal("arrived", &send(&mut line, lab, 1, 1001, 10)?, &0)?;
        expect_counts(lab, "lonely", &[sent("shut", 10), synced(&line), sent("default", 0)])?;
        run("ip", &["-n", lab.receiver.name(), "link", "del", second])?;
        let taken = unload(lab, Unload::All)?;
        equal("taken off", &taken.len(), &1)?;
        equal("status", &rows(lab)?.len(), &0)
    });
}

#[test]
fn a_check_changes_nothing() {
    on_wire(2, |lab| {
        let object = compiled(RULES)?;
        let [first, second] = [0, 1].map(|at| lab.veths[at].receiver_iface.as_str());
        let ask = |ifaces| Ask::new("trial", &object, ifaces);
        let [both, only] = [vec![first, second], vec![first]];
        let checked = ask(&both).check(lab)?;
        let want = vec![(first, State::WouldAttach), (second, State::WouldAttach)];
        equal("rows", &states(&checked.rows), &want)?;
        equal("status", &rows(lab)?.len(), &0)?;
        equal("programs", &(lab.xdp_id(first)?, lab.xdp_id(second)?), &(None, None))?;

        let loaded = ask(&only).load(lab)?;
        let checked = ask(&both).check(lab)?;
        let want = vec![(first, State::WouldReplace), (second, State::WouldAttach)];
        equal("rows", &states(&checked.rows), &want)?;
        equal("program", &lab.xdp_id(first)?, &Some(u64::from(loaded.rows[0].prog_id)))?;
        equal("program", &lab.xdp_id(second)?, &None)?;
        equal("status", &states(&rows(lab)?), &vec![(first, State::Attached)])
    });
}
