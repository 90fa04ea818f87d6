//! What random packets carry: texts of the pool, whole, cut and changed, and DNS messages.

use super::pool::{Label, Pool, pick};
use crate::zoo::dns::{header_of, sent};
use rand::Rng as _;
use rand::rngs::StdRng;

/// Bytes with texts of the pool in them.
pub(super) fn texts(rng: &mut StdRng, pool: &Pool) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let gap = pick(rng, &[0, 0, 0, 1, 7, 8, 55, 63, 64, 120, 250, 1000]);
        let fill = pick(rng, b"an\0\xff");
        out.extend(vec![fill; gap]);
        let mut text = pool.texts[rng.random_range(0..pool.texts.len())].clone();
        match rng.random_range(0..10) {
            0 => text.truncate(rng.random_range(0..=text.len())),
            1 => text = text.to_ascii_uppercase(),
            2 => {
                let at = rng.random_range(0..text.len());
                text[at] ^= 1 << rng.random_range(0..8);
            }
            _ => {}
        }
        out.extend(text);
    }
    if rng.random_ratio(1, 3) {
        out.extend(vec![0; rng.random_range(0..90)]);
    }
    out
}

/// The ports of a packet with DNS: on one side at least, usually, one that DNS is spoken on.
pub(super) fn ports(rng: &mut StdRng, (sport, dport): (u16, u16)) -> (u16, u16) {
    let port = pick(rng, &[53, 53, 53, 53, 5353, 5300, 5350]);
    match rng.random_range(0..10) {
        0 => (sport, dport),
        1..4 => (port, dport),
        _ => (sport, port),
    }
}

/// A DNS message, most of them whole; behind TCP with its length.
pub(super) fn message(rng: &mut StdRng, pool: &Pool, over_tcp: bool) -> Vec<u8> {
    let flags = pick(rng, &[[1, 0], [1, 0], [0, 0], [0x81, 0x80], [0x85, 0x83], [0x28, 0x0f]]);
    let flags = if rng.random_ratio(1, 8) { rng.random() } else { flags };
    let questions = pick(rng, &[1, 1, 1, 1, 1, 1, 0, 2, 256]);
    let few = |rng: &mut StdRng| pick(rng, &[0, 0, 1, 2, 258]);
    let counts = [questions, few(rng), few(rng), few(rng)];
    let id = u16::try_from(pick(rng, &pool.numbers) & 0xffff).expect("16 bits");
    let mut out = header_of(id, flags, counts);
    out.extend(name(rng, pool));
    out.extend(pick(rng, &[1_u16, 1, 28, 255, 252, 0, 65535]).to_be_bytes());
    out.extend(pick(rng, &[1_u16, 1, 3, 255]).to_be_bytes());
    match rng.random_range(0..12) {
        0 => out.truncate(rng.random_range(0..=out.len())),
        1 | 2 => {
            let more = rng.random_range(0..40);
            out.extend(vec![0xc0; more]);
        }
        _ => {}
    }
    if over_tcp {
        let len = u16::try_from(out.len()).expect("a few hundred bytes");
        let says = pick(rng, &[len, len, len, len, len, len, len.saturating_sub(1), len + 1, 12]);
        out.splice(0..0, says.to_be_bytes());
    }
    out
}

/// A name of the pool or one near it, as it is sent.
fn name(rng: &mut StdRng, pool: &Pool) -> Vec<u8> {
    let mut labels = pool.names[rng.random_range(0..pool.names.len())].clone();
    match rng.random_range(0..12) {
        0 | 1 => labels.insert(0, word(rng)),
        2 => labels.push(word(rng)),
        3 if !labels.is_empty() => drop(labels.remove(0)),
        4 if labels.len() > 1 => {
            // Two labels in one, with a length or a dot between them.
            let second = labels.remove(1);
            let between = pick(rng, &[b'.', 3, 7]);
            labels[0].push(between);
            labels[0].extend(second);
            labels[0].truncate(63);
        }
        5 | 6 => {
            let label = rng.random_range(0..labels.len().max(1));
            if let Some(byte) = labels.get_mut(label).and_then(|label| label.first_mut()) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        7 => {
            let many = rng.random_range(0..140);
            labels.splice(0..0, vec![b"x".to_vec(); many]);
        }
        _ => {}
    }
    if rng.random_ratio(1, 4) {
        labels.iter_mut().for_each(|label| label.make_ascii_uppercase());
    }
    let mut out = sent(&labels.iter().map(Vec::as_slice).collect::<Vec<_>>());
    match rng.random_range(0..20) {
        0 => {
            out.pop();
            out.extend([0xc0, 12]);
        }
        1 => out[0] = rng.random(),
        _ => {}
    }
    out
}

fn word(rng: &mut StdRng) -> Label {
    let long = rng.random_range(0..=63);
    let len = pick(rng, &[1, 2, 3, 8, long]).max(1);
    (0..len).map(|_| pick(rng, b"abx1-")).collect()
}
