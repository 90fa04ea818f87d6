//! `l4c set`: elements of loaded sets, looked at and changed while programs ask them.

use super::pinned;
use crate::args::{ElementsArgs, SetArgs, SetCommand, SetWhich};
use crate::exit::{Exit, Failure};
use crate::table::grouped;
use crate::ui::Ui;
use l4c_compiler::check::{duration, elements_of};
use l4c_manifest::{Column, Key, Set};
use l4c_runtime::policy::{Changed, Element, LoadedSet, Locked, Origin, PolicyError};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many bad lines are listed, then their number.
const BAD_LINES_LISTED: usize = 20;

/// An element as JSON has it.
#[derive(Debug, Serialize)]
struct ElementLine<'a> {
    policy: &'a str,
    set: &'a str,
    element: String,
    origin: &'a str,
    /// Seconds that it stays; nothing if it stays for good.
    left_s: Option<f64>,
}

/// What a change came to, as JSON has it.
#[derive(Debug, Serialize)]
struct ChangeLine<'a> {
    policy: &'a str,
    set: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// An answer of `test`, as JSON has it.
#[derive(Debug, Serialize)]
struct TestLine<'a> {
    policy: &'a str,
    set: &'a str,
    element: &'a str,
    has: bool,
}

/// Looks at a set, or changes it.
pub fn run(args: &SetArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    match &args.command {
        SetCommand::Add(args) => change(args, ui, Change::Add),
        SetCommand::Del(args) => change(args, ui, Change::Del),
        SetCommand::Replace(args) => change(args, ui, Change::Replace),
        SetCommand::Flush { name, which } => {
            let _calm = pinned::Uninterrupted::new();
            let (locked, set) = find(ui, name, which)?;
            may_change(&set)?;
            let size = locked.size(&set).map_err(|e| refused(ui, e))?;
            locked.replace(&set, &[], None).map_err(|e| refused(ui, e))?;
            told(ui, &set, (None, Some(size)));
            Ok(Exit::Done)
        }
        SetCommand::Test(args) => test(args, ui),
        SetCommand::List { name, which } => list(name.as_deref(), which, ui),
        SetCommand::Sweep { name, which, every } => sweep(name.as_deref(), which, *every, ui),
    }
}

/// What is done with the elements that are given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Del,
    Replace,
}

fn refused(ui: &mut Ui, error: PolicyError) -> Failure {
    pinned::refused(ui, None, error)
}

/// All sets that are loaded, or those of a policy.
fn loaded(ui: &mut Ui, locked: &Locked, which: &SetWhich) -> Result<Vec<LoadedSet>, Failure> {
    let names = match &which.policy {
        Some(policy) => Ok(vec![policy.clone()]),
        None => locked.names(),
    };
    let sets = names.and_then(|names| {
        let sets = names.iter().map(|name| locked.sets(name));
        Ok(sets.collect::<Result<Vec<_>, _>>()?.concat())
    });
    sets.map_err(|e| refused(ui, e))
}

/// The one set that the arguments name.
fn find(ui: &mut Ui, name: &str, which: &SetWhich) -> Result<(Locked, LoadedSet), Failure> {
    let locked = pinned::look(ui, &which.pin)?;
    let sets = loaded(ui, &locked, which)?;
    let name = name.strip_prefix('@').unwrap_or(name);
    let known: Vec<&str> = sets.iter().map(|set| set.set.name.as_str()).collect();
    let mut found = sets.iter().filter(|set| set.set.name == name);
    match (found.next(), found.next()) {
        (Some(set), None) => Ok((locked, set.clone())),
        (Some(first), Some(second)) => {
            let failure = Failure::usage(format!("several policies have a set `{name}`"));
            let (first, second) = (&first.policy, &second.policy);
            Err(failure.help(format!("say which: --policy {first}, or --policy {second}")))
        }
        (None, _) => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let failure =
                Failure::refused(format!("no set `{name}` is loaded that can be looked at"));
            Err(failure.help(format!(
                "loaded: {known}; a set that does not say `dynamic` goes into the program's code"
            )))
        }
    }
}

