//! A counting sketch: how a line of cells lies in memory.

use super::Limit;

/// Groups of cells in a line: a key has a cell in each.
pub const SKETCH_GROUPS: u32 = 3;
/// Cells of a group: a power of two.
pub const SKETCH_CELLS: u32 = 4;
/// Offset of the first cell, behind the lock; each is the instant at which it will be full, a u64.
pub const SKETCH_CELLS_OFF: u32 = 8;
/// Bytes of a line.
pub const SKETCH_LINE_BYTES: u32 = 128;

/// Of 1000 lines so many have a key that is over the limit.
const HEAVY_IN_1000_LINES: u64 = 55;

impl Limit {
    /// Lines of a sketch: so many that of the keys that keep to the limit fewer than one in a thousand is taken for one
    /// that does not, as long as no more than [`Self::max`] do not.
    ///
    /// (Keys fall into lines as Poisson has it. Where k others of a line are over the limit, one of them has a given cell
    /// with a chance of 1 - (3/4)^k, and all three of a key's with the cube of that; at 0.055 a line that is 0.00094.)
    pub(super) fn sketch_lines(&self) -> u32 {
        let lines = self.max.saturating_mul(1000).div_ceil(HEAVY_IN_1000_LINES);
        u32::try_from(lines).unwrap_or(u32::MAX).max(1)
    }
}
