//! The first process of a guest of the kernel matrix: asks the kernel it runs on what the bundle holds,
//! prints `RESULT PASS ...` or `RESULT FAIL ...` as its last line, and turns the machine off.
//!
//! To check something else in there, add a file with a function, and a row to [`CHECKS`].

mod boot;
mod cpus;
mod libbpf;
mod report;
mod verdicts;
mod wire;

use report::Report;

/// Looks at one side of the kernel; gives what it did in a few words.
type Check = fn(&mut Report) -> Result<String, String>;

/// All that is looked at, in order.
const CHECKS: &[(&str, Check)] = &[
    ("verdicts", verdicts::check),
    ("libbpf", libbpf::check),
    ("cpus", cpus::check),
    ("wire", wire::check),
];

fn main() {
    if std::process::id() != 1 {
        eprintln!("this is the first process of a virtual machine; it would turn this one off");
        std::process::exit(2);
    }
    let mut report = Report::default();
    match boot::boot() {
        Ok(()) => report.run(CHECKS),
        Err(why) => report.failed("boot", &why),
    }
    report.conclude();
    boot::power_off();
}
