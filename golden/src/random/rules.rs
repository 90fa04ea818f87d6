//! Rule files, written out.

use super::pool::{Pool, pick};
use super::terms::Source;
use super::{RuleSeeds, Script};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::fmt::Write as _;

const SET_TYPES: [&str; 12] = [
    "addr", "addr4", "addr6", "prefix", "prefix4", "prefix6", "port", "mac", "u8", "u16", "u32",
    "u64",
];

/// Rates at which what comes back is a whole number of packets or bytes at every millisecond, or nearly never is.
const RATES: [&str; 6] = [
    "rate 1000/s burst 3",
    "rate 10 packets/s burst 2",
    "rate 3/s",
    "rate 420/m burst 5",
    "rate 5k bytes/s burst 700",
    "quota 4 packets",
];

const KEYS: [&str; 9] = [
    "",
    "src",
    "src/24/64",
    "ip.src",
    "ip6.dst/64, proto",
    "dport",
    "src, dst, sport, dport, proto",
    "ttl, ip.dscp",
    "tcp.flags, dst/16/32",
];

/// What rules ask of the sets that every file has and changes.
pub(super) const ASKED: [&str; 8] = [
    "src in @met",
    "dst not in @met",
    "src not in @nets",
    "dst in @nets",
    "(src, sport, dport) in @flows",
    "(dst, dport, sport) in @flows",
    "(src/8/32, sport, dport) not in @flows",
    "(proto, dport) in @kinds",
];

/// What they do to them.
const CHANGES: [&str; 12] = [
    "add src to @met",
    "add dst to @met for 3ms",
    "del src from @met",
    "add src/16/48 to @nets",
    "add dst/32/128 to @nets for 40ms",
    "add src/8/16 to @nets for 2ms",
    "del dst/32/128 from @nets",
    "add (src, sport, dport) to @flows",
    "add (dst, dport, sport) to @flows for 5ms",
    "del (src, sport, dport) from @flows",
    "add (proto, dport) to @kinds for 10ms",
    "del (proto, dport) from @kinds",
];

/// Limits of a file, called `rate0` and so on.
pub(super) const LIMITS: u32 = 3;

/// What a file has, as its rules need to know it.
struct Writer {
    pool: Pool,
    sets: Vec<&'static str>,
    matches: Vec<(String, bool)>,
    chains: usize,
    link: bool,
    out: String,
}

/// The rule file of a script.
#[must_use]
pub fn text(script: &Script) -> String {
    let mut writer = Writer {
        pool: Pool::new(script.pool),
        sets: Vec::new(),
        matches: Vec::new(),
        chains: script.chains.len(),
        link: script.link,
        out: String::new(),
    };
    script.sets.iter().for_each(|&seed| writer.set(seed));
    let mut rng = StdRng::seed_from_u64(script.default);
    for at in 0..LIMITS {
        let (rate, key) = (pick(&mut rng, &RATES), pick(&mut rng, &KEYS));
        // Flows and sketches are kept under locks, which not every kind of hook may take.
        if script.link && rng.random_ratio(1, 2) {
            let sketch = !key.is_empty() && !rate.starts_with("quota") && rng.random();
            let line = if sketch {
                format!("limit rate{at} {{ {rate} per {key} sketch }}")
            } else {
                conns(at, key, &mut rng)
            };
            writer.line(&line);
            continue;
        }
        let word = if rng.random_ratio(1, 3) { " storage word" } else { "" };
        let per = if key.is_empty() { String::new() } else { format!(" per {key} max 4000") };
        writer.line(&format!("limit rate{at} {{ {rate}{per}{word} }}"));
    }
    writer.changing(&mut rng);
    script.matches.iter().for_each(|seeds| writer.named(seeds));
    for (at, rules) in script.chains.iter().enumerate() {
        writer.line(&format!("chain c{at} {{"));
        rules.iter().for_each(|seeds| writer.rule(seeds, Some(at)));
        writer.line("}");
    }
    writer.line("hook xdp random {");
    if (script.default / 5).is_multiple_of(3) {
        let (first, second) = (writer.pool.ports[0], writer.pool.ports[1]);
        writer.line(&format!("    dns_ports {{ 53, 5300-5350, {first}, {second} }}"));
    }
    script.rules.iter().for_each(|seeds| writer.rule(seeds, None));
    let defaults =
        ["", "default pass", "default drop", "default count left, drop", "default shadow drop"];
    let default = defaults[usize::try_from(script.default % 5).expect("less than five")];
    if !default.is_empty() {
        writer.line(&format!("    {default}"));
    }
    writer.line("}");
    writer.out
}

/// Room for all flows of a trial, so that chance does not decide which of them is counted.
fn conns(at: u32, key: &str, rng: &mut StdRng) -> String {
    let allowed = pick(rng, &[1, 2, 5, 30, 200]);
    let idle = pick(rng, &["", " idle 10ms", " idle 100ms", " idle 1s"]);
    let per = if key.is_empty() { String::new() } else { format!(" per {key} max 100k") };
    format!("conns rate{at} {{ allow {allowed}{per}{idle} }}")
}

impl Writer {
    fn line(&mut self, line: &str) {
        writeln!(self.out, "{line}").expect("a string takes everything");
    }

    fn source<'s>(&'s self, rng: &'s mut StdRng) -> Source<'s> {
        Source { rng, pool: &self.pool, sets: &self.sets, matches: &self.matches, link: self.link }
    }

