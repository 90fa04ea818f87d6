//! One test a file of mistakes: what is said about it stands below it.
//!
//! `L4C_BLESS=1 cargo test -p l4c-golden --test diags` writes it there.

use l4c_golden::case::{self, Case};
use l4c_golden::diag;
use libtest_mimic::{Arguments, Failed, Trial};

fn test(case: &Case) -> Result<(), Failed> {
    let (diags, sources) = diag::of_file(case)?;
    if diags.is_empty() {
        return Err("nothing is said about it".into());
    }
    case::settle(case, &diag::expectations(&diags, &sources))?;
    Ok(())
}

fn main() {
    let arguments = Arguments::from_args();
    let trials = case::all("diags")
        .into_iter()
        .map(|case| Trial::test(case.title().to_owned(), move || test(&case)));
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
