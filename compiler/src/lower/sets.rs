//! Sets that are kept in maps: is something in them, and how rules change them.
//!
//! Whether an element counts, a word of the loader's decides with each packet ([`State`]). Of prefixes each length
//! that the filter tells of is looked up by itself, in a function of its own: the filter is one load, and nearly
//! always says that there is nothing to look for.

use super::member::halves;
use super::value::Bits;
use super::{FuncBuilder, Names};
use crate::fields::{Place, Ty};
use crate::hir::{Change, ChangeKind, KeyPart, SetId, TupleTest};
use crate::sets::HookSet;
use l4c_ir::{BinOp, Block, Builder, Cond, Env, Func, Function, Map, Value};
use l4c_manifest::{self as manifest, FILTER_PLACES, Listed, State, places, prefix_mask};

/// Lengths that are skipped together where there are none of them.
const LENGTHS_A_GROUP: u32 = 16;

/// What rules know of a set of their hook.
pub(super) struct NamedSet {
    /// Its number among those of the hook.
    pub number: u32,
    pub set: HookSet,
    /// Of each table.
    pub maps: Vec<TableMaps>,
}

/// The maps of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableMaps {
    pub listed: Map,
    pub filter: Option<Map>,
    pub added: Option<Map>,
}

impl NamedSet {
    fn table(&self, wide: bool) -> Option<(&manifest::SetTable, TableMaps)> {
        let tables = self.set.manifest.tables.iter().zip(&self.maps);
        tables.filter(|(table, _)| table.wide == wide).map(|(table, maps)| (table, *maps)).next()
    }
}

/// Goes on to `yes` if an element that a map lists under `key` counts, else to `no`.
fn listed(b: &mut Builder<'_>, map: Map, key: Vec<Value>, state: Value, (yes, no): (Block, Block)) {
    let found = b.find(map, key, 0);
    let both = b.binary(BinOp::And, found, state);
    let flags = b.binary_imm(BinOp::And, both, Listed::FLAGS);
    let [some, by_hand, ends] = [(); 3].map(|()| b.new_block());
    b.br_imm(Cond::Ne, flags, 0, some, no);
    b.switch_to(some);
    let declared = b.binary_imm(BinOp::And, flags, Listed::DECLARED);
    b.br_imm(Cond::Ne, declared, 0, yes, by_hand);
    b.switch_to(by_hand);
    let end = b.binary_imm(BinOp::Or, found, Listed::FLAGS);
    b.br_imm(Cond::Eq, end, u64::MAX, yes, ends);
    b.switch_to(ends);
    let now = b.env(Env::Now);
    b.br(Cond::Gt, end, now, yes, no);
}

/// Goes on to `yes` if a packet has added `key` and it counts, else to `no`.
fn added(b: &mut Builder<'_>, map: Map, key: Vec<Value>, state: Value, (yes, no): (Block, Block)) {
    let found = b.find(map, key, 0);
    let [some, same, ends] = [(); 3].map(|()| b.new_block());
    b.br_imm(Cond::Ne, found, 0, some, no);
    b.switch_to(some);
    let generation = generation(b, state);
    let its = b.binary_imm(BinOp::And, found, State::GENERATION);
    b.br(Cond::Eq, its, generation, same, no);
    b.switch_to(same);
    let end = b.binary_imm(BinOp::Or, found, State::GENERATION);
    b.br_imm(Cond::Eq, end, u64::MAX, yes, ends);
    b.switch_to(ends);
    let now = b.env(Env::Now);
    b.br(Cond::Gt, end, now, yes, no);
}

fn generation(b: &mut Builder<'_>, state: Value) -> Value {
    let above = b.binary_imm(BinOp::Shr, state, State::GENERATION_SHIFT);
    b.binary_imm(BinOp::And, above, State::GENERATION)
}

/// The words of a prefix of so many bits around an address.
fn prefix_key(b: &mut Builder<'_>, wide: bool, address: &[Value], bits: u8) -> Vec<Value> {
    let (mask_hi, mask_lo) = halves(prefix_mask(wide, bits));
    match *address {
        [hi, lo] => {
            let hi = b.binary_imm(BinOp::And, hi, mask_hi);
            let lo = b.binary_imm(BinOp::And, lo, mask_lo);
            vec![hi, lo, b.iconst(bits.into())]
        }
        _ => {
            let kept = b.binary_imm(BinOp::And, address[0], mask_lo);
            vec![b.binary_imm(BinOp::Or, kept, u64::from(bits) << 32)]
        }
    }
}

