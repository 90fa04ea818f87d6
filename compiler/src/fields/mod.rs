//! Every field once: name, type, where it lies, when it is there, what its values are called.
//!
//! The checker, the lowering, the reference evaluator, the test packets, the errors and the reference
//! page all read [`FIELDS`]. Adding a header field is adding a row.

mod inner;
mod options;
mod table;
mod words;

pub use inner::{GUE_PORT, INNER, VXLAN_PORTS};
pub use options::TcpOption;
pub use table::FIELDS;

/// One field.
#[derive(Debug)]
pub struct Field {
    /// As rules write it.
    pub name: &'static str,
    /// What its values are.
    pub ty: Ty,
    /// Where it may lie. Every place that is there answers; no packet has two (IPv4 and IPv6 exclude each
    /// other).
    pub places: &'static [Place],
    /// Words for values.
    pub names: &'static [(&'static str, u64)],
    /// One line for the reference.
    pub doc: &'static str,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

/// Type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    /// An unsigned number.
    Number,
    /// A port.
    Port,
    /// An IPv4 address.
    Addr4,
    /// An IPv6 address.
    Addr6,
    /// An address of either family: the places are IPv4 (32 bits), then IPv6 (128 bits).
    Addr,
    /// A hardware address, 48 bits.
    Mac,
    /// Bits with names, joined by `|`.
    Flags,
    /// One bit, true when set.
    Bit,
    /// Nothing but there or not.
    Presence,
    /// A DNS name: labels.
    Name,
    /// A number that is also a question by itself: true where it is there.
    Option,
    /// A list of TCP options as p0f writes it, compared with texts; its place says when there is one.
    Layout,
    /// An interface. Its values are numbered as [`Policy::ifaces`](crate::hir::Policy::ifaces) is, from 1; 0
    /// is one that no rule names.
    Iface,
}

/// One place of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When it is there.
    pub when: When,
    /// Where it lies.
    pub at: At,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Nowhere: the field is its presence.
    Nowhere,
    /// Bits of the packet, most significant first: `width_bits` bits from `off_bits` behind the start of
    /// `base`, in network order. The field's value is that number shifted left by `shift`, plus `add`.
    Bits {
        /// Where counting begins.
        base: Base,
        /// May be negative (`eth.type` stands before the network header).
        off_bits: i16,
        /// 1 to 128.
        width_bits: u8,
        /// Zero bits below (header lengths count 4-byte words).
        shift: u8,
        /// Added to what the packet says.
        add: u8,
    },
    /// A number that does not depend on the packet.
    Const(u8),
    /// Something that reading the headers found out.
    Info(Info),
    /// Not in the packet: how it came. An interface is there if the packet came by one.
    Arrival(Arrival),
}

/// Where counting begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// Start of the link header.
    Link,
    /// Start of the network header.
    Net,
    /// Start of the transport header.
    Transport,
    /// Start of the DNS message.
    Dns,
    /// Behind the name of the first DNS question.
    QuestionEnd,
    /// Kind byte of the first such TCP option.
    TcpOption(TcpOption),
}

/// Found out while reading the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Info {
    /// Protocol behind IPv4, or behind IPv6 and its extension headers: 8 bits.
    Proto,
    /// Bytes of the packet that the hook sees: 16 bits.
    PktLen,
    /// Bytes that the transport carries, as far as the IP header counts: 16 bits.
    PayloadLen,
    /// Characters of the first DNS question's name, dots between labels counted: 8 bits.
    NameLen,
    /// Labels of that name: 8 bits.
    NameLabels,
    /// That name itself: no number.
    Name,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// By which interface.
    Iface,
    /// By which receive queue.
    RxQueue,
    /// On which CPU.
    Cpu,
    /// What the kernel marked it with.
    Mark,
}

/// When a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// Always.
    Always,
    /// The hook sees a link header.
    Link,
    /// There is a VLAN tag, whole.
    Tag1,
    /// There is a second VLAN tag, whole.
    Tag2,
    /// The EtherType (behind tags) says IPv4; without link header, the version does.
    TypeIp4,
    /// The EtherType says IPv6; without link header, the version does.
    TypeIp6,
    /// The EtherType says ARP.
    TypeArp,
    /// A whole fixed IPv4 header of version 4 and IHL ≥ 5.
    Ip4,
    /// The same, and the header's length says that options follow; they may be cut.
    Ip4Options,
    /// A whole fixed IPv6 header of version 6.
    Ip6,
    /// The EtherType says ARP and its 8 fixed bytes are there.
    Arp,
    /// ARP for IPv4 over Ethernet, 28 bytes.
    ArpEthIp4,
    /// The protocol is known.
    Proto,
    /// The protocol is this number, in every fragment.
    ProtoIs(u8),
    /// First fragment of a transport with ports (TCP, UDP, SCTP, UDP-Lite, DCCP), its fixed header whole.
    Ports,
    /// First fragment of this transport, its fixed header whole.
    Header(Transport),
    /// First fragment of a transport whose first bytes say what stands behind them.
    Form(Form),
    /// First fragment of this transport, its header whole and possible, options too.
    Payload(Transport),
    /// First fragment of TCP, its header whole with its options, and this option is among them.
    TcpOption(TcpOption),
    /// A DNS message: first fragment of UDP or TCP with a port that DNS is spoken on, and a whole header of 12
    /// bytes; behind TCP the whole message.
    Dns,
    /// A DNS message with this bit in its first flags byte: 0x80 is a response, 0 a query.
    DnsResponse(u8),
    /// A DNS message whose first question is whole: a name of at most 255 bytes in labels of at most 63, no
    /// pointer among them, type and class.
    Question,
    /// A fragment: IPv4 MF or offset ≠ 0, IPv6 fragment header saying the same.
    Frag,
    /// A header that its predecessor announced is cut or impossible.
    Unparsed,
    /// This IPv6 extension header is among those walked.
    Ext(Ext),
}

