//! Made-up traffic: an edge host under a mixed attack, the same for the same seed.
//!
//! The capture that ships with the examples is made of it, and so are the long captures that speed is
//! measured with. Packets are built by `etherparse`.

use etherparse::{IpFragOffset, PacketBuilder};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// Kinds of packet and how many of a thousand each is.
const MIX: &[(Kind, u32)] = &[
    (Kind::DnsAnswerFlood, 280),
    (Kind::NtpAnswerFlood, 120),
    (Kind::Memcached, 40),
    (Kind::AnswerTail, 60),
    (Kind::SynFlood, 180),
    (Kind::BogonUdp, 50),
    (Kind::Listed, 60),
    (Kind::OddFlags, 30),
    (Kind::Cut, 10),
    (Kind::Query, 90),
    (Kind::Query6, 30),
    (Kind::Web, 45),
    (Kind::Neighbour, 5),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    DnsAnswerFlood,
    NtpAnswerFlood,
    Memcached,
    AnswerTail,
    SynFlood,
    BogonUdp,
    Listed,
    OddFlags,
    Cut,
    Query,
    Query6,
    Web,
    Neighbour,
}

/// Addresses of the host under attack.
const HOST: [u8; 4] = [203, 0, 113, 53];
const HOST6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0x53, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53];
const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 53];

/// An endless attack.
#[derive(Debug)]
pub struct Traffic {
    rng: StdRng,
    time_ns: u64,
}

