//! A policy replaced again and again while packets arrive: each is judged by one version or the other, and
//! counted once.

use super::{Ask, counted, equal, on_wire};
use l4c_runtime::Counter;
use l4c_runtime::policy::State;
use l4c_verifier_tests::wire::{FRAME_BYTES, Lab, Line, SYNC_BYTES, compiled, ipv4, numbered, udp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const REPLACEMENTS: usize = 1_000;

/// Between two bursts: packets come all the time, and the other side gets something done.
const BREATH: Duration = Duration::from_millis(1);

/// The same labels, opposite verdicts.
const VERSIONS: [&str; 2] = [
    "hook xdp edge {
    sync: udp.dport == 9       -> pass
    even: udp.dport & 1 == 0   -> count dropped, drop
    odd:  udp.dport & 1 == 1   -> count passed, pass
}
",
    "hook xdp edge {
    odd:  udp.dport & 1 == 1 and udp.dport != 9   -> count dropped, drop
    even: udp.dport & 1 == 0   -> count passed, pass
    sync: udp.dport == 9       -> pass
}
",
];

/// What went out: to even ports and to odd ones.
type Sent = [Counter; 2];

/// Sends numbered packets until told to stop.
fn keep_sending(line: &mut Line, lab: &Lab, stop: &AtomicBool) -> Result<Sent, String> {
    let (ends, mut sent) = (&lab.veths[0], Sent::default());
    let mut number = 0u32;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..64 {
            let odd = number & 1;
            let port = if odd == 1 { 6001 } else { 6000 };
            let data = numbered(4 + number as usize % 90, number);
            let packet = ipv4(ends.sender, ends.receiver, 17, &udp(4000, port, &data));
            line.send(&packet)?;
            let bytes = packet.len() as u64 + FRAME_BYTES;
            sent[odd as usize] = sent[odd as usize] + Counter { packets: 1, bytes };
            number += 1;
        }
        std::thread::sleep(BREATH);
    }
    line.finish()?;
    Ok(sent)
}

/// Loads the two versions in turn; gives the time of all and of the longest.
fn replace(lab: &Lab, iface: &str) -> Result<(Duration, Duration), String> {
    let versions = [compiled(VERSIONS[0])?, compiled(VERSIONS[1])?];
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    for round in 1..=REPLACEMENTS {
        let one = Instant::now();
        let loaded = Ask::new("twins", &versions[round % 2], &[iface]).load(lab)?;
        longest = longest.max(one.elapsed());
        equal("state", &loaded.rows[0].state, &State::Replaced)?;
        equal("what starts anew", &loaded.anew, &Vec::new())?;
    }
    Ok((begun.elapsed(), longest))
}

#[test]
fn a_thousand_replacements() {
    on_wire(1, |lab| {
        let iface = lab.veths[0].receiver_iface.as_str();
        Ask::new("twins", &compiled(VERSIONS[0])?, &[iface]).load(lab)?;
        let mut line = Line::new(lab, &lab.veths[0])?;
        let stop = AtomicBool::new(false);
        let (replaced, sent) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| keep_sending(&mut line, lab, &stop));
            let replaced = replace(lab, iface);
            stop.store(true, Ordering::Relaxed);
            (replaced, sender.join().unwrap_or_else(|_| Err("the sender panicked".to_owned())))
        });
        let ((took, longest), [even, odd]) = (replaced?, sent?);
        let each = f64::from(u32::try_from(REPLACEMENTS).expect("few")) / took.as_secs_f64();
        eprintln!(
            "{REPLACEMENTS} replacements in {took:.1?}: {each:.0} a second, the longest {longest:.1?}; \
             {} packets, {} arrived",
            even.packets + odd.packets,
            line.received.len()
        );

        let is = counted(lab, "twins")?;
        equal("even ports", &is["even"], &even)?;
        equal("odd ports", &is["odd"], &odd)?;
        let syncs = Counter { packets: line.syncs, bytes: line.syncs * SYNC_BYTES };
        equal("sync", &is["sync"], &syncs)?;
        equal("default", &is["default"], &Counter::default())?;
        equal("both verdicts", &(is["count dropped"] + is["count passed"]), &(even + odd))?;
        let bytes = line.received.iter().map(|one| one.bytes).sum();
        let arrived = Counter { packets: line.received.len() as u64, bytes };
        equal("arrived", &arrived, &is["count passed"])?;

        let [evens, odds] =
            [0, 1].map(|bit| line.received.iter().filter(|one| one.number & 1 == bit).count());
        if evens == 0 || odds == 0 {
            return Err(format!("only one version judged: {evens} even and {odds} odd arrived"));
        }
        line.received.sort_unstable();
        line.received.dedup();
        equal("different packets", &(line.received.len() as u64), &arrived.packets)?;
        if took > Duration::from_secs(60) {
            return Err(format!("it took {took:.1?}"));
        }
        Ok(())
    });
}
