//! What is reached, and what is not.

use super::{DiskFiles, Input, InputText, LoadError, Loaded, MAX_SOURCE_BYTES, MemoryFiles, load};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("l4c-source-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn load(&self, name: &str, files: &DiskFiles) -> Result<Loaded, LoadError> {
        let path = self.0.join(name);
        load(Input { name: name.to_owned(), text: InputText::Path(path) }, files)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(loaded: &Loaded) -> Vec<(&'static str, &str)> {
    loaded.diags.iter().map(|d| (d.code, loaded.sources.text(d.span))).collect()
}

fn in_memory(files: &MemoryFiles) -> Loaded {
    let text = InputText::Path(PathBuf::from("main.l4"));
    load(Input { name: "main.l4".to_owned(), text }, files).unwrap()
}

#[test]
fn a_file_included_twice_counts_once() {
    let files = MemoryFiles::new()
        .with("main.l4", "include \"a.l4\"\ninclude \"b.l4\"\n")
        .with("a.l4", "include \"sub/c.l4\"\n")
        .with("b.l4", "include \"sub/c.l4\"\n")
        .with("sub/c.l4", "include \"d.l4\"\nlet C = 1\n")
        .with("sub/d.l4", "let D = 1\n");
    let loaded = in_memory(&files);
    assert!(loaded.diags.is_empty(), "{:?}", loaded.diags);
    let names: Vec<&str> = loaded.sources.as_slice().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["main.l4", "a.l4", "b.l4", "sub/c.l4", "sub/d.l4"]);
}

#[test]
fn names_are_seen_from_where_the_root_was_named() {
    let folder = Folder::new()
        .with("main.l4", "include \"sub/a.l4\"\n")
        .with("sub/a.l4", "include \"../b.l4\"\n")
        .with("b.l4", "");
    let path = folder.0.join("main.l4");
    let name = "here/main.l4".to_owned();
    let loaded = load(Input { name, text: InputText::Path(path) }, &DiskFiles::default()).unwrap();
    let names: Vec<&str> = loaded.sources.as_slice().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["here/main.l4", "here/sub/a.l4", "here/b.l4"]);
    let portable: Vec<&str> =
        (0..3).map(|n| loaded.sources.portable_name(l4c_grammar::FileId(n))).collect();
    assert_eq!(portable, ["main.l4", "sub/a.l4", "b.l4"]);
}

#[test]
fn a_text_counts_from_the_current_folder() {
    // Tests run in the folder of their crate.
    let text = InputText::Text("include \"src/lib.rs\"\ninclude \"../Cargo.toml\"\n".to_owned());
    let loaded = load(Input { name: "<stdin>".to_owned(), text }, &DiskFiles::default()).unwrap();
    assert_eq!(loaded.sources.as_slice().len(), 2);
    assert_eq!(loaded.sources.as_slice()[1].name, "src/lib.rs");
    assert!(said(&loaded).contains(&("E0302", "\"../Cargo.toml\"")));
}

#[test]
fn a_circle_is_shown_whole() {
    let files = MemoryFiles::new()
        .with("main.l4", "include \"a.l4\"\n")
        .with("a.l4", "include \"b.l4\"\n")
        .with("b.l4", "let X = 1\ninclude \"main.l4\"\n");
    let loaded = in_memory(&files);
    assert_eq!(said(&loaded), [("E0303", "\"main.l4\"")]);
    let others: Vec<&str> =
        loaded.diags[0].others.iter().map(|(span, _)| loaded.sources.text(*span)).collect();
    assert_eq!(others, ["\"a.l4\"", "\"b.l4\""]);
    let own = MemoryFiles::new().with("main.l4", "include \"main.l4\"\n");
    assert_eq!(said(&in_memory(&own)), [("E0303", "\"main.l4\"")]);
}

