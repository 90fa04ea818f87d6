//! One file a command.

mod check;
mod compile;
mod completions;
mod explain;
mod fmt;
mod judging;
mod run;
mod test;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Does what was asked for.
pub fn run(command: Command, ui: &mut Ui) -> Result<Exit, Failure> {
    match command {
        Command::Compile(args) => compile::run(&args, ui),
        Command::Check(args) => check::run(&args, ui),
        Command::Fmt(args) => fmt::run(&args, ui),
        Command::Test(args) => test::run(&args, ui),
        Command::Run(args) => run::run(&args, ui),
        Command::Explain(args) => explain::run(&args, ui),
        Command::Completions(args) => completions::run(&args, ui),
        Command::Later(name) => Err(Failure::later(&format!("l4c {name}"))),
    }
}
