//! Flows of a key: how a line of them lies in memory.
//!
//! Keys fall into lines by their hash. A line holds flows of all its keys, each as a slot: whose it is (a half of the
//! key's hash above a half of its own) and until when it counts. One lock a line, so that looking a flow up, counting
//! those of its key and opening one more are one step.

use super::{Limit, Setting};

/// The most flows that a key may be allowed.
pub const MAX_ALLOWED: u64 = 200;

/// Offset of the first slot, behind the lock.
pub const LINE_SLOTS_OFF: u32 = 8;
/// Bytes of a slot: its tag, and the instant from which on it does not count, both u64.
pub const SLOT_BYTES: u32 = 16;

/// Slots of a line, the most that a key is allowed there, and the mean number of flows in a line, in hundredths, at
/// which fewer than one flow in a thousand finds its line full. (Flows of different keys fall into lines as Poisson has
/// it.)
const LINES: [(u32, u64, u64); 6] = [
    (7, 5, 209),
    (15, 12, 737),
    (31, 24, 1994),
    (63, 50, 4757),
    (127, 101, 10_600),
    (255, MAX_ALLOWED, 22_690),
];

impl Limit {
    fn line(&self) -> (u32, u64, u64) {
        LINES.into_iter().find(|&(_, most, _)| self.burst <= most).unwrap_or(LINES[5])
    }

    /// Flows that share a line.
    #[must_use]
    pub fn line_slots(&self) -> u32 {
        self.line().0
    }

    /// Lines of a table of flows: without key there is one.
    pub(super) fn lines(&self) -> u32 {
        if self.key.is_empty() {
            return 1;
        }
        let lines = self.max.saturating_mul(100).div_ceil(self.line().2);
        u32::try_from(lines).unwrap_or(u32::MAX).max(1)
    }

    /// Bytes of a line: a power of two.
    pub(super) fn line_bytes(&self) -> u32 {
        (LINE_SLOTS_OFF + SLOT_BYTES * self.line_slots()).next_power_of_two()
    }

    /// What a program reads of flows: how long they count, and how many of them.
    #[must_use]
    pub fn flow_setting(&self) -> Setting {
        Setting { cost: self.idle_ns, burst: self.burst, ..Setting::default() }
    }
}
