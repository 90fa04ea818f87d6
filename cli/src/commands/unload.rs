//! `l4c unload`

use super::pinned;
use crate::args::UnloadArgs;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;
use l4c_runtime::policy::Unload;

/// Takes off what was asked for.
pub fn run(args: &UnloadArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let _calm = pinned::Uninterrupted::new();
    let what = if args.all {
        Unload::All
    } else {
        Unload::Policy { name: args.policy.as_deref(), ifaces: &args.iface }
    };
    let locked = pinned::look(ui, &args.pin)?;
    let (rows, errors) = locked.unload(what).map_err(|e| pinned::refused(ui, None, e))?;
    pinned::print(ui, &rows, &[]);
    if rows.is_empty() && errors.is_empty() {
        ui.note("there was nothing to unload");
    }
    for error in &errors {
        pinned::refused(ui, None, error.clone()).print(ui);
    }
    Ok(if errors.is_empty() { Exit::Done } else { Exit::Refused })
}
