//! SYNs for signatures, and ways to change them.

use super::matcher::{Signature, Window};

/// A SYN before it is written out.
#[derive(Debug, Clone)]
pub struct Syn {
    pub six: bool,
    pub ttl: u8,
    pub ip_options: usize,
    /// DF, MF, the reserved bit, the offset.
    pub ip_flags: u16,
    pub id: u16,
    pub class: u8,
    pub flow: u32,
    pub next: u8,
    pub seq: u32,
    pub ack: u32,
    /// The reserved bits in front of the flags too.
    pub flags: u16,
    pub window: u16,
    pub urgent: u16,
    pub options: Vec<u8>,
    pub payload: usize,
    /// Zeros behind the datagram.
    pub padding: usize,
    /// Bytes cut off the frame's end.
    pub cut: usize,
}

/// Options of a list, their bytes a multiple of 4 if any length of theirs makes it so.
fn options(signature: &Signature, mss: u16) -> Vec<u8> {
    let has = |quirk: &str| signature.quirks.contains(quirk);
    let scale = signature.scale.unwrap_or(if has("exws") { 15 } else { 7 });
    let scale = u8::try_from(scale).expect("one byte");
    let mut out = Vec::new();
    let mut free = None;
    for &kind in &signature.kinds {
        match kind {
            0 => {
                out.push(0);
                out.resize(out.len() + signature.pad as usize, 0);
                if has("opt+") {
                    let at = out.len() - signature.pad as usize;
                    out[at] = 9;
                }
            }
            1 => out.push(1),
            2 => {
                out.extend([2, 4]);
                out.extend(mss.to_be_bytes());
            }
            3 => out.extend([3, 3, scale]),
            4 => out.extend([4, 2]),
            5 => {
                out.extend([5, 10]);
                out.extend([7; 8]);
            }
            8 => {
                out.extend([8, 10]);
                out.extend(if has("ts1-") { [0; 4] } else { [1, 2, 3, 4] });
                out.extend(if has("ts2+") { [0, 0, 0, 5] } else { [0; 4] });
            }
            kind => {
                free = Some(out.len());
                out.extend([kind, 2]);
            }
        }
    }
    if let Some(at) = free {
        let more = out.len().next_multiple_of(4) - out.len();
        out[at + 1] += u8::try_from(more).expect("less than 4");
        out.splice(at + 2..at + 2, std::iter::repeat_n(6, more));
    }
    if has("bad") && out.first() == Some(&2) {
        out[1] = 5;
    }
    out
}

impl Syn {
    /// The SYN that a signature describes, as far as it describes one.
    pub fn of(signature: &Signature, six: bool) -> Self {
        let has = |quirk: &str| signature.quirks.contains(quirk);
        let bit = |quirk: &str, bit: u16| if has(quirk) { bit } else { 0 };
        let mss = signature.mss.unwrap_or(1460);
        let window = match signature.window {
            Window::Any => 5840,
            Window::Size(size) => size,
            Window::Modulo(by) => by * 3,
            Window::Mss(times) => mss * times,
            Window::Mtu(times) => (mss + 40) * times,
        };
        let no_id = if has("df") { !has("id+") } else { has("id-") };
        Self {
            six,
            ttl: u8::try_from(signature.ttl).expect("one byte"),
            ip_options: signature.ip_options as usize,
            ip_flags: bit("df", 0x4000) | bit("0+", 0x8000),
            id: if no_id { 0 } else { 0x1234 },
            class: if has("ecn") { 2 } else { 0 },
            flow: if has("flow") { 0x54321 } else { 0 },
            next: 6,
            seq: if has("seq-") { 0 } else { 0x0102_0304 },
            ack: if has("ack+") { 77 } else { 0 },
            flags: 0x02 | bit("urgf+", 0x20) | bit("pushf+", 0x08),
            window: u16::try_from(window).expect("a window"),
            urgent: bit("uptr+", 3),
            options: options(signature, u16::try_from(mss).expect("an MSS")),
            payload: if signature.payload == Some(true) { 5 } else { 0 },
            padding: 0,
            cut: 0,
        }
    }

