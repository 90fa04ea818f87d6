//! Random rule files and packets: both engines that run programs, with and without optimisation, against
//! the reference.
//!
//! `L4C_RANDOM_FILES`, `L4C_RANDOM_PACKETS` and `L4C_RANDOM_SEED` ask for more, or for others.

use l4c_golden::random::{Trials, run};
use l4c_judge::EngineKind;
use l4c_verifier_tests::{kernel, or_skip};

#[test]
fn the_kernel_agrees_with_the_interpreter_and_the_reference() {
    if or_skip(kernel()).unwrap_or_else(|why| panic!("{why}")).is_none() {
        return;
    }
    let trials = Trials::from_env(2);
    let engines = [EngineKind::Vm, EngineKind::Kernel];
    let report = run(trials, &engines).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{report:?}");
    assert!(report.matched * 5 >= report.pairs, "{report:?}");
    assert!(report.sockets * 5 >= report.files, "{report:?}");
    assert!(report.too_large * 10 <= report.files, "{report:?}");
}
