//! pcapng: a chain of blocks, in sections.
//!
//! Reads the packets of enhanced, simple and (obsolete) plain packet blocks of any number of
//! sections, each with its own byte order and interfaces; passes over all other blocks. As strict as
//! libpcap 1.10 (`sf-pcapng.c`) where a block contradicts itself, more patient where that one gives
//! up: interfaces may differ in link type, snapshot length and time, sections in byte order.

use pcap_parser::{
    BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, OptionCode, PcapError, SHB_MAGIC, SPB_MAGIC, parse_option_be,
    parse_option_le, parse_unknownblock_be, parse_unknownblock_le,
};

use super::Record;
use super::buffer::Buffer;
use super::order::Order;
use super::ticks::Ticks;
use crate::{CaptureErrorKind, LinkType, MAX_PACKET_BYTES};

use CaptureErrorKind::Malformed;

/// First bytes of every pcapng file; they read the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = SHB_MAGIC.to_le_bytes();

/// The obsolete packet block, which the parser has no name for.
const PB_MAGIC: u32 = 2;
/// Bytes in front of a block's body: type and length.
const HEAD_BYTES: usize = 8;
/// Bytes of a block without a body: the length stands at its end again.
const MIN_BLOCK_BYTES: u32 = 12;
/// Longest block of any kind (libpcap's `INITIAL_MAX_BLOCKSIZE`).
const MAX_BLOCK_BYTES: u32 = 16 * 1024 * 1024;
/// Interfaces a section may describe, so that a file of nothing else cannot fill the memory.
const MAX_INTERFACES: usize = 65_536;

/// Longest name of an interface that is kept: more than any system has.
const MAX_NAME_BYTES: usize = 255;

/// One interface of the current section.
#[derive(Debug)]
struct Interface {
    link: LinkType,
    snap_bytes: u32,
    ticks: Ticks,
    /// `if_name`, if it is there and can be one.
    name: Option<Box<str>>,
}

/// The current section.
pub(super) struct Ng {
    order: Order,
    interfaces: Vec<Interface>,
    /// The file's first section header has been read.
    begun: bool,
}

/// Where the packet of a block lies and what came with it.
struct Found {
    interface: u32,
    ticks: Option<u64>,
    /// Offset in the block's body.
    data_off_bytes: usize,
    captured_bytes: u32,
    orig_bytes: u32,
}

impl Ng {
    /// Reads the first section header, whose type the caller has seen.
    pub(super) fn start(buffer: &mut Buffer) -> Result<Self, CaptureErrorKind> {
        let mut ng = Self { order: Order::Little, interfaces: Vec::new(), begun: false };
        ng.next_block(buffer)?;
        ng.begun = true;
        Ok(ng)
    }

    /// The next packet, `None` at the end of the file.
    pub(super) fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Record>, CaptureErrorKind> {
        loop {
            match self.next_block(buffer)? {
                Step::Packet(record) => return Ok(Some(record)),
                Step::Other => {}
                Step::End => return Ok(None),
            }
        }
    }

    fn next_block(&mut self, buffer: &mut Buffer) -> Result<Step, CaptureErrorKind> {
        if !buffer.need_or_end(HEAD_BYTES)? {
            return Ok(Step::End);
        }
        if buffer.window().starts_with(&MAGIC) {
            buffer.need(HEAD_BYTES + 4)?;
            self.order = section_order(buffer.window())?;
        }
        let block_bytes = self.order.u32(buffer.window(), 4);
        check_block_bytes(block_bytes)?;
        buffer.need(block_bytes as usize)?;
        let at = buffer.take(block_bytes as usize);
        let parsed = match self.order {
            Order::Little => parse_unknownblock_le(buffer.at(at.clone())),
            Order::Big => parse_unknownblock_be(buffer.at(at.clone())),
        };
        let (_, block) = parsed.map_err(|_| Malformed("the block cannot be parsed"))?;
        // libpcap does not look at the end of the very first block, and neither may we.
        if self.begun && block.block_len1 != block.block_len2 {
            return Err(Malformed("the block's two lengths differ"));
        }
        // The parser reads the type as little-endian whatever the order.
        let block_type = match self.order {
            Order::Little => block.block_type,
            Order::Big => block.block_type.swap_bytes(),
        };
        match block_type {
            SHB_MAGIC => self.section(block.data)?,
            IDB_MAGIC => self.interface(block.data)?,
            EPB_MAGIC | SPB_MAGIC | PB_MAGIC => {
                let found = self.packet(block_type, block.data)?;
                return self.record(&found, block.data.len(), at.start + HEAD_BYTES);
            }
            _ => {}
        }
        Ok(Step::Other)
    }

