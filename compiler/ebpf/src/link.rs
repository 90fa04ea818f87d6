//! All functions of all programs, with names that are unique in the object.

use crate::Program;
use crate::asm::{self, Bytes};
use crate::error::{Error, Limit};
use crate::mach::{Callee, Code, Op};
use crate::{outline, regalloc, reject, select};
use cranelift_entity::EntityRef;
use l4c_ir::{Func, LineData, Module, Verified};
use l4c_manifest::Hook;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Section of all functions but the programs' entries.
pub const TEXT: &str = ".text";

/// A function in machine code.
pub struct Unit {
    /// Index of its program.
    pub program: usize,
    pub func: Func,
    pub is_entry: bool,
    pub symbol: String,
    pub section: &'static str,
    pub code: Code,
    pub bytes: Bytes,
    /// Bytes of its frame.
    pub stack_bytes: u32,
}

/// A program as it is compiled.
pub struct Prepared<'p> {
    pub hook: &'p Hook,
    pub module: Cow<'p, Verified<Module>>,
}

/// All functions of an object.
pub struct Linked<'p> {
    pub programs: Vec<Prepared<'p>>,
    /// Program by program, the entry first.
    pub units: Vec<Unit>,
    symbols: BTreeMap<(usize, Func), String>,
}

impl Linked<'_> {
    /// The symbol of a function of a program; empty if it has no code.
    pub fn symbol(&self, program: usize, func: Func) -> &str {
        self.symbols.get(&(program, func)).map_or("", String::as_str)
    }

    /// The source line of a function's first instruction that has one; else the hook's first rule, or a
    /// line that names the function.
    pub fn first_line(&self, unit: &Unit) -> LineData {
        let Prepared { hook, module } = &self.programs[unit.program];
        if let Some(&(_, line)) = unit.bytes.lines.first() {
            return module.lines[line].clone();
        }
        let (file, line, text) = match hook.rules.first() {
            Some(rule) => (rule.file.clone(), rule.line, rule.text.clone()),
            None => (String::from("l4c"), 1, format!("function {}", unit.symbol)),
        };
        LineData { file, line: line.max(1), column: 1, text }
    }
}

/// Compiles each function that an entry reaches.
///
/// # Errors
/// What selection and register allocation refuse.
pub fn link<'p>(programs: &[Program<'p>]) -> Result<Linked<'p>, Error> {
    let mut names = Names::new(programs);
    let mut linked = Linked { programs: Vec::new(), units: Vec::new(), symbols: BTreeMap::new() };
    for (program, Program { hook, module }) in programs.iter().enumerate() {
        let prepared = Prepared { hook, module: outline::counts(module)? };
        let module = &prepared.module;
        let Some(entry) = module.entry.expand() else {
            return Err(Error::Bug(format!("program {} has no entry", hook.name)));
        };
        let mut todo = BTreeSet::from([entry]);
        let mut done = BTreeSet::new();
        let mut units = Vec::new();
        while let Some(func) = todo.pop_first() {
            done.insert(func);
            let unit = compile(&prepared, program, func, func == entry)?;
            todo.extend(callees(&unit).filter(|f| !done.contains(f)));
            units.push(unit);
        }
        units.sort_by_key(|unit| (!unit.is_entry, unit.func));
        for unit in &mut units {
            unit.symbol = if unit.is_entry {
                hook.name.clone()
            } else {
                names.unique(&module.funcs[unit.func].name)
            };
            linked.symbols.insert((program, unit.func), unit.symbol.clone());
        }
        linked.units.append(&mut units);
        linked.programs.push(prepared);
    }
    Ok(linked)
}

/// Functions that a function calls, each as often as it does.
pub fn callees(unit: &Unit) -> impl Iterator<Item = Func> {
    unit.code.ops.iter().filter_map(|(op, _)| match op {
        Op::Call { callee: Callee::Func(func), .. } => Some(*func),
        _ => None,
    })
}

fn compile(
    program: &Prepared<'_>,
    index: usize,
    func: Func,
    is_entry: bool,
) -> Result<Unit, Error> {
    let kind = program.hook.kind;
    let function = &program.module.funcs[func];
    let machine = || {
        let (code, stack_bytes) = if reject::is_made_here(function) {
            reject::code(kind)?
        } else {
            regalloc::allocate(select::select(&program.module, func, program.hook)?)?
        };
        check_reach(&code, &function.name, &program.module)?;
        let bytes = asm::encode(&code)?;
        Ok((code, stack_bytes, bytes))
    };
    let (code, stack_bytes, bytes) = machine().map_err(|error| match error {
        Error::Bug(text) => {
            let (module, number) = (&program.module, func.index());
            Error::Bug(format!("{text}, in function {number}, {}:\n{}", function.name, ***module))
        }
        Error::Limit { .. } => error,
    })?;
    let section = if is_entry { kind.section() } else { TEXT };
    let symbol = String::new();
    Ok(Unit { program: index, func, is_entry, symbol, section, code, bytes, stack_bytes })
}

/// Jumps reach what is within the limit of a function; past it there may be no bytes to count.
///
/// # Errors
/// [`Error::Limit`], at the line that went over it.
fn check_reach(code: &Code, name: &str, module: &Module) -> Result<(), Error> {
    let limit = Limit::FunctionInsns;
    let (mut insns, mut passed_at) = (0, None);
    for (op, line) in &code.ops {
        insns += u64::from(asm::slots(op));
        if insns > limit.max() && passed_at.is_none() {
            passed_at = line.expand();
        }
    }
    if insns <= limit.max() {
        return Ok(());
    }
    Err(Error::limit(limit, insns, name, passed_at.map(|line| &module.lines[line])))
}

/// Names that are taken in the object.
pub struct Names(HashSet<String>);

impl Names {
    fn new(programs: &[Program<'_>]) -> Self {
        let taken = programs.iter().flat_map(|p| [&p.hook.name, &p.hook.counter_map]);
        let samples = programs.iter().filter_map(|p| p.hook.samples.as_ref());
        let limits = programs.iter().flat_map(|p| p.hook.limits.iter().map(|limit| &limit.map));
        let tables = programs.iter().flat_map(|p| p.hook.sets.iter().flat_map(|set| &set.tables));
        let sets = tables.flat_map(|table| {
            [Some(&table.listed), table.filter.as_ref(), table.added.as_ref()].into_iter().flatten()
        });
        let rows = programs.iter().filter_map(|p| p.hook.rows.as_ref().map(|rows| &rows.map));
        let maps = samples.map(|samples| &samples.map).chain(limits).chain(sets).chain(rows);
        Self(taken.chain(maps).cloned().collect())
    }

    /// `name` as an identifier (older kernels take no dots in functions' names), with a number if it is
    /// taken.
    fn unique(&mut self, name: &str) -> String {
        let mut base = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
        if !base.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            base.insert(0, '_');
        }
        let mut unique = base.clone();
        for n in 2.. {
            if self.0.insert(unique.clone()) {
                break;
            }
            unique = format!("{base}_{n}");
        }
        unique
    }
}
