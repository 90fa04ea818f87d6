//! BTF: types, functions and source lines, as the kernel reads them
//! (`Documentation/bpf/btf.rst`). Written by hand: no crate at hand writes map definitions.

use std::collections::HashMap;

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_BYTES: u32 = 24;
const EXT_HEADER_BYTES: u32 = 32;
const FUNC_INFO_BYTES: u32 = 8;
const LINE_INFO_BYTES: u32 = 16;
/// `BTF_INT_SIGNED` in the encoding byte of an integer.
const INT_SIGNED: u32 = 1 << 24;
/// `BTF_FUNC_GLOBAL`, `BTF_VAR_GLOBAL_ALLOCATED`
const GLOBAL: u32 = 1;

/// `enum BTF_KIND_*`
#[derive(Clone, Copy)]
enum Kind {
    Int = 1,
    Ptr = 2,
    Array = 3,
    Struct = 4,
    Func = 12,
    FuncProto = 13,
    Var = 14,
    DataSec = 15,
}

/// A type's number; 0 is `void`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

/// Types and strings of one object.
pub struct Btf {
    strings: Vec<u8>,
    string_offs: HashMap<String, u32>,
    types: Vec<u8>,
    count: u32,
}

/// A function's or a line's record for `.BTF.ext`.
pub struct ExtRecord<T> {
    /// Offset of the instruction in its section.
    pub insn_off_bytes: u32,
    /// What is there.
    pub data: T,
}

/// A source line.
pub struct LineRecord {
    pub file: u32,
    pub text: u32,
    pub line: u32,
    pub column: u32,
}

/// What `.BTF.ext` says of one section.
pub struct ExtSection {
    pub name: u32,
    pub funcs: Vec<ExtRecord<TypeId>>,
    pub lines: Vec<ExtRecord<LineRecord>>,
}

impl Btf {
    pub fn new() -> Self {
        Self { strings: vec![0], string_offs: HashMap::new(), types: Vec::new(), count: 0 }
    }

    /// The offset of a string, entered if it is new. A NUL ends it.
    pub fn string(&mut self, text: &str) -> u32 {
        let text = text.split('\0').next().unwrap_or_default();
        if text.is_empty() {
            return 0;
        }
        if let Some(&off) = self.string_offs.get(text) {
            return off;
        }
        let off = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        self.string_offs.insert(text.to_owned(), off);
        off
    }

    fn add(
        &mut self,
        name: &str,
        kind: Kind,
        vlen: usize,
        size_or_type: u32,
        rest: &[u32],
    ) -> TypeId {
        let name = self.string(name);
        let info = (kind as u32) << 24 | vlen as u32;
        for word in [name, info, size_or_type].iter().chain(rest) {
            self.types.extend(word.to_le_bytes());
        }
        self.count += 1;
        TypeId(self.count)
    }

    pub fn int(&mut self, name: &str, bytes: u32, signed: bool) -> TypeId {
        let encoding = (8 * bytes) | if signed { INT_SIGNED } else { 0 };
        self.add(name, Kind::Int, 0, bytes, &[encoding])
    }

    pub fn ptr(&mut self, to: TypeId) -> TypeId {
        self.add("", Kind::Ptr, 0, to.0, &[])
    }

    pub fn array(&mut self, of: TypeId, index: TypeId, count: u32) -> TypeId {
        self.add("", Kind::Array, 0, 0, &[of.0, index.0, count])
    }

    /// Members follow each other, each of so many bytes.
    pub fn structure(&mut self, name: &str, members: &[(&str, TypeId, u32)]) -> TypeId {
        let (mut rest, mut off_bytes) = (Vec::new(), 0);
        for (member, ty, bytes) in members {
            rest.extend([self.string(member), ty.0, 8 * off_bytes]);
            off_bytes += bytes;
        }
        self.add(name, Kind::Struct, members.len(), off_bytes, &rest)
    }

    /// A function that any other can call, verified on its own.
    pub fn global_func(&mut self, name: &str, ret: TypeId, params: &[(&str, TypeId)]) -> TypeId {
        let rest: Vec<u32> =
            params.iter().flat_map(|(name, ty)| [self.string(name), ty.0]).collect();
        let proto = self.add("", Kind::FuncProto, params.len(), ret.0, &rest);
        self.add(name, Kind::Func, GLOBAL as usize, proto.0, &[])
    }

    pub fn global_var(&mut self, name: &str, ty: TypeId) -> TypeId {
        self.add(name, Kind::Var, 0, ty.0, &[GLOBAL])
    }

    /// Variables with their offset and size in the section.
    pub fn datasec(&mut self, name: &str, bytes: u32, vars: &[(TypeId, u32, u32)]) -> TypeId {
        let rest: Vec<u32> = vars.iter().flat_map(|&(v, off, size)| [v.0, off, size]).collect();
        self.add(name, Kind::DataSec, vars.len(), bytes, &rest)
    }

    /// The section `.BTF`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut out = header(HEADER_BYTES);
        put(&mut out, &[0, types, types, strings]);
        out.extend(&self.types);
        out.extend(&self.strings);
        out
    }
}

/// The section `.BTF.ext`.
pub fn ext_bytes(sections: &[ExtSection]) -> Vec<u8> {
    let (mut funcs, mut lines) = (Vec::new(), Vec::new());
    put(&mut funcs, &[FUNC_INFO_BYTES]);
    put(&mut lines, &[LINE_INFO_BYTES]);
    for section in sections {
        put(&mut funcs, &[section.name, section.funcs.len() as u32]);
        for record in &section.funcs {
            put(&mut funcs, &[record.insn_off_bytes, record.data.0]);
        }
        put(&mut lines, &[section.name, section.lines.len() as u32]);
        for record in &section.lines {
            let LineRecord { file, text, line, column } = record.data;
            // 10 bits for the column, the rest for the line.
            let place = line.min(0x3f_ffff) << 10 | column.min(0x3ff);
            put(&mut lines, &[record.insn_off_bytes, file, text, place]);
        }
    }
    let (funcs_bytes, lines_bytes) = (funcs.len() as u32, lines.len() as u32);
    let mut out = header(EXT_HEADER_BYTES);
    // No relocations against kernel types follow.
    let relos = funcs_bytes + lines_bytes;
    put(&mut out, &[0, funcs_bytes, funcs_bytes, lines_bytes, relos, 0]);
    out.extend(funcs);
    out.extend(lines);
    out
}

fn header(bytes: u32) -> Vec<u8> {
    let mut out = MAGIC.to_le_bytes().to_vec();
    out.extend([VERSION, 0]);
    put(&mut out, &[bytes]);
    out
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}