fn may_change(set: &LoadedSet) -> Result<(), Failure> {
    if set.set.dynamic {
        return Ok(());
    }
    let failure =
        Failure::refused(format!("set `{}` does not change while it is loaded", set.set.name));
    Err(failure.help("write `dynamic` in it, and load the rules"))
}

/// Words and, where `-` or a file is given, the first word of each line there.
fn keys(set: &Set, args: &ElementsArgs) -> Result<(Vec<Key>, Option<u64>), Failure> {
    let mut words = args.values.as_slice();
    let mut lifetime_ns = args.lifetime;
    if let [before @ .., word, time] = words
        && word == "for"
    {
        lifetime_ns = Some(duration(time).map_err(Failure::usage)?);
        words = before;
    }
    let mut keys = Vec::new();
    for word in words {
        if word == "-" {
            read(set, "standard input", &mut stdin().lock(), &mut keys)?;
        } else {
            let found = elements_of(set, word);
            keys.extend(found.map_err(|why| Failure::usage(format!("`{word}`: {why}")))?);
        }
    }
    if let Some(path) = &args.from {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| Failure::unreadable(format!("{name}: {e}")))?;
        read(set, &name, &mut BufReader::new(file), &mut keys)?;
    }
    if words.is_empty() && args.from.is_none() {
        let failure = Failure::usage("no element is given");
        return Err(failure.help("give elements, `-` for standard input, or `--from FILE`"));
    }
    Ok((keys, lifetime_ns))
}

