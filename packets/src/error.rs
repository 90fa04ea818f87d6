//! Why a capture could not be read any further.

use std::fmt;
use std::io;

/// Reading stopped. What was read before stands.
#[derive(Debug)]
pub struct CaptureError {
    /// Number of the packet that could not be read, from 1; 0 when the file's own header is at fault.
    pub packet: u64,
    /// What is wrong.
    pub kind: CaptureErrorKind,
}

/// What can be wrong with a capture.
#[derive(Debug)]
pub enum CaptureErrorKind {
    /// The operating system or the decompressor failed; a damaged gzip stream ends up here.
    Io(io::Error),
    /// The file begins like neither pcap nor pcapng.
    NotACapture {
        /// Its first bytes, zeros where the file is shorter.
        magic: [u8; 4],
    },
    /// A capture format of a version that nobody has defined.
    Version {
        /// Major version as the file gives it.
        major: u16,
        /// Minor version as the file gives it.
        minor: u16,
    },
    /// The file ends inside a header, a record or a block.
    Truncated {
        /// Bytes that the record or block needs from its first byte on.
        wanted_bytes: usize,
        /// Bytes of it that are there.
        got_bytes: usize,
    },
    /// A packet that claims to be longer than [`MAX_PACKET_BYTES`](crate::MAX_PACKET_BYTES) or
    /// than its interface captures, or a pcapng block beyond 16 MiB.
    TooLong {
        /// `packet` or `block`.
        what: &'static str,
        /// Bytes it claims to have.
        bytes: u32,
        /// Bytes it may have.
        max_bytes: u32,
    },
    /// A pcapng packet of an interface that its section has not described.
    UnknownInterface {
        /// Interface number, from 0.
        interface: u32,
    },
    /// A field contradicts the format, or another field.
    Malformed(&'static str),
}

/// Files that people mistake for captures, by their first bytes.
const LOOK_ALIKES: [(&[u8], &str); 6] = [
    (b"\x28\xb5\x2f\xfd", "zstd, which has to be decompressed first"),
    (b"\xfd7zX", "xz, which has to be decompressed first"),
    (b"BZh", "bzip2, which has to be decompressed first"),
    (b"PK\x03\x04", "a zip archive"),
    (b"snoo", "a snoop capture"),
    (b"\x7fELF", "an ELF object"),
];

impl fmt::Display for CaptureErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "cannot be read: {e}"),
            Self::NotACapture { magic } => {
                let [a, b, c, d] = magic;
                write!(
                    f,
                    "neither pcap nor pcapng: it begins with {a:02x} {b:02x} {c:02x} {d:02x}"
                )?;
                match LOOK_ALIKES.iter().find(|(start, _)| magic.starts_with(start)) {
                    Some((_, name)) => write!(f, " ({name})"),
                    None => Ok(()),
                }
            }
            Self::Version { major, minor } => {
                write!(f, "capture format version {major}.{minor} is unknown")
            }
            Self::Truncated { wanted_bytes, got_bytes } => {
                write!(f, "the file ends early: {got_bytes} of {wanted_bytes} bytes are there")
            }
            Self::TooLong { what, bytes, max_bytes } => {
                write!(f, "the {what} claims {bytes} bytes; at most {max_bytes} are possible here")
            }
            Self::UnknownInterface { interface } => {
                write!(f, "it came in on interface {interface}, which the file does not describe")
            }
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            0 => write!(f, "{}", self.kind),
            n => write!(f, "packet {n}: {}", self.kind),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            CaptureErrorKind::Io(e) => Some(e),
            CaptureErrorKind::NotACapture { .. }
            | CaptureErrorKind::Version { .. }
            | CaptureErrorKind::Truncated { .. }
            | CaptureErrorKind::TooLong { .. }
            | CaptureErrorKind::UnknownInterface { .. }
            | CaptureErrorKind::Malformed(_) => None,
        }
    }
}

impl From<io::Error> for CaptureErrorKind {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}