    fn set(&mut self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let ty = pick(&mut rng, &SET_TYPES);
        // Now and then so many that they are not compared one by one.
        let count = if rng.random_ratio(1, 5) { 60 } else { rng.random_range(1..8) };
        let elements: Vec<String> = (0..count).map(|at| self.element(ty, at, &mut rng)).collect();
        // Ranges of other types may stand for more elements than a set that changes takes.
        let may_change = !matches!(ty, "mac" | "u32" | "u64");
        let dynamic = if may_change && rng.random_ratio(1, 3) { " dynamic" } else { "" };
        let line = format!("set s{}: {ty} {{ {}{dynamic} }}", self.sets.len(), elements.join(", "));
        self.line(&line);
        self.sets.push(ty);
    }

    /// Sets that rules change, small ones so that they fill up.
    fn changing(&mut self, rng: &mut StdRng) {
        let six = std::net::Ipv6Addr::from(pick(rng, &self.pool.addr6));
        let four = std::net::Ipv4Addr::from(pick(rng, &self.pool.addr4));
        let mut line = |name: &str, ty: &str, elements: &str| {
            let timeout = pick(rng, &["", " timeout 1ms", " timeout 20ms", " timeout 1s"]);
            let max = pick(rng, &[4, 20, 300]);
            self.line(&format!("set {name}: {ty} {{ {elements}  dynamic{timeout} max {max} }}"));
        };
        line("met", "addr", &format!("{four}, {six}"));
        line("nets", "prefix", &format!("{four}/20, {six}/40, {four}"));
        line("flows", "(addr, port, port)", &format!("({four}, 4000, 53), ({six}, 53, 4000)"));
        line("kinds", "(u8, port)", "(17, 53), (6, 80)");
    }

    fn element(&self, ty: &str, at: u32, rng: &mut StdRng) -> String {
        let six = match ty {
            "addr4" | "prefix4" => false,
            "addr6" | "prefix6" => true,
            _ => rng.random(),
        };
        // Beyond the first few, values of which each is another.
        let spread = at > 8;
        let mut source = self.source(rng);
        match ty {
            "prefix" | "prefix4" | "prefix6" if !spread => source.addresses(six),
            "addr" | "addr4" | "addr6" | "prefix" | "prefix4" | "prefix6" => {
                let (a, b) =
                    (pick(source.rng, &self.pool.addr4), pick(source.rng, &self.pool.addr6));
                let plus = if spread { at * 5 } else { 0 };
                if six {
                    std::net::Ipv6Addr::from(b.wrapping_add(u128::from(plus) << 40)).to_string()
                } else {
                    std::net::Ipv4Addr::from(a.wrapping_add(plus)).to_string()
                }
            }
            "port" if !spread => source.ports().trim_matches(['{', '}', ' ']).to_owned(),
            "port" => (at * 7).to_string(),
            "mac" if !spread => source.mac(),
            "mac" => super::terms::mac_text(0x0200_0000_0000 + u64::from(at) * 3),
            _ => {
                let bits = ty[1..].parse::<u32>().expect("the type is a number's");
                let value = pick(source.rng, &self.pool.numbers) & (u64::MAX >> (64 - bits));
                if spread { (u64::from(at) * 4).to_string() } else { value.to_string() }
            }
        }
    }

    fn named(&mut self, seeds: &RuleSeeds) {
        let mut rng = StdRng::seed_from_u64(seeds.shape);
        let name = format!("m{}", self.matches.len());
        if rng.random() {
            let pred = self.predicate(seeds, &mut rng);
            self.line(&format!("match {name} = {pred}"));
            self.matches.push((name, false));
        } else {
            let field = pick(&mut rng, &["dport", "sport", "tcp.dport", "udp.sport"]);
            self.line(&format!("match {name}(p) = {field} in p or dport == p"));
            self.matches.push((name, true));
        }
    }

    /// The terms of a rule, joined.
    fn predicate(&self, seeds: &RuleSeeds, rng: &mut StdRng) -> String {
        let mut out = String::new();
        for &seed in &seeds.terms {
            let mut own = StdRng::seed_from_u64(seed);
            let negated = own.random_ratio(1, 6);
            let term = self.source(&mut own).term();
            let term = if negated { format!("not {term}") } else { term };
            if out.is_empty() {
                out = term;
                continue;
            }
            let word = pick(rng, &["and", "or"]);
            let joined = format!("({out}) {word} ({term})");
            out = if rng.random_ratio(1, 8) { format!("not ({joined})") } else { joined };
        }
        out
    }

    fn rule(&mut self, seeds: &RuleSeeds, chain: Option<usize>) {
        let mut rng = StdRng::seed_from_u64(seeds.shape);
        let pred = self.predicate(seeds, &mut rng);
        let actions = self.actions(&mut rng, chain);
        self.line(&format!("    {pred} -> {actions}"));
    }

    /// Chains lead to later ones only, so that none comes back to itself.
    fn actions(&self, rng: &mut StdRng, chain: Option<usize>) -> String {
        let first = chain.map_or(0, |at| at + 1);
        let mut lead = |verb: &str| {
            if first < self.chains {
                format!("{verb} c{}", rng.random_range(first..self.chains))
            } else {
                "count nowhere".to_owned()
            }
        };
        let (jump, goto) = (lead("jump"), lead("goto"));
        let counter = rng.random_range(0..3);
        let action = match rng.random_range(0..20) {
            0..3 => "drop".to_owned(),
            3..6 => "pass".to_owned(),
            6..11 => format!("count n{counter}"),
            11..15 => jump,
            15 => goto,
            16 => "return".to_owned(),
            17 => format!("shadow {jump}"),
            18 => "shadow drop".to_owned(),
            _ => format!("count n{counter}, drop"),
        };
        let action =
            if rng.random_ratio(1, 10) { format!("count extra, {action}") } else { action };
        if rng.random_ratio(1, 6) { format!("{}, {action}", pick(rng, &CHANGES)) } else { action }
    }
}
