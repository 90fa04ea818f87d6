//! `l4c limit`: limits of loaded policies, looked at and changed while they run.

use super::pinned;
use crate::args::{LimitArgs, LimitCommand, WhichArgs};
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::table::{self, grouped};
use crate::ui::Ui;
use l4c_compiler::check::{CheckOptions, check};
use l4c_compiler::source::{Input, InputText, MemoryFiles, load};
use l4c_manifest::{KeyForm, KeyPart, Limit, Rate, Storage, Unit};
use l4c_runtime::policy::{Bucket, LoadedLimit, Locked};
use serde::Serialize;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The part of an IPv6 address that an IPv4 address stands behind in a key.
const MAPPED: u128 = 0xffff_0000_0000;

/// A limit as JSON has it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    policy: &'a str,
    hook: &'a str,
    limit: &'a str,
    unit: &'a str,
    per_second: Option<f64>,
    burst: u64,
    key: Vec<&'a str>,
    max: u64,
    full: &'a str,
    storage: &'a str,
}

/// A bucket as JSON has it.
#[derive(Debug, Serialize)]
struct BucketLine<'a> {
    policy: &'a str,
    hook: &'a str,
    limit: &'a str,
    /// Nothing where the table does not hold keys.
    key: Option<Vec<String>>,
    owes: f64,
    burst: u64,
}

/// Looks at limits, or changes one.
pub fn run(args: &LimitArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    match &args.command {
        LimitCommand::Set { name, which, words } => set((name, which), words, ui),
        LimitCommand::Show { name, which } => {
            let locked = pinned::look(ui, &which.pin)?;
            let limits = find(ui, &locked, name.as_deref(), which)?;
            show(ui, &limits);
            Ok(Exit::Done)
        }
        LimitCommand::Top { name, which, count } => top((name.as_deref(), which), *count, ui),
    }
}

/// The limits that the arguments name.
fn find(
    ui: &mut Ui,
    locked: &Locked,
    name: Option<&str>,
    which: &WhichArgs,
) -> Result<Vec<LoadedLimit>, Failure> {
    let names = match &which.policy {
        Some(policy) => Ok(vec![policy.clone()]),
        None => locked.names(),
    };
    let limits = names.and_then(|names| {
        let limits = names.iter().map(|name| locked.limits(name));
        Ok(limits.collect::<Result<Vec<_>, _>>()?.concat())
    });
    let mut limits = limits.map_err(|e| pinned::refused(ui, None, e))?;
    limits.retain(|limit| which.hook.as_ref().is_none_or(|hook| limit.hook == *hook));
    let Some(name) = name else { return Ok(limits) };
    let known: Vec<String> = limits.iter().map(|limit| limit.limit.name.clone()).collect();
    limits.retain(|limit| limit.limit.name == name);
    if limits.is_empty() {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let failure = Failure::refused(format!("no limit `{name}` is loaded"));
        return Err(failure.help(format!("loaded: {known}")));
    }
    Ok(limits)
}

fn set((name, which): (&str, &WhichArgs), words: &[String], ui: &mut Ui) -> Result<Exit, Failure> {
    let _calm = pinned::Uninterrupted::new();
    let locked = pinned::look(ui, &which.pin)?;
    let limits = find(ui, &locked, Some(name), which)?;
    let [limit] = limits.as_slice() else {
        let places: Vec<String> =
            limits.iter().map(|l| format!("--policy {} --hook {}", l.policy, l.hook)).collect();
        let failure = Failure::usage("several loaded hooks have this limit: say which is meant");
        return Err(failure.help(places.join(", or ")));
    };
    let (rate, burst) = wanted(ui, &limit.limit, words)?;
    let changed = locked.set_limit(limit, rate, burst);
    let changed = changed.map_err(|e| pinned::refused(ui, None, e))?;
    show(ui, &[changed]);
    Ok(Exit::Done)
}

