//! Files of the disk, fenced in.

use super::{Base, FileError, Files, MAX_SOURCE_BYTES, lexical};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The disk. A rule file reaches what lies in its own folder or below, and what lies below `roots`.
#[derive(Debug, Clone, Default)]
pub struct DiskFiles {
    /// Further folders that are allowed (`--root DIR`).
    pub roots: Vec<PathBuf>,
}

impl DiskFiles {
    /// The folders that `written` may lie in: an absolute path has to lie in one that was allowed.
    fn folders<'a>(&'a self, base: Base<'a>, written: &Path) -> Vec<&'a Path> {
        let own = (!written.is_absolute()).then_some(base.root_dir);
        own.into_iter().chain(self.roots.iter().map(PathBuf::as_path)).collect()
    }
}

/// True if `path`, as it is spelt, lies in one of the folders. Asked before the disk is, so that a rule
/// file does not find out what exists elsewhere.
fn spelt_inside(path: &Path, folders: &[&Path], real_folders: &[PathBuf]) -> bool {
    let Some(path) = spelt_out(path) else { return false };
    let spelt = folders.iter().filter_map(|dir| spelt_out(dir));
    spelt.chain(real_folders.iter().cloned()).any(|dir| path.starts_with(dir))
}

/// `path` from the root on, without `.` and `..`, links not looked at.
fn spelt_out(path: &Path) -> Option<PathBuf> {
    lexical(&std::path::absolute(path).ok()?)
}

impl Files for DiskFiles {
    fn resolve(&self, base: Base<'_>, written: &str) -> Result<PathBuf, FileError> {
        let written = Path::new(written);
        let folders = self.folders(base, written);
        let real_folders: Vec<PathBuf> =
            folders.iter().filter_map(|dir| fs::canonicalize(dir).ok()).collect();
        let joined = base.from_dir.join(written);
        if !spelt_inside(&joined, &folders, &real_folders) {
            let absolute = written.is_absolute();
            return Err(if absolute { FileError::Absolute } else { FileError::Outside });
        }
        let real = fs::canonicalize(joined)?;
        if !real_folders.iter().any(|dir| real.starts_with(dir)) {
            return Err(FileError::Outside);
        }
        // A pipe would block and a device would never end.
        if !fs::metadata(&real)?.is_file() {
            return Err(FileError::NotAFile);
        }
        Ok(real)
    }

    fn read_root(&self, path: &Path) -> Result<(Vec<u8>, PathBuf), FileError> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(FileError::NotAFile);
        }
        let size = about.is_file().then_some(about.len());
        let bytes = read_limited(file, size)?;
        // The folder is where the user's path says: a linked root file may include its linked neighbours.
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        let dir = fs::canonicalize(parent.unwrap_or(Path::new(".")))?;
        Ok((bytes, dir))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        read_limited(file, Some(size))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn BufRead>, FileError> {
        Ok(Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)))
    }
}

/// Reads a whole file unless its size forbids it, or it turns out longer than it said.
fn read_limited(file: File, size: Option<u64>) -> Result<Vec<u8>, FileError> {
    if size.is_some_and(|n| n > MAX_SOURCE_BYTES) {
        return Err(FileError::TooLarge { bytes: size });
    }
    let mut bytes = Vec::new();
    file.take(MAX_SOURCE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SOURCE_BYTES {
        return Err(FileError::TooLarge { bytes: None });
    }
    Ok(bytes)
}
