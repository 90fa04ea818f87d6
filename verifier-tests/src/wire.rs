//! Real packets: two network namespaces, veth pairs between them, and numbered packets of which is known
//! which arrived.
//!
//! Everything that is made here has a name of its own and goes when it is dropped, after a panic too: tests
//! run side by side. Counts are exact: nothing but the test sends (IPv6 is off, neighbours are static), and
//! [`Line`] never sends more at once than the shortest queue on the way holds.

mod lab;
mod line;
mod namespace;
mod objects;
mod packet;
mod pins;
mod tool;

pub use lab::{Lab, Veth};
pub use line::{Line, Received, SYNC_BYTES, SYNC_PORT};
pub use namespace::Namespace;
pub use objects::{Class, KernelId};
pub use packet::{FRAME_BYTES, ipv4, numbered, tcp, udp};
pub use pins::{Counts, Pins, compiled, counts};
pub use tool::{json, run, unique, until};

/// What all of this takes.
///
/// # Errors
/// What of it is not here.
pub fn available() -> Result<(), String> {
    crate::kernel()?;
    ["ip", "bpftool"].into_iter().try_for_each(crate::installed)
}
