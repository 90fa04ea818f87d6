//! The ELF object, as libbpf and aya read it.

use crate::asm::Target;
use crate::btf::{self, Btf, ExtRecord, ExtSection, LineRecord, TypeId};
use crate::error::Error;
use crate::link::{Linked, Prepared, Unit};
use crate::mach::Symbol;
use crate::table;
use cranelift_entity::EntityRef;
use l4c_ir::{LineData, Table};
use l4c_manifest::{
    COUNTER_BYTES, HookKind, INTERFACE_BYTES, Limit, Manifest, Map, MapKind, PARAMS_SECTION,
    Params, ROW_BYTES, SECTION, Storage, TEST_CLOCK, TEST_CLOCK_WORDS, VERSION,
};
use object::write::{Object, Relocation, SectionId, Symbol as ElfSymbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};
use std::collections::BTreeMap;

const LICENSE: &[u8] = b"Dual MIT/GPL\0";
const INSN_BYTES: u64 = 8;
/// Of such an array the values begin where a page does, and so a cache line.
const BPF_F_MMAPABLE: u32 = 0x400;

/// Name and size in bytes of the context's type.
const fn context_type(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Xdp => "xdp_md",
        HookKind::Socket => "__sk_buff",
    }
}

/// What the object tells its loader.
pub fn manifest(linked: &Linked<'_>) -> Manifest {
    let counters = linked.programs.iter().map(|program| Map {
        name: program.hook.counter_map.clone(),
        kind: MapKind::PercpuArray,
        key_bytes: 4,
        value_bytes: COUNTER_BYTES as u32,
        max_entries: program.module.counters.max(1),
        flags: 0,
        keeps: false,
        locked: false,
    });
    let samples = linked.programs.iter().filter_map(|program| program.hook.samples.as_ref());
    let samples = samples.map(|samples| Map {
        name: samples.map.clone(),
        kind: MapKind::PerfEventArray,
        key_bytes: 4,
        value_bytes: 4,
        max_entries: 0,
        flags: 0,
        keeps: false,
        locked: false,
    });
    let clock = Target::Symbol(Symbol::Clock);
    let mut relocs = linked.units.iter().flat_map(|unit| &unit.bytes.relocs);
    let injected = relocs.any(|&(_, target)| target == clock);
    let clock = injected.then(|| Map {
        name: TEST_CLOCK.to_owned(),
        kind: MapKind::Array,
        key_bytes: 4,
        value_bytes: 8,
        max_entries: TEST_CLOCK_WORDS,
        flags: 0,
        keeps: false,
        locked: false,
    });
    let limits = linked.programs.iter().flat_map(|program| &program.hook.limits);
    let limits = limits.map(|limit| Map {
        name: limit.map.clone(),
        kind: MapKind::Array,
        key_bytes: 4,
        value_bytes: limit.set_bytes(),
        max_entries: limit.sets(),
        flags: BPF_F_MMAPABLE,
        keeps: true,
        locked: limit.storage != Storage::Word,
    });
    let rows = linked.programs.iter().filter_map(|program| {
        let rows = program.hook.rows.as_ref()?;
        Some(Map {
            name: rows.map.clone(),
            kind: MapKind::Array,
            key_bytes: 4,
            value_bytes: ROW_BYTES,
            max_entries: rows.count,
            flags: BPF_F_MMAPABLE,
            keeps: true,
            locked: program.hook.kind == HookKind::Xdp,
        })
    });
    let maps = counters.chain(samples).chain(clock).chain(limits).chain(rows).collect();
    let hooks = linked.programs.iter().map(|program| program.hook.clone()).collect();
    Manifest { version: VERSION, hooks, maps }
}

/// The bytes of the object.
///
/// # Errors
/// When it cannot be written; a mistake of this crate.
pub fn write(linked: &Linked<'_>, manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let mut writer = Writer {
        linked,
        object: Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little),
        btf: Btf::new(),
        sections: Vec::new(),
        funcs: BTreeMap::new(),
        maps: BTreeMap::new(),
        tables: BTreeMap::new(),
        ifaces: BTreeMap::new(),
        params: BTreeMap::new(),
        lock: None,
    };
    let types = Types::new(&mut writer.btf);
    writer.functions();
    writer.maps(manifest, &types);
    writer.params();
    writer.relocations()?;
    writer.data("license", LICENSE);
    writer.data(SECTION, &manifest.to_bytes());
    writer.debug_info(&types);
    writer.object.write().map_err(|e| Error::Bug(format!("the object cannot be written: {e}")))
}

