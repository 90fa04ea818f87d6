//! Case files: rules, and below them as comments what each of them did to the packets of the zoo.
//!
//! ```text
//! hook xdp edge {
//!     dns: udp.dport == 53 -> drop
//! }
//!
//! #: dns: udp4_to_53 vlan_q_dns
//! #: default (pass): 241 others
//! ```
//!
//! A case that needs a packet of its own has it in a line `#+ NAME HEX`.
//!
//! `l4c-golden`'s test `cases` compares these lines with what the reference evaluator says, and writes them
//! anew when it is run with `L4C_BLESS=1`.

use crate::bench::{Rules, seen_by};
use crate::zoo::{self, Packet};
use l4c_compiler::hir::HookId;
use l4c_compiler::reference::Reference;
use l4c_compiler::report;
use l4c_judge::Shape;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What lines of expectations begin with.
pub const MARK: &str = "#:";

/// Longest line of expectations, in characters.
const LINE_CHARS: usize = 100;

/// So many packets in a row are written as a run.
const SHORTEST_RUN: usize = 3;

/// A file of cases or of diagnostics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the folder of cases, as tests are called.
    pub name: String,
}

impl Case {
    /// What tests are called: without the file's ending.
    #[must_use]
    pub fn title(&self) -> &str {
        self.name.strip_suffix(".l4").unwrap_or(&self.name)
    }
}

/// Every rule file below a folder of this crate, by name. Folders called `files` hold what others include.
///
/// # Panics
/// When the folder can't be read.
#[must_use]
pub fn all(folder: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut cases = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).expect("the folder of cases is part of the project");
        for entry in entries {
            let path = entry.expect("its entries can be read").path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "files") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "l4") {
                let name = path.strip_prefix(&root).expect("it lies below").display().to_string();
                cases.push(Case { path, name });
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// A file's text, cut where its expectations begin: the rules, and the lines of expectations.
#[must_use]
pub fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let is_mark =
        |&at: &usize| text[at..].starts_with(MARK.as_bytes()) && (at == 0 || text[at - 1] == b'\n');
    let at = (0..text.len()).find(is_mark).unwrap_or(text.len());
    text.split_at(at)
}

/// What lines begin with that hold a packet of a case's own: a name, and the frame in hexadecimal digits.
pub const PACKET_MARK: &str = "#+";

/// The zoo, behind it what only the cases of its folder are shown, and the packets that a case brings itself.
///
/// # Errors
/// When a line of packets can't be read.
pub fn packets(case: &Case, zoo: &[Packet]) -> Result<Vec<Packet>, String> {
    let text = std::fs::read_to_string(&case.path).map_err(|e| format!("{}: {e}", case.name))?;
    let mut packets = zoo.to_vec();
    packets.extend(zoo::of_folder(case.name.split('/').next().unwrap_or_default()));
    for line in text.lines().filter_map(|line| line.strip_prefix(PACKET_MARK)) {
        let mut words = line.split_whitespace();
        let (name, digits) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let bytes = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16))
            .collect::<Result<Vec<u8>, _>>()
            .map_err(|e| format!("{}: packet {name}: {e}", case.name))?;
        packets.push(Packet { name: name.to_owned(), bytes });
    }
    Ok(packets)
}

/// Compares what stands in a file with what should; with `L4C_BLESS=1` writes it instead.
///
/// # Errors
/// Both, line by line, where they differ.
pub fn settle(case: &Case, expected: &str) -> Result<(), String> {
    let text = std::fs::read(&case.path).map_err(|e| format!("{}: {e}", case.name))?;
    let (rules, found) = split(&text);
    if found == expected.as_bytes() {
        return Ok(());
    }
    if std::env::var("L4C_BLESS").is_ok_and(|value| value == "1") {
        let mut whole = rules.trim_ascii_end().to_vec();
        // What a file ends with may be the point of it: only blank lines are tidied.
        whole.extend(b"\n\n");
        whole.extend(expected.as_bytes());
        return std::fs::write(&case.path, whole).map_err(|e| format!("{}: {e}", case.name));
    }
    let found = String::from_utf8_lossy(found);
    Err(format!(
        "{} says (-) and the reference says (+):\n{}\nIf it is right, L4C_BLESS=1 writes it there.",
        case.name,
        difference(&found, expected)
    ))
}

