//! Limits under fire: two CPUs at once, more sources than there is room for.
//!
//! `L4C_PACKETS` says with how many packets; a million if it is left out, which a build machine has time for.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[path = "limits/conns.rs"]
mod conns;
#[path = "limits/sketch.rs"]
mod sketch;

use l4c_compiler::pipeline::Options;
use l4c_compiler::{Clock, OptLevel};
use l4c_golden::bench;
use l4c_manifest::HookKind;
use l4c_runtime::Object;
use l4c_runtime::kernel::Program;
use l4c_verifier_tests::{kernel, or_skip};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::Barrier;
use std::time::Instant;

/// Packets of one call of the kernel, at least and at most: each call waits for the other CPU.
const BATCH: [u64; 2] = [500, 100_000];

/// A call of `bpf_spin_lock` or of `bpf_spin_unlock`, and `r0 = 0` in its place.
const LOCKS: [[u8; 8]; 2] = [[0x85, 0, 0, 0, 93, 0, 0, 0], [0x85, 0, 0, 0, 94, 0, 0, 0]];
const NO_LOCK: [u8; 8] = [0xb7, 0, 0, 0, 0, 0, 0, 0];

fn packets() -> u64 {
    std::env::var("L4C_PACKETS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

/// Sources that send at once; each call of the kernel waits for the other CPU, so that many take minutes.
fn crowd() -> u32 {
    if packets() > 5_000_000 { 1000 } else { 50 }
}

fn object(rules: &str, clock: Clock) -> Vec<u8> {
    let rules = bench::text(rules, HookKind::Xdp).unwrap_or_else(|e| panic!("{e:?}"));
    let options = Options { level: OptLevel::O2, clock, ..Options::default() };
    rules.compiled_as(options).unwrap().elf
}

/// The same object without its locks.
fn unlocked(mut elf: Vec<u8>) -> Vec<u8> {
    let mut taken = 0;
    for insn in elf.chunks_exact_mut(8).filter(|insn| LOCKS.iter().any(|lock| *insn == lock)) {
        insn.copy_from_slice(&NO_LOCK);
        taken += 1;
    }
    assert!(taken >= 2, "there are locks to take out");
    elf
}

/// UDP from this source, 42 bytes.
fn frame(src: u32) -> Vec<u8> {
    let mut frame = vec![0; 42];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[17] = 28;
    frame[22] = 64;
    frame[23] = 17;
    frame[26..30].copy_from_slice(&src.to_be_bytes());
    frame[30] = 9;
    frame[39] = 8;
    frame
}

/// What was let through, and in how many nanoseconds.
struct Through {
    packets: u64,
    took_ns: u64,
}

/// Two CPUs send from all sources at once.
fn hammer(program: &mut Program, sources: u32, packets: u64) -> Through {
    let (barrier, shared) = (Barrier::new(3), &*program);
    let each = packets.div_ceil(2 * u64::from(sources));
    let batch = (each / 8).clamp(BATCH[0], BATCH[1]) as u32;
    let rounds = each.div_ceil(u64::from(batch));
    let took_ns = std::thread::scope(|scope| {
        for cpu in 0..2 {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut cpus = CpuSet::new();
                cpus.set(cpu);
                sched_setaffinity(None, &cpus).unwrap();
                let frames: Vec<Vec<u8>> = (0..sources).map(|n| frame(0x0a00_0000 + n)).collect();
                barrier.wait();
                for _ in 0..rounds {
                    for frame in &frames {
                        shared.repeat(frame, batch).unwrap();
                    }
                }
                barrier.wait();
            });
        }
        let begin = Instant::now();
        barrier.wait();
        barrier.wait();
        begin.elapsed().as_nanos() as u64
    });
    let counters = program.counters().unwrap();
    let sent = counters[0].packets + counters[1].packets;
    assert_eq!(sent, rounds * 2 * u64::from(sources) * u64::from(batch), "none is lost");
    Through { packets: counters[1].packets, took_ns }
}

fn rules(limit: &str) -> String {
    format!("limit each {{ {limit} }}\nhook xdp h {{ ip and over(each) -> drop }}")
}

fn may_run() -> bool {
    or_skip(kernel()).unwrap_or_else(|why| panic!("{why}")).is_some()
        && std::thread::available_parallelism().is_ok_and(|n| n.get() >= 2)
}

