//! Every program of the bundle loads, and decides and counts as on the host.

use crate::report::Report;
use l4c_golden::bench::hex;
use l4c_runtime::Object;
use l4c_verifier_tests::matrix::BUNDLE;
use l4c_verifier_tests::matrix::bundle::{Bundle, Question};
use l4c_verifier_tests::matrix::judge::judge;
use l4c_verifier_tests::matrix::libbpf::{first_kernel, this_kernel};
use std::path::Path;

/// Asks this kernel everything that the bundle asks.
///
/// # Errors
/// When the bundle can't be read.
pub fn check(report: &mut Report) -> Result<String, String> {
    let bundle = Bundle::read(Path::new(BUNDLE))?;
    for question in &bundle.questions {
        let object = Object::parse(&bundle.objects[question.object]);
        if object.is_ok_and(|object| this_kernel() < first_kernel(object.manifest())) {
            println!("{} is for newer kernels", question.title);
            continue;
        }
        if let Err(why) = ask(&bundle, question) {
            report.failed(&question.title, &why);
        }
    }
    Ok(bundle.summary())
}

fn ask(bundle: &Bundle, question: &Question) -> Result<(), String> {
    let packets = || question.packets.iter().map(|&at| bundle.packets[at].as_slice());
    let outcome = judge(&bundle.objects[question.object], &question.hook, packets())?;
    let name = |at| packets().nth(at).map(hex).unwrap_or_default();
    outcome.differs(&question.answer, name).map_or(Ok(()), Err)
}
