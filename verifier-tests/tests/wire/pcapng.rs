//! Just enough of pcapng to see what stands beside packets; ours alone, little-endian.

/// A packet with what is told of it.
#[derive(Debug)]
pub struct Packet {
    pub interface: String,
    pub time_ns: u64,
    pub orig_bytes: u32,
    pub data: Vec<u8>,
    pub comment: String,
}

const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;

/// The packets of a file.
///
/// # Errors
/// When it does not end with the end of a block.
pub fn packets(mut file: &[u8]) -> Result<Vec<Packet>, String> {
    let (mut names, mut packets) = (Vec::new(), Vec::new());
    while !file.is_empty() {
        let bytes = word(file, 4)? as usize;
        let whole = file.get(..bytes).filter(|b| b.len() >= 12);
        let whole = whole.ok_or_else(|| format!("{bytes} bytes of {}", file.len()))?;
        let body = &whole[8..bytes - 4];
        match word(file, 0)? {
            1 => names.push(option(&body[8..], IF_NAME)),
            6 => {
                let [interface, high, low, kept, orig_bytes] =
                    [0, 4, 8, 12, 16].map(|at| word(body, at).unwrap_or(u32::MAX));
                let kept = kept as usize;
                let rest = body.get(20 + kept.next_multiple_of(4)..).ok_or("data is cut")?;
                let name: Option<&String> = names.get(interface as usize);
                packets.push(Packet {
                    interface: name.ok_or("no such interface")?.clone(),
                    time_ns: u64::from(high) << 32 | u64::from(low),
                    orig_bytes,
                    data: body[20..20 + kept].to_vec(),
                    comment: option(rest, COMMENT),
                });
            }
            _ => {}
        }
        file = &file[bytes..];
    }
    Ok(packets)
}

/// The text of an option; empty if it is not there.
fn option(mut options: &[u8], wanted: u16) -> String {
    while let [a, b, c, d, rest @ ..] = options {
        let (code, bytes) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
        let value = rest.get(..usize::from(bytes)).unwrap_or_default();
        if code == wanted {
            return String::from_utf8_lossy(value).into_owned();
        }
        options = rest.get(usize::from(bytes).next_multiple_of(4)..).unwrap_or_default();
    }
    String::new()
}

fn word(bytes: &[u8], at: usize) -> Result<u32, String> {
    let word = bytes.get(at..).and_then(|b| b.first_chunk());
    word.map(|word| u32::from_le_bytes(*word)).ok_or_else(|| "a block is cut".to_owned())
}