/// The first words of the lines of a file; `#` and `;` begin comments. Bad lines are told, and nothing is done then.
fn read(
    set: &Set,
    name: &str,
    lines: &mut dyn BufRead,
    keys: &mut Vec<Key>,
) -> Result<(), Failure> {
    let mut bad = Vec::new();
    for (line, number) in lines.lines().zip(1u64..) {
        let line = line.map_err(|e| Failure::unreadable(format!("{name}: {e}")))?;
        let line = line.trim_start_matches('\u{feff}').trim_start();
        let ends = |c: char| c.is_whitespace() || matches!(c, '#' | ';');
        // A tuple may have blanks in it.
        let word = match line.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((tuple, _)) => tuple,
            None => line.split(ends).next().unwrap_or_default(),
        };
        if word.is_empty() {
            continue;
        }
        match elements_of(set, word) {
            Ok(found) => keys.extend(found),
            Err(why) => bad.push(format!("{name}:{number}: {why}")),
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    let more = bad.len().saturating_sub(BAD_LINES_LISTED);
    bad.truncate(BAD_LINES_LISTED);
    if more > 0 {
        bad.push(format!("{name}: {more} more lines are no elements"));
    }
    Err(Failure::unreadable(bad.join("\n")).help("nothing was changed"))
}

fn change(args: &ElementsArgs, ui: &mut Ui, what: Change) -> Result<Exit, Failure> {
    let (_, set) = find(ui, &args.name, &args.which)?;
    may_change(&set)?;
    // Before the lock is taken: standard input may be slow.
    let (keys, lifetime_ns) = keys(&set.set, args)?;
    let _calm = pinned::Uninterrupted::new();
    let (locked, set) = find(ui, &args.name, &args.which)?;
    let changed = match what {
        Change::Add => locked.add(&set, &keys, lifetime_ns),
        Change::Replace => locked.replace(&set, &keys, lifetime_ns),
        Change::Del => locked.del(&set, &keys),
    };
    let Changed { elements, .. } = changed.map_err(|e| refused(ui, e))?;
    match what {
        Change::Add => told(ui, &set, (Some(elements), None)),
        Change::Del => told(ui, &set, (None, Some(elements))),
        Change::Replace => {
            let size = locked.size(&set).map_err(|e| refused(ui, e))?;
            if ui.json {
                let (policy, set) = (set.policy.as_str(), set.set.name.as_str());
                let line = ChangeLine {
                    policy,
                    set,
                    added: Some(elements),
                    removed: None,
                    size: Some(size),
                };
                ui.json_line(&line);
            } else {
                let text = format!(
                    "{}: {} elements, {} of them new",
                    set.set.name,
                    grouped(size),
                    grouped(elements)
                );
                ui.line(text);
            }
        }
    }
    Ok(Exit::Done)
}

fn told(ui: &mut Ui, set: &LoadedSet, (added, removed): (Option<u64>, Option<u64>)) {
    let (policy, set) = (set.policy.as_str(), set.set.name.as_str());
    if ui.json {
        return ui.json_line(&ChangeLine { policy, set, added, removed, size: None });
    }
    let text = match (added, removed) {
        (Some(added), _) => format!("{set}: {} added", grouped(added)),
        (None, removed) => format!("{set}: {} removed", grouped(removed.unwrap_or(0))),
    };
    ui.line(text);
}

fn test(args: &ElementsArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let (locked, set) = find(ui, &args.name, &args.which)?;
    let (keys, _) = keys(&set.set, args)?;
    let has = locked.has(&set, &keys).map_err(|e| refused(ui, e))?;
    for (key, &has) in keys.iter().zip(&has) {
        let element = text(&set.set, key);
        if ui.json {
            let (policy, set) = (set.policy.as_str(), set.set.name.as_str());
            ui.json_line(&TestLine { policy, set, element: &element, has });
        } else {
            ui.line(format!("{element} {} in {}", if has { "is" } else { "is not" }, set.set.name));
        }
    }
    Ok(if has.iter().all(|&has| has) { Exit::Done } else { Exit::Failed })
}

fn list(name: Option<&str>, which: &SetWhich, ui: &mut Ui) -> Result<Exit, Failure> {
    let Some(name) = name else { return overview(which, ui) };
    let (locked, set) = find(ui, name, which)?;
    for element in locked.elements(&set).map_err(|e| refused(ui, e))? {
        let line = element_line(&set, &element);
        if ui.json {
            ui.json_line(&line);
            continue;
        }
        // The element first, so that the list can be read as one again.
        let origin = if element.origin == Origin::Declared { "" } else { line.origin };
        let left = line.left_s.map(|s| format!("{} left", shown(s)));
        let notes: Vec<String> = [Some(origin.to_owned()), left]
            .into_iter()
            .flatten()
            .filter(|n| !n.is_empty())
            .collect();
        let note =
            if notes.is_empty() { String::new() } else { format!("  # {}", notes.join(", ")) };
        ui.line(format!("{}{note}", line.element));
    }
    Ok(Exit::Done)
}

/// The sets that there are.
fn overview(which: &SetWhich, ui: &mut Ui) -> Result<Exit, Failure> {
    let locked = pinned::look(ui, &which.pin)?;
    let sets = loaded(ui, &locked, which)?;
    if sets.is_empty() && !ui.json {
        ui.line("no set is loaded that can be looked at");
        return Ok(Exit::Done);
    }
    let mut table =
        crate::table::new(&["policy", "set", "type", "elements", "max", "timeout"], &[3, 4]);
    for set in &sets {
        let size = locked.size(set).map_err(|e| refused(ui, e))?;
        if ui.json {
            let (policy, set) = (set.policy.as_str(), set.set.name.as_str());
            ui.json_line(&ChangeLine { policy, set, added: None, removed: None, size: Some(size) });
            continue;
        }
        let timeout = set.set.timeout_ns.map_or("-".to_owned(), |ns| shown(ns as f64 / 1e9));
        let (size, max) = (grouped(size), grouped(set.set.max.into()));
        table.add_row([set.policy.as_str(), &set.set.name, &set.set.ty, &size, &max, &timeout]);
    }
    if !ui.json {
        ui.line(table.trim_fmt());
    }
    Ok(Exit::Done)
}

fn sweep(
    name: Option<&str>,
    which: &SetWhich,
    every: Option<Duration>,
    ui: &mut Ui,
) -> Result<Exit, Failure> {
    let calm = pinned::Uninterrupted::new();
    loop {
        let locked = pinned::look(ui, &which.pin)?;
        let sets = loaded(ui, &locked, which)?;
        for set in sets.iter().filter(|set| name.is_none_or(|name| set.set.name == name)) {
            locked.sweep(set).map_err(|e| refused(ui, e))?;
        }
        drop(locked);
        let Some(every) = every else { return Ok(Exit::Done) };
        let until = std::time::Instant::now() + every;
        while std::time::Instant::now() < until {
            if calm.asked.load(Ordering::Relaxed) {
                return Ok(Exit::Done);
            }
            std::thread::sleep(Duration::from_millis(50).min(every));
        }
    }
}

fn element_line<'a>(set: &'a LoadedSet, element: &Element) -> ElementLine<'a> {
    ElementLine {
        policy: &set.policy,
        set: &set.set.name,
        element: text(&set.set, &element.key),
        origin: match element.origin {
            Origin::Declared => "rules",
            Origin::Hand => "by hand",
            Origin::Packet => "by a packet",
        },
        left_s: element.left_ns.map(|ns| ns as f64 / 1e9),
    }
}

