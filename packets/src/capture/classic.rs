//! Classic pcap: a 24-byte header, then records.
//!
//! Accepts what libpcap 1.10 accepts (`sf-pcap.c`): both byte orders, micro- and nanoseconds, the
//! longer records of Kuznetzov's patched libpcap, and the swapped lengths of versions before 2.3.

use pcap_parser::parse_pcap_header;

use super::Record;
use super::buffer::Buffer;
use super::order::Order;
use crate::{CaptureErrorKind, LinkType, MAX_PACKET_BYTES};

/// Bytes of the file header.
const HEADER_BYTES: usize = 24;
/// Written in the file's own order, microseconds.
const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
/// The same with nanoseconds.
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// Microseconds, and eight more bytes a record (interface, protocol, direction).
const MAGIC_PATCHED: u32 = 0xa1b2_cd34;

/// Which of a record's two lengths comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    /// Versions before 2.3.
    OriginalFirst,
    /// Version 2.3 was written both ways: the smaller one is the captured one.
    Either,
}

/// What the file header tells of the records.
pub(super) struct Classic {
    order: Order,
    record_header_bytes: usize,
    ns_per_fraction: u64,
    lengths: Lengths,
    snap_bytes: u32,
    link: LinkType,
}

impl Classic {
    /// Does a file that begins with these bytes call itself pcap, and in which byte order?
    pub(super) fn recognize(magic: [u8; 4]) -> Option<Order> {
        [Order::Little, Order::Big]
            .into_iter()
            .find(|order| matches!(order.u32(&magic, 0), MAGIC_MICRO | MAGIC_NANO | MAGIC_PATCHED))
    }

    /// Reads the file header.
    pub(super) fn start(buffer: &mut Buffer, order: Order) -> Result<Self, CaptureErrorKind> {
        buffer.need(HEADER_BYTES)?;
        let at = buffer.take(HEADER_BYTES);
        let bytes = buffer.at(at);
        let magic = order.u32(bytes, 0);
        // The parser knows the patched magic in one byte order only, and nothing but the records
        // differ: it is shown the plain one.
        let mut plain = [0; HEADER_BYTES];
        plain.copy_from_slice(bytes);
        plain[..4].copy_from_slice(&match order {
            Order::Little => MAGIC_MICRO.to_le_bytes(),
            Order::Big => MAGIC_MICRO.to_be_bytes(),
        });
        let (_, header) = parse_pcap_header(&plain)
            .map_err(|_| CaptureErrorKind::Malformed("the file header cannot be parsed"))?;
        let (major, minor) = (header.version_major, header.version_minor);
        let lengths = match (major, minor) {
            // 543.0 is DG/UX.
            (2, 0..=2) | (543, 0) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            (2, 4) => Lengths::CapturedFirst,
            _ => return Err(CaptureErrorKind::Version { major, minor }),
        };
        // Bits 26 to 31 tell the length of a frame check sequence.
        let link = LinkType(header.network.0.cast_unsigned() & 0x03ff_ffff);
        let patched = magic == MAGIC_PATCHED;
        let mut snap_bytes = super::snap_bytes(header.snaplen);
        if patched && link == LinkType::ETHERNET {
            // Cooked captures of that libpcap have an Ethernet header added beyond the limit.
            snap_bytes = snap_bytes.saturating_add(14);
        }
        Ok(Self {
            order,
            record_header_bytes: if patched { 24 } else { 16 },
            ns_per_fraction: if magic == MAGIC_NANO { 1 } else { 1000 },
            lengths,
            snap_bytes,
            link,
        })
    }

    /// The next record, `None` at the end of the file.
    #[inline]
    pub(super) fn next(&self, buffer: &mut Buffer) -> Result<Option<Record>, CaptureErrorKind> {
        let header_bytes = self.record_header_bytes;
        if !buffer.need_or_end(header_bytes)? {
            return Ok(None);
        }
        let header = buffer.window();
        let seconds = u64::from(self.order.u32(header, 0));
        let fraction = u64::from(self.order.u32(header, 4));
        let first = self.order.u32(header, 8);
        let second = self.order.u32(header, 12);
        let (captured_bytes, orig_bytes) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::Either => (first.min(second), first.max(second)),
        };
        if captured_bytes > MAX_PACKET_BYTES {
            return Err(CaptureErrorKind::TooLong {
                what: "packet",
                bytes: captured_bytes,
                max_bytes: MAX_PACKET_BYTES,
            });
        }
        let record_bytes = header_bytes + captured_bytes as usize;
        buffer.need(record_bytes)?;
        let from = buffer.take(record_bytes).start + header_bytes;
        // What exceeds the capture's own limit is passed over, as libpcap does.
        let shown_bytes = captured_bytes.min(self.snap_bytes) as usize;
        Ok(Some(Record {
            time_ns: (seconds * 1_000_000_000).saturating_add(fraction * self.ns_per_fraction),
            link: self.link,
            data: from..from + shown_bytes,
            orig_bytes,
            iface: None,
        }))
    }
}
