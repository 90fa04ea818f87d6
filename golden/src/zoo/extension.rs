//! IPv6 extension headers.

use super::parts::{Ip, raw_of};

/// Hop-by-hop options.
pub(crate) const HBH: u8 = 0;
/// Routing.
pub(crate) const ROUTING: u8 = 43;
/// Fragment.
pub(crate) const FRAGMENT: u8 = 44;
/// Authentication.
pub(crate) const AUTH: u8 = 51;
/// No next header.
pub(crate) const NOTHING: u8 = 59;
/// Destination options.
pub(crate) const DST: u8 = 60;
/// Mobility.
pub(crate) const MOBILITY: u8 = 135;

/// An extension header: its number, and its bytes, whose first is filled in with the next one's number.
pub(crate) type Ext = (u8, Vec<u8>);

/// One whose second byte counts units of 8 bytes behind the first 8. Pad1 options fill it.
pub(crate) fn plain(number: u8, more_units: u8) -> Ext {
    let mut bytes = vec![0; 8 + 8 * usize::from(more_units)];
    bytes[1] = more_units;
    (number, bytes)
}

/// RFC 6275: a binding refresh request.
pub(crate) fn mobility() -> Ext {
    (MOBILITY, vec![0, 0, 0, 0, 0, 0, 0, 0])
}

/// RFC 4302: the second byte counts units of 4 bytes, less 2.
pub(crate) fn auth(units_less_2: u8) -> Ext {
    let mut bytes = vec![0; 4 * (usize::from(units_less_2) + 2)];
    bytes[1] = units_less_2;
    (AUTH, bytes)
}

/// A fragment header of an offset in units of 8 bytes.
pub(crate) fn fragment(off_units: u16, more: bool) -> Ext {
    let [high, low] = (off_units << 3 | u16::from(more)).to_be_bytes();
    (FRAGMENT, vec![0, 0, high, low, 0, 0, 0, 9])
}

/// Behind `ip`, extension headers in front of `last`.
pub(crate) fn chain_of(ip: Ip, exts: &[Ext], last: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, (_, ext)) in exts.iter().enumerate() {
        let next = exts.get(at + 1).map_or(last, |(number, _)| *number);
        bytes.push(next);
        bytes.extend(&ext[1..]);
    }
    bytes.extend(data);
    raw_of(ip, exts.first().map_or(last, |(number, _)| *number), &bytes)
}
