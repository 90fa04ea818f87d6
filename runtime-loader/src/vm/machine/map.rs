//! Hash maps, and the helpers that look into maps of any kind.

use super::{MAP_HANDLE, Machine, with_current};
use std::collections::HashMap;

/// `-E2BIG`, `-ENOENT` and `-EINVAL` as helpers return them.
const E2BIG: u64 = (-(libc::E2BIG as i64)) as u64;
const ENOENT: u64 = (-(libc::ENOENT as i64)) as u64;
const EINVAL: u64 = (-(libc::EINVAL as i64)) as u64;

/// Where the keys of a hash map have their values.
#[derive(Debug, Default)]
pub struct Index {
    key_bytes: usize,
    places: HashMap<Vec<u8>, u32>,
    /// Places that were given up.
    free: Vec<u32>,
}

impl Index {
    /// Of a map that holds nothing.
    pub fn new(key_bytes: u32) -> Self {
        Self { key_bytes: key_bytes as usize, ..Self::default() }
    }

    /// Holds nothing any more.
    pub fn clear(&mut self) {
        self.places.clear();
        self.free.clear();
    }

    /// The place of a key, a new one if need be; none if all are taken.
    fn place(&mut self, key: Vec<u8>, max: u32) -> Option<u32> {
        if let Some(&place) = self.places.get(&key) {
            return Some(place);
        }
        let place = self.free.pop().or_else(|| {
            let used = u32::try_from(self.places.len()).ok()?;
            (used < max).then_some(used)
        })?;
        self.places.insert(key, place);
        Some(place)
    }
}

impl Machine {
    /// The number of the map that a handle stands for.
    fn map(&self, handle: u64) -> Option<usize> {
        let index = handle.wrapping_sub(MAP_HANDLE) as usize;
        if index < self.maps.len() {
            return Some(index);
        }
        self.fail("looks up in what is no map");
        None
    }

    /// A key that a program shows.
    fn key(&self, at: u64, bytes: usize) -> Option<Vec<u8>> {
        if !self.may_touch(at, bytes as u64) {
            self.fail("map key out of bounds");
            return None;
        }
        let mut key = vec![0; bytes];
        // SAFETY: in the arena or in the stack of the running function, checked just above.
        unsafe { std::ptr::copy_nonoverlapping(at as *const u8, key.as_mut_ptr(), bytes) };
        Some(key)
    }

    fn lookup(&self, handle: u64, key: u64) -> u64 {
        let Some(number) = self.map(handle) else { return 0 };
        let map = self.maps[number];
        let value = |place: u32| map.start + u64::from(place) * map.stride_bytes;
        if let Some(index) = &self.hashes[number] {
            let index = index.borrow();
            let Some(key) = self.key(key, index.key_bytes) else { return 0 };
            return index.places.get(&key).map_or(0, |&place| value(place));
        }
        if !self.may_touch(key, size_of::<u32>() as u64) {
            self.fail("map key out of bounds");
            return 0;
        }
        // SAFETY: in the arena or in the stack of the running function, checked just above.
        let place = unsafe { (key as *const u32).read_unaligned() };
        if place < map.max_entries { value(place) } else { 0 }
    }

    fn update(&self, handle: u64, key: u64, value: u64, flags: u64) -> u64 {
        let Some(number) = self.map(handle) else { return EINVAL };
        let map = self.maps[number];
        let Some(index) = self.hashes[number].as_ref().filter(|_| flags == 0) else {
            self.fail("updates what is no hash map");
            return EINVAL;
        };
        let mut index = index.borrow_mut();
        let Some(key) = self.key(key, index.key_bytes) else { return EINVAL };
        let Some(value) = self.key(value, map.stride_bytes as usize) else { return EINVAL };
        let Some(place) = index.place(key, map.max_entries) else { return E2BIG };
        self.arena.write(map.start + u64::from(place) * map.stride_bytes, &value);
        0
    }

    fn delete(&self, handle: u64, key: u64) -> u64 {
        let Some(number) = self.map(handle) else { return EINVAL };
        let Some(index) = &self.hashes[number] else {
            self.fail("deletes from what is no hash map");
            return EINVAL;
        };
        let mut index = index.borrow_mut();
        let Some(key) = self.key(key, index.key_bytes) else { return EINVAL };
        match index.places.remove(&key) {
            Some(place) => {
                index.free.push(place);
                0
            }
            None => ENOENT,
        }
    }

    /// Puts a value under a key, as somebody outside does; false if there is no room.
    pub fn insert(&self, number: usize, key: &[u8], value: u64) -> bool {
        let map = self.maps[number];
        let Some(index) = &self.hashes[number] else { return false };
        let place = index.borrow_mut().place(key.to_vec(), map.max_entries);
        let at = place.map(|place| map.start + u64::from(place) * map.stride_bytes);
        at.map(|at| self.arena.write(at, &value.to_ne_bytes())).is_some()
    }

    /// What is under a key of a hash map.
    pub fn held(&self, number: usize, key: &[u8]) -> Option<u64> {
        let map = self.maps[number];
        let index = self.hashes[number].as_ref()?.borrow();
        let place = *index.places.get(key)?;
        Some(self.arena.read_u64(map.start + u64::from(place) * map.stride_bytes))
    }
}

pub fn lookup_elem(map: u64, key: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(|machine| machine.lookup(map, key))
}

pub fn update_elem(map: u64, key: u64, value: u64, flags: u64, _: u64) -> u64 {
    with_current(|machine| machine.update(map, key, value, flags))
}

pub fn delete_elem(map: u64, key: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(|machine| machine.delete(map, key))
}
