//! The root file and everything that it includes, parsed.

use super::{Base, FileError, Files, MAX_SOURCE_BYTES, MAX_TOTAL_BYTES, Source, Sources, lexical};
use crate::check::{errors, graph};
use l4c_grammar::{Diag, FileId, Item, ItemKind, Parsed, S, Span};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What to compile.
#[derive(Debug, Clone)]
pub struct Input {
    /// What diagnostics call it.
    pub name: String,
    /// Where its text is.
    pub text: InputText,
}

/// Where the root's text is.
#[derive(Debug, Clone)]
pub enum InputText {
    /// A file.
    Path(PathBuf),
    /// A whole rule file; its paths count from the current folder.
    Text(String),
    /// The body of a hook, items before it; its paths count from the current folder.
    Body {
        /// The text.
        text: String,
        /// Kind of the hook, as after the word `hook`.
        kind: String,
    },
}

/// Name of the hook that a body is wrapped in.
pub const BODY_HOOK: &str = "cmdline";

/// Sources read and parsed.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The texts.
    pub sources: Sources,
    /// Their trees, by [`FileId`].
    pub files: Vec<l4c_grammar::File>,
    /// The root file's folder: nothing outside is reached.
    pub root_dir: PathBuf,
    /// Mistakes so far.
    pub diags: Vec<Diag>,
}

/// The root cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// What the user called it.
    pub name: String,
    /// Why.
    pub error: FileError,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read `{}`: {}", self.name, self.error)
    }
}

impl std::error::Error for LoadError {}

/// Reads and parses `input` and what it includes.
///
/// A file that is included from several places counts once: its items are one set of names anyway.
/// Includes that come back to a file are an error.
///
/// # Errors
/// The root itself cannot be read. Everything else is a diagnostic.
pub fn load(input: Input, files: &dyn Files) -> Result<Loaded, LoadError> {
    let failed = |error| LoadError { name: input.name.clone(), error };
    let (bytes, dir) = match &input.text {
        InputText::Path(path) => files.read_root(path).map_err(failed)?,
        InputText::Text(text) | InputText::Body { text, .. } => {
            let bytes = Some(text.len() as u64);
            if text.len() as u64 > MAX_SOURCE_BYTES {
                return Err(failed(FileError::TooLarge { bytes }));
            }
            (text.clone().into_bytes(), PathBuf::from("."))
        }
    };
    let mut loader = Loader {
        access: files,
        total_bytes: bytes.len() as u64,
        ids: HashMap::new(),
        portable: Vec::new(),
        includes: Vec::new(),
        loaded: Loaded {
            sources: Sources::default(),
            files: Vec::new(),
            root_dir: dir.clone(),
            diags: Vec::new(),
        },
    };
    if let InputText::Path(path) = &input.text {
        // So that an include of the root file is known for what it is.
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let base = Base { root_dir: &dir, from_dir: &dir };
        if let Ok(path) = files.resolve(base, name) {
            loader.ids.insert(path, FileId(0));
        }
    }
    let body_kind = match input.text {
        InputText::Body { kind, .. } => Some(kind),
        InputText::Path(_) | InputText::Text(_) => None,
    };
    let portable = Path::new(&input.name).file_name().map_or_else(PathBuf::new, PathBuf::from);
    let source = Source { name: input.name, text: String::new(), dir };
    loader.add(source, portable, bytes, body_kind.as_deref());
    let mut next = 0;
    while next < loader.loaded.files.len() {
        loader.follow(next);
        next += 1;
    }
    loader.report_cycles();
    Ok(loader.loaded)
}

struct Loader<'a> {
    access: &'a dyn Files,
    total_bytes: u64,
    ids: HashMap<PathBuf, FileId>,
    /// By [`FileId`]: paths from the root's folder.
    portable: Vec<PathBuf>,
    /// From, to, where it says so.
    includes: Vec<(FileId, FileId, Span)>,
    loaded: Loaded,
}

