//! The packet zoo: named packets with everything in them that headers can do, right and wrong.
//!
//! All of them are made by `etherparse` or written out byte by byte. Nothing here asks the compiler where
//! a field lies: a wrong row of its table would then be wrong on both sides and no test would see it.

mod carried;
mod cut;
pub(crate) mod dns;
pub(crate) mod extension;
mod ip4;
mod ip6;
mod link;
mod options;
pub(crate) mod parts;
mod payload;
mod sizes;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

pub use tunnel::{TUNNELS, Tunnel};

/// A packet of the zoo, an Ethernet frame without its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What cases call it: letters, digits and `_`.
    pub name: String,
    /// From the destination address on.
    pub bytes: Vec<u8>,
}

/// Packets as they are collected.
#[derive(Debug, Default)]
struct Zoo {
    packets: Vec<Packet>,
}

impl Zoo {
    fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.packets.push(Packet { name: name.into(), bytes });
    }

    /// `bytes` without all but its first `keep_bytes`.
    fn cut(&mut self, name: impl Into<String>, mut bytes: Vec<u8>, keep_bytes: usize) {
        bytes.truncate(keep_bytes);
        self.add(name, bytes);
    }
}

/// The first folder of a case's path, and what adds its packets.
type Enclosure = (&'static str, fn(&mut Zoo));

/// Packets that only some cases are shown.
const ENCLOSURES: &[Enclosure] = &[("dns", dns::add), ("payload", payload::add)];

/// Packets that the cases of a folder are shown besides those that all cases are.
#[must_use]
pub fn of_folder(folder: &str) -> Vec<Packet> {
    let mut zoo = Zoo::default();
    for (_, add) in ENCLOSURES.iter().filter(|(name, _)| *name == folder) {
        add(&mut zoo);
    }
    zoo.packets
}

/// Every packet of the zoo, those that not every case is shown too.
#[must_use]
pub fn everything() -> Vec<Packet> {
    let others = ENCLOSURES.iter().flat_map(|(folder, _)| of_folder(folder));
    packets().into_iter().chain(others).collect()
}

/// The packets that every case is shown, always in the same order.
#[must_use]
pub fn packets() -> Vec<Packet> {
    let mut zoo = Zoo::default();
    link::add(&mut zoo);
    ip4::add(&mut zoo);
    ip6::add(&mut zoo);
    transport::add(&mut zoo);
    carried::add(&mut zoo);
    tunnel::add(&mut zoo);
    cut::add(&mut zoo);
    sizes::add(&mut zoo);
    options::add(&mut zoo);
    zoo.packets
}
