//! Helpers that only XDP programs call, as `net/core/filter.c` has them.

use super::{Machine, with_current};

/// Bytes in front of a packet that a program may take (`XDP_PACKET_HEADROOM`), less the kernel's own
/// `struct xdp_frame` there.
const HEADROOM_BYTES: u64 = 256 - 40;

/// A packet keeps at least its Ethernet header.
const MIN_BYTES: u64 = 14;

/// `-EINVAL` as helpers return it.
const EINVAL: u64 = (-(libc::EINVAL as i64)) as u64;

impl Machine {
    /// The packet as the program left it.
    pub fn packet_bytes(&self) -> Vec<u8> {
        let (start, bytes) = self.packet.get();
        self.arena.range(start, bytes as usize).to_vec()
    }

    /// Lets the packet begin and end elsewhere. `start` and `end` are its ends now, if they may be.
    fn place(&self, ctx: u64, start: u64, end: u64) -> u64 {
        if ctx != self.ctx {
            self.fail("moves a packet that is not its own");
            return EINVAL;
        }
        let first = self.arena.end() - self.shown_bytes.get() - HEADROOM_BYTES;
        let fits = start >= first && end <= self.arena.end();
        if !fits || end.checked_sub(start).is_none_or(|bytes| bytes < MIN_BYTES) {
            return EINVAL;
        }
        self.packet.set((start, end - start));
        // data, data_end, data_meta of struct xdp_md
        for (at, word) in (self.ctx..).step_by(4).zip([start, end, start]) {
            self.arena.write(at, &(word as u32).to_ne_bytes());
        }
        0
    }
}

// Distances are 32 bits wide and signed.

pub fn adjust_head(ctx: u64, by: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(|machine| {
        let (start, bytes) = machine.packet.get();
        let moved = start.wrapping_add_signed(i64::from(by as i32));
        machine.place(ctx, moved, start + bytes)
    })
}

/// A packet is only ever made shorter: no program of ours makes one longer.
pub fn adjust_tail(ctx: u64, by: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(|machine| {
        let (start, bytes) = machine.packet.get();
        let end = (start + bytes).wrapping_add_signed(i64::from(by as i32));
        machine.place(ctx, start, end)
    })
}

/// Where a packet goes matters to nobody here.
pub fn redirect(_: u64, flags: u64, _: u64, _: u64, _: u64) -> u64 {
    const XDP_ABORTED: u64 = 0;
    const XDP_REDIRECT: u64 = 4;
    if flags == 0 { XDP_REDIRECT } else { XDP_ABORTED }
}

pub fn get_smp_processor_id(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    0
}
