//! Without root: a user with three capabilities and a folder of his own in a BPF file system does everything.
//!
//! The test is root, makes that folder, and runs `l4c` as `nobody`, by `setpriv`, with exactly the capabilities
//! named. Golden cases are loaded by this same program, started once more as that user.

#[path = "privilege/folders.rs"]
mod folders;
#[path = "privilege/user.rs"]
mod user;

use l4c_compiler::OptLevel;
use l4c_golden::case::{self, Case};
use l4c_golden::run::for_kind;
use l4c_manifest::HookKind;
use l4c_runtime::Object;
use l4c_runtime::kernel::Program;
use l4c_verifier_tests::{installed, or_skip, wire};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use user::{Place, THREE, make};

/// Set to a folder of objects, this program loads them and does nothing else.
const OBJECTS: &str = "L4C_TEST_OBJECTS";

/// `IFLA_XDP_ATTACHED` of `include/uapi/linux/if_link.h`, as `ip` prints it.
const NATIVE: u64 = 1;
const GENERIC: u64 = 2;

fn everything_works(mode: &str, wanted: u64) -> Result<(), String> {
    let place = Place::new()?;
    let load = |rules: &'static str| {
        ["load", rules, "--policy", "p", "--iface", "b0", "b1", "--xdp-mode", mode]
    };
    let running = || -> Result<u64, String> {
        let found = [place.runs("b0")?, place.runs("b1")?];
        match found {
            [Some((a, mode_a)), Some((b, mode_b))] if a == b && [mode_a, mode_b] == [wanted; 2] => {
                Ok(a)
            }
            _ => Err(format!("{found:?} run")),
        }
    };
    place.does(&[&load("one.l4")[..], &["--dry-run"]].concat())?;
    place.does(&load("one.l4"))?;
    let first = running()?;
    let status = place.does(&["status", "--format", "json"])?;
    let attached = status.out.matches(&format!("\"mode\":\"{mode}\",\"prog_id\":{first}")).count();
    if attached != 2 {
        return Err(format!("status: {status:?}"));
    }
    place.does(&load("two.l4"))?;
    if running()? == first {
        return Err("the first program runs after a replacement".to_owned());
    }
    let stats = place.does(&["stats", "--format", "json"])?;
    if !stats.out.contains("\"target\":[\"b0\",\"b1\"]") {
        return Err(format!("stats: {stats:?}"));
    }
    place.does(&["rollback"])?;
    if running()? != first {
        return Err("another program runs after a rollback".to_owned());
    }
    place.does(&["load", "two.l4", "--policy", "q", "--iface", "b0", "--replace"])?;
    place.does(&["unload", "--iface", "b1"])?;
    if (place.runs("b0")?.is_some(), place.runs("b1")?) != (true, None) {
        return Err("not on the first interface alone".to_owned());
    }
    place.does(&["unload", "--all"])?;
    match place.runs("b0")? {
        None => Ok(()),
        Some(program) => Err(format!("{program:?} runs after all is unloaded")),
    }
}

/// The user listens to what his rules sample; not without the capability that perf rings take.
fn sampled_packets_are_captured() -> Result<(), String> {
    let place = Place::new()?;
    let rules = "hook xdp edge {\n    all -> sample 1/1\n    default pass\n}\n";
    place.write("sampled.l4", rules)?;
    place.does(&["load", "sampled.l4", "--policy", "p", "--iface", "b0"])?;
    let capture = ["capture", "--count", "3", "-w", "-"];
    let lacking = place.l4c(&["bpf", "net_admin"], &place.pins(), &capture)?;
    lacking.refused("this process lacks CAP_PERFMON")?;
    let veth = &place.lab.veths[0];
    let mut line = wire::Line::new(&place.lab, veth)?;
    let said = std::thread::scope(|scope| {
        let capture = scope.spawn(|| place.does(&capture));
        let started = Instant::now();
        while !capture.is_finished() && started.elapsed() < Duration::from_secs(60) {
            line.sync()?;
            std::thread::sleep(Duration::from_millis(10));
        }
        capture.join().map_err(|_| "the capture panicked".to_owned())?
    })?;
    if said.err.contains("3 packets, 0 lost") && said.out.contains("rule edge.1, goes on") {
        Ok(())
    } else {
        Err(format!("{said:?}"))
    }
}

/// What others have put there he can't look at: it is told, and nothing of it is touched.
fn others_are_left_alone() -> Result<(), String> {
    let place = Place::new()?;
    let (theirs, ours) = (place.path("bpf/theirs"), place.pins());
    make(&theirs, 0o700)?;
    let l4c = place.path("l4c").display().to_string();
    let rules = place.path("one.l4").display().to_string();
    let pin = theirs.display().to_string();
    place
        .lab
        .receiver
        .within(|| wire::run(&l4c, &["load", &rules, "--iface", "b1", "--pin", &pin]))?;
    let before = place.runs("b1")?;
    place.does(&["load", "one.l4", "--iface", "b0"])?;
    let status = place.does(&["status"])?;
    let row = status.out.lines().find(|line| line.contains("foreign"));
    if row.is_none_or(|row| row.contains("edge")) || !status.err.contains("CAP_SYS_ADMIN") {
        return Err(format!("status: {status:?}"));
    }
    let over = |flag| ["load", "one.l4", "--policy", "p", "--iface", "b1", flag];
    place.l4c(&THREE, &ours, &over("--replace"))?.refused("which is not of l4c")?;
    place.l4c(&THREE, &ours, &over("--replace-foreign"))?.refused("CAP_SYS_ADMIN")?;
    place.l4c(&THREE, &theirs, &["status"])?.refused("belongs to user 0")?;
    let after = place.runs("b1")?;
    if after == before { Ok(()) } else { Err(format!("{before:?} became {after:?}")) }
}

