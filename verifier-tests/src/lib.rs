//! Golden cases on real kernels: what the tests of this crate share.
//!
//! They need the right to load programs, `bpftool`, `ip`, `tcpdump`, QEMU and a corpus of captures
//! (`L4C_CORPUS`). The first run of the [matrix] fetches kernels by apt, some 120 MB, into Cargo's target
//! folder. What is missing is said on standard error and skipped; with `L4C_REQUIRE_KERNEL=1` it is a failure.

mod binary;
pub mod matrix;
pub mod wire;

pub use binary::l4c_binary;

use l4c_runtime::kernel;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Set to `1` where nothing may be skipped.
pub const REQUIRE: &str = "L4C_REQUIRE_KERNEL";

/// Set to the folder that holds `pcap-tcpdump` and `pcap-ndpi`.
pub const CORPUS: &str = "L4C_CORPUS";

/// Nothing may be skipped.
#[must_use]
pub fn required() -> bool {
    std::env::var(REQUIRE).is_ok_and(|value| value == "1")
}

/// Gives `found`; where there is nothing, says so loudly.
///
/// # Errors
/// Where nothing may be skipped.
pub fn or_skip<T>(found: Result<T, String>) -> Result<Option<T>, String> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(why) if required() => Err(format!("{why}, and {REQUIRE}=1 asks for it")),
        Err(why) => {
            eprintln!("SKIPPED: {why}");
            Ok(None)
        }
    }
}

/// May this process load programs?
///
/// # Errors
/// Why not.
pub fn kernel() -> Result<(), String> {
    kernel::available().map_err(|why| format!("no program can be loaded here: {why}"))
}

/// Is this program installed?
///
/// # Errors
/// If it can't be started.
pub fn installed(program: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    let command = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
    match command.stderr(Stdio::null()).status() {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("{program} can't be started: {e}")),
    }
}

/// The captures of a folder of the corpus, by name.
///
/// # Errors
/// If the corpus is not there.
pub fn captures(folder: &str) -> Result<Vec<PathBuf>, String> {
    let root = std::env::var_os(CORPUS).ok_or_else(|| format!("{CORPUS} names no captures"))?;
    let folder = PathBuf::from(root).join(folder);
    let entries = folder.read_dir().map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}