/// `has(hi, lo, state)` or `has(address, state)`: 1 if a prefix of the set that counts lies around the address.
fn prefixes_function(name: &str, set: &NamedSet, wide: bool) -> Option<Function> {
    let (table, maps) = set.table(wide)?;
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, if wide { 3 } else { 2 });
    let mut address = b.func.params().to_vec();
    let state = address.pop()?;
    let yes = b.new_block();
    for &bits in maps.added.iter().flat_map(|_| &table.added_lengths) {
        let Some(map) = maps.added else { continue };
        let key = prefix_key(&mut b, wide, &address, bits);
        let next = b.new_block();
        added(&mut b, map, key, state, (yes, next));
        b.switch_to(next);
    }
    let place = filter_place(&mut b, wide, &address);
    let longest = if wide { 128 } else { 32 };
    for word in (0..manifest::Set::filter_words(wide)).rev() {
        let filter = maps.filter?;
        let lengths = b.find(filter, vec![place], word);
        let next_word = b.new_block();
        let first = b.new_block();
        b.br_imm(Cond::Ne, lengths, 0, first, next_word);
        b.switch_to(first);
        let (from, to) = (64 * word, (64 * word + 63).min(longest));
        for group in (from / LENGTHS_A_GROUP..=to / LENGTHS_A_GROUP).rev() {
            let first = group * LENGTHS_A_GROUP;
            let last = (first + LENGTHS_A_GROUP - 1).min(to);
            let shifted = b.binary_imm(BinOp::Shr, lengths, u64::from(first - from));
            let here = b.binary_imm(BinOp::And, shifted, (1 << LENGTHS_A_GROUP) - 1);
            let [some, next_group] = [(); 2].map(|()| b.new_block());
            b.br_imm(Cond::Ne, here, 0, some, next_group);
            b.switch_to(some);
            for bits in (first..=last).rev() {
                let bit = b.binary_imm(BinOp::And, here, 1 << (bits - first));
                let [probe, next] = [(); 2].map(|()| b.new_block());
                b.br_imm(Cond::Ne, bit, 0, probe, next);
                b.switch_to(probe);
                let key = prefix_key(&mut b, wide, &address, bits as u8);
                listed(&mut b, maps.listed, key, state, (yes, next));
                b.switch_to(next);
            }
            b.jump(next_group, Vec::new());
            b.switch_to(next_group);
        }
        b.jump(next_word, Vec::new());
        b.switch_to(next_word);
    }
    let nothing = b.iconst(0);
    b.ret(nothing);
    b.switch_to(yes);
    let one = b.iconst(1);
    b.ret(one);
    Some(func)
}

/// As [`manifest::Set::filter_place`] has it.
fn filter_place(b: &mut Builder<'_>, wide: bool, address: &[Value]) -> Value {
    if !wide {
        return b.binary_imm(BinOp::Shr, address[0], 16);
    }
    let upper = b.binary_imm(BinOp::Shr, address[0], 32);
    let folded = b.binary_imm(BinOp::Shr, upper, 16);
    let both = b.binary(BinOp::Xor, upper, folded);
    b.binary_imm(BinOp::And, both, u64::from(FILTER_PLACES - 1))
}

impl FuncBuilder<'_, '_> {
    /// Is the value an element of a set that is kept in maps?
    pub(super) fn stored_member(&mut self, set: SetId, value: Bits, yes: Block, no: Block) {
        let names: &Names = self.names;
        let Some(named) = names.sets.get(&set) else { return self.b.jump(no, Vec::new()) };
        let (wide, key) = match value {
            Bits::Narrow(value) => (false, vec![value]),
            Bits::Wide { hi, lo } => (true, vec![hi, lo]),
        };
        let Some((_, maps)) = named.table(wide) else { return self.b.jump(no, Vec::new()) };
        if named.set.manifest.prefix {
            let func = self.prefix_finder(set, named, wide);
            // Whatever else the packet asks of the set, it asks the same lists.
            let state = self.b.set_state(named.number);
            let args = key.into_iter().chain([state]).collect();
            let found = func.map(|func| self.b.call(func, args));
            return match found {
                Some(found) => self.b.br_imm(Cond::Ne, found, 0, yes, no),
                None => self.b.jump(no, Vec::new()),
            };
        }
        self.element(named, maps, key, yes, no);
    }

    fn element(
        &mut self,
        named: &NamedSet,
        maps: TableMaps,
        key: Vec<Value>,
        yes: Block,
        no: Block,
    ) {
        let state = self.b.set_state(named.number);
        let Some(map) = maps.added else {
            return listed(&mut self.b, maps.listed, key, state, (yes, no));
        };
        let next = self.b.new_block();
        listed(&mut self.b, maps.listed, key.clone(), state, (yes, next));
        self.b.switch_to(next);
        added(&mut self.b, map, key, state, (yes, no));
    }

    /// The function that looks for prefixes of a set, made at its first use.
    fn prefix_finder(&mut self, set: SetId, named: &NamedSet, wide: bool) -> Option<Func> {
        if let Some(&func) = self.made.prefix_finders.get(&(set, wide)) {
            return Some(func);
        }
        let family = if wide { "6" } else { "" };
        let name = format!("{}_in_{}{family}", self.made.hook, named.set.manifest.name);
        let func = self.made.funcs.push(prefixes_function(&name, named, wide)?);
        self.made.prefix_finders.insert((set, wide), func);
        Some(func)
    }

