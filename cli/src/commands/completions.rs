//! `l4c completions SHELL`

use crate::args::{self, CompletionsArgs};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Prints the script.
pub fn run(args: &CompletionsArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "l4c", &mut script);
    ui.raw(&script);
    Ok(Exit::Done)
}
