//! One test a golden case: this kernel takes its programs, and decides as the reference does.

use l4c_golden::case::{self, Case};
use l4c_golden::run::judge_case;
use l4c_golden::zoo::{Packet, packets};
use l4c_judge::EngineKind;
use l4c_verifier_tests::{kernel, or_skip};
use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::Arc;

fn test(case: &Case, zoo: &[Packet]) -> Result<(), Failed> {
    if or_skip(kernel())?.is_some() {
        judge_case(case, &case::packets(case, zoo)?, &[EngineKind::Kernel])?;
    }
    Ok(())
}

fn main() {
    let arguments = Arguments::from_args();
    let zoo = Arc::new(packets());
    let trials = case::all("cases").into_iter().map(|case| {
        let zoo = Arc::clone(&zoo);
        Trial::test(case.title().to_owned(), move || test(&case, &zoo))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
