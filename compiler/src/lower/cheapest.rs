//! The loads that a pattern with gaps is compared by, chosen by what they cost.

use super::search::{Piece, piece};
use crate::hir::Pattern;

/// Instructions that comparing a load of `bytes` bytes takes, if the bits in `care` matter: the first byte lowest,
/// as the machine reads them.
fn cost(bytes: usize, care: u64) -> u32 {
    let all = if bytes == 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 };
    let wide_mask = u32::from(i32::try_from(care.cast_signed()).is_err());
    // A number of 64 bits takes a register, and so does such a mask.
    match (bytes, care == all) {
        (8, true) => 3,
        (8, false) => 4 + wide_mask,
        (_, full) => 2 + u32::from(!full),
    }
}

/// The cheapest way to compare what begins at some byte.
#[derive(Clone, Copy)]
struct Best {
    cost: u32,
    loads: u32,
    /// Where the first load begins, and its bytes.
    load: Option<(usize, usize)>,
}

/// The loads, in order, that compare the pattern by the fewest instructions, and of those by the fewest branches.
/// Loads may overlap and lie anywhere: for hooks that point into the packet.
pub fn cheapest(pattern: &Pattern) -> Vec<Piece> {
    let len = pattern.care.len();
    let mut best = vec![Best { cost: 0, loads: 0, load: None }; len + 1];
    for from in (0..len).rev() {
        best[from] = if pattern.care[from] == 0 {
            best[from + 1]
        } else {
            let options = [1, 2, 4, 8].into_iter().flat_map(|bytes: usize| {
                let starts = (from + 1).saturating_sub(bytes)..=from;
                starts.filter(move |start| start + bytes <= len).map(move |start| (start, bytes))
            });
            let ways = options.map(|(start, bytes)| {
                let bytes_care = &pattern.care[start..start + bytes];
                let care = bytes_care.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
                let rest = best[start + bytes];
                let load = Some((start, bytes));
                Best { cost: cost(bytes, care) + rest.cost, loads: 1 + rest.loads, load }
            });
            ways.min_by_key(|way| (way.cost, way.loads)).unwrap_or(best[from + 1])
        };
    }
    let (mut pieces, mut at) = (Vec::new(), 0);
    while let Some((start, bytes)) = best[at].load {
        pieces.extend(piece(pattern, start, bytes, 0));
        at = start + bytes;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(care: &[u8]) -> Vec<(u32, u32)> {
        let pattern =
            Pattern { want: care.iter().map(|c| c & 0x5a).collect(), care: care.to_vec() };
        cheapest(&pattern).iter().map(|p| (p.at_bytes, p.width.bytes())).collect()
    }

    #[test]
    fn few_instructions_then_few_branches() {
        assert_eq!(loads(&[]), []);
        assert_eq!(loads(&[0, 0, 0]), []);
        assert_eq!(loads(&[0, 255, 255, 0]), [(1, 2)]);
        // One load of four bytes with a byte twice is less than two.
        assert_eq!(loads(&[255; 7]), [(0, 4), (3, 4)]);
        // Not six bytes under a mask.
        assert_eq!(
            loads(&[0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
            [(2, 2), (4, 8)]
        );
        // A mask of eight bytes is no more than two loads, one of them with a mask, and asks once.
        assert_eq!(loads(&[255, 255, 255, 255, 0xf1, 255, 255, 255]), [(0, 8)]);
        assert_eq!(loads(&[0x0f, 0, 0, 0, 255, 255, 255, 255]), [(0, 8)]);
    }
}
