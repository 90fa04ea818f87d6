//! Source texts and where they come from.
//!
//! Guarantees that nothing outside the root file's folder (and the folders that were allowed) is opened
//! because a rule file says so, and that a file's size is known before it is read.

mod disk;
mod load;
mod memory;
#[cfg(test)]
mod tests;

pub use disk::DiskFiles;
pub use load::{Input, InputText, LoadError, Loaded, load};
pub use memory::MemoryFiles;

use l4c_grammar::{FileId, Span};
use std::fmt;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// A source file may have so many bytes.
pub const MAX_SOURCE_BYTES: u64 = 64 << 20;

/// All sources of one policy may have so many bytes together.
pub const MAX_TOTAL_BYTES: u64 = 128 << 20;

/// One source text.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the user named it: what diagnostics print.
    pub name: String,
    /// The text; invalid UTF-8 stands replaced.
    pub text: String,
    /// The folder that its relative paths count from.
    pub dir: PathBuf,
}

/// All sources of a policy, the root first. A [`FileId`] is an index into them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    list: Vec<Source>,
    /// Of each source, where its lines begin: every rule of an object names its line.
    line_starts: Vec<Vec<u32>>,
    /// Of each source, its name counted from the root's folder.
    portable: Vec<String>,
}

impl Sources {
    /// Adds a source. Its portable name is the last part of its name.
    ///
    /// # Panics
    /// With more than 2³² sources, which no memory holds.
    pub fn push(&mut self, source: Source) -> FileId {
        let last = Path::new(&source.name).file_name().and_then(|n| n.to_str());
        let portable = last.unwrap_or(&source.name).to_owned();
        self.push_as(source, portable)
    }

    /// Adds a source with a portable name.
    fn push_as(&mut self, source: Source, portable: String) -> FileId {
        let id = u32::try_from(self.list.len()).expect("fewer sources than memory holds");
        // Spans count in 32 bits; what lies beyond has no line of its own.
        let newlines = source.text.bytes().zip(1u32..).filter(|&(byte, _)| byte == b'\n');
        self.line_starts.push(std::iter::once(0).chain(newlines.map(|(_, next)| next)).collect());
        self.list.push(source);
        self.portable.push(portable);
        FileId(id)
    }

    /// The name of `file` counted from the root's folder: the same wherever that folder lies and however
    /// the user named it. Objects carry this one. Empty if there is no such source.
    #[must_use]
    pub fn portable_name(&self, file: FileId) -> &str {
        self.portable.get(file.0 as usize).map_or("", String::as_str)
    }

    /// The source of `file`, if there is one.
    #[must_use]
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.list.get(file.0 as usize)
    }

    /// All of them, by [`FileId`].
    #[must_use]
    pub fn as_slice(&self) -> &[Source] {
        &self.list
    }

    /// What stands at `span`; empty if that is no place of a source.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        let range = span.start as usize..span.end as usize;
        self.get(span.file).and_then(|s| s.text.get(range)).unwrap_or_default()
    }

    /// Line and column (in characters) of a byte offset, both from 1. Offsets past the end are the end.
    #[must_use]
    pub fn line_column(&self, file: FileId, offset: u32) -> (usize, usize) {
        let text = self.get(file).map_or("", |s| s.text.as_str());
        let mut end = (offset as usize).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let starts = self.line_starts.get(file.0 as usize).map_or(&[0][..], Vec::as_slice);
        let line = starts.partition_point(|&start| start as usize <= end).max(1);
        (line, text[starts[line - 1] as usize..end].chars().count() + 1)
    }
}

/// Where a path in a source counts from, and what it may not leave.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// Folder of the root file.
    pub root_dir: &'a Path,
    /// Folder of the file that names the path.
    pub from_dir: &'a Path,
}

/// The way to files: the disk, or what a test holds in memory.
pub trait Files {
    /// The file that `written` names, if it is allowed. Two names of one file give the same path.
    ///
    /// # Errors
    /// The path is absolute, leaves the folders allowed, or names no file.
    fn resolve(&self, base: Base<'_>, written: &str) -> Result<PathBuf, FileError>;

    /// The bytes of the user's own root file, of at most [`MAX_SOURCE_BYTES`], and the folder it lies in.
    ///
    /// # Errors
    /// It cannot be read or is too large.
    fn read_root(&self, path: &Path) -> Result<(Vec<u8>, PathBuf), FileError>;

    /// The bytes of a resolved file, of at most [`MAX_SOURCE_BYTES`].
    ///
    /// # Errors
    /// It cannot be read or is too large.
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError>;

    /// A resolved file of any size, to be read bit by bit.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self, path: &Path) -> Result<Box<dyn BufRead>, FileError>;
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// An absolute path outside the folders allowed.
    Absolute,
    /// It leads out of the folders allowed.
    Outside,
    /// There is none.
    NotFound,
    /// A folder, device or pipe.
    NotAFile,
    /// More bytes than [`MAX_SOURCE_BYTES`].
    TooLarge {
        /// Its size, if it is known.
        bytes: Option<u64>,
    },
    /// The system says no, in its own words.
    System(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute => f.write_str("the path is absolute"),
            Self::Outside => f.write_str("the path leaves the folder of the rule file"),
            Self::NotFound => f.write_str("there is no such file"),
            Self::NotAFile => f.write_str("that is not a regular file"),
            Self::TooLarge { bytes: Some(bytes) } => {
                write!(f, "the file has {bytes} bytes; {MAX_SOURCE_BYTES} (64 MiB) are the most")
            }
            Self::TooLarge { bytes: None } => {
                write!(f, "the file has more than {MAX_SOURCE_BYTES} bytes (64 MiB)")
            }
            Self::System(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for FileError {}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::System(error.to_string()),
        }
    }
}

/// `path` without `.` and `..`, links not looked at; `None` if it climbs above its beginning.
fn lexical(path: &Path) -> Option<PathBuf> {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => out.push(part),
        }
    }
    Some(out)
}
