//! `l4c capture`

use super::pinned;
use crate::args::CaptureArgs;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;
use l4c_manifest::{HookKind, Start};
use l4c_packets::{LinkType, NgWriter};
use l4c_runtime::policy::{Sample, SampleRequest};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So long a sample may wait before it is written.
const PATIENCE: Duration = Duration::from_millis(100);

const BUFFER_BYTES: usize = 256 << 10;

/// Writes what rules sample, until interrupted.
pub fn run(args: &CaptureArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    let to_file = args.write.as_deref().filter(|path| *path != Path::new("-"));
    if to_file.is_none() && ui.out_is_terminal() {
        return Err(Failure::usage("a capture is not written to a terminal")
            .help("`-w FILE.pcapng` writes a file; or pipe it: `l4c capture | tcpdump -r -`"));
    }
    // From before the first ring is open: what is caught is written.
    let calm = pinned::Uninterrupted::new();
    let locked = pinned::look(ui, &args.pin)?;
    let request = SampleRequest { policy: args.policy.as_deref(), rule: args.rule.as_deref() };
    let mut listener = locked.listen(request).map_err(|e| pinned::refused(ui, None, e))?;
    let mut out = Output::open(to_file, args.count)?;
    ui.note(&format!("listening to {}", listener.policies().join(", ")));
    let ended = loop {
        let goes_on = !calm.asked.load(Ordering::Relaxed) && !out.is_full() && out.failed.is_none();
        let patience = if goes_on { PATIENCE } else { Duration::ZERO };
        let loaded = match listener.next(patience, |sample| out.write(&sample)) {
            Ok(loaded) => loaded,
            Err(error) => break Err(pinned::refused(ui, None, error)),
        };
        out.flush();
        if !goes_on {
            break Ok(());
        }
        if !loaded {
            ui.note("what was listened to is not loaded any more");
            break Ok(());
        }
    };
    let lost = listener.lost();
    if !ui.quiet || lost > 0 {
        ui.say(&format!("{} packets, {lost} lost", out.packets));
    }
    match out.failed {
        // Whoever reads has seen enough.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Some(error) => return Err(Failure::refused(format!("cannot write the capture: {error}"))),
        None => {}
    }
    ended.map(|()| Exit::Done)
}

/// The capture being written.
struct Output {
    writer: NgWriter<BufWriter<File>>,
    /// Interfaces that have been described, by policy, hook and name.
    interfaces: HashMap<(String, String, String), u32>,
    packets: u64,
    most: u64,
    failed: Option<io::Error>,
}

impl Output {
    fn open(file: Option<&Path>, most: Option<u64>) -> Result<Self, Failure> {
        let name = file.map_or_else(|| "standard output".into(), |path| path.display().to_string());
        let open = || -> io::Result<_> {
            let file = match file {
                Some(path) => File::create(path)?,
                None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            };
            let file = BufWriter::with_capacity(BUFFER_BYTES, file);
            let mut writer = NgWriter::new(file, concat!("l4c ", env!("CARGO_PKG_VERSION")))?;
            writer.flush()?;
            Ok(writer)
        };
        let writer = open().map_err(|e| Failure::refused(format!("cannot write {name}: {e}")))?;
        let most = most.unwrap_or(u64::MAX);
        Ok(Self { writer, interfaces: HashMap::new(), packets: 0, most, failed: None })
    }

    fn is_full(&self) -> bool {
        self.packets >= self.most
    }

    fn write(&mut self, sample: &Sample<'_>) {
        if self.is_full() || self.failed.is_some() {
            return;
        }
        match self.try_write(sample) {
            Ok(()) => self.packets += 1,
            Err(error) => self.failed = Some(error),
        }
    }

    fn try_write(&mut self, sample: &Sample<'_>) -> io::Result<()> {
        let key = [sample.policy, &sample.hook.name, sample.interface].map(str::to_owned);
        let [policy, hook, interface] = key;
        let key = (policy, hook, interface);
        let number = match self.interfaces.get(&key) {
            Some(number) => *number,
            None => {
                let about = format!("policy {}, hook {}", sample.policy, sample.hook.name);
                let link = link_type(sample.hook.kind);
                let number = self.writer.interface(link, sample.interface, &about)?;
                self.interfaces.insert(key, number);
                number
            }
        };
        let Sample { time_ns, packet_bytes, data, .. } = *sample;
        self.writer.packet(number, time_ns, packet_bytes, data, &comment(sample))
    }

    fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.writer.flush().err();
        }
    }
}

/// `rule noisy, drop`
fn comment(sample: &Sample<'_>) -> String {
    let action = match sample.rule.action.as_str() {
        "none" => "goes on",
        action => action,
    };
    let shadow = if sample.rule.shadow || sample.hook.shadow { " (shadow)" } else { "" };
    format!("rule {}, {action}{shadow}", sample.rule.name)
}

/// What a packet of a hook begins with.
fn link_type(kind: HookKind) -> LinkType {
    match kind.start() {
        Start::Link => LinkType::ETHERNET,
        Start::Network => LinkType::RAW,
    }
}
