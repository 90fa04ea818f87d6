//! A kernel in QEMU, from its files to what it says.
//!
//! QEMU interprets (TCG) on every machine: whether hardware could help is not the same everywhere, and the
//! matrix takes seconds.

use super::archive::Archive;
use super::{BUNDLE, CPUS, MODULES, RESULT};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A guest that takes longer hangs.
const LONGEST_SECONDS: u32 = 420;

/// Memory of a guest.
const MEBIBYTES: u32 = 1536;

/// Programs of this machine that a guest calls.
const PROGRAMS: &[&str] = &["ip", "bpftool"];

/// Where programs are sought beside `PATH`, which may be a plain user's.
const SYSTEM_PROGRAMS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Lines of the console that are shown of a guest that failed.
const CONSOLE_LINES: usize = 60;

/// Contents by path.
pub type Files = [(String, Vec<u8>)];

/// What comes out of a guest that found nothing wrong.
#[derive(Debug, Clone)]
pub struct Report {
    /// What follows [`RESULT`].
    pub result: String,
    /// From start to power-off.
    pub took: Duration,
}

/// A kernel's files, as the script `kernels` leaves them.
#[derive(Debug, Clone)]
pub struct Kernel {
    folder: PathBuf,
    /// As `uname -r` says it.
    pub release: String,
}

impl Kernel {
    /// Fetches a kernel into a folder of `cache`, unless it is there.
    ///
    /// # Errors
    /// Why it can't be had.
    pub fn fetch(cache: &Path, version: &str) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let mut command = Command::new(script);
        output(command.arg(cache).arg(version))?;
        let folder = cache.join(version);
        let release = fs::read_to_string(folder.join("release")).map_err(in_folder(&folder))?;
        Ok(Self { release: release.trim().to_owned(), folder })
    }

    /// Boots it with `guest` as its first process and the files of a bundle, by their path in it, and reads
    /// what it says; its archive is left in `scratch`.
    ///
    /// # Errors
    /// The end of the console, unless the guest says that all went well.
    pub fn boot(&self, guest: &Path, bundle: &Files, scratch: &Path) -> Result<Report, String> {
        let initrd = scratch.join(format!("{}.cpio", self.release));
        let archive = self.archive(guest, bundle, scratch)?;
        fs::write(&initrd, archive).map_err(in_folder(scratch))?;
        let start = Instant::now();
        let mut qemu = Command::new("timeout");
        qemu.arg(LONGEST_SECONDS.to_string()).arg("qemu-system-x86_64");
        // Those that never start cost nothing (maxcpus below); newer kernels don't count a CPU that is not there
        // from the beginning (QEMU's own maxcpus).
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp"]).arg(CPUS.to_string());
        qemu.arg("-m").arg(MEBIBYTES.to_string());
        // Not -nographic, with which the BIOS writes to the console too.
        qemu.args(["-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio"]);
        qemu.arg("-kernel").arg(self.folder.join("vmlinuz")).arg("-initrd").arg(&initrd);
        qemu.args(["-append", "console=ttyS0 panic=-1 quiet maxcpus=1"]);
        let finished = qemu.stdin(Stdio::null()).output().map_err(|e| format!("qemu: {e}"))?;
        let took = start.elapsed();
        // QEMU's own exit code says nothing: it is 0 after a panic too.
        let console = String::from_utf8_lossy(&finished.stdout).replace('\r', "");
        let said = console.lines().find_map(|line| line.strip_prefix(RESULT));
        match said.and_then(|said| said.strip_prefix("PASS ")) {
            Some(result) => Ok(Report { result: result.to_owned(), took }),
            None => Err(format!(
                "{} after {:.1} s ({}); the console's end:\n{}\n{}",
                self.release,
                took.as_secs_f64(),
                finished.status,
                last_lines(&console),
                String::from_utf8_lossy(&finished.stderr)
            )),
        }
    }

    fn archive(&self, guest: &Path, bundle: &Files, scratch: &Path) -> Result<Vec<u8>, String> {
        let mut archive = Archive::default();
        // The kernel opens the console that its own first archive holds; the rest is mounted on these.
        for folder in ["proc", "sys", "dev", "tmp", "run"] {
            archive.folder(folder);
        }
        let stripped = scratch.join(format!("{}.init", self.release));
        output(Command::new("strip").arg("-o").arg(&stripped).arg(guest))?;
        archive.copy("/init", &stripped).map_err(in_folder(&stripped))?;
        let mut needed = libraries(guest)?;
        for name in PROGRAMS {
            let path = program(name)?;
            archive.copy(&format!("/bin/{name}"), &path).map_err(in_folder(&path))?;
            needed.extend(libraries(&path)?);
        }
        for library in needed {
            let path = Path::new(&library);
            archive.copy(&library, path).map_err(in_folder(path))?;
        }
        let modules = self.folder.join("modules");
        for entry in fs::read_dir(&modules).map_err(in_folder(&modules))? {
            let path = entry.map_err(in_folder(&modules))?.path();
            let name = path.file_name().unwrap_or_default().display();
            archive.copy(&format!("{MODULES}/{name}"), &path).map_err(in_folder(&path))?;
        }
        for (name, content) in bundle {
            archive.add(&format!("{BUNDLE}/{name}"), content);
        }
        Ok(archive.finish())
    }
}

/// Where a program is installed.
fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_PROGRAMS.map(PathBuf::from));
    let mut places = folders.map(|folder| folder.join(name));
    places.find(|place| place.is_file()).ok_or_else(|| format!("{name} is not installed"))
}

/// The shared libraries of a program, the dynamic loader among them, as absolute paths.
fn libraries(program: &Path) -> Result<BTreeSet<String>, String> {
    let listing = output(Command::new("ldd").arg(program))?;
    // `libc.so.6 => /lib/libc.so.6 (0x..)`, `/lib64/ld-linux-x86-64.so.2 (0x..)`; the vDSO has no path.
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    Ok(listing.lines().filter_map(path).collect())
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().display().to_string();
    let finished = command.stdin(Stdio::null()).output().map_err(|e| format!("{name}: {e}"))?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    let words = [finished.stdout, finished.stderr].concat();
    Err(format!("{name}: {}", last_lines(&String::from_utf8_lossy(&words))))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
}

fn in_folder<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |why| format!("{}: {why}", path.display())
}
