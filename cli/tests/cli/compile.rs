//! `l4c compile`

use super::support::{Dir, EDGE, edge, finish};

#[test]
fn the_object_lies_beside_its_source() {
    let dir = Dir::new().with("sub/edge.l4", EDGE);
    dir.run(&["compile", "sub/edge.l4"]).code(0).prints("wrote sub/edge.o");
    assert!(dir.read("sub/edge.o").starts_with(b"\x7fELF"));
    let ran = dir.run(&["compile", "sub/edge.l4", "-o", "x.o", "-v"]).code(0);
    ran.prints("hook xdp edge").prints("function ").prints("map ");
    assert_eq!(dir.read("x.o"), dir.read("sub/edge.o"));
    assert_eq!(dir.list(), ["sub", "x.o"]);
}

#[test]
fn nothing_is_left_half_done() {
    let dir = edge().with("edge.o", "old").with("bad.l4", "hook xdp h { all -> dorp }");
    dir.run(&["compile", "bad.l4", "-o", "edge.o"]).code(1);
    assert_eq!(dir.read("edge.o"), b"old");
    dir.run(&["compile", "edge.l4", "-o", "no/such/dir/x.o"]).code(3).says("no/such/dir/x.o");
    dir.run(&["compile", "edge.l4", "-o", "/dev/full"]).code(3).says("/dev/full");
    dir.run(&["compile", "edge.l4", "-o", "/dev/null"]).code(0);
    assert!(!std::path::Path::new("/dev/null").is_file());
    assert_eq!(dir.list(), ["bad.l4", "edge.l4", "edge.o", "edge.pcap"]);
}

#[test]
fn what_has_no_name_needs_one() {
    let dir = Dir::new();
    dir.run(&["compile", "-e", "all -> drop"]).code(2).says("-o");
    dir.run_with(&["compile", "-"], EDGE.as_bytes()).code(2).says("-o");
    dir.run(&["compile", "-e", "all -> drop", "-o", "x.o"]).code(0);
    assert_eq!(dir.list(), ["x.o"]);
    let ran = dir.run(&["compile", "-e", "all -> drop", "-o", "-"]).code(0);
    assert!(ran.out.starts_with("\x7fELF"));
    dir.run(&["compile", "-e", "all -> drop", "--emit", "ir"]).code(0);
}

#[test]
fn rules_without_hook_make_no_object() {
    let dir = Dir::new().with("c.l4", "chain c { all -> drop }\n");
    dir.run(&["compile", "c.l4"]).code(1).says("no hook");
}

#[test]
fn every_stage_can_be_shown() {
    let dir = edge();
    for what in ["hir", "plan", "ir", "after:lower", "after:gvn", "asm"] {
        for level in ["-O0", "-O2"] {
            let ran = dir.run(&["compile", "edge.l4", "--emit", what, level]).code(0);
            assert!(ran.out.contains("edge"), "{what} {level}\n{}", ran.out);
            let again = dir.run(&["compile", "edge.l4", "--emit", what, level]).code(0);
            assert_eq!(ran.out, again.out, "{what} {level}");
        }
    }
    assert_eq!(dir.list(), ["edge.l4", "edge.pcap"]);
    let both = dir.run(&["compile", "edge.l4", "--emit", "hir,asm,obj"]).code(0);
    both.prints("; ---- hir\n").prints("; ---- asm\n").prints("wrote edge.o");
    dir.run(&["compile", "edge.l4", "--emit", "ir", "-o", "edge.ir"]).code(0);
    assert!(!dir.read("edge.ir").is_empty());
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let objects = (0..5).map(|round| {
        let dir = edge();
        let mut command = dir.command(&["compile", "edge.l4"]);
        let (zone, locale) = [("UTC", "C"), ("Asia/Tokyo", "de_DE.UTF-8")][round % 2];
        finish(command.env("TZ", zone).env("LC_ALL", locale).env("HOME", dir.path("")), b"")
            .code(0);
        dir.read("edge.o")
    });
    let mut objects: Vec<Vec<u8>> = objects.collect();
    objects.dedup();
    assert_eq!(objects.len(), 1);
    let text = String::from_utf8_lossy(&objects[0]).into_owned();
    assert!(!text.contains(std::env::temp_dir().to_str().unwrap()), "a folder is in the object");
}

#[test]
fn the_levels_differ() {
    let dir = edge();
    dir.run(&["compile", "edge.l4", "-O0", "-o", "0.o"]).code(0);
    dir.run(&["compile", "edge.l4", "-O2", "-o", "2.o"]).code(0);
    assert!(dir.read("2.o").len() < dir.read("0.o").len());
}
