//! Captures through an engine.

use crate::{Engine, JudgeError, Summary};
use l4c_manifest::{Start, Verdict};
use l4c_packets::{Capture, CaptureError, Frame, LinkType, Reason, Shown, present};
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// A capture to judge, opened when its turn comes.
pub struct Captured {
    /// Its name in messages.
    pub name: String,
    /// The capture, or why there is none.
    pub capture: Result<Capture, CaptureError>,
}

/// What a dry run came to.
#[derive(Debug)]
pub struct DryRun {
    /// What became of the packets that were judged, up to the end or the fault.
    pub summary: Summary,
    /// Captures that could not be read to their end, in the order they were met.
    pub failed: Vec<FileError>,
    /// The engine failed: nothing was judged after that.
    pub stopped: Option<JudgeError>,
}

/// A capture that could not be read to its end.
#[derive(Debug)]
pub struct FileError {
    /// Its name.
    pub file: String,
    /// What is wrong.
    pub kind: FileErrorKind,
}

/// Why a capture could not be read to its end.
#[derive(Debug)]
pub enum FileErrorKind {
    /// The file itself.
    Capture(CaptureError),
    /// A frame of a link type that no hook can be shown.
    LinkType {
        /// Number of the frame, from 1.
        packet: u64,
        /// Its link type.
        link: LinkType,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FileErrorKind::Capture(error) => write!(f, "{}: {error}", self.file),
            FileErrorKind::LinkType { packet, link } => write!(
                f,
                "{}: packet {packet}: frames of {link} can't be shown to any hook",
                self.file
            ),
        }
    }
}

impl std::error::Error for FileError {}

/// A packet and what was decided about it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Name of the capture.
    pub capture: &'a str,
    /// The frame as the capture holds it.
    pub frame: &'a Frame<'a>,
    /// The whole packet from the byte that the hook starts at, of which it may have seen less.
    pub packet: &'a [u8],
    /// The verdict.
    pub verdict: Verdict,
    /// Index of the rule that decided, where [`Sink::wants_rules`] asked for it.
    pub rule: Option<usize>,
}

/// How far a dry run has come in the capture it reads.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Name of the capture.
    pub capture: &'a str,
    /// Bytes read of the file, compressed ones where it is compressed.
    pub bytes_read: u64,
    /// Bytes of the file; `None` for a stream.
    pub total_bytes: Option<u64>,
    /// Packets judged, of all captures.
    pub packets: u64,
}

/// Where the packets of a dry run go. Every method may be left out.
pub trait Sink {
    /// Whether [`Judged::rule`] is wanted: this costs a look at all counters for every packet.
    fn wants_rules(&self) -> bool {
        false
    }

    /// A packet was judged. `Break` ends the dry run where it is.
    fn judged(&mut self, judged: &Judged<'_>) -> ControlFlow<()> {
        let _ = judged;
        ControlFlow::Continue(())
    }

    /// A frame reaches no hook; `None`: it is too short or too long.
    fn unjudged(&mut self, capture: &str, frame: &Frame<'_>, reason: Option<Reason>) {
        let _ = (capture, frame, reason);
    }

    /// The first frame of a capture for which a link header had to be made up.
    fn made_up_link(&mut self, capture: &str, link: LinkType) {
        let _ = (capture, link);
    }

    /// Called every few thousand frames.
    fn progress(&mut self, progress: Progress<'_>) {
        let _ = progress;
    }
}

/// Nobody listens.
impl Sink for () {}

/// Frames between two calls of [`Sink::progress`].
const PROGRESS_FRAMES: u64 = 8192;

/// Takes captures through an engine, packet by packet, in memory that does not grow with them.
///
/// The engine is reset first. A capture that breaks off is given up there, and the next one goes on;
/// an engine that fails ends the run. Either way what was judged is in the summary.
pub fn dry_run(
    engine: &mut dyn Engine,
    captures: impl IntoIterator<Item = Captured>,
    sink: &mut dyn Sink,
) -> DryRun {
    let started = engine.reset();
    play(engine, captures, sink, &mut Stamps::default(), started)
}

/// Takes captures through an engine as it is; it is told the time first.
pub(crate) fn play(
    engine: &mut dyn Engine,
    captures: impl IntoIterator<Item = Captured>,
    sink: &mut dyn Sink,
    stamps: &mut Stamps,
    started: Result<(), JudgeError>,
) -> DryRun {
    let summary = Summary::new(engine.shape(), engine.name());
    let started =
        started.and_then(|()| engine.arrive(None)).and_then(|()| engine.set_time(stamps.now_ns));
    let mut run = Run {
        start: engine.shape().kind.start(),
        wants_rules: sink.wants_rules(),
        out: DryRun { summary, failed: Vec::new(), stopped: started.err() },
        verdicts: [0; Verdict::ALL.len()],
        iface: None,
        stamps,
        scratch: Vec::new(),
    };
    for Captured { name, capture } in captures {
        if run.out.stopped.is_some() {
            break;
        }
        run.stamps.late_ns = None;
        let flow = match capture {
            Ok(mut capture) => run.capture(engine, &name, &mut capture, sink),
            Err(error) => Err(Stop::File(FileErrorKind::Capture(error))),
        };
        match flow {
            Ok(()) => {}
            Err(Stop::File(kind)) => run.out.failed.push(FileError { file: name, kind }),
            Err(Stop::Engine(error)) => run.out.stopped = Some(error),
            Err(Stop::Asked) => break,
        }
    }
    match engine.counters() {
        Ok(slots) => run.out.summary.count(engine.shape(), &slots),
        Err(error) => run.out.stopped = run.out.stopped.or(Some(error)),
    }
    let counted = Verdict::ALL.into_iter().zip(run.verdicts).filter(|&(_, packets)| packets > 0);
    run.out.summary.verdicts = counted.collect();
    run.out
}

