//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that gets its name only when it is complete.
///
/// It is written beside its place and renamed there by [`NewFile::keep`]; if that is not called,
/// it is removed again. Pipes and devices are written as they are.
pub struct NewFile {
    place: PathBuf,
    /// Where it is written until then; none for what is no regular file.
    beside: Option<PathBuf>,
}

impl NewFile {
    /// A file to be at `place`, and where to write it.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn create(place: &Path) -> io::Result<(Self, File)> {
        // What a link points to is replaced, not the link.
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let about = fs::metadata(&place).ok();
        if about.as_ref().is_some_and(|a| !a.is_file()) {
            let file = OpenOptions::new().write(true).open(&place)?;
            return Ok((Self { place, beside: None }, file));
        }
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let beside = place.with_file_name(hidden);
        let file = File::create(&beside)?;
        let new = Self { place, beside: Some(beside) };
        if let Some(about) = about {
            file.set_permissions(about.permissions())?;
        }
        Ok((new, file))
    }

    /// The file is complete.
    ///
    /// # Errors
    /// When it can't be renamed; what stood in its place is still there then.
    pub fn keep(mut self) -> io::Result<()> {
        match self.beside.take() {
            Some(beside) => fs::rename(&beside, &self.place).inspect_err(|_| remove(&beside)),
            None => Ok(()),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            remove(beside);
        }
    }
}

/// A leftover that can't be removed hurts nobody, and there is no better moment to say so.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// Puts `bytes` at `place`, whole or not at all.
///
/// # Errors
/// When that is not possible; what stood there is still there then.
pub fn replace(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let (new, mut file) = NewFile::create(place)?;
    file.write_all(bytes)?;
    new.keep()
}
