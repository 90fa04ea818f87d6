//! Single questions: a field or bytes, an operator, a value.

use super::pool::{Pool, pick};
use super::rules::{ASKED, LIMITS};
use l4c_compiler::fields::{At, FIELDS, Field, Info, Ty, When};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a term may draw from.
pub(super) struct Source<'s> {
    pub rng: &'s mut StdRng,
    pub pool: &'s Pool,
    /// Types of the file's sets, which are called `s0`, `s1` …
    pub sets: &'s [&'static str],
    /// `match`es without and with a parameter, by name.
    pub matches: &'s [(String, bool)],
    pub link: bool,
}

const ORDER: [&str; 4] = ["<", "<=", ">", ">="];
const SAME: [&str; 2] = ["==", "!="];
const MEMBER: [&str; 4] = ["in", "not in", "==", "!="];

/// Fields of which packets have more than two or three values only here.
const USUAL: &[(&str, &[u64])] = &[
    ("proto", &[0, 1, 6, 17, 44, 58, 59, 132]),
    ("ip.proto", &[0, 1, 6, 17, 44, 58, 132]),
    ("ip6.next", &[0, 6, 17, 43, 44, 51, 58, 60, 135]),
    ("family", &[4, 6]),
    ("eth.type", &[0x0800, 0x0806, 0x86dd, 0x88b5, 0x8100]),
    ("ip.hdr_len", &[0, 16, 20, 24, 40, 60]),
    ("tcp.hdr_len", &[0, 16, 20, 24, 40, 60]),
    ("ip.frag_off", &[0, 1, 2, 185, 8191]),
    ("arp.op", &[1, 2, 9]),
    ("arp.htype", &[1, 6, 32]),
    ("arp.ptype", &[0x0800, 0x86dd]),
    ("icmp.type", &[0, 3, 8, 11, 255]),
    ("icmp6.type", &[1, 2, 128, 135]),
    ("pkt_len", &[14, 34, 54, 60, 64, 100, 200, 1514, 3520]),
    ("len", &[0, 20, 28, 40, 48, 100, 1500, 65535]),
    ("udp.len", &[0, 8, 9, 16, 100]),
    ("ip6.len", &[0, 8, 20, 40, 60]),
    ("vlan.pcp", &[0, 1, 7]),
    ("vlan2.pcp", &[0, 1, 7]),
    ("tcp.payload_len", &[0, 1, 9, 20, 31, 100]),
    ("dns.opcode", &[0, 1, 5]),
    ("dns.rcode", &[0, 3, 15]),
    ("dns.qdcount", &[0, 1, 2, 256]),
    ("dns.ancount", &[0, 1, 2, 258]),
    ("dns.nscount", &[0, 1, 2, 258]),
    ("dns.arcount", &[0, 1, 2, 258]),
    ("dns.qname.len", &[0, 1, 3, 11, 15, 63, 68, 253]),
    ("dns.qname.labels", &[0, 1, 2, 3, 5, 10, 127]),
    ("dns.qtype", &[0, 1, 28, 252, 255, 65535]),
    ("dns.qclass", &[1, 3, 255]),
];