    /// A section header: magic, version, length of the section (which nobody can rely on).
    fn section(&mut self, body: &[u8]) -> Result<(), CaptureErrorKind> {
        if body.len() < 16 {
            return Err(Malformed("the section header is too short"));
        }
        let (major, minor) = (self.order.u16(body, 4), self.order.u16(body, 6));
        // 1.2 was written by some tools for what is 1.0. libpcap minds the minor number in the first
        // section only.
        if major != 1 || (!self.begun && minor != 0 && minor != 2) {
            return Err(CaptureErrorKind::Version { major, minor });
        }
        self.interfaces.clear();
        Ok(())
    }

    /// An interface description: link type, two bytes reserved, snapshot length, options.
    fn interface(&mut self, body: &[u8]) -> Result<(), CaptureErrorKind> {
        if body.len() < 8 {
            return Err(Malformed("the interface description is too short"));
        }
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(Malformed("more than 65536 interfaces in one section"));
        }
        let Options { ticks, name } = interface_options(self.order, &body[8..])?;
        self.interfaces.push(Interface {
            link: LinkType(u32::from(self.order.u16(body, 0))),
            snap_bytes: super::snap_bytes(self.order.u32(body, 4)),
            ticks,
            name,
        });
        Ok(())
    }

    /// Name of the interface at a place of the current section.
    pub(super) fn iface(&self, at: usize) -> Option<&str> {
        self.interfaces.get(at)?.name.as_deref()
    }

    fn packet(&self, block_type: u32, body: &[u8]) -> Result<Found, CaptureErrorKind> {
        let fixed_bytes = if block_type == SPB_MAGIC { 4 } else { 20 };
        if body.len() < fixed_bytes {
            return Err(Malformed("the packet block is too short"));
        }
        let word = |off_bytes| self.order.u32(body, off_bytes);
        if block_type == SPB_MAGIC {
            // Says its original length only; what the interface cut off is not there.
            let interface = self.interfaces.first();
            let snap_bytes = interface.map_or(u32::MAX, |i| i.snap_bytes);
            return Ok(Found {
                interface: 0,
                ticks: None,
                data_off_bytes: fixed_bytes,
                captured_bytes: word(0).min(snap_bytes),
                orig_bytes: word(0),
            });
        }
        Ok(Found {
            interface: match block_type {
                PB_MAGIC => u32::from(self.order.u16(body, 0)),
                _ => word(0),
            },
            ticks: Some(u64::from(word(4)) << 32 | u64::from(word(8))),
            data_off_bytes: fixed_bytes,
            captured_bytes: word(12),
            orig_bytes: word(16),
        })
    }

    fn record(
        &self,
        found: &Found,
        body_bytes: usize,
        body_at: usize,
    ) -> Result<Step, CaptureErrorKind> {
        let at = usize::try_from(found.interface).ok();
        let interface = at
            .and_then(|at| self.interfaces.get(at))
            .ok_or(CaptureErrorKind::UnknownInterface { interface: found.interface })?;
        let max_bytes = interface.snap_bytes.min(MAX_PACKET_BYTES);
        if found.captured_bytes > max_bytes {
            return Err(CaptureErrorKind::TooLong {
                what: "packet",
                bytes: found.captured_bytes,
                max_bytes,
            });
        }
        let captured_bytes = found.captured_bytes as usize;
        if captured_bytes > body_bytes - found.data_off_bytes {
            return Err(Malformed("the packet is longer than its block"));
        }
        let from = body_at + found.data_off_bytes;
        Ok(Step::Packet(Record {
            time_ns: found.ticks.map_or(0, |ticks| interface.ticks.to_ns(ticks)),
            link: interface.link,
            data: from..from + captured_bytes,
            orig_bytes: found.orig_bytes,
            iface: at,
        }))
    }
}

