//! Which bits of which header a word of a packet means.

use super::header::{DnsPart, Header, Kind};
use super::mistakes;
use super::{Values, dns};
use crate::fields::{
    At, Base, Ext, FIELDS, Field, Form, INNER, PORT_PROTOS, Place, Transport, Ty, When,
};
use crate::ranges::max_value;
use l4c_grammar::{Diag, Name, S, Value};

/// Rows of what packets can be given and rules cannot ask for: offsets as in the field table, but those of
/// extension headers count from the header's own start.
macro_rules! rows {
    ($($name:literal $ty:ident [$when:expr, $base:ident, $off_bits:literal, $width_bits:literal] $doc:literal;)*) => {
        &[$(Field {
            name: $name,
            ty: Ty::$ty,
            places: &[Place {
                when: $when,
                at: At::Bits {
                    base: Base::$base,
                    off_bits: $off_bits,
                    width_bits: $width_bits,
                    shift: 0,
                    add: 0,
                },
            }],
            names: &[],
            doc: $doc,
        }),*]
    };
}

const HBH: When = When::Ext(Ext::HopByHop);
const RT: When = When::Ext(Ext::Routing);
const FRAG: When = When::Ext(Ext::Fragment);
const DSTOPTS: When = When::Ext(Ext::DstOpts);
const AH: When = When::Ext(Ext::Auth);
const MH: When = When::Ext(Ext::Mobility);

/// In a packet the type of a link header is the one that stands in that header, so that tags of every sort can
/// be built.
static EXTRA: &[Field] = rows! {
    "eth.type" Number [When::Link, Link, 96, 16] "EtherType in this header";
    "vlan.type" Number [When::Tag1, Link, 128, 16] "EtherType in this tag";
    "arp.hlen" Number [When::Arp, Net, 32, 8] "bytes of a hardware address";
    "arp.plen" Number [When::Arp, Net, 40, 8] "bytes of a protocol address";
    "ip.version" Number [When::Ip4, Net, 0, 4] "version";
    "ip6.version" Number [When::Ip6, Net, 0, 4] "version";
    "hbh.next" Number [HBH, Net, 0, 8] "next header";
    "hbh.len" Number [HBH, Net, 8, 8] "units of 8 bytes behind the first";
    "rt.next" Number [RT, Net, 0, 8] "next header";
    "rt.len" Number [RT, Net, 8, 8] "units of 8 bytes behind the first";
    "rt.type" Number [RT, Net, 16, 8] "routing type";
    "rt.left" Number [RT, Net, 24, 8] "segments left";
    "frag.next" Number [FRAG, Net, 0, 8] "next header";
    "frag.offset" Number [FRAG, Net, 16, 13] "in units of 8 bytes";
    "frag.mf" Bit [FRAG, Net, 31, 1] "more fragments";
    "frag.id" Number [FRAG, Net, 32, 32] "identification";
    "dstopts.next" Number [DSTOPTS, Net, 0, 8] "next header";
    "dstopts.len" Number [DSTOPTS, Net, 8, 8] "units of 8 bytes behind the first";
    "ah.len" Number [AH, Net, 8, 8] "units of 4 bytes, less 2";
    "mh.next" Number [MH, Net, 0, 8] "next header";
    "mh.len" Number [MH, Net, 8, 8] "units of 8 bytes behind the first";
    "mh.type" Number [MH, Net, 16, 8] "message type";
    "icmp.checksum" Number [When::Header(Transport::Icmp), Transport, 16, 16] "checksum as sent";
    "icmp6.checksum" Number [When::Header(Transport::Icmp6), Transport, 16, 16] "checksum as sent";
    "dccp.checksum" Number [When::Header(Transport::Dccp), Transport, 48, 16] "checksum as sent";
    "vxlan.flags" Number [When::Always, Net, 0, 8] "0x08: there is a network";
    "vxlan.vni" Number [When::Always, Net, 32, 24] "network";
    "gue.variant" Number [When::Always, Net, 0, 2] "0 or 1";
    "gue.control" Bit [When::Always, Net, 2, 1] "a control message";
    "gue.hlen" Number [When::Always, Net, 3, 5] "units of 4 bytes behind the first";
    "gue.proto" Number [When::Always, Net, 8, 8] "protocol of what is carried";
    "gue.flags" Number [When::Always, Net, 16, 16] "which options follow";
    "igmp.checksum" Number [When::Header(Transport::Igmp), Transport, 16, 16] "checksum as sent";
};

