//! Writing pcapng: packets of several interfaces, with comments
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>).
//!
//! Put together here, for the reason that classic captures are: one buffer, nothing allocated for a packet.

use std::io::{self, Write};

use crate::{LinkType, MAX_PACKET_BYTES};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const VERSION: [u16; 2] = [1, 0];
/// The section's length is not known before its end.
const LENGTH_UNKNOWN: u64 = u64::MAX;

// Options.
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const USER_APPLICATION: u16 = 4;
const IF_TIME_RESOLUTION: u16 = 9;

/// Ten to the minus nine seconds.
const NANOSECONDS: u8 = 9;

/// Where a block's first length stands.
const LENGTH_OFF: usize = 4;

/// Writes pcapng: one little-endian section, times in nanoseconds.
///
/// Each block is handed on in one piece. What is not flushed may stay in a buffer of `W`.
pub struct NgWriter<W: Write> {
    inner: W,
    interfaces: u32,
    block: Vec<u8>,
}

impl<W: Write> NgWriter<W> {
    /// Writes the header; `application` is who writes.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn new(inner: W, application: &str) -> io::Result<Self> {
        let mut writer = Self { inner, interfaces: 0, block: Vec::new() };
        writer.begin(SECTION_HEADER);
        writer.put(&BYTE_ORDER.to_le_bytes());
        for number in VERSION {
            writer.put(&number.to_le_bytes());
        }
        writer.put(&LENGTH_UNKNOWN.to_le_bytes());
        writer.option(USER_APPLICATION, application.as_bytes());
        writer.end()?;
        Ok(writer)
    }

    /// Describes an interface; gives the number by which packets name it.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn interface(&mut self, link: LinkType, name: &str, about: &str) -> io::Result<u32> {
        let link = u16::try_from(link.0).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{link} does not fit pcapng"))
        })?;
        self.begin(INTERFACE_DESCRIPTION);
        self.put(&link.to_le_bytes());
        self.put(&0u16.to_le_bytes());
        self.put(&MAX_PACKET_BYTES.to_le_bytes());
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_DESCRIPTION, about.as_bytes());
        self.option(IF_TIME_RESOLUTION, &[NANOSECONDS]);
        self.end()?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes a packet that came in by `interface`: its time in nanoseconds since 1970, the length that it had, and
    /// the bytes that are there of it; a comment unless it is empty.
    ///
    /// # Errors
    /// Those of `inner`, and `InvalidInput` for an interface that was not described or more than
    /// [`MAX_PACKET_BYTES`] of data.
    pub fn packet(
        &mut self,
        interface: u32,
        time_ns: u64,
        orig_bytes: u32,
        data: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let captured_bytes = u32::try_from(data.len()).ok().filter(|&n| n <= MAX_PACKET_BYTES);
        let Some(captured_bytes) = captured_bytes.filter(|_| interface < self.interfaces) else {
            let text = format!("a packet of {} bytes of interface {interface}", data.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        self.begin(ENHANCED_PACKET);
        let (high, low) = ((time_ns >> 32) as u32, time_ns as u32);
        for word in [interface, high, low, captured_bytes, orig_bytes.max(captured_bytes)] {
            self.put(&word.to_le_bytes());
        }
        self.put(data);
        self.pad();
        if !comment.is_empty() {
            self.option(COMMENT, comment.as_bytes());
        }
        self.end()
    }

    /// Hands on what `inner` has buffered.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn begin(&mut self, block_type: u32) {
        self.block.clear();
        self.put(&block_type.to_le_bytes());
        self.put(&0u32.to_le_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    /// Up to the next multiple of four bytes.
    fn pad(&mut self) {
        let bytes = self.block.len().next_multiple_of(4);
        self.block.resize(bytes, 0);
    }

    /// An option; what does not fit its length is cut off.
    fn option(&mut self, code: u16, value: &[u8]) {
        let bytes = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.put(&code.to_le_bytes());
        self.put(&bytes.to_le_bytes());
        self.put(&value[..usize::from(bytes)]);
        self.pad();
    }

    fn end(&mut self) -> io::Result<()> {
        self.put(&END_OF_OPTIONS.to_le_bytes());
        self.put(&0u16.to_le_bytes());
        let bytes = (self.block.len() + size_of::<u32>()) as u32;
        self.put(&bytes.to_le_bytes());
        self.block[LENGTH_OFF..LENGTH_OFF + 4].copy_from_slice(&bytes.to_le_bytes());
        self.inner.write_all(&self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capture;
    use pcap_parser::{Block, OptionCode, PcapNGReader, traits::PcapReaderIterator as _};

    fn written() -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = NgWriter::new(&mut file, "l4c test").unwrap();
        let eth = writer.interface(LinkType::ETHERNET, "eth0", "edge").unwrap();
        writer.packet(eth, 1_700_000_000_123_456_789, 100, &[1, 2, 3], "rule a, drop").unwrap();
        let raw = writer.interface(LinkType::RAW, "", "").unwrap();
        writer.packet(raw, 5, 0, &[0x45; 8], "").unwrap();
        let too_long = vec![0; MAX_PACKET_BYTES as usize + 1];
        assert!(writer.packet(raw, 0, 0, &too_long, "").is_err());
        assert!(writer.packet(2, 0, 0, &[], "").is_err(), "no such interface");
        writer.flush().unwrap();
        file
    }

    #[test]
    fn packets_are_read_as_they_were_written() {
        let mut capture = Capture::from_reader(Box::new(io::Cursor::new(written()))).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = capture.next_frame() {
            let frame = frame.unwrap();
            frames.push((frame.time_ns, frame.link, frame.data.to_vec(), frame.orig_bytes));
        }
        let first = (1_700_000_000_123_456_789, LinkType::ETHERNET, vec![1, 2, 3], 100);
        assert_eq!(frames, [first, (5, LinkType::RAW, vec![0x45; 8], 8)]);
    }

    #[test]
    fn others_find_names_and_comments() {
        let file = written();
        let mut reader = PcapNGReader::new(1 << 16, io::Cursor::new(file)).unwrap();
        let mut found = Vec::new();
        while let Ok((bytes, block)) = reader.next() {
            let pcap_parser::PcapBlockOwned::NG(block) = block else { panic!("no pcapng") };
            let options = match &block {
                Block::SectionHeader(block) => &block.options,
                Block::InterfaceDescription(block) => &block.options,
                Block::EnhancedPacket(block) => &block.options,
                other => panic!("{other:?}"),
            };
            let texts = options.iter().filter(|o| {
                let text = [OptionCode::Comment, OptionCode(2), OptionCode(3), OptionCode(4)];
                text.contains(&o.code) && o.len > 0
            });
            let texts: Vec<String> = texts
                .map(|o| String::from_utf8_lossy(&o.value[..usize::from(o.len)]).into_owned())
                .collect();
            found.push(texts.join("|"));
            reader.consume(bytes);
        }
        assert_eq!(found, ["l4c test", "eth0|edge", "rule a, drop", "", ""]);
    }
}
