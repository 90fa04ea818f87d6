//! One word without blanks: what it can mean, decided on the whole of it.

use super::value::Val;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a word means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It looks like nothing that the language has.
    Nothing,
    /// `010`
    LeadingZero {
        /// The same number without the zeros.
        decimal: String,
    },
    /// More than 64 bits.
    TooLarge,
    /// `12q`
    Unit {
        /// What stands behind the digits.
        unit: String,
        /// What was probably meant.
        instead: Option<String>,
    },
    /// `80:90`
    ColonRange {
        /// `80-90`
        instead: String,
    },
    /// `02-00-00-00-00-01`
    DashedMac {
        /// The same with colons.
        instead: String,
    },
    /// `10.0.0.0/99`
    PrefixLength {
        /// What was written behind `/`.
        written: String,
        /// 32 or 128.
        max: u8,
    },
    /// `10.0.0.0/255.0.0.0`
    Netmask {
        /// `10.0.0.0/8`, if the mask is one.
        instead: Option<String>,
    },
    /// `10.1` or `300.1.1.1`
    Address {
        /// What is wrong with it.
        why: &'static str,
    },
    /// `1.5`
    Fraction,
    /// `-5`
    Negative,
    /// `udp.dport`
    Field,
}

/// A letter or `_`, then letters, digits, `_`.
pub(crate) fn is_name(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The two ends of `A-B`.
pub(crate) fn range_ends(word: &str) -> Option<(&str, &str)> {
    let (low, high) = word.split_once('-')?;
    (!low.is_empty() && !high.is_empty()).then_some((low, high))
}

/// A hardware address as some systems write it.
pub(crate) fn dashed_mac(word: &str) -> Option<Problem> {
    let instead = word.replace('-', ":");
    (!word.contains(':') && mac(&instead).is_some()).then_some(Problem::DashedMac { instead })
}

/// Reads a word that is neither a name nor a range.
pub(crate) fn parse(word: &str) -> Result<Val, Problem> {
    if word.starts_with('-') {
        return Err(Problem::Negative);
    }
    if let Some((left, right)) = word.split_once('/') {
        return with_slash(left, right);
    }
    if word.contains(':') {
        return with_colon(word);
    }
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        let dotted = word.split('.').count() > 1 && word.split('.').all(is_name);
        return Err(if dotted { Problem::Field } else { Problem::Nothing });
    }
    if word.contains('.') {
        return with_dot(word);
    }
    number(word)
}

fn with_colon(word: &str) -> Result<Val, Problem> {
    if let Some(mac) = mac(word) {
        return Ok(Val::Mac(mac));
    }
    if let Ok(address) = word.parse::<Ipv6Addr>() {
        return Ok(Val::Addr6(u128::from(address)));
    }
    if let Some((low, high)) = word.split_once(':') {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if digits(low) && digits(high) {
            return Err(Problem::ColonRange { instead: format!("{low}-{high}") });
        }
    }
    let zone = word.contains('%');
    Err(Problem::Address {
        why: if zone { "an address here has no zone" } else { "this is no IPv6 address" },
    })
}

/// Six pairs of hexadecimal digits.
fn mac(word: &str) -> Option<u64> {
    let mut n = 0;
    let mut pairs = 0;
    for pair in word.split(':') {
        if pair.len() != 2 || !pair.bytes().all(|b| b.is_ascii_hexdigit()) || pairs == 6 {
            return None;
        }
        n = n << 8 | u64::from_str_radix(pair, 16).ok()?;
        pairs += 1;
    }
    (pairs == 6).then_some(n)
}

fn with_dot(word: &str) -> Result<Val, Problem> {
    if let Ok(address) = word.parse::<Ipv4Addr>() {
        return Ok(Val::Addr4(u32::from(address)));
    }
    let parts: Vec<&str> = word.split('.').take(6).collect();
    if parts.iter().any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        let fraction = parts.len() == 2 && parts[1].starts_with(|c: char| c.is_ascii_digit());
        return Err(if fraction { Problem::Fraction } else { Problem::Nothing });
    }
    Err(match parts.len() {
        2 => Problem::Fraction,
        4 if parts.iter().any(|p| p.len() > 1 && p.starts_with('0')) => {
            Problem::Address { why: "a part of an address may not begin with 0" }
        }
        4 => Problem::Address { why: "a part of an IPv4 address is at most 255" },
        _ => Problem::Address { why: "an IPv4 address has four parts" },
    })
}

