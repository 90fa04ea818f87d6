//! Signatures and packets as p0f reads them, said plainly; nothing of the compiler is used.

use std::collections::BTreeSet;

/// What a window is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Any,
    Size(u32),
    Modulo(u32),
    Mss(u32),
    Mtu(u32),
}

/// A signature; `None` is `*`.
#[derive(Debug, Clone)]
pub struct Signature {
    pub text: String,
    pub version: Option<u8>,
    pub ttl: u32,
    /// `64-`
    pub any_ttl_below: bool,
    pub ip_options: u32,
    pub mss: Option<u32>,
    pub window: Window,
    pub scale: Option<u32>,
    pub kinds: Vec<u8>,
    pub pad: u32,
    pub quirks: BTreeSet<String>,
    pub payload: Option<bool>,
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("a number: {text}"))
}

fn or_any(text: &str) -> Option<u32> {
    (text != "*").then(|| number(text))
}

impl Signature {
    /// Reads one; the texts of the tests are right.
    pub fn read(text: &str) -> Self {
        let parts: Vec<&str> = text.split(':').collect();
        assert_eq!(parts.len(), 8, "{text}");
        let ttl = parts[1].trim_end_matches('-').split('+').map(number).sum();
        let (window, scale) = parts[4].split_once(',').expect("window and scale");
        let window = match window {
            "*" => Window::Any,
            size => match size.split_once('*') {
                Some(("mss", times)) => Window::Mss(number(times)),
                Some((_, times)) => Window::Mtu(number(times)),
                None if size.starts_with('%') => Window::Modulo(number(&size[1..])),
                None => Window::Size(number(size)),
            },
        };
        let list = |text: &str| -> Vec<String> {
            text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let mut pad = 0;
        let kind = |word: &String| match word.as_str() {
            "nop" => 1,
            "mss" => 2,
            "ws" => 3,
            "sok" => 4,
            "sack" => 5,
            "ts" => 8,
            word => match word.strip_prefix("eol+") {
                Some(bytes) => {
                    pad = number(bytes);
                    0
                }
                None => word[1..].parse().expect("the number of a kind"),
            },
        };
        let kinds = list(parts[5]).iter().map(kind).collect();
        Self {
            text: text.to_owned(),
            version: parts[0].parse().ok(),
            ttl,
            any_ttl_below: parts[1].ends_with('-'),
            ip_options: number(parts[2]),
            mss: or_any(parts[3]),
            window,
            scale: or_any(scale),
            kinds,
            pad,
            quirks: list(parts[6]).into_iter().collect(),
            payload: match parts[7] {
                "0" => Some(false),
                "+" => Some(true),
                _ => None,
            },
        }
    }

    /// Does p0f call this an exact match?
    pub fn matches(&self, seen: &Seen) -> bool {
        let mut quirks = self.quirks.clone();
        if self.version.is_none() {
            let foreign: &[&str] =
                if seen.version == 4 { &["flow"] } else { &["df", "id+", "id-"] };
            quirks.retain(|quirk| !foreign.contains(&quirk.as_str()));
        }
        let near = self.ttl >= seen.ttl && (self.any_ttl_below || self.ttl - seen.ttl <= 35);
        let window = match self.window {
            Window::Any => true,
            Window::Size(size) => seen.window == size,
            Window::Modulo(by) => seen.window.is_multiple_of(by),
            Window::Mss(times) => seen.multiple() == Some((false, times)),
            Window::Mtu(times) => seen.multiple() == Some((true, times)),
        };
        self.version.is_none_or(|version| version == seen.version)
            && near
            && window
            && self.ip_options == seen.ip_options
            && self.mss.is_none_or(|mss| mss == seen.mss)
            && self.scale.is_none_or(|scale| scale == seen.scale)
            && (&self.kinds, self.pad) == (&seen.kinds, seen.pad)
            && quirks.iter().map(String::as_str).eq(seen.quirks.iter().copied())
            && self.payload.is_none_or(|payload| payload == seen.payload)
    }
}

/// What p0f notes of a SYN.
#[derive(Debug, Default)]
pub struct Seen {
    version: u8,
    ttl: u32,
    ip_options: u32,
    /// IP and TCP.
    headers: u32,
    window: u32,
    mss: u32,
    scale: u32,
    stamp: u32,
    kinds: Vec<u8>,
    pad: u32,
    quirks: BTreeSet<&'static str>,
    payload: bool,
}

fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))
}

