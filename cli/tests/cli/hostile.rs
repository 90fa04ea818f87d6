//! Input that means harm: a clear error, soon, in bounded memory.

use super::support::{Dir, Ran, arg, capture, edge, finish};
use std::process::Command;
use std::time::{Duration, Instant};

/// Generous, since tests are built with few optimisations and run side by side.
const SOON: Duration = Duration::from_secs(30);

/// Address space, in KiB: the interpreter's reserve, the program and its threads are in it.
const MAX_KIB: u32 = 1 << 20;

/// Runs the command with little memory; it has to end soon.
#[track_caller]
fn bounded(dir: &Dir, args: &[&str]) -> Ran {
    let started = Instant::now();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {MAX_KIB}; exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_l4c")).args(args).current_dir(arg(&dir.path("")));
    let ran = finish(&mut shell, b"");
    assert!(started.elapsed() < SOON, "{args:?} took {:?}", started.elapsed());
    assert!(ran.err.len() + ran.out.len() < 200_000, "{} bytes of output", ran.err.len());
    ran
}

fn in_hook(rule: &str) -> String {
    format!("hook xdp h {{\n{rule}\n}}\n")
}

#[test]
fn sources_that_mean_harm_are_refused() {
    const MANY: usize = 1_000_000;
    let nots = format!("{} ip -> drop", "not ".repeat(MANY));
    for (name, text) in [
        ("parentheses", in_hook(&"(".repeat(MANY))),
        ("pairs", in_hook(&format!("{}ip{} -> drop", "(".repeat(MANY), ")".repeat(MANY)))),
        ("braces", "{".repeat(MANY)),
        ("lists", format!("let X = {}", "{".repeat(MANY))),
        ("quotes", "\"".repeat(MANY)),
        ("nul", in_hook("all -> drop\0")),
        ("long line", in_hook(&format!("a: {} -> drop", "x".repeat(50_000_000)))),
        ("long list", format!("let X = {{ {} }}", "banana, ".repeat(MANY))),
        ("names", in_hook(&"all -> dorp\n".repeat(100_000))),
        ("loop", "include \"r.l4\"\n".to_owned()),
        ("passwd", "include \"/etc/passwd\"\n".to_owned()),
        ("climb", "include \"../../../../../../etc/passwd\"\n".to_owned()),
        ("device", "include \"/dev/zero\"\n".to_owned()),
    ] {
        let dir = Dir::new().with("r.l4", text);
        for command in ["check", "compile"] {
            let ran = bounded(&dir, &[command, "r.l4"]);
            assert_eq!(ran.code, 1, "{name}: {}", &ran.err[..ran.err.len().min(2000)]);
            assert!(ran.err.contains("r.l4"), "{name}");
            assert!(!ran.err.contains("root:"), "{name}");
        }
    }
    let dir = Dir::new().with("r.l4", in_hook(&nots));
    let ran = bounded(&dir, &["check", "r.l4"]);
    assert!(matches!(ran.code, 0 | 1), "{}", &ran.err[..ran.err.len().min(2000)]);
}

#[test]
fn a_source_without_end_is_refused() {
    let dir = edge();
    bounded(&dir, &["check", "/dev/zero"]).code(4).says("64 MiB");
    bounded(&dir, &["fmt", "--check", "/dev/zero"]).code(4);
    let sparse = std::fs::File::create(dir.path("big.l4")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    bounded(&dir, &["check", "big.l4"]).code(4).says("64 MiB");
}

#[test]
fn captures_that_lie_are_refused() {
    let good = capture(1, &[vec![1; 60], vec![2; 60]]);
    let lie = |off: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[off..off + bytes.len()].copy_from_slice(bytes);
        bad
    };
    // The second record begins behind the file header and the first record.
    let second = 24 + 16 + 60;
    for (name, bytes) in [
        ("caplen", lie(second + 8, &[0xff; 4])),
        ("cut", good[..good.len() - 1].to_vec()),
        ("half a header", good[..second + 5].to_vec()),
        ("no bytes", Vec::new()),
        ("gzip that is none", b"\x1f\x8b\x08\x00nonsense".to_vec()),
        ("pcapng of nothing", b"\x0a\x0d\x0d\x0a\xff\xff\xff\x7f".to_vec()),
    ] {
        let dir = edge().with("bad.pcap", bytes);
        let ran = bounded(&dir, &["run", "edge.l4", "--pcap", "bad.pcap", "--format", "json"]);
        assert_eq!(ran.code, 4, "{name}: {}", ran.err);
        assert!(ran.err.contains("bad.pcap: "), "{name}: {}", ran.err);
        assert!(ran.json()[0]["packets"].as_u64().is_some_and(|n| n <= 1), "{name}");
    }
}
