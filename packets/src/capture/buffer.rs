//! A window over a byte stream that grows only as far as bytes really arrive.

use std::io::{self, Read};
use std::ops::Range;

use crate::CaptureErrorKind;

/// Bytes asked of the source at a time, and the window's first size.
const CHUNK_BYTES: usize = 256 * 1024;

/// The bytes of the source from the reader's position on.
pub(super) struct Buffer {
    source: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    /// The window is `bytes[start..end]`.
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, bytes: vec![0; CHUNK_BYTES], start: 0, end: 0 }
    }

    /// Tries to have `n` bytes in the window; gives how many there are, fewer only at the end of the
    /// source. Ranges given out earlier are void afterwards.
    #[inline]
    pub(super) fn fill(&mut self, n: usize) -> io::Result<usize> {
        if self.end - self.start < n {
            self.refill(n)?;
        }
        Ok(self.end - self.start)
    }

    #[cold]
    fn refill(&mut self, n: usize) -> io::Result<()> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < n {
            if self.end == self.bytes.len() {
                // Doubling what is already full: a length that lies costs no memory.
                self.bytes.resize(self.bytes.len() * 2, 0);
            }
            match self.source.read(&mut self.bytes[self.end..]) {
                Ok(0) => break,
                Ok(got) => self.end += got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Like [`fill`](Self::fill), and fewer bytes are an error.
    #[inline]
    pub(super) fn need(&mut self, n: usize) -> Result<(), CaptureErrorKind> {
        let got_bytes = self.fill(n)?;
        if got_bytes < n {
            return Err(CaptureErrorKind::Truncated { wanted_bytes: n, got_bytes });
        }
        Ok(())
    }

    /// Like [`need`](Self::need) with an end of the source allowed in front of the first byte: false.
    #[inline]
    pub(super) fn need_or_end(&mut self, n: usize) -> Result<bool, CaptureErrorKind> {
        match self.fill(n)? {
            0 if n > 0 => Ok(false),
            got if got >= n => Ok(true),
            got_bytes => Err(CaptureErrorKind::Truncated { wanted_bytes: n, got_bytes }),
        }
    }

    /// The whole window.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Moves past the first `n` bytes of the window; gives their place, for [`at`](Self::at).
    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Range<usize> {
        let from = self.start;
        self.start = self.end.min(from + n);
        from..self.start
    }

    /// The bytes of a range that [`take`](Self::take) gave, or of a part of it.
    #[inline]
    pub(super) fn at(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}
