//! `l4c stats`

use super::pinned;
use crate::args::StatsArgs;
use crate::exit::{Exit, Failure};
use crate::table::{self, grouped};
use crate::ui::Ui;
use l4c_runtime::Counter;
use l4c_runtime::policy::{HookStats, LimitStats, SetStats};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

/// Time between the two readings that a single look takes its rates from.
const GLANCE: Duration = Duration::from_millis(500);

/// Takes the cursor to the upper left corner and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// A hook as JSON has it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    policy: &'a str,
    hook: &'a str,
    kind: &'a str,
    target: &'a [String],
    since: String,
    rules: Vec<RuleLine<'a>>,
    counters: BTreeMap<&'a str, Counter>,
    limits: Vec<LimitLine<'a>>,
    sets: Vec<SetLine<'a>>,
}

#[derive(Debug, Serialize)]
struct SetLine<'a> {
    set: &'a str,
    size: u64,
    max: u64,
    full: u64,
}

#[derive(Debug, Serialize)]
struct LimitLine<'a> {
    limit: &'a str,
    keys: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    flows: Option<u64>,
    max: u64,
    over: u64,
    full: u64,
}

#[derive(Debug, Serialize)]
struct RuleLine<'a> {
    rule: &'a str,
    action: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    packets: u64,
    bytes: u64,
}

/// A reading and when it was taken.
struct Reading {
    at: Instant,
    hooks: Vec<HookStats>,
}

/// Shows counters, once or until interrupted.
pub fn run(args: &StatsArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let mut last = read(args, ui)?;
    if last.hooks.is_empty() && !args.watch {
        ui.note("nothing is loaded");
        return Ok(Exit::Done);
    }
    if ui.json && !args.watch {
        last.hooks.iter().for_each(|hook| ui.json_line(&line(hook)));
        return Ok(Exit::Done);
    }
    loop {
        std::thread::sleep(if args.watch { args.interval } else { GLANCE });
        let now = read(args, ui)?;
        show(ui, &last, &now, args.watch);
        if !args.watch || ui.is_closed() {
            return Ok(Exit::Done);
        }
        last = now;
    }
}

fn read(args: &StatsArgs, ui: &mut Ui) -> Result<Reading, Failure> {
    let locked = pinned::look(ui, &args.pin)?;
    let names = match &args.policy {
        Some(policy) => Ok(vec![policy.clone()]),
        None => locked.names(),
    };
    let hooks = names.and_then(|names| {
        let hooks = names.iter().map(|name| locked.stats(name));
        Ok(hooks.collect::<Result<Vec<_>, _>>()?.concat())
    });
    Ok(Reading { at: Instant::now(), hooks: hooks.map_err(|e| pinned::refused(ui, None, e))? })
}

fn show(ui: &mut Ui, last: &Reading, now: &Reading, watch: bool) {
    if watch && ui.out_is_terminal() && !ui.json {
        ui.raw(CLEAR.as_bytes());
    }
    for hook in &now.hooks {
        if ui.json {
            ui.json_line(&line(hook));
            continue;
        }
        let is_same = |old: &&HookStats| old.policy == hook.policy && old.hook == hook.hook;
        let old = last.hooks.iter().find(is_same);
        print(ui, hook, old, now.at - last.at);
    }
    if now.hooks.is_empty() && !ui.json {
        ui.line("nothing is loaded");
    }
    ui.flush();
}

fn line(hook: &HookStats) -> Line<'_> {
    let rules = hook.hook.rules.iter().zip(&hook.counters);
    let rules = rules.map(|(rule, counter)| RuleLine {
        rule: &rule.name,
        action: &rule.action,
        shadow: rule.shadow,
        packets: counter.packets,
        bytes: counter.bytes,
    });
    let named = hook.hook.counters.iter().zip(&hook.counters[hook.hook.rules.len()..]);
    Line {
        policy: &hook.policy,
        hook: &hook.hook.name,
        kind: hook.hook.kind.name(),
        target: &hook.targets,
        since: humantime::format_rfc3339_seconds(hook.since).to_string(),
        rules: rules.collect(),
        counters: named.map(|(name, counter)| (name.as_str(), *counter)).collect(),
        limits: hook.limits.iter().map(limit_line).collect(),
        sets: hook.sets.iter().map(set_line).collect(),
    }
}

