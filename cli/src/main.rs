//! The l4c command: arguments in, text and exit codes out. What it shows is worked out elsewhere.

mod args;
mod commands;
mod diagnostics;
mod exit;
mod files;
mod hex;
mod progress;
mod rules;
mod table;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::parse();
    let mut ui = ui::Ui::new(&cli.common);
    let exit = match commands::run(cli.command, &mut ui) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.print(&mut ui);
            failure.exit
        }
    };
    match ui.finish() {
        Ok(()) => exit.into(),
        Err(error) => {
            ui.error(&format!("cannot write the output: {error}"));
            exit::Exit::Refused.into()
        }
    }
}