impl Source<'_> {
    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    /// One question.
    pub fn term(&mut self) -> String {
        match self.rng.random_range(0..100) {
            0..8 => self.bytes(),
            8..20 => self.text(),
            20..24 => self.name("dns.qname"),
            24..28 => self.named(),
            28..29 => "all".to_owned(),
            29..32 => {
                let word = pick(self.rng, &["over", "under"]);
                format!("{word}(rate{})", self.rng.random_range(0..LIMITS))
            }
            34..37 => pick(self.rng, &ASKED).to_owned(),
            32..34 => {
                let word = pick(self.rng, &["random", "nth"]);
                let of = pick(self.rng, &[1, 2, 3, 7, 100, u32::MAX]);
                format!("{word} {}/{of}", self.rng.random_range(1..=of))
            }
            _ => {
                let inner = self.chance(8);
                let field = loop {
                    let field = &FIELDS[self.rng.random_range(0..FIELDS.len())];
                    let seen = self.link || field.places.iter().any(|p| !needs_link(p.when));
                    // XDP is told no mark, a socket filter no queue.
                    let arrives = ["mark", "rx_queue"].contains(&field.name);
                    if if inner { field.has_inner() } else { seen && !arrives } {
                        break field;
                    }
                };
                self.of_field(field, &field.shown(inner))
            }
        }
    }

    /// A `match` of the file, or something that is nearly always true where there is none.
    fn named(&mut self) -> String {
        if self.matches.is_empty() {
            return "ttl > 0".to_owned();
        }
        let (name, with_value) = self.matches[self.rng.random_range(0..self.matches.len())].clone();
        if with_value { format!("{name}({})", self.ports()) } else { name }
    }

    /// Of a field, or of the one inside a tunnel, called `name`.
    fn of_field(&mut self, field: &Field, name: &str) -> String {
        match field.ty {
            Ty::Presence => name.to_owned(),
            Ty::Bit if self.chance(70) => name.to_owned(),
            Ty::Bit => format!("{name} {} {}", pick(self.rng, &SAME), self.rng.random_range(0..2)),
            Ty::Flags => self.of_flags(field, name),
            Ty::Addr | Ty::Addr4 | Ty::Addr6 => self.of_address(name, field.ty),
            Ty::Mac => self.of_mac(name),
            Ty::Name => self.name(name),
            Ty::Option if self.chance(30) => name.to_owned(),
            Ty::Number | Ty::Port | Ty::Option => self.of_number(field, name),
            Ty::Layout => self.of_layout(name),
            Ty::Iface => {
                let names = ["\"eth0\"", "{ \"eth0\", \"eth1\" }"];
                format!("{name} {} {}", pick(self.rng, &SAME), pick(self.rng, &names))
            }
        }
    }

    fn of_flags(&mut self, field: &Field, name: &str) -> String {
        let [a, b, c] = [(); 3].map(|()| pick(self.rng, field.names).0);
        match self.rng.random_range(0..6) {
            0 => format!("{name} has {a}"),
            1 => format!("{name} has any {a}|{b}"),
            2 => format!("{name} has {a}|{b}"),
            3 => format!("{name} {} {a}", pick(self.rng, &SAME)),
            4 => format!("{name} & ({a}|{b}|{c}) {} {a}", pick(self.rng, &SAME)),
            _ => format!("{name} {} {{ {a}, ({a}|{b}), 0 }}", pick(self.rng, &MEMBER)),
        }
    }

    /// Lists of TCP options; now and then a whole signature.
    fn of_layout(&mut self, name: &str) -> String {
        const LISTS: [&str; 8] = [
            "",
            "mss",
            "mss,sok,ts,nop,ws",
            "nop,nop,ts",
            "mss,nop,ws",
            "nop,nop,sack",
            "mss,?254",
            "nop,eol+2",
        ];
        const SIGNATURES: [&str; 4] = [
            "*:64:0:*:*,*:mss,sok,ts,nop,ws::*",
            "4:64-:0:*:mss*44,*:mss,sok,ts,nop,ws:df:0",
            "*:64-:0:*:*,*:::*",
            "*:64-:0:*:%2,*:mss,nop,ws:bad:*",
        ];
        let [a, b] = [(); 2].map(|()| pick(self.rng, &LISTS));
        match self.rng.random_range(0..4) {
            0 => format!("p0f \"{}\"", pick(self.rng, &SIGNATURES)),
            1 => format!("{name} {} {{ \"{a}\", \"{b}\" }}", pick(self.rng, &MEMBER)),
            _ => format!("{name} {} \"{a}\"", pick(self.rng, &SAME)),
        }
    }

    fn addr4(&mut self) -> Ipv4Addr {
        Ipv4Addr::from(pick(self.rng, &self.pool.addr4))
    }

    fn addr6(&mut self) -> Ipv6Addr {
        Ipv6Addr::from(pick(self.rng, &self.pool.addr6))
    }

    /// An address, a prefix or a range, of the family.
    pub fn addresses(&mut self, six: bool) -> String {
        let form = self.rng.random_range(0..4);
        if six {
            let (a, b) = (u128::from(self.addr6()), u128::from(self.addr6()));
            let length = pick(self.rng, &[0, 1, 16, 32, 33, 63, 64, 65, 96, 127, 128]);
            let kept = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            return match form {
                0 => format!("{}/{length}", Ipv6Addr::from(a & kept)),
                1 => format!("{}-{}", Ipv6Addr::from(a.min(b)), Ipv6Addr::from(a.max(b))),
                _ => Ipv6Addr::from(a).to_string(),
            };
        }
        let (a, b) = (u32::from(self.addr4()), u32::from(self.addr4()));
        let length = pick(self.rng, &[0, 1, 7, 8, 9, 16, 24, 31, 32]);
        let kept = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        match form {
            0 => format!("{}/{length}", Ipv4Addr::from(a & kept)),
            1 => format!("{}-{}", Ipv4Addr::from(a.min(b)), Ipv4Addr::from(a.max(b))),
            _ => Ipv4Addr::from(a).to_string(),
        }
    }

    fn of_address(&mut self, name: &str, ty: Ty) -> String {
        let both = ty == Ty::Addr;
        let six = if both { self.rng.random() } else { ty == Ty::Addr6 };
        let fits = |set: &&str| match *set {
            "addr" | "prefix" => true,
            "addr4" | "prefix4" => both || !six,
            "addr6" | "prefix6" => both || six,
            _ => false,
        };
        if let Some(set) = self.set(fits) {
            return format!("{name} {} {set}", pick(self.rng, &MEMBER));
        }
        if self.chance(20) {
            return self.of_masked_address(name, six);
        }
        let count = self.rng.random_range(1..5);
        let list: Vec<String> = (0..count)
            .map(|_| {
                let family = if both { self.rng.random() } else { six };
                self.addresses(family)
            })
            .collect();
        match list.as_slice() {
            [one] => format!("{name} {} {one}", pick(self.rng, &MEMBER)),
            more => format!("{name} {} {{ {} }}", pick(self.rng, &MEMBER), more.join(", ")),
        }
    }

    fn of_masked_address(&mut self, name: &str, six: bool) -> String {
        let sign = pick(self.rng, &SAME);
        if six {
            let mask =
                pick(self.rng, &[0xffff_u128, u128::MAX << 96, u128::MAX << 64 | 1, 0xff << 64]);
            let value = u128::from(self.addr6()) & mask;
            return format!("{name} & {} {sign} {}", Ipv6Addr::from(mask), Ipv6Addr::from(value));
        }
        let mask = pick(self.rng, &[0xff_u32, 0xff00_0000, 0xff00_00ff, 1]);
        let value = u32::from(self.addr4()) & mask;
        format!("{name} & {} {sign} {}", Ipv4Addr::from(mask), Ipv4Addr::from(value))
    }

    pub fn mac(&mut self) -> String {
        mac_text(pick(self.rng, &self.pool.macs))
    }

    fn of_mac(&mut self, name: &str) -> String {
        if let Some(set) = self.set(|ty| *ty == "mac") {
            return format!("{name} {} {set}", pick(self.rng, &MEMBER));
        }
        if self.chance(25) {
            let mask = pick(self.rng, &[0x0100_0000_0000, 0xff, 0xffff_ff00_0000]);
            let value = mac_text(pick(self.rng, &self.pool.macs) & mask);
            return format!("{name} & {} {} {value}", mac_text(mask), pick(self.rng, &SAME));
        }
        let (a, b) = (self.mac(), self.mac());
        format!("{name} {} {{ {a}, {b} }}", pick(self.rng, &MEMBER))
    }

    /// A port, a range or a list of them.
    pub fn ports(&mut self) -> String {
        let (a, b) = (pick(self.rng, &self.pool.ports), pick(self.rng, &self.pool.ports));
        match self.rng.random_range(0..3) {
            0 => format!("{}-{}", a.min(b), a.max(b)),
            1 => format!("{{ {a}, {b} }}"),
            _ => a.to_string(),
        }
    }

    fn value(&mut self, field: &Field, most: u64) -> u64 {
        if field.ty == Ty::Port {
            return u64::from(pick(self.rng, &self.pool.ports));
        }
        let usual = USUAL.iter().find(|(name, _)| *name == field.name).map(|(_, list)| *list);
        let value = match usual {
            Some(list) if self.chance(80) => pick(self.rng, list),
            Some(_) | None => pick(self.rng, &self.pool.numbers),
        };
        // Largest numbers are ones in all bits, or a little less where a field counts words.
        if value <= most { value } else { value & (most >> 1) }
    }

    fn of_number(&mut self, field: &Field, name: &str) -> String {
        let most = largest(field);
        let numeric = |ty: &&str| matches!(*ty, "u8" | "u16" | "u32" | "u64");
        let fits = |ty: &&str| numeric(ty) || (field.ty == Ty::Port && **ty == *"port");
        if let Some(set) = self.set(fits) {
            return format!("{name} {} {set}", pick(self.rng, &MEMBER));
        }
        let (a, b) = (self.value(field, most), self.value(field, most));
        self.compared(name, a, b, most)
    }

    /// `operand` and numbers, in one of the ways to compare them.
    fn compared(&mut self, operand: &str, a: u64, b: u64, most: u64) -> String {
        let (low, high) = (a.min(b), a.max(b));
        match self.rng.random_range(0..10) {
            0 | 1 => format!("{operand} {} {a}", pick(self.rng, &ORDER)),
            2 | 3 => format!("{operand} {} {a}", pick(self.rng, &SAME)),
            4 => format!("{operand} {} {low}-{high}", pick(self.rng, &MEMBER)),
            5 => format!("{operand} {} {{ {a}, {b} }}", pick(self.rng, &MEMBER)),
            6 => {
                let c = (high + 2).min(most);
                format!("{operand} {} {{ {low}-{high}, {c}, {b} }}", pick(self.rng, &MEMBER))
            }
            7 | 8 => {
                let mask = pick(self.rng, &[1, 0x0f, 0xf0, 0xff, 0x3f, most]) & most;
                let mask = if mask == 0 { 1 } else { mask };
                format!("{operand} & {mask:#x} {} {}", pick(self.rng, &SAME), a & mask)
            }
            _ => {
                let mask = pick(self.rng, &[7, 0x1f, 0xfe]) & most;
                let mask = if mask == 0 { 1 } else { mask };
                format!("{operand} & {mask:#x} {} {}", pick(self.rng, &ORDER), b & mask)
            }
        }
    }

    fn bytes(&mut self) -> String {
        let layers: &[&str] = if self.link { &["l2", "l3", "l4"] } else { &["l3", "l4"] };
        let layer = pick(self.rng, layers);
        let near = if layer == "l4" { 24 } else { 60 };
        let off = match self.rng.random_range(0..10) {
            0 => self.rng.random_range(0..1600),
            1 => self.rng.random_range(0..4000),
            _ => self.rng.random_range(0..near),
        };
        let len = pick(self.rng, &[1, 1, 2, 2, 4, 4, 8, 8, 3, 5, 6, 16, 40]);
        let operand = format!("{layer}[{off}:{len}]");
        if !matches!(len, 1 | 2 | 4 | 8) || self.chance(10) {
            return format!("{operand} {} {}", pick(self.rng, &SAME), self.pattern(len));
        }
        let most = u64::MAX >> (64 - 8 * len);
        let draw = |me: &mut Self| match me.rng.random_range(0..3) {
            0 => u64::from(pick(me.rng, &me.pool.ports)) & most,
            1 => pick(me.rng, &me.pool.numbers) & most,
            _ => me.rng.random::<u64>() & most,
        };
        let (a, b) = (draw(self), draw(self));
        // `A + 2` must not pass the largest number.
        self.compared(&operand, a.min(most - 2), b.min(most - 2), most)
    }

    /// Hex of a length, most of whose bytes do not matter.
    fn pattern(&mut self, len: usize) -> String {
        let byte = |_| match self.rng.random_range(0..10) {
            0 => "00".to_owned(),
            1 if len < 4 => format!("{:02x}", self.rng.random::<u8>()),
            _ => "??".to_owned(),
        };
        format!("hex\"{}\"", (0..len).map(byte).collect::<Vec<_>>().join(" "))
    }

    /// Sometimes a set of the file that fits.
    fn set(&mut self, fits: impl Fn(&&str) -> bool) -> Option<String> {
        let fitting: Vec<usize> = (0..self.sets.len()).filter(|&at| fits(&self.sets[at])).collect();
        if fitting.is_empty() || !self.chance(40) {
            return None;
        }
        Some(format!("@s{}", pick(self.rng, &fitting)))
    }
}

/// Six pairs of digits.
pub(super) fn mac_text(n: u64) -> String {
    let bytes = n.to_be_bytes();
    let pairs: Vec<String> = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// The largest number that a rule may compare a field with.
fn largest(field: &Field) -> u64 {
    let of_place = |at: At| match at {
        At::Bits { width_bits, shift, add, .. } => {
            ((u64::MAX >> (64 - u32::from(width_bits).min(64))) << shift) + u64::from(add)
        }
        At::Const(_) | At::Info(Info::Proto | Info::NameLen | Info::NameLabels) => 255,
        At::Info(Info::PktLen | Info::PayloadLen) => 65535,
        At::Arrival(_) => u64::from(u32::MAX),
        At::Nowhere | At::Info(Info::Name) => 1,
    };
    field.places.iter().map(|place| of_place(place.at)).max().unwrap_or(1)
}

/// Only a hook with a link header sees it.
fn needs_link(when: When) -> bool {
    matches!(
        when,
        When::Link | When::Tag1 | When::Tag2 | When::TypeArp | When::Arp | When::ArpEthIp4
    )
}
