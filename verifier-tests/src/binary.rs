//! The command, for tests that run it as users do.
//!
//! Cargo tells only a package's own tests where its programs are (`CARGO_BIN_EXE_*`), so that this crate looks
//! beside the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of `l4c` as its sources are now: what `cargo test --workspace` has built, else it is built here.
///
/// # Errors
/// When it can't be built.
pub fn l4c_binary() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|e| format!("this test has no path: {e}"))?;
    // A test is TARGET/PROFILE/deps/NAME-HASH.
    let profile =
        test.ancestors().nth(2).ok_or_else(|| format!("{} lies oddly", test.display()))?;
    let binary = profile.join("l4c");
    if !is_fresh(&binary) {
        build(profile)?;
    }
    if binary.exists() { Ok(binary) } else { Err(format!("{} was not built", binary.display())) }
}

/// Is it newer than all that it was made of? Cargo lists that in a file beside it.
fn is_fresh(binary: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let Some(built) = changed(binary) else { return false };
    let Ok(listing) = std::fs::read_to_string(binary.with_extension("d")) else { return false };
    let sources = sources(&listing);
    let is_older = |source: &String| changed(Path::new(source)).is_some_and(|at| at <= built);
    !sources.is_empty() && sources.iter().all(is_older)
}

/// What a rule of a makefile depends on; blanks in names have a backslash in front.
fn sources(listing: &str) -> Vec<String> {
    const BLANK: &str = "\\ ";
    let Some((_, names)) = listing.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let names = names.replace(BLANK, "\0");
    names.split_whitespace().map(|name| name.replace('\0', " ")).collect()
}

fn build(profile: &Path) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", "l4c", "--bin", "l4c"]);
    if let Some(target) = profile.parent() {
        command.arg("--target-dir").arg(target);
    }
    // As `cargo test` builds it, with or without `--release`.
    let is_release = profile.file_name().is_some_and(|name| name == "release");
    command.args(["--profile", if is_release { "bench" } else { "test" }]);
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("cargo: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("l4c can't be built: {}", String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_writes() {
        let listing = "/t/debug/l4c: /a/main.rs /with\\ blank/lib.rs\n/a/main.rs:\n";
        assert_eq!(sources(listing), ["/a/main.rs", "/with blank/lib.rs"]);
        assert!(sources("").is_empty());
    }

    #[test]
    fn what_is_missing_is_not_fresh() {
        assert!(!is_fresh(Path::new("/nowhere/l4c")));
    }
}
