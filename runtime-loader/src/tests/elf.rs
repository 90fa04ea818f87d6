//! Objects made by hand: ELF by `object::write`, the one map in BTF.

use super::asm::{Asm, Target};
use ::object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use ::object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};
use l4c_manifest::{Hook, HookKind, Manifest, Map, MapKind};
use std::collections::HashMap;

/// Symbol of the counters.
pub const COUNTERS: &str = "counters";

/// An object with one hook, called `main`.
pub struct Builder {
    kind: HookKind,
    main: Asm,
    functions: Vec<(String, Asm)>,
    tables: Vec<(String, Vec<u8>)>,
    slots: u32,
    source: Option<(String, u32)>,
}

impl Builder {
    pub fn new(kind: HookKind, main: Asm) -> Self {
        Self { kind, main, functions: Vec::new(), tables: Vec::new(), slots: 1, source: None }
    }

    pub fn function(mut self, name: &str, code: Asm) -> Self {
        self.functions.push((name.to_owned(), code));
        self
    }

    pub fn table(mut self, section: &str, bytes: &[u8]) -> Self {
        self.tables.push((section.to_owned(), bytes.to_vec()));
        self
    }

    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// Says that the program is line `line` of `file`.
    pub fn source(mut self, file: &str, line: u32) -> Self {
        self.source = Some((file.to_owned(), line));
        self
    }

    pub fn manifest(&self) -> Manifest {
        let hook = Hook {
            name: "main".to_owned(),
            kind: self.kind,
            shadow: false,
            counter_map: COUNTERS.to_owned(),
            rules: Vec::new(),
            counters: Vec::new(),
            samples: None,
            interfaces: Vec::new(),
            rows: None,
            limits: Vec::new(),
            sets: Vec::new(),
        };
        let map = Map {
            name: COUNTERS.to_owned(),
            kind: MapKind::PercpuArray,
            key_bytes: 4,
            value_bytes: 16,
            max_entries: self.slots,
            flags: 0,
            keeps: false,
            locked: false,
        };
        Manifest { version: l4c_manifest::VERSION, hooks: vec![hook], maps: vec![map] }
    }

    pub fn build(&self) -> Vec<u8> {
        let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let mut add = |name: &str, kind, data: &[u8]| {
            let id = elf.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
            elf.set_section_data(id, data.to_vec(), 8);
            id
        };
        add("license", SectionKind::Data, b"Dual MIT/GPL\0");
        let file = self.source.as_ref().map_or("", |s| s.0.as_str());
        let (btf, strings) = btf(self.slots, &["main", "ctx", self.kind.section(), file, RULE]);
        add(".BTF", SectionKind::Other, &btf);
        if let Some((_, line)) = self.source {
            add(".BTF.ext", SectionKind::Other, &btf_ext(&strings, line));
        }
        add(l4c_manifest::SECTION, SectionKind::Other, &self.manifest().to_bytes());
        let maps = add(".maps", SectionKind::Data, &[0; MAP_DEF_BYTES as usize]);
        let tables: Vec<SectionId> =
            self.tables.iter().map(|(n, b)| add(n, SectionKind::ReadOnlyData, b)).collect();
        let mut main = Vec::new();
        let main_section = add(self.kind.section(), SectionKind::Text, &[]);
        let text_section = add(".text", SectionKind::Text, &[]);
        let mut symbols = HashMap::new();
        let map = symbol(COUNTERS, maps, SymbolKind::Data, 0, MAP_DEF_BYTES);
        symbols.insert(COUNTERS.to_owned(), elf.add_symbol(map));
        for ((name, bytes), id) in self.tables.iter().zip(tables) {
            let table = symbol(&name[1..], id, SymbolKind::Data, 0, bytes.len() as u64);
            symbols.insert(name.clone(), elf.add_symbol(table));
        }
        main.push((main_section, 0, &self.main));
        let size = self.main.insns.len() as u64 * 8;
        elf.add_symbol(symbol("main", main_section, SymbolKind::Text, 0, size));
        let mut off = 0;
        for (name, code) in &self.functions {
            let size = code.insns.len() as u64 * 8;
            let function = symbol(name, text_section, SymbolKind::Text, off, size);
            symbols.insert(name.clone(), elf.add_symbol(function));
            main.push((text_section, off, code));
            off += size;
        }
        for (section, off, code) in main {
            emit(&mut elf, section, off, code, &symbols);
        }
        elf.write().unwrap()
    }
}

