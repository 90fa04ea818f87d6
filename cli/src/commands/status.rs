//! `l4c status`

use super::pinned;
use crate::args::StatusArgs;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Shows what is attached where, ours and others'.
pub fn run(args: &StatusArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let locked = pinned::look(ui, &args.pin)?;
    let found = locked.rows().and_then(|rows| Ok((rows, locked.foreign()?)));
    let (rows, foreign) = found.map_err(|e| pinned::refused(ui, None, e))?;
    pinned::print(ui, &rows, &foreign);
    if rows.is_empty() && foreign.is_empty() {
        ui.note("nothing is loaded");
    }
    if foreign.iter().any(|foreign| foreign.name.is_none()) {
        ui.note("what programs of others are called takes CAP_SYS_ADMIN to see");
    }
    Ok(Exit::Done)
}