/// Parts of DNS messages: a length is there behind TCP.
static DNS: &[Field] = rows! {
    "dns.length" Number [When::Payload(Transport::Tcp), Transport, 0, 16] "bytes of the message";
    "dns.response" Bit [When::Dns, Dns, 16, 1] "a response";
    "dns.z" Bit [When::Dns, Dns, 25, 1] "reserved";
    "dns.ad" Bit [When::Dns, Dns, 26, 1] "authentic data";
    "dns.cd" Bit [When::Dns, Dns, 27, 1] "checking disabled";
};

/// `payload(N)`
static PAYLOAD: &[Field] = rows! {
    "payload" Number [When::Always, Net, 0, 16] "number of bytes";
};

/// Does a place of a row lie in a header of this kind? What no condition of rules tells, the row's name does.
fn is_of(field: &Field, place: &Place, kind: Kind) -> bool {
    let named = || Kind::find(field.name.split('.').next().unwrap_or(field.name));
    if place.when == When::Always { named() == Some(kind) } else { lies_in(place.when, kind) }
}

/// Does a place with this condition lie in a header of this kind?
fn lies_in(when: When, kind: Kind) -> bool {
    match when {
        When::Link => kind == Kind::Eth,
        When::Tag1 | When::Tag2 => kind == Kind::Vlan,
        When::Arp | When::ArpEthIp4 => kind == Kind::Arp,
        When::Ip4 => kind == Kind::Ip4,
        When::Ip6 => kind == Kind::Ip6,
        When::Ports => {
            let with_ports = PORT_PROTOS.iter().map(|(proto, _)| *proto);
            matches!(kind, Kind::Transport(t) if with_ports.into_iter().any(|p| p == t.proto()))
        }
        // One header, whichever IP it stands behind.
        When::Header(Transport::Ah) => kind == Kind::Ext(Ext::Auth),
        When::Header(transport) => kind == Kind::Transport(transport),
        When::Form(form) => kind == Kind::Transport(form.transport),
        When::Ext(ext) => kind == Kind::Ext(ext),
        When::Payload(transport) => {
            kind == Kind::Dns(DnsPart::Length) && transport == Transport::Tcp
        }
        When::Dns => kind == Kind::Dns(DnsPart::Header),
        When::Question => kind == Kind::Dns(DnsPart::Question),
        When::Always
        | When::TypeIp4
        | When::TypeIp6
        | When::TypeArp
        | When::Ip4Options
        | When::TcpOption(_)
        | When::Proto
        | When::ProtoIs(_)
        | When::DnsResponse(_)
        | When::Frag
        | When::Unparsed => false,
    }
}

/// The first bit of a place, counted from the start of the header that it lies in.
fn off_bits(place: Place) -> Option<(usize, usize)> {
    let At::Bits { off_bits, width_bits, .. } = place.at else { return None };
    // Tags are counted from the start of the frame.
    const TAG_BITS: [(When, i16); 2] = [(When::Tag1, 14 * 8), (When::Tag2, 18 * 8)];
    let tag_bits = TAG_BITS.iter().find(|tag| tag.0 == place.when).map_or(0, |tag| tag.1);
    Some((usize::try_from(off_bits - tag_bits).ok()?, usize::from(width_bits)))
}

/// Does the header announce a part that is there only if announced?
fn announced(header: &Header, when: When) -> bool {
    let When::Form(Form { mask, want, .. }) = when else { return true };
    let first = header.bytes.first_chunk().map_or(0, |first| u16::from_be_bytes(*first));
    first & mask == want
}

/// A row and its place in a header: the one that the header announces, or the first.
fn place_in(field: &'static Field, header: &Header) -> Option<(&'static Field, Place)> {
    let lying = || field.places.iter().filter(|place| is_of(field, place, header.kind));
    let place = *lying().find(|place| announced(header, place.when)).or_else(|| lying().next())?;
    off_bits(place)?;
    // `src` of an IPv4 header takes IPv4 addresses only: the row that is this one place knows.
    let own = FIELDS.iter().find(|row| row.ty != Ty::Addr && row.places == [place]);
    Some((if field.ty == Ty::Addr { own.unwrap_or(field) } else { field }, place))
}

fn rows() -> impl Iterator<Item = &'static Field> {
    EXTRA.iter().chain(DNS).chain(FIELDS)
}

/// The row that `word` means inside a header written `header`.
fn find(layer: &str, header: &Header, word: &str) -> Option<(&'static Field, Place)> {
    let full = format!("{layer}.{word}");
    rows().find_map(|f| (f.name == full).then(|| place_in(f, header)).flatten()).or_else(|| {
        FIELDS.iter().find_map(|f| (f.name == word).then(|| place_in(f, header)).flatten())
    })
}

