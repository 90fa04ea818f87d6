//! Many packets, several rules, each counted once.

use super::{Ask, FREED_WITHIN, HOOK, counted, equal, on_wire, opened, unload, words};
use l4c_runtime::Counter;
use l4c_runtime::net::XdpMode;
use l4c_runtime::policy::{Unload, XdpChoice};
use l4c_verifier_tests::wire::{
    Counts, FRAME_BYTES, KernelId, Lab, Line, Received, SYNC_BYTES, SYNC_PORT, compiled, ipv4,
    numbered, tcp, udp, until,
};
use std::net::Ipv4Addr;
use std::slice::from_ref;
use std::time::Instant;

const PACKETS: u32 = 100_000;

const RULES: &str = "hook xdp edge {
    default pass
    listed:  src in 198.51.100.0/24                                  -> drop
    flood:   udp.dport == 7000 and len > 500                         -> count floods, drop
    queries: udp.dport == 53                                         -> count queries, pass
    scan:    tcp.flags & (syn|ack) == syn and tcp.dport in { 22, 23 } -> drop
    pings:   icmp                                                    -> drop
    sync:    udp.dport == 9                                          -> pass
}
";

const LISTED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 255);
const BESIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 101, 0);
const SYN: u8 = 2;
const ACK: u8 = 16;

/// What is sent in turn: protocol, payload for data of so many bytes, the rule that takes it.
struct Sort {
    src: Ipv4Addr,
    protocol: u8,
    payload: fn(&[u8]) -> Vec<u8>,
    /// Fewest and most bytes of data, with a number at their end.
    data_bytes: (usize, usize),
    rule: &'static str,
    counter: Option<&'static str>,
    passes: bool,
}

/// 500 bytes of IP are 472 of data behind the headers.
const SORTS: [Sort; 9] = [
    sort(LISTED, 17, |data| udp(4000, 53, data), (4, 1400), "listed", false),
    Sort {
        counter: Some("count queries"),
        ..sort(BESIDE, 17, |data| udp(4000, 53, data), (4, 300), "queries", true)
    },
    Sort {
        counter: Some("count floods"),
        ..sort(BESIDE, 17, |data| udp(53, 7000, data), (473, 1400), "flood", false)
    },
    sort(BESIDE, 17, |data| udp(53, 7000, data), (400, 472), "default", true),
    sort(BESIDE, 6, |data| tcp(4000, 22, SYN, data), (4, 20), "scan", false),
    sort(BESIDE, 6, |data| tcp(4000, 22, SYN | ACK, data), (4, 20), "default", true),
    sort(BESIDE, 6, |data| tcp(4000, 24, SYN, data), (4, 20), "default", true),
    sort(BESIDE, 1, |data| [&[8, 0, 0, 0, 0, 1, 0, 1], data].concat(), (4, 1000), "pings", false),
    sort(BESIDE, 47, <[u8]>::to_vec, (4, 64), "default", true),
];

const fn sort(
    src: Ipv4Addr,
    protocol: u8,
    payload: fn(&[u8]) -> Vec<u8>,
    data_bytes: (usize, usize),
    rule: &'static str,
    passes: bool,
) -> Sort {
    Sort { src, protocol, payload, data_bytes, rule, counter: None, passes }
}

/// Sends everything; gives what must be counted and what must arrive.
fn send_all(line: &mut Line, to: Ipv4Addr) -> Result<(Counts, Vec<Received>), String> {
    let mut counts: Counts =
        SORTS.iter().map(|sort| (sort.rule.to_owned(), Counter::default())).collect();
    let mut arrive = Vec::new();
    for number in 0..PACKETS {
        let sort = &SORTS[number as usize % SORTS.len()];
        let (fewest, most) = sort.data_bytes;
        let data_bytes = fewest + number as usize * 7 % (most - fewest + 1);
        let payload = (sort.payload)(&numbered(data_bytes, number));
        let packet = ipv4(sort.src, to, sort.protocol, &payload);
        line.send(&packet)?;
        let bytes = packet.len() as u64 + FRAME_BYTES;
        for name in [Some(sort.rule), sort.counter].into_iter().flatten() {
            let counter = counts.entry(name.to_owned()).or_default();
            *counter = *counter + Counter { packets: 1, bytes };
        }
        if sort.passes {
            arrive.push(Received { number, bytes });
        }
    }
    line.finish()?;
    let syncs = Counter { packets: line.syncs, bytes: line.syncs * SYNC_BYTES };
    counts.insert("sync".to_owned(), syncs);
    Ok((counts, arrive))
}

