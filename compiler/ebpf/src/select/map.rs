//! Elements of sets, in maps of the kernel's.

use super::Select;
use crate::mach::{Arg, Callee, Helper, Op, Reg, Src, Symbol, Test};
use l4c_ir::{Map, Value, Width};

/// Bytes of a value that programs write.
const WORD_BYTES: u32 = 8;

impl Select<'_> {
    /// The part of the frame that holds a key and, below it, a value; and of what size the key's part is.
    fn element_slot(&mut self) -> i16 {
        if let Some(slot) = self.element_slot {
            return slot;
        }
        let key_bytes = self.module.maps.values().map(|map| map.key_bytes).max().unwrap_or(0);
        self.code.frame_bytes += key_bytes.next_multiple_of(8) + WORD_BYTES;
        let slot = i16::try_from(self.code.frame_bytes).map_or(i16::MIN, |bytes| -bytes);
        self.element_slot = Some(slot);
        slot
    }

    /// Writes a key into the frame, and says where it is.
    fn map_key(&mut self, map: Map, key: &[Value]) -> i16 {
        let off = self.element_slot().saturating_add(WORD_BYTES as i16);
        let width = if self.module.maps[map].is_array() { Width::B4 } else { Width::B8 };
        for (&word, at) in key.iter().zip((off..).step_by(8)) {
            let src = self.src(word);
            self.emit(Op::Store { width, base: Reg::FP, off: at, src });
        }
        off
    }

    /// `dst` = a word of what is under the key, or 0.
    pub(super) fn find(&mut self, dst: Reg, map: Map, key: &[Value], word: u32) {
        let key_off = self.map_key(map, key);
        let args = vec![Arg::Symbol(Symbol::Map(map)), Arg::Frame(key_off)];
        let element = self.emit_call(Callee::Helper(Helper::MapLookup), args);
        let out = self.label();
        self.emit(Op::mov(dst, Src::Imm(0)));
        self.emit_branch(Test::Eq, element, Src::Imm(0), out);
        let off = (WORD_BYTES * word) as i16;
        self.emit(Op::Load { width: Width::B8, dst, base: element, off });
        self.emit(Op::Label(out));
    }

    /// `dst` = what the kernel answers; 0 if the word is there now.
    pub(super) fn put(&mut self, dst: Reg, map: Map, key: &[Value], word: Value) {
        let key_off = self.map_key(map, key);
        let off = self.element_slot();
        let src = self.src(word);
        self.emit(Op::Store { width: Width::B8, base: Reg::FP, off, src });
        // `BPF_ANY`: there or not.
        let args = vec![
            Arg::Symbol(Symbol::Map(map)),
            Arg::Frame(key_off),
            Arg::Frame(off),
            Arg::Src(Src::Imm(0)),
        ];
        self.emit(Op::Call { callee: Callee::Helper(Helper::MapUpdate), args, ret: Some(dst) });
    }

    /// Takes a key out of a map, if it is there.
    pub(super) fn erase(&mut self, map: Map, key: &[Value]) {
        let key_off = self.map_key(map, key);
        let args = vec![Arg::Symbol(Symbol::Map(map)), Arg::Frame(key_off)];
        self.emit(Op::Call { callee: Callee::Helper(Helper::MapDelete), args, ret: None });
    }

    /// `dst` = the word that says which elements of a set count.
    pub(super) fn set_state(&mut self, dst: Reg, set: u32) {
        let base = self.fresh();
        self.emit(Op::Address { dst: base, symbol: Symbol::SetState(set) });
        self.emit(Op::Load { width: Width::B8, dst, base, off: 0 });
    }
}
