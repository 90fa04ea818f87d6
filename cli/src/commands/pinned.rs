//! What the commands on loaded policies share: the pin folder, tables of places, refusals.

use super::judging;
use crate::args::PinArgs;
use crate::exit::Failure;
use crate::table;
use crate::ui::Ui;
use l4c_compiler::source::Sources;
use l4c_runtime::kernel;
use l4c_runtime::policy::{Foreign, Locked, PolicyError, Root, Row};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A hook at a place, as JSON has it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    policy: Option<&'a str>,
    hook: Option<&'a str>,
    kind: &'a str,
    target: &'a str,
    mode: Option<&'a str>,
    prog_id: u32,
    state: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    /// Name of a program that is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            policy: Some(&row.policy),
            hook: Some(&row.hook),
            kind: row.kind.name(),
            target: &row.target,
            mode: row.mode.map(l4c_runtime::net::XdpMode::name),
            prog_id: row.prog_id,
            state: row.state.name(),
            shadow: row.shadow,
            program: None,
        }
    }

    fn foreign(foreign: &'a Foreign) -> Self {
        Self {
            policy: None,
            hook: None,
            kind: "xdp",
            target: &foreign.target,
            mode: Some(foreign.mode.name()),
            prog_id: foreign.prog_id,
            state: "foreign",
            shadow: false,
            program: foreign.name.as_deref(),
        }
    }
}

/// Prints what is or was attached where.
pub fn print(ui: &mut Ui, rows: &[Row], foreign: &[Foreign]) {
    let lines = rows.iter().map(Line::of).chain(foreign.iter().map(Line::foreign));
    if ui.json {
        lines.for_each(|line| ui.json_line(&line));
        return;
    }
    let header = ["policy", "hook", "kind", "target", "mode", "program", "state"];
    let mut table = table::new(&header, &[5]);
    let mut any = false;
    for line in lines {
        any = true;
        let hook = line.hook.or(line.program).unwrap_or("-");
        let state =
            if line.shadow { format!("{} (shadow)", line.state) } else { line.state.into() };
        table.add_row([
            line.policy.unwrap_or("-"),
            hook,
            line.kind,
            line.target,
            line.mode.unwrap_or("-"),
            &if line.prog_id == 0 { "-".to_owned() } else { line.prog_id.to_string() },
            &state,
        ]);
    }
    if any {
        ui.line(table.trim_fmt());
    }
}

/// Opens the pin folder, making it if need be.
pub fn open(ui: &mut Ui, args: &PinArgs) -> Result<Locked, Failure> {
    let locked = Root::new(&args.pin).open(&mut || waiting(ui));
    healed(ui, locked)
}

/// Opens the pin folder; where there is none, nothing is loaded.
pub fn look(ui: &mut Ui, args: &PinArgs) -> Result<Locked, Failure> {
    let locked = Root::new(&args.pin).look(&mut || waiting(ui));
    healed(ui, locked)
}

fn waiting(ui: &mut Ui) {
    ui.note("another l4c works on the loaded policies: waiting for it to end");
}

fn healed(ui: &mut Ui, locked: Result<Locked, PolicyError>) -> Result<Locked, Failure> {
    let locked = locked.map_err(|e| refused(ui, None, e))?;
    for healed in &locked.healed {
        match &healed.done {
            Ok(done) => ui.note(&format!("policy `{}`: {done}", healed.policy)),
            Err(error) => ui.error(&format!("policy `{}`: {error}", healed.policy)),
        }
    }
    Ok(locked)
}

/// Tells why nothing was done; a rejection by the kernel's verifier at the rule, if there are rules.
pub fn refused(ui: &mut Ui, sources: Option<&Sources>, error: PolicyError) -> Failure {
    let with = |failure: Failure, help: Option<String>| match help {
        Some(help) => failure.help(help),
        None => failure,
    };
    let failure = match error {
        PolicyError::Kernel(error) => {
            judging::rejected(ui, sources.unwrap_or(&Sources::default()), &error)
        }
        PolicyError::Usage { message, help } => with(Failure::usage(message), help),
        PolicyError::System { message, help } => with(Failure::refused(message), help),
    };
    match kernel::lacking() {
        Ok(lacking) if !lacking.is_empty() => {
            failure.add(&format!("this process lacks {}", lacking.join(", ")))
        }
        Ok(_) | Err(_) => failure,
    }
}

/// While this is held, SIGINT and SIGTERM set a flag and stop nothing: what is half done is brought to an end
/// or taken back by whoever asks for the flag.
pub struct Uninterrupted {
    /// Somebody wants an end.
    pub asked: Arc<AtomicBool>,
    ids: Vec<signal_hook::SigId>,
}

impl Uninterrupted {
    /// From now on.
    pub fn new() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let register = |signal| signal_hook::flag::register(signal, Arc::clone(&asked)).ok();
        let ids = [SIGINT, SIGTERM].into_iter().filter_map(register).collect();
        Self { asked, ids }
    }
}

impl Drop for Uninterrupted {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}
