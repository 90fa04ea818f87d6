//! Writing captures.

mod ng;

pub use ng::NgWriter;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::{LinkType, MAX_PACKET_BYTES};

/// `0xa1b23c4d`, the magic of pcap with nanoseconds, in the order this writer uses.
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes classic pcap: little-endian, nanoseconds, one link type.
///
/// The bytes are put together here, forty lines of it, since `pcap-parser` can only do so through a
/// new allocation and a combinator chain for every packet.
pub struct Writer<W: Write> {
    inner: BufWriter<W>,
}

impl Writer<File> {
    /// Creates the file, or empties the one that is there, and writes the header.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, link: LinkType) -> io::Result<Self> {
        Self::new(File::create(path)?, link)
    }
}

impl<W: Write> Writer<W> {
    /// Writes the header; `inner` is buffered here.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn new(inner: W, link: LinkType) -> io::Result<Self> {
        let mut inner = BufWriter::with_capacity(BUFFER_BYTES, inner);
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&MAGIC_NANO.to_le_bytes());
        header[4..6].copy_from_slice(&2_u16.to_le_bytes());
        header[6..8].copy_from_slice(&4_u16.to_le_bytes());
        header[16..20].copy_from_slice(&MAX_PACKET_BYTES.to_le_bytes());
        header[20..24].copy_from_slice(&link.0.to_le_bytes());
        inner.write_all(&header)?;
        Ok(Self { inner })
    }

    /// Writes one packet: its time in nanoseconds since 1970, the length it had on the wire, and the
    /// bytes that are there of it. Times after 2106 do not fit the format and become its last second.
    ///
    /// # Errors
    /// Those of the file, and `InvalidInput` for more than [`MAX_PACKET_BYTES`] of data.
    pub fn write(&mut self, time_ns: u64, orig_bytes: u32, data: &[u8]) -> io::Result<()> {
        let captured_bytes =
            u32::try_from(data.len()).ok().filter(|&n| n <= MAX_PACKET_BYTES).ok_or_else(|| {
                let text = format!("a packet of {} bytes is too long for a capture", data.len());
                io::Error::new(io::ErrorKind::InvalidInput, text)
            })?;
        let seconds = u32::try_from(time_ns / 1_000_000_000).unwrap_or(u32::MAX);
        let fraction_ns = (time_ns % 1_000_000_000) as u32;
        let mut header = [0; 16];
        header[0..4].copy_from_slice(&seconds.to_le_bytes());
        header[4..8].copy_from_slice(&fraction_ns.to_le_bytes());
        header[8..12].copy_from_slice(&captured_bytes.to_le_bytes());
        header[12..16].copy_from_slice(&orig_bytes.max(captured_bytes).to_le_bytes());
        self.inner.write_all(&header)?;
        self.inner.write_all(data)
    }

    /// Writes out what is buffered and gives the file back. Without this call the rest is written
    /// when the writer goes, and nobody hears of errors.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(self) -> io::Result<W> {
        let mut inner = self.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        inner.flush()?;
        Ok(inner)
    }
}
