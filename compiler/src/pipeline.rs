//! The way of a policy: plan, lower, optimise, select, assemble, write.
//!
//! ```text
//! Policy --plan--> Plan --lower--> Module --verify--> Verified<Module> --optimize--> Verified<Module>
//!        --object--> ELF file with its manifest
//! ```
//!
//! Each arrow takes what the one before made and nothing else; only the IR's verifier makes a
//! `Verified<Module>`, and the back end accepts nothing else.

use crate::hir::{HookId, Policy};
use crate::lower;
use crate::plan::plan;
use crate::report;
use crate::rows;
use crate::source::Sources;
use crate::{limits, sets};
use l4c_ebpf::{Elements, Error as EbpfError, Program};
use l4c_grammar::{Diag, FileId, Span};
use l4c_ir::passes::{OptLevel, optimize};
use l4c_ir::{Clock, LineData, Module, Verified};
use l4c_manifest as manifest;

/// Longest text of a rule that an object quotes, in characters.
const MAX_QUOTE_CHARS: usize = 200;

/// The codes of the diagnostics for programs that the kernel does not take, and their titles.
pub const CODES: &[(&str, &str)] = &[
    ("E0401", "more than the kernel takes"),
    ("E0402", "the kernel's verifier refuses a program"),
];

/// How to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How hard to try.
    pub level: OptLevel,
    /// Makes programs that decide and count as ever, and then let every packet pass.
    ///
    /// Such an object is for live traffic only. An engine that finds the deciding rule behind a verdict, as
    /// dry runs and tests do, would find that the two contradict each other.
    pub shadow: bool,
    /// Where programs take the time from.
    pub clock: Clock,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The ELF file.
    pub elf: Vec<u8>,
    /// Its manifest, the same as in the file.
    pub manifest: manifest::Manifest,
    /// Size of each function, for `-v`.
    pub stats: Vec<l4c_ebpf::FunctionStats>,
}

/// Why there is no object.
#[derive(Debug, Clone)]
pub enum CompileError {
    /// The policy asks for more than a limit allows; said at the rule.
    Limit(Box<Diag>),
    /// A mistake of this compiler, with the IR in it.
    Bug(String),
}

/// What `--emit` can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emit {
    /// How rules are spread over functions.
    Plan,
    /// The IR as it goes to selection.
    Ir,
    /// The IR after the last run of a pass; `lower` is before all of them.
    After(String),
    /// Machine code.
    Asm,
}

/// Compiles every hook of a policy into one object.
///
/// # Errors
/// When a program goes over a limit of the kernel, or when the compiler finds itself at fault.
pub fn compile(
    policy: &Policy,
    sources: &Sources,
    options: Options,
) -> Result<Compiled, CompileError> {
    let built = build(policy, sources, options)?;
    let elements: Vec<Elements> = sets::elements(policy, built.iter().map(|(hook, _)| hook))
        .into_iter()
        .map(|(map, keys)| Elements { map, keys })
        .collect();
    let object = l4c_ebpf::object_with(&programs(&built), &elements);
    let object = object.map_err(|e| blame(e, policy, sources))?;
    Ok(Compiled { elf: object.elf, manifest: object.manifest, stats: object.stats })
}

/// Shows a stage between.
///
/// # Errors
/// As [`compile`].
pub fn emit(
    policy: &Policy,
    sources: &Sources,
    options: Options,
    what: &Emit,
) -> Result<String, CompileError> {
    let mut out = String::new();
    match what {
        Emit::Plan => {
            for hook in policy.hooks.keys() {
                out.push_str(&plan(policy, hook).text(policy, hook));
            }
        }
        Emit::Ir => {
            for (_, module) in build(policy, sources, options)? {
                out.push_str(&module.to_string());
            }
        }
        Emit::After(pass) => {
            for hook in policy.hooks.keys() {
                let module = verified(lowered(policy, sources, hook, options))?;
                let mut text = module.to_string();
                optimized(module, options.level, &mut |name, module| {
                    if name == pass {
                        text = module.to_string();
                    }
                })?;
                out.push_str(&text);
            }
        }
        Emit::Asm => {
            let built = build(policy, sources, options)?;
            out = l4c_ebpf::assembly(&programs(&built)).map_err(|e| blame(e, policy, sources))?;
        }
    }
    Ok(out)
}

type Built = Vec<(manifest::Hook, Verified<Module>)>;

fn build(policy: &Policy, sources: &Sources, options: Options) -> Result<Built, CompileError> {
    let built = policy.hooks.keys().map(|hook| {
        let module = verified(lowered(policy, sources, hook, options))?;
        let module = optimized(module, options.level, &mut |_, _| {})?;
        Ok((hook_manifest(policy, sources, hook, options.shadow), module))
    });
    let mut built: Built = built.collect::<Result<_, CompileError>>()?;
    let end_bytes = limits::place(built.iter_mut().map(|(hook, _)| hook));
    sets::place(built.iter_mut().map(|(hook, _)| hook), end_bytes);
    Ok(built)
}

fn programs(built: &Built) -> Vec<Program<'_>> {
    built.iter().map(|(hook, module)| Program { hook, module }).collect()
}

fn lowered(policy: &Policy, sources: &Sources, hook: HookId, options: Options) -> Module {
    let Options { shadow, clock, .. } = options;
    let plan = plan(policy, hook);
    let module = lower::lower(policy, hook, &plan, shadow, &|span| quote(sources, span));
    Module { clock, ..module }
}

fn verified(module: Module) -> Result<Verified<Module>, CompileError> {
    l4c_ir::verify(module).map_err(|e| CompileError::Bug(e.to_string()))
}

