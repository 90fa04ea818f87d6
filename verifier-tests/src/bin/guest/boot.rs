//! What an init does: file systems, modules, power-off.

use l4c_verifier_tests::matrix::MODULES;
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};
use std::fs::{self, File};
use std::os::unix::fs::symlink;

/// File systems: type and place.
const MOUNTS: [(&str, &str); 4] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    // The folder is sysfs's own.
    ("bpf", "/sys/fs/bpf"),
];

/// Where some builds of iproute2 keep the names of network namespaces, and where that is.
const RUN: (&str, &str) = ("/run", "/var/run");

/// Mounts what programs expect and inserts the modules that were brought along.
///
/// # Errors
/// Which step failed.
pub fn boot() -> Result<(), String> {
    for (kind, place) in MOUNTS {
        mount(kind, place, kind, MountFlags::empty(), None)
            .map_err(|e| format!("{kind} on {place}: {e}"))?;
    }
    let linked = fs::create_dir("/var").and_then(|()| symlink(RUN.0, RUN.1));
    linked.map_err(|e| format!("{}: {e}", RUN.1))?;
    let entries = fs::read_dir(MODULES).map_err(|e| format!("{MODULES}: {e}"))?;
    let mut modules: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    modules.sort();
    for path in modules {
        let error = |why: std::io::Error| format!("{}: {why}", path.display());
        let file = File::open(&path).map_err(error)?;
        finit_module(file, c"", 0).map_err(|e| error(e.into()))?;
    }
    Ok(())
}

/// Turns the machine off.
pub fn power_off() {
    // Should the kernel refuse, it panics when this process ends, which ends the machine as well.
    if let Err(why) = reboot(RebootCommand::PowerOff) {
        eprintln!("power-off: {why}");
    }
}
