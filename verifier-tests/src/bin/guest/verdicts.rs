//! Every program of the bundle loads, and decides and counts as on the host.

use crate::report::Report;
use l4c_golden::bench::hex;
use l4c_verifier_tests::matrix::BUNDLE;
use l4c_verifier_tests::matrix::bundle::{Bundle, Question};
use l4c_verifier_tests::matrix::judge::judge;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::path::Path;

/// Where the kernel describes its own types (BTF).
const KERNEL_TYPES: &str = "/sys/kernel/btf";

/// Asks this kernel everything that the bundle asks.
///
/// # Errors
/// When the bundle can't be read.
pub fn check(report: &mut Report) -> Result<String, String> {
    let bundle = Bundle::read(Path::new(BUNDLE))?;
    // aya 0.14 reads these 5 MB anew for each object, which is nine tenths of the time here. No program of
    // ours refers to the kernel's types.
    mount("none", KERNEL_TYPES, "tmpfs", MountFlags::empty(), None).map_err(in_types)?;
    for question in &bundle.questions {
        if let Err(why) = ask(&bundle, question) {
            report.failed(&question.title, &why);
        }
    }
    unmount(KERNEL_TYPES, UnmountFlags::empty()).map_err(in_types)?;
    Ok(bundle.summary())
}

fn in_types(why: rustix::io::Errno) -> String {
    format!("{KERNEL_TYPES}: {why}")
}

fn ask(bundle: &Bundle, question: &Question) -> Result<(), String> {
    let packets = || question.packets.iter().map(|&at| bundle.packets[at].as_slice());
    let outcome = judge(&bundle.objects[question.object], &question.hook, packets())?;
    let name = |at| packets().nth(at).map(hex).unwrap_or_default();
    outcome.differs(&question.answer, name).map_or(Ok(()), Err)
}
