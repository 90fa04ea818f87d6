//! DNS messages in test packets: `dns(qname "example.com", qtype AAAA, response)`.
//!
//! A message is four parts in a row: behind TCP the two bytes of its length, the header, the name of its
//! question, and the question's type and class.

use super::header::{DnsPart, Header, Kind};
use super::{Entry, Values, all, mistakes, names};
use crate::fields::Transport;
use l4c_grammar::{Diag, Name, PacketLayer, S, Value};

/// RFC 1035 2.3.4: bytes of a label, and of a name as it is sent.
const MAX_LABEL_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 255;

/// The name that is asked for where none is given, as it is sent.
const USUAL_NAME: &[u8] = b"\x07example\x03com\0";
/// Type A, class IN.
const USUAL_QUESTION: &[u8] = &[0, 1, 0, 1];
/// The bit of a header that makes it a response.
const RESPONSE: u8 = 0x80;
/// Where DNS is spoken.
const PORT: u128 = 53;

/// The word for the name, in parentheses and behind `with`.
const NAME_WORD: &str = "qname";
pub(super) const NAME_FIELD: &str = "dns.qname";

/// The parts of a message as written. Without a question are those that say so and give nothing of one.
pub(super) fn read(layer: &PacketLayer, values: &dyn Values) -> Result<Vec<Header>, Vec<Diag>> {
    let mut parts = vec![
        part(DnsPart::Length, &[0; 2]),
        Header::new(Kind::Dns(DnsPart::Header)),
        part(DnsPart::Name, USUAL_NAME),
        part(DnsPart::Question, USUAL_QUESTION),
    ];
    all(layer.fields.iter().map(|entry| set(&mut parts, layer, entry, values)))?;
    let (counts, asked) = (&parts[1].bytes[4..6], &parts[2..]);
    if counts == [0, 0] && asked.iter().all(|part| part.given.is_empty()) {
        parts.truncate(2);
    }
    Ok(parts)
}

fn part(which: DnsPart, bytes: &[u8]) -> Header {
    Header { kind: Kind::Dns(which), bytes: bytes.to_vec(), given: Vec::new() }
}

/// One entry, in the part that it belongs to.
fn set(
    parts: &mut [Header],
    layer: &PacketLayer,
    (name, value): &Entry,
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    let known = name.as_ref().map(|name| name.node.as_str());
    if let (Some(NAME_WORD), Some(name)) = (known, name) {
        let Some(value) = value else { return Err(vec![mistakes::no_value(name)]) };
        let [_, _, asked, ..] = parts else { return Ok(()) };
        if !asked.given.is_empty() {
            return Err(vec![mistakes::given_twice(name)]);
        }
        asked.bytes = name_bytes(value, values)?;
        asked.given.push(0..8 * asked.bytes.len().max(1));
        return Ok(());
    }
    let has = |part: &&mut Header| known.is_some_and(|word| names::has(part, &layer.name, word));
    let holder = parts.iter_mut().find(has);
    let header = match holder {
        Some(holder) => holder,
        None => &mut parts[1],
    };
    names::set(header, &layer.name, name.as_ref(), value.as_ref(), values)
}

/// `with dns.qname = …`
pub(super) fn rename(
    headers: &mut [Header],
    name: &Name,
    value: &S<Value>,
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    let bytes = name_bytes(value, values)?;
    let asked = headers.iter_mut().find(|header| header.kind == Kind::Dns(DnsPart::Name));
    let Some(asked) = asked else { return Err(vec![mistakes::no_such_header(name)]) };
    asked.bytes = bytes;
    Ok(())
}

/// A name as it is sent: a text by its labels, hex as it stands.
fn name_bytes(value: &S<Value>, values: &dyn Values) -> Result<Vec<u8>, Vec<Diag>> {
    let text = match &value.node {
        Value::Text { bytes, nocase: false } => bytes.clone(),
        Value::Word(word) => values.bytes(&l4c_grammar::spanned(word.clone(), value.span))?,
        Value::Hex(bytes) => {
            let whole = bytes.iter().copied().collect::<Option<Vec<u8>>>();
            return whole.ok_or_else(|| vec![mistakes::unknown_byte(value.span)]);
        }
        Value::Text { nocase: true, .. }
        | Value::List(_)
        | Value::Tuple(_)
        | Value::SetRef(_)
        | Value::Flags(_) => {
            return Err(vec![mistakes::not_a_name(value.span, "a text must stand here")]);
        }
    };
    sent(&text).map_err(|why| vec![mistakes::not_a_name(value.span, why)])
}

fn sent(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let mut out = Vec::new();
    for label in text.split(|&byte| byte == b'.').filter(|_| !text.is_empty()) {
        match u8::try_from(label.len()) {
            Ok(0) => return Err("a label between two dots is empty"),
            Ok(len) if usize::from(len) <= MAX_LABEL_BYTES => out.push(len),
            Ok(_) | Err(_) => return Err("a label has at most 63 bytes"),
        }
        out.extend(label);
    }
    out.push(0);
    if out.len() > MAX_NAME_BYTES { Err("a name has at most 255 bytes") } else { Ok(out) }
}

/// A message that stands first, behind tags or behind IP gets UDP in front of it, and one behind TCP its
/// length. A query goes to DNS's port, a response comes from it, if that port was not given.
pub(super) fn complete(headers: &mut Vec<Header>) {
    let is_length = |header: &Header| header.kind == Kind::Dns(DnsPart::Length);
    let Some(at) = headers.iter().position(is_length) else { return };
    let before = at.checked_sub(1).map(|before| headers[before].kind);
    let over_tcp = before == Some(Kind::Transport(Transport::Tcp));
    if !over_tcp && headers[at].given.is_empty() {
        headers.remove(at);
    }
    let carrier = match before {
        Some(Kind::Transport(_)) => at - 1,
        None | Some(Kind::Eth | Kind::Vlan | Kind::Ip4 | Kind::Ip6 | Kind::Ext(_)) => {
            headers.insert(at, Header::new(Kind::Transport(Transport::Udp)));
            at
        }
        Some(Kind::Arp | Kind::Dns(_) | Kind::Vxlan | Kind::Gue | Kind::Payload) => return,
    };
    let is_header = |header: &&Header| header.kind == Kind::Dns(DnsPart::Header);
    let flags = headers.iter().find(is_header).and_then(|header| header.bytes.get(2));
    let responds = flags.is_some_and(|flags| flags & RESPONSE != 0);
    let side = if responds { "sport" } else { "dport" };
    names::fill(&mut headers[carrier], side, PORT);
}
