//! `l4c compile FILE`

use super::judging;
use crate::args::CompileArgs;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::rules::{self, Place};
use crate::table::count;
use crate::ui::Ui;
use l4c_compiler::Clock;
use l4c_compiler::hir::Policy;
use l4c_compiler::hir_text::hir_text;
use l4c_compiler::pipeline::{self, Compiled, Emit, Options};
use l4c_compiler::{OptLevel, PASSES};
use l4c_manifest::MapKind;
use serde::Serialize;
use std::path::PathBuf;

/// An object as `l4c compile --format json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    object: String,
    bytes: usize,
    hooks: Vec<HookLine<'a>>,
}

#[derive(Debug, Serialize)]
struct HookLine<'a> {
    hook: &'a str,
    kind: l4c_manifest::HookKind,
    rules: usize,
}

/// What one word of `--emit` asks for.
enum What {
    Object,
    Hir,
    Stage(Emit),
}

/// What `--emit after:` calls the IR before all passes.
const LOWERED: &str = "lower";

/// How programs are compiled unless something else is asked for.
pub fn optimized() -> Options {
    Options { level: OptLevel::O2, shadow: false, clock: Clock::Kernel }
}

/// Compiles, and writes or prints what was asked for.
pub fn run(args: &CompileArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    if args.kernel.is_some() {
        return Err(Failure::later("--kernel"));
    }
    let wanted: Vec<(&str, What)> = args
        .emit
        .iter()
        .map(|word| Ok((word.as_str(), what(word)?)))
        .collect::<Result<_, Failure>>()?;
    let place = Place::of(&args.rules);
    let rules = rules::read(ui, &place, &args.rules.ways)?;
    if rules.policy.hooks.is_empty() {
        return Err(Failure::failed(format!("{}: there is no hook to compile", place.name()))
            .help("put the rules into `hook xdp NAME { … }`"));
    }
    let level = if args.level == "0" { OptLevel::O0 } else { OptLevel::O2 };
    let options = Options { level, shadow: false, clock: Clock::Kernel };
    let mut text = String::new();
    let mut has_object = false;
    for (word, what) in &wanted {
        let part = match what {
            What::Object => {
                has_object = true;
                continue;
            }
            What::Hir => hir_text(&rules.policy),
            What::Stage(emit) => pipeline::emit(&rules.policy, &rules.sources, options, emit)
                .map_err(|e| judging::refused(ui, &rules, e))?,
        };
        if wanted.len() > 1 {
            text += &format!("; ---- {word}\n");
        }
        text += &part;
    }
    let output = output(args, &place);
    if has_object {
        ui.raw(text.as_bytes());
        let output = output?;
        let compiled = judging::compile(ui, &rules, options)?;
        note_elements(ui, &rules.policy, &compiled);
        return write(ui, &output, &compiled);
    }
    match &args.output {
        Some(path) if path.as_os_str() != "-" => {
            files::replace(path, text.as_bytes()).map_err(|e| cannot_write(path, &e))?;
        }
        Some(_) | None => ui.raw(text.as_bytes()),
    }
    Ok(Exit::Done)
}

/// Reads a word of `--emit`.
fn what(word: &str) -> Result<What, Failure> {
    if let Some(pass) = word.strip_prefix("after:") {
        let passes: Vec<&str> = PASSES.iter().map(|pass| pass.name).collect();
        if pass != LOWERED && !passes.contains(&pass) {
            return Err(Failure::usage(format!("--emit {word}: there is no pass `{pass}`"))
                .help(format!("the passes are: {LOWERED}, {}", passes.join(", "))));
        }
        return Ok(What::Stage(Emit::After(pass.to_owned())));
    }
    match word {
        "obj" => Ok(What::Object),
        "hir" => Ok(What::Hir),
        "plan" => Ok(What::Stage(Emit::Plan)),
        "ir" => Ok(What::Stage(Emit::Ir)),
        "asm" => Ok(What::Stage(Emit::Asm)),
        "cbpf" => Err(Failure::later("--emit cbpf")),
        _ => Err(Failure::usage(format!("--emit: there is no `{word}`"))
            .help("it takes obj, hir, plan, ir, after:PASS, asm")),
    }
}

/// Where the object goes.
fn output(args: &CompileArgs, place: &Place) -> Result<PathBuf, Failure> {
    match (&args.output, place) {
        (Some(path), _) => Ok(path.clone()),
        (None, Place::File(path)) => Ok(path.with_extension("o")),
        (None, Place::Stdin | Place::Body(_)) => {
            Err(Failure::usage("the rules have no file to name the object after")
                .help("say where it goes with `-o OUT.o`"))
        }
    }
}

fn write(ui: &mut Ui, output: &std::path::Path, compiled: &Compiled) -> Result<Exit, Failure> {
    if output.as_os_str() == "-" {
        ui.raw(&compiled.elf);
        return Ok(Exit::Done);
    }
    files::replace(output, &compiled.elf).map_err(|e| cannot_write(output, &e))?;
    let name = output.display().to_string();
    let hooks = &compiled.manifest.hooks;
    if ui.json {
        let hooks = hooks.iter().map(|hook| HookLine {
            hook: &hook.name,
            kind: hook.kind,
            rules: hook.rules.len(),
        });
        let bytes = compiled.elf.len();
        ui.json_line(&Line { object: name, bytes, hooks: hooks.collect() });
        return Ok(Exit::Done);
    }
    if !ui.quiet {
        ui.line(format!("wrote {name}: {}", count(compiled.elf.len(), "byte")));
    }
    if ui.verbose {
        for hook in hooks {
            let (kind, rules) = (hook.kind.name(), count(hook.rules.len(), "rule"));
            ui.line(format!("  hook {kind} {}: {rules}", hook.name));
        }
        for function in &compiled.stats {
            let insns = count(function.insns as usize, "instruction");
            let stack = count(function.stack_bytes as usize, "byte");
            ui.line(format!("  function {}: {insns}, {stack} of stack", function.symbol));
        }
        for map in &compiled.manifest.maps {
            let bytes = u64::from(map.value_bytes) * u64::from(map.max_entries);
            let what = match map.kind {
                // Allocated as they come.
                MapKind::Hash => format!("up to {}", count(map.max_entries as usize, "element")),
                _ => count(bytes as usize, "byte"),
            };
            ui.line(format!("  map {}: {what}", map.name));
        }
    }
    Ok(Exit::Done)
}

/// What another loader than ours does not know of.
fn note_elements(ui: &mut Ui, policy: &Policy, compiled: &Compiled) {
    let used = |name: &str| {
        let mut sets = compiled.manifest.hooks.iter().flat_map(|hook| &hook.sets);
        sets.any(|set| set.name == name)
    };
    for set in policy.sets.values().filter(|set| used(&set.name)) {
        let elements = set.stored.as_ref().map_or(0, l4c_compiler::hir::Stored::count);
        if elements > 0 {
            ui.note(&format!(
                "`l4c load` fills set `{}` with its {}; loaded by anything else it starts empty",
                set.name,
                count(elements as usize, "element")
            ));
        }
    }
}

fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::refused(format!("cannot write `{}`: {error}", path.display()))
}