/// Rate and burst, in packets; the whole limit.
const LIMITS: [(f64, u64, &str); 6] = [
    (1e6, 1000, "rate 1M packets/s burst 1000 per src"),
    (1e5, 10_000, "rate 100k packets/s burst 10k per src"),
    (7e5, 20, "rate 700k packets/s burst 20 per src"),
    (1e6, 1000, "rate 1M packets/s burst 1000"),
    (1e6, 1000, "rate 1M packets/s burst 1000 per src storage word"),
    (1e6, 20_000, "rate 1M packets/s burst 20k per src, dst, proto max 2000"),
];

/// On the kernel's own clocks, no more than rate and burst allow.
#[test]
fn two_cpus_get_no_more_than_one() {
    if !may_run() {
        return;
    }
    for (per_second, burst, limit) in LIMITS {
        let object = Object::parse(&object(&rules(limit), Clock::Kernel)).unwrap();
        for sources in [1, crowd()] {
            let mut program = Program::load_live(&object, "h").unwrap();
            let through = hammer(&mut program, sources, packets());
            let buckets = if limit.contains("per") { sources } else { 1 };
            let each = per_second * through.took_ns as f64 / 1e9 + burst as f64;
            let allowed = each * f64::from(buckets);
            eprintln!(
                "{limit}, {sources} sources: {} of {allowed:.0} allowed, {} ms",
                through.packets,
                through.took_ns / 1_000_000
            );
            assert!(through.packets as f64 <= allowed, "{limit}, {sources} sources");
        }
    }
}

/// Where time stands still, exactly what a bucket holds: a packet that two CPUs both let through would be one more.
fn stopped(elf: &[u8], sources: u32, burst: u64) -> u64 {
    let mut program = Program::load(&Object::parse(elf).unwrap(), "h").unwrap();
    let through = hammer(&mut program, sources, packets().max(burst * u64::from(sources) * 2));
    through.packets
}

/// A burst that takes both CPUs a while to spend.
const DEEP: [&str; 4] = [
    "rate 1M packets/s burst 1M per src",
    "rate 1M packets/s burst 1M",
    "rate 1M packets/s burst 1M per src storage word",
    "quota 1M packets per src, dport",
];

#[test]
fn a_bucket_is_spent_once() {
    if !may_run() {
        return;
    }
    for limit in DEEP {
        let elf = object(&rules(&limit.replace("dport", "dst")), Clock::Injected);
        assert_eq!(stopped(&elf, 1, 1_000_000), 1_000_000, "{limit}");
        let elf = object(&rules(&limit.replace("1M per", "1k per")), Clock::Injected);
        if limit.contains("burst 1M per") {
            assert_eq!(stopped(&elf, 1000, 1000), 1_000_000, "{limit}, 1000 sources");
        }
    }
}

/// The same test catches a limit that does not lock.
#[test]
fn without_the_lock_it_is_spent_twice() {
    if !may_run() {
        return;
    }
    let elf = unlocked(object(&rules(DEEP[0]), Clock::Injected));
    // Chance: two CPUs must read the same bucket before either writes it.
    let caught = (0..20).any(|_| {
        let through = stopped(&elf, 1, 1_000_000);
        eprintln!("without lock: {through} of 1000000");
        through > 1_000_000
    });
    assert!(caught, "two CPUs without a lock were never caught");
}

/// Addresses at random, never the same in a row.
struct Sources(u64);

impl Iterator for Sources {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        // Knuth's MMIX generator, its upper half.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((self.0 >> 32) as u32)
    }
}

/// Counter slots of a hook with one rule and one limit.
const DROPPED: usize = 0;
const OVER: usize = 2;
const FULL: usize = 3;

fn program(limit: &str) -> Program {
    let elf = object(&rules(limit), Clock::Injected);
    Program::load(&Object::parse(&elf).unwrap(), "h").unwrap()
}

fn count(program: &Program, slot: usize) -> u64 {
    program.counters().unwrap()[slot].packets
}

#[test]
fn keys_find_room_but_for_one_in_a_thousand() {
    if !may_run() {
        return;
    }
    for storage in ["lock", "word"] {
        for keys in [100, 3000, 50_000] {
            let mut program =
                program(&format!("rate 1/h burst 1 per src max {keys} storage {storage}"));
            let sources = Sources(keys).take(keys as usize);
            sources.for_each(|src| _ = program.run(&frame(src)).unwrap());
            let lost = count(&program, FULL);
            eprintln!("{storage}, {keys} keys: {lost} found no room");
            // Two deviations more than the mean, for this is one sample.
            let allowed = keys as f64 / 1000.0;
            assert!(lost as f64 <= allowed + 2.0 * allowed.sqrt(), "{storage}, {keys}: {lost}");
        }
    }
}