impl Seen {
    /// Reads an Ethernet frame; `None` if it is no SYN that p0f looks at.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(14..)?;
        let mut seen = Self::default();
        let (ip_bytes, total) = match be(frame.get(12..14)?) {
            0x0800 => seen.ip4(ip)?,
            0x86dd => seen.ip6(ip)?,
            _ => return None,
        };
        // p0f passes over a packet that is cut. Rules ask no more than that its headers are whole.
        let tcp = ip.get(ip_bytes..total.min(ip.len()))?;
        seen.tcp(tcp)?;
        seen.payload = total - ip_bytes > 4 * usize::from(tcp[12] >> 4);
        seen.headers += u32::try_from(ip_bytes).ok()?;
        Some(seen)
    }

    fn note(&mut self, is: bool, quirk: &'static str) {
        if is {
            self.quirks.insert(quirk);
        }
    }

    /// Bytes of the header, and of the whole datagram.
    fn ip4(&mut self, ip: &[u8]) -> Option<(usize, usize)> {
        let header = 4 * usize::from(ip.first()? & 15);
        let fixed = ip.get(..20)?;
        let flags = be(&fixed[6..8]);
        if fixed[0] >> 4 != 4 || header < 20 || fixed[9] != 6 || flags & 0x3fff != 0 {
            return None;
        }
        let (df, id) = (flags & 0x4000 != 0, be(&fixed[4..6]));
        self.note(fixed[1] & 3 != 0, "ecn");
        self.note(flags & 0x8000 != 0, "0+");
        self.note(df, "df");
        self.note(df && id != 0, "id+");
        self.note(!df && id == 0, "id-");
        (self.version, self.ttl) = (4, fixed[8].into());
        self.ip_options = u32::try_from(header).ok()? - 20;
        Some((header, usize::try_from(be(&fixed[2..4])).ok()?))
    }

    fn ip6(&mut self, ip: &[u8]) -> Option<(usize, usize)> {
        let fixed = ip.get(..40)?;
        if fixed[0] >> 4 != 6 || fixed[6] != 6 {
            return None;
        }
        let first = be(&fixed[..4]);
        self.note(first & 0xf_ffff != 0, "flow");
        self.note(first >> 20 & 3 != 0, "ecn");
        (self.version, self.ttl) = (6, fixed[7].into());
        Some((40, 40 + usize::try_from(be(&fixed[4..6])).ok()?))
    }

    fn tcp(&mut self, tcp: &[u8]) -> Option<()> {
        let fixed = tcp.get(..20)?;
        let header = 4 * usize::from(fixed[12] >> 4);
        let options = tcp.get(20..header)?;
        let flags = fixed[13];
        if flags & 0x17 != 0x02 {
            return None;
        }
        self.headers = u32::try_from(header).ok()?;
        self.note(flags & 0xc0 != 0 || fixed[12] & 1 != 0, "ecn");
        self.note(be(&fixed[4..8]) == 0, "seq-");
        self.note(be(&fixed[8..12]) != 0, "ack+");
        let urgent = flags & 0x20 != 0;
        self.note(urgent, "urgf+");
        self.note(!urgent && be(&fixed[18..20]) != 0, "uptr+");
        self.note(flags & 0x08 != 0, "pushf+");
        self.window = be(&fixed[14..16]);
        if self.options(options).is_none() {
            self.note(true, "bad");
        }
        Some(())
    }

    /// `None` where the list breaks off.
    fn options(&mut self, options: &[u8]) -> Option<()> {
        let mut at = 0;
        while at < options.len() {
            if self.kinds.len() == 24 {
                return None;
            }
            let kind = options[at];
            self.kinds.push(kind);
            let len = match kind {
                0 => {
                    let rest = &options[at + 1..];
                    self.pad = u32::try_from(rest.len()).ok()?;
                    self.note(rest.iter().any(|byte| *byte != 0), "opt+");
                    return Some(());
                }
                1 => 1,
                2 => 4,
                3 => 3,
                4 => 2,
                8 => 10,
                _ => usize::from(*options.get(at + 1)?),
            };
            let possible = match kind {
                5 => 10..=34,
                0..=4 | 8 => 1..=10,
                _ => 2..=40,
            };
            let whole = options.get(at..at + len).filter(|_| possible.contains(&len))?;
            self.note(kind > 1 && usize::from(whole[1]) != len, "bad");
            match kind {
                2 => self.mss = be(&whole[2..4]),
                3 => {
                    self.scale = be(&whole[2..3]);
                    self.note(self.scale > 14, "exws");
                }
                8 => {
                    self.stamp = be(&whole[2..6]);
                    self.note(self.stamp == 0, "ts1-");
                    self.note(be(&whole[6..10]) != 0, "ts2+");
                }
                _ => {}
            }
            at += len;
        }
        Some(())
    }

    /// What goes into the window, and how often: first among the kinds of MSS, then among those of MTU.
    fn multiple(&self) -> Option<(bool, u32)> {
        if self.window == 0 || self.mss < 100 {
            return None;
        }
        let six = self.version == 6;
        let mut sizes = vec![(false, self.mss)];
        if self.stamp != 0 {
            sizes.push((false, self.mss - 12));
        }
        sizes.extend([(false, 1500 - 40), (false, 1500 - 40 - 12)]);
        if six {
            sizes.extend([(false, 1500 - 60), (false, 1500 - 60 - 12)]);
        }
        sizes.extend([(true, self.mss + 40), (true, self.mss + self.headers)]);
        if six {
            sizes.push((true, self.mss + 60));
        }
        sizes.push((true, 1500));
        let (mtu, size) = sizes.into_iter().find(|(_, size)| self.window.is_multiple_of(*size))?;
        Some((mtu, self.window / size))
    }
}
