//! Programs in a userspace interpreter: no privilege, any machine.
//!
//! A program is refused at load if it holds anything that rbpf is known to run differently from the
//! kernel; an access outside of what the program may touch is an error of the run, never a verdict.
//! The packet ends where the memory ends, so that a read past `data_end` is such an access.

mod arena;
mod check;
mod link;
mod machine;

use crate::ifaces::DRY_IFINDEX;
use crate::shown::{ethertype, shown};
use crate::{Counter, LoadError, Object, RunError, sets};
use arena::Arena;
pub(crate) use check::helper;
use l4c_manifest::{
    COUNTER_BYTES, Hook, HookKind, Key, Listed, Map, MapKind, PARAMS_SECTION, State, TEST_CLOCK,
};
use link::Addresses;
use machine::map::Index;
use machine::{FRAME_BYTES, Function, MAX_FRAMES, Machine, MapArea};
use std::cell::RefCell;
use std::collections::HashMap;

/// Where chance begins if nobody says.
pub const DEFAULT_SEED: u64 = 1;

/// Room for a context; `struct __sk_buff` has 192 bytes.
const CTX_BYTES: usize = 256;

/// Room for a packet, more than any hook is shown, and for what a program puts in front of it.
const PACKET_BYTES: usize = 4096;

/// The most memory that one program gets. Only what it touches is ever used.
const MAX_ARENA_BYTES: usize = 512 << 20;

/// A hook's program, ready to run, with its counters.
pub struct Vm {
    hook: Hook,
    machine: Machine,
    counters: MapArea,
    /// Where the numbers of interfaces lie, if the program asks for any.
    ifaces: Option<u64>,
    /// Where the time lies, in an object made to be tested.
    test_clock: Option<u64>,
    /// Where chance begins.
    seed: u64,
    /// Where the parameters of limits lie, and what they are.
    params: Option<(u64, Vec<u8>)>,
    /// By map: what the rules declare, and what filters hold.
    declared: Vec<(usize, Declared)>,
    /// Places in the manifest of sets' maps.
    map_numbers: HashMap<String, usize>,
}

/// What is in a map of a set at first.
enum Declared {
    /// Keys of so many bytes, one behind the other.
    Keys(Vec<u8>, usize),
    /// The whole content.
    Values(Vec<u8>),
}

impl Vm {
    /// Takes a hook's program out of an object.
    ///
    /// # Errors
    /// When there is no such hook, or when the interpreter can't be trusted to run its program as
    /// the kernel does; see [`LoadError`].
    pub fn load(object: &Object, hook_name: &str) -> Result<Self, LoadError> {
        let no_hook = || LoadError::NoHook(hook_name.to_owned());
        let hook = object.hook(hook_name).ok_or_else(no_hook)?;
        let program = object.program(hook).ok_or_else(no_hook)?;
        let reached = link::reach(object, program)?;
        let all = object.functions();
        for &index in &reached {
            check::check(&all[index], hook.kind)?;
        }
        let (mut machine, rodata) = lay_out(object)?;
        let addresses = Addresses { functions: &reached, rodata: &rodata };
        for (position, &index) in reached.iter().enumerate() {
            let function = &all[index];
            let insns = link::link(function, position == 0, &addresses);
            let loaded = Function::new(&function.name, &insns)
                .map_err(|why| LoadError::Refused { function: function.name.clone(), why })?;
            machine.functions.push(loaded);
        }
        let counters = counters_of(object, hook, &machine)?;
        let section = hook.interface_section();
        let ifaces = object.rodata().iter().zip(&rodata).find(|(table, _)| table.name == section);
        let ifaces = ifaces.map(|(_, &at)| at);
        let clock = object.manifest().maps.iter().position(|map| map.name == TEST_CLOCK);
        let test_clock = clock.map(|index| machine.maps[index].start);
        let tables = object.rodata().iter().zip(&rodata);
        let params = tables.filter(|(table, _)| table.name == PARAMS_SECTION);
        let params = params.map(|(_, &at)| (at, crate::limits::dry(object))).next();
        let hook = hook.clone();
        let declared = declared(object, &hook);
        let maps = object.manifest().maps.iter().enumerate();
        let map_numbers = maps.map(|(n, map)| (map.name.clone(), n)).collect();
        let seed = DEFAULT_SEED;
        let mut vm = Self {
            hook,
            machine,
            counters,
            ifaces,
            test_clock,
            seed,
            params,
            declared,
            map_numbers,
        };
        vm.arrive(None);
        vm.reset();
        Ok(vm)
    }