/// Types that all programs share.
struct Types {
    int: TypeId,
    u32: TypeId,
    u64: TypeId,
}

impl Types {
    fn new(btf: &mut Btf) -> Self {
        Self {
            int: btf.int("int", 4, true),
            u32: btf.int("unsigned int", 4, false),
            u64: btf.int("unsigned long long", 8, false),
        }
    }
}

struct Writer<'a> {
    linked: &'a Linked<'a>,
    object: Object<'static>,
    btf: Btf,
    /// Sections of code, in order.
    sections: Vec<(&'static str, SectionId)>,
    /// Symbol, and offset in its section, of each function.
    funcs: BTreeMap<&'a str, (SymbolId, u64)>,
    maps: BTreeMap<String, SymbolId>,
    /// Sections of tables by name, with their bytes.
    tables: BTreeMap<String, (SymbolId, Vec<u8>)>,
    /// Tables of interfaces by program.
    ifaces: BTreeMap<usize, SymbolId>,
    /// What the loader tells of limits, by the symbols of their tables.
    params: BTreeMap<String, SymbolId>,
    /// The type of locks.
    lock: Option<TypeId>,
}

impl<'a> Writer<'a> {
    fn section(&mut self, name: &str, kind: SectionKind) -> SectionId {
        self.object.add_section(Vec::new(), name.as_bytes().to_vec(), kind)
    }

    fn data(&mut self, name: &str, bytes: &[u8]) -> SectionId {
        let section = self.section(name, SectionKind::Data);
        self.object.append_section_data(section, bytes, 1);
        section
    }

