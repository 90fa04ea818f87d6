//! A sender at one end of a veth pair, and what comes out at the other.

use super::lab::{Lab, Veth};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, eth, ipproto, recv, sendto,
    socket_with, sockopt,
};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Where packets go that only tell that those before them went through; the rules have to pass them.
pub const SYNC_PORT: u16 = 9;

/// Bytes of such a packet as a hook counts them.
pub const SYNC_BYTES: u64 = super::FRAME_BYTES + 20 + 8 + 8;

/// Packets under way at once: fewer than veth's ring holds (256) in native mode, and fewer than the
/// queue of a CPU (1,000) in generic mode.
const WINDOW: u32 = 64;

/// Longer than a busy machine takes for that many packets.
const PATIENCE: Duration = Duration::from_secs(20);

const RECEIVE_BUFFER_BYTES: usize = 16 << 20;

/// A packet that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Received {
    /// Its last 4 bytes: see [`super::numbered`].
    pub number: u32,
    /// Its bytes as a hook counts them.
    pub bytes: u64,
}

/// Sends packets of any form through a veth pair and sees those that arrive.
#[derive(Debug)]
pub struct Line {
    raw: OwnedFd,
    to: SocketAddrV4,
    tap: OwnedFd,
    ask: UdpSocket,
    answer: UdpSocket,
    unanswered: u32,
    /// Packets to [`SYNC_PORT`] that went through.
    pub syncs: u64,
    /// What arrived, those not among them.
    pub received: Vec<Received>,
}

impl Line {
    /// Opens the sockets at both ends.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(lab: &Lab, veth: &Veth) -> Result<Self, String> {
        let said = |e: &dyn std::fmt::Display| format!("a socket of {}: {e}", veth.receiver_iface);
        let to = SocketAddrV4::new(veth.receiver, SYNC_PORT);
        let flags = SocketFlags::CLOEXEC;
        let (raw, ask) = lab.sender.within(|| {
            let raw = socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::RAW));
            let raw = raw.map_err(|e| said(&e))?;
            let ask = UdpSocket::bind((veth.sender, 0)).map_err(|e| said(&e))?;
            ask.connect(to).map_err(|e| said(&e))?;
            Ok::<_, String>((raw, ask))
        })?;
        let (tap, answer) = lab.receiver.within(|| {
            let flags = flags | SocketFlags::NONBLOCK;
            let (family, kind) = (AddressFamily::PACKET, SocketType::DGRAM);
            let tap = socket_with(family, kind, flags, Some(eth::IP)).map_err(|e| said(&e))?;
            sockopt::set_socket_recv_buffer_size_force(&tap, RECEIVE_BUFFER_BYTES)
                .map_err(|e| said(&e))?;
            let answer = UdpSocket::bind(to).map_err(|e| said(&e))?;
            answer.set_read_timeout(Some(PATIENCE)).map_err(|e| said(&e))?;
            Ok::<_, String>((tap, answer))
        })?;
        let to = SocketAddrV4::new(veth.receiver, 0);
        let (unanswered, syncs, received) = (0, 0, Vec::new());
        Ok(Self { raw, to, tap, ask, answer, unanswered, syncs, received })
    }

    /// Sends an IPv4 packet, whatever it holds; from time to time waits until all have gone through.
    ///
    /// # Errors
    /// When the kernel does not take it, or nothing goes through any more.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), String> {
        let sent = sendto(&self.raw, packet, SendFlags::empty(), &self.to);
        let sent = sent.map_err(|e| format!("packet of {} bytes: {e}", packet.len()))?;
        if sent != packet.len() {
            return Err(format!("{sent} bytes of {} were sent", packet.len()));
        }
        self.unanswered += 1;
        if self.unanswered >= WINDOW { self.sync() } else { Ok(()) }
    }

    /// Waits until what was sent has gone through, and takes what arrived.
    ///
    /// # Errors
    /// When the packet that tells so does not arrive.
    pub fn sync(&mut self) -> Result<(), String> {
        let (number, mut answered) = (self.syncs + 1, [0; 8]);
        self.ask.send(&number.to_be_bytes()).map_err(|e| format!("sync {number}: {e}"))?;
        self.answer.recv(&mut answered).map_err(|e| format!("sync {number} is lost: {e}"))?;
        if u64::from_be_bytes(answered) != number {
            return Err(format!("{answered:?} is not sync {number}"));
        }
        self.syncs = number;
        self.unanswered = 0;
        self.take()
    }

    /// The same at the end: waits for the queue of another CPU too, on which this thread may have been.
    ///
    /// # Errors
    /// As [`Self::sync`].
    pub fn finish(&mut self) -> Result<(), String> {
        self.sync()?;
        std::thread::sleep(Duration::from_millis(50));
        self.sync()
    }

    fn take(&mut self) -> Result<(), String> {
        let mut packet = [0; 2048];
        loop {
            let bytes = match recv(&self.tap, &mut packet[..], RecvFlags::empty()) {
                Ok((bytes, _)) => bytes,
                Err(Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(format!("receiving: {e}")),
            };
            let packet = &packet[..bytes];
            let (Some(dst), Some(number)) = (packet.get(16..20), packet.last_chunk()) else {
                return Err(format!("not ours: {packet:?}"));
            };
            // Other lines end in the same namespace.
            if *dst == self.to.ip().octets() && !is_sync(packet) {
                let bytes = bytes as u64 + super::FRAME_BYTES;
                self.received.push(Received { number: u32::from_be_bytes(*number), bytes });
            }
        }
    }
}

/// The destination port is where it is without options, which none of our packets has.
fn is_sync(packet: &[u8]) -> bool {
    packet.get(22..24) == Some(&SYNC_PORT.to_be_bytes()[..])
}