    /// From now on packets come in by the interface of this name, or by none; by none at first.
    pub fn arrive(&mut self, iface: Option<&str>) {
        if let Some(at) = self.ifaces {
            self.machine.arena.write(at, &crate::ifaces::dry(&self.hook, iface));
        }
    }

    /// From now on it is so late, in nanoseconds; 0 at first. A tick of the coarse clock takes one.
    pub fn set_time(&mut self, now_ns: u64) {
        self.machine.now_ns.set(now_ns);
        if let Some(at) = self.test_clock {
            self.machine.arena.write(at, &now_ns.to_ne_bytes());
        }
    }

    /// From now on chance begins at `seed`, and begins anew; at [`DEFAULT_SEED`] at first.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
        self.machine.chance.set(seed);
        if let Some(at) = self.test_clock {
            self.machine.arena.write(at + 8, &seed.to_ne_bytes());
        }
    }

    /// Judges a packet: the program's return code.
    ///
    /// # Errors
    /// [`RunError::NotShown`] for a packet that the hook can't be shown, [`RunError::Fault`] when the
    /// program did what no verified program does.
    pub fn run(&mut self, packet: &[u8]) -> Result<u32, RunError> {
        let packet = shown(self.hook.kind, packet)?;
        let arena = &self.machine.arena;
        let start = arena.end() - packet.len() as u64;
        arena.write(start, packet);
        match self.hook.kind {
            HookKind::Xdp => self.write_xdp_md(start, arena.end()),
            HookKind::Socket => self.write_sk_buff(packet),
        }
        self.machine.run(start, packet.len() as u64)
    }

    /// Judges a packet: the program's return code, and the packet as the program left it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_out(&mut self, packet: &[u8]) -> Result<(u32, Vec<u8>), RunError> {
        let code = self.run(packet)?;
        Ok((code, self.machine.packet_bytes()))
    }

    /// What each counter slot of the hook's map holds.
    #[must_use]
    pub fn counters(&self) -> Vec<Counter> {
        let arena = &self.machine.arena;
        let slots = self.counter_bytes() / COUNTER_BYTES;
        (0..slots as u64)
            .map(|slot| {
                let at = self.counters.start + slot * COUNTER_BYTES as u64;
                Counter { packets: arena.read_u64(at), bytes: arena.read_u64(at + 8) }
            })
            .collect()
    }

    /// Back to the state of a program just loaded: its maps empty, the time 0.
    pub fn reset(&mut self) {
        for map in &self.machine.maps {
            let bytes = map.stride_bytes as usize * map.max_entries as usize;
            self.machine.arena.zero(map.start, bytes);
        }
        if let Some((at, bytes)) = &self.params {
            self.machine.arena.write(*at, bytes);
        }
        for index in self.machine.hashes.iter().flatten() {
            index.borrow_mut().clear();
        }
        for (map, declared) in &self.declared {
            match declared {
                Declared::Keys(keys, size) => keys.chunks_exact(*size).for_each(|key| {
                    self.machine.insert(*map, key, Listed::declared(0).0);
                }),
                Declared::Values(bytes) => {
                    self.machine.arena.write(self.machine.maps[*map].start, bytes);
                }
            }
        }
        self.set_time(0);
        self.set_seed(self.seed);
    }

    /// Does a set of the hook hold this? None if the hook uses no such set.
    #[must_use]
    pub fn has(&self, set: &str, key: &Key) -> Option<bool> {
        let set = self.hook.sets.iter().find(|known| known.name == set)?;
        let find = |map: &str, key: &[u8]| {
            let number = self.map_numbers.get(map);
            Ok::<_, ()>(number.and_then(|&number| self.machine.held(number, key)))
        };
        let now_ns = self.machine.now_ns.get();
        sets::has(set, (State::INITIAL, now_ns), key, find).ok()
    }

    fn counter_bytes(&self) -> usize {
        self.counters.max_entries as usize * self.counters.stride_bytes as usize
    }

    /// `struct xdp_md`, as the kernel's test run fills it in. The addresses are below 4 GiB.
    fn write_xdp_md(&self, data: u64, data_end: u64) {
        let (data, data_end) = (data as u32, data_end as u32);
        // data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
        let words = [data, data_end, data, DRY_IFINDEX, 0, 0];
        self.write_ctx(0, &words);
    }

    /// The words of `struct __sk_buff` that a packet filter can rely on in a test run.
    fn write_sk_buff(&self, packet: &[u8]) {
        const PROTOCOL_OFF: u64 = 16;
        const IFINDEX_OFF: u64 = 40;
        self.write_ctx(IFINDEX_OFF, &[DRY_IFINDEX]);
        self.write_ctx(0, &[packet.len() as u32]);
        let protocol_be = u16::to_be(ethertype(packet));
        self.write_ctx(PROTOCOL_OFF, &[u32::from(protocol_be)]);
    }

    fn write_ctx(&self, off_bytes: u64, words: &[u32]) {
        for (at, word) in (self.machine.ctx + off_bytes..).step_by(4).zip(words) {
            self.machine.arena.write(at, &word.to_ne_bytes());
        }
    }
}