fn set_line(set: &SetStats) -> SetLine<'_> {
    let SetStats { name, size, max, full } = set;
    SetLine { set: name, size: *size, max: *max, full: *full }
}

fn limit_line(limit: &LimitStats) -> LimitLine<'_> {
    let LimitStats { name, keys, flows, max, over, full } = limit;
    LimitLine { limit: name, keys: *keys, flows: *flows, max: *max, over: *over, full: *full }
}

/// The limits of a hook as a table.
fn print_limits(ui: &mut Ui, hook: &HookStats) {
    if hook.limits.is_empty() {
        return;
    }
    let header = ["limit", "keys", "flows", "max", "packets over", "table full"];
    let mut table = table::new(&header, &[1, 2, 3, 4, 5]);
    for limit in &hook.limits {
        let numbers = [limit.max, limit.over, limit.full].map(grouped);
        let flows = limit.flows.map_or("-".to_owned(), grouped);
        let counted = [limit.name.clone(), grouped(limit.keys), flows];
        table.add_row(counted.into_iter().chain(numbers));
    }
    ui.line(table.trim_fmt());
}

/// The sets of a hook that are kept in maps, as a table.
fn print_sets(ui: &mut Ui, hook: &HookStats) {
    if hook.sets.is_empty() {
        return;
    }
    let mut table = table::new(&["set", "elements", "max", "set full"], &[1, 2, 3]);
    for set in &hook.sets {
        let numbers = [set.size, set.max, set.full].map(grouped);
        table.add_row(std::iter::once(&set.name).chain(&numbers));
    }
    ui.line(table.trim_fmt());
}

/// One hook as a table, with rates from what was counted since `old`.
fn print(ui: &mut Ui, hook: &HookStats, old: Option<&HookStats>, took: Duration) {
    let age = SystemTime::now().duration_since(hook.since).unwrap_or_default();
    let shadow = if hook.hook.shadow { ", shadow: nothing is dropped" } else { "" };
    ui.line(format!(
        "{} on {}, counting for {}{shadow}",
        if hook.policy == hook.hook.name {
            hook.policy.clone()
        } else {
            format!("{} {}", hook.policy, hook.hook.name)
        },
        if hook.targets.is_empty() { "nothing".to_owned() } else { hook.targets.join(", ") },
        humantime::format_duration(Duration::from_secs(age.as_secs())),
    ));
    let header = ["rule", "action", "packets", "bytes", "packets/s", "bits/s"];
    let mut table = table::new(&header, &[2, 3, 4, 5]);
    let rules = hook.hook.rules.iter().map(|rule| {
        let shadow = if rule.shadow { "shadow " } else { "" };
        (rule.name.as_str(), format!("{shadow}{}", rule.action))
    });
    let named = hook.hook.counters.iter().map(|name| (name.as_str(), "count".to_owned()));
    for (slot, (name, action)) in rules.chain(named).enumerate() {
        let counter = hook.counters[slot];
        let before = old.map_or(counter, |old| old.counters[slot]);
        let rate = |now: u64, before: u64| {
            grouped((now.wrapping_sub(before) as f64 / took.as_secs_f64().max(1e-3)).round() as u64)
        };
        table.add_row([
            name,
            &action,
            &grouped(counter.packets),
            &grouped(counter.bytes),
            &rate(counter.packets, before.packets),
            &rate(counter.bytes.wrapping_mul(8), before.bytes.wrapping_mul(8)),
        ]);
    }
    ui.line(table.trim_fmt());
    print_limits(ui, hook);
    print_sets(ui, hook);
    ui.line("");
}
