//! One program in rbpf: an interpreter a function, and the kernel's helpers.
//!
//! rbpf calls a helper as a plain function of five numbers, so the machine that runs is found
//! through a thread-local pointer. A call between functions is a helper call that runs the callee's
//! interpreter: rbpf can't hold a program of more than 32,767 instructions, a machine can.
#![allow(unsafe_code)]

pub mod map;
mod xdp;

use super::arena::Arena;
use super::check::helper;
use crate::RunError;
use crate::insn::{CALL, Insn};
use rbpf::EbpfVmMbuff;
use rbpf::ebpf::{Helper, STACK_SIZE};
use std::cell::{Cell, RefCell};

/// Functions of one program, itself included, as in the kernel (`BPF_MAX_SUBPROGS`).
pub const MAX_FUNCTIONS: usize = 256;

/// Frames of one call chain, as in the kernel (`MAX_CALL_FRAMES`).
pub const MAX_FRAMES: usize = 8;

/// Bytes of an argument block, of which there is one a frame: five 64-bit arguments.
pub const FRAME_BYTES: usize = 64;

/// Helper number by which a function's prologue tells where its stack ends.
pub const ENTER: i32 = 0x4000_0000;

/// Helper number of function 0; the others follow.
pub const CALL_FUNCTION: i32 = 0x4001_0000;

/// What a loaded map address looks like to the program; no memory is there. The map's index is
/// added.
pub const MAP_HANDLE: u64 = 0x7fff_0000;

/// `-EFAULT` as helpers return it.
const EFAULT: u64 = (-(libc::EFAULT as i64)) as u64;
/// `-ENOENT` as helpers return it.
const ENOENT: u64 = (-(libc::ENOENT as i64)) as u64;

/// A map's values in the arena.
#[derive(Debug, Clone, Copy)]
pub struct MapArea {
    /// Address of value 0.
    pub start: u64,
    /// From one value to the next.
    pub stride_bytes: u64,
    /// Number of values; none in a map of rings.
    pub max_entries: u32,
}

/// A function's interpreter with the code it borrows.
pub struct Function {
    name: String,
    vm: EbpfVmMbuff<'static>,
    /// What `vm` borrows: never touched, freed after it (fields drop in this order).
    _code: Box<[u8]>,
}

impl Function {
    /// Hands code to rbpf.
    ///
    /// # Errors
    /// The words of rbpf's verifier.
    pub fn new(name: &str, insns: &[Insn]) -> Result<Self, String> {
        let code: Box<[u8]> = insns.iter().flat_map(|i| i.to_bytes()).collect();
        // SAFETY: the bytes stay where they are as long as the box lives, moved or not; it lives
        // longer than `vm`, which is the only user of this reference.
        let borrowed: &'static [u8] =
            unsafe { std::slice::from_raw_parts(code.as_ptr(), code.len()) };
        let vm = interpreter(borrowed, insns).map_err(|e| e.to_string())?;
        Ok(Self { name: name.to_owned(), vm, _code: code })
    }
}

/// A function costs rbpf about 60 ns to enter and 5 to 6 ns an instruction. One of these is a look
/// into a hash map for the stack use of a function that might begin there, which it leaves out at
/// its greatest call depth; going down to that depth first costs what 70 instructions gain.
fn interpreter(code: &'static [u8], insns: &[Insn]) -> std::io::Result<EbpfVmMbuff<'static>> {
    let mut vm = EbpfVmMbuff::new(Some(code))?;
    for call in insns.iter().filter(|i| i.code == CALL && i.src == 0) {
        if let Some(function) = helper_of(call.imm) {
            vm.register_helper(call.imm as u32, function)?;
        }
    }
    Ok(vm)
}

/// What a linked call of a helper runs.
fn helper_of(number: i32) -> Option<Helper> {
    match number {
        ENTER => Some(enter),
        helper::MAP_LOOKUP_ELEM => Some(map::lookup_elem),
        helper::MAP_UPDATE_ELEM => Some(map::update_elem),
        helper::MAP_DELETE_ELEM => Some(map::delete_elem),
        helper::KTIME_GET_NS | helper::JIFFIES64 => Some(now),
        helper::SPIN_LOCK | helper::SPIN_UNLOCK => Some(nothing),
        helper::GET_PRANDOM_U32 => Some(get_prandom_u32),
        helper::PERF_EVENT_OUTPUT => Some(perf_event_output),
        helper::GET_SMP_PROCESSOR_ID => Some(xdp::get_smp_processor_id),
        helper::REDIRECT => Some(xdp::redirect),
        helper::XDP_ADJUST_HEAD => Some(xdp::adjust_head),
        helper::XDP_ADJUST_TAIL => Some(xdp::adjust_tail),
        helper::SKB_LOAD_BYTES => Some(skb_load_bytes),
        helper::SKB_LOAD_BYTES_RELATIVE => Some(skb_load_bytes_relative),
        number => {
            let position = usize::try_from(number.checked_sub(CALL_FUNCTION)?).ok()?;
            CALLS.as_flattened().get(position).copied()
        }
    }
}

/// A running function.
#[derive(Clone, Copy, Default)]
struct Frame {
    function: usize,
    /// Address behind the function's stack; 0 if it has not said.
    stack_end: u64,
}

/// Everything of a program but its packet layout.
pub struct Machine {
    /// All memory but the stacks.
    pub arena: Arena,
    /// Argument blocks, [`MAX_FRAMES`] of them.
    pub frame_blocks: u64,
    /// The context.
    pub ctx: u64,
    /// The maps, by index in the manifest.
    pub maps: Vec<MapArea>,
    /// Where keys have their values in a map, by index in the manifest; none of one that is no hash map.
    pub hashes: Vec<Option<RefCell<map::Index>>>,
    /// The program itself is function 0.
    pub functions: Vec<Function>,
    /// Address and bytes of the packet now.
    packet: Cell<(u64, u64)>,
    /// Its bytes when the program began.
    shown_bytes: Cell<u64>,
    frames: [Cell<Frame>; MAX_FRAMES],
    depth: Cell<usize>,
    /// What the next random number is made of.
    pub chance: Cell<u64>,
    /// How late it is, in nanoseconds; a tick takes one.
    pub now_ns: Cell<u64>,
    failure: RefCell<Option<RunError>>,
}

thread_local! {
    static CURRENT: Cell<*const Machine> = const { Cell::new(std::ptr::null()) };
}

/// Makes a machine the thread's own as long as it lives.
struct Running<'m>(*const Machine, std::marker::PhantomData<&'m Machine>);

