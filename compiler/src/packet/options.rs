//! TCP options in a header's parentheses: `tcp(mss 1460, sack_ok, ts 1:0, nop, wscale 7)`.
//!
//! They stand in the packet as they are written; what is missing to a multiple of 4 bytes is filled up.

use super::header::{Header, Kind};
use super::{Entry, Values, mistakes, payload_bytes};
use crate::fields::{At, Base, Field, Place, TcpOption, Transport};
use l4c_grammar::{Diag, Name, S, Value, spanned};

/// Bytes of the fixed header, and of options at most: RFC 9293, 3.1.
const FIXED_BYTES: usize = Transport::Tcp.header_bytes() as usize;
const MAX_BYTES: usize = 40;

/// Options and what each is: kind and length bytes, and the fields whose values follow.
const OPTIONS: &[(&str, &[u8], &[&str])] = &[
    ("mss", &[2, 4], &["tcp.opt.mss"]),
    ("wscale", &[3, 3], &["tcp.opt.wscale"]),
    ("sack_ok", &[4, 2], &[]),
    ("ts", &[8, 10], &["tcp.opt.ts_val", "tcp.opt.ts_ecr"]),
    ("nop", &[1], &[]),
    ("eol", &[0], &[]),
];

/// Any bytes.
const RAW: &str = "opts";

/// Words for options in a header of this kind.
pub(super) fn words(kind: Kind) -> impl Iterator<Item = &'static str> {
    let options = OPTIONS.iter().map(|option| option.0).chain([RAW]);
    options.filter(move |_| kind == Kind::Transport(Transport::Tcp))
}

/// Is the entry an option of the header?
pub(super) fn is_option(kind: Kind, entry: &Entry) -> bool {
    entry.0.as_ref().is_some_and(|name| words(kind).any(|word| word == name.node))
}

/// Puts options, `entries` of a header called `layer`, behind the fixed header, and says so in its length.
pub(super) fn put(
    header: &mut Header,
    layer: &Name,
    entries: &[&Entry],
    values: &dyn Values,
) -> Result<(), Vec<Diag>> {
    let Some((Some(first), _)) = entries.first() else { return Ok(()) };
    let mut options: Vec<u8> = Vec::new();
    let mut ended = false;
    super::all(entries.iter().map(|(name, value)| {
        let name = name.as_ref().unwrap_or(layer);
        ended = name.node == "eol";
        options.extend(option(name, value.as_ref(), values)?);
        Ok(())
    }))?;
    options.resize(options.len().next_multiple_of(4), u8::from(!ended));
    if options.len() > MAX_BYTES {
        return Err(vec![mistakes::options_too_long(first, options.len(), MAX_BYTES)]);
    }
    header.bytes.truncate(FIXED_BYTES);
    header.bytes.extend(&options);
    header.put(8 * 12, 4, (header.bytes.len() / 4) as u128);
    Ok(())
}

/// The bytes of one option.
fn option(
    name: &Name,
    value: Option<&S<Value>>,
    values: &dyn Values,
) -> Result<Vec<u8>, Vec<Diag>> {
    let row = OPTIONS.iter().find(|option| option.0 == name.node);
    let Some((_, head, fields)) = row else {
        return match value {
            Some(S { node: Value::Text { .. }, span }) => Err(vec![mistakes::options_hex(*span)]),
            Some(value) => payload_bytes(value, values),
            None => Err(vec![mistakes::no_value(name)]),
        };
    };
    let mut bytes = head.to_vec();
    let Some(value) = value else {
        return if fields.is_empty() { Ok(bytes) } else { Err(vec![mistakes::no_value(name)]) };
    };
    if fields.is_empty() {
        return Err(vec![mistakes::option_with_value(value.span, name)]);
    }
    // A timestamp alone echoes none: `ts 1` is `ts 1:0`.
    let mut given: Vec<S<Value>> = if let (Value::Word(word), 2) = (&value.node, fields.len()) {
        word.split(':').map(|part| spanned(Value::Word(part.to_owned()), value.span)).collect()
    } else {
        vec![value.clone()]
    };
    if given.len() > fields.len() {
        return Err(vec![mistakes::two_stamps(value.span)]);
    }
    given.resize_with(fields.len(), || spanned(Value::Word("0".to_owned()), value.span));
    for (field, value) in fields.iter().zip(&given) {
        let field = Field::find(field).expect("these are rows of the table");
        bytes.extend(value_bytes(field, value, values)?);
    }
    Ok(bytes)
}

/// The bytes that say `value`.
fn value_bytes(
    field: &'static Field,
    value: &S<Value>,
    values: &dyn Values,
) -> Result<Vec<u8>, Vec<Diag>> {
    let number = values.number(value, field)?;
    let most = crate::ranges::max_value(field.width_bits());
    if number > most {
        return Err(vec![mistakes::does_not_fit(value.span, field, &format!("0 to {most}"))]);
    }
    Ok(number.to_be_bytes()[16 - field.width_bits() as usize / 8..].to_vec())
}

/// `with tcp.opt.mss = 1400`: changes the value of an option that the packet has. `None` if `field` lies in no
/// option, or no header has it.
pub(super) fn change(
    headers: &mut [Header],
    field: &'static Field,
    value: &S<Value>,
    values: &dyn Values,
) -> Option<Result<(), Vec<Diag>>> {
    let [Place { at: At::Bits { base: Base::TcpOption(option), off_bits, .. }, .. }] = field.places
    else {
        return None;
    };
    let tcp = Kind::Transport(Transport::Tcp);
    let header = headers.iter_mut().find(|header| header.kind == tcp)?;
    let at = find(&header.bytes, *option)? + usize::try_from(off_bits / 8).ok()?;
    Some(value_bytes(field, value, values).map(|bytes| {
        if let Some(place) = header.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
    }))
}

/// Where the first such option of a header begins.
fn find(header: &[u8], option: TcpOption) -> Option<usize> {
    let mut at = FIXED_BYTES;
    loop {
        let kind = *header.get(at)?;
        let len = if kind == 1 { 1 } else { *header.get(at + 1)? };
        if kind == 0 || len == 0 {
            return None;
        }
        if kind == option.kind && option.takes(len) {
            return Some(at);
        }
        at += usize::from(len);
    }
}
