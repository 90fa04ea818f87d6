//! Captures that others made, read by us and by tcpdump: the same packets, byte by byte.
//!
//! Set `L4C_CORPUS` to a folder that holds `pcap-tcpdump` (the captures of tcpdump's own test suite) and
//! `pcap-ndpi` (those of nDPI). Without it the test says so and passes, unless
//! `L4C_REQUIRE_KERNEL=1` asks for complete runs.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use l4c_packets::{Capture, CaptureError, LinkType};

const FOLDERS: [&str; 2] = ["pcap-tcpdump", "pcap-ndpi"];

/// A frame that can be compared. Microseconds, and seconds of 32 bits: all that tcpdump writes.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    time_us: u64,
    link: LinkType,
    orig_bytes: u32,
    data: Vec<u8>,
}

fn read(mut capture: Capture) -> (Vec<Seen>, Option<CaptureError>) {
    let mut seen = Vec::new();
    while let Some(frame) = capture.next_frame() {
        match frame {
            Ok(frame) => {
                assert_eq!(frame.number, seen.len() as u64 + 1);
                seen.push(Seen {
                    time_us: frame.time_ns / 1000 % (1_000_000 << 32),
                    link: frame.link,
                    orig_bytes: frame.orig_bytes,
                    data: frame.data.to_vec(),
                });
            }
            Err(e) => return (seen, Some(e)),
        }
    }
    (seen, None)
}

fn tcpdump(path: &Path, args: &[&str]) -> std::process::Output {
    let mut command = Command::new("tcpdump");
    command.arg("-nr").arg(path).args(args).stdin(Stdio::null());
    command.output().expect("tcpdump is installed where the corpus is")
}

/// Compares one file; gives what is wrong and how many packets there are.
fn compare(path: &Path) -> Result<usize, String> {
    let counted = tcpdump(path, &["--count"]);
    let text = String::from_utf8_lossy(&counted.stdout).into_owned();
    let count: usize = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| format!("tcpdump counts nothing: {}", errors(&counted)))?;
    let capture = Capture::open(path).map_err(|e| e.to_string())?;
    let (ours, error) = read(capture);
    if ours.len() != count {
        return Err(format!("{} packets, tcpdump sees {count} ({error:?})", ours.len()));
    }
    if counted.status.success() != error.is_none() {
        return Err(format!("we end with {error:?}, tcpdump with: {}", errors(&counted)));
    }
    let rewritten = tcpdump(path, &["-w", "-"]).stdout;
    let capture = Capture::from_reader(Box::new(Cursor::new(rewritten)))
        .map_err(|e| format!("as tcpdump writes it: {e}"))?;
    let (theirs, _) = read(capture);
    match ours.iter().zip(&theirs).position(|(a, b)| a != b) {
        Some(i) => Err(format!("packet {} differs: {:?} and {:?}", i + 1, ours[i], theirs[i])),
        None if ours.len() != theirs.len() => Err("tcpdump writes fewer packets".into()),
        None => Ok(count),
    }
}

fn errors(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// The corpus, or `None` after saying what is missing.
fn corpus() -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("L4C_CORPUS") {
        return Some(root.into());
    }
    let required = std::env::var("L4C_REQUIRE_KERNEL").is_ok_and(|v| v == "1");
    assert!(!required, "a complete run is asked for and L4C_CORPUS is not set");
    eprintln!(
        "SKIPPED: no captures to compare with tcpdump. Set L4C_CORPUS to a folder that holds {} and {}.",
        FOLDERS[0], FOLDERS[1]
    );
    None
}

#[test]
fn reads_what_tcpdump_reads() {
    let Some(root) = corpus() else { return };
    let mut wrong = Vec::new();
    let (mut files, mut packets) = (0, 0);
    for folder in FOLDERS {
        let folder = root.join(folder);
        let entries = std::fs::read_dir(&folder);
        let entries = entries.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            files += 1;
            match compare(&path) {
                Ok(count) => packets += count,
                Err(what) => wrong.push(format!("{}: {what}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {files} files:\n{}", wrong.len(), wrong.join("\n"));
    assert!(packets > 0, "no packet in {files} files of {}", root.display());
    eprintln!("{packets} packets of {files} files, the same as tcpdump's");
}
