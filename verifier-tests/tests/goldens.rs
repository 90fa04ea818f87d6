//! One test a golden case: this kernel takes its programs, and decides as the reference does.

use l4c_golden::case::{self, Case};
use l4c_golden::run::{judge_case, one_test_a_case};
use l4c_golden::zoo::Packet;
use l4c_judge::EngineKind;
use l4c_verifier_tests::{kernel, or_skip};

fn test(case: &Case, zoo: &[Packet]) -> Result<(), String> {
    if or_skip(kernel())?.is_some() {
        judge_case(case, &case::packets(case, zoo)?, &[EngineKind::Kernel])?;
    }
    Ok(())
}

fn main() {
    one_test_a_case(test);
}
