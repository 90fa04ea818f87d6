//! Packets that `test` blocks spell out: `ip(src 5.6.7.8) / udp(dport 53) / "payload"`.
//!
//! Built from the field table: a word in a header's parentheses is a row of [`FIELDS`](crate::fields::FIELDS)
//! that lies in that header. What is left out is filled in: headers in front, what each header says of the
//! next one, lengths, and last the checksums. What is given stays as given, right or wrong.

mod dns;
mod finish;
mod header;
mod mistakes;
mod names;
mod options;

#[cfg(test)]
mod tests;

pub use mistakes::CODES;

use crate::fields::{Field, Transport};
use header::{Header, Kind};
use l4c_grammar::{Diag, Name, Packet, PacketLayer, S, Value};
use l4c_manifest::{HookKind, Start};

/// So many headers a packet may have, entries a header, changes a `with`.
const MAX_PARTS: usize = 64;

/// The one header that is made of several parts.
const DNS_WORD: &str = "dns";

/// What values of a packet mean. The packet knows which field a value is for, its owner knows how values
/// are written and what constants there are.
pub trait Values {
    /// The number that `value` stands for as a value of `field`: an address, a port, a name of the field's,
    /// flags, a constant. Whether it fits into the field is checked by the caller.
    ///
    /// # Errors
    /// If it is none; nothing in the list if that was reported already.
    fn number(&self, value: &S<Value>, field: &'static Field) -> Result<u128, Vec<Diag>>;

    /// The bytes that a constant called `name` holds.
    ///
    /// # Errors
    /// If there is no such constant, or it holds no bytes; nothing in the list if that was reported already.
    fn bytes(&self, name: &Name) -> Result<Vec<u8>, Vec<Diag>>;
}

/// Builds `packet` as a hook of `kind` sees it.
///
/// Hooks that see the Ethernet header get one in front if none is given; for the others, link headers that are
/// given are left away. A packet that begins with its payload is that payload and nothing else. A header
/// length in a header's parentheses makes the header that long; changed by `with`, the header only says so.
///
/// # Errors
/// Every mistake of the packet: unknown headers and fields, values that do not fit, a packet that the hook
/// cannot be shown.
pub fn build(packet: &Packet, kind: HookKind, values: &dyn Values) -> Result<Vec<u8>, Vec<Diag>> {
    let entries = packet.layers.iter().map(|layer| layer.fields.len()).max().unwrap_or(0);
    if [packet.layers.len(), packet.with.len(), entries].iter().any(|&n| n > MAX_PARTS) {
        return Err(vec![mistakes::too_many(packet.span, MAX_PARTS)]);
    }
    let mut headers = read_layers(packet, kind, values)?;
    complete(&mut headers, kind, packet)?;
    let changed = packet.with.iter().map(|(name, value)| change(&mut headers, name, value, values));
    all(changed)?;
    let bytes = finish::finish(headers);
    if bytes.len() < kind.min_bytes() {
        Err(vec![mistakes::too_short(packet.span, bytes.len(), kind)])
    } else if bytes.len() > kind.max_visible_bytes() {
        Err(vec![mistakes::too_long(packet.span, kind)])
    } else {
        Ok(bytes)
    }
}

/// All is well, or everything that is not.
fn all(results: impl Iterator<Item = Result<(), Vec<Diag>>>) -> Result<(), Vec<Diag>> {
    let mut wrong: Option<Vec<Diag>> = None;
    for diags in results.filter_map(Result::err) {
        wrong.get_or_insert_default().extend(diags);
    }
    wrong.map_or(Ok(()), Err)
}

/// The headers as written.
fn read_layers(
    packet: &Packet,
    kind: HookKind,
    values: &dyn Values,
) -> Result<Vec<Header>, Vec<Diag>> {
    let mut headers = Vec::new();
    let mut bytes = 0;
    let read = packet.layers.iter().map(|layer| {
        // Too long is too long: the rest is read for its other mistakes only.
        let read = if layer.name.node == DNS_WORD {
            dns::read(layer, values)?
        } else {
            vec![read_layer(layer, packet, values)?]
        };
        bytes += read.iter().map(|header| header.bytes.len()).sum::<usize>();
        if bytes <= kind.max_visible_bytes() {
            headers.extend(read);
        }
        Ok(())
    });
    all(read)?;
    if bytes > kind.max_visible_bytes() {
        return Err(vec![mistakes::too_long(packet.span, kind)]);
    }
    Ok(headers)
}

/// One entry in a header's parentheses.
type Entry = (Option<Name>, Option<S<Value>>);

/// One header as written.
fn read_layer(
    layer: &PacketLayer,
    packet: &Packet,
    values: &dyn Values,
) -> Result<Header, Vec<Diag>> {
    let word = layer.name.node.as_str();
    if word.is_empty() || word == "payload" {
        return read_payload(layer, packet, values);
    }
    let Some(kind) = Kind::find(word) else {
        return Err(vec![mistakes::unknown_header(&layer.name)]);
    };
    let mut header = Header::new(kind);
    let (options, fields): (Vec<&Entry>, Vec<&Entry>) =
        layer.fields.iter().partition(|entry| options::is_option(kind, entry));
    let options_put = options::put(&mut header, &layer.name, &options, values);
    // Flags first: they say where the rest lies.
    let is_flag = |(name, value): &&Entry| {
        value.is_none() || name.as_ref().is_some_and(|name| name.node == "flags")
    };
    let (flags, others): (Vec<&Entry>, Vec<&Entry>) = fields.into_iter().partition(is_flag);
    let set = |header: &mut Header, entries: &[&Entry]| {
        all(entries.iter().map(|(name, value)| {
            names::set(header, &layer.name, name.as_ref(), value.as_ref(), values)
        }))
    };
    let flags_set = set(&mut header, &flags);
    header.grow();
    for name in others.iter().filter_map(|(name, _)| name.as_ref()) {
        names::announce(&mut header, &layer.name, &name.node);
    }
    all([options_put, flags_set, set(&mut header, &others)].into_iter())?;
    header.grow();
    Ok(header)
}

/// Bare text or hex; `payload` with nothing, `"…"`, `hex"…"`, `100`, `bytes 100` or a constant in parentheses.
fn read_payload(
    layer: &PacketLayer,
    packet: &Packet,
    values: &dyn Values,
) -> Result<Header, Vec<Diag>> {
    let place = if layer.name.node.is_empty() { packet.span } else { layer.name.span };
    let bytes = match layer.fields.as_slice() {
        [] => Vec::new(),
        [(None, Some(value))] => payload_bytes(value, values)?,
        [(Some(name), Some(value))] if name.node == "bytes" => payload_bytes(value, values)?,
        [(Some(name), None)] => values.bytes(name)?,
        _ => return Err(vec![mistakes::not_a_payload(place)]),
    };
    Ok(Header { bytes, ..Header::new(Kind::Payload) })
}

fn payload_bytes(value: &S<Value>, values: &dyn Values) -> Result<Vec<u8>, Vec<Diag>> {
    match &value.node {
        Value::Text { bytes, nocase: false } => Ok(bytes.clone()),
        Value::Hex(bytes) => bytes
            .iter()
            .copied()
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| vec![mistakes::unknown_byte(value.span)]),
        Value::Word(word) if word.starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(vec![0; names::payload_bytes(value, values)?])
        }
        Value::Word(word) => values.bytes(&l4c_grammar::spanned(word.clone(), value.span)),
        Value::Text { nocase: true, .. }
        | Value::List(_)
        | Value::Tuple(_)
        | Value::SetRef(_)
        | Value::Flags(_) => Err(vec![mistakes::not_a_payload(value.span)]),
    }
}

