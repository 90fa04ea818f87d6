use super::archive::Archive;
use super::bundle::{Bundle, Question};
use super::judge::Outcome;
use super::wire;
use std::fs;
use std::path::PathBuf;

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("l4c-matrix-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn fill(&self, files: &[(String, Vec<u8>)]) {
        for (name, content) in files {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It lies among temporary files: what can't be removed is in nobody's way.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn outcome(codes: &[u32], counters: &[(u64, u64)]) -> Outcome {
    Outcome { codes: codes.to_vec(), counters: counters.to_vec() }
}

fn bundle() -> Bundle {
    let mut bundle = Bundle::default();
    bundle.objects = vec![vec![0x7f, b'E'], vec![0]];
    let packets =
        vec![bundle.packet(&[0, 0xff, 7]), bundle.packet(&[1]), bundle.packet(&[0, 0xff, 7])];
    for object in [1, 0] {
        bundle.questions.push(Question {
            title: format!("case \"{object}\""),
            object,
            hook: "edge".to_owned(),
            packets: packets.clone(),
            answer: outcome(&[1, 2, u32::MAX], &[(u64::MAX, 3)]),
        });
    }
    bundle
}

#[test]
fn a_bundle_comes_out_as_it_went_in() {
    let bundle = bundle();
    assert_eq!(bundle.packets.len(), 2, "a packet is kept once");
    let folder = Folder::new("whole");
    folder.fill(&bundle.files());
    assert_eq!(Bundle::read(&folder.0), Ok(bundle.clone()));
    assert_eq!(bundle.summary(), "2 programs, 6 packets");
}

#[test]
fn a_damaged_bundle_is_an_error() {
    let damages: [(&str, &str, &str); 4] = [
        ("packets", "00", "packet that is not there"),
        ("packets", "0g", "invalid digit"),
        ("packets", "0\u{e4}", "utf-8"),
        ("questions", "{}", "missing field"),
    ];
    for (name, content, why) in damages {
        let folder = Folder::new("damaged");
        folder.fill(&bundle().files());
        fs::write(folder.0.join(name), content).unwrap();
        let said = Bundle::read(&folder.0).unwrap_err();
        assert!(said.contains(why), "{name} {content:?}: {said}");
    }
    let folder = Folder::new("damaged");
    folder.fill(&bundle().files());
    fs::remove_file(folder.0.join("objects/1")).unwrap();
    assert!(Bundle::read(&folder.0).unwrap_err().contains("objects/1"));
}

#[test]
fn versions_come_out_as_they_went_in() {
    let folder = Folder::new("versions");
    folder.fill(&wire::files().unwrap());
    let versions = wire::read(&folder.0).unwrap();
    let [first, second] = versions.map(|object| {
        let hook = object.hook(wire::HOOK).unwrap();
        let rules = hook.rules.iter();
        let mut rules: Vec<_> =
            rules.map(|rule| (rule.name.clone(), rule.action.clone())).collect();
        rules.sort();
        (rules, hook.counters.len())
    });
    let rules = |even, odd| {
        let rules = [
            ("default", "pass"),
            ("even", even),
            ("listed", "drop"),
            ("odd", odd),
            ("sync", "pass"),
        ];
        (rules.map(|(name, action)| (name.to_owned(), action.to_owned())).to_vec(), 2)
    };
    assert_eq!(first, rules("drop", "pass"));
    assert_eq!(second, rules("pass", "drop"));
    fs::remove_file(folder.0.join("wire/b")).unwrap();
    assert!(wire::read(&folder.0).unwrap_err().contains("wire/b"));
}

#[test]
fn what_was_not_done_on_the_wire_is_not_said() {
    let all = wire::Done::ALL;
    let said = "2 modes, 4000 packets, 1600 sampled, 20 replacements, 10 healed";
    assert_eq!(all.summary(), said);
    for less in [
        wire::Done { modes: 1, ..all },
        wire::Done { packets: 2000, ..all },
        wire::Done { sampled: 1599, ..all },
        wire::Done { replacements: 10, ..all },
        wire::Done { healed: 9, ..all },
    ] {
        assert_ne!(less.summary(), said);
    }
}

#[test]
fn every_difference_is_told() {
    let expected = outcome(&[1, 2, 2], &[(1, 60), (2, 120)]);
    let name = |at: usize| format!("#{at}");
    assert_eq!(expected.differs(&expected, name), None);
    let cases: [(Outcome, &str); 5] = [
        (
            outcome(&[1, 1, 1], &[(1, 60), (2, 120)]),
            "returns 1, expected 2, for packet #1, and so for 1 others",
        ),
        (outcome(&[1, 2], &[(1, 60), (2, 120)]), "2 codes for 3"),
        (outcome(&[1, 2, 2], &[(1, 60), (2, 121)]), "counter 1 is (2, 121), expected (2, 120)"),
        (outcome(&[1, 2, 2], &[(1, 60)]), "1 counters, expected 2"),
        (outcome(&[], &[]), "0 codes for 3"),
    ];
    for (ours, why) in cases {
        assert_eq!(ours.differs(&expected, name).as_deref(), Some(why));
    }
}

#[test]
fn an_archive_is_what_the_kernel_reads() {
    let mut archive = Archive::default();
    archive.add("/a/b", b"text5");
    archive.add("/a/c", b"");
    let bytes = archive.finish();
    let header = |inode: u32, mode: u32, links: u32, content: u32, name: u32| {
        format!(
            "070701{inode:08X}{mode:08X}{:016X}{links:08X}{:08X}{content:08X}{:032X}{name:08X}{:08X}",
            0, 0, 0, 0
        )
    };
    let expected = [
        header(1, 0o040_755, 1, 0, 2),
        "a\0".to_owned(), // 110 + 2 bytes
        header(2, 0o100_755, 1, 5, 4),
        "a/b\0\0\0".to_owned(), // 110 + 4 bytes, and 2 to a multiple of 4
        "text5\0\0\0".to_owned(),
        header(3, 0o100_755, 1, 0, 4),
        "a/c\0\0\0".to_owned(),
        header(4, 0, 1, 0, 11),
        "TRAILER!!!\0\0\0\0".to_owned(),
    ];
    assert_eq!(String::from_utf8(bytes).unwrap(), expected.concat());
}