    fn symbol(
        &mut self,
        name: &str,
        section: SectionId,
        (value, size): (u64, u64),
        kind: SymbolKind,
        scope: SymbolScope,
    ) -> SymbolId {
        self.object.add_symbol(ElfSymbol {
            name: name.as_bytes().to_vec(),
            value,
            size,
            kind,
            scope,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }

    /// Entries first, so that sections come in the order of the source.
    fn functions(&mut self) {
        let linked = self.linked;
        let (entries, others): (Vec<&Unit>, _) = linked.units.iter().partition(|u| u.is_entry);
        for unit in entries.into_iter().chain(others) {
            let known = self.sections.iter().find(|(name, _)| *name == unit.section);
            let section = match known {
                Some(&(_, section)) => section,
                None => {
                    let section = self.section(unit.section, SectionKind::Text);
                    self.sections.push((unit.section, section));
                    section
                }
            };
            let code = &unit.bytes.code;
            let at = self.object.append_section_data(section, code, INSN_BYTES);
            let place = (at, code.len() as u64);
            let (kind, scope) = (SymbolKind::Text, SymbolScope::Dynamic);
            let symbol = self.symbol(&unit.symbol, section, place, kind, scope);
            self.funcs.insert(&unit.symbol, (symbol, at));
        }
    }

    /// Map definitions: structures of pointers whose types tell the numbers.
    fn maps(&mut self, manifest: &Manifest, types: &Types) {
        let section = self.section(".maps", SectionKind::Data);
        let value = self
            .btf
            .structure("l4c_counter", &[("packets", types.u64, 8), ("bytes", types.u64, 8)]);
        let (key, value) = (self.btf.ptr(types.u32), self.btf.ptr(value));
        let mut vars = Vec::new();
        for map in &manifest.maps {
            let mut number = |n: u32| {
                let array = self.btf.array(types.int, types.u32, n);
                self.btf.ptr(array)
            };
            let (kind, entries) = (number(map.kind.number()), number(map.max_entries));
            let (key, value) = match map.kind {
                MapKind::PercpuArray => (("key", key), ("value", value)),
                MapKind::Array => {
                    let value = self.array_value(map, types);
                    (("key", key), ("value", self.btf.ptr(value)))
                }
                // What the values are is the kernel's own business, so that they have no type.
                MapKind::PerfEventArray => {
                    (("key_size", number(map.key_bytes)), ("value_size", number(map.value_bytes)))
                }
            };
            let mut members = vec![
                ("type", kind, 8),
                ("max_entries", entries, 8),
                (key.0, key.1, 8),
                (value.0, value.1, 8),
            ];
            if map.flags != 0 {
                let array = self.btf.array(types.int, types.u32, map.flags);
                members.push(("map_flags", self.btf.ptr(array), 8));
            }
            let bytes = 8 * members.len() as u32;
            let definition = self.btf.structure("", &members);
            let at = self.object.append_section_data(section, &vec![0; bytes as usize], 8);
            let place = (at, bytes.into());
            let (kind, scope) = (SymbolKind::Data, SymbolScope::Dynamic);
            let symbol = self.symbol(&map.name, section, place, kind, scope);
            self.maps.insert(map.name.clone(), symbol);
            vars.push((self.btf.global_var(&map.name, definition), at as u32, bytes));
        }
        let bytes = vars.iter().map(|(_, _, bytes)| bytes).sum();
        self.btf.datasec(".maps", bytes, &vars);
    }

    /// The type of an array's values: 64-bit words, behind a lock where there is one.
    fn array_value(&mut self, map: &Map, types: &Types) -> TypeId {
        if !map.locked {
            return self.btf.array(types.u64, types.u32, map.value_bytes / 8);
        }
        let lock = *self
            .lock
            .get_or_insert_with(|| self.btf.structure("bpf_spin_lock", &[("val", types.u32, 4)]));
        let rest_bytes = map.value_bytes - 4;
        let rest = self.btf.array(types.u32, types.u32, rest_bytes / 4);
        self.btf.structure("l4c_set", &[("lock", lock, 4), ("rest", rest, rest_bytes)])
    }

    /// What the loader tells of limits, as it is where nobody does.
    fn params(&mut self) {
        let programs = &self.linked.programs;
        let limits: Vec<&Limit> =
            programs.iter().flat_map(|program| &program.hook.limits).collect();
        if limits.is_empty() {
            return;
        }
        let bytes: Vec<u8> = limits.iter().flat_map(|limit| limit.initial().to_bytes()).collect();
        let section = self.section(PARAMS_SECTION, SectionKind::Data);
        self.object.append_section_data(section, &bytes, INSN_BYTES);
        for limit in limits {
            let place = (limit.params_off_bytes.into(), Params::BYTES as u64);
            let name = format!("{}_params", limit.map);
            let symbol =
                self.symbol(&name, section, place, SymbolKind::Data, SymbolScope::Compilation);
            self.params.insert(limit.map.clone(), symbol);
        }
    }

    /// The symbol of a table's data; programs that use the same table share it.
    fn table(&mut self, program: usize, table: Table) -> SymbolId {
        let data = &self.linked.programs[program].module.tables[table];
        let bytes = table::bytes(data);
        let mut name = data.name.clone();
        for n in 2.. {
            match self.tables.get(&name) {
                Some((symbol, known)) if *known == bytes => return *symbol,
                Some(_) => name = format!("{}_{n}", data.name),
                None => break,
            }
        }
        let symbol = self.read_only(&format!(".rodata.{name}"), &name, &bytes);
        self.tables.insert(name, (symbol, bytes));
        symbol
    }

    fn read_only(&mut self, section: &str, name: &str, bytes: &[u8]) -> SymbolId {
        let section = self.section(section, SectionKind::ReadOnlyData);
        self.object.append_section_data(section, bytes, INSN_BYTES);
        let place = (0, bytes.len() as u64);
        self.symbol(name, section, place, SymbolKind::Data, SymbolScope::Compilation)
    }

    /// The symbol of a program's numbers of interfaces, zeros until the loader writes them.
    fn ifaces(&mut self, program: usize) -> SymbolId {
        if let Some(&symbol) = self.ifaces.get(&program) {
            return symbol;
        }
        let Prepared { hook, module } = &self.linked.programs[program];
        let bytes = vec![0; module.ifaces as usize * INTERFACE_BYTES];
        let name = format!("{}_ifaces", hook.name);
        let symbol = self.read_only(&hook.interface_section(), &name, &bytes);
        self.ifaces.insert(program, symbol);
        symbol
    }

    fn relocations(&mut self) -> Result<(), Error> {
        let linked = self.linked;
        for unit in &linked.units {
            let (_, start) = self.funcs[unit.symbol.as_str()];
            let hook = linked.programs[unit.program].hook;
            for &(insn, target) in &unit.bytes.relocs {
                let (symbol, r_type) = match target {
                    Target::Symbol(Symbol::Counters) => {
                        (self.maps[hook.counter_map.as_str()], elf::R_BPF_64_64)
                    }
                    Target::Symbol(Symbol::Samples) => {
                        let samples = hook.samples.as_ref().ok_or_else(|| {
                            Error::Bug(format!("hook {} samples and has no map for it", hook.name))
                        })?;
                        (self.maps[samples.map.as_str()], elf::R_BPF_64_64)
                    }
                    Target::Symbol(Symbol::Table(table)) => {
                        (self.table(unit.program, table), elf::R_BPF_64_64)
                    }
                    Target::Symbol(Symbol::Rows) => {
                        let rows = hook.rows.as_ref().ok_or_else(|| {
                            Error::Bug(format!("hook {} has no map for its rows", hook.name))
                        })?;
                        (self.maps[rows.map.as_str()], elf::R_BPF_64_64)
                    }
                    Target::Symbol(Symbol::Limit(limit)) => {
                        (self.maps[&hook.limits[limit.index()].map], elf::R_BPF_64_64)
                    }
                    Target::Symbol(Symbol::Params(limit)) => {
                        (self.params[&hook.limits[limit.index()].map], elf::R_BPF_64_64)
                    }
                    Target::Symbol(Symbol::Clock) => (self.maps[TEST_CLOCK], elf::R_BPF_64_64),
                    Target::Symbol(Symbol::Ifaces) => (self.ifaces(unit.program), elf::R_BPF_64_64),
                    Target::Func(func) => {
                        (self.funcs[linked.symbol(unit.program, func)].0, elf::R_BPF_64_32)
                    }
                };
                let relocation = Relocation {
                    offset: start + u64::from(insn) * INSN_BYTES,
                    symbol,
                    addend: 0,
                    flags: RelocationFlags::Elf { r_type },
                };
                let section = self.sections.iter().find(|(name, _)| *name == unit.section);
                let &(_, section) = section.expect("made for this unit");
                self.object
                    .add_relocation(section, relocation)
                    .map_err(|e| Error::Bug(format!("a relocation is refused: {e}")))?;
            }
        }
        Ok(())
    }

    fn debug_info(&mut self, types: &Types) {
        let contexts: BTreeMap<&str, TypeId> = HookKind::ALL
            .map(context_type)
            .map(|name| {
                let context = self.btf.structure(name, &[]);
                (name, self.btf.ptr(context))
            })
            .into();
        let linked = self.linked;
        let mut ext = Vec::new();
        for (name, _) in self.sections.clone() {
            let name_off = self.btf.string(name);
            let mut section = ExtSection { name: name_off, funcs: Vec::new(), lines: Vec::new() };
            for unit in linked.units.iter().filter(|unit| unit.section == name) {
                let context = contexts[context_type(linked.programs[unit.program].hook.kind)];
                self.function_info(unit, context, types, &mut section);
            }
            ext.push(section);
        }
        for (name, bytes) in [(".BTF", self.btf.to_bytes()), (".BTF.ext", btf::ext_bytes(&ext))] {
            let section = self.section(name, SectionKind::Other);
            self.object.append_section_data(section, &bytes, 4);
        }
    }

    fn function_info(&mut self, unit: &Unit, context: TypeId, types: &Types, out: &mut ExtSection) {
        let module = &self.linked.programs[unit.program].module;
        let count = module.funcs[unit.func].params().len();
        let names: Vec<String> = (0..count).map(|n| format!("a{n}")).collect();
        let mut params = vec![("ctx", context)];
        params.extend(names.iter().map(|name| (name.as_str(), types.u64)));
        let ret = if unit.is_entry { types.int } else { types.u64 };
        let func = self.btf.global_func(&unit.symbol, ret, &params);
        let start = self.funcs[unit.symbol.as_str()].1 as u32;
        out.funcs.push(ExtRecord { insn_off_bytes: start, data: func });
        // The kernel wants a line at each function's first instruction.
        if unit.bytes.lines.first().is_none_or(|&(at, _)| at > 0) {
            let record = self.line_record(start, &self.linked.first_line(unit));
            out.lines.push(record);
        }
        for &(insn, line) in &unit.bytes.lines {
            let at = start + insn * INSN_BYTES as u32;
            let record = self.line_record(at, &module.lines[line]);
            out.lines.push(record);
        }
    }

    fn line_record(&mut self, insn_off_bytes: u32, at: &LineData) -> ExtRecord<LineRecord> {
        let data = LineRecord {
            file: self.btf.string(&at.file),
            text: self.btf.string(&at.text),
            line: at.line,
            column: at.column,
        };
        ExtRecord { insn_off_bytes, data }
    }
}