fn emit(
    elf: &mut Object,
    section: SectionId,
    off: u64,
    code: &Asm,
    symbols: &HashMap<String, SymbolId>,
) {
    let bytes: Vec<u8> = code.finish().iter().flat_map(|i| i.to_bytes()).collect();
    assert_eq!(elf.append_section_data(section, &bytes, 8), off);
    for (slot, target) in &code.refs {
        let (name, r_type) = match target {
            Target::Function(name) => (name.as_str(), elf::R_BPF_64_32),
            Target::Counters => (COUNTERS, elf::R_BPF_64_64),
            Target::Table(section) => (section.as_str(), elf::R_BPF_64_64),
        };
        let relocation = Relocation {
            offset: off + *slot as u64 * 8,
            symbol: symbols[name],
            addend: 0,
            flags: RelocationFlags::Elf { r_type },
        };
        elf.add_relocation(section, relocation).unwrap();
    }
}

fn symbol(name: &str, section: SectionId, kind: SymbolKind, value: u64, size: u64) -> Symbol {
    Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    }
}

/// Four pointers.
const MAP_DEF_BYTES: u64 = 32;

/// What the line info quotes.
pub const RULE: &str = "a rule -> drop";

/// The definition of the counters: a struct of pointers to arrays, whose lengths are the numbers;
/// and a function `names[0]` with an argument `names[1]`. The second answer is where `names` lie
/// among the strings.
fn btf(slots: u32, names: &[&str]) -> (Vec<u8>, Vec<u32>) {
    const PERCPU_ARRAY: u32 = 6;
    let mut strings = vec![0u8];
    let mut string = |text: &str| {
        let off = strings.len() as u32;
        strings.extend(text.bytes().chain([0]));
        off
    };
    let fields =
        [("type", PERCPU_ARRAY), ("key_size", 4), ("value_size", 16), ("max_entries", slots)];
    // Type 1 is `int`; then an array and a pointer to it for each field.
    let mut types = vec![string("int"), 1 << 24, 4, 32];
    let mut members = Vec::new();
    for (index, (name, number)) in (0u32..).zip(fields) {
        let array = 2 + 2 * index;
        types.extend([0, 3 << 24, 0, 1, 1, number]);
        types.extend([0, 2 << 24, array]);
        members.extend([string(name), array + 1, index * 64]);
    }
    let (pointer, definition, variable, prototype) = (3, 10, 11, 13);
    types.extend([0, 4 << 24 | 4, MAP_DEF_BYTES as u32]);
    types.extend(members);
    types.extend([string(COUNTERS), 14 << 24, definition, 1]);
    types.extend([string(".maps"), 15 << 24 | 1, MAP_DEF_BYTES as u32]);
    types.extend([variable, 0, MAP_DEF_BYTES as u32]);
    let names: Vec<u32> = names.iter().map(|n| string(n)).collect();
    types.extend([0, 13 << 24 | 1, 1, names[1], pointer]);
    types.extend([names[0], 12 << 24, prototype]);
    let type_bytes = types.len() as u32 * 4;
    let header = [0x0001_eb9f, 24, 0, type_bytes, type_bytes, strings.len() as u32];
    let words = header.into_iter().chain(types);
    (words.flat_map(u32::to_le_bytes).chain(strings).collect(), names)
}

/// One function and one line, both at the first instruction. `strings`: see [`btf`].
fn btf_ext(strings: &[u32], line: u32) -> Vec<u8> {
    const MAIN: u32 = 14;
    let (section, file, text) = (strings[2], strings[3], strings[4]);
    let functions = [8, section, 1, 0, MAIN];
    let lines = [16, section, 1, 0, file, text, line << 10 | 1];
    let (functions_bytes, lines_bytes) = (functions.len() as u32 * 4, lines.len() as u32 * 4);
    let end = functions_bytes + lines_bytes;
    let header = [0x0001_eb9f, 32, 0, functions_bytes, functions_bytes, lines_bytes, end, 0];
    header.into_iter().chain(functions).chain(lines).flat_map(u32::to_le_bytes).collect()
}
