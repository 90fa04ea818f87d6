//! Rules in: from a file, standard input or the command line to a checked policy.

use crate::args::{RulesArgs, WaysArgs};
use crate::diagnostics::{self, Tally};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;
use l4c_compiler::check::{CheckOptions, Checked, check};
use l4c_compiler::hir::{HookId, Policy};
use l4c_compiler::source::{
    DiskFiles, FileError, Input, InputText, MAX_SOURCE_BYTES, Source, Sources, load,
};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What rules on the command line are called in messages.
const COMMAND_LINE: &str = "<command line>";

/// What standard input is called in messages.
const STDIN: &str = "<stdin>";

/// Rules that a command works on.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// The body of a hook, from the command line.
    Body(String),
}

impl Place {
    /// A file by name; `-` is standard input.
    pub fn file(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// What the arguments say.
    pub fn of(args: &RulesArgs) -> Self {
        match (&args.rules, &args.file) {
            (Some(text), _) => Self::Body(text.clone()),
            (None, Some(path)) => Self::file(path),
            (None, None) => Self::Stdin,
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => STDIN.to_owned(),
            Self::Body(_) => COMMAND_LINE.to_owned(),
        }
    }
}

/// A policy without errors, and its texts.
pub struct Rules {
    /// The policy.
    pub policy: Policy,
    /// Its texts.
    pub sources: Sources,
}

/// Reads rules and checks them. What is wrong with them is in the answer.
///
/// # Errors
/// When there is nothing to check.
pub fn checked(place: &Place, ways: &WaysArgs) -> Result<Checked, Failure> {
    let text = match place {
        Place::File(path) => InputText::Path(path.clone()),
        Place::Stdin => InputText::Text(read_stdin()?),
        Place::Body(text) => InputText::Body { text: text.clone(), kind: ways.kind.clone() },
    };
    let files = DiskFiles { roots: ways.root.clone() };
    let input = Input { name: place.name(), text };
    let loaded = load(input, &files).map_err(|e| Failure::unreadable(e.to_string()))?;
    Ok(check(loaded, &files, CheckOptions::default()))
}

/// Reads rules for a command that needs them right; mistakes and warnings are printed.
///
/// # Errors
/// When they can't be read or are wrong.
pub fn read(ui: &mut Ui, place: &Place, ways: &WaysArgs) -> Result<Rules, Failure> {
    let Checked { policy, sources, diags } = checked(place, ways)?;
    diagnostics::print(ui, &sources, &diags);
    match policy {
        Some(policy) => Ok(Rules { policy, sources }),
        None => {
            let tally = Tally { warnings: 0, ..Tally::of(&diags) };
            Err(Failure::failed(format!("{}: {}", place.name(), tally.in_words())))
        }
    }
}

/// Standard input as text, of at most [`MAX_SOURCE_BYTES`].
///
/// # Errors
/// When it can't be read or is no text.
pub fn read_stdin() -> Result<String, Failure> {
    let failed = |e: FileError| Failure::unreadable(format!("cannot read `{STDIN}`: {e}"));
    let mut bytes = Vec::new();
    let mut limited = std::io::stdin().lock().take(MAX_SOURCE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(|e| failed(e.into()))?;
    if bytes.len() as u64 > MAX_SOURCE_BYTES {
        return Err(failed(FileError::TooLarge { bytes: None }));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::failed(format!("{STDIN}: byte {at} is not UTF-8"))
    })
}

/// A list of sources that holds one text.
pub fn one_source(name: String, text: String) -> Sources {
    let mut sources = Sources::default();
    sources.push(Source { name, text, dir: PathBuf::new() });
    sources
}

/// The hook to judge for.
///
/// # Errors
/// When there is none of that name, or when there are several and none was named.
pub fn hook(policy: &Policy, name: Option<&str>) -> Result<HookId, Failure> {
    let names: Vec<&str> = policy.hooks.values().map(|hook| hook.name.as_str()).collect();
    let list = || format!("the hooks are: {}", names.join(", "));
    match (name, policy.hooks.keys().next()) {
        (_, None) => Err(Failure::usage("the rules have no hook, so there is nothing to judge")
            .help("put the rules into `hook xdp NAME { … }`")),
        (Some(name), Some(_)) => {
            let found = policy.hooks.iter().find(|(_, hook)| hook.name == name);
            let missing = || Failure::usage(format!("there is no hook `{name}`")).help(list());
            found.map(|(id, _)| id).ok_or_else(missing)
        }
        (None, Some(only)) if names.len() == 1 => Ok(only),
        (None, Some(_)) => {
            Err(Failure::usage("there are several hooks: say which one with `--hook HOOK`")
                .help(list()))
        }
    }
}

/// The exit code for what was found.
pub fn exit_of(tally: Tally, deny_warnings: bool) -> Exit {
    let denied = deny_warnings && tally.warnings > 0;
    if tally.errors > 0 || denied { Exit::Failed } else { Exit::Done }
}