fn is_refused_without(missing: &str) -> Result<(), String> {
    let place = Place::new()?;
    let rest: Vec<&str> = THREE.into_iter().filter(|name| *name != missing).collect();
    let lacks = format!("this process lacks CAP_{}", missing.to_uppercase());
    let load = ["load", "one.l4", "--iface", "b0"];
    let said = place.l4c(&rest, &place.pins(), &load)?.refused(&lacks)?;
    if missing == "perfmon" {
        is_shown_at_a_rule(&place, &rest, &said.err)?;
    }
    if place.pins().join("one").exists() || place.runs("b0")?.is_some() {
        return Err("something is left of it".to_owned());
    }
    Ok(())
}

/// Without CAP_PERFMON the verifier itself refuses, which is shown where in the rules; `-v` prints its log.
fn is_shown_at_a_rule(place: &Place, capabilities: &[&str], said: &str) -> Result<(), String> {
    for words in ["[one.l4:", "prohibited", "default pass"] {
        if !said.contains(words) {
            return Err(format!("no `{words}` in {said}"));
        }
    }
    let log = "processed ";
    let load = ["load", "-v", "one.l4", "--iface", "b0"];
    place.l4c(capabilities, &place.pins(), &load)?.refused(log)?;
    if said.contains(log) { Err(format!("the log without -v: {said}")) } else { Ok(()) }
}

/// Every golden case, as a file that the user may read; what they come to when he loads them.
fn golden_cases_load() -> Result<(), String> {
    let place = Place::new()?;
    let objects = place.path("objects");
    make(&objects, 0o755)?;
    let (mut count, mut wrong) = (0, Vec::new());
    for case in case::all("cases") {
        for kind in HookKind::ALL {
            match object(&case, kind) {
                Err(why) => wrong.push(format!("{}: {why}", case.title())),
                Ok(None) => {}
                Ok(Some(elf)) => {
                    let title = case.title().replace('/', "-");
                    place.write(&format!("objects/{title}-{}.o", kind.name()), elf)?;
                    count += 1;
                }
            }
        }
    }
    let test = std::env::current_exe().map_err(|e| e.to_string())?;
    place.copy(&test, "test")?;
    let objects = format!("{OBJECTS}={}", objects.display());
    let said = place.run(&THREE, "022", &["env", &objects, "./test"])?;
    let loaded = format!("{count} objects");
    if said.code != Some(0) || !said.out.contains(&loaded) {
        wrong.push(format!("not {loaded}: {:?} {} {}", said.code, said.out, said.err));
    }
    if wrong.is_empty() && count > 0 { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The object of a case; none where such a hook does not see what it asks for.
fn object(case: &Case, kind: HookKind) -> Result<Option<Vec<u8>>, String> {
    let Some(rules) = for_kind(case, kind)? else { return Ok(None) };
    Ok(Some(rules.compiled(OptLevel::O2)?.elf))
}

/// The other end of [`golden_cases_load`].
fn load_objects(folder: &Path) -> Result<usize, String> {
    let said = |e: std::io::Error| format!("{}: {e}", folder.display());
    let entries = folder.read_dir().map_err(said)?;
    let paths = entries.map(|entry| Ok(entry.map_err(said)?.path()));
    let paths: Vec<PathBuf> = paths.collect::<Result<_, String>>()?;
    let load = |path: &PathBuf| -> Result<(), String> {
        let object = Object::parse(&std::fs::read(path).map_err(|e| e.to_string())?);
        let object = object.map_err(|e| e.to_string())?;
        let hooks = &object.manifest().hooks;
        hooks.iter().try_for_each(|hook| {
            Program::load(&object, &hook.name).map(drop).map_err(|e| format!("{e}\n{}", e.log))
        })
    };
    let load = |path| load(path).err().map(|why| format!("{}: {why}", path.display()));
    let wrong: Vec<String> = paths.iter().filter_map(load).collect();
    if wrong.is_empty() { Ok(paths.len()) } else { Err(wrong.join("\n")) }
}

fn trial(name: impl Into<String>, test: fn() -> Result<(), String>) -> Trial {
    Trial::test(name, move || {
        let needed = wire::available().and_then(|()| installed("setpriv"));
        match or_skip(needed)? {
            Some(()) => test().map_err(Failed::from),
            None => Ok(()),
        }
    })
}

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(OBJECTS) {
        return match load_objects(Path::new(&folder)) {
            Ok(count) => {
                println!("{count} objects");
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        };
    }
    let trials = vec![
        trial("everything works in native mode", || everything_works("native", NATIVE)),
        trial("everything works in generic mode", || everything_works("generic", GENERIC)),
        trial("sampled packets are captured", sampled_packets_are_captured),
        trial("what others attached is told and left alone", others_are_left_alone),
        trial("golden cases load", golden_cases_load),
        trial("refused without CAP_BPF", || is_refused_without("bpf")),
        trial("refused without CAP_NET_ADMIN", || is_refused_without("net_admin")),
        trial("refused without CAP_PERFMON", || is_refused_without("perfmon")),
        trial("pins are closed under umask 0", || folders::are_closed_under("0")),
        trial("pins are closed under umask 077", || folders::are_closed_under("077")),
        trial("pin folders that others have a hand in are refused", folders::of_others_are_refused),
        trial("pin folders outside of bpffs are refused", folders::outside_are_refused),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
