//! Sets that change while packets ask them: each packet is judged by the old elements or the new, and what is in
//! both is never missed.

use super::{Ask, counted, equal, on_wire, opened, words};
use l4c_compiler::check::elements_of;
use l4c_manifest::Key;
use l4c_runtime::policy::LoadedSet;
use l4c_verifier_tests::wire::{Lab, Line, compiled, ipv4, numbered, udp};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Changes while packets arrive, and reloads.
const CHANGES: usize = 120;
const RELOADS: usize = 20;

/// Between two bursts: packets come all the time, and the other side gets something done.
const BREATH: Duration = Duration::from_millis(1);

/// In every list, in none, in the first, in the second.
const ALWAYS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const NEVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const FIRST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 130);
/// Put there and taken out again, by itself.
const GUEST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
/// The rules declare it.
const DECLARED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const RULES: &str = "set s: prefix { 192.0.2.1  dynamic  max 1000 }
set met: addr { dynamic  timeout 1h  max 1000 }
hook xdp edge {
    sync:     udp.dport == 9                                       -> pass
    torn:     udp.dport == 7 and src in @s and dst in @s           -> drop
    between:  udp.dport == 7 and src not in @s and dst not in @s   -> drop
    either:   udp.dport == 7                                       -> drop
    again:    udp.dport == 6 and src in @met                       -> drop
    meet:     udp.dport == 6                                       -> add src to @met, drop
    listed:   src in @s                                            -> drop
    rest:     all                                                  -> drop
}
";

/// Sends what is always in the set, what never is, and pairs of which one is.
fn keep_sending(line: &mut Line, lab: &Lab, stop: &AtomicBool) -> Result<u64, String> {
    let (to, mut number) = (lab.veths[0].receiver, 0u32);
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..16 {
            let mut send = |src, dst, port| {
                number += 1;
                line.send(&ipv4(src, dst, 17, &udp(4000, port, &numbered(8, number))))
            };
            send(ALWAYS, to, 5)?;
            send(NEVER, to, 5)?;
            send(FIRST, SECOND, 7)?;
            send(GUEST, to, 5)?;
            send(NEVER, to, 6)?;
            rounds += 1;
        }
        std::thread::sleep(BREATH);
    }
    line.finish()?;
    Ok(rounds)
}

fn keys(which: &LoadedSet, words: &[&str]) -> Vec<Key> {
    words.iter().flat_map(|word| elements_of(&which.set, word).unwrap_or_default()).collect()
}

/// Changes the set again and again; gives how often it did.
fn change(lab: &Lab, iface: &str) -> Result<(), String> {
    let object = compiled(RULES)?;
    let lists = [
        ["198.51.100.1", "203.0.113.0/25", "192.0.2.1"],
        ["198.51.100.0/31", "203.0.113.128/25", "192.0.2.1"],
    ];
    for round in 0..CHANGES {
        opened(lab, |locked| {
            let sets = locked.sets("sets").map_err(|e| words(&e))?;
            let which = sets.iter().find(|set| set.set.name == "s").ok_or("no set")?;
            let list = keys(which, &lists[round % 2]);
            locked.replace(which, &list, None).map_err(|e| words(&e))?;
            let guest = keys(which, &["192.0.2.77"]);
            equal(
                "put there",
                &locked.add(which, &guest, None).map_err(|e| words(&e))?.elements,
                &1,
            )?;
            equal("is there", &locked.has(which, &guest).map_err(|e| words(&e))?, &vec![true])?;
            equal("taken out", &locked.del(which, &guest).map_err(|e| words(&e))?.elements, &1)?;
            equal("is not there", &locked.has(which, &guest).map_err(|e| words(&e))?, &vec![false])
        })?;
        if round % (CHANGES / RELOADS) == 0 {
            Ask::new("sets", &object, &[iface]).load(lab)?;
        }
    }
    Ok(())
}