fn a_hundred_thousand(lab: &Lab, choice: XdpChoice, mode: XdpMode) -> Result<(), String> {
    assert!(RULES.contains(&format!("udp.dport == {SYNC_PORT} ")));
    let object = compiled(RULES)?;
    let veth = &lab.veths[0];
    let iface = veth.receiver_iface.as_str();
    let ask = Ask { mode: choice, ..Ask::new("traffic", &object, from_ref(&iface)) };
    let loaded = ask.load(lab)?;
    equal("mode", &loaded.rows[0].mode, &Some(mode))?;
    equal("notes", &loaded.notes, &Vec::new())?;
    let id = lab.xdp_id(iface)?;
    equal("program", &id, &Some(u64::from(loaded.rows[0].prog_id)))?;

    let mut line = Line::new(lab, veth)?;
    let begun = Instant::now();
    let (want, mut arrive) = send_all(&mut line, veth.receiver)?;
    let took = begun.elapsed();
    equal("counters", &counted(lab, "traffic")?, &want)?;
    line.received.sort_unstable();
    arrive.sort_unstable();
    if line.received != arrive {
        let odd = line.received.iter().zip(&arrive).find(|(is, want)| is != want);
        let (is, want) = (line.received.len(), arrive.len());
        return Err(format!("{is} of {want} arrived; first that is wrong: {odd:?}"));
    }
    eprintln!(
        "{}: {PACKETS} packets and {} between them in {took:.1?}: {} arrived, as they should",
        mode.name(),
        line.syncs,
        arrive.len()
    );
    gone_without_trace(lab, iface)
}

/// Unloads, and looks for anything left.
fn gone_without_trace(lab: &Lab, iface: &str) -> Result<(), String> {
    let ids = KernelId::pinned_under(&lab.pins.policy("traffic"))?;
    // Program, counters, record, link.
    if ids.len() < 4 {
        return Err(format!("only {ids:?} are pinned"));
    }
    let there = KernelId::all()?;
    equal("those seen", &ids.iter().all(|id| there.contains(id)), &true)?;
    let rows = unload(lab, Unload::Policy { name: Some("traffic"), ifaces: &[] })?;
    equal("rows", &rows.len(), &1)?;
    equal("program", &lab.xdp_id(iface)?, &None)?;
    let left: Vec<_> = lab.pins.path().read_dir().map_err(|e| e.to_string())?.collect();
    equal("pins", &left.len(), &0)?;
    until(FREED_WITHIN, || {
        let all = KernelId::all()?;
        let left: Vec<&KernelId> = ids.iter().filter(|id| all.contains(id)).collect();
        Ok((!left.is_empty()).then(|| format!("the kernel still has {left:?}")))
    })?;
    let none = opened(lab, |locked| locked.stats("traffic").map_err(|e| words(&e)));
    match none {
        Err(why) if why.contains("no policy `traffic`") => Ok(()),
        other => Err(format!("stats of {HOOK}: {other:?}")),
    }
}

#[test]
fn a_hundred_thousand_packets_native() {
    on_wire(1, |lab| a_hundred_thousand(lab, XdpChoice::Auto, XdpMode::Native));
}

#[test]
fn a_hundred_thousand_packets_generic() {
    on_wire(1, |lab| a_hundred_thousand(lab, XdpChoice::Generic, XdpMode::Generic));
}
