//! Programs, maps and links by the kernel's own numbers.

use super::tool::json;
use std::path::Path;

/// A class of objects, as `bpftool` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Programs.
    Program,
    /// Maps.
    Map,
    /// Links.
    Link,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Program, Self::Map, Self::Link];

    const fn name(self) -> &'static str {
        match self {
            Self::Program => "prog",
            Self::Map => "map",
            Self::Link => "link",
        }
    }
}

/// An object of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelId {
    /// What it is.
    pub class: Class,
    /// Its number; those of another class are others.
    pub id: u64,
}

impl KernelId {
    /// What is pinned under a name. A name of something of another class is none of this.
    ///
    /// # Errors
    /// When `bpftool` finds no such thing.
    pub fn pinned(class: Class, path: &Path) -> Result<Self, String> {
        let path = path.display().to_string();
        let shown = json("bpftool", &["-j", class.name(), "show", "pinned", &path])?;
        let id = shown["id"].as_u64().ok_or_else(|| format!("{path} has no number: {shown}"))?;
        Ok(Self { class, id })
    }

    /// Everything pinned in a folder and its folders.
    ///
    /// # Errors
    /// When something in there is neither program nor map nor link.
    pub fn pinned_under(folder: &Path) -> Result<Vec<Self>, String> {
        let said = |e: std::io::Error| format!("{}: {e}", folder.display());
        let mut found = Vec::new();
        for entry in folder.read_dir().map_err(said)? {
            let entry = entry.map_err(said)?;
            let (kind, path) = (entry.file_type().map_err(said)?, entry.path());
            if kind.is_dir() {
                found.extend(Self::pinned_under(&path)?);
            } else if !kind.is_symlink() {
                let all = Class::ALL.map(|class| Self::pinned(class, &path));
                let whys: Vec<String> = all.iter().filter_map(|id| id.clone().err()).collect();
                let id = all.into_iter().find_map(Result::ok);
                found.push(id.ok_or_else(|| whys.join("\n"))?);
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Everything that the kernel has, whoever made it.
    ///
    /// # Errors
    /// When `bpftool` does not tell.
    pub fn all() -> Result<Vec<Self>, String> {
        let mut all = Vec::new();
        for class in Class::ALL {
            let shown = json("bpftool", &["-j", class.name(), "show"])?;
            let ids = shown.as_array().into_iter().flatten().filter_map(|one| one["id"].as_u64());
            all.extend(ids.map(|id| Self { class, id }));
        }
        Ok(all)
    }
}
