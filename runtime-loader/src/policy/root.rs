//! The pin folder: whose it is, and one command at a time.

use super::PolicyError;
use super::dir::{PolicyDir, names_in};
use super::heal::Healed;
use crate::net::{self, Interface};
use rustix::fs::{FlockOperation, flock, fstatfs, statfs};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// `BPF_FS_MAGIC` of `include/uapi/linux/magic.h`.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Only the owner may look into our folders.
pub const FOLDER_MODE: u32 = 0o700;

/// A pin folder, not looked at yet.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
}

/// A pin folder that no other l4c works on, with what interrupted ones left put in order.
#[derive(Debug)]
pub struct Locked {
    path: PathBuf,
    /// None if the folder is not there.
    lock: Option<File>,
    /// What was put in order, or could not be.
    pub healed: Vec<Healed>,
    /// The network namespace that this was opened in.
    pub(crate) netns: u64,
    /// Its interfaces.
    pub(crate) interfaces: Vec<Interface>,
}

impl Root {
    /// A pin folder by name; by default users mean `/sys/fs/bpf/l4c`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Opens the folder and makes it if it is not there; `waiting` is called once if another command has
    /// to end first.
    ///
    /// # Errors
    /// When the folder is no safe place or can't be made.
    pub fn open(&self, waiting: &mut dyn FnMut()) -> Result<Locked, PolicyError> {
        if matches!(self.path.symlink_metadata(), Err(e) if e.kind() == io::ErrorKind::NotFound) {
            let there = self.path.ancestors().skip(1).find(|p| p.exists());
            let there = there.unwrap_or(Path::new("."));
            let kind = statfs(there).map_err(|e| PolicyError::at("look at", there, &e.into()))?;
            bpffs(kind.f_type, there)?;
            let made = DirBuilder::new().mode(FOLDER_MODE).recursive(true).create(&self.path);
            made.map_err(|e| PolicyError::at("make the pin folder", &self.path, &e))?;
        }
        self.look(waiting)
    }

    /// Opens the folder; where there is none, no policy is loaded.
    ///
    /// # Errors
    /// When the folder is no safe place.
    pub fn look(&self, waiting: &mut dyn FnMut()) -> Result<Locked, PolicyError> {
        let system = |what: &str, e: io::Error| PolicyError::system(format!("{what}: {e}"));
        let netns = net::namespace().map_err(|e| system("no network namespace", e))?;
        let lock = match self.path.symlink_metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(PolicyError::at("look at", &self.path, &e)),
            Ok(_) => Some(self.lock(waiting)?),
        };
        let path = self.path.clone();
        let mut locked = Locked { path, lock, healed: Vec::new(), netns, interfaces: Vec::new() };
        locked.heal()?;
        // Not before: whoever held the lock, and what was put in order, changed what runs there.
        locked.interfaces = net::interfaces().map_err(|e| system("no list of interfaces", e))?;
        Ok(locked)
    }

    fn lock(&self, waiting: &mut dyn FnMut()) -> Result<File, PolicyError> {
        check_owner(&self.path)?;
        let folder = File::open(&self.path);
        let folder = folder.map_err(|e| PolicyError::at("open", &self.path, &e))?;
        let kind =
            fstatfs(&folder).map_err(|e| PolicyError::at("look at", &self.path, &e.into()))?;
        bpffs(kind.f_type, &self.path)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                waiting();
                flock(&folder, FlockOperation::LockExclusive)
            }
            other => other,
        }
        .map_err(|e| PolicyError::at("lock", &self.path, &e.into()))?;
        Ok(folder)
    }
}

impl Locked {
    /// The pin folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a policy, which may not be there.
    pub(crate) fn policy(&self, name: &str) -> PolicyDir {
        PolicyDir::new(&self.path, name)
    }

    /// All policies in the folder, by name; what is in there and belongs to somebody else is none of them.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(crate) fn policies(&self) -> Result<Vec<PolicyDir>, PolicyError> {
        let entries = self.entries()?;
        let mut ours = Vec::new();
        for dir in entries {
            if stranger(dir.path())?.is_none() {
                ours.push(dir);
            }
        }
        Ok(ours)
    }

    /// Whatever is in the folder, by name.
    pub(crate) fn entries(&self) -> Result<Vec<PolicyDir>, PolicyError> {
        if self.lock.is_none() {
            return Ok(Vec::new());
        }
        let names = names_in(&self.path);
        let mut names = names.map_err(|e| PolicyError::at("read", &self.path, &e))?;
        names.sort();
        Ok(names.iter().map(|name| self.policy(name)).collect())
    }

    /// Names of the loaded policies.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn names(&self) -> Result<Vec<String>, PolicyError> {
        Ok(self.policies()?.iter().map(|dir| dir.name().to_owned()).collect())
    }

    /// An interface of this network namespace, by name.
    pub(crate) fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.name == name)
    }
}

/// Refuses a folder in which somebody else could put programs of their own.
pub(crate) fn check_owner(path: &Path) -> Result<(), PolicyError> {
    stranger(path)?.map_or(Ok(()), Err)
}

/// Why a folder is not for us, if it is not: it belongs to another user, others may write to it, or it is only a
/// symbolic link.
///
/// # Errors
/// When it can't be looked at, which says nothing of it.
pub(crate) fn stranger(path: &Path) -> Result<Option<PolicyError>, PolicyError> {
    let data = path.symlink_metadata().map_err(|e| PolicyError::at("look at", path, &e))?;
    let ours = rustix::process::geteuid().as_raw();
    let wrong = if data.is_symlink() {
        "is a symbolic link".to_owned()
    } else if !data.is_dir() {
        "is no folder".to_owned()
    } else if data.uid() != ours {
        format!("belongs to user {}, and this is user {ours}", data.uid())
    } else if data.mode() & 0o022 != 0 {
        format!("may be written to by others (mode {:o})", data.mode() & 0o777)
    } else {
        return Ok(None);
    };
    let refusal = PolicyError::system(format!("the pin folder `{}` {wrong}", path.display()));
    Ok(Some(refusal.help("`--pin DIR` names another; l4c makes it if it is not there")))
}

fn bpffs(kind: impl Into<i64>, path: &Path) -> Result<(), PolicyError> {
    if kind.into() == BPF_FS_MAGIC {
        return Ok(());
    }
    let message = format!("`{}` is not in a BPF file system", path.display());
    Err(PolicyError::system(message).help("mount it: mount -t bpf bpf /sys/fs/bpf"))
}
