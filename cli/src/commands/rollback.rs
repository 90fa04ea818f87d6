//! `l4c rollback`

use super::pinned;
use crate::args::RollbackArgs;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Goes back to the version before.
pub fn run(args: &RollbackArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let _calm = pinned::Uninterrupted::new();
    let locked = pinned::look(ui, &args.pin)?;
    let names = locked.names().map_err(|e| pinned::refused(ui, None, e))?;
    let policy = match (&args.policy, &names[..]) {
        (Some(policy), _) => policy,
        (None, [only]) => only,
        (None, []) => return Err(Failure::refused("nothing is loaded")),
        (None, [..]) => {
            return Err(Failure::usage(
                "several policies are loaded: say which one with `--policy`",
            )
            .help(format!("loaded: {}", names.join(", "))));
        }
    };
    let done = locked.rollback(policy).map_err(|e| pinned::refused(ui, None, e))?;
    pinned::print(ui, &done.rows, &[]);
    for note in &done.notes {
        ui.note(note);
    }
    Ok(Exit::Done)
}
