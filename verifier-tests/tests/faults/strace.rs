//! Commands with a fault put in by `strace`.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What goes wrong at a system call; with a `+` behind it, at all that follow too.
pub type Fault = &'static str;

const KILL: Fault = "SIGKILL";

/// A signal that a command may put off until what it began is done.
const TERM: Fault = "SIGTERM";

/// Calls that are the same to the kernel under two or three names, and what may go wrong there.
pub const CALLS: [(&[&str], &[Fault]); 10] = [
    (&["bpf"], &[KILL, TERM, "ENOMEM", "EPERM", "E2BIG", "ENOMEM+"]),
    (&["rename", "renameat", "renameat2"], &[KILL, "EPERM", "ENOSPC"]),
    (&["symlink", "symlinkat"], &[KILL, "EPERM", "ENOSPC"]),
    (&["mkdir", "mkdirat"], &[KILL, "EPERM", "ENOSPC"]),
    (&["unlink", "unlinkat", "rmdir"], &[KILL, "EPERM"]),
    (&["readlink", "readlinkat"], &["ENOMEM"]),
    (&["getdents64"], &["ENOMEM"]),
    (&["statx", "newfstatat"], &["ENOMEM"]),
    (&["membarrier"], &[KILL, "EPERM"]),
    (&["flock"], &[KILL, "ENOLCK"]),
];

/// The `nth` call of a name meets `fault`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    pub call: &'static str,
    pub nth: usize,
    pub fault: Fault,
}

impl Injection {
    /// Nothing of what the command does after the fault goes well either, so that it can't take anything back.
    pub fn lasts(self) -> bool {
        self.fault.ends_with('+')
    }
}

impl std::fmt::Display for Injection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {} #{}", self.fault, self.call, self.nth)
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Killed,
    Exit(i32),
}

/// How it ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    pub words: String,
}

fn strace(folder: &Path, options: &[&str], command: &[&str]) -> Result<Output, String> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(options).arg("--").args(command);
    // Cargo's folders of libraries would be looked through first, call after call.
    strace.env_remove("LD_LIBRARY_PATH");
    let output = strace.current_dir(folder).stdin(Stdio::null()).output();
    output.map_err(|e| format!("strace: {e}"))
}

/// Runs a command with a fault.
pub fn run(folder: &Path, command: &[&str], injection: Injection) -> Result<Ended, String> {
    let Injection { call, nth, fault } = injection;
    let is_signal = [KILL, TERM].contains(&fault);
    let how = if is_signal { "signal" } else { "error" };
    let trace = format!("trace={call}");
    let (fault, on) = fault.strip_suffix('+').map_or((fault, ""), |fault| (fault, "+"));
    let inject = format!("inject={call}:{how}={fault}:when={nth}{on}");
    let options = ["-o", "/dev/null", "-e", &trace, "-e", &inject, "--seccomp-bpf"];
    // With the filter the command stops at these calls only, which is faster; signals get lost with it.
    let options = if is_signal { &options[..6] } else { &options };
    let output = strace(folder, options, command)?;
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words).into_owned();
    let end = match output.status.code() {
        Some(code) => End::Exit(code),
        None if matches!(output.status.signal(), Some(9 | 15)) => End::Killed,
        None => return Err(format!("{injection}: {}: {words}", output.status)),
    };
    Ok(Ended { end, words })
}

/// The calls that a command makes that goes well, with their arguments, in their order.
pub fn calls(folder: &Path, command: &[&str]) -> Result<Vec<String>, String> {
    let names: Vec<&str> = CALLS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let trace = format!("trace={}", names.join(","));
    let log = folder.join("trace");
    let log_name = log.display().to_string();
    let output = strace(folder, &["-o", &log_name, "-e", &trace], command)?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} without any fault: {words}", command.join(" ")));
    }
    let log = std::fs::read_to_string(&log).map_err(|e| format!("{log_name}: {e}"))?;
    let mut calls = Vec::new();
    let mut threads = std::collections::BTreeSet::new();
    for (thread, call) in log.lines().filter_map(|line| line.split_once(' ')) {
        let call = call.trim_start();
        // Not the second half of a call, nor the end of a thread.
        if call.starts_with(|c: char| c.is_ascii_lowercase()) {
            threads.insert(thread);
            calls.push(call.to_owned());
        }
    }
    if threads.len() > 1 {
        return Err("strace counts calls by thread, and there are several".to_owned());
    }
    Ok(calls)
}

/// Kills a command at the last of these calls that begins so.
pub fn at_last(calls: &[String], beginning: &str) -> Result<Injection, String> {
    let last = calls.iter().rposition(|call| call.starts_with(beginning));
    let last = last.ok_or_else(|| format!("no call of `{beginning}`: {calls:?}"))?;
    let name = |call: &str| call.split('(').next().unwrap_or_default().to_owned();
    let wanted = name(&calls[last]);
    let names = CALLS.iter().flat_map(|(names, _)| names.iter());
    let call = names.copied().find(|call| *call == wanted);
    let call = call.ok_or_else(|| format!("`{wanted}` is not watched"))?;
    let nth = calls[..=last].iter().filter(|call| name(call) == wanted).count();
    Ok(Injection { call, nth, fault: KILL })
}

/// How often each name is called.
pub fn counted(calls: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for (name, _) in calls.iter().filter_map(|call| call.split_once('(')) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}