    /// As an Ethernet frame. Checksums are 0: nobody looks at them.
    pub fn frame(&self) -> Vec<u8> {
        let mut tcp = vec![0x0f, 0xa0, 0, 80];
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        let words = u16::try_from(5 + self.options.len() / 4).expect("a few");
        tcp.extend((words << 12 | self.flags).to_be_bytes());
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0, 0]);
        tcp.extend(self.urgent.to_be_bytes());
        tcp.extend(&self.options);
        tcp.resize(tcp.len() + self.payload, b'x');
        let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        if self.six {
            out.extend([0x86, 0xdd]);
            let first = 6 << 28 | u32::from(self.class) << 20 | self.flow;
            out.extend(first.to_be_bytes());
            out.extend(u16::try_from(tcp.len()).expect("short").to_be_bytes());
            out.extend([self.next, self.ttl]);
            out.extend([0x20; 32]);
        } else {
            out.extend([0x08, 0x00]);
            let header = 20 + self.ip_options;
            let words = u8::try_from(header / 4).expect("a few");
            let total = u16::try_from(header + tcp.len()).expect("short");
            out.extend([0x40 | words, self.class]);
            out.extend(total.to_be_bytes());
            out.extend(self.id.to_be_bytes());
            out.extend(self.ip_flags.to_be_bytes());
            out.extend([self.ttl, self.next, 0, 0]);
            out.extend([192, 0, 2, 1, 198, 51, 100, 2]);
            out.resize(out.len() + self.ip_options, 1);
        }
        out.extend(tcp);
        out.resize(out.len() + self.padding, 0);
        out.truncate(out.len() - self.cut);
        out
    }

    /// The MSS, if the options begin with one or have one behind a few others of the usual lengths.
    fn mss(&self) -> u16 {
        let at = self.options.windows(2).position(|pair| pair == [2, 4]);
        at.map_or(0, |at| u16::from_be_bytes([self.options[at + 2], self.options[at + 3]]))
    }
}

/// A change and what it is called.
pub type Change = (&'static str, fn(&mut Syn));

/// Small changes, each of which may make a packet match something else.
pub const CHANGES: &[Change] = &[
    ("none", |_| {}),
    ("ttl + 1", |s| s.ttl = s.ttl.wrapping_add(1)),
    ("ttl - 1", |s| s.ttl = s.ttl.wrapping_sub(1)),
    ("ttl - 35", |s| s.ttl = s.ttl.wrapping_sub(35)),
    ("ttl - 36", |s| s.ttl = s.ttl.wrapping_sub(36)),
    ("ttl 0", |s| s.ttl = 0),
    ("window + 1", |s| s.window = s.window.wrapping_add(1)),
    ("window - 1", |s| s.window = s.window.wrapping_sub(1)),
    ("window 0", |s| s.window = 0),
    ("one MSS more", |s| s.window = s.window.wrapping_add(s.mss())),
    ("one MSS less", |s| s.window = s.window.wrapping_sub(s.mss())),
    ("4 MSS less 12", |s| s.window = s.mss().wrapping_sub(12).wrapping_mul(4)),
    ("4 of 1448", |s| s.window = 4 * 1448),
    ("10 of 1440", |s| s.window = 10 * 1440),
    ("10 of 1428", |s| s.window = 10 * 1428),
    ("2 MTU", |s| s.window = s.mss().wrapping_add(40).wrapping_mul(2)),
    ("2 of 1500", |s| s.window = 2 * 1500),
    ("2 MSS and headers", |s| {
        let headers = if s.six { 40 } else { 20 + s.ip_options } + 20 + s.options.len();
        s.window = s.mss().wrapping_add(headers as u16).wrapping_mul(2);
    }),
    ("2 MSS and 60", |s| s.window = s.mss().wrapping_add(60).wrapping_mul(2)),
    ("df", |s| s.ip_flags ^= 0x4000),
    ("mf", |s| s.ip_flags ^= 0x2000),
    ("offset", |s| s.ip_flags ^= 1),
    ("reserved bit", |s| s.ip_flags ^= 0x8000),
    ("no id", |s| s.id = if s.id == 0 { 9 } else { 0 }),
    ("df and no id", |s| (s.ip_flags, s.id) = (s.ip_flags ^ 0x4000, s.id ^ 0x1234)),
    ("ect", |s| s.class ^= 2),
    ("ce", |s| s.class ^= 1),
    ("dscp", |s| s.class ^= 0xb8),
    ("flow", |s| s.flow ^= 0x54321),
    ("another protocol", |s| s.next = 17),
    ("seq", |s| s.seq = if s.seq == 0 { 1 << 31 } else { 0 }),
    ("ack", |s| s.ack = if s.ack == 0 { 1 } else { 0 }),
    ("fin", |s| s.flags ^= 0x01),
    ("no syn", |s| s.flags ^= 0x02),
    ("rst", |s| s.flags ^= 0x04),
    ("psh", |s| s.flags ^= 0x08),
    ("ack flag", |s| s.flags ^= 0x10),
    ("urg", |s| s.flags ^= 0x20),
    ("ece", |s| s.flags ^= 0x40),
    ("cwr", |s| s.flags ^= 0x80),
    ("ns", |s| s.flags ^= 0x100),
    ("reserved flag", |s| s.flags ^= 0x200),
    ("urgent", |s| s.urgent ^= 3),
    ("urg and urgent", |s| (s.flags, s.urgent) = (s.flags ^ 0x20, s.urgent ^ 3)),
    ("payload", |s| s.payload ^= 5),
    ("padding", |s| s.padding = 7),
    ("cut", |s| s.cut = 1),
    ("ip options", |s| s.ip_options = (s.ip_options + 4) % 44),
    ("four more bytes", |s| {
        s.options.extend_from_slice(&[1, 1, 1, 1][..4 * usize::from(s.options.len() < 40)])
    }),
    ("four less", |s| s.options.truncate(s.options.len().saturating_sub(4))),
];