impl Loader<'_> {
    /// Parses one more source.
    fn add(
        &mut self,
        source: Source,
        portable: PathBuf,
        bytes: Vec<u8>,
        body: Option<&str>,
    ) -> FileId {
        let id = FileId(u32::try_from(self.loaded.files.len()).expect("far fewer sources"));
        let broken = l4c_grammar::decode(id, &bytes).err();
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        };
        let name = portable.display().to_string();
        self.loaded.sources.push_as(Source { text, ..source }, name);
        self.portable.push(portable);
        let text = self.loaded.sources.get(id).map_or("", |s| s.text.as_str());
        let parsed = match (broken, body) {
            (Some(diag), _) => Parsed { file: l4c_grammar::File::default(), diags: vec![*diag] },
            (None, Some(kind)) => l4c_grammar::parse_body(id, text, kind, BODY_HOOK),
            (None, None) => l4c_grammar::parse(id, text),
        };
        self.loaded.files.push(parsed.file);
        self.loaded.diags.extend(parsed.diags);
        id
    }

    /// Loads what one file includes.
    fn follow(&mut self, index: usize) {
        let includes: Vec<S<String>> =
            self.loaded.files[index].items.iter().filter_map(included).cloned().collect();
        for written in includes {
            match self.include(index, &written) {
                Ok(to) => {
                    let from = u32::try_from(index).expect("sources are numbered in 32 bits");
                    self.includes.push((FileId(from), to, written.span));
                }
                Err(error) => self.loaded.diags.push(errors::file(&written, &error)),
            }
        }
    }

    fn include(&mut self, index: usize, written: &S<String>) -> Result<FileId, FileError> {
        let from_dir = self.loaded.sources.as_slice()[index].dir.clone();
        let base = Base { root_dir: &self.loaded.root_dir, from_dir: &from_dir };
        let path = self.access.resolve(base, &written.node)?;
        if let Some(&id) = self.ids.get(&path) {
            return Ok(id);
        }
        let bytes = self.access.read(&path)?;
        self.total_bytes += bytes.len() as u64;
        if self.total_bytes > MAX_TOTAL_BYTES {
            return Err(FileError::System(format!(
                "all files together have more than {MAX_TOTAL_BYTES} bytes (128 MiB)"
            )));
        }
        let dir = path.parent().map(PathBuf::from).unwrap_or_default();
        let (name, portable) = self.names(index, Path::new(&written.node));
        let source = Source { name, text: String::new(), dir };
        let id = self.add(source, portable, bytes, None);
        self.ids.insert(path, id);
        Ok(id)
    }

    /// What a file is called that source `index` includes as `written`: by the user, who sees it from where
    /// the root was named, and within the policy.
    fn names(&self, index: usize, written: &Path) -> (String, PathBuf) {
        let last = || written.file_name().map_or_else(PathBuf::new, PathBuf::from);
        if written.is_absolute() {
            return (written.display().to_string(), last());
        }
        let from = self.portable[index].parent().unwrap_or(Path::new(""));
        let portable = lexical(&from.join(written)).unwrap_or_else(last);
        let root = Path::new(&self.loaded.sources.as_slice()[0].name);
        let seen = root.parent().unwrap_or(Path::new("")).join(&portable);
        (seen.display().to_string(), portable)
    }

    fn report_cycles(&mut self) {
        let mut edges = vec![Vec::new(); self.loaded.files.len()];
        for (from, to, _) in &self.includes {
            edges[from.0 as usize].push(to.0 as usize);
        }
        for cycle in graph::order(&edges).cycles {
            let steps: Vec<Span> = (0..cycle.len())
                .filter_map(|n| {
                    let (from, to) = (cycle[n], cycle[(n + 1) % cycle.len()]);
                    self.includes
                        .iter()
                        .find(|(f, t, _)| (f.0 as usize, t.0 as usize) == (from, to))
                        .map(|&(_, _, span)| span)
                })
                .collect();
            self.loaded.diags.extend(errors::include_cycle(&steps));
        }
    }
}

fn included(item: &Item) -> Option<&S<String>> {
    match &item.kind {
        ItemKind::Include(path) => Some(path),
        ItemKind::Use(_)
        | ItemKind::Let { .. }
        | ItemKind::Set(_)
        | ItemKind::Limit(_)
        | ItemKind::Conns(_)
        | ItemKind::Match { .. }
        | ItemKind::Chain { .. }
        | ItemKind::Hook(_)
        | ItemKind::Test(_) => None,
    }
}