/// What `rate …` and `burst …` say, in the language's own words.
fn wanted(
    ui: &mut Ui,
    limit: &Limit,
    words: &[String],
) -> Result<(Option<Rate>, Option<u64>), Failure> {
    let says = |word: &str| words.iter().any(|w| w == word);
    let (rate, burst) = (says("rate"), says("burst"));
    if !(rate || burst) {
        return Err(Failure::usage("say `rate …`, `burst …`, or both")
            .help("l4c limit set per_client rate 2000 packets/s burst 4000"));
    }
    if limit.storage == Storage::Flows {
        let failure = Failure::usage(format!("`{}` counts flows: it has no rate", limit.name));
        return Err(failure.help("change `allow` in the rules, and load them"));
    }
    if rate && limit.rate.is_none() {
        return Err(Failure::usage(format!("`{}` is a quota, and has no rate", limit.name)));
    }
    // A burst alone needs a rate to be read; a fast one, so that nothing is said of years.
    let other = match limit.unit {
        Unit::Packets => " rate 100M packets/s",
        Unit::Bytes => " rate 1G bytes/s",
    };
    let text = format!("limit it {{ {}{} }}\n", words.join(" "), if rate { "" } else { other });
    let input = Input { name: "<command line>".to_owned(), text: InputText::Text(text) };
    let files = MemoryFiles::new();
    let checked = match load(input, &files) {
        Ok(loaded) => check(loaded, &files, CheckOptions::default()),
        Err(error) => return Err(Failure::usage(error.to_string())),
    };
    let Some(policy) = &checked.policy else {
        diagnostics::print(ui, &checked.sources, &checked.diags);
        return Err(Failure::told(Exit::Usage));
    };
    let Some(read) = policy.limits.values().next() else {
        return Err(Failure::usage("say `rate …`, `burst …`, or both"));
    };
    if read.unit != limit.unit {
        let failure = Failure::usage(format!("`{}` counts {}", limit.name, unit(limit.unit)));
        return Err(failure.help(format!("give the rate in {} too", unit(limit.unit))));
    }
    Ok((read.rate.filter(|_| rate), burst.then_some(read.burst)))
}

const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Packets => "packets",
        Unit::Bytes => "bytes",
    }
}

fn line(loaded: &LoadedLimit) -> Line<'_> {
    let limit = &loaded.limit;
    Line {
        policy: &loaded.policy,
        hook: &loaded.hook,
        limit: &limit.name,
        unit: unit(limit.unit),
        per_second: loaded.per_second,
        burst: loaded.burst,
        key: limit.key.iter().map(|part| part.field.as_str()).collect(),
        max: limit.max,
        full: match limit.full {
            l4c_manifest::Full::Evict => "evict",
            l4c_manifest::Full::Drop => "drop",
            l4c_manifest::Full::Pass => "pass",
        },
        storage: match limit.storage {
            Storage::Lock => "lock",
            Storage::Word => "word",
            Storage::Flows => "flows",
            Storage::Sketch => "sketch",
        },
    }
}

fn show(ui: &mut Ui, limits: &[LoadedLimit]) {
    if ui.json {
        limits.iter().for_each(|limit| ui.json_line(&line(limit)));
        return;
    }
    if limits.is_empty() {
        return ui.line("no limit is loaded");
    }
    let header = ["policy", "hook", "limit", "rate", "burst", "per", "max", "full"];
    let mut table = table::new(&header, &[3, 4, 6]);
    for loaded in limits {
        let line = line(loaded);
        let rate = match (line.per_second, loaded.limit.storage) {
            (_, Storage::Flows) => "flows".to_owned(),
            (Some(n), _) => format!("{} {}/s", plain(n), line.unit),
            (None, _) => "quota".to_owned(),
        };
        let per = if line.key.is_empty() { "-".to_owned() } else { line.key.join(", ") };
        table.add_row([
            line.policy,
            line.hook,
            line.limit,
            &rate,
            &grouped(line.burst),
            &per,
            &grouped(line.max),
            line.full,
        ]);
    }
    ui.line(table.trim_fmt());
}

/// A number with as many digits as say something.
fn plain(n: f64) -> String {
    if n >= 100.0 { grouped(n.round() as u64) } else { format!("{}", (n * 1e4).round() / 1e4) }
}

/// The keys that owe most.
fn top(
    (name, which): (Option<&str>, &WhichArgs),
    count: usize,
    ui: &mut Ui,
) -> Result<Exit, Failure> {
    let locked = pinned::look(ui, &which.pin)?;
    for loaded in find(ui, &locked, name, which)? {
        let buckets = locked.buckets(&loaded).map_err(|e| pinned::refused(ui, None, e))?;
        let heaviest = &buckets[..buckets.len().min(count)];
        if ui.json {
            heaviest.iter().for_each(|bucket| ui.json_line(&bucket_line(&loaded, bucket)));
            continue;
        }
        print_top(ui, &loaded, heaviest, buckets.len());
    }
    Ok(Exit::Done)
}

fn bucket_line<'a>(loaded: &'a LoadedLimit, bucket: &Bucket) -> BucketLine<'a> {
    BucketLine {
        policy: &loaded.policy,
        hook: &loaded.hook,
        limit: &loaded.limit.name,
        key: bucket.key.as_ref().map(|words| key(&loaded.limit, words)),
        owes: bucket.owes,
        burst: loaded.burst,
    }
}