/// Transports that have fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 9293
    Tcp,
    /// RFC 768
    Udp,
    /// RFC 792
    Icmp,
    /// RFC 4443
    Icmp6,
    /// RFC 9260
    Sctp,
    /// RFC 3828
    UdpLite,
    /// RFC 4340
    Dccp,
    /// RFC 2784, RFC 2890
    Gre,
    /// RFC 4303
    Esp,
    /// RFC 4302, behind IPv4; behind IPv6 it is [`Ext::Auth`].
    Ah,
    /// RFC 2236, RFC 3376
    Igmp,
}

/// What the first two bytes of a transport header announce: they, masked, are `want`, and `len_bytes` bytes
/// of the header are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Form {
    /// Whose header.
    pub transport: Transport,
    /// From the header's start, at least [`Transport::header_bytes`].
    pub len_bytes: u32,
    /// Which bits of the first two bytes, in network order; 0 asks nothing.
    pub mask: u16,
    /// What they are.
    pub want: u16,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Icmp6,
        Self::Sctp,
        Self::UdpLite,
        Self::Dccp,
        Self::Gre,
        Self::Esp,
        Self::Ah,
        Self::Igmp,
    ];

    /// IANA protocol number.
    #[must_use]
    pub const fn proto(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
            Self::Icmp6 => 58,
            Self::Sctp => 132,
            Self::UdpLite => 136,
            Self::Dccp => 33,
            Self::Gre => 47,
            Self::Esp => 50,
            Self::Ah => 51,
            Self::Igmp => 2,
        }
    }

    /// Bytes of the fixed header. DCCP's is 16 bytes where its sequence numbers are long; its fields lie in
    /// the first 12. GRE's is what stands in front of the parts that its flags announce.
    #[must_use]
    pub const fn header_bytes(self) -> u32 {
        match self {
            Self::Tcp => 20,
            Self::Sctp | Self::Dccp | Self::Ah => 12,
            Self::Udp | Self::Icmp | Self::Icmp6 | Self::UdpLite | Self::Esp | Self::Igmp => 8,
            Self::Gre => 4,
        }
    }
}

/// Protocols with ports in their first four bytes, and the bytes of their fixed headers.
pub const PORT_PROTOS: &[(u8, u32)] = &[(6, 20), (17, 8), (132, 12), (136, 8), (33, 12)];

/// IPv6 extension headers that are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ext {
    /// Hop-by-hop options (0).
    HopByHop,
    /// Routing (43).
    Routing,
    /// Fragment (44).
    Fragment,
    /// Destination options (60).
    DstOpts,
    /// Authentication (51).
    Auth,
    /// Mobility (135).
    Mobility,
}

impl Ext {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::HopByHop, Self::Routing, Self::Fragment, Self::DstOpts, Self::Auth, Self::Mobility];

    /// IANA protocol number.
    #[must_use]
    pub const fn proto(self) -> u8 {
        match self {
            Self::HopByHop => 0,
            Self::Routing => 43,
            Self::Fragment => 44,
            Self::DstOpts => 60,
            Self::Auth => 51,
            Self::Mobility => 135,
        }
    }
}

/// At most so many IPv6 extension headers are walked.
pub const MAX_EXT_HEADERS: usize = 8;

/// Ports that DNS is spoken on where the hook does not say otherwise.
pub const DNS_PORTS: [u16; 2] = [53, 5353];

/// Bytes of a DNS header: RFC 1035 4.1.1.
pub const DNS_HEADER_BYTES: u32 = 12;

/// At most so many VLAN tags are looked through.
pub const MAX_TAGS: usize = 2;

/// EtherTypes of VLAN tags.
pub const TAG_TYPES: [u16; 3] = [0x8100, 0x88a8, 0x9100];

impl Place {
    /// Bits of the value, after `add`; 0 for mere presence.
    #[must_use]
    pub const fn width_bits(&self) -> u32 {
        match self.at {
            At::Nowhere => 0,
            At::Bits { width_bits, shift, add, .. } => {
                width_bits as u32 + shift as u32 + (add != 0) as u32
            }
            At::Const(_) | At::Info(Info::Proto) => 8,
            At::Info(Info::NameLen | Info::NameLabels) => 8,
            At::Info(Info::PktLen | Info::PayloadLen) => 16,
            At::Info(Info::Name) => 0,
            At::Arrival(_) => 32,
        }
    }
}

impl Field {
    /// Bits of the widest place.
    #[must_use]
    pub fn width_bits(&self) -> u32 {
        self.places.iter().map(Place::width_bits).max().unwrap_or(0)
    }

    /// Finds a row by name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|f| f.name == name)
    }
}