/// Lines that only one of two texts has.
fn difference(found: &str, expected: &str) -> String {
    let mut out = String::new();
    let missing = |line: &&str, other: &str| !other.lines().any(|l| l == *line);
    for line in found.lines().filter(|line| missing(line, expected)) {
        writeln!(out, "- {line}").expect("a string takes everything");
    }
    for line in expected.lines().filter(|line| missing(line, found)) {
        writeln!(out, "+ {line}").expect("a string takes everything");
    }
    out
}

/// What the reference evaluator says of every packet, as lines of expectations.
#[must_use]
pub fn expectations(rules: &Rules, zoo: &[Packet]) -> String {
    let mut out = String::new();
    for warning in &rules.warnings {
        let (line, column) = rules.sources.line_column(warning.span.file, warning.span.start);
        add(&mut out, &format!("{} at {line}:{column}: {}", warning.code, warning.message), "");
    }
    let several = rules.policy.hooks.len() > 1;
    for (id, hook) in &rules.policy.hooks {
        if several {
            add(&mut out, &format!("hook {}", hook.name), "");
        }
        of_hook(rules, id, zoo, &mut out);
    }
    out
}

fn of_hook(rules: &Rules, hook: HookId, zoo: &[Packet], out: &mut String) {
    let policy = &rules.policy;
    let shape = Shape::of_policy(policy, hook);
    let mut reference = Reference::new(policy, hook);
    let seen: Vec<(&str, Vec<u8>)> = zoo
        .iter()
        .filter_map(|p| seen_by(&shape, &p.bytes).map(|bytes| (p.name.as_str(), bytes)))
        .collect();
    let judged: Vec<_> = seen.iter().map(|(_, bytes)| reference.judge(bytes)).collect();
    let rows = report::rules(policy, hook);
    for (index, row) in rows.iter().enumerate() {
        let times = |at: usize| judged[at].matched.iter().filter(|&&rule| rule == index).count();
        let matched: Vec<(&str, usize)> =
            (0..seen.len()).map(|at| (seen[at].0, times(at))).collect();
        let count = matched.iter().filter(|(_, times)| *times > 0).count();
        if index + 1 == rows.len() {
            let others = if count == 1 { "other" } else { "others" };
            add(out, &format!("{} ({}): {count} {others}", row.name, row.action), "");
        } else {
            add(out, &format!("{}:", row.name), &names(&matched));
        }
    }
    for id in report::counters(policy, hook) {
        let counted = judged.iter().zip(&seen).map(|(judgement, (_, bytes))| {
            let times = judgement.counted.iter().filter(|&&counter| counter == id).count();
            (times, times * bytes.len())
        });
        let (packets, bytes) = counted.fold((0, 0), |sum, (p, b)| (sum.0 + p, sum.1 + b));
        let name = &policy.counters[id];
        add(out, &format!("count {name}: {packets} packets, {bytes} bytes"), "");
    }
}

/// Packets by name: those that matched or, if they are most, those that did not. `a..b` are all from `a` to
/// `b` in the order of the zoo, both included.
fn names(matched: &[(&str, usize)]) -> String {
    let count = matched.iter().filter(|(_, times)| *times > 0).count();
    let once = matched.iter().all(|(_, times)| *times <= 1);
    if count == 0 {
        return "-".to_owned();
    }
    if count == matched.len() && once {
        return "all".to_owned();
    }
    let inverse = once && count > matched.len() / 2;
    let wanted = |&(_, times): &(&str, usize)| if inverse { 1 - times } else { times };
    let mut out = Vec::new();
    for run in matched.chunk_by(|a, b| wanted(a) == wanted(b)) {
        let suffix = match wanted(&run[0]) {
            0 => continue,
            1 => String::new(),
            times => format!("*{times}"),
        };
        let ends = (run[0].0, run[run.len() - 1].0);
        if run.len() >= SHORTEST_RUN {
            out.push(format!("{}..{}{suffix}", ends.0, ends.1));
        } else {
            out.extend(run.iter().map(|(name, _)| format!("{name}{suffix}")));
        }
    }
    format!("{}{}", if inverse { "all but " } else { "" }, out.join(" "))
}

/// Adds an entry, broken into lines where it is long.
fn add(out: &mut String, head: &str, rest: &str) {
    let mut line = format!("{MARK} {head}");
    for word in rest.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > LINE_CHARS {
            out.push_str(&line);
            out.push('\n');
            line = format!("{MARK}    ");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
