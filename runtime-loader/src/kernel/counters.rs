//! Maps of counters: an array with a value for each CPU, of [`COUNTER_BYTES`]-byte slots.

use super::cpus;
use super::load::chain;
use crate::{Counter, sys};
use l4c_manifest::COUNTER_BYTES;
use std::io;
use std::os::fd::BorrowedFd;

/// How a map of counters is laid out, by the kernel's own account.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    array: sys::ArrayShape,
    cpus: usize,
}

impl Shape {
    /// Looks at a map.
    ///
    /// # Errors
    /// When it is no map of counters, in words.
    pub fn of(map: BorrowedFd<'_>) -> Result<Self, String> {
        let cpus = cpus::possible()?;
        let info = sys::map_info(map).map_err(|e| chain(&e))?;
        let value_bytes = info.value_bytes as usize;
        let kind = l4c_manifest::MapKind::PercpuArray.number();
        if info.kind != kind
            || info.key_bytes != 4
            || value_bytes == 0
            || !value_bytes.is_multiple_of(COUNTER_BYTES)
        {
            return Err(format!("map `{}` holds no counters", info.name));
        }
        let words_a_key = value_bytes / size_of::<u64>() * cpus;
        Ok(Self { array: sys::ArrayShape { max_entries: info.max_entries, words_a_key }, cpus })
    }

    /// What each slot holds, summed over the CPUs.
    ///
    /// # Errors
    /// When the map can't be read.
    pub fn read(self, map: BorrowedFd<'_>) -> io::Result<Vec<Counter>> {
        let words = sys::read_array(map, self.array)?;
        let words_a_value = self.array.words_a_key / self.cpus;
        let keys = words.chunks_exact(self.array.words_a_key);
        Ok(keys.flat_map(|key| sum(key, words_a_value)).collect())
    }

    /// Sets all slots to zero.
    ///
    /// # Errors
    /// When the map can't be written.
    pub fn reset(self, map: BorrowedFd<'_>) -> io::Result<()> {
        sys::zero_array(map, self.array)
    }
}

/// The counters of one key, whose words are those of all CPUs in turn.
fn sum(words: &[u64], words_a_value: usize) -> Vec<Counter> {
    let mut counters = vec![Counter::default(); words_a_value / 2];
    for value in words.chunks_exact(words_a_value) {
        for (counter, pair) in counters.iter_mut().zip(value.as_chunks::<2>().0) {
            *counter = *counter + Counter { packets: pair[0], bytes: pair[1] };
        }
    }
    counters
}