/// What a block was.
enum Step {
    Packet(Record),
    Other,
    End,
}

/// Byte order of the section that begins here; 12 bytes are there.
fn section_order(window: &[u8]) -> Result<Order, CaptureErrorKind> {
    [Order::Little, Order::Big]
        .into_iter()
        .find(|order| order.u32(window, HEAD_BYTES) == BOM_MAGIC)
        .ok_or(Malformed("the section header has no byte-order mark"))
}

fn check_block_bytes(bytes: u32) -> Result<(), CaptureErrorKind> {
    if bytes < MIN_BLOCK_BYTES {
        return Err(Malformed("the block claims to be shorter than its own frame"));
    }
    if bytes > MAX_BLOCK_BYTES {
        return Err(CaptureErrorKind::TooLong { what: "block", bytes, max_bytes: MAX_BLOCK_BYTES });
    }
    if !bytes.is_multiple_of(4) {
        return Err(Malformed("the block's length is no multiple of 4"));
    }
    Ok(())
}

/// What the options of an interface say of it.
struct Options {
    ticks: Ticks,
    name: Option<Box<str>>,
}

/// Reads the options of an interface. A name that no system gives to an interface is passed over.
fn interface_options(order: Order, mut options: &[u8]) -> Result<Options, CaptureErrorKind> {
    let mut name = None;
    let mut resolution = None;
    let mut offset_seconds = None;
    while !options.is_empty() {
        let parsed = match order {
            Order::Little => parse_option_le::<PcapError<&[u8]>>(options),
            Order::Big => parse_option_be::<PcapError<&[u8]>>(options),
        };
        let (rest, option) =
            parsed.map_err(|_| Malformed("an option of the interface leaves its block"))?;
        options = rest;
        let value = option.value();
        match option.code {
            OptionCode::EndOfOpt => break,
            OptionCode::IfName => {
                let bytes = value.get(..usize::from(option.len)).unwrap_or_default();
                let text = str::from_utf8(bytes).ok().map(|text| text.trim_end_matches('\0'));
                name = text.filter(|t| (1..=MAX_NAME_BYTES).contains(&t.len())).map(Box::from);
            }
            OptionCode::IfTsresol => {
                let &[byte] = value.get(..usize::from(option.len)).unwrap_or_default() else {
                    return Err(Malformed("if_tsresol is not one byte long"));
                };
                if resolution.replace(byte).is_some() {
                    return Err(Malformed("if_tsresol is given twice"));
                }
            }
            OptionCode::IfTsoffset => {
                let bytes = value.get(..usize::from(option.len)).unwrap_or_default();
                let Ok(bytes) = <[u8; 8]>::try_from(bytes) else {
                    return Err(Malformed("if_tsoffset is not eight bytes long"));
                };
                if offset_seconds.replace(order.i64(bytes)).is_some() {
                    return Err(Malformed("if_tsoffset is given twice"));
                }
            }
            _ => {}
        }
    }
    let ticks = Ticks::new(resolution.unwrap_or(Ticks::MICROSECONDS), offset_seconds.unwrap_or(0))
        .ok_or(Malformed("if_tsresol is finer than 64 bits can count"))?;
    Ok(Options { ticks, name })
}