    /// Goes to `yes` if the fields are together in the set, or, if so asked, are not; to `no` too where one is not
    /// there.
    pub(super) fn tuple(&mut self, test: &TupleTest, yes: Block, no: Block) {
        let names: &Names = self.names;
        let Some(named) = names.sets.get(&test.set) else { return self.b.jump(no, Vec::new()) };
        let (found, missing) = if test.negated { (no, yes) } else { (yes, no) };
        for wide in [false, true] {
            let Some((_, maps)) = named.table(wide) else { continue };
            let other = self.b.new_block();
            let key = self.set_key(&test.key, named, wide, other);
            if let Some(key) = key {
                self.element(named, maps, key, found, missing);
            } else {
                self.b.jump(other, Vec::new());
            }
            self.b.switch_to(other);
        }
        self.b.jump(no, Vec::new());
    }

    /// What a rule does to a set.
    pub(super) fn change(&mut self, change: &Change) {
        let names: &Names = self.names;
        let Some(named) = names.sets.get(&change.set) else { return };
        let done = self.b.new_block();
        for wide in [false, true] {
            let Some((_, maps)) = named.table(wide) else { continue };
            let other = self.b.new_block();
            match self.set_key(&change.key, named, wide, other) {
                Some(key) => {
                    self.change_element(named, maps, key, change.what);
                    self.b.jump(done, Vec::new());
                }
                None => self.b.jump(other, Vec::new()),
            }
            self.b.switch_to(other);
        }
        self.b.jump(done, Vec::new());
        self.b.switch_to(done);
    }

    fn change_element(
        &mut self,
        named: &NamedSet,
        maps: TableMaps,
        key: Vec<Value>,
        what: ChangeKind,
    ) {
        let ChangeKind::Add(lifetime_ns) = what else {
            self.b.erase(maps.listed, key.clone());
            if let Some(map) = maps.added {
                self.b.erase(map, key);
            }
            return;
        };
        let (Some(map), Some(full_slot)) = (maps.added, named.set.manifest.full_slot) else {
            return;
        };
        let end = match lifetime_ns {
            Some(ns) => {
                let now = self.b.env(Env::Now);
                let end = self.b.binary_imm(BinOp::Add, now, ns);
                self.b.binary_imm(BinOp::And, end, !State::GENERATION)
            }
            None => self.b.iconst(!State::GENERATION),
        };
        let state = self.b.set_state(named.number);
        let generation = generation(&mut self.b, state);
        let word = self.b.binary(BinOp::Or, end, generation);
        let put = self.b.put(map, key, word);
        let [full, there] = [(); 2].map(|()| self.b.new_block());
        self.b.br_imm(Cond::Eq, put, 0, there, full);
        self.b.switch_to(full);
        self.count_slot(full_slot);
        self.b.jump(there, Vec::new());
        self.b.switch_to(there);
    }

    /// The words of a key of one family; on to `no` where a part is not there. None if no packet has such a key.
    fn set_key(
        &mut self,
        parts: &[KeyPart],
        named: &NamedSet,
        wide: bool,
        no: Block,
    ) -> Option<Vec<Value>> {
        let set = &named.set.manifest;
        let bits: Vec<u32> = set.columns.iter().map(|column| column.bits(wide)).collect();
        if parts.iter().any(|part| family_places(part, wide).is_empty()) {
            return None;
        }
        if set.prefix {
            let address = self.part_of_family(&parts[0], wide, 128 * u32::from(wide), no);
            let words = match address {
                Bits::Narrow(value) => vec![value],
                Bits::Wide { hi, lo } => vec![hi, lo],
            };
            let length = parts[0].prefix_bits[usize::from(wide)];
            return Some(prefix_key(&mut self.b, wide, &words, length));
        }
        let mut words = vec![None; manifest::key_bytes(&bits) as usize / 8];
        for ((part, place), &bits) in parts.iter().zip(places(&bits)).zip(&bits) {
            let bits = self.part_of_family(part, wide, bits, no);
            self.add_part(&mut words, place, bits);
        }
        Some(words.into_iter().map(|word| word.unwrap_or_else(|| self.b.iconst(0))).collect())
    }

    /// A part of a key, of the packet or of the one inside it.
    fn part_of_family(&mut self, part: &KeyPart, wide: bool, bits: u32, no: Block) -> Bits {
        let places = family_places(part, wide);
        match (part.inner, self.inner) {
            (false, _) => self.first_place(part, &places, bits > 64, no),
            (true, Some(inner)) => {
                let mut read = None;
                self.inside(inner, |f| read = Some(f.first_place(part, &places, bits > 64, no)));
                read.unwrap_or_else(|| Bits::Narrow(self.b.iconst(0)))
            }
            (true, None) => Bits::Narrow(self.b.iconst(0)),
        }
    }
}

/// The places of a field that hold addresses of one family, or no addresses.
fn family_places(part: &KeyPart, wide: bool) -> Vec<&'static Place> {
    let of_family = |place: &&Place| match part.field.ty {
        Ty::Addr => (place.width_bits() == 128) == wide,
        Ty::Addr4 => !wide,
        Ty::Addr6 => wide,
        _ => true,
    };
    part.field.places.iter().filter(of_family).collect()
}
