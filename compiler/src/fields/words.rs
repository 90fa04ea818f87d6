//! Words for values: names of IANA, RFCs and other tools.

/// Words and the numbers they stand for.
pub(super) type Names = &'static [(&'static str, u64)];

pub(super) const NO_NAMES: Names = &[];

/// Protocol numbers of IANA that rules may name.
pub(super) const PROTO_NAMES: Names = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];
pub(super) const ETHER_TYPES: Names =
    &[("ip", 0x0800), ("arp", 0x0806), ("rarp", 0x8035), ("ip6", 0x86dd), ("lldp", 0x88cc)];
pub(super) const ECN: Names = &[("not_ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];
pub(super) const DSCP: Names = &[
    ("cs0", 0),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];
pub(super) const FAMILY: Names = &[("ip", 4), ("ip6", 6), ("ipv4", 4), ("ipv6", 6)];
pub(super) const ARP_OP: Names = &[("request", 1), ("reply", 2)];
pub(super) const TCP_FLAGS: Names = &[
    ("fin", 0x001),
    ("syn", 0x002),
    ("rst", 0x004),
    ("psh", 0x008),
    ("ack", 0x010),
    ("urg", 0x020),
    ("ece", 0x040),
    ("cwr", 0x080),
];
pub(super) const ICMP_TYPE: Names = &[
    ("echo_reply", 0),
    ("unreachable", 3),
    ("source_quench", 4),
    ("redirect", 5),
    ("echo_request", 8),
    ("router_advert", 9),
    ("router_solicit", 10),
    ("time_exceeded", 11),
    ("parameter_problem", 12),
    ("timestamp_request", 13),
    ("timestamp_reply", 14),
];
pub(super) const ICMP6_TYPE: Names = &[
    ("unreachable", 1),
    ("packet_too_big", 2),
    ("time_exceeded", 3),
    ("parameter_problem", 4),
    ("echo_request", 128),
    ("echo_reply", 129),
    ("router_solicit", 133),
    ("router_advert", 134),
    ("neighbour_solicit", 135),
    ("neighbour_advert", 136),
    ("redirect", 137),
];

pub(super) const SCTP_CHUNK: Names = &[
    ("data", 0),
    ("init", 1),
    ("init_ack", 2),
    ("sack", 3),
    ("heartbeat", 4),
    ("heartbeat_ack", 5),
    ("abort", 6),
    ("shutdown", 7),
    ("shutdown_ack", 8),
    ("error", 9),
    ("cookie_echo", 10),
    ("cookie_ack", 11),
    ("shutdown_complete", 14),
];
pub(super) const DCCP_TYPE: Names = &[
    ("request", 0),
    ("response", 1),
    ("data", 2),
    ("ack", 3),
    ("data_ack", 4),
    ("close_req", 5),
    ("close", 6),
    ("reset", 7),
    ("sync", 8),
    ("sync_ack", 9),
];
pub(super) const GRE_FLAGS: Names =
    &[("csum", 0x10), ("routing", 0x08), ("key", 0x04), ("seq", 0x02), ("strict", 0x01)];
pub(super) const GRE_PROTO: Names = &[
    ("ip", 0x0800),
    ("teb", 0x6558),
    ("ip6", 0x86dd),
    ("ppp", 0x880b),
    ("mpls", 0x8847),
    ("erspan", 0x88be),
    ("erspan3", 0x22eb),
];
pub(super) const IGMP_TYPE: Names = &[
    ("query", 0x11),
    ("report_v1", 0x12),
    ("report_v2", 0x16),
    ("leave", 0x17),
    ("report_v3", 0x22),
];
pub(super) const DNS_OPCODE: Names =
    &[("query", 0), ("iquery", 1), ("status", 2), ("notify", 4), ("update", 5), ("dso", 6)];
pub(super) const DNS_RCODE: Names = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
];
/// Types of resource records, and of questions only.
pub(super) const DNS_TYPE: Names = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("NULL", 10),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AAAA", 28),
    ("LOC", 29),
    ("SRV", 33),
    ("NAPTR", 35),
    ("CERT", 37),
    ("DNAME", 39),
    ("OPT", 41),
    ("DS", 43),
    ("SSHFP", 44),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
];
pub(super) const DNS_CLASS: Names = &[("IN", 1), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255)];
