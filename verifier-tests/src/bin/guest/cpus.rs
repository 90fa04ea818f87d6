//! Per-CPU values are kept for more than one CPU, else sums over CPUs are of one number.

use crate::report::Report;
use l4c_verifier_tests::matrix::POSSIBLE_CPUS;

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// Reads for how many CPUs this kernel keeps values.
///
/// # Errors
/// When there are more or fewer than asked for.
pub fn check(_: &mut Report) -> Result<String, String> {
    let list = std::fs::read_to_string(POSSIBLE).map_err(|e| format!("{POSSIBLE}: {e}"))?;
    let wanted = format!("0-{}", POSSIBLE_CPUS - 1);
    if list.trim() == wanted {
        Ok(format!("{POSSIBLE_CPUS} possible"))
    } else {
        Err(format!("{POSSIBLE} is {list:?}, not {wanted:?}"))
    }
}