#[test]
fn a_flood_of_sources_does_not_free_a_heavy_one() {
    if !may_run() {
        return;
    }
    let max = packets() / 10;
    for storage in ["lock", "word"] {
        let mut program =
            program(&format!("rate 1000/s burst 2000 per src max {max} storage {storage}"));
        let heavy = frame(0x0a00_0001);
        program.repeat(&heavy, 2100).unwrap();
        assert_eq!(count(&program, DROPPED), 100);
        for src in Sources(7).take(packets() as usize) {
            program.run(&frame(src)).unwrap();
        }
        let evicted = count(&program, FULL);
        eprintln!("{storage}, max {max}: {} sources, {evicted} evictions", packets());
        assert!(evicted > packets() / 4, "{storage}: {evicted}");
        let before = count(&program, DROPPED);
        program.repeat(&heavy, 100).unwrap();
        assert_eq!(count(&program, DROPPED) - before, 100, "{storage}: it is limited still");
        // Its time comes when it comes to everybody.
        program.set_time(10_000_000).unwrap();
        program.repeat(&heavy, 100).unwrap();
        assert_eq!(count(&program, DROPPED) - before, 190, "{storage}");
    }
}

#[test]
fn a_full_table_does_what_the_rule_says() {
    if !may_run() {
        return;
    }
    for storage in ["lock", "word"] {
        for (full, drops) in [("evict", false), ("drop", true), ("pass", false)] {
            let mut program =
                program(&format!("rate 1/h burst 1 per src max 100 full {full} storage {storage}"));
            let sources: Vec<u32> = Sources(3).take(5000).collect();
            for &src in &sources {
                program.run(&frame(src)).unwrap();
            }
            let (met_full, dropped) = (count(&program, FULL), count(&program, DROPPED));
            assert!(met_full > 4000, "{full} {storage}: {met_full}");
            assert_eq!(dropped, if drops { met_full } else { 0 }, "{full} {storage}");
            assert_eq!(count(&program, OVER), dropped, "{full} {storage}");
            // The first have their buckets still, unless others took them.
            let before = count(&program, DROPPED);
            sources[..20].iter().for_each(|&src| _ = program.run(&frame(src)).unwrap());
            let again = count(&program, DROPPED) - before;
            assert_eq!(again == 20, full != "evict", "{full} {storage}: {again}");
        }
    }
}

/// Exactly so many of all that came, whoever of the two CPUs brought them.
#[test]
fn nth_picks_exactly() {
    if !may_run() {
        return;
    }
    for (wanted, of) in [(3, 7), (1, 1000), (999, 1000), (1, 1)] {
        let rules = format!("hook xdp h {{ ip and nth {wanted}/{of} -> drop }}");
        let object = Object::parse(&object(&rules, Clock::Kernel)).unwrap();
        let mut program = Program::load_live(&object, "h").unwrap();
        let through = hammer(&mut program, 1, packets());
        let dropped = count(&program, DROPPED);
        let came = dropped + through.packets;
        eprintln!("nth {wanted}/{of}: {dropped} of {came}, {} ms", through.took_ns / 1_000_000);
        assert_eq!(dropped, came * wanted / of, "nth {wanted}/{of} of {came}");
    }
}

/// The same test catches rows that are not locked.
#[test]
fn without_the_lock_nth_loses_places() {
    if !may_run() {
        return;
    }
    let elf = unlocked(object("hook xdp h { ip and nth 1/2 -> drop }", Clock::Kernel));
    let caught = (0..20).any(|_| {
        let mut program = Program::load_live(&Object::parse(&elf).unwrap(), "h").unwrap();
        let through = hammer(&mut program, 1, packets());
        let dropped = count(&program, DROPPED);
        dropped != (dropped + through.packets) / 2
    });
    assert!(caught, "two CPUs without a lock were never caught");
}

/// Of many packets about as many as chance should pick: five deviations to either side.
#[test]
fn random_picks_its_share() {
    if !may_run() {
        return;
    }
    for (wanted, of) in [(1, 10), (1, 2), (999, 1000)] {
        let rules = format!("hook xdp h {{ ip and random {wanted}/{of} -> drop }}");
        let object = Object::parse(&object(&rules, Clock::Kernel)).unwrap();
        let mut program = Program::load_live(&object, "h").unwrap();
        let through = hammer(&mut program, 1, packets());
        let dropped = count(&program, DROPPED) as f64;
        let (came, share) = (dropped + through.packets as f64, f64::from(wanted) / f64::from(of));
        let (mean, deviation) = (came * share, (came * share * (1.0 - share)).sqrt());
        eprintln!("random {wanted}/{of}: {dropped} of {came}");
        assert!((dropped - mean).abs() < 5.0 * deviation, "{dropped} of {came}");
    }
}
