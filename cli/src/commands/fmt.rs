//! `l4c fmt [--check] FILE…`

use crate::args::FmtArgs;
use crate::diagnostics::{self, Tally};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::rules::{self, Place};
use crate::ui::Ui;
use l4c_compiler::source::{DiskFiles, Files as _};
use serde::Serialize;

/// A file as `l4c fmt --format json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    changed: bool,
}

/// Lays out each file; one that is wrong or can't be read does not keep the others from it.
pub fn run(args: &FmtArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    for path in &args.files {
        let exit = one(args, ui, &Place::file(path)).unwrap_or_else(|failure| {
            failure.print(ui);
            failure.exit
        });
        worst = worst.max(exit);
    }
    Ok(worst)
}

fn one(args: &FmtArgs, ui: &mut Ui, place: &Place) -> Result<Exit, Failure> {
    let name = place.name();
    let text = match place {
        Place::File(path) => {
            let unreadable = |e| Failure::unreadable(format!("cannot read `{name}`: {e}"));
            let (bytes, _) = DiskFiles::default().read_root(path).map_err(unreadable)?;
            String::from_utf8(bytes).map_err(|e| {
                let at = e.utf8_error().valid_up_to();
                Failure::failed(format!("{name}: byte {at} is not UTF-8"))
            })?
        }
        Place::Stdin | Place::Body(_) => rules::read_stdin()?,
    };
    let formatted = match l4c_grammar::format(&text) {
        Ok(formatted) => formatted,
        Err(diags) => {
            let tally = Tally::of(&diags);
            diagnostics::print(ui, &rules::one_source(name.clone(), text), &diags);
            return Err(Failure::failed(format!("{name}: {}", tally.in_words())));
        }
    };
    let changed = formatted != text;
    match place {
        Place::File(path) if changed && !args.check => {
            files::replace(path, formatted.as_bytes())
                .map_err(|e| Failure::refused(format!("cannot write `{name}`: {e}")))?;
        }
        Place::Stdin if !args.check => {
            ui.raw(formatted.as_bytes());
            return Ok(Exit::Done);
        }
        Place::File(_) | Place::Stdin | Place::Body(_) => {}
    }
    if ui.json {
        ui.json_line(&Line { file: &name, changed });
    } else if changed && (args.check || ui.verbose) {
        ui.line(&name);
    }
    Ok(if changed && args.check { Exit::Failed } else { Exit::Done })
}
