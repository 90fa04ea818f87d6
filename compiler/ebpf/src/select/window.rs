//! Copies of packet bytes in the frame, for hooks that cannot point into the packet.
//!
//! Each guard of such a hook has a window: the frame bytes that its copy goes to. Windows whose lives do
//! not overlap share them.

use crate::error::{Error, Limit};
use cranelift_entity::SecondaryMap;
use l4c_ir::{Block, Function, InstData, Line, Module, Term, Value, Width};

/// Where the windows of one function lie.
pub struct Windows {
    /// Frame offset of the first byte behind a guard's pointer (negative).
    pub offset: SecondaryMap<Value, i16>,
    /// Bytes at the top of the frame that windows take.
    pub bytes: u32,
}

struct Window {
    ptr: Value,
    len_bytes: u32,
    line: Option<Line>,
    /// First and last use, in instructions.
    life: (u32, u32),
    loads: Vec<(u32, Width)>,
}

const UNITS: u32 = Limit::WindowBytes.max() as u32 / 8;

impl Windows {
    /// No windows.
    pub fn none() -> Self {
        Self { offset: SecondaryMap::new(), bytes: 0 }
    }

    /// Places the windows of `func`.
    ///
    /// # Errors
    /// When a guard wants more bytes than are left.
    pub fn new(module: &Module, func: &Function, order: &[Block]) -> Result<Self, Error> {
        let mut windows = Self::none();
        let mut live: Vec<(u32, u64)> = Vec::new();
        let mut taken = 0u64;
        for window in collect(func, order) {
            live.retain(|&(end, units)| {
                let goes_on = end >= window.life.0;
                taken &= if goes_on { u64::MAX } else { !units };
                goes_on
            });
            let (align, len) = (window.alignment(), u64::from(window.len_bytes));
            let need = (u64::from(align) + len).div_ceil(8);
            let Some(first) = fit(taken, need) else {
                let got = u64::from(taken.count_ones() * 8) + need * 8;
                let line = window.line.map(|l| &module.lines[l]);
                let got = got.max(Limit::WindowBytes.max() + 1);
                return Err(Error::limit(Limit::WindowBytes, got, &func.name, line));
            };
            let last = first + need as u32;
            let units = ((1u64 << need) - 1) << first;
            taken |= units;
            live.push((window.life.1, units));
            windows.bytes = windows.bytes.max(last * 8);
            windows.offset[window.ptr] = align as i16 - last as i16 * 8;
        }
        Ok(windows)
    }
}

/// The lowest of the units at which `need` units are free.
fn fit(taken: u64, need: u64) -> Option<u32> {
    let last = u64::from(UNITS).checked_sub(need)?;
    let mask = (1u64 << need) - 1;
    (0..=last as u32).find(|&at| taken >> at & mask == 0)
}

/// The windows of all guards, in order of their guards.
fn collect(func: &Function, order: &[Block]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let mut index = SecondaryMap::<Value, Option<usize>>::new();
    let mut now = 0;
    for &block in order {
        let data = &func.blocks[block];
        for &inst in &data.insts {
            now += 1;
            if let InstData::Load { ptr, disp_bytes, width } = func.insts[inst]
                && let Some(at) = index[ptr]
            {
                windows[at].life.1 = now;
                windows[at].loads.push((disp_bytes, width));
            }
        }
        now += 1;
        if let Term::Guard { len_bytes, ptr, .. } = data.term {
            index[ptr] = Some(windows.len());
            let line = data.term_line.expand();
            windows.push(Window { ptr, len_bytes, line, life: (now, now), loads: Vec::new() });
        }
    }
    windows
}

impl Window {
    /// The place modulo 8 for the first byte that costs the fewest loads: the verifier takes only
    /// aligned ones from the frame.
    fn alignment(&self) -> u32 {
        let cost = |align: u32| -> usize {
            self.loads.iter().map(|&(disp, width)| pieces(align + disp, width).count()).sum()
        };
        (0..8).min_by_key(|&align| cost(align)).unwrap_or(0)
    }
}

/// Splits a load at `at` (modulo 8) into aligned ones: the distance of each from `at`, and its width.
pub fn pieces(at: u32, width: Width) -> impl Iterator<Item = (u32, Width)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let left = width.bytes().checked_sub(done).filter(|&left| left > 0)?;
        let fits = |w: &Width| w.bytes() <= left && (at + done).is_multiple_of(w.bytes());
        let piece = [Width::B8, Width::B4, Width::B2].into_iter().find(fits).unwrap_or(Width::B1);
        let from = done;
        done += piece.bytes();
        Some((from, piece))
    })
}
