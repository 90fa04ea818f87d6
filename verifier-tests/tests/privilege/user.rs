//! A user who is nobody and has the capabilities that a test gives him, and a place where he may pin.

use l4c_verifier_tests::l4c_binary;
use l4c_verifier_tests::wire::{Lab, run};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// `nobody`.
pub const USER: u32 = 65534;

/// What suffices, as `setpriv` calls it.
pub const THREE: [&str; 3] = ["bpf", "net_admin", "perfmon"];

/// Two interfaces, `b0` and `b1`, and a folder with rules, programs and a BPF file system that the user can reach.
/// That of the machine may be closed to him, and the folder that this was built in too.
pub struct Place {
    pub lab: Lab,
    folder: PathBuf,
    /// Where the user may pin: his own folder in a BPF file system.
    pub home: PathBuf,
}

/// What a command came to.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    /// Makes all of it.
    pub fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("l4c-user-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let place = Self { lab: Lab::new(2)?, home: folder.join("bpf/home"), folder };
        let bpf = place.folder.join("bpf");
        make(&bpf, 0o755)?;
        set_mode(&place.folder, 0o755)?;
        run("mount", &["-t", "bpf", "-o", "mode=0755", "bpf", &bpf.display().to_string()])?;
        make(&place.home, 0o700)?;
        give(&place.home)?;
        place.copy(&l4c_binary()?, "l4c")?;
        for (name, port) in [("one.l4", 7001), ("two.l4", 7002)] {
            let rule = format!("    a: udp.dport == {port} -> drop\n");
            place.write(name, format!("hook xdp edge {{\n    default pass\n{rule}}}\n"))?;
        }
        Ok(place)
    }

    /// A file or folder in the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A pin folder of the user's.
    pub fn pins(&self) -> PathBuf {
        self.home.join("l4c")
    }

    /// Copies a program to where the user may start it.
    pub fn copy(&self, program: &Path, name: &str) -> Result<(), String> {
        let to = self.path(name);
        fs::copy(program, &to).map_err(|e| format!("{}: {e}", to.display()))?;
        set_mode(&to, 0o755)
    }

    /// Writes a file that the user may read.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), String> {
        let path = self.path(name);
        fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        set_mode(&path, 0o644)
    }

    /// Runs a program of the place as the user, with these capabilities and this umask, on these interfaces.
    pub fn run(&self, capabilities: &[&str], umask: &str, words: &[&str]) -> Result<Said, String> {
        let list: String = capabilities.iter().map(|name| format!(",+{name}")).collect();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &USER.to_string(), "--regid", &USER.to_string()]);
        command.arg("--clear-groups");
        for set in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
            command.arg(format!("{set}=-all{list}"));
        }
        command.args(["sh", "-c", "umask \"$0\" && exec \"$@\"", umask]);
        command.args(words).current_dir(&self.folder).stdin(Stdio::null());
        let output = self.lab.receiver.within(|| command.output());
        let Output { status, stdout, stderr } = output.map_err(|e| format!("setpriv: {e}"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { code: status.code(), out: text(stdout), err: text(stderr) })
    }

    /// Runs `l4c` on the pin folder `pins`, with these capabilities.
    pub fn l4c(&self, capabilities: &[&str], pins: &Path, words: &[&str]) -> Result<Said, String> {
        let pins = pins.display().to_string();
        let words = [&["./l4c"][..], words, &["--pin", &pins]].concat();
        self.run(capabilities, "022", &words)
    }

    /// The same with what suffices, in the user's own pin folder; it has to go well.
    pub fn does(&self, words: &[&str]) -> Result<Said, String> {
        self.l4c(&THREE, &self.pins(), words)?.ended(0)
    }

    /// The program and its mode (1 native, 2 generic) at an interface.
    pub fn runs(&self, iface: &str) -> Result<Option<(u64, u64)>, String> {
        let xdp = &self.lab.interface(iface)?["xdp"];
        Ok(xdp["prog"]["id"].as_u64().zip(xdp["mode"].as_u64()))
    }
}

impl Said {
    /// If it ended so.
    pub fn ended(self, code: i32) -> Result<Self, String> {
        if self.code == Some(code) { Ok(self) } else { Err(format!("not exit {code}: {self:?}")) }
    }

    /// If it was refused in words that hold these.
    pub fn refused(self, words: &str) -> Result<Self, String> {
        let said = self.ended(3)?;
        if said.err.contains(words) { Ok(said) } else { Err(format!("no `{words}`: {said:?}")) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Lazily: whatever is still open goes when it is closed. Pins go with their file system.
        let bpf = self.folder.join("bpf").display().to_string();
        if let Err(why) = run("umount", &["--recursive", "--lazy", &bpf]) {
            eprintln!("{why}");
        }
        // Nobody is there to be told.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a folder of this mode, with those above it.
pub fn make(path: &Path, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))?;
    set_mode(path, mode)
}

/// Gives something to the user.
pub fn give(path: &Path) -> Result<(), String> {
    chown(path, Some(USER), Some(USER)).map_err(|e| format!("{}: {e}", path.display()))
}

/// Sets a mode, whatever the umask.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).map_err(|e| format!("{}: {e}", path.display()))
}

/// What there is to know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    pub mode: u32,
    pub owner: u32,
    pub is_dir: bool,
    pub is_symlink: bool,
}

/// Everything in a folder and its folders, by path. Symbolic links are not followed.
pub fn listing(folder: &Path) -> Result<BTreeMap<PathBuf, Data>, String> {
    let said = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut all = BTreeMap::new();
    for entry in folder.read_dir().map_err(said)? {
        let path = entry.map_err(said)?.path();
        let data = path.symlink_metadata().map_err(said)?;
        if data.is_dir() {
            all.extend(listing(&path)?);
        }
        let (mode, owner) = (data.mode() & 0o7777, data.uid());
        let (is_dir, is_symlink) = (data.is_dir(), data.is_symlink());
        all.insert(path, Data { mode, owner, is_dir, is_symlink });
    }
    Ok(all)
}
