//! `bpftool`, which is libbpf, loads what keeps state.

use crate::report::Report;
use l4c_runtime::Object;
use l4c_verifier_tests::matrix::BUNDLE;
use l4c_verifier_tests::matrix::libbpf::{FOLDER, first_kernel, this_kernel};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where programs are pinned, and go from again.
const PINS: &str = "/sys/fs/bpf/libbpf";

/// Loads every object of the folder.
///
/// # Errors
/// When the folder can't be read.
pub fn check(report: &mut Report) -> Result<String, String> {
    let folder = Path::new(BUNDLE).join(FOLDER);
    let mut count = 0;
    for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        count += 1;
        if let Err(why) = load(&path) {
            report.failed(&path.display().to_string(), &why);
        }
    }
    Ok(format!("{count} objects"))
}

fn load(path: &Path) -> Result<(), String> {
    let elf = fs::read(path).map_err(|e| e.to_string())?;
    let object = Object::parse(&elf).map_err(|e| e.to_string())?;
    let (major, minor) = first_kernel(object.manifest());
    if this_kernel() < (major, minor) {
        println!("{} is for {major}.{minor}", path.display());
        return Ok(());
    }
    let mut command = Command::new("/bin/bpftool");
    let done = command.args(["prog", "loadall"]).arg(path).arg(PINS).output();
    let done = done.map_err(|e| format!("bpftool: {e}"))?;
    let removed = fs::remove_dir_all(PINS);
    if !done.status.success() {
        let words = String::from_utf8_lossy(&done.stderr).into_owned();
        let last: Vec<&str> = words.lines().rev().take(20).collect();
        return Err(last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    removed.map_err(|e| format!("{PINS}: {e}"))
}
