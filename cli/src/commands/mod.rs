//! One file a command.

mod capture;
mod check;
mod compile;
mod completions;
mod explain;
mod fmt;
mod judging;
mod limit;
mod load;
mod pinned;
mod rollback;
mod run;
mod set;
mod stats;
mod status;
mod test;
mod unload;

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
        Command::Load(args) => load::run(&args, ui),
        Command::Unload(args) => unload::run(&args, ui),
        Command::Status(args) => status::run(&args, ui),
        Command::Set(args) => set::run(&args, ui),
        Command::Limit(args) => limit::run(&args, ui),
        Command::Stats(args) => stats::run(&args, ui),
        Command::Capture(args) => capture::run(&args, ui),
        Command::Rollback(args) => rollback::run(&args, ui),
        Command::Completions(args) => completions::run(&args, ui),
        Command::Later(name) => Err(Failure::later(&format!("l4c {name}"))),
    }
}