fn with_slash(left: &str, right: &str) -> Result<Val, Problem> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let part = number(left).ok().filter(|_| !left.contains(['.', ':']));
    if digits(left) || part.is_some() {
        return if digits(right) {
            ratio(left, right)
        } else if let (Ok(Val::Number(amount)), Some(per_ns)) = (number(left), per_ns(right)) {
            Ok(Val::Rate { amount, per_ns })
        } else {
            Err(Problem::Nothing)
        };
    }
    let address = address(left)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    if let Ok(mask) = right.parse::<Ipv4Addr>() {
        let mask = u32::from(mask);
        let whole = mask.leading_ones() == mask.count_ones();
        let instead = (max == 32 && whole).then(|| format!("{left}/{}", mask.count_ones()));
        return Err(Problem::Netmask { instead });
    }
    let len = right.parse::<u8>().ok().filter(|&len| digits(right) && len <= max);
    let len = len.ok_or_else(|| Problem::PrefixLength { written: right.to_owned(), max })?;
    Ok(match address {
        IpAddr::V4(address) => Val::Prefix4 { address: address.into(), len },
        IpAddr::V6(address) => Val::Prefix6 { address: address.into(), len },
    })
}

/// Nanoseconds of what stands behind the `/` of a rate.
pub(crate) fn per_ns(word: &str) -> Option<u64> {
    DURATIONS.iter().find(|(unit, _)| *unit == word && word != "ms").map(|&(_, ns)| ns)
}

/// Both numbers of a ratio; how they go together is for whoever asked for one.
fn ratio(left: &str, right: &str) -> Result<Val, Problem> {
    match (number(left)?, number(right)?) {
        (Val::Number(part), Val::Number(whole)) => Ok(Val::Ratio { part, whole }),
        _ => Err(Problem::Nothing),
    }
}

fn address(word: &str) -> Result<IpAddr, Problem> {
    if let Ok(address) = word.parse() {
        return Ok(address);
    }
    let problem = if word.contains(':') { with_colon(word) } else { with_dot(word) };
    Err(problem.err().unwrap_or(Problem::Nothing))
}

/// Suffixes of sizes and what they multiply by.
const SIZES: &[(&str, u64)] = &[
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
];

/// Suffixes of durations, in nanoseconds.
const DURATIONS: &[(&str, u64)] = &[
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A number in decimal or hex, a size or a duration.
fn number(word: &str) -> Result<Val, Problem> {
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Problem::Nothing);
        }
        return u64::from_str_radix(hex, 16).map(Val::Number).map_err(|_| Problem::TooLarge);
    }
    let end = word.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(end);
    if digits.is_empty() {
        return Err(Problem::Nothing);
    }
    if digits.len() > 1 && digits.starts_with('0') {
        let bare = digits.trim_start_matches('0');
        let bare = if bare.is_empty() { "0" } else { bare };
        return Err(Problem::LeadingZero { decimal: format!("{bare}{unit}") });
    }
    let n = digits.parse::<u64>().map_err(|_| Problem::TooLarge)?;
    let scale = |table: &[(&str, u64)]| table.iter().find(|(u, _)| *u == unit).map(|&(_, f)| f);
    if unit.is_empty() {
        Ok(Val::Number(n))
    } else if let Some(factor) = scale(SIZES) {
        n.checked_mul(factor).map(Val::Number).ok_or(Problem::TooLarge)
    } else if let Some(factor) = scale(DURATIONS) {
        n.checked_mul(factor).map(Val::Duration).ok_or(Problem::TooLarge)
    } else {
        let instead = intended(unit).map(|unit| format!("{digits}{unit}"));
        Err(Problem::Unit { unit: unit.to_owned(), instead })
    }
}

/// The unit that was meant by a misspelt one.
fn intended(unit: &str) -> Option<&'static str> {
    const MEANT: &[(&str, &str)] = &[
        ("kb", "k"),
        ("mb", "M"),
        ("gb", "G"),
        ("g", "G"),
        ("kib", "Ki"),
        ("mib", "Mi"),
        ("gib", "Gi"),
        ("ki", "Ki"),
        ("mi", "Mi"),
        ("gi", "Gi"),
        ("b", ""),
        ("sec", "s"),
        ("secs", "s"),
        ("min", "m"),
        ("mins", "m"),
        ("hour", "h"),
        ("hours", "h"),
        ("day", "d"),
        ("days", "d"),
    ];
    let lower = unit.to_ascii_lowercase();
    MEANT.iter().find(|(wrong, _)| *wrong == lower).map(|&(_, right)| right)
}