/// A packet and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Traffic {
    /// The attack of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), time_ns: 1_790_000_000_000_000_000 }
    }

    fn kind(&mut self) -> Kind {
        let total: u32 = MIX.iter().map(|&(_, weight)| weight).sum();
        let mut at = self.rng.random_range(0..total);
        for &(kind, weight) in MIX {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        Kind::Query
    }

    /// A public unicast address outside everything reserved.
    fn stranger(&mut self) -> [u8; 4] {
        loop {
            let a: [u8; 4] = self.rng.random();
            let reserved = matches!(a[0], 0 | 10 | 100 | 127 | 169 | 172 | 192 | 198 | 203 | 224..);
            if !reserved {
                return a;
            }
        }
    }

    fn udp(&mut self, src: [u8; 4], sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
        let ttl = self.rng.random_range(34..120);
        let builder =
            PacketBuilder::ethernet2(GATEWAY_MAC, HOST_MAC).ipv4(src, HOST, ttl).udp(sport, dport);
        written(|out| builder.write(out, payload))
    }

    fn filler(&mut self, bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes];
        self.rng.fill_bytes(&mut out);
        out
    }

    fn packet(&mut self, kind: Kind) -> Vec<u8> {
        let src = self.stranger();
        let port = self.rng.random_range(1024..=65535);
        match kind {
            Kind::DnsAnswerFlood => {
                let bytes = self.rng.random_range(900..1300);
                let payload = self.filler(bytes);
                self.udp(src, 53, 53, &payload)
            }
            Kind::NtpAnswerFlood => {
                let payload = self.filler(440);
                self.udp(src, 123, port, &payload)
            }
            Kind::Memcached => {
                let payload = self.filler(1400);
                self.udp(src, 11211, port, &payload)
            }
            Kind::AnswerTail => self.tail(src),
            Kind::SynFlood => self.syn(src),
            Kind::BogonUdp => {
                let [_, b, c, d] = src;
                self.udp([10, b, c, d], port, 53, b"0123456789abcdef")
            }
            Kind::Listed => {
                let low = self.rng.random_range(1..255);
                self.udp([198, 51, 100, low], port, 53, b"0123456789abcdef")
            }
            Kind::OddFlags => self.odd_flags(src, port),
            Kind::Cut => {
                let mut whole = self.udp(src, port, 53, b"0123456789abcdef");
                whole.truncate(self.rng.random_range(20..40));
                whole
            }
            Kind::Query => self.query(src, port),
            Kind::Query6 => self.query6(port),
            Kind::Web => self.web(src, port),
            Kind::Neighbour => self.neighbour(),
        }
    }

    /// A later fragment of a large answer.
    fn tail(&mut self, src: [u8; 4]) -> Vec<u8> {
        let payload = self.filler(600);
        let mut ip = etherparse::Ipv4Header::new(600, 60, etherparse::IpNumber::UDP, src, HOST)
            .expect("600 bytes fit");
        ip.fragment_offset = IpFragOffset::try_new(185).expect("fits 13 bits");
        ip.header_checksum = ip.calc_header_checksum();
        written(|out| {
            let eth = etherparse::Ethernet2Header {
                source: GATEWAY_MAC,
                destination: HOST_MAC,
                ether_type: etherparse::EtherType::IPV4,
            };
            eth.write(out)?;
            ip.write(out)?;
            out.extend(&payload);
            Ok::<_, std::io::Error>(())
        })
    }

    /// A SYN without options, as flooding tools make them.
    fn syn(&mut self, src: [u8; 4]) -> Vec<u8> {
        let (port, seq) = (self.rng.random_range(1024..=65535), self.rng.random());
        let dport = if self.rng.random_bool(0.5) { 80 } else { 443 };
        let builder = PacketBuilder::ethernet2(GATEWAY_MAC, HOST_MAC)
            .ipv4(src, HOST, 250)
            .tcp(port, dport, seq, 65535)
            .syn();
        written(|out| builder.write(out, &[]))
    }

    fn odd_flags(&mut self, src: [u8; 4], port: u16) -> Vec<u8> {
        let seq = self.rng.random();
        let builder = PacketBuilder::ethernet2(GATEWAY_MAC, HOST_MAC)
            .ipv4(src, HOST, 64)
            .tcp(port, 80, seq, 512);
        let builder = if self.rng.random_bool(0.5) { builder.syn().fin() } else { builder };
        written(|out| builder.write(out, &[]))
    }

    fn query(&mut self, src: [u8; 4], port: u16) -> Vec<u8> {
        let name = [b"www".as_slice(), b"mail", b"api"][self.rng.random_range(0..3)];
        let payload = dns_query(self.rng.random(), name);
        self.udp(src, port, 53, &payload)
    }

    fn query6(&mut self, port: u16) -> Vec<u8> {
        let mut src = [0x2a, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        self.rng.fill_bytes(&mut src[2..8]);
        let payload = dns_query(self.rng.random(), b"www");
        let builder =
            PacketBuilder::ethernet2(GATEWAY_MAC, HOST_MAC).ipv6(src, HOST6, 58).udp(port, 53);
        written(|out| builder.write(out, &payload))
    }

    /// A browser: a SYN with options, or data.
    fn web(&mut self, src: [u8; 4], port: u16) -> Vec<u8> {
        use etherparse::TcpOptionElement as Opt;
        let (seq, ack) = (self.rng.random(), self.rng.random());
        let builder = PacketBuilder::ethernet2(GATEWAY_MAC, HOST_MAC)
            .ipv4(src, HOST, 52)
            .tcp(port, 443, seq, 64240);
        if self.rng.random_bool(0.3) {
            let options = [
                Opt::MaximumSegmentSize(1460),
                Opt::SelectiveAcknowledgementPermitted,
                Opt::Timestamp(seq, 0),
                Opt::Noop,
                Opt::WindowScale(7),
            ];
            let builder = builder.syn().options(&options).expect("20 bytes of options fit");
            written(|out| builder.write(out, &[]))
        } else {
            let data = self.filler(200);
            written(|out| builder.ack(ack).psh().write(out, &data))
        }
    }

    fn neighbour(&mut self) -> Vec<u8> {
        let mut bytes = Vec::from(HOST_MAC);
        bytes.extend(GATEWAY_MAC);
        bytes.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
        bytes.extend(GATEWAY_MAC);
        bytes.extend([203, 0, 113, 1]);
        bytes.extend([0; 6]);
        bytes.extend(HOST);
        bytes
    }
}

impl Iterator for Traffic {
    type Item = Timed;

    fn next(&mut self) -> Option<Timed> {
        self.time_ns += self.rng.random_range(500..4000);
        let kind = self.kind();
        let bytes = self.packet(kind);
        Some(Timed { time_ns: self.time_ns, bytes })
    }
}

/// A question for `NAME.example.com`, type A.
fn dns_query(id: u16, name: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(id.to_be_bytes());
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in [name, b"example", b"com"] {
        out.push(u8::try_from(label.len()).expect("short labels"));
        out.extend(label);
    }
    out.extend([0, 0, 1, 0, 1]);
    out
}

fn written<E: std::fmt::Debug>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).expect("a vector takes every packet of these sizes");
    out
}
