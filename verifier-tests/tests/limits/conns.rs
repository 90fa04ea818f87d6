//! Flows under fire: two CPUs that open them at once, more of them than there is room for.

use super::{DROPPED, FULL, OVER};
use super::{count, frame, may_run, object, unlocked};
use l4c_compiler::Clock;
use l4c_runtime::Object;
use l4c_runtime::kernel::Program;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::Barrier;
use std::time::Instant;

fn rules(conns: &str) -> String {
    format!("conns each {{ {conns} }}\nhook xdp h {{ ip and over(each) -> drop }}")
}

fn load(conns: &str) -> Program {
    let elf = object(&rules(conns), Clock::Injected);
    Program::load(&Object::parse(&elf).unwrap(), "h").unwrap()
}

/// UDP from this source and port.
fn flow(src: u32, port: u16) -> Vec<u8> {
    let mut frame = frame(src);
    frame[34..36].copy_from_slice(&port.to_be_bytes());
    frame
}

/// TCP from this source and port, with these flags.
fn tcp(src: u32, port: u16, flags: u8) -> Vec<u8> {
    let mut frame = flow(src, port);
    frame.resize(54, 0);
    (frame[17], frame[23], frame[46], frame[47]) = (40, 6, 0x50, flags);
    frame
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn passes(program: &mut Program, frame: &[u8]) -> bool {
    let before = count(program, DROPPED);
    program.run(frame).unwrap();
    count(program, DROPPED) == before
}

/// How many packets pass if two CPUs send a packet of each of their flows at once.
fn opened(elf: &[u8], sources: u32, ports: [std::ops::Range<u16>; 2]) -> u64 {
    let program = Program::load(&Object::parse(elf).unwrap(), "h").unwrap();
    let (barrier, shared) = (Barrier::new(2), &program);
    std::thread::scope(|scope| {
        for (cpu, ports) in ports.into_iter().enumerate() {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut cpus = CpuSet::new();
                cpus.set(cpu);
                sched_setaffinity(None, &cpus).unwrap();
                let flows = ports.flat_map(|port| (0..sources).map(move |src| flow(src, port)));
                let flows: Vec<Vec<u8>> = flows.collect();
                barrier.wait();
                flows.iter().for_each(|flow| shared.repeat(flow, 1).unwrap());
            });
        }
    });
    program.counters().unwrap()[1].packets
}

#[test]
fn two_cpus_open_no_more_than_are_allowed() {
    if !may_run() {
        return;
    }
    // Few enough keys that no two of them share a line.
    for (allowed, sources) in [(1, 1), (1, 300), (20, 1), (20, 60), (200, 5)] {
        let elf = object(
            &rules(&format!("allow {allowed} per src max 1M full drop idle 1h")),
            Clock::Injected,
        );
        let all = u64::from(sources) * allowed;
        assert_eq!(opened(&elf, sources, [0..300, 300..600]), all, "{allowed}, {sources}");
        // Of the same flows both CPUs have a packet, and each that is open lets both through.
        let same = opened(&elf, sources, [0..300, 0..300]);
        assert_eq!(same, 2 * all, "{allowed}, {sources}: the same flows");
    }
}

/// The same test catches lines that are not locked.
#[test]
fn without_the_lock_one_too_many_is_opened() {
    if !may_run() {
        return;
    }
    let elf = unlocked(object(&rules("allow 20 per src max 1M idle 1h"), Clock::Injected));
    let caught = (0..50).any(|_| opened(&elf, 20, [0..300, 300..600]) != 400);
    assert!(caught, "two CPUs without a lock were never caught");
}

