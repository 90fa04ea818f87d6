//! Files that a test holds in memory.

use super::{Base, FileError, Files, MAX_SOURCE_BYTES, lexical};
use std::collections::BTreeMap;
use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};

/// Files by relative path.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl MemoryFiles {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one file more.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(PathBuf::from(path), content.into());
        self
    }
}

impl Files for MemoryFiles {
    fn resolve(&self, base: Base<'_>, written: &str) -> Result<PathBuf, FileError> {
        if Path::new(written).is_absolute() {
            return Err(FileError::Absolute);
        }
        let path = lexical(&base.from_dir.join(written)).ok_or(FileError::Outside)?;
        let root_dir = lexical(base.root_dir).ok_or(FileError::Outside)?;
        if !path.starts_with(root_dir) {
            return Err(FileError::Outside);
        }
        if self.files.contains_key(&path) { Ok(path) } else { Err(FileError::NotFound) }
    }

    fn read_root(&self, path: &Path) -> Result<(Vec<u8>, PathBuf), FileError> {
        let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok((self.read(path)?, dir))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        let bytes = self.files.get(path).ok_or(FileError::NotFound)?;
        if bytes.len() as u64 > MAX_SOURCE_BYTES {
            return Err(FileError::TooLarge { bytes: Some(bytes.len() as u64) });
        }
        Ok(bytes.clone())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn BufRead>, FileError> {
        let bytes = self.files.get(path).ok_or(FileError::NotFound)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }
}
