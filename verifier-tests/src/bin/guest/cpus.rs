//! What is kept for each CPU is kept for more than one: else sums over CPUs are of one number.

use crate::report::Report;
use l4c_verifier_tests::matrix::CPUS;
use std::fs;

const FOLDER: &str = "/sys/devices/system/cpu";

/// Reads which CPUs there may be in this machine, and which there are.
///
/// # Errors
/// When those are others than asked for.
pub fn check(_: &mut Report) -> Result<String, String> {
    let possible = format!("0-{}", CPUS - 1);
    for (list, wanted) in [("possible", possible.as_str()), ("online", "0")] {
        let path = format!("{FOLDER}/{list}");
        let is = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        if is.trim() != wanted {
            return Err(format!("{path} is {is:?}, not {wanted:?}"));
        }
    }
    Ok(format!("1 of {CPUS}"))
}
