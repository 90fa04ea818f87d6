//! Sets at their size: a million elements, asked by the kernel and of ipset.
//!
//! `L4C_ELEMENTS` says how many; 100,000 if it is left out, which a build machine has time for.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use l4c_compiler::OptLevel;
use l4c_golden::bench;
use l4c_manifest::HookKind;
use l4c_runtime::Object;
use l4c_runtime::kernel::Program;
use l4c_verifier_tests::{installed, kernel, or_skip};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// `XDP_DROP`
const DROP: u32 = 1;

fn elements() -> usize {
    std::env::var("L4C_ELEMENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A set of that name in ipset, gone when the test is.
struct Ipset(String);

impl Ipset {
    /// Makes the set of these elements and asks it for addresses.
    fn asked(kind: &str, elements: &[String], addresses: &[Ipv4Addr]) -> (Self, Vec<bool>) {
        let name = format!("l4c-{}-{kind}", std::process::id());
        let name = name.replace("hash:", "");
        let mut script = format!("create {name} {kind} maxelem {}\n", elements.len().max(1));
        elements
            .iter()
            .for_each(|element| writeln!(script, "add {name} {element} -exist").unwrap());
        addresses.iter().for_each(|address| writeln!(script, "test {name} {address}").unwrap());
        let mut ipset = Command::new("ipset");
        let ipset = ipset.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut ipset = ipset.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = ipset.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
        let output = ipset.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        // Yes goes to standard error with a warning, no to either, by version: both say the address.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut has: HashMap<Ipv4Addr, bool> = HashMap::new();
        for line in said.lines() {
            let words: Vec<&str> =
                line.split_whitespace().filter(|word| *word != "ipset>").collect();
            let Some(at) = words.iter().position(|word| *word == "is") else { continue };
            let Some(address) = words[..at].last().and_then(|word| word.parse().ok()) else {
                continue;
            };
            has.insert(address, words.get(at + 1) != Some(&"NOT"));
        }
        let answers = addresses.iter().map(|address| has[address]).collect();
        (Self(name), answers)
    }
}

impl Drop for Ipset {
    fn drop(&mut self) {
        let _ = Command::new("ipset").args(["destroy", &self.0]).status();
    }
}

/// The object of rules that drop what is in a set of these elements.
fn object(ty: &str, elements: &[String]) -> (Object, PathBuf) {
    let folder = std::env::temp_dir().join(format!("l4c-sets-{}-{ty}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("list.txt"), elements.join("\n")).unwrap();
    let rules = format!(
        "set s: {ty} {{ from \"list.txt\"  dynamic  max 2M }}\nhook xdp h {{ src in @s -> drop }}\n"
    );
    let path = folder.join("rules.l4");
    std::fs::write(&path, rules).unwrap();
    let begin = Instant::now();
    let rules = bench::file(&path, "rules.l4", HookKind::Xdp).unwrap();
    let compiled = rules.compiled(OptLevel::O2).unwrap();
    println!("{} elements of {ty}: compiled in {:.2?}", elements.len(), begin.elapsed());
    (Object::parse(&compiled.elf).unwrap(), folder)
}

/// An IPv4 header behind an Ethernet header.
fn frame(src: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0u8; 34];
    frame[12] = 8;
    frame[14] = 0x45;
    frame[17] = 20;
    frame[23] = 17;
    frame[26..30].copy_from_slice(&src.octets());
    frame
}

/// A question to ipset and to a program in the kernel, about elements and about addresses at random.
fn agree(ty: &str, kind: &str, elements: &[String], mut addresses: Vec<Ipv4Addr>) {
    addresses.sort_unstable();
    addresses.dedup();
    let (object, folder) = object(ty, elements);
    let begin = Instant::now();
    let mut program = Program::load_live(&object, "h").unwrap();
    println!("loaded in {:.2?}", begin.elapsed());
    let (_ipset, wanted) = Ipset::asked(kind, elements, &addresses);
    let in_set = wanted.iter().filter(|&&has| has).count();
    assert!(in_set * 5 > addresses.len() && in_set * 5 < addresses.len() * 4, "{in_set}");
    for (address, wanted) in addresses.iter().zip(wanted) {
        let drops = program.run(&frame(*address)).unwrap() == DROP;
        assert_eq!(drops, wanted, "{address} of {ty}");
    }
    println!("{} addresses, {in_set} of them in the set: ipset says the same", addresses.len());
    std::fs::remove_dir_all(folder).unwrap();
}

fn ready() -> bool {
    let ready = kernel().and_then(|()| installed("ipset"));
    or_skip(ready).unwrap_or_else(|why| panic!("{why}")).is_some()
}

#[test]
fn addresses_are_in_a_large_set_as_ipset_says() {
    if !ready() {
        return;
    }
    let (count, mut random) = (elements(), Random(1));
    let list: Vec<Ipv4Addr> =
        (0..count).map(|_| Ipv4Addr::from(random.next() as u32 | 1 << 24)).collect();
    let asked = list.iter().step_by(2).copied();
    let asked: Vec<Ipv4Addr> = asked
        .chain((0..count / 2).map(|_| Ipv4Addr::from(random.next() as u32 | 1 << 24)))
        .collect();
    let list: Vec<String> = list.iter().map(Ipv4Addr::to_string).collect();
    agree("addr4", "hash:ip", &list, asked);
}

#[test]
fn addresses_are_in_prefixes_of_all_lengths_as_ipset_says() {
    if !ready() {
        return;
    }
    let (count, mut random) = (elements() / 4, Random(2));
    let (mut list, mut asked) = (Vec::new(), Vec::new());
    for n in 0..count {
        // Few are short: else nothing is outside of them.
        let bits = match n % 4000 {
            0..10 => 8 + n % 8,
            10..500 => 16 + n % 8,
            _ => 24 + n % 9,
        };
        let address = random.next() as u32 | 1 << 24;
        let host = u32::MAX.checked_shr(bits as u32).unwrap_or(0);
        list.push(format!("{}/{bits}", Ipv4Addr::from(address & !host)));
        // Within, on both ends, and beside.
        for near in [address, address & !host, address | host, (address | host).wrapping_add(1)] {
            asked.push(Ipv4Addr::from(near));
        }
        asked.push(Ipv4Addr::from(random.next() as u32));
        asked.push(Ipv4Addr::from(random.next() as u32));
        asked.push(Ipv4Addr::from(random.next() as u32));
    }
    agree("prefix", "hash:net", &list, asked);
}
