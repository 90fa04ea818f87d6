//! From ELF bytes to functions and references. Any bytes are an answer or an error, never a panic.

use super::{Function, Ref, Rodata};
use crate::ObjectError;
use crate::insn::{CALL, INSN_BYTES, Insn, LD_DW, PSEUDO_CALL};
use ::object::read::elf::ElfFile64;
use ::object::{
    Architecture, LittleEndian, Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _,
    RelocationFlags, RelocationTarget, SectionIndex, SymbolKind, elf,
};
use l4c_manifest::{ELEMENTS_SECTION, HookKind, Manifest, PARAMS_SECTION};
use std::collections::{BTreeMap, HashMap};

type Elf<'a> = ElfFile64<'a, LittleEndian>;

/// What an object consists of.
pub struct Parts {
    pub manifest: Manifest,
    pub functions: Vec<Function>,
    pub rodata: Vec<Rodata>,
    pub elements: BTreeMap<String, Vec<u8>>,
}

/// Takes an ELF file apart.
pub fn parts(bytes: &[u8]) -> Result<Parts, ObjectError> {
    let file = Elf::parse(bytes).map_err(elf_error)?;
    if file.architecture() != Architecture::Bpf || file.kind() != ObjectKind::Relocatable {
        return Err(ObjectError::NotBpf);
    }
    let section = file.section_by_name(l4c_manifest::SECTION).ok_or(ObjectError::NoManifest)?;
    let manifest =
        Manifest::from_bytes(section.data().map_err(elf_error)?).map_err(ObjectError::Manifest)?;
    let sections = Sections::find(&file)?;
    let spans = spans(&file, &sections)?;
    let mut functions = spans.iter().map(Span::cut).collect::<Result<Vec<_>, _>>()?;
    let linker = Linker { file: &file, sections: &sections, spans: &spans, manifest: &manifest };
    linker.link(&mut functions)?;
    let rodata = sections.rodata.iter();
    let rodata = rodata.map(|(name, data)| Rodata { name: name.clone(), bytes: data.to_vec() });
    let rodata = rodata.collect();
    let elements = sections.elements.iter();
    let elements = elements.map(|&(map, keys)| (map.to_owned(), keys.to_vec())).collect();
    Ok(Parts { manifest, functions, rodata, elements })
}

fn elf_error(why: ::object::Error) -> ObjectError {
    ObjectError::Elf(why.to_string())
}

/// A section that holds code.
struct Code<'a> {
    name: String,
    index: SectionIndex,
    kind: Option<HookKind>,
    data: &'a [u8],
}

/// The sections that matter to us.
struct Sections<'a> {
    code: Vec<Code<'a>>,
    /// By name.
    rodata: Vec<(String, &'a [u8])>,
    rodata_by_section: HashMap<SectionIndex, usize>,
    /// By map.
    elements: Vec<(&'a str, &'a [u8])>,
    maps: Option<SectionIndex>,
}

impl<'a> Sections<'a> {
    fn find(file: &Elf<'a>) -> Result<Self, ObjectError> {
        let mut found = Self {
            code: Vec::new(),
            rodata: Vec::new(),
            rodata_by_section: HashMap::new(),
            elements: Vec::new(),
            maps: None,
        };
        for section in file.sections() {
            let name = section.name().map_err(elf_error)?;
            let index = section.index();
            let kind = HookKind::ALL.into_iter().find(|k| k.section() == name);
            if kind.is_some() || name == ".text" {
                let data = section.data().map_err(elf_error)?;
                found.code.push(Code { name: name.to_owned(), index, kind, data });
            } else if let Some(map) = name.strip_prefix(ELEMENTS_SECTION) {
                found.elements.push((map, section.data().map_err(elf_error)?));
            } else if name == ".maps" {
                found.maps = Some(index);
            } else if name == PARAMS_SECTION || name == ".rodata" || name.starts_with(".rodata.") {
                found.rodata_by_section.insert(index, found.rodata.len());
                let data = section.data().map_err(elf_error)?;
                found.rodata.push((name.to_owned(), data));
            }
        }
        Ok(found)
    }
}

/// Where a function lies.
struct Span<'s, 'a> {
    name: String,
    code: &'s Code<'a>,
    start_bytes: u64,
    end_bytes: u64,
}

