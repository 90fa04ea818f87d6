//! Which CPUs there are.

use std::fs;

/// The kernel's list of CPUs that there may ever be: a per-CPU map has a value for each.
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// The list of those that run.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// How many CPUs there may ever be.
///
/// # Errors
/// When the kernel's list can't be read, in words.
pub fn possible() -> Result<usize, String> {
    listed(POSSIBLE).map(|cpus| cpus.len())
}

/// The CPUs that run, by number.
///
/// # Errors
/// When the kernel's list can't be read, in words.
pub fn online() -> Result<Vec<u32>, String> {
    listed(ONLINE)
}

fn listed(path: &str) -> Result<Vec<u32>, String> {
    let list = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    numbers(&list).ok_or_else(|| format!("{path} can't be read: {list:?}"))
}

/// The numbers in a list such as `0-3,8`.
fn numbers(list: &str) -> Option<Vec<u32>> {
    /// No kernel has more (`NR_CPUS`), and a list that says so is none of the kernel's.
    const MAX: u32 = 1 << 16;
    let mut numbers = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MAX {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        for (list, cpus) in [
            ("0\n", Some(vec![0])),
            ("0-1\n", Some(vec![0, 1])),
            ("0-3,8,10-11", Some(vec![0, 1, 2, 3, 8, 10, 11])),
            ("", None),
            ("3-1", None),
            ("0-4294967295", None),
        ] {
            assert_eq!(numbers(list), cpus, "{list}");
        }
    }
}
