//! Commands of others, and patience.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often [`until`] looks.
const STEP: Duration = Duration::from_millis(10);

/// A name that nothing else has on this machine.
#[must_use]
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("l4c-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a command and gives what it printed. It sees the network namespace of this thread.
///
/// # Errors
/// When it can't be started or does not succeed, with what it says.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let said = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{}: {e}", said()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = [output.stdout, output.stderr].concat();
    Err(format!("{}: {}", said(), String::from_utf8_lossy(&words).trim_end()))
}

/// Runs a command that prints JSON.
///
/// # Errors
/// As [`run`], and when it prints something else.
pub fn json(program: &str, arguments: &[&str]) -> Result<serde_json::Value, String> {
    let text = run(program, arguments)?;
    serde_json::from_str(&text).map_err(|e| format!("{program} {}: {e}", arguments.join(" ")))
}

/// Looks again and again for up to `patience` whether there is nothing to complain of any more.
///
/// # Errors
/// The last complaint.
pub fn until(
    patience: Duration,
    mut complaint: impl FnMut() -> Result<Option<String>, String>,
) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match complaint()? {
            None => return Ok(()),
            Some(why) if begun.elapsed() > patience => {
                return Err(format!("after {patience:?}: {why}"));
            }
            Some(_) => std::thread::sleep(STEP),
        }
    }
}
