//! Why tcpdump and we may differ on a packet, read from its bytes and from nothing that the compiler says.

use l4c_packets::LinkType;

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It has a VLAN tag: we look behind it, tcpdump wants to be told.
    Tag,
    /// It has IPv6 extension headers: we look behind them.
    Extensions,
    /// It is ARP or RARP, whose addresses tcpdump takes for sources.
    Arp,
    /// A header is not there in full: for us it is none.
    Cut,
    /// A header says what none may say: for us it is none.
    Impossible,
    /// It was captured in part, and tcpdump goes by the length it once had.
    Short,
    /// Its link header is not Ethernet's, so that its length is another for tcpdump.
    Link,
}

impl Reason {
    /// For the table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Tag => "VLAN tag",
            Self::Extensions => "extension headers",
            Self::Arp => "ARP",
            Self::Cut => "header cut",
            Self::Impossible => "impossible header",
            Self::Short => "captured in part",
            Self::Link => "other link header",
        }
    }

    /// Does it make our side the wider one?
    const fn widens(self) -> bool {
        match self {
            Self::Tag | Self::Extensions => true,
            Self::Arp | Self::Cut | Self::Impossible | Self::Short => false,
            // A shorter or a longer header.
            Self::Link => true,
        }
    }

    const fn narrows(self) -> bool {
        match self {
            Self::Tag | Self::Extensions => false,
            Self::Arp | Self::Cut | Self::Impossible | Self::Short | Self::Link => true,
        }
    }
}

/// Reasons that a packet has.
pub struct Facts {
    reasons: Vec<Reason>,
}

const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const EXTENSIONS: [u8; 6] = [0, 43, 44, 51, 60, 135];

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

impl Facts {
    /// Reads a packet.
    pub fn of(link: LinkType, data: &[u8], orig_bytes: u32, ethernet: Option<&[u8]>) -> Self {
        let mut facts = Self { reasons: Vec::new() };
        facts.has(Reason::Short, data.len() < orig_bytes as usize);
        facts.has(Reason::Link, link != LinkType::ETHERNET);
        if let Some(frame) = ethernet {
            facts.read_link(frame);
        }
        facts
    }

    fn has(&mut self, reason: Reason, holds: bool) {
        if holds {
            self.reasons.push(reason);
        }
    }

    fn read_link(&mut self, frame: &[u8]) {
        let mut net = 14;
        while u16_at(frame, net - 2).is_some_and(|ty| TAGS.contains(&ty)) {
            self.has(Reason::Tag, true);
            net += 4;
        }
        match u16_at(frame, net - 2) {
            None => self.has(Reason::Cut, true),
            Some(0x0806 | 0x8035) => self.has(Reason::Arp, true),
            Some(0x0800) => self.read_ip4(&frame[net..]),
            Some(0x86dd) => self.read_ip6(&frame[net..]),
            Some(_) => {}
        }
    }

    fn read_ip4(&mut self, packet: &[u8]) {
        if packet.len() < 20 {
            return self.has(Reason::Cut, true);
        }
        let header = 4 * usize::from(packet[0] & 15);
        self.has(Reason::Impossible, packet[0] >> 4 != 4 || header < 20);
        self.read_transport(packet[9], packet.get(header..).unwrap_or_default());
    }

    fn read_ip6(&mut self, packet: &[u8]) {
        if packet.len() < 40 {
            return self.has(Reason::Cut, true);
        }
        self.has(Reason::Impossible, packet[0] >> 4 != 6);
        self.has(Reason::Extensions, EXTENSIONS.contains(&packet[6]));
        self.read_transport(packet[6], &packet[40..]);
    }

    fn read_transport(&mut self, proto: u8, rest: &[u8]) {
        let least = match proto {
            6 => 20,
            1 | 17 | 58 => 8,
            _ => 0,
        };
        self.has(Reason::Cut, rest.len() < least);
    }

    /// One of the allowed reasons that explains why only one side counts the packet.
    pub fn reason(&self, allowed: &[Reason], ours: bool) -> Option<Reason> {
        let fits = |reason: &Reason| if ours { reason.widens() } else { reason.narrows() };
        self.reasons.iter().copied().find(|reason| allowed.contains(reason) && fits(reason))
    }
}
