//! Whether this process may load programs.

use crate::sys;
use std::fs;

/// A capability by its number in `include/uapi/linux/capability.h`.
struct Capability(&'static str, u32);

const CAP_SYS_ADMIN: u32 = 21;

/// What loading and test-running packet programs takes. CAP_PERFMON lifts speculation checks, under
/// which variable header lengths are refused.
const NEEDED: [Capability; 3] =
    [Capability("CAP_BPF", 39), Capability("CAP_NET_ADMIN", 12), Capability("CAP_PERFMON", 38)];

/// Says whether this process can load programs into the kernel.
///
/// # Errors
/// What it lacks, in words for the user.
pub fn available() -> Result<(), String> {
    let lacking = lacking()?;
    if !lacking.is_empty() {
        return Err(format!("this process lacks {}", lacking.join(", ")));
    }
    sys::raise_memlock();
    sys::load_empty_program().map_err(|e| format!("the kernel does not load eBPF programs: {e}"))
}

/// The capabilities that loading takes and this process has not.
///
/// # Errors
/// When the kernel's account of capabilities can't be read.
pub fn lacking() -> Result<Vec<&'static str>, String> {
    fs::read_to_string("/proc/thread-self/status")
        .ok()
        .and_then(|status| effective_capabilities(&status))
        .map(lacking_of)
        .ok_or_else(|| "the kernel's account of capabilities (/proc) can't be read".to_owned())
}

/// The `CapEff` line of a status file.
fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn lacking_of(effective: u64) -> Vec<&'static str> {
    let has = |number: u32| effective & (1 << number) != 0;
    // CAP_SYS_ADMIN stands for what was split off it in 5.8, not for CAP_NET_ADMIN.
    let split_off = |number: u32| number > CAP_SYS_ADMIN && has(CAP_SYS_ADMIN);
    NEEDED.iter().filter(|c| !has(c.1) && !split_off(c.1)).map(|c| c.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        let status = "Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n";
        assert_eq!(effective_capabilities(status), Some(0));
        assert_eq!(lacking_of(0), ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
        assert_eq!(lacking_of(1 << CAP_SYS_ADMIN), ["CAP_NET_ADMIN"]);
        assert_eq!(lacking_of(1 << 39 | 1 << 12), ["CAP_PERFMON"]);
        assert!(lacking_of(1 << 39 | 1 << 12 | 1 << 38).is_empty());
        assert!(lacking_of(1 << CAP_SYS_ADMIN | 1 << 12).is_empty());
    }
}
