//! Machine code for people to read: the kernel's own notation, with labels and the rules' text.

use crate::link::{Linked, Unit};
use crate::mach::{Alu, Callee, Label, Op, Src, Symbol, Test};
use cranelift_entity::EntityRef;
use l4c_ir::{Module, Width};
use l4c_manifest::TEST_CLOCK;
use std::fmt::{self, Write as _};

/// The listing of all functions.
pub fn listing(linked: &Linked<'_>) -> String {
    let mut out = String::new();
    for unit in &linked.units {
        write(&mut out, linked, unit).expect("strings take all that is written");
    }
    out
}

fn write(out: &mut String, linked: &Linked<'_>, unit: &Unit) -> fmt::Result {
    let module: &Module = &linked.programs[unit.program].module;
    if !out.is_empty() {
        out.push('\n');
    }
    let (insns, stack) = (unit.bytes.insns(), unit.stack_bytes);
    let section = unit.section;
    writeln!(out, "{}: ; {section}, {insns} instructions, {stack} bytes of stack", unit.symbol)?;
    let mut last = None;
    for (op, line) in &unit.code.ops {
        if let Some(line) = line.expand()
            && last != Some(line)
        {
            let data = &module.lines[line];
            writeln!(out, "; {}:{}:{}: {}", data.file, data.line, data.column, data.text)?;
            last = Some(line);
        }
        let table = |name| &module.tables[name].name;
        let hook = linked.programs[unit.program].hook;
        match op {
            Op::Label(Label(n)) => writeln!(out, "L{n}:")?,
            Op::Address { dst, symbol: Symbol::Counters } => {
                writeln!(out, "    {dst:?} = map {} ll", hook.counter_map)?;
            }
            Op::Address { dst, symbol: Symbol::Samples } => {
                let map = hook.samples.as_ref().map_or("?", |samples| samples.map.as_str());
                writeln!(out, "    {dst:?} = map {map} ll")?;
            }
            Op::Address { dst, symbol: Symbol::Table(name) } => {
                writeln!(out, "    {dst:?} = table {} ll", table(*name))?;
            }
            Op::Address { dst, symbol: Symbol::Ifaces } => {
                writeln!(out, "    {dst:?} = interfaces ll")?;
            }
            Op::Address { dst, symbol: Symbol::Clock } => {
                writeln!(out, "    {dst:?} = map {TEST_CLOCK} ll")?;
            }
            Op::Address { dst, symbol: Symbol::Rows } => {
                let map = hook.rows.as_ref().map_or("?", |rows| rows.map.as_str());
                writeln!(out, "    {dst:?} = map {map} ll")?;
            }
            Op::Address { dst, symbol: Symbol::Limit(limit) } => {
                writeln!(out, "    {dst:?} = map {} ll", hook.limits[limit.index()].map)?;
            }
            Op::Address { dst, symbol: Symbol::Params(limit) } => {
                writeln!(out, "    {dst:?} = limit {} ll", hook.limits[limit.index()].name)?;
            }
            Op::Address { dst, symbol: Symbol::Map(map) } => {
                writeln!(out, "    {dst:?} = map {} ll", module.maps[*map].name)?;
            }
            Op::Address { dst, symbol: Symbol::SetState(set) } => {
                writeln!(out, "    {dst:?} = set {} ll", hook.sets[*set as usize].name)?;
            }
            Op::Call { callee: Callee::Func(func), .. } => {
                writeln!(out, "    call {}", linked.symbol(unit.program, *func))?;
            }
            op => writeln!(out, "    {}", Text(op))?,
        }
    }
    Ok(())
}

struct Text<'a>(&'a Op);

const fn operator(alu: Alu) -> &'static str {
    match alu {
        Alu::Add => "+=",
        Alu::Sub => "-=",
        Alu::Mul => "*=",
        Alu::Or => "|=",
        Alu::And => "&=",
        Alu::Lsh => "<<=",
        Alu::Rsh => ">>=",
        Alu::Xor => "^=",
        Alu::Mod => "%=",
        Alu::Mov => "=",
    }
}

const fn relation(test: Test) -> &'static str {
    match test {
        Test::Eq => "==",
        Test::Ne => "!=",
        Test::Gt => ">",
        Test::Ge => ">=",
        Test::Lt => "<",
        Test::Le => "<=",
        Test::Set => "&",
    }
}

const fn type_name(width: Width) -> &'static str {
    match width {
        Width::B1 => "u8",
        Width::B2 => "u16",
        Width::B4 => "u32",
        Width::B8 => "u64",
    }
}

/// The prefix of registers of which only the lower half is meant.
const fn prefix(wide: bool) -> &'static str {
    if wide { "" } else { "w:" }
}

impl fmt::Display for Src {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reg(reg) => write!(f, "{reg:?}"),
            Self::Imm(imm) => write!(f, "{imm}"),
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Op::Alu { wide, alu, dst, src } => {
                write!(f, "{}{dst:?} {} {src}", prefix(*wide), operator(*alu))
            }
            Op::Swap { width, dst } => write!(f, "{dst:?} = be{} {dst:?}", 8 * width.bytes()),
            Op::Const { dst, value } => write!(f, "{dst:?} = {value:#x} ll"),
            Op::Load { width, dst, base, off } => {
                write!(f, "{dst:?} = *({} *)({base:?} {off:+})", type_name(*width))
            }
            Op::Store { width, base, off, src } => {
                write!(f, "*({} *)({base:?} {off:+}) = {src}", type_name(*width))
            }
            Op::CmpXchg { base, off, new, .. } => {
                write!(f, "r0 = cmpxchg_64({base:?} {off:+}, r0, {new:?})")
            }
            Op::Branch { wide, test, lhs, rhs, to } => {
                let (prefix, relation) = (prefix(*wide), relation(*test));
                write!(f, "if {prefix}{lhs:?} {relation} {rhs} goto L{}", to.0)
            }
            Op::Jump(to) => write!(f, "goto L{}", to.0),
            Op::Call { callee: Callee::Helper(helper), .. } => write!(f, "call {}", helper.name()),
            Op::Exit => f.write_str("exit"),
            Op::Label(_)
            | Op::Address { .. }
            | Op::Call { .. }
            | Op::Moves { .. }
            | Op::Fill { .. }
            | Op::Spill { .. } => write!(f, "{:?}", self.0),
        }
    }
}
