//! `l4c check FILE…`

use crate::args::CheckArgs;
use crate::diagnostics::{self, Tally};
use crate::exit::{Exit, Failure};
use crate::rules::{self, Place};
use crate::table::count;
use crate::ui::Ui;
use l4c_compiler::hir::Policy;

/// Looks for mistakes in each file; a file that can't be read does not keep the others from it.
pub fn run(args: &CheckArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let places: Vec<Place> = match &args.rules {
        Some(text) => vec![Place::Body(text.clone())],
        None => args.files.iter().map(|path| Place::file(path)).collect(),
    };
    let mut worst = Exit::Done;
    for place in &places {
        let exit = one(args, ui, place).unwrap_or_else(|failure| {
            failure.print(ui);
            failure.exit
        });
        worst = worst.max(exit);
    }
    Ok(worst)
}

fn one(args: &CheckArgs, ui: &mut Ui, place: &Place) -> Result<Exit, Failure> {
    let checked = rules::checked(place, &args.ways)?;
    let tally = Tally::of(&checked.diags);
    let exit = rules::exit_of(tally, args.deny.is_some());
    if ui.json {
        diagnostics::print_json(ui, &checked.sources, &checked.diags);
        return Ok(exit);
    }
    diagnostics::print(ui, &checked.sources, &checked.diags);
    let name = place.name();
    let found = tally.in_words();
    match checked.policy {
        None => ui.say(&format!("{name}: {found}")),
        Some(_) if exit != Exit::Done => ui.say(&format!("{name}: {found}, denied")),
        Some(policy) if !ui.quiet => {
            let found = if found.is_empty() { "nothing wrong" } else { &found };
            ui.line(format!("{name}: {}: {found}", contents(&policy)));
        }
        Some(_) => {}
    }
    Ok(exit)
}

/// What a policy holds.
fn contents(policy: &Policy) -> String {
    let rules: usize = policy.hooks.values().map(|h| h.rules.len()).sum();
    let chained: usize = policy.chains.values().map(|c| c.rules.len()).sum();
    format!(
        "{}, {}, {}",
        count(policy.hooks.len(), "hook"),
        count(rules + chained, "rule"),
        count(policy.tests.len(), "test")
    )
}