/// Why a capture is not read any further.
enum Stop {
    File(FileErrorKind),
    Engine(JudgeError),
    Asked,
}

/// The time that packets are judged at. It never goes back: a capture older than what came before it begins when
/// that ended, and a frame older than the one before it comes when that came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stamps {
    pub now_ns: u64,
    /// How much later the frames of the capture at hand come than they say.
    late_ns: Option<u64>,
}

impl Stamps {
    /// A frame with this stamp comes. True if time has passed.
    fn frame(&mut self, time_ns: u64) -> bool {
        let late_ns = *self.late_ns.get_or_insert(self.now_ns.saturating_sub(time_ns));
        let before = self.now_ns;
        self.now_ns = before.max(time_ns.saturating_add(late_ns));
        self.now_ns != before
    }
}

struct Run<'s> {
    start: Start,
    wants_rules: bool,
    out: DryRun,
    /// By place in [`Verdict::ALL`].
    verdicts: [u64; Verdict::ALL.len()],
    /// The interface that the engine takes packets to come in by.
    iface: Option<String>,
    stamps: &'s mut Stamps,
    scratch: Vec<u8>,
}

impl Run<'_> {
    fn capture(
        &mut self,
        engine: &mut dyn Engine,
        name: &str,
        capture: &mut Capture,
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        let mut said_made_up = false;
        let (mut frames, total_bytes) = (0_u64, capture.total_bytes());
        loop {
            if frames.is_multiple_of(PROGRESS_FRAMES) {
                let (bytes_read, packets) = (capture.bytes_read(), self.out.summary.packets);
                sink.progress(Progress { capture: name, bytes_read, total_bytes, packets });
            }
            frames += 1;
            let Some(frame) = capture.next_frame() else { return Ok(()) };
            let frame = frame.map_err(|e| Stop::File(FileErrorKind::Capture(e)))?;
            if self.start == Start::Link && frame.link != LinkType::ETHERNET && !said_made_up {
                said_made_up = true;
                sink.made_up_link(name, frame.link);
            }
            self.frame(engine, name, &frame, sink)?;
        }
    }

    #[inline]
    fn frame(
        &mut self,
        engine: &mut dyn Engine,
        name: &str,
        frame: &Frame<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        let packet = match present(frame.link, frame.data, self.start, &mut self.scratch) {
            Shown::Packet(packet) => packet,
            Shown::Unjudged(reason) => {
                self.out.summary.unjudged += 1;
                sink.unjudged(name, frame, Some(reason));
                return Ok(());
            }
            Shown::Unsupported(link) => {
                let packet = frame.number;
                return Err(Stop::File(FileErrorKind::LinkType { packet, link }));
            }
        };
        let Some(visible) = engine.shape().visible(packet) else {
            self.out.summary.unjudged += 1;
            sink.unjudged(name, frame, None);
            return Ok(());
        };
        if frame.iface != self.iface.as_deref() {
            engine.arrive(frame.iface).map_err(Stop::Engine)?;
            self.iface = frame.iface.map(str::to_owned);
        }
        if self.stamps.frame(frame.time_ns) {
            engine.set_time(self.stamps.now_ns).map_err(Stop::Engine)?;
        }
        let (verdict, rule) = if self.wants_rules {
            let opinion = engine.judge_traced(visible).map_err(Stop::Engine)?;
            (opinion.verdict, Some(opinion.rule))
        } else {
            (engine.judge(visible).map_err(Stop::Engine)?, None)
        };
        self.out.summary.packets += 1;
        self.out.summary.bytes += visible.len() as u64;
        self.verdicts[place(verdict)] += 1;
        match sink.judged(&Judged { capture: name, frame, packet, verdict, rule }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Asked),
        }
    }
}

/// Place of a verdict in [`Verdict::ALL`].
fn place(verdict: Verdict) -> usize {
    Verdict::ALL.iter().position(|&v| v == verdict).expect("ALL holds every verdict")
}

impl Captured {
    /// Opens a file.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { name: path.display().to_string(), capture: Capture::open(path) }
    }

    /// Reads standard input.
    #[must_use]
    pub fn stdin() -> Self {
        let capture = Capture::from_reader(Box::new(io::stdin()));
        Self { name: "<stdin>".to_owned(), capture }
    }
}
