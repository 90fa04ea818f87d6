//! Questions to bytes and names. Their texts are pieces of those that packets carry.

use super::pool::{Label, pick};
use super::terms::Source;
use rand::Rng as _;
use std::fmt::Write as _;

/// Fields that a slice may begin at, most of them small where packets are whole.
const OFFSETS: [&str; 10] = [
    "tcp.hdr_len",
    "ip.hdr_len",
    "udp.len",
    "ttl",
    "ip.frag_off",
    "tcp.payload_len",
    "ip.len",
    "icmp.type",
    "dns.qname.len",
    "dns.qdcount",
];

const ENDS: [u32; 12] = [1, 4, 12, 16, 20, 40, 64, 70, 128, 256, 1000, 65535];

impl Source<'_> {
    fn layer(&mut self) -> &'static str {
        let layers: &[&'static str] = &["payload", "payload", "payload", "payload", "l4", "l3"];
        if self.link && self.chance(15) { "l2" } else { pick(self.rng, layers) }
    }

    /// A piece of a text, at least one byte and at most `most`.
    fn piece(&mut self, most: usize) -> Vec<u8> {
        let at = self.rng.random_range(0..self.pool.texts.len());
        let text = &self.pool.texts[at];
        let from = if self.rng.random() { 0 } else { self.rng.random_range(0..text.len()) };
        let len =
            if self.rng.random() { text.len() } else { self.rng.random_range(1..=text.len()) };
        text[from..(from + len).min(text.len())].iter().copied().take(most.max(1)).collect()
    }

    /// It as a rule writes it.
    fn written(&mut self, bytes: &[u8]) -> String {
        match self.rng.random_range(0..4) {
            0 => {
                let any = self.rng.random_range(2..9);
                let byte = |byte: &u8| {
                    if self.rng.random_range(0..any) == 0 {
                        "??".to_owned()
                    } else {
                        format!("{byte:02x}")
                    }
                };
                let bytes: Vec<String> = bytes.iter().map(byte).collect();
                format!("hex\"{}\"", bytes.join(" "))
            }
            1 => format!("i{}", quoted(bytes)),
            _ => quoted(bytes),
        }
    }

    /// One text, or a list of them.
    fn some_texts(&mut self, most: usize) -> String {
        let count = pick(self.rng, &[1, 1, 1, 2, 3]);
        let texts: Vec<String> = (0..count)
            .map(|_| {
                let piece = self.piece(most);
                self.written(&piece)
            })
            .collect();
        if texts.len() == 1 { texts[0].clone() } else { format!("{{ {} }}", texts.join(", ")) }
    }

    /// A question to the bytes of a layer, or to a slice.
    pub fn text(&mut self) -> String {
        let layer = self.layer();
        if self.chance(35) {
            return self.of_slice(layer);
        }
        match self.rng.random_range(0..10) {
            0 | 1 => format!("{layer} starts_with {}", self.some_texts(255)),
            2 | 3 => format!("{layer} ends_with {}", self.some_texts(255)),
            4 => {
                let op = pick(self.rng, &["==", "!=", "in", "not in"]);
                format!("{layer} {op} {}", self.some_texts(255))
            }
            5..8 => format!("{layer} contains {}", self.some_texts(128)),
            _ => {
                let from = self.window_start();
                let most = 65535 - from;
                let len = pick(self.rng, &ENDS).min(most);
                let texts = self.some_texts((len as usize).min(128));
                format!("{layer} contains {texts} within {from}..{}", from + len)
            }
        }
    }

    fn window_start(&mut self) -> u32 {
        let near = self.rng.random_range(0..80);
        let far = self.rng.random_range(0..4000);
        pick(self.rng, &[0, 0, 0, 1, 7, 8, near, near, far])
    }

    fn of_slice(&mut self, layer: &str) -> String {
        let off = match self.rng.random_range(0..4) {
            0 => pick(self.rng, &OFFSETS).to_owned(),
            1 => format!("{}+{}", pick(self.rng, &OFFSETS), self.window_start()),
            _ => self.window_start().to_string(),
        };
        let len = pick(self.rng, &[1, 2, 4, 8, 3, 6, 16, 40, 64, 65, 128, 255]);
        match self.rng.random_range(0..6) {
            0 => format!("{layer}[{off}:{len}] starts_with {}", self.some_texts(len)),
            1 => format!("{layer}[{off}:{len}] ends_with {}", self.some_texts(len)),
            2 => format!("{layer}[{off}:{len}] contains {}", self.some_texts(len.min(128))),
            3 => {
                let number = self.rng.random_range(0..=255);
                let mask = pick(self.rng, &["", " & 0xdf", " & 0x0f"]);
                let sign = pick(self.rng, &["==", "!=", "<", ">="]);
                format!("{layer}[{off}:1]{mask} {sign} {number}")
            }
            4 => {
                let numbers = [(); 2].map(|()| pick(self.rng, &self.pool.ports));
                let (low, high) = (numbers[0].min(numbers[1]), numbers[0].max(numbers[1]));
                let sign = pick(self.rng, &["in", "not in", "==", "!="]);
                format!("{layer}[{off}:2] {sign} {low}-{high}")
            }
            _ => {
                let piece = self.piece(255);
                let sign = pick(self.rng, &["==", "!="]);
                let len = piece.len();
                format!("{layer}[{off}:{len}] {sign} {}", self.written(&piece))
            }
        }
    }

    fn labels(&mut self) -> Vec<Label> {
        let at = self.rng.random_range(0..self.pool.names.len());
        self.pool.names[at].clone()
    }

    /// A question to the name of the first DNS question.
    pub fn name(&mut self, field: &str) -> String {
        let count = pick(self.rng, &[1, 1, 1, 1, 2, 3]);
        let op = pick(
            self.rng,
            &["==", "!=", "in", "not in", "ends_with", "ends_with", "contains", "like", "like"],
        );
        let texts: Vec<String> = (0..count)
            .map(|_| match op {
                "ends_with" => self.name_end(),
                "contains" => self.name_piece(),
                "like" => self.name_looks(),
                _ => self.whole_name(),
            })
            .collect();
        if texts.len() == 1 {
            format!("{field} {op} {}", texts[0])
        } else {
            format!("{field} {op} {{ {} }}", texts.join(", "))
        }
    }

    /// With the case of some letters turned.
    fn spelled(&mut self, labels: &[Label]) -> Vec<u8> {
        let turned = self.chance(30);
        let turn = |byte: &u8| if turned { byte.to_ascii_uppercase() } else { *byte };
        labels.join(&b'.').iter().map(turn).collect()
    }

    fn whole_name(&mut self) -> String {
        let mut labels = self.labels();
        if self.chance(30) && !labels.is_empty() {
            labels.remove(0);
        }
        let text = self.spelled(&labels);
        if text.is_empty() { "\".\"".to_owned() } else { quoted(&text) }
    }

    fn name_end(&mut self) -> String {
        let labels = self.labels();
        let from = self.rng.random_range(0..=labels.len().saturating_sub(1));
        let mut text = self.spelled(&labels[from..]);
        if text.is_empty() {
            return "\"com\"".to_owned();
        }
        if self.chance(25) {
            text.insert(0, b'.');
        }
        quoted(&text)
    }

    fn name_piece(&mut self) -> String {
        let labels = self.labels();
        let text = self.spelled(&labels);
        if text.is_empty() {
            return "\"e\"".to_owned();
        }
        let from = self.rng.random_range(0..text.len());
        let to = self.rng.random_range(from + 1..=text.len());
        quoted(&text[from..to])
    }

    fn name_looks(&mut self) -> String {
        let labels = self.labels();
        let from = self.rng.random_range(0..=labels.len().saturating_sub(1));
        let mut looks: Vec<Label> =
            labels[from..].iter().map(|label| self.label_looks(label)).collect();
        if looks.is_empty() {
            looks.push(b"*".to_vec());
        }
        let any = if self.chance(40) { "**." } else { "" };
        let text = quoted(&looks.join(&b'.'));
        format!("\"{any}{}", &text[1..])
    }

    /// A label, parts of it hidden: at most two counted stars, which are what the compiler has room for.
    fn label_looks(&mut self, label: &[u8]) -> Label {
        let mut out = Vec::new();
        let mut rest = label;
        let mut counted = 0;
        while let Some((&first, behind)) = rest.split_first() {
            let some = self.rng.random_range(0..=rest.len());
            match self.rng.random_range(0..12) {
                0 => out.push(b'?'),
                1 if !out.ends_with(b"*") => {
                    out.push(b'*');
                    rest = &rest[some..];
                    continue;
                }
                2 if counted < 2 && !out.ends_with(b"*") => {
                    counted += 1;
                    let low = some.saturating_sub(self.rng.random_range(0..3));
                    let high = (some + self.rng.random_range(0..3)).min(63);
                    out.extend(format!("*{{{low}-{high}}}").bytes());
                    rest = &rest[some..];
                    continue;
                }
                _ => out.push(first),
            }
            rest = behind;
        }
        // What was hidden must leave room for what stands there.
        if out.len() > 40 || out.is_empty() { b"*".to_vec() } else { out }
    }
}

/// In quotes, all but letters and digits as numbers.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b".*?{}- /:_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "\\x{byte:02x}").expect("a string takes everything");
        }
    }
    out.push('"');
    out
}
