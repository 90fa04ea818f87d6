//! Packets as hex, in and out.

use std::fmt::Write as _;

/// Bytes of a hex text; blanks, colons, dots and a leading `0x` are let through.
///
/// # Errors
/// What is wrong, in words.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let separates = |c: char| c.is_whitespace() || matches!(c, ':' | '.');
    let mut digits = Vec::with_capacity(text.len());
    for c in text.chars().filter(|&c| !separates(c)) {
        let digit = c.to_digit(16).ok_or_else(|| format!("{c:?} is no hex digit"))?;
        digits.push(u8::try_from(digit).expect("a hex digit is below 16"));
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    } else {
        Err(format!("{} hex digits do not make whole bytes", digits.len()))
    }
}

/// Hex digits without anything between.
pub fn plain(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

/// Sixteen bytes a line: offset, hex, printable characters.
pub fn dump(bytes: &[u8]) -> Vec<String> {
    let line = |(index, chunk): (usize, &[u8])| {
        let mut hex = String::new();
        for pair in chunk.chunks(2) {
            hex += &plain(pair);
            hex.push(' ');
        }
        let printable = |&b: &u8| if b.is_ascii_graphic() || b == b' ' { b as char } else { '.' };
        let text: String = chunk.iter().map(printable).collect();
        format!("{:04x}  {hex:40} {text}", index * 16)
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_people_write_it() {
        for text in ["0x0a1b2C", "0a 1b 2c", "0A:1B:2C", " 0a1b.2c\n"] {
            assert_eq!(parse(text), Ok(vec![0x0a, 0x1b, 0x2c]), "{text}");
        }
        assert_eq!(parse(""), Ok(vec![]));
        assert!(parse("abc").is_err_and(|e| e.contains("3 hex digits")));
        assert!(parse("0g").is_err_and(|e| e.contains("'g'")));
    }

    #[test]
    fn a_dump_shows_offset_hex_and_text() {
        let lines = dump(b"0123456789abcdef\x00z");
        assert_eq!(lines[0], "0000  3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef");
        assert_eq!(lines[1], "0010  007a                                     .z");
    }
}