/// Lays out the memory of a program and fills in the read-only tables; the second answer is where
/// each of them lies.
fn lay_out(object: &Object) -> Result<(Machine, Vec<u64>), LoadError> {
    let mut next = MAX_FRAMES * FRAME_BYTES + CTX_BYTES;
    let mut map_offs = Vec::new();
    for map in &object.manifest().maps {
        map_offs.push(next);
        next = round_up(next.saturating_add(map_bytes(map)?));
    }
    let mut rodata_offs = Vec::new();
    for table in object.rodata() {
        rodata_offs.push(next);
        next = round_up(next.saturating_add(table.bytes.len()));
    }
    let bytes = next.saturating_add(PACKET_BYTES);
    let memory = |why: String| LoadError::Memory { bytes, why };
    if bytes > MAX_ARENA_BYTES {
        return Err(memory(format!("the most is {MAX_ARENA_BYTES}")));
    }
    let arena = Arena::new(bytes).map_err(|e| memory(e.to_string()))?;
    let start = arena.start();
    let maps = object.manifest().maps.iter().zip(map_offs);
    let maps = maps.map(|(map, off)| MapArea {
        start: start + off as u64,
        stride_bytes: u64::from(map.value_bytes).next_multiple_of(8),
        max_entries: match map.kind {
            MapKind::Array | MapKind::PercpuArray | MapKind::Hash => map.max_entries,
            MapKind::PerfEventArray => 0,
        },
    });
    let maps = maps.collect();
    let rodata: Vec<u64> = rodata_offs.iter().map(|&off| start + off as u64).collect();
    for (&at, table) in rodata.iter().zip(object.rodata()) {
        arena.write(at, &table.bytes);
    }
    let ctx = start + (MAX_FRAMES * FRAME_BYTES) as u64;
    let mut machine = Machine::new(arena, start, ctx, maps);
    let hashes =
        object.manifest().maps.iter().map(|map| {
            (map.kind == MapKind::Hash).then(|| RefCell::new(Index::new(map.key_bytes)))
        });
    machine.hashes = hashes.collect();
    Ok((machine, rodata))
}

/// Tables and values begin at multiples of this.
fn round_up(off_bytes: usize) -> usize {
    off_bytes.checked_next_multiple_of(64).unwrap_or(usize::MAX)
}

/// Bytes of all values of a map, each of a multiple of eight bytes as in the kernel.
fn map_bytes(map: &Map) -> Result<usize, LoadError> {
    let error = |why| LoadError::Map { name: map.name.clone(), why };
    if map.kind == MapKind::PerfEventArray {
        return Ok(0);
    }
    if map.kind != MapKind::Hash && map.key_bytes != 4 {
        return Err(error("an array's key has 4 bytes"));
    }
    if map.value_bytes == 0 || map.max_entries == 0 {
        return Err(error("is empty"));
    }
    let stride = (map.value_bytes as usize).next_multiple_of(8);
    stride.checked_mul(map.max_entries as usize).ok_or_else(|| error("is too large"))
}

fn counters_of(object: &Object, hook: &Hook, machine: &Machine) -> Result<MapArea, LoadError> {
    let error = |why| LoadError::Map { name: hook.counter_map.clone(), why };
    let index =
        object.counter_map(hook).ok_or_else(|| error("holds the counters, but is not there"))?;
    let area = machine.maps[index];
    if !(area.stride_bytes as usize).is_multiple_of(COUNTER_BYTES) {
        return Err(error("is no array of counters"));
    }
    Ok(area)
}

/// What sets of a hook hold at first.
fn declared(object: &Object, hook: &Hook) -> Vec<(usize, Declared)> {
    let maps = &object.manifest().maps;
    let number = |name: &str| maps.iter().position(|map| map.name == name);
    let mut out = Vec::new();
    for (set, table) in hook.sets.iter().flat_map(|set| set.tables.iter().map(move |t| (set, t))) {
        let (keys, size) = (object.elements(&table.listed), table.key_bytes as usize);
        out.extend(number(&table.listed).map(|map| (map, Declared::Keys(keys.to_vec(), size))));
        if let Some(map) = table.filter.as_deref().and_then(number) {
            let words = sets::filter(set, table, Vec::new(), keys.chunks_exact(size));
            out.push((map, Declared::Values(sets::filter_bytes(&words))));
        }
    }
    out
}