fn print_top(ui: &mut Ui, loaded: &LoadedLimit, heaviest: &[Bucket], of: usize) {
    if loaded.limit.storage == Storage::Sketch {
        return ui.line(format!("{}: a sketch holds no keys", loaded.limit.name));
    }
    if loaded.limit.storage == Storage::Flows {
        return print_flows(ui, loaded, heaviest, of);
    }
    let unit = unit(loaded.limit.unit);
    let (burst, of) = (grouped(loaded.burst), grouped(of as u64));
    ui.line(format!(
        "{} of {} {}: {of} buckets are not full; a full one holds {burst} {unit}",
        loaded.limit.name, loaded.policy, loaded.hook
    ));
    let parts = loaded.limit.key.iter().map(|part| part.field.as_str());
    let header: Vec<&str> = parts.chain(["spent", "left"]).collect();
    let keys = loaded.limit.key.len();
    let mut table = table::new(&header, &[keys, keys + 1]);
    for bucket in heaviest {
        let left = (loaded.burst as f64 - bucket.owes).max(0.0);
        let key = match &bucket.key {
            Some(words) => key(&loaded.limit, words),
            None => vec!["?".to_owned(); keys],
        };
        table.add_row(key.into_iter().chain([plain(bucket.owes), plain(left.floor())]));
    }
    ui.line(table.trim_fmt());
    if loaded.limit.storage == Storage::Word {
        ui.line("(a bucket in a word holds no key)");
    }
}

fn print_flows(ui: &mut Ui, loaded: &LoadedLimit, heaviest: &[Bucket], of: usize) {
    let (allowed, of) = (grouped(loaded.burst), grouped(of as u64));
    ui.line(format!(
        "{} of {} {}: {of} keys have flows; each may have {allowed}",
        loaded.limit.name, loaded.policy, loaded.hook
    ));
    let mut table = table::new(&["flows", "left"], &[0, 1]);
    for key in heaviest {
        let left = (loaded.burst as f64 - key.owes).max(0.0);
        table.add_row([plain(key.owes), plain(left)]);
    }
    ui.line(table.trim_fmt());
    ui.line("(a table of flows holds no keys)");
}

/// The parts of a key in the words of the rules.
fn key(limit: &Limit, words: &[u64]) -> Vec<String> {
    let word = |at: usize| words.get(at).copied().unwrap_or(0);
    let places = limit.key.iter().zip(limit.key_places());
    let value = |part: &KeyPart, (at, shift): (usize, u32)| match part.bits {
        65.. => u128::from(word(at)) << 64 | u128::from(word(at + 1)),
        64 => u128::from(word(at)),
        bits => u128::from(word(at) >> shift & ((1 << bits) - 1)),
    };
    places.map(|(part, place)| part_text(part, value(part, place))).collect()
}

fn part_text(part: &KeyPart, value: u128) -> String {
    let mut lens = part.field.split('/').skip(1);
    let (first, second) = (lens.next(), lens.next());
    match part.form {
        KeyForm::Number => value.to_string(),
        KeyForm::Mac => {
            let bytes = (value as u64).to_be_bytes();
            let pairs: Vec<String> = bytes[2..].iter().map(|b| format!("{b:02x}")).collect();
            pairs.join(":")
        }
        KeyForm::Addr4 => with_len(Ipv4Addr::from(value as u32), first),
        KeyForm::Addr if value >> 32 == MAPPED >> 32 => {
            with_len(Ipv4Addr::from(value as u32), first)
        }
        KeyForm::Addr => with_len(Ipv6Addr::from(value), second.or(first)),
    }
}

fn with_len(address: impl std::fmt::Display, len: Option<&str>) -> String {
    match len {
        Some(len) => format!("{address}/{len}"),
        None => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_rules_write_them() {
        let part = |field: &str, form, bits| KeyPart { field: field.to_owned(), form, bits };
        for (part, value, text) in [
            (part("src", KeyForm::Addr4, 32), 0x0a00_0001, "10.0.0.1"),
            (part("src/24/64", KeyForm::Addr4, 32), 0x0a00_0000, "10.0.0.0/24"),
            (part("src/24/64", KeyForm::Addr, 128), MAPPED | 0x0a00_0000, "10.0.0.0/24"),
            (part("src/24/64", KeyForm::Addr, 128), 0x2001_0db8 << 96, "2001:db8::/64"),
            (part("ip6.src/48", KeyForm::Addr, 128), 0x2001_0db8 << 96, "2001:db8::/48"),
            (part("dport", KeyForm::Number, 16), 53, "53"),
            (part("eth.src", KeyForm::Mac, 48), 0x0200_0000_0001, "02:00:00:00:00:01"),
        ] {
            assert_eq!(part_text(&part, value), text);
        }
    }
}
