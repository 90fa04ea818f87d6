//! Files as one archive that a kernel unpacks into its first file system.
//!
//! The form is cpio's "newc" (`Documentation/driver-api/early-userspace/buffer-format.rst` of the kernel).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

// File types and rights, as in `stat.h`.
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;

/// An archive in the making.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file under an absolute path, and the folders above it.
    pub fn add(&mut self, path: &str, content: &[u8]) {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            self.folder(&path[..at]);
        }
        self.entry(path, FILE, content);
    }

    /// Adds a file of this machine under an absolute path.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn copy(&mut self, path: &str, from: &Path) -> io::Result<()> {
        self.add(path, &fs::read(from)?);
        Ok(())
    }

    /// Adds an empty folder under an absolute path; those above it must be there.
    pub fn folder(&mut self, path: &str) {
        let path = path.trim_start_matches('/');
        if self.folders.insert(path.to_owned()) {
            self.entry(path, FOLDER, &[]);
        }
    }

    /// The whole archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let content_bytes = u32::try_from(content.len()).expect("files of a guest are small");
        let name_bytes = path.len() as u32 + 1;
        // inode, mode, owner, group, links, time, size, device (2), special device (2), name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, content_bytes, 0, 0, 0, 0, name_bytes, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
