//! The same source gives the same bytes: whatever the folder, the language and the time of day.

use l4c_compiler::Clock;
use l4c_compiler::OptLevel;
use l4c_compiler::pipeline::Options;
use l4c_golden::bench::{self, Rules};
use l4c_golden::case::{self, Case};
use l4c_manifest::HookKind;
use std::path::Path;
use std::process::Command;

/// Set for the processes that this test starts, to the case that they compile.
const CASE: &str = "L4C_SAME_BYTES_OF";

/// A number for an object: FNV-1a of 64 bits. Two objects that differ and share it are not to be expected.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The options under which rules are compiled: each level, as they are and in shadow.
fn ways(rules: &Rules) -> impl Iterator<Item = Options> {
    let both = |&level| [false, true].map(|shadow| Options { level, shadow, clock: Clock::Kernel });
    rules.levels().iter().flat_map(both)
}

/// Name, kind of hook, options, and digest of each object of a case; nothing that a machine could change.
fn objects(case: &Case) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in HookKind::ALL {
        let Ok(rules) = bench::file(&case.path, &case.name, kind) else { continue };
        for options in ways(&rules) {
            let elf = rules.compiled_as(options).unwrap_or_else(|e| panic!("{e}")).elf;
            let home = env!("CARGO_MANIFEST_DIR").as_bytes();
            assert!(
                !elf.windows(home.len()).any(|w| w == home),
                "{}: tells where it was made",
                case.name
            );
            let (name, kind, digest) = (&case.name, kind.name(), digest(&elf));
            lines.push(format!("{name} {kind} {options:?} {digest:016x}"));
        }
    }
    lines
}

/// Every case, as a process of its own in `folder` sees it.
fn elsewhere(folder: &Path, locale: &str, zone: &str) -> Vec<String> {
    let program = std::env::current_exe().expect("this test is a program");
    let output = Command::new(program)
        .args(["--exact", "print_objects", "--nocapture", "--test-threads=1"])
        .current_dir(folder)
        .env(CASE, "all")
        .envs([("LC_ALL", locale), ("LANG", locale), ("TZ", zone)])
        .output()
        .expect("it can be run again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    text.lines().filter_map(|line| line.split("object: ").nth(1)).map(str::to_owned).collect()
}

/// Does nothing but where [`elsewhere`] runs it.
#[test]
fn print_objects() {
    if std::env::var_os(CASE).is_some() {
        case::all("cases").iter().flat_map(objects).for_each(|line| println!("object: {line}"));
    }
}

#[test]
fn same_source_same_bytes() {
    let here: Vec<String> = case::all("cases").iter().flat_map(objects).collect();
    assert!(here.len() > 100, "{} objects", here.len());
    for (folder, locale, zone) in [("/", "C", "UTC"), ("/tmp", "tr_TR.UTF-8", "Asia/Kathmandu")] {
        let there = elsewhere(Path::new(folder), locale, zone);
        let differing = here.iter().zip(&there).find(|(a, b)| a != b);
        assert_eq!(differing, None, "in {folder}");
        assert_eq!(here.len(), there.len());
    }
}

/// Levels are not the same thing under two names.
#[test]
fn levels_differ() {
    let rules = bench::text("hook xdp e {\n    udp.dport in 53-99 -> drop\n}\n", HookKind::Xdp);
    let rules = rules.unwrap_or_else(|e| panic!("{e}"));
    let elf = |level| rules.compiled(level).unwrap().elf;
    assert_ne!(elf(OptLevel::O0), elf(OptLevel::O2));
}
