//! Random rule files and packets: the interpreter, with and without optimisation, against the reference.
//!
//! `L4C_RANDOM_FILES`, `L4C_RANDOM_PACKETS` and `L4C_RANDOM_SEED` ask for more, or for others.

use l4c_golden::random::{Trials, run};
use l4c_judge::EngineKind;

#[test]
fn the_interpreter_agrees_with_the_reference() {
    let trials = Trials::from_env(1);
    let report = run(trials, &[EngineKind::Vm]).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{report:?}");
    // Rules that never match would be no test.
    assert!(report.matched * 5 >= report.pairs, "{report:?}");
    assert!(report.sockets * 5 >= report.files, "{report:?}");
    assert!(report.too_large * 10 <= report.files, "{report:?}");
}
