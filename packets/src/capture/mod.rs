//! Reading captures: frames of pcap and pcapng, plain or gzip.

mod buffer;
mod classic;
mod ng;
mod order;
mod source;
mod ticks;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{CaptureError, CaptureErrorKind, LinkType, MAX_PACKET_BYTES};
use buffer::Buffer;
use classic::Classic;
use ng::Ng;

/// A capture being read from front to back, in memory that does not depend on the file: 256 KiB, and
/// up to 16 MiB while a pcapng block that is really that long passes.
pub struct Capture {
    buffer: Buffer,
    format: Format,
    frames: u64,
    stopped: bool,
    bytes_read: Arc<AtomicU64>,
    total_bytes: Option<u64>,
}

/// One frame of a capture, with its bytes lent until the next one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Place in the capture, from 1.
    pub number: u64,
    /// Nanoseconds since 1970 began; 0 where the capture has no time (simple packet blocks).
    pub time_ns: u64,
    /// What `data` begins with.
    pub link: LinkType,
    /// The bytes captured, at most [`MAX_PACKET_BYTES`].
    pub data: &'a [u8],
    /// How long the frame was on the wire, as the capture says.
    pub orig_bytes: u32,
    /// Name of the interface that it came in by, where the capture says (`if_name` of pcapng).
    pub iface: Option<&'a str>,
}

/// A frame by its place in the buffer.
struct Record {
    time_ns: u64,
    link: LinkType,
    data: Range<usize>,
    orig_bytes: u32,
    /// Place among the interfaces of the section.
    iface: Option<usize>,
}

enum Format {
    Classic(Classic),
    Ng(Ng),
}

impl Format {
    /// Name of the interface at a place of the current section.
    fn iface(&self, at: usize) -> Option<&str> {
        match self {
            Self::Classic(_) => None,
            Self::Ng(ng) => ng.iface(at),
        }
    }
}

/// A snapshot length as libpcap takes it: zero and the absurd mean no limit.
const fn snap_bytes(claimed: u32) -> u32 {
    if claimed == 0 || claimed > i32::MAX.cast_unsigned() { MAX_PACKET_BYTES } else { claimed }
}

impl Capture {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture (packet 0 in the error).
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let io = |e| CaptureError { packet: 0, kind: CaptureErrorKind::Io(e) };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let total_bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self { total_bytes, ..Self::from_reader(Box::new(file))? })
    }

    /// Reads a capture from any stream, such as standard input. It is read in large pieces: no buffer
    /// around it is needed.
    ///
    /// # Errors
    /// When the stream cannot be read or is no capture (packet 0 in the error).
    pub fn from_reader(reader: Box<dyn Read + Send>) -> Result<Self, CaptureError> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        Self::start(reader, &bytes_read).map_err(|kind| CaptureError { packet: 0, kind })
    }

    fn start(
        reader: Box<dyn Read + Send>,
        bytes_read: &Arc<AtomicU64>,
    ) -> Result<Self, CaptureErrorKind> {
        let mut buffer = Buffer::new(source::unpacked(reader, Arc::clone(bytes_read))?);
        let got_bytes = buffer.fill(4)?;
        if got_bytes == 0 {
            return Err(CaptureErrorKind::Truncated { wanted_bytes: 4, got_bytes });
        }
        let mut magic = [0; 4];
        let shown_bytes = got_bytes.min(4);
        magic[..shown_bytes].copy_from_slice(&buffer.window()[..shown_bytes]);
        let format = if magic == ng::MAGIC {
            Format::Ng(Ng::start(&mut buffer)?)
        } else if let Some(order) = Classic::recognize(magic) {
            Format::Classic(Classic::start(&mut buffer, order)?)
        } else {
            return Err(CaptureErrorKind::NotACapture { magic });
        };
        Ok(Self {
            buffer,
            format,
            frames: 0,
            stopped: false,
            bytes_read: Arc::clone(bytes_read),
            total_bytes: None,
        })
    }

    /// The next frame; `None` at the end. After an error the capture is at its end.
    #[inline]
    pub fn next_frame(&mut self) -> Option<Result<Frame<'_>, CaptureError>> {
        if self.stopped {
            return None;
        }
        let record = match &mut self.format {
            Format::Classic(classic) => classic.next(&mut self.buffer),
            Format::Ng(ng) => ng.next(&mut self.buffer),
        };
        match record {
            Ok(Some(record)) => {
                self.frames += 1;
                Some(Ok(Frame {
                    number: self.frames,
                    time_ns: record.time_ns,
                    link: record.link,
                    data: self.buffer.at(record.data),
                    orig_bytes: record.orig_bytes,
                    iface: record.iface.and_then(|at| self.format.iface(at)),
                }))
            }
            Ok(None) => {
                self.stopped = true;
                None
            }
            Err(kind) => {
                self.stopped = true;
                Some(Err(CaptureError { packet: self.frames + 1, kind }))
            }
        }
    }

    /// Bytes of the file or stream taken so far, compressed ones where it is compressed; runs ahead
    /// of the frames by what is buffered.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes of the file on disk when it was opened; `None` for what is not a regular file.
    #[must_use]
    pub const fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }
}