/// Sets the flag of GRE that announces the part called `word`, and makes room for it.
pub(super) fn announce(header: &mut Header, layer: &Name, word: &str) {
    if header.kind != Kind::Transport(Transport::Gre) {
        return;
    }
    if let Some((_, Place { when: when @ When::Form(form), .. })) = find(&layer.node, header, word)
        && !announced(header, when)
    {
        // The first place of each is the one whose own flag alone is set.
        header.put(0, 16, current_bits(header, 0, 16) | u128::from(form.want));
        header.grow();
    }
}

/// Does a word in parentheses mean bits of this header?
pub(super) fn has(header: &Header, layer: &Name, word: &str) -> bool {
    find(&layer.node, header, word).is_some()
}

/// Words that may stand in a header written `header`.
pub(super) fn words(header: &str, kind: Kind) -> Vec<&'static str> {
    let kinds = match kind {
        Kind::Dns(_) => DnsPart::ALL.map(Kind::Dns).to_vec(),
        Kind::Eth
        | Kind::Vlan
        | Kind::Arp
        | Kind::Ip4
        | Kind::Ip6
        | Kind::Ext(_)
        | Kind::Transport(_)
        | Kind::Vxlan
        | Kind::Gue
        | Kind::Payload => vec![kind],
    };
    let mut words: Vec<_> = rows()
        .filter(|field| {
            field.name == dns::NAME_FIELD && matches!(kind, Kind::Dns(_))
                || kinds.iter().any(|&kind| place_in(field, &Header::new(kind)).is_some())
        })
        .map(|field| {
            field.name.strip_prefix(header).and_then(|f| f.strip_prefix('.')).unwrap_or(field.name)
        })
        .collect();
    words.extend(super::options::words(kind));
    words.sort_unstable();
    words.dedup();
    words
}

/// The bits that say `value`, or why there are none.
fn encode(field: &Field, place: Place, value: u128) -> Result<u128, String> {
    let At::Bits { width_bits, shift, add, .. } = place.at else {
        return Err(format!("{} cannot be set", field.name));
    };
    let add = u128::from(add);
    let step = 1u128 << shift;
    let most = (max_value(u32::from(width_bits)) << shift).saturating_add(add);
    if value < add || value > most {
        Err(format!("from {add} to {most}"))
    } else if !(value - add).is_multiple_of(step) {
        Err(format!("a multiple of {step}"))
    } else {
        Ok((value - add) >> shift)
    }
}

/// Sets what one entry in a header's parentheses says: `ttl 3`, `df`, `syn`.
pub(super) fn set(
    header: &mut Header,
    layer: &Name,
    name: Option<&Name>,
    value: Option<&S<Value>>,
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    let Some(name) = name else {
        return Err(vec![mistakes::value_without_field(
            value.map_or(layer.span, |v| v.span),
            layer,
        )]);
    };
    let found = find(&layer.node, header, &name.node);
    let (place, raw) = match (found, value) {
        (Some((field, place)), Some(value)) => (place, raw(field, place, value, values)?),
        (Some((field, place)), None) if field.ty == Ty::Bit => (place, 1),
        // `ack` is a number of TCP and a flag; alone it is the flag.
        (found, None) => return set_flag(header, layer, name, found.is_some()),
        (None, Some(_)) => return Err(vec![mistakes::unknown_field(name, layer, header.kind)]),
    };
    if is_given(header, place) {
        return Err(vec![mistakes::given_twice(name)]);
    }
    put(header, place, raw);
    Ok(())
}

/// A flag by its own name, `tcp(syn, ack)`: the first one clears the flags that are there if none is given.
/// `is_field`: there is a field of that name too.
fn set_flag(
    header: &mut Header,
    layer: &Name,
    name: &Name,
    is_field: bool,
) -> Result<(), Vec<Diag>> {
    let known = FIELDS.iter().filter(|field| field.ty == Ty::Flags).find_map(|field| {
        let (_, bit) = field.names.iter().find(|(word, _)| *word == name.node)?;
        let (_, place) = place_in(field, header)?;
        Some((place, u128::from(*bit)))
    });
    let Some((place, bit)) = known else {
        return Err(vec![if is_field {
            mistakes::no_value(name)
        } else {
            mistakes::unknown_field(name, layer, header.kind)
        }]);
    };
    let before = if is_given(header, place) { current(header, place) } else { 0 };
    put(header, place, before | bit);
    Ok(())
}

/// The bits of a place as they are.
fn current(header: &Header, place: Place) -> u128 {
    let (off, width) = off_bits(place).unwrap_or((0, 0));
    current_bits(header, off, width)
}