#[test]
fn tcp_opens_by_syn_and_closes_by_fin_and_rst() {
    if !may_run() {
        return;
    }
    let mut program = load("allow 2 per src idle 1m");
    let mut sends = |port, flags| passes(&mut program, &tcp(9, port, flags));
    assert!(sends(1, ACK) && sends(2, SYN | ACK) && sends(3, RST), "they open nothing");
    assert!(sends(10, SYN) && sends(11, SYN) && !sends(12, SYN), "two are allowed");
    assert!(sends(10, ACK) && sends(12, ACK) && sends(13, FIN), "nor are they one too many");
    assert!(sends(10, FIN | ACK) && sends(12, SYN) && !sends(13, SYN), "a FIN makes room");
    assert!(sends(11, RST) && sends(13, SYN) && !sends(14, SYN), "so does a RST");
    assert!(sends(12, SYN) && sends(13, SYN), "a SYN may come twice");
}

#[test]
fn what_is_idle_makes_room() {
    if !may_run() {
        return;
    }
    let mut program = load("allow 2 per src idle 1s");
    assert!(passes(&mut program, &flow(9, 1)) && passes(&mut program, &flow(9, 2)));
    program.set_time(600_000_000).unwrap();
    assert!(passes(&mut program, &flow(9, 1)) && !passes(&mut program, &flow(9, 3)));
    program.set_time(1_000_000_000).unwrap();
    assert!(passes(&mut program, &flow(9, 3)) && !passes(&mut program, &flow(9, 2)));
    program.set_time(1_599_999_999).unwrap();
    assert!(!passes(&mut program, &flow(9, 2)));
    program.set_time(1_600_000_000).unwrap();
    assert!(passes(&mut program, &flow(9, 2)));
}

#[test]
fn flows_find_room_but_for_one_in_a_thousand() {
    if !may_run() {
        return;
    }
    for allowed in [1, 10, 40, 100, 200] {
        let flows = 50_000;
        let mut program = load(&format!("allow {allowed} per src max {flows}"));
        for src in super::Sources(allowed).take(flows as usize) {
            program.run(&flow(src, 7)).unwrap();
        }
        let lost = count(&program, FULL);
        eprintln!("allow {allowed}: {lost} of {flows} found no room");
        let mean = flows as f64 / 1000.0;
        assert!(lost as f64 <= mean + 2.0 * mean.sqrt(), "{allowed}: {lost}");
    }
}

#[test]
fn a_full_table_of_flows_does_what_the_rule_says() {
    if !may_run() {
        return;
    }
    for (full, drops) in [("evict", false), ("drop", true), ("pass", false)] {
        let mut program = load(&format!("allow 1 per src max 100 full {full}"));
        let sources: Vec<u32> = super::Sources(3).take(5000).collect();
        for &src in &sources {
            program.run(&flow(src, 7)).unwrap();
        }
        let (met_full, dropped) = (count(&program, FULL), count(&program, DROPPED));
        assert!(met_full > 4000, "{full}: {met_full}");
        assert_eq!(dropped, if drops { met_full } else { 0 }, "{full}");
        assert_eq!(count(&program, OVER), dropped, "{full}");
        // The first have their flows still, unless others took their place.
        let before = count(&program, DROPPED);
        sources[..20].iter().for_each(|&src| _ = program.run(&flow(src, 8)).unwrap());
        let again = count(&program, DROPPED) - before;
        assert_eq!(again == 20, full != "evict", "{full}: {again}");
    }
}

/// What a packet costs; figures, and no test of them: alone on a machine, with `--ignored --test-threads 1`.
#[test]
#[ignore = "it tells figures"]
fn a_flow_has_its_price() {
    if !may_run() {
        return;
    }
    for allowed in [5, 12, 24, 50, 101, 200] {
        let program = load(&format!("allow {allowed} per src max 100k"));
        let took = |frame: &[u8]| {
            let begin = Instant::now();
            program.repeat(frame, 1_000_000).unwrap();
            begin.elapsed().as_nanos() as u64 / 1_000_000
        };
        let of_no_flow = took(&tcp(9, 1, ACK));
        (0..allowed).for_each(|port| program.repeat(&flow(9, port), 1).unwrap());
        let (known, over) = (took(&flow(9, allowed - 1)), took(&flow(9, 999)));
        eprintln!("allow {allowed}: {of_no_flow} ns of no flow, {known} known, {over} over");
    }
}
