//! Damaged captures: we and tcpdump get equally far.
//!
//! Captures made by hand are changed in a few bytes, cut or stretched, always the same ones. Where
//! libpcap refuses what we mean to read (sections and interfaces that differ), nothing is compared,
//! but the capture is read all the same: it may not panic. `L4C_DAMAGED=N` damages N captures instead of
//! 400.

mod made;

use std::io::{Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use l4c_packets::Capture;

/// What libpcap says when it gives up on what a capture may well contain, or refuses a link type.
const ITS_LIMITS: [&str; 8] = [
    "different from the type of the first interface",
    "different from the snapshot length of the first",
    "different byte orders",
    "no Interface Description Blocks",
    "before any Interface Description",
    "unknown data link type",
    "unknown file format",
    "Interface Description Block has opt_endofopt",
];

/// A generator of numbers good enough for choosing bytes (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }
}

fn damage(dice: &mut Dice, file: &mut Vec<u8>) {
    for _ in 0..=dice.below(2) {
        let at = dice.below(file.len());
        match dice.below(6) {
            0 => file.truncate(at.max(1)),
            1 => file[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            2 => file[at] ^= 1 << dice.below(8),
            3 => file.insert(at, 0),
            4 => {
                file.remove(at);
            }
            _ => {
                let word = [0_u32, 4, 12, 16, 0xffff_ffff, 0x8000_0000, 0x10_0000][dice.below(7)];
                for (byte, new) in file[at & !3..].iter_mut().zip(word.to_le_bytes()) {
                    *byte = new;
                }
            }
        }
        if file.is_empty() {
            file.push(0);
        }
    }
}

/// Packets, and what was wrong in the end.
fn ours(file: &[u8]) -> (usize, Option<String>) {
    let mut capture = match Capture::from_reader(Box::new(Cursor::new(file.to_vec()))) {
        Ok(capture) => capture,
        Err(e) => return (0, Some(e.to_string())),
    };
    let mut count = 0;
    while let Some(frame) = capture.next_frame() {
        match frame {
            Ok(_) => count += 1,
            Err(e) => return (count, Some(e.to_string())),
        }
    }
    (count, None)
}

/// The same by tcpdump; `None` where it reaches a limit of its own.
fn theirs(path: &Path) -> Option<(usize, Option<String>)> {
    let mut command = Command::new("tcpdump");
    let output = command.arg("-nr").arg(path).arg("--count").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if ITS_LIMITS.iter().any(|limit| text.contains(limit)) {
        return None;
    }
    let counted = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = counted.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Some((count, (!output.status.success()).then_some(text)))
}

#[test]
fn damage_stops_us_where_it_stops_tcpdump() {
    let seeds = made::seeds();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged.pcap");
    let have_tcpdump = Command::new("tcpdump").arg("--version").output().is_ok();
    if !have_tcpdump {
        eprintln!("tcpdump is not installed: damaged captures are read, not compared");
    }
    let runs = std::env::var("L4C_DAMAGED").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let mut compared = 0;
    for seed in 0..runs {
        let mut dice = Dice(seed);
        let mut file = seeds[dice.below(seeds.len())].clone();
        damage(&mut dice, &mut file);
        let ours = ours(&file);
        if !have_tcpdump {
            continue;
        }
        std::fs::File::create(&path).unwrap().write_all(&file).unwrap();
        let Some(theirs) = theirs(&path) else { continue };
        compared += 1;
        assert!(
            ours.0 == theirs.0 && ours.1.is_some() == theirs.1.is_some(),
            "damage {seed}: we {ours:?}, tcpdump {theirs:?}; file {}",
            path.display()
        );
    }
    assert!(!have_tcpdump || compared > runs / 2, "{compared} of {runs} compared");
}
