//! Limits on the wire: what iptables' hashlimit says of the same packets, and what a bucket owes over a reload.

use super::{Ask, HOOK, equal, on_wire, opened, words};
use l4c_manifest::Rate;
use l4c_runtime::policy::HookStats;
use l4c_verifier_tests::wire::{Lab, Line, compiled, ipv4, run, udp};
use l4c_verifier_tests::{installed, or_skip};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Packets a second, and at once.
const PER_SECOND: u64 = 200;
const BURST: u64 = 50;
const PORT: u16 = 7000;

/// Sources, and after how many milliseconds each sends again: ten, two and half of what is allowed.
const SOURCES: [(Ipv4Addr, u64); 3] = [
    (Ipv4Addr::new(198, 51, 100, 1), 0),
    (Ipv4Addr::new(198, 51, 100, 2), 2),
    (Ipv4Addr::new(198, 51, 100, 3), 10),
];

fn counting(rate: u64) -> String {
    format!(
        "limit each {{ rate {rate} packets/s  burst {BURST}  per src  max 1000 }}
         hook xdp {HOOK} {{ over: udp.dport == {PORT} and over(each) -> count over }}"
    )
}

fn stats(lab: &Lab) -> Result<HookStats, String> {
    opened(lab, |locked| {
        let stats = locked.stats("limits").map_err(|e| words(&e))?;
        stats.into_iter().next().ok_or_else(|| "no hook".to_owned())
    })
}

fn over(lab: &Lab) -> Result<u64, String> {
    Ok(stats(lab)?.limits[0].over)
}

/// Sends for so long; gives the number of packets.
fn traffic(line: &mut Line, to: Ipv4Addr, time: Duration) -> Result<u64, String> {
    let (begin, mut sent, mut next_ms) = (Instant::now(), 0, [0; SOURCES.len()]);
    while begin.elapsed() < time {
        let now_ms = begin.elapsed().as_millis() as u64;
        for (&(src, every_ms), next) in SOURCES.iter().zip(&mut next_ms) {
            if now_ms >= *next {
                line.send(&ipv4(src, to, 17, &udp(4000, PORT, &[0; 8])))?;
                *next = now_ms + every_ms;
                sent += 1;
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    line.finish()?;
    Ok(sent)
}

/// Packets that the one rule of a table of iptables matched.
fn matched(lab: &Lab) -> Result<u64, String> {
    let table = lab.receiver.within(|| run("iptables", &["-t", "raw", "-vnxL", "PREROUTING"]))?;
    let rule = table.lines().nth(2).ok_or("no rule")?;
    let packets = rule.split_whitespace().next().and_then(|n| n.parse().ok());
    packets.ok_or_else(|| format!("no number of packets: {rule}"))
}

#[test]
fn hashlimit_says_the_same() {
    if or_skip(installed("iptables")).unwrap_or_else(|why| panic!("{why}")).is_none() {
        return;
    }
    on_wire(1, |lab| {
        let veth = &lab.veths[0];
        let (rate, burst) = (format!("{PER_SECOND}/sec"), BURST.to_string());
        let port = PORT.to_string();
        let rule = [
            "-t",
            "raw",
            "-A",
            "PREROUTING",
            "-p",
            "udp",
            "--dport",
            &port,
            "-m",
            "hashlimit",
            "--hashlimit-above",
            &rate,
            "--hashlimit-burst",
            &burst,
            "--hashlimit-mode",
            "srcip",
            "--hashlimit-name",
            "l4c",
        ];
        lab.receiver.within(|| run("iptables", &rule))?;
        let object = compiled(&counting(PER_SECOND))?;
        Ask::new("limits", &object, &[&veth.receiver_iface]).load(lab)?;
        let mut line = Line::new(lab, veth)?;
        let time = Duration::from_secs(4);
        let sent = traffic(&mut line, veth.receiver, time)?;
        let (ours, theirs) = (sent - over(lab)?, sent - matched(lab)?);
        eprintln!("{sent} sent; let through: l4c {ours}, hashlimit {theirs}");
        // The last source never comes near its limit; the first two have all that is allowed.
        let most = 2.0 * (PER_SECOND as f64 * time.as_secs_f64() + BURST as f64) + 400.0;
        let apart = ours.abs_diff(theirs) as f64;
        if apart > theirs as f64 / 100.0 + BURST as f64 || ours as f64 > most * 1.05 {
            return Err(format!("of {sent}: l4c lets {ours} through, hashlimit {theirs}"));
        }
        Ok(())
    });
}

/// A bucket that was spent stays spent, whatever the new rate: by a reload, by hand, and back again.
#[test]
fn another_rate_refills_nothing() {
    on_wire(1, |lab| {
        let veth = &lab.veths[0];
        let mut line = Line::new(lab, veth)?;
        let mut send = |packets: u64| {
            let before = over(lab)?;
            for _ in 0..packets {
                line.send(&ipv4(SOURCES[0].0, veth.receiver, 17, &udp(4000, PORT, &[0; 8])))?;
            }
            line.finish()?;
            Ok::<_, String>(packets - (over(lab)? - before))
        };
        let load = |object: &l4c_runtime::Object| {
            Ask::new("limits", object, &[&veth.receiver_iface]).load(lab)
        };
        // One packet in ten seconds: nothing comes back in this test.
        let slow = counting(1).replace("rate 1 packets/s", "rate 6/m");
        load(&compiled(&slow)?)?;
        equal("through at first", &send(80)?, &BURST)?;
        load(&compiled(&slow.replace("6/m", "7/m"))?)?;
        equal("after a reload", &(send(80)? <= 1), &true)?;
        opened(lab, |locked| {
            let limits = locked.limits("limits").map_err(|e| words(&e))?;
            let rate = Rate { amount: 5, per_ns: 60_000_000_000 };
            let set = locked.set_limit(&limits[0], Some(rate), None).map_err(|e| words(&e))?;
            let per_minute = set.per_second.unwrap_or(0.0) * 60.0;
            equal("the new rate", &((per_minute - 5.0).abs() < 1e-3), &true)
        })?;
        equal("after a change by hand", &(send(80)? <= 1), &true)?;
        opened(lab, |locked| locked.rollback("limits").map(drop).map_err(|e| words(&e)))?;
        equal("after a rollback", &(send(80)? <= 1), &true)?;
        let buckets = opened(lab, |locked| {
            let limits = locked.limits("limits").map_err(|e| words(&e))?;
            locked.buckets(&limits[0]).map_err(|e| words(&e))
        })?;
        let key = buckets[0].key.clone().unwrap_or_default();
        let mapped = u128::from(key[0]) << 64 | u128::from(key[1]);
        equal("the key", &(mapped as u32), &u32::from(SOURCES[0].0))?;
        // A higher one fills it as fast as it says.
        load(&compiled(&counting(1000))?)?;
        std::thread::sleep(Duration::from_millis(200));
        equal("at a high rate", &(send(BURST)? == BURST), &true)
    });
}