/// Puts in the headers that are missing, takes away those that the hook does not see.
fn complete(headers: &mut Vec<Header>, hook: HookKind, packet: &Packet) -> Result<(), Vec<Diag>> {
    if headers.first().is_none_or(|first| first.kind == Kind::Payload) {
        return Ok(());
    }
    dns::complete(headers);
    let is_link = |header: &&Header| matches!(header.kind, Kind::Eth | Kind::Vlan);
    let link_headers = headers.iter().take_while(is_link).count();
    if headers.get(link_headers).is_some_and(|header| header.kind.udp_port().is_some()) {
        headers.insert(link_headers, Header::new(Kind::Transport(Transport::Udp)));
    }
    match headers.get(link_headers).map(|header| header.kind) {
        Some(kind @ (Kind::Transport(_) | Kind::Ext(_))) => {
            headers.insert(link_headers, Header::new(kind.usual_network()));
        }
        Some(Kind::Arp) if hook.start() == Start::Network => {
            return Err(vec![mistakes::no_arp(packet.span, hook)]);
        }
        Some(
            Kind::Arp
            | Kind::Eth
            | Kind::Vlan
            | Kind::Ip4
            | Kind::Ip6
            | Kind::Dns(_)
            | Kind::Vxlan
            | Kind::Gue
            | Kind::Payload,
        )
        | None => {}
    }
    match hook.start() {
        Start::Network => drop(headers.drain(..link_headers)),
        Start::Link if headers[0].kind != Kind::Eth => headers.insert(0, Header::new(Kind::Eth)),
        Start::Link => {}
    }
    Ok(())
}

/// `with NAME = VALUE`
fn change(
    headers: &mut Vec<Header>,
    name: &Name,
    value: &S<Value>,
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    if name.node == "payload" {
        let bytes = payload_bytes(value, values)?;
        headers.retain(|header| header.kind != Kind::Payload);
        headers.push(Header { bytes, ..Header::new(Kind::Payload) });
        return Ok(());
    }
    if name.node == dns::NAME_FIELD {
        return dns::rename(headers, name, value, values);
    }
    names::change(headers, name, value, values)
}
