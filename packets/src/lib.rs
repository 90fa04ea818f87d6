//! Captures in, packets as a hook sees them out.
//!
//! [`Capture`] reads pcap and pcapng files frame by frame, in memory that does not grow with the
//! file, and takes nothing on trust: whatever a length field claims, the reader answers with a frame
//! or with a [`CaptureError`] that names the packet. [`present`] turns a frame into the bytes that a
//! hook would have been given, whatever header the capture begins with. [`Writer`] writes the
//! chosen packets back to disk, [`NgWriter`] those that come live, with what is known of them.

mod capture;
mod error;
mod link;
mod present;
mod writer;

pub use capture::{Capture, Frame};
pub use error::{CaptureError, CaptureErrorKind};
pub use link::LinkType;
pub use present::{Reason, Shown, present};
pub use writer::{NgWriter, Writer};

/// Most bytes of one packet that a capture may hold: libpcap's `MAXIMUM_SNAPLEN`
/// (`pcap-int.h`). A longer record is refused when reading and when writing.
pub const MAX_PACKET_BYTES: u32 = 262_144;