#[test]
fn paths_stay_in_the_folder() {
    let files = MemoryFiles::new()
        .with(
            "main.l4",
            "include \"/etc/passwd\"\ninclude \"../x.l4\"\ninclude \"a/../../x.l4\"\ninclude \"no.l4\"\n",
        )
        .with("x.l4", "");
    assert_eq!(
        said(&in_memory(&files)),
        [
            ("E0302", "\"/etc/passwd\""),
            ("E0302", "\"../x.l4\""),
            ("E0302", "\"a/../../x.l4\""),
            ("E0301", "\"no.l4\"")
        ]
    );
}

#[test]
fn the_disk_is_fenced_in() {
    let outside = Folder::new().with("secret.l4", "let S = 1\n");
    let secret = outside.0.join("secret.l4");
    let folder = Folder::new()
        .with(
            "main.l4",
            &format!(
                "include \"in.l4\"\ninclude \"link.l4\"\ninclude \"../x.l4\"\ninclude \"{}\"\n\
                 include \"/etc/passwd\"\ninclude \"sub\"\ninclude \"\"\ninclude \"sub/../in.l4\"\n",
                secret.display()
            ),
        )
        .with("in.l4", "let A = 1\n")
        .with("sub/y.l4", "");
    std::os::unix::fs::symlink(&secret, folder.0.join("link.l4")).unwrap();
    let codes = |files: &DiskFiles| -> Vec<&'static str> {
        let loaded = folder.load("main.l4", files).unwrap();
        loaded.diags.iter().map(|d| d.code).collect()
    };
    let strict = DiskFiles::default();
    assert_eq!(codes(&strict), ["E0302", "E0302", "E0302", "E0302", "E0301", "E0301"]);
    let open = DiskFiles { roots: vec![outside.0.clone()] };
    assert_eq!(codes(&open), ["E0302", "E0302", "E0301", "E0301"]);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = Folder::new().with("main.l4", "include \"zero\"\n");
    std::os::unix::fs::symlink("/dev/zero", folder.0.join("zero")).unwrap();
    let files = DiskFiles { roots: vec![PathBuf::from("/dev")] };
    let loaded = folder.load("main.l4", &files).unwrap();
    assert_eq!(said(&loaded), [("E0301", "\"zero\"")]);
    assert!(folder.load("none.l4", &files).is_err());
    assert!(folder.load(".", &files).is_err());
    let endless = Input { name: "z".into(), text: InputText::Path("/dev/zero".into()) };
    assert!(load(endless, &files).is_err());
}

#[test]
fn a_huge_file_is_not_read() {
    let folder = Folder::new().with("main.l4", "include \"huge.l4\"\n");
    let huge = fs::File::create(folder.0.join("huge.l4")).unwrap();
    huge.set_len(MAX_SOURCE_BYTES + 1).unwrap();
    let loaded = folder.load("main.l4", &DiskFiles::default()).unwrap();
    assert_eq!(said(&loaded), [("E0301", "\"huge.l4\"")]);
    assert!(folder.load("huge.l4", &DiskFiles::default()).is_err());
}

#[test]
fn what_is_not_utf8_is_said_where_it_stands() {
    let files = MemoryFiles::new().with("main.l4", b"let A = 1\n\xff\xfe".to_vec());
    let loaded = in_memory(&files);
    assert_eq!(loaded.diags.len(), 1);
    assert_eq!(
        loaded.sources.line_column(loaded.diags[0].span.file, loaded.diags[0].span.start),
        (2, 1)
    );
}

#[test]
fn lines_and_columns_count_characters() {
    let mut sources = super::Sources::default();
    let file = sources.push(super::Source {
        name: "x".into(),
        text: "ab\n€uro x\n".into(),
        dir: Path::new("").to_path_buf(),
    });
    assert_eq!(sources.line_column(file, 0), (1, 1));
    assert_eq!(sources.line_column(file, 3), (2, 1));
    assert_eq!(sources.line_column(file, 4), (2, 1));
    assert_eq!(sources.line_column(file, 6), (2, 2));
    assert_eq!(sources.line_column(file, 9999), (3, 1));
}
