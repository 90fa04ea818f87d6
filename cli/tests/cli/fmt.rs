//! `l4c fmt`

use super::support::Dir;
use std::os::unix::fs::PermissionsExt as _;

const MESSY: &str = "hook xdp h{a:udp.dport==53->drop # why\n\n\n\n   all->pass}\n";

#[test]
fn a_file_is_laid_out_in_place_once_and_for_all() {
    let dir = Dir::new().with("m.l4", MESSY);
    dir.run(&["fmt", "--check", "m.l4"]).code(1).prints("m.l4");
    assert_eq!(dir.read("m.l4"), MESSY.as_bytes());
    dir.run(&["fmt", "m.l4"]).code(0);
    let once = dir.read("m.l4");
    assert_ne!(once, MESSY.as_bytes());
    assert!(String::from_utf8_lossy(&once).contains("# why"));
    dir.run(&["fmt", "--check", "m.l4"]).code(0);
    dir.run(&["fmt", "m.l4"]).code(0);
    assert_eq!(dir.read("m.l4"), once);
    assert_eq!(dir.list(), ["m.l4"]);
    let piped = dir.run_with(&["fmt", "-"], MESSY.as_bytes()).code(0);
    assert_eq!(piped.out.as_bytes(), once);
}

#[test]
fn a_broken_file_is_left_alone_and_the_others_are_not() {
    let dir = Dir::new().with("bad.l4", "hook xdp {\n").with("m.l4", MESSY);
    dir.run(&["fmt", "bad.l4", "m.l4"]).code(1).says("bad.l4:1:");
    assert_eq!(dir.read("bad.l4"), b"hook xdp {\n");
    dir.run(&["fmt", "--check", "m.l4"]).code(0);
    dir.run(&["fmt", "missing.l4"]).code(4);
}

#[test]
fn links_and_permissions_stay() {
    let dir = Dir::new().with("sub/m.l4", MESSY);
    std::os::unix::fs::symlink("sub/m.l4", dir.path("link.l4")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(dir.path("sub/m.l4"), mode).unwrap();
    dir.run(&["fmt", "link.l4"]).code(0);
    assert!(dir.path("link.l4").is_symlink());
    let about = std::fs::metadata(dir.path("sub/m.l4")).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o640);
    assert_ne!(dir.read("sub/m.l4"), MESSY.as_bytes());
}
