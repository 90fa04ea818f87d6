//! The byte stream below a capture: counted, and unpacked if it is gzip.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

/// First bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Counts what is really taken from the file, for progress.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        self.bytes.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// The stream that the capture is written in: `reader` itself, or what it unpacks to.
pub(super) fn unpacked(
    reader: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
) -> io::Result<Box<dyn Read + Send>> {
    let mut counted = Counted { inner: reader, bytes };
    let mut head = Vec::with_capacity(GZIP_MAGIC.len());
    counted.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head)?;
    let packed = head == GZIP_MAGIC;
    let whole = io::Cursor::new(head).chain(counted);
    Ok(if packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}