fn optimized(
    module: Verified<Module>,
    level: OptLevel,
    after: &mut dyn FnMut(&'static str, &Module),
) -> Result<Verified<Module>, CompileError> {
    optimize(module, level, after).map_err(|e| CompileError::Bug(e.to_string()))
}

/// Where a piece of source stands and what it says, on one line.
fn quote(sources: &Sources, span: Span) -> LineData {
    let (line, column) = sources.line_column(span.file, span.start);
    LineData {
        file: sources.portable_name(span.file).to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        text: one_line(sources.text(span)),
    }
}

/// A text on one line. What is too long ends with a digest of all of it, so that two rules that begin alike
/// stay two: counters are kept over a replacement by this text.
fn one_line(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut line = String::new();
    for word in words.by_ref() {
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
        if line.len() > MAX_QUOTE_CHARS * 4 {
            break;
        }
    }
    if words.next().is_none() && line.chars().count() <= MAX_QUOTE_CHARS {
        return line;
    }
    let begin: String = line.chars().take(MAX_QUOTE_CHARS).collect();
    // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
    let digest = text
        .split_whitespace()
        .flat_map(|word| word.bytes().chain([b' ']))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{begin}... #{:08x}", (digest >> 32) ^ (digest & 0xffff_ffff))
}

fn hook_manifest(policy: &Policy, sources: &Sources, hook: HookId, shadow: bool) -> manifest::Hook {
    let the_hook = &policy.hooks[hook];
    let rules: Vec<manifest::Rule> = report::rules(policy, hook)
        .into_iter()
        .map(|row| {
            let at = quote(sources, row.rule(policy, hook).span);
            manifest::Rule {
                name: row.name,
                action: row.action,
                shadow: row.shadow,
                file: at.file,
                line: at.line,
                text: at.text,
            }
        })
        .collect();
    let counters = report::counters(policy, hook);
    let counted = u32::try_from(rules.len() + counters.len()).unwrap_or(u32::MAX);
    let limits = limits::of_hook(policy, hook, counted);
    let sets = sets::of_hook(policy, hook, counted + 2 * limits.len() as u32);
    let slots: Vec<u32> =
        report::samples(policy, hook).into_iter().filter_map(|n| u32::try_from(n).ok()).collect();
    manifest::Hook {
        name: the_hook.name.clone(),
        kind: the_hook.kind,
        shadow,
        counter_map: format!("count_{}", hook.as_u32()),
        rules,
        counters: counters.into_iter().map(|c| policy.counters[c].clone()).collect(),
        samples: (!slots.is_empty())
            .then(|| manifest::Samples { map: format!("sample_{}", hook.as_u32()), slots }),
        interfaces: report::ifaces(policy, hook)
            .into_iter()
            .map(|(id, rule)| manifest::Interface { name: policy.ifaces[id].clone(), rule })
            .collect(),
        rows: rows::manifest(policy, hook),
        limits: limits.into_iter().map(|limit| limit.manifest).collect(),
        sets: sets.into_iter().map(|set| set.manifest).collect(),
    }
}

/// Says an error of the back end at the rule that caused it.
fn blame(error: EbpfError, policy: &Policy, sources: &Sources) -> CompileError {
    match error {
        EbpfError::Bug(text) => CompileError::Bug(text),
        EbpfError::Limit { what, limit, got, function, line } => {
            let span = line.and_then(|line| find(policy, sources, &line));
            let first = policy.hooks.values().next().map(|hook| hook.span).unwrap_or_default();
            let message = format!("this needs {got} {}; the kernel takes {limit}", what.what());
            let diag = Diag::error("E0401", span.unwrap_or(first), message)
                .label(format!("the limit is passed here, in `{function}`"))
                .help("split the rule, or move rules into a chain or a set");
            CompileError::Limit(Box::new(diag))
        }
    }
}

/// Says a refusal by the kernel's verifier at the line of a source that it was at when it gave up; none if no
/// source is known by that name. Lines count from 1.
#[must_use]
pub fn rejected(sources: &Sources, file: &str, line: u32, message: &str) -> Option<Diag> {
    // The object holds names that do not depend on where the rules were compiled.
    let ids = (0u32..).take(sources.as_slice().len()).map(FileId);
    let id = ids.into_iter().find(|&id| sources.portable_name(id) == file)?;
    let text = &sources.get(id)?.text;
    let row = text.lines().nth(line.checked_sub(1)? as usize)?;
    let start =
        row.as_ptr() as usize - text.as_ptr() as usize + (row.len() - row.trim_start().len());
    let end = start + row.trim().len();
    let span = Span::new(id, u32::try_from(start).ok()?, u32::try_from(end).ok()?);
    let diag = Diag::error("E0402", span, message).label("here the kernel's verifier gave up");
    Some(diag.help("`-v` prints its log"))
}

/// The rule that a quoted line came from.
fn find(policy: &Policy, sources: &Sources, line: &LineData) -> Option<Span> {
    policy.hooks.keys().find_map(|hook| {
        report::rules(policy, hook).iter().find_map(|row| {
            let span = row.rule(policy, hook).span;
            (quote(sources, span) == *line).then_some(span)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rules_that_begin_alike_stay_two() {
        assert_eq!(one_line(" a\n  b "), "a b");
        let just = "x".repeat(MAX_QUOTE_CHARS);
        assert_eq!(one_line(&just), just);
        let (one, two) = (format!("{just}1"), format!("{just}2"));
        assert!(one_line(&one).starts_with(&just) && one_line(&one).chars().count() < 220);
        assert_ne!(one_line(&one), one_line(&two));
        let many = |last: &str| format!("{} {last}", "word ".repeat(10_000));
        assert_ne!(one_line(&many("a")), one_line(&many("b")));
        assert_eq!(one_line(&many("a")), one_line(&many("\n a")));
    }
}
