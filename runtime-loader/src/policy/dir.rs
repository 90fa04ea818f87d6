//! A policy's folder: what is where.

use super::PolicyError;
use super::names::{self, LinkName};
use super::record::Record;
use super::root::FOLDER_MODE;
use crate::sys;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

/// The folder of a policy; it need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDir {
    path: PathBuf,
    name: String,
}

impl PolicyDir {
    /// The folder of a policy in the pin folder `root`.
    pub fn new(root: &Path, name: &str) -> Self {
        Self { path: root.join(name), name: name.to_owned() }
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Names of all that is in the folder; none if it is not there.
    fn entries(&self) -> Result<Vec<String>, PolicyError> {
        match names_in(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(|e| PolicyError::at("read", &self.path, &e)),
        }
    }

    /// Its generations that have a folder, whole or not, oldest first.
    pub fn generations(&self) -> Result<Vec<u64>, PolicyError> {
        let entries = self.entries()?;
        let mut numbers: Vec<u64> =
            entries.iter().filter_map(|name| names::generation_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Its links, gone ones too.
    pub fn links(&self) -> Result<Vec<LinkName>, PolicyError> {
        let entries = self.entries()?;
        let mut links: Vec<LinkName> =
            entries.iter().filter_map(|name| name.parse().ok()).collect();
        links.sort();
        Ok(links)
    }

    /// Pin of a link.
    pub fn link(&self, link: LinkName) -> PathBuf {
        self.entry(&link.to_string())
    }

    /// The generation that runs; none if nothing was loaded to the end.
    pub fn current(&self) -> Result<Option<u64>, PolicyError> {
        self.points_to(names::CURRENT)
    }

    /// Has it been decided to take the policy off?
    pub fn is_ending(&self) -> Result<bool, PolicyError> {
        Ok(self.points_to(names::ENDED)?.is_some())
    }

    fn points_to(&self, name: &str) -> Result<Option<u64>, PolicyError> {
        let path = self.entry(name);
        match fs::read_link(&path) {
            Ok(target) => Ok(target.to_str().and_then(names::generation_number)),
            // Not there, or no symbolic link. Whatever else goes wrong says nothing of what is there.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                Ok(None)
            }
            Err(e) => Err(PolicyError::at("read", &path, &e)),
        }
    }

    /// Folder of a generation.
    pub fn generation(&self, number: u64) -> PathBuf {
        self.entry(&names::generation(number))
    }

    /// Folder of a hook of a generation.
    pub fn hook(&self, number: u64, hook: &str) -> PathBuf {
        self.generation(number).join(hook)
    }

    /// Folder of the maps of a generation that outlive it.
    pub fn maps(&self, number: u64) -> PathBuf {
        self.generation(number).join(names::MAPS)
    }

    /// What a generation says of itself.
    pub fn record(&self, number: u64) -> Result<Record, PolicyError> {
        let path = self.generation(number).join(names::INFO);
        Record::read(&path).map_err(|e| PolicyError::at("read", &path, &e))
    }

    /// Is the generation whole? Its record is pinned last.
    pub fn is_whole(&self, number: u64) -> Result<bool, PolicyError> {
        is_there(&self.generation(number).join(names::INFO))
    }

    /// Has it a link there?
    pub fn has_link(&self, link: LinkName) -> Result<bool, PolicyError> {
        is_there(&self.link(link))
    }

    /// Opens a hook's program.
    pub fn program(&self, number: u64, hook: &str) -> Result<OwnedFd, PolicyError> {
        let path = self.hook(number, hook).join(names::PROGRAM);
        sys::get(&path).map_err(|e| PolicyError::at("open", &path, &e))
    }

    /// Makes the folders of a generation.
    pub fn make(&self, number: u64, hooks: &[&str]) -> Result<(), PolicyError> {
        let mut paths = vec![self.maps(number)];
        paths.extend(hooks.iter().map(|hook| self.hook(number, hook)));
        for path in paths {
            let made = DirBuilder::new().mode(FOLDER_MODE).recursive(true).create(&path);
            made.map_err(|e| PolicyError::at("make", &path, &e))?;
        }
        Ok(())
    }

    /// From now on this generation is the one that runs. After an error it is not.
    pub fn switch(&self, number: u64) -> Result<(), PolicyError> {
        let next = self.entry(names::NEXT);
        self.remove_entry(names::NEXT)?;
        let made = symlink(names::generation(number), &next);
        made.and_then(|()| fs::rename(&next, self.entry(names::CURRENT)))
            .map_err(|e| PolicyError::at("write", &next, &e))
    }

    /// What is left where generation `number` runs: itself and the one before, and the names of its hooks.
    pub fn tidy(&self, number: u64, record: &Record) -> Result<(), PolicyError> {
        self.name_hooks(record)?;
        for name in self.entries()? {
            let is_hook = !name.contains('-');
            if name == names::NEXT || (is_hook && record.hook(&name).is_none()) {
                self.remove_entry(&name)?;
            }
        }
        for other in self.generations()? {
            if other != number && Some(other) != record.previous {
                self.remove_generation(other)?;
            }
        }
        Ok(())
    }

    /// Gives each hook of a generation a name beside the generations, which leads to whichever runs.
    pub fn name_hooks(&self, record: &Record) -> Result<(), PolicyError> {
        let there = self.entries()?;
        let hooks = record.hooks.iter().map(|hook| &hook.hook.name);
        for name in hooks.filter(|name| !there.contains(name)) {
            let path = self.entry(name);
            let made = symlink(Path::new(names::CURRENT).join(name), &path);
            made.map_err(|e| PolicyError::at("write", &path, &e))?;
        }
        Ok(())
    }

    /// Removes a generation that nothing runs, and all else that was made for it.
    pub fn forget(&self, number: u64) -> Result<(), PolicyError> {
        self.remove_generation(number)?;
        match self.current()? {
            Some(current) => self.tidy(current, &self.record(current)?),
            None if self.generations()?.is_empty() => self.remove(),
            None => Ok(()),
        }
    }

    /// Decides that the policy is to be taken off: from then on whoever comes finishes it.
    pub fn end(&self) -> Result<(), PolicyError> {
        let (from, to) = (self.entry(names::CURRENT), self.entry(names::ENDED));
        match fs::rename(&from, &to) {
            // A policy that never was loaded to the end.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                symlink(names::generation(0), &to).map_err(|e| PolicyError::at("write", &to, &e))
            }
            other => other.map_err(|e| PolicyError::at("rename", &from, &e)),
        }
    }

    /// Removes a generation's folder. Its record goes first: what is left is not whole.
    pub fn remove_generation(&self, number: u64) -> Result<(), PolicyError> {
        let path = self.generation(number);
        let _ = fs::remove_file(path.join(names::INFO));
        removed(&path, fs::remove_dir_all(&path))
    }

    /// Removes an entry that is no folder.
    pub fn remove_entry(&self, name: &str) -> Result<(), PolicyError> {
        let path = self.entry(name);
        removed(&path, fs::remove_file(&path))
    }

    /// Removes the whole folder. Links in it must have been detached.
    pub fn remove(&self) -> Result<(), PolicyError> {
        removed(&self.path, fs::remove_dir_all(&self.path))
    }
}

/// Names of all that is in a folder. Those that are no text are none of ours.
pub fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Is something there? An answer that does not come is none.
fn is_there(path: &Path) -> Result<bool, PolicyError> {
    path.try_exists().map_err(|e| PolicyError::at("look at", path, &e))
}

/// What was not there is removed too.
fn removed(path: &Path, result: io::Result<()>) -> Result<(), PolicyError> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|e| PolicyError::at("remove", path, &e)),
    }
}
