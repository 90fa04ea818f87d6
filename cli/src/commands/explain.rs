//! `l4c explain FILE (--pcap F --packet N | --hex …)`

use crate::args::ExplainArgs;
use crate::exit::{Exit, Failure};
use crate::hex;
use crate::rules::{self, Place};
use crate::table;
use crate::ui::Ui;
use l4c_judge::{Explanation, Shape, explain};
use l4c_manifest::HookKind;
use l4c_packets::{Capture, CaptureError, Shown, present};
use serde_json::Value;
use std::path::Path;

/// Shows the rules that one packet met.
pub fn run(args: &ExplainArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let rules = rules::read(ui, &Place::of(&args.rules), &args.rules.ways)?;
    let hook = rules::hook(&rules.policy, args.hook.as_deref())?;
    let kind = rules.policy.hooks[hook].kind;
    let (packet, iface) = match (&args.hex, &args.pcap, args.packet) {
        (Some(text), _, _) => {
            (hex::parse(text).map_err(|e| Failure::usage(format!("--hex: {e}")))?, None)
        }
        (None, Some(path), Some(number)) => find(path, number, kind)?,
        (None, _, _) => return Err(Failure::usage("a packet is needed: --hex or --pcap")),
    };
    let shape = Shape::of_policy(&rules.policy, hook);
    let bytes = packet.len();
    let visible = shape.visible(&packet).ok_or_else(|| {
        let (min, max) = (kind.min_bytes(), kind.max_visible_bytes());
        Failure::unreadable(format!(
            "a packet of {bytes} bytes can't be shown to hook `{}`: it takes {min} to {max}",
            shape.hook
        ))
    })?;
    let explanation = explain(&rules.policy, hook, visible, iface.as_deref());
    if ui.json {
        ui.json_line(&explanation);
        return Ok(Exit::Done);
    }
    if ui.verbose {
        hex::dump(visible).iter().for_each(|line| ui.line(line));
    }
    for line in in_words(&explanation) {
        ui.line(line);
    }
    Ok(Exit::Done)
}

/// A packet, and the interface that it came in by.
type Found = (Vec<u8>, Option<String>);

/// Packet `number` of a capture, as a hook of `kind` sees it.
fn find(path: &Path, number: u64, kind: HookKind) -> Result<Found, Failure> {
    let name = path.display();
    let broken = |e: CaptureError| Failure::unreadable(format!("{name}: {e}"));
    let mut capture = if path.as_os_str() == "-" {
        Capture::from_reader(Box::new(std::io::stdin()))
    } else {
        Capture::open(path)
    }
    .map_err(broken)?;
    let mut packets = 0;
    while let Some(frame) = capture.next_frame() {
        let frame = frame.map_err(broken)?;
        packets = frame.number;
        if packets < number {
            continue;
        }
        let hidden = |why: &dyn std::fmt::Display| {
            Failure::unreadable(format!(
                "{name}: packet {number} can't be shown to the hook: {why}"
            ))
        };
        let mut scratch = Vec::new();
        return match present(frame.link, frame.data, kind.start(), &mut scratch) {
            Shown::Packet(packet) => Ok((packet.to_vec(), frame.iface.map(str::to_owned))),
            Shown::Unjudged(reason) => Err(hidden(&reason)),
            Shown::Unsupported(link) => Err(hidden(&link)),
        };
    }
    Err(Failure::usage(format!("{name} has no packet {number}: it has {packets}")))
}

/// The way of a packet, a line a rule, and the verdict.
pub fn in_words(explanation: &Explanation) -> Vec<String> {
    let mut steps = table::new(&["rule", "matches", "reads"], &[]);
    for step in &explanation.steps {
        let reads = step.reads.iter().map(|read| match &read.value {
            Value::Null => format!("{} absent", read.field),
            Value::String(text) => format!("{} = {text}", read.field),
            other => format!("{} = {other}", read.field),
        });
        let matched = if step.matched { "yes" } else { "no" };
        let reads = reads.collect::<Vec<_>>().join(", ");
        steps.add_row([step.rule.as_str(), matched, reads.as_str()]);
    }
    let mut lines: Vec<String> = steps.trim_fmt().lines().map(str::to_owned).collect();
    lines.push(format!("verdict: {} by {}", explanation.verdict.name(), explanation.rule));
    lines
}
