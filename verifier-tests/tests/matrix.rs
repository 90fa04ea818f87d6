//! One test a kernel of the matrix: it takes every golden case, decides and counts as this one does, and
//! policies on interfaces are loaded, replaced, rolled back, put in order and taken off.

use l4c_verifier_tests::matrix::collect::collect;
use l4c_verifier_tests::matrix::machine::Kernel;
use l4c_verifier_tests::matrix::{CPUS, libbpf, wire};
use l4c_verifier_tests::{installed, kernel, or_skip};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

/// Kernels that must be there where nothing may be skipped.
const MANDATORY: &[&str] = &["6.1", "6.12"];

/// Kernels whose packages may go any day, or may not have come yet.
const OPTIONAL: &[&str] = &["5.10", "7.x"];

/// What the guest runs, and where files of a run are left.
const GUEST: &str = env!("CARGO_BIN_EXE_guest");
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

fn tools() -> Result<(), String> {
    kernel()?;
    ["qemu-system-x86_64", "strip", "ldd", "timeout", "ip", "bpftool"]
        .into_iter()
        .try_for_each(installed)
}

/// What guests are brought, and what they must say of it.
struct Packed {
    files: Vec<(String, Vec<u8>)>,
    result: String,
}

fn packed() -> Result<&'static Packed, String> {
    static PACKED: OnceLock<Result<Packed, String>> = OnceLock::new();
    let made = || {
        let start = Instant::now();
        let bundle = collect()?;
        println!("this kernel: {} in {:.1} s", bundle.summary(), start.elapsed().as_secs_f64());
        let shipped = libbpf::files()?;
        let objects = shipped.len();
        let files = [bundle.files(), shipped, wire::files()?].concat();
        let (verdicts, wire) = (bundle.summary(), wire::Done::ALL.summary());
        let result = format!(
            "verdicts: {verdicts}; libbpf: {objects} objects; cpus: 1 of {CPUS}; wire: {wire}"
        );
        Ok(Packed { files, result })
    };
    PACKED.get_or_init(made).as_ref().map_err(Clone::clone)
}

fn test(version: &str, mandatory: bool) -> Result<(), Failed> {
    if or_skip(tools())?.is_none() {
        return Ok(());
    }
    let cache: PathBuf = Path::new(SCRATCH).join("kernels");
    let start = Instant::now();
    let kernel = match Kernel::fetch(&cache, version) {
        Err(why) if !mandatory => {
            eprintln!("NOT RUN: kernel {version} can't be had: {why}");
            return Ok(());
        }
        fetched => or_skip(fetched)?,
    };
    let Some(kernel) = kernel else { return Ok(()) };
    let fetched = start.elapsed().as_secs_f64();
    let packed = packed()?;
    let report = kernel.boot(Path::new(GUEST), &packed.files, Path::new(SCRATCH))?;
    println!(
        "{}: fetched in {fetched:.1} s, ran {:.1} s",
        report.result,
        report.took.as_secs_f64()
    );
    let whole = format!("{} {}", kernel.release, packed.result);
    if report.result == whole {
        Ok(())
    } else {
        Err(format!("the guest says {:?}, not {whole:?}", report.result).into())
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let mandatory = MANDATORY.iter().map(|version| (version, true));
    let all = mandatory.chain(OPTIONAL.iter().map(|version| (version, false)));
    let trials = all.map(|(version, mandatory)| {
        Trial::test(format!("kernel {version}"), move || test(version, mandatory))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
