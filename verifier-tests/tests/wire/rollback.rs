//! Back to the version before, and forth.

use super::{Ask, equal, expect_counts, on_wire, opened, send, sent, states, synced, words};
use l4c_runtime::policy::{Loaded, State};
use l4c_verifier_tests::wire::{Lab, Line, compiled};
use std::slice::from_ref;

const FIRST: &str = "hook xdp edge {
    sync: udp.dport == 9      -> pass
    kept: udp.dport == 1001   -> drop
    old:  udp.dport == 1002   -> drop
}
";

const SECOND: &str = "hook xdp edge {
    new:  udp.dport == 1003   -> drop
    kept: udp.dport == 1001   -> pass
    sync: udp.dport == 9      -> pass
}
";

fn roll_back(lab: &Lab) -> Result<Loaded, String> {
    opened(lab, |locked| locked.rollback("turns").map_err(|e| words(&e)))
}

/// Sends 10, 20 and 30 packets to the three ports; tells how many of each arrived.
fn traffic(line: &mut Line, lab: &Lab) -> Result<[usize; 3], String> {
    let mut send = |port, count| send(line, lab, 0, port, count);
    Ok([send(1001, 10)?, send(1002, 20)?, send(1003, 30)?])
}

#[test]
fn rollback() {
    on_wire(1, |lab| {
        let iface = lab.veths[0].receiver_iface.as_str();
        let (first, second) = (compiled(FIRST)?, compiled(SECOND)?);
        let ask = |object| Ask::new("turns", object, from_ref(&iface));
        let loaded = ask(&first).load(lab)?;
        equal("rows", &states(&loaded.rows), &vec![(iface, State::Attached)])?;
        let first_id = loaded.rows[0].prog_id;
        match roll_back(lab) {
            Err(why) if why.contains("no version before") => {}
            other => return Err(format!("rollback of the first version: {other:?}")),
        }
        let mut line = Line::new(lab, &lab.veths[0])?;
        let first_passes = [0, 0, 30];
        let second_passes = [10, 20, 0];
        equal("first", &traffic(&mut line, lab)?, &first_passes)?;
        let counts = [sent("kept", 10), sent("old", 20), sent("default", 30), synced(&line)];
        expect_counts(lab, "turns", &counts)?;

        let loaded = ask(&second).load(lab)?;
        equal("what starts anew", &loaded.anew, &vec!["edge new".to_owned()])?;
        equal("second", &traffic(&mut line, lab)?, &second_passes)?;
        let counts = [sent("kept", 20), sent("new", 30), sent("default", 50), synced(&line)];
        expect_counts(lab, "turns", &counts)?;

        let back = roll_back(lab)?;
        equal("rows", &states(&back.rows), &vec![(iface, State::Replaced)])?;
        equal("program", &back.rows[0].prog_id, &first_id)?;
        equal("program", &lab.xdp_id(iface)?, &Some(u64::from(first_id)))?;
        equal("back", &traffic(&mut line, lab)?, &first_passes)?;
        let counts = [sent("kept", 30), sent("old", 40), sent("default", 80), synced(&line)];
        expect_counts(lab, "turns", &counts)?;

        roll_back(lab)?;
        equal("forth", &traffic(&mut line, lab)?, &second_passes)?;
        let counts = [sent("kept", 40), sent("new", 60), sent("default", 100), synced(&line)];
        expect_counts(lab, "turns", &counts)?;

        // A load after that counts on from here; what was away begins at nothing.
        let loaded = ask(&first).load(lab)?;
        equal("what starts anew", &loaded.anew, &vec!["edge old".to_owned()])?;
        equal("first again", &traffic(&mut line, lab)?, &first_passes)?;
        let counts = [sent("kept", 50), sent("old", 20), sent("default", 130), synced(&line)];
        expect_counts(lab, "turns", &counts)?;
        let turns = [20, 30, 40, 50].map(|ten| {
            roll_back(lab).and_then(|_| {
                equal("turn", &traffic(&mut line, lab)?.len(), &3)?;
                Ok(ten)
            })
        });
        turns.into_iter().collect::<Result<Vec<i32>, String>>()?;
        // Second, first, second, first: the rules that both have saw all of it.
        let counts = [
            sent("kept", 90),
            sent("old", 60),
            sent("default", 130 + 20 + 30 + 20 + 30),
            synced(&line),
        ];
        expect_counts(lab, "turns", &counts)?;
        eprintln!("rollback: six turns, every packet where it belongs");
        Ok(())
    });
}
