//! Commands that a later version brings: known, so that they can say so.

use clap::{Arg, Command};

/// Their names.
pub const NAMES: &[&str] = &["top", "exporter", "diff", "import", "man", "explain-error"];

/// The part of the help that lists them, and what holds for all commands.
pub const HELP: &str = "\
Later, not supported yet:
  top, exporter                           watch what loaded policies do
  diff, import, man, explain-error

Every --flag can be given as L4C_FLAG in the environment.

Exit codes:
  0  done, and nothing wrong
  1  the rules or the tests failed
  2  bad usage
  3  the kernel or the system refused
  4  input could not be read";

/// They take any arguments, and are not offered.
pub fn commands() -> impl Iterator<Item = Command> {
    NAMES.iter().map(|name| {
        let rest = Arg::new("rest").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
        Command::new(*name).hide(true).disable_help_flag(true).arg(rest)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_help_names_each_of_them() {
        for name in super::NAMES {
            assert!(super::HELP.split([' ', ',', '\n']).any(|word| word == *name), "{name}");
        }
    }
}