impl<'m> Running<'m> {
    fn start(machine: &'m Machine) -> Self {
        Self(CURRENT.replace(machine), std::marker::PhantomData)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Gives the running machine to a helper; 0 where none runs.
fn with_current(f: impl FnOnce(&Machine) -> u64) -> u64 {
    // SAFETY: null, or set by a `Running` that borrows the machine and is still alive, since
    // helpers are called only from under `Machine::run`.
    unsafe { CURRENT.get().as_ref() }.map_or(0, f)
}

impl Machine {
    /// A machine that has run nothing yet.
    pub fn new(arena: Arena, frame_blocks: u64, ctx: u64, maps: Vec<MapArea>) -> Self {
        Self {
            arena,
            frame_blocks,
            ctx,
            hashes: maps.iter().map(|_| None).collect(),
            maps,
            functions: Vec::new(),
            packet: Cell::new((0, 0)),
            shown_bytes: Cell::new(0),
            frames: Default::default(),
            depth: Cell::new(0),
            chance: Cell::new(0),
            now_ns: Cell::new(0),
            failure: RefCell::new(None),
        }
    }

    /// Runs function 0 with the context as its argument, for the packet that lies in the arena
    /// from address `packet` on.
    ///
    /// # Errors
    /// [`RunError::Fault`] when any function did what a verified one doesn't.
    pub fn run(&self, packet: u64, len_bytes: u64) -> Result<u32, RunError> {
        let _running = Running::start(self);
        self.packet.set((packet, len_bytes));
        self.shown_bytes.set(len_bytes);
        self.depth.set(0);
        self.failure.take();
        let code = self.call(0, [self.ctx, 0, 0, 0, 0]);
        // A return code has 32 bits.
        self.failure.take().map_or(Ok(code as u32), Err)
    }

    /// Runs a function; what goes wrong in it stays with the machine, and its callers run on with 0
    /// until they end, which changes nothing any more.
    fn call(&self, callee: usize, args: [u64; 5]) -> u64 {
        let depth = self.depth.get();
        let Some(function) = self.functions.get(callee) else { return 0 };
        if self.failure.borrow().is_some() {
            return 0;
        }
        if depth == MAX_FRAMES {
            self.fail("calls are nested too deep");
            return 0;
        }
        let block = self.frame_blocks + (depth * FRAME_BYTES) as u64;
        for (at, arg) in (block..).step_by(8).zip(args) {
            self.arena.write(at, &arg.to_ne_bytes());
        }
        self.frames[depth].set(Frame { function: callee, stack_end: 0 });
        self.depth.set(depth + 1);
        let len_bytes = (self.arena.end() - self.arena.start()) as usize;
        let memory = self.arena.range(self.arena.start(), len_bytes);
        let result = function.vm.execute_program(memory, self.arena.range(block, FRAME_BYTES));
        let value = result.unwrap_or_else(|error| {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            self.fail(first.trim_start_matches("Error: "));
            0
        });
        self.depth.set(depth);
        value
    }

    fn frame(&self) -> Option<&Cell<Frame>> {
        self.frames.get(self.depth.get().checked_sub(1)?)
    }

    /// Records what went wrong in the running function, if nothing did before.
    fn fail(&self, why: &str) {
        let function = self.frame().and_then(|f| self.functions.get(f.get().function));
        let function = function.map_or_else(String::new, |f| f.name.clone());
        let error = RunError::Fault { function, why: why.to_owned() };
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Whether a helper may touch these bytes for the running function.
    fn may_touch(&self, addr: u64, len_bytes: u64) -> bool {
        let stack_end = self.frame().map_or(0, |f| f.get().stack_end);
        let in_stack = addr >= stack_end.saturating_sub(STACK_SIZE as u64)
            && addr.checked_add(len_bytes).is_some_and(|end| end <= stack_end);
        in_stack || self.arena.holds(addr, len_bytes)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), the upper half of it.
    fn random(&self) -> u64 {
        let state = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 32
    }

    /// Checks what would be copied into a ring, and copies nothing: nobody listens here.
    fn output(&self, ctx: u64, handle: u64, flags: u64, head: u64, head_bytes: u64) -> u64 {
        // `BPF_F_CTXLEN_MASK`; below it stands the ring.
        let (rest, packet_bytes) = (flags >> 52, flags >> 32 & 0xf_ffff);
        let is_ring = self.maps.get(handle.wrapping_sub(MAP_HANDLE) as usize);
        let is_ring = is_ring.is_some_and(|map| map.max_entries == 0);
        if ctx != self.ctx || !is_ring || rest != 0 || !self.may_touch(head, head_bytes) {
            self.fail("sample with a bad context, map or head");
        } else if packet_bytes > self.packet.get().1 {
            self.fail("sample of more bytes than the packet has");
        }
        ENOENT
    }

    /// Copies packet bytes, or zeroes the target where the packet is too short, as the kernel does
    /// (`net/core/filter.c`).
    fn load_bytes(&self, skb: u64, off_bytes: u32, to: u64, len_bytes: u32, max_off: u32) -> u64 {
        let len = u64::from(len_bytes);
        if skb != self.ctx || !self.may_touch(to, len) {
            self.fail("packet copy with a bad context or target");
            return EFAULT;
        }
        let (packet, packet_bytes) = self.packet.get();
        let off = u64::from(off_bytes);
        if off_bytes > max_off || off + len > packet_bytes {
            // SAFETY: `may_touch` holds for all of the target.
            unsafe { std::ptr::write_bytes(to as *mut u8, 0, len_bytes as usize) };
            return EFAULT;
        }
        // SAFETY: source inside the packet, which is inside the arena; target as above. They may
        // overlap, if the target is in the arena.
        unsafe {
            std::ptr::copy((packet + off) as *const u8, to as *mut u8, len_bytes as usize);
        }
        0
    }
}

fn enter(_: u64, stack_end: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(|machine| {
        if let Some(frame) = machine.frame() {
            frame.set(Frame { stack_end, ..frame.get() });
        }
        0
    })
}

/// Nobody else is here, so that a lock is always free.
fn nothing(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    0
}

fn now(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(|machine| machine.now_ns.get())
}

fn get_prandom_u32(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    with_current(Machine::random)
}

fn perf_event_output(ctx: u64, map: u64, flags: u64, head: u64, head_bytes: u64) -> u64 {
    with_current(|machine| machine.output(ctx, map, flags, head, head_bytes))
}

// Arguments that are 32 bits wide in the kernel's helpers are cut to that width.

fn skb_load_bytes(skb: u64, off: u64, to: u64, len: u64, _: u64) -> u64 {
    with_current(|machine| machine.load_bytes(skb, off as u32, to, len as u32, i32::MAX as u32))
}

fn skb_load_bytes_relative(skb: u64, off: u64, to: u64, len: u64, start: u64) -> u64 {
    const BPF_HDR_START_NET: u32 = 1;
    with_current(|machine| {
        // The interpreter's packets begin at the network header and have nothing before it.
        if start as u32 != BPF_HDR_START_NET {
            machine.fail("packet copy from before the network header");
            return EFAULT;
        }
        machine.load_bytes(skb, off as u32, to, len as u32, 0xffff)
    })
}

/// Calls function `16 * HIGH + LOW`.
fn call<const HIGH: usize, const LOW: usize>(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
    with_current(|machine| machine.call(16 * HIGH + LOW, [a, b, c, d, e]))
}

macro_rules! sixteen {
    ($make:ident $($prefix:literal)?) => {
        [
            $make!($($prefix,)? 0), $make!($($prefix,)? 1), $make!($($prefix,)? 2),
            $make!($($prefix,)? 3), $make!($($prefix,)? 4), $make!($($prefix,)? 5),
            $make!($($prefix,)? 6), $make!($($prefix,)? 7), $make!($($prefix,)? 8),
            $make!($($prefix,)? 9), $make!($($prefix,)? 10), $make!($($prefix,)? 11),
            $make!($($prefix,)? 12), $make!($($prefix,)? 13), $make!($($prefix,)? 14),
            $make!($($prefix,)? 15),
        ]
    };
}
macro_rules! call_of {
    ($high:literal, $low:literal) => {
        call::<$high, $low> as Helper
    };
}
macro_rules! calls_of {
    ($high:literal) => {
        sixteen!(call_of $high)
    };
}

/// A helper for each function there can be.
static CALLS: [[Helper; 16]; 16] = sixteen!(calls_of);

const _: () = assert!(MAX_FUNCTIONS == 16 * 16);
