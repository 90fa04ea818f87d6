//! One test a case file: what the reference says stands in the file, and the interpreter says the same.
//!
//! `L4C_BLESS=1 cargo test -p l4c-golden --test cases` writes the expectations into the files.

use l4c_golden::case::{self, Case};
use l4c_golden::run::{for_kind, judge_case, one_test_a_case};
use l4c_golden::zoo::Packet;
use l4c_judge::EngineKind;
use l4c_manifest::HookKind;

fn test(case: &Case, zoo: &[Packet]) -> Result<(), String> {
    let rules = for_kind(case, HookKind::Xdp)?.ok_or("a case is for XDP")?;
    let packets = case::packets(case, zoo)?;
    case::settle(case, &case::expectations(&rules, &packets))?;
    judge_case(case, &packets, &[EngineKind::Vm])
}

fn main() {
    one_test_a_case(test);
}