fn current_bits(header: &Header, off_bits: usize, width_bits: usize) -> u128 {
    (off_bits..off_bits + width_bits).fold(0, |value, at| {
        let byte = header.bytes.get(at / 8).copied().unwrap_or(0);
        value << 1 | u128::from(byte >> (7 - at % 8) & 1)
    })
}

/// Was any bit of the place given?
fn is_given(header: &Header, place: Place) -> bool {
    off_bits(place).is_some_and(|(off, width)| {
        header.given.iter().any(|given| given.start < off + width && off < given.end)
    })
}

fn put(header: &mut Header, place: Place, raw: u128) {
    if let Some((off, width)) = off_bits(place) {
        header.put(off, width, raw);
        header.given.push(off..off + width);
    }
}

/// The number of bytes that `value` asks for as a payload.
pub(super) fn payload_bytes(value: &S<Value>, values: &dyn Values) -> Result<usize, Vec<Diag>> {
    let field = &PAYLOAD[0];
    raw(field, field.places[0], value, values).map(|count| usize::try_from(count).unwrap_or(0))
}

/// The bits that `value` stands for.
fn raw(
    field: &'static Field,
    place: Place,
    value: &S<Value>,
    values: &dyn Values,
) -> Result<u128, Vec<Diag>> {
    let number = values.number(value, field)?;
    encode(field, place, number)
        .map_err(|why| vec![mistakes::does_not_fit(value.span, field, &why)])
}

/// The first header of the packet inside a tunnel: a second Ethernet header, or a second one of IP.
fn inside(headers: &mut [Header]) -> Option<&mut [Header]> {
    let is_network = |header: &Header| matches!(header.kind, Kind::Ip4 | Kind::Ip6);
    let first = (1..headers.len()).find(|&at| {
        let header = &headers[at];
        header.kind == Kind::Eth || is_network(header) && headers[..at].iter().any(is_network)
    })?;
    Some(&mut headers[first..])
}

/// `with FIELD = VALUE`: the field by its whole name, in the outermost header that has it; behind `inner.`, in
/// the outermost of the packet inside a tunnel.
pub(super) fn change(
    headers: &mut [Header],
    name: &Name,
    value: &S<Value>,
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    let (headers, word) = match name.node.strip_prefix(INNER) {
        None => (headers, name.node.as_str()),
        Some(word) => match inside(headers) {
            Some(headers) => (headers, word),
            None => return Err(vec![mistakes::no_such_header(name)]),
        },
    };
    let mut known = DNS.iter().chain(FIELDS).chain(EXTRA);
    let Some(field) = known.find(|field| field.name == word) else {
        return Err(vec![mistakes::unknown_change(name, FIELDS.iter().map(|field| field.name))]);
    };
    if field.name == "eth.type" {
        return change_type(headers, name, field, value, values);
    }
    if let Some(done) = super::options::change(headers, field, value, values) {
        return done;
    }
    for place in field.places {
        let nth = usize::from(place.when == When::Tag2);
        let holder = headers.iter_mut().filter(|h| is_of(field, place, h.kind)).nth(nth);
        if let Some((header, (field, place))) =
            holder.and_then(|h| place_in(field, h).map(|found| (h, found)))
            && (header.kind != Kind::Transport(Transport::Gre) || announced(header, place.when))
        {
            let raw = raw(field, place, value, values)?;
            put(header, place, raw);
            return Ok(());
        }
    }
    Err(vec![mistakes::no_such_header(name)])
}

/// The EtherType behind the tags stands in the last link header.
fn change_type(
    headers: &mut [Header],
    name: &Name,
    field: &'static Field,
    value: &S<Value>,
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    let raw = raw(field, field.places[0], value, values)?;
    let last = headers.iter_mut().take_while(|h| matches!(h.kind, Kind::Eth | Kind::Vlan)).last();
    let Some(header) = last else { return Err(vec![mistakes::no_such_header(name)]) };
    let end = header.bytes.len() * 8;
    header.put(end - 16, 16, raw);
    header.given.push(end - 16..end);
    Ok(())
}

/// Sets the row called `name`, unless it was given. Used for what is filled in: `raw` are the bits.
pub(super) fn fill(header: &mut Header, name: &str, raw: u128) {
    let found = rows().find_map(|f| (f.name == name).then(|| place_in(f, header)).flatten());
    if let Some((_, place)) = found
        && !is_given(header, place)
        && let Some((off, width)) = off_bits(place)
    {
        header.put(off, width, raw);
    }
}
