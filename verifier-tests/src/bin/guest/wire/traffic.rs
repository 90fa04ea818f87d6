//! Packets of known rules, and what became of them.

use super::site::{Site, equal};
use l4c_runtime::Counter;
use l4c_verifier_tests::wire::{
    Counts, FRAME_BYTES, Line, SYNC_BYTES, Veth, ipv4, numbered, tcp, udp,
};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two bursts: packets come all the time, and the other side gets something done.
const BREATH: Duration = Duration::from_millis(1);

/// Packets of a burst.
const BURST: usize = 16;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// Who sends what is listed, and who does not.
const LISTED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 255);
const BESIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 101, 0);

/// What is sent in turn: the rule that takes it, where it comes from, protocol, destination port.
const SORTS: [(&str, Ipv4Addr, u8, u16); 5] = [
    ("even", BESIDE, UDP, 6000),
    ("odd", BESIDE, UDP, 6001),
    ("listed", LISTED, UDP, 6001),
    ("default", BESIDE, TCP, 6000),
    ("odd", BESIDE, UDP, 7),
];

/// A packet that went out; its number is its place.
struct Sent {
    rule: &'static str,
    bytes: u64,
}

/// Everything that was sent through the first pair of interfaces, and what arrived.
pub struct Traffic {
    line: Line,
    to: Ipv4Addr,
    sent: Vec<Sent>,
    /// Those before have been looked at.
    seen: usize,
}

impl Traffic {
    /// Opens the sockets.
    pub fn new(site: &Site<'_>) -> Result<Self, String> {
        let veth: &Veth = &site.lab.veths[0];
        let line = Line::new(site.lab, veth)?;
        Ok(Self { line, to: veth.receiver, sent: Vec::new(), seen: 0 })
    }

    /// Sends so many packets, of all sorts in turn, and waits for them.
    pub fn send(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            self.send_one()?;
        }
        self.line.finish()
    }

    /// Sends until told to stop.
    pub fn keep_sending(&mut self, stop: &AtomicBool) -> Result<(), String> {
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..BURST {
                self.send_one()?;
            }
            std::thread::sleep(BREATH);
        }
        self.line.finish()
    }

    fn send_one(&mut self) -> Result<(), String> {
        let at = self.sent.len();
        let (rule, src, protocol, port) = SORTS[at % SORTS.len()];
        let data = numbered(4 + at * 7 % 400, u32::try_from(at).expect("a few thousand are sent"));
        let payload =
            if protocol == UDP { udp(4000, port, &data) } else { tcp(4000, port, 2, &data) };
        let packet = ipv4(src, self.to, protocol, &payload);
        self.line.send(&packet)?;
        self.sent.push(Sent { rule, bytes: packet.len() as u64 + FRAME_BYTES });
        Ok(())
    }

    /// Of what was sent since the last look exactly the packets of these rules arrived, each once and whole.
    pub fn passed(&mut self, rules: &[&str]) -> Result<(), String> {
        let passes = |&at: &usize| rules.contains(&self.sent[at].rule);
        let want: Vec<usize> = (self.seen..self.sent.len()).filter(passes).collect();
        let is = self.arrived()?;
        equal("number of packets that arrived", &is.len(), &want.len())?;
        let odd = is.iter().zip(&want).find(|(is, want)| is != want);
        equal("first packet that should not have arrived", &odd, &None)
    }

    /// Of what was sent since the last look, the packets of both versions arrived, each once and whole.
    pub fn mixed(&mut self) -> Result<(), String> {
        let arrived = self.arrived()?;
        let count = |rule| arrived.iter().filter(|&&at| self.sent[at].rule == rule).count();
        match (count("even"), count("odd"), count("listed")) {
            (1.., 1.., 0) => Ok(()),
            counts => Err(format!("even, odd and listed ones that arrived: {counts:?}")),
        }
    }

    /// Numbers of the packets that arrived since the last look, in order.
    fn arrived(&mut self) -> Result<Vec<usize>, String> {
        let since = std::mem::replace(&mut self.seen, self.sent.len());
        let mut numbers = Vec::new();
        for one in &self.line.received {
            let at = one.number as usize;
            let sent = self.sent.get(at).ok_or_else(|| format!("packet {at} was never sent"))?;
            equal("bytes of a packet", &one.bytes, &sent.bytes)?;
            numbers.push(at);
        }
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        equal("different packets", &numbers.len(), &count)?;
        Ok(numbers.split_off(numbers.partition_point(|&at| at < since)))
    }

    /// Each packet was counted once, by its rule, and for the verdict that it met.
    pub fn counted(&self, is: &Counts) -> Result<(), String> {
        let one = |sent: &Sent| Counter { packets: 1, bytes: sent.bytes };
        let sum = |all: &mut dyn Iterator<Item = &Sent>| {
            all.map(one).fold(Counter::default(), |sum, one| sum + one)
        };
        let is_judged = |sent: &&Sent| ["even", "odd"].contains(&sent.rule);
        let of = |rule| sum(&mut self.sent.iter().filter(|sent| sent.rule == rule));
        let arrived = self.line.received.iter().map(|one| &self.sent[one.number as usize]);
        let passed = sum(&mut arrived.filter(is_judged));
        let all = sum(&mut self.sent.iter().filter(is_judged));
        let dropped =
            Counter { packets: all.packets - passed.packets, bytes: all.bytes - passed.bytes };
        let syncs = self.line.syncs;
        let mut want = Counts::from([
            ("sync".to_owned(), Counter { packets: syncs, bytes: syncs * SYNC_BYTES }),
            ("count passed".to_owned(), passed),
            ("count dropped".to_owned(), dropped),
        ]);
        want.extend(["even", "odd", "listed", "default"].map(|rule| (rule.to_owned(), of(rule))));
        equal("counters", is, &want)
    }
}
