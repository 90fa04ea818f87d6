//! Pin folders: what the user's look like, and which are refused.

use crate::user::{Place, THREE, USER, give, listing, make, set_mode};
use l4c_verifier_tests::wire::run;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Folders are the owner's alone, and so is what is in them, whatever the umask asks for.
pub fn are_closed_under(umask: &str) -> Result<(), String> {
    let place = Place::new()?;
    let pins = place.pins().display().to_string();
    for rules in ["one.l4", "two.l4"] {
        let load = ["./l4c", "load", rules, "--policy", "p", "--iface", "b0", "--pin", &pins];
        place.run(&THREE, umask, &load)?.ended(0)?;
    }
    place.run(&THREE, umask, &["./l4c", "rollback", "--pin", &pins])?.ended(0)?;
    let (mut folders, mut objects) = (0, 0);
    for (path, data) in listing(&place.home)? {
        let wanted = if data.is_dir {
            folders += 1;
            0o700
        } else if data.is_symlink {
            // Its own mode means nothing.
            data.mode
        } else {
            objects += 1;
            0o600
        };
        if data.mode != wanted || data.owner != USER {
            return Err(format!("{}: {data:?}", path.display()));
        }
    }
    // Two generations with program, counters, record and counters of the other, and a link.
    if folders < 6 || objects < 8 {
        Err(format!("{folders} folders, {objects} objects"))
    } else {
        Ok(())
    }
}

/// A way to spoil a folder: what makes it, and words of the refusal.
type Spoil = (&'static str, fn(&Place, &Path) -> Result<(), String>, &'static str);

/// How a folder can be one in which others might put programs.
const SPOILS: [Spoil; 5] = [
    ("another user's", |_, path| make(path, 0o700), "belongs to user 0"),
    ("a symbolic link", link, "is a symbolic link"),
    ("writable by the group", |_, path| owned(path, 0o720), "may be written to by others"),
    ("writable by all", |_, path| owned(path, 0o702), "may be written to by others"),
    ("no BPF file system", other_file_system, ""),
];

fn link(place: &Place, path: &Path) -> Result<(), String> {
    let own = place.home.join("own");
    owned(&own, 0o700)?;
    symlink(&own, path).map_err(|e| format!("{}: {e}", path.display()))
}

fn owned(path: &Path, mode: u32) -> Result<(), String> {
    make(path, mode)?;
    give(path)
}

fn other_file_system(_: &Place, path: &Path) -> Result<(), String> {
    make(path, 0o700)?;
    run("mount", &["-t", "tmpfs", "tmpfs", &path.display().to_string()])?;
    set_mode(path, 0o700)?;
    give(path)
}

/// Neither as the pin folder nor as a policy's is a folder taken that others could have a hand in.
pub fn of_others_are_refused() -> Result<(), String> {
    for (name, spoil, words) in SPOILS {
        for is_root in [true, false] {
            let place = Place::new()?;
            let pins = place.pins();
            if is_root {
                spoil(&place, &pins)?;
            } else {
                owned(&pins, 0o700)?;
                spoil(&place, &pins.join("one"))?;
            }
            let what = if is_root { "the pin folder" } else { "a policy's folder" };
            is_refused(&place, words).map_err(|e| format!("{what}, {name}: {e}"))?;
            if is_root {
                for command in [&["status"][..], &["unload", "--all"], &["rollback"]] {
                    let said = place.l4c(&THREE, &pins, command)?.refused(words);
                    said.map_err(|e| format!("{name}: {command:?}: {e}"))?;
                }
            }
        }
    }
    Ok(())
}

fn is_refused(place: &Place, words: &str) -> Result<(), String> {
    let before = listing(&place.home)?;
    let load = ["load", "one.l4", "--iface", "b0"];
    place.l4c(&THREE, &place.pins(), &load)?.refused(words)?;
    let after = listing(&place.home)?;
    if after != before {
        return Err(format!("{before:?} became {after:?}"));
    }
    match place.runs("b0")? {
        None => Ok(()),
        Some(program) => Err(format!("{program:?} runs")),
    }
}

/// A pin folder in another kind of file system is refused, and none is made there.
pub fn outside_are_refused() -> Result<(), String> {
    let place = Place::new()?;
    let elsewhere = place.path("elsewhere");
    owned(&elsewhere, 0o700)?;
    for pins in [elsewhere.clone(), elsewhere.join("l4c")] {
        let load = ["load", "one.l4", "--iface", "b0"];
        place.l4c(&THREE, &pins, &load)?.refused("is not in a BPF file system")?;
    }
    let left = fs::read_dir(&elsewhere).map_err(|e| e.to_string())?.count();
    if left == 0 && place.runs("b0")?.is_none() { Ok(()) } else { Err(format!("{left} files")) }
}