/// The functions, by section and place; no two overlap, so that they hold no more code together
/// than the file does.
fn spans<'s, 'a>(
    file: &Elf<'a>,
    sections: &'s Sections<'a>,
) -> Result<Vec<Span<'s, 'a>>, ObjectError> {
    let mut spans = Vec::new();
    for symbol in file.symbols().filter(|s| s.kind() == SymbolKind::Text) {
        let code = sections.code.iter().find(|c| Some(c.index) == symbol.section_index());
        let Some(code) = code else { continue };
        let name = symbol.name().map_err(elf_error)?.to_owned();
        let start_bytes = symbol.address();
        let end_bytes = start_bytes.saturating_add(symbol.size());
        let span = Span { name, code, start_bytes, end_bytes };
        if symbol.size() == 0 || end_bytes > code.data.len() as u64 {
            return Err(span.error("lies outside of its section"));
        }
        spans.push(span);
    }
    spans.sort_by_key(|s| (s.code.index.0, s.start_bytes));
    let overlapping = spans.windows(2).find(|pair| {
        pair[0].code.index == pair[1].code.index && pair[0].end_bytes > pair[1].start_bytes
    });
    match overlapping {
        Some(pair) => Err(pair[1].error("overlaps another function")),
        None => Ok(spans),
    }
}

impl Span<'_, '_> {
    fn error(&self, why: &'static str) -> ObjectError {
        ObjectError::Function { name: self.name.clone(), why }
    }

    /// Decodes the function's slots.
    fn cut(&self) -> Result<Function, ObjectError> {
        // In range: a span lies inside its section, whose bytes are in memory.
        let bytes = &self.code.data[self.start_bytes as usize..self.end_bytes as usize];
        let (slots, rest) = bytes.as_chunks::<INSN_BYTES>();
        if !rest.is_empty() {
            return Err(self.error("is not a whole number of instructions"));
        }
        Ok(Function {
            name: self.name.clone(),
            kind: self.code.kind,
            insns: slots.iter().map(|&slot| Insn::from_bytes(slot)).collect(),
            refs: BTreeMap::new(),
        })
    }
}

/// Resolves relocations.
struct Linker<'s, 'a> {
    file: &'s Elf<'a>,
    sections: &'s Sections<'a>,
    /// As sorted by [`spans`]; indices are those of the functions.
    spans: &'s [Span<'s, 'a>],
    manifest: &'s Manifest,
}

impl Linker<'_, '_> {
    fn link(&self, functions: &mut [Function]) -> Result<(), ObjectError> {
        for code in &self.sections.code {
            let section = self.file.section_by_index(code.index).map_err(elf_error)?;
            for (off_bytes, relocation) in section.relocations() {
                let error =
                    |why| ObjectError::Relocation { section: code.name.clone(), off_bytes, why };
                let at = self.function_at(code.index, off_bytes);
                let at = at.ok_or_else(|| error("is in no function"))?;
                let in_function = off_bytes - self.spans[at].start_bytes;
                if !in_function.is_multiple_of(INSN_BYTES as u64) {
                    return Err(error("is inside an instruction"));
                }
                let slot = in_function as usize / INSN_BYTES;
                let target = self.target(functions[at].insns[slot], &relocation);
                functions[at].refs.insert(slot, target.map_err(error)?);
            }
        }
        Ok(())
    }

    /// The function that holds a byte of a code section.
    fn function_at(&self, section: SectionIndex, off_bytes: u64) -> Option<usize> {
        let after = self
            .spans
            .partition_point(|s| (s.code.index.0, s.start_bytes) <= (section.0, off_bytes));
        let index = after.checked_sub(1)?;
        let span = &self.spans[index];
        (span.code.index == section && off_bytes < span.end_bytes).then_some(index)
    }

    fn target(&self, insn: Insn, relocation: &::object::Relocation) -> Result<Ref, &'static str> {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            return Err("has no symbol");
        };
        let symbol = self.file.symbol_by_index(index).map_err(|_| "names no symbol")?;
        let section = symbol.section_index().ok_or("names an undefined symbol")?;
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            return Err("is of an unknown type");
        };
        match (r_type, insn.code) {
            (elf::R_BPF_64_32, CALL) if insn.src == PSEUDO_CALL => {
                let at = self.function_at(section, symbol.address());
                at.filter(|&i| self.spans[i].start_bytes == symbol.address())
                    .map(Ref::Function)
                    .ok_or("calls what is no function")
            }
            (elf::R_BPF_64_64, LD_DW) if Some(section) == self.sections.maps => {
                let name = symbol.name().map_err(|_| "names no symbol")?;
                let map = self.manifest.maps.iter().position(|m| m.name == name);
                map.map(Ref::Map).ok_or("loads a map that the manifest does not know")
            }
            (elf::R_BPF_64_64, LD_DW) => {
                let table = self.sections.rodata_by_section.get(&section);
                let table = *table.ok_or("loads from an unknown section")?;
                // The slot's immediate is the offset from the symbol.
                let off_bytes = symbol.address().wrapping_add_signed(i64::from(insn.imm));
                let inside = off_bytes <= self.sections.rodata[table].1.len() as u64;
                inside
                    .then_some(Ref::Rodata { table, off_bytes: off_bytes as usize })
                    .ok_or("points outside of its table")
            }
            _ => Err("does not fit its instruction"),
        }
    }
}
