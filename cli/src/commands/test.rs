//! `l4c test FILE…`

use super::explain::in_words;
use super::judging::{self, Bench};
use crate::args::TestArgs;
use crate::exit::{Exit, Failure};
use crate::hex;
use crate::rules::{self, Place, Rules};
use crate::table::count;
use crate::ui::Ui;
use l4c_compiler::hir::Test;
use l4c_judge::{EngineKind, Explanation, TestOutcome, run_test};
use regex_lite::Regex;
use serde::Serialize;

/// A test as `l4c test --format json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    test: &'a str,
    hook: &'a str,
    engine: &'a str,
    ok: bool,
    detail: Option<Detail<'a>>,
}

/// Why a test failed.
#[derive(Debug, Serialize)]
struct Detail<'a> {
    file: &'a str,
    line: usize,
    step: &'a str,
    expected: &'a str,
    got: &'a str,
    /// In hex.
    packet: Option<String>,
    trace: Option<&'a Explanation>,
}

#[derive(Debug, Default)]
struct Totals {
    passed: usize,
    failed: usize,
    broken: usize,
}

/// Runs the tests of each file on each engine.
pub fn run(args: &TestArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let filter = args.filter.as_deref().map(Regex::new).transpose();
    let filter = filter.map_err(|e| Failure::usage(format!("--filter: {e}")))?;
    let mut totals = Totals::default();
    let mut worst = Exit::Done;
    for path in &args.files {
        if let Err(failure) = one(args, ui, &Place::file(path), filter.as_ref(), &mut totals) {
            failure.print(ui);
            worst = worst.max(failure.exit);
        }
    }
    if !ui.json && !ui.quiet {
        let Totals { passed, failed, broken } = totals;
        ui.line(format!(
            "{}: {passed} passed, {} failed",
            count(passed + failed + broken, "test"),
            failed + broken
        ));
    }
    Ok(match totals {
        Totals { broken: 1.., .. } => worst.max(Exit::Unreadable),
        Totals { failed: 1.., .. } => worst.max(Exit::Failed),
        Totals { .. } => worst,
    })
}

fn one(
    args: &TestArgs,
    ui: &mut Ui,
    place: &Place,
    filter: Option<&Regex>,
    totals: &mut Totals,
) -> Result<(), Failure> {
    let rules = rules::read(ui, place, &args.ways)?;
    let mut bench = Bench::new(&rules);
    let wanted = |test: &&Test| filter.is_none_or(|re| re.is_match(&test.title));
    for &kind in &args.engine {
        for test in rules.policy.tests.iter().filter(wanted) {
            let mut engine = bench.open(ui, kind, test.hook)?;
            judging::seed(engine.as_mut(), args.seed)?;
            let outcome = run_test(&rules.policy, test, engine.as_mut());
            match &outcome.failure {
                None => totals.passed += 1,
                Some(failure) if failure.broken => totals.broken += 1,
                Some(_) => totals.failed += 1,
            }
            show(ui, &rules, test, kind, &outcome);
        }
    }
    Ok(())
}

fn show(ui: &mut Ui, rules: &Rules, test: &Test, kind: EngineKind, outcome: &TestOutcome) {
    let hook = &rules.policy.hooks[test.hook].name;
    let detail = outcome.failure.as_ref().map(|failure| Detail {
        file: rules.sources.get(failure.span.file).map_or("", |s| &s.name),
        line: rules.sources.line_column(failure.span.file, failure.span.start).0,
        step: rules.sources.text(failure.span).trim(),
        expected: &failure.expected,
        got: &failure.got,
        packet: failure.packet.as_deref().map(hex::plain),
        trace: failure.explanation.as_ref(),
    });
    if ui.json {
        let ok = detail.is_none();
        ui.json_line(&Line { test: &test.title, hook, engine: kind.name(), ok, detail });
        return;
    }
    let word = match (detail.is_none(), ui.color_out) {
        (true, true) => "\x1b[32mok\x1b[0m  ",
        (true, false) => "ok  ",
        (false, true) => "\x1b[31mFAIL\x1b[0m",
        (false, false) => "FAIL",
    };
    if detail.is_some() || !ui.quiet {
        ui.line(format!("{word}  {} ({hook}, {})", test.title, kind.name()));
    }
    let Some(detail) = detail else { return };
    ui.line(format!("      {}:{}: {}", detail.file, detail.line, detail.step));
    ui.line(format!("      expected  {}", detail.expected));
    ui.line(format!("      got       {}", detail.got));
    let failure = outcome.failure.as_ref();
    if let Some(packet) = failure.and_then(|f| f.packet.as_ref()) {
        ui.line(format!("      packet of {}", count(packet.len(), "byte")));
        hex::dump(packet).iter().for_each(|line| ui.line(format!("        {line}")));
    }
    if let Some(trace) = detail.trace {
        in_words(trace).iter().for_each(|line| ui.line(format!("        {line}")));
    }
}
