//! `l4c run FILE --pcap F…`

use super::judging::{self, Bench};
use crate::args::RunArgs;
use crate::exit::{Exit, Failure};
use crate::files::NewFile;
use crate::progress::Bar;
use crate::rules::{self, Place};
use crate::table::{self, count, grouped, share};
use crate::ui::Ui;
use l4c_judge::{Captured, DryRun, Judged, Progress, Sink, Summary, dry_run};
use l4c_manifest::{Start, Verdict};
use l4c_packets::{Frame, LinkType, Reason, Writer};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A packet as `l4c run --per-packet --format json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    packet: u64,
    verdict: Verdict,
    rule: &'a str,
    /// Only where there are several captures, for each numbers its own packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<&'a str>,
}

/// Judges the packets of all captures.
pub fn run(args: &RunArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    if args.report.is_some() {
        return Err(Failure::later("--report"));
    }
    let rules = rules::read(ui, &Place::of(&args.rules), &args.rules.ways)?;
    let hook = rules::hook(&rules.policy, args.hook.as_deref())?;
    let mut engine = Bench::new(&rules).open(ui, args.engine, hook)?;
    judging::seed(engine.as_mut(), args.seed)?;
    let shape = engine.shape().clone();
    let link = match shape.kind.start() {
        Start::Link => LinkType::ETHERNET,
        Start::Network => LinkType::RAW,
    };
    let places = [(Verdict::Pass, &args.write_pass), (Verdict::Drop, &args.write_drop)];
    let mut written = Vec::new();
    for (verdict, place) in places {
        if let Some(place) = place {
            written.push(Written::create(verdict, place, link)?);
        }
    }
    let bar = Bar::new(!(ui.quiet || args.per_packet && ui.out_is_terminal()));
    let mut lines = Lines {
        ui,
        bar,
        per_packet: args.per_packet,
        several: args.pcap.len() > 1,
        rules: shape.rules.iter().map(|rule| rule.name.clone()).collect(),
        written,
        broken: None,
        unjudged: BTreeMap::new(),
    };
    let started = Instant::now();
    let outcome = dry_run(engine.as_mut(), captures(&args.pcap), &mut lines);
    let took = started.elapsed();
    let Lines { ui, mut bar, written, broken, unjudged, .. } = lines;
    bar.clear();
    if let Some(failure) = broken {
        return Err(failure);
    }
    for file in written {
        file.finish()?;
    }
    if ui.verbose {
        for (reason, frames) in unjudged {
            ui.detail(&format!("unjudged: {}: {reason}", count(frames, "frame")));
        }
    }
    if ui.json {
        ui.json_line(&outcome.summary);
    } else {
        print(ui, &outcome.summary, took);
    }
    Ok(told(ui, &outcome))
}

/// What kept the run from going through, and the exit code for it.
fn told(ui: &mut Ui, outcome: &DryRun) -> Exit {
    let mut exit = Exit::Done;
    for failed in &outcome.failed {
        ui.error(&failed.to_string());
        exit = Exit::Unreadable;
    }
    if let Some(error) = &outcome.stopped {
        ui.error(&format!("engine {}: {error}", outcome.summary.engine));
        exit = Exit::Refused;
    }
    exit
}

/// Captures by name, opened one after the other; `-` is standard input.
fn captures(paths: &[PathBuf]) -> impl Iterator<Item = Captured> {
    paths.iter().map(
        |path| {
            if path.as_os_str() == "-" { Captured::stdin() } else { Captured::file(path) }
        },
    )
}

/// A capture being written.
struct Written {
    verdict: Verdict,
    place: PathBuf,
    new: NewFile,
    writer: Writer<File>,
}

impl Written {
    fn create(verdict: Verdict, place: &Path, link: LinkType) -> Result<Self, Failure> {
        let failed = |e| cannot_write(place, &e);
        let (new, file) = NewFile::create(place).map_err(failed)?;
        let writer = Writer::new(file, link).map_err(failed)?;
        Ok(Self { verdict, place: place.to_owned(), new, writer })
    }

    fn finish(self) -> Result<(), Failure> {
        let done = self.writer.finish().and_then(|_| self.new.keep());
        done.map_err(|e| cannot_write(&self.place, &e))
    }
}

fn cannot_write(place: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot write `{}`: {error}", place.display()))
}

/// Where the packets of a run go.
struct Lines<'u> {
    ui: &'u mut Ui,
    bar: Bar,
    per_packet: bool,
    several: bool,
    /// Names by report index.
    rules: Vec<String>,
    written: Vec<Written>,
    broken: Option<Failure>,
    unjudged: BTreeMap<String, usize>,
}

impl Sink for Lines<'_> {
    fn wants_rules(&self) -> bool {
        self.per_packet
    }

    fn judged(&mut self, judged: &Judged<'_>) -> ControlFlow<()> {
        if let Some(rule) = judged.rule {
            self.line(judged, rule);
            if self.ui.is_closed() {
                return ControlFlow::Break(());
            }
        }
        // A packet that is answered is dropped, too.
        let goes = match judged.verdict {
            Verdict::Reject => Verdict::Drop,
            verdict @ (Verdict::Pass | Verdict::Drop | Verdict::Redirect) => verdict,
        };
        let writer = self.written.iter_mut().find(|w| w.verdict == goes);
        let Some(written) = writer else { return ControlFlow::Continue(()) };
        // What was made up in front of the packet, or taken off, was not on the wire, or was.
        let Judged { frame, packet, .. } = judged;
        let on_wire = i64::from(frame.orig_bytes) + packet.len() as i64 - frame.data.len() as i64;
        let orig_bytes = u32::try_from(on_wire).unwrap_or(0);
        match written.writer.write(frame.time_ns, orig_bytes, packet) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.broken = Some(cannot_write(&written.place, &error));
                ControlFlow::Break(())
            }
        }
    }

    fn unjudged(&mut self, _capture: &str, _frame: &Frame<'_>, reason: Option<Reason>) {
        let reason =
            reason.map_or("too short or too long for the hook".to_owned(), |r| r.to_string());
        *self.unjudged.entry(reason).or_default() += 1;
    }

    fn made_up_link(&mut self, capture: &str, link: LinkType) {
        self.bar.clear();
        self.ui.note(&format!("{capture}: frames are {link}; an Ethernet header is made up"));
    }

    fn progress(&mut self, progress: Progress<'_>) {
        self.bar.update(&progress);
    }
}

impl Lines<'_> {
    fn line(&mut self, judged: &Judged<'_>, rule: usize) {
        let rule = &self.rules[rule];
        let (packet, verdict) = (judged.frame.number, judged.verdict);
        let capture = self.several.then_some(judged.capture);
        if self.ui.json {
            self.ui.json_line(&Line { packet, verdict, rule, capture });
        } else {
            let capture = capture.map(|c| format!("  {c}")).unwrap_or_default();
            self.ui.line(format_args!("{packet:>8}  {:4}  {rule}{capture}", verdict.name()));
        }
    }
}

/// The table of rules, then verdicts, totals and speed.
fn print(ui: &mut Ui, summary: &Summary, took: Duration) {
    let mut rules = table::new(&["rule", "action", "packets", "bytes", "share"], &[2, 3, 4]);
    for rule in &summary.rules {
        let action =
            if rule.shadow { format!("shadow {}", rule.action) } else { rule.action.clone() };
        rules.add_row([
            rule.rule.clone(),
            action,
            grouped(rule.packets),
            grouped(rule.bytes),
            share(rule.packets, summary.packets),
        ]);
    }
    for (name, counter) in &summary.counters {
        rules.add_row([
            name.clone(),
            "count".to_owned(),
            grouped(counter.packets),
            grouped(counter.bytes),
            share(counter.packets, summary.packets),
        ]);
    }
    if !ui.quiet {
        ui.line(rules.trim_fmt());
        ui.line("");
    }
    let verdicts = summary.verdicts.iter().map(|(verdict, &packets)| {
        format!("{} {} ({})", verdict.name(), grouped(packets), share(packets, summary.packets))
    });
    let verdicts: Vec<String> = verdicts.collect();
    let packets = count(summary.packets as usize, "packet");
    let bytes = count(summary.bytes as usize, "byte");
    let colon = if verdicts.is_empty() { "" } else { ": " };
    ui.line(format!("{}: {packets}, {bytes}{colon}{}", summary.hook, verdicts.join(", ")));
    if summary.unjudged > 0 {
        let frames = count(summary.unjudged as usize, "frame");
        ui.line(format!("{frames} not judged: too short for the hook, or nothing it is shown"));
    }
    if !ui.quiet {
        ui.line(speed(summary, took));
    }
}

/// How long it took.
fn speed(summary: &Summary, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rate = summary.packets as f64 / seconds.max(1e-9);
    format!("{seconds:.2} s, {} packets/s ({})", grouped(rate as u64), summary.engine)
}