/// Seconds, as people read them.
fn shown(seconds: f64) -> String {
    let time = Duration::from_secs(seconds.round().max(1.0) as u64);
    humantime::format_duration(time).to_string()
}

/// An element as rules write it.
fn text(set: &Set, key: &Key) -> String {
    let part = |(column, &value): (&Column, &u128)| match column {
        _ if column.is_address() && key.wide => Ipv6Addr::from(value).to_string(),
        _ if column.is_address() => Ipv4Addr::from(value as u32).to_string(),
        Column::Mac => {
            let bytes = (value as u64).to_be_bytes();
            let pairs: Vec<String> = bytes[2..].iter().map(|b| format!("{b:02x}")).collect();
            pairs.join(":")
        }
        _ => value.to_string(),
    };
    let parts: Vec<String> = set.columns.iter().zip(&key.values).map(part).collect();
    let longest = if key.wide { 128 } else { 32 };
    match (parts.as_slice(), key.prefix_bits) {
        ([one], Some(bits)) if bits < longest => format!("{one}/{bits}"),
        ([one], _) => one.clone(),
        (parts, _) => format!("({})", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(columns: &[Column], prefix: bool) -> Set {
        let mut set = l4c_compiler::hir::set_form(columns, prefix);
        set.name = "s".to_owned();
        set
    }

    #[test]
    fn elements_are_written_as_they_are_read() {
        use Column::{Addr, Mac, Port, U8};
        for (columns, prefix, word) in [
            (vec![Addr], false, "192.0.2.1"),
            (vec![Addr], false, "2001:db8::1"),
            (vec![Addr], true, "192.0.2.0/24"),
            (vec![Addr], true, "192.0.2.9"),
            (vec![Addr], true, "2001:db8::/32"),
            (vec![Mac], false, "02:00:00:00:00:0a"),
            (vec![U8, Port], false, "(17, 53)"),
            (vec![Addr, Port], false, "(2001:db8::1, 53)"),
        ] {
            let set = set(&columns, prefix);
            let keys = elements_of(&set, word).unwrap();
            assert_eq!(keys.len(), 1, "{word}");
            assert_eq!(text(&set, &keys[0]), word);
        }
    }

    #[test]
    fn lines_are_read_and_bad_ones_told() {
        let set = set(&[Column::Addr, Column::Port], false);
        let mut keys = Vec::new();
        let text = "# flows\n192.0.2.1,53 ; dns\n\n(192.0.2.2, 80)  # by hand\n";
        read(&set, "f", &mut text.as_bytes(), &mut keys).unwrap();
        assert_eq!(keys.len(), 2);
        let bad = read(&set, "f", &mut "192.0.2.1\nx,5\n".as_bytes(), &mut keys).unwrap_err();
        let shown = format!("{bad:?}");
        assert!(shown.contains("f:1: ") && shown.contains("f:2: "), "{shown}");
    }
}
