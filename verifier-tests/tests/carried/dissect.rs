//! What a packet carries, read by a packet library and, of DNS, by hand: nothing here asks the compiler.

use etherparse::{
    LaxIpPayloadSlice, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LenSource, TransportSlice,
};

/// A packet as far as the questions go.
#[derive(Debug, Default)]
pub struct Carried<'p> {
    /// What the transport carries.
    pub payload: Option<&'p [u8]>,
    /// Behind TCP.
    pub tcp: bool,
    /// From the transport header on, to the packet's end.
    pub segment: Option<&'p [u8]>,
    pub tcp_header_bytes: usize,
    pub dns: Option<Message>,
}

/// A DNS message with a whole header.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub header: [u8; 12],
    pub question: Option<Question>,
}

/// The first question: labels in lower case, type, class.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    pub labels: Vec<Vec<u8>>,
    pub qtype: u16,
    pub qclass: u16,
}

/// Why a packet is not compared: the library and the rules mean different things.
pub type LeftOut = &'static str;

/// Reads a frame.
///
/// # Errors
/// If the library sees what rules, by their reference, do not see in it, or sees less.
pub fn dissect(frame: &[u8]) -> Result<Carried<'_>, LeftOut> {
    let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else { return Ok(Carried::default()) };
    if packet.link_exts.iter().any(|ext| matches!(ext, LaxLinkExtSlice::Macsec(_))) {
        return Err("MACsec");
    }
    let Some(net) = &packet.net else { return Ok(Carried::default()) };
    let ip: &LaxIpPayloadSlice<'_> = match net {
        LaxNetSlice::Ipv4(ip) if !ip.extensions().is_empty() => return Err("AH behind IPv4"),
        LaxNetSlice::Ipv4(ip) => ip.payload(),
        LaxNetSlice::Ipv6(ip) => ip.payload(),
        LaxNetSlice::Arp(_) => return Ok(Carried::default()),
    };
    if ip.fragmented {
        return Err("a fragment");
    }
    if ip.len_source == LenSource::Slice && !ip.incomplete {
        return Err("an IP length of nothing");
    }
    let start = ip.payload.as_ptr() as usize - frame.as_ptr() as usize;
    let rest = &frame[start..];
    let mut carried = Carried { segment: Some(rest), ..Carried::default() };
    match &packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            if udp.length() < 8 {
                return Err("a UDP length of nothing");
            }
            carried.payload = Some(udp.payload());
            carried.dns = message((udp.source_port(), udp.destination_port()), udp.payload());
        }
        Some(TransportSlice::Tcp(tcp)) => {
            carried.tcp = true;
            carried.tcp_header_bytes = 4 * usize::from(tcp.data_offset());
            carried.payload = Some(tcp.payload());
            let whole = tcp
                .payload()
                .split_first_chunk()
                .and_then(|(len, rest)| rest.get(..usize::from(u16::from_be_bytes(*len))));
            carried.dns =
                whole.and_then(|whole| message((tcp.source_port(), tcp.destination_port()), whole));
        }
        Some(TransportSlice::Icmpv4(icmp)) => carried.payload = icmp.slice().get(8..),
        Some(TransportSlice::Icmpv6(icmp)) => carried.payload = icmp.slice().get(8..),
        Some(TransportSlice::Igmp(_)) | None => {}
    }
    if ip.ip_number.0 == 136 {
        return Err("UDP-Lite");
    }
    Ok(carried)
}

/// RFC 1035 4.1, the answers left out.
fn message(ports: (u16, u16), bytes: &[u8]) -> Option<Message> {
    let spoken = |port| port == 53 || port == 5353;
    if !spoken(ports.0) && !spoken(ports.1) {
        return None;
    }
    let (header, mut rest) = bytes.split_first_chunk::<12>()?;
    let counted = header[4..6] != [0, 0];
    let question = counted.then(|| question(&mut rest)).flatten();
    Some(Message { header: *header, question })
}

fn question(rest: &mut &[u8]) -> Option<Question> {
    let mut labels = Vec::new();
    let mut sent_bytes = 1;
    loop {
        let (len, behind) = rest.split_first()?;
        if *len == 0 {
            *rest = behind;
            break;
        }
        if *len >= 64 {
            return None;
        }
        let (label, behind) = behind.split_at_checked(usize::from(*len))?;
        sent_bytes += 1 + label.len();
        labels.push(label.to_ascii_lowercase());
        *rest = behind;
    }
    let numbers = rest.first_chunk::<4>()?;
    let number = |at: usize| u16::from_be_bytes([numbers[at], numbers[at + 1]]);
    (sent_bytes <= 255).then(|| Question { labels, qtype: number(0), qclass: number(2) })
}

impl Carried<'_> {
    fn header(&self, holds: impl Fn(&[u8; 12]) -> bool) -> bool {
        self.dns.as_ref().is_some_and(|dns| holds(&dns.header))
    }

    /// Is a bit of the header set, counted from its first?
    pub fn bit(&self, at: usize) -> bool {
        self.header(|header| header[at / 8] >> (7 - at % 8) & 1 == 1)
    }

    /// Is it so of the number that begins at a byte of the header?
    pub fn count(&self, at: usize, holds: impl Fn(u16) -> bool) -> bool {
        self.header(|header| holds(u16::from_be_bytes([header[at], header[at + 1]])))
    }

    /// Is it so of the first question?
    pub fn asks(&self, holds: impl Fn(&Question) -> bool) -> bool {
        self.dns.as_ref().and_then(|dns| dns.question.as_ref()).is_some_and(holds)
    }

    /// Is it so of the name, written with `\n` between its labels?
    pub fn name(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.asks(|question| {
            let labels: Vec<String> = question
                .labels
                .iter()
                .map(|label| label.iter().map(|&byte| char::from(byte)).collect())
                .collect();
            // A label that holds the mark itself would look like two.
            !labels.iter().any(|label: &String| label.contains('\n')) && holds(&labels.join("\n"))
        })
    }

    /// Is it so of what is carried?
    pub fn bytes(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        self.payload.is_some_and(holds)
    }

    /// Do the bytes stand in what is carried, from `from` to before `to`?
    pub fn has(&self, wanted: &[u8], from: usize, to: usize) -> bool {
        self.bytes(|bytes| {
            let window = bytes.get(from..to.min(bytes.len())).unwrap_or_default();
            window.windows(wanted.len()).any(|found| found == wanted)
        })
    }
}