#[test]
fn changes_misjudge_no_packet() {
    on_wire(1, |lab| {
        let iface = lab.veths[0].receiver_iface.as_str();
        Ask::new("sets", &compiled(RULES)?, &[iface]).load(lab)?;
        opened(lab, |locked| {
            let sets = locked.sets("sets").map_err(|e| words(&e))?;
            let which = sets.iter().find(|set| set.set.name == "s").ok_or("no set")?;
            let list = keys(which, &["198.51.100.1", "203.0.113.0/25"]);
            locked.replace(which, &list, None).map(drop).map_err(|e| words(&e))
        })?;
        let mut line = Line::new(lab, &lab.veths[0])?;
        let (stop, begin) = (AtomicBool::new(false), Instant::now());
        let (changed, sent) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| keep_sending(&mut line, lab, &stop));
            let changed = change(lab, iface);
            stop.store(true, Ordering::Relaxed);
            (changed, sender.join().unwrap_or_else(|_| Err("the sender panicked".to_owned())))
        });
        changed?;
        let rounds = sent?;
        eprintln!(
            "{CHANGES} changes and {RELOADS} reloads in {:.1?}; {} packets",
            begin.elapsed(),
            rounds * 5
        );
        let is = counted(lab, "sets")?;
        equal("in both of a pair", &is["torn"].packets, &0)?;
        equal("in none of a pair", &is["between"].packets, &0)?;
        equal("in one of a pair", &is["either"].packets, &rounds)?;
        equal("met before", &is["again"].packets, &(rounds - 1))?;
        // What is always in the set, and the guest for as long as it is there.
        let guests = is["listed"].packets.checked_sub(rounds).ok_or("one was missed")?;
        if guests == 0 || guests == rounds {
            return Err(format!("the guest was seen {guests} times of {rounds}"));
        }
        equal("all others", &is["rest"].packets, &(2 * rounds - guests))
    });
}

#[test]
fn what_is_declared_follows_the_rules_and_the_rest_stays() {
    on_wire(1, |lab| {
        let iface = lab.veths[0].receiver_iface.as_str();
        let has = |wanted: &[(Ipv4Addr, bool)]| {
            opened(lab, |locked| {
                let sets = locked.sets("sets").map_err(|e| words(&e))?;
                let which = sets.iter().find(|set| set.set.name == "s").ok_or("no set")?;
                for (address, wanted) in wanted {
                    let key = keys(which, &[&address.to_string()]);
                    let has = locked.has(which, &key).map_err(|e| words(&e))?;
                    equal(&format!("{address}"), &has, &vec![*wanted])?;
                }
                Ok(())
            })
        };
        let without = RULES.replace("{ 192.0.2.1 ", "{ 203.0.113.1 ");
        Ask::new("sets", &compiled(RULES)?, &[iface]).load(lab)?;
        opened(lab, |locked| {
            let sets = locked.sets("sets").map_err(|e| words(&e))?;
            let which = sets.iter().find(|set| set.set.name == "s").ok_or("no set")?;
            let by_hand = keys(which, &["192.0.2.77", "203.0.113.1"]);
            let soon = keys(which, &["198.51.100.1"]);
            locked.add(which, &soon, Some(400_000_000)).map_err(|e| words(&e))?;
            locked.add(which, &by_hand, None).map(drop).map_err(|e| words(&e))
        })?;
        has(&[(DECLARED, true), (GUEST, true), (FIRST, true), (ALWAYS, true), (NEVER, false)])?;
        Ask::new("sets", &compiled(&without)?, &[iface]).load(lab)?;
        has(&[(DECLARED, false), (GUEST, true), (FIRST, true), (ALWAYS, true)])?;
        std::thread::sleep(Duration::from_millis(500));
        has(&[(ALWAYS, false)])?;
        opened(lab, |locked| locked.rollback("sets").map(drop).map_err(|e| words(&e)))?;
        has(&[(DECLARED, true), (GUEST, true), (FIRST, true), (ALWAYS, false)])?;
        opened(lab, |locked| {
            let sets = locked.sets("sets").map_err(|e| words(&e))?;
            let which = sets.iter().find(|set| set.set.name == "s").ok_or("no set")?;
            locked.replace(which, &[], None).map(drop).map_err(|e| words(&e))
        })?;
        has(&[(DECLARED, false), (GUEST, false), (FIRST, false)])?;
        // Another `max` is another set, which starts with what is declared.
        let larger = RULES.replace("max 1000 }\nset met", "max 2000 }\nset met");
        Ask::new("sets", &compiled(&larger)?, &[iface]).load(lab)?;
        has(&[(DECLARED, true), (GUEST, false)])
    });
}
