//! Thousands of rules.

use super::harness::{agree, hook, packets, verified};
use crate::{Program, object};
use l4c_ir::{BinOp, Builder};
use l4c_ir::{Cond, Env, Func, Function, LineData, Module, TableData, Value, Verified, Width};
use l4c_manifest::HookKind;

/// Rules a function.
const CHUNK: u32 = 400;

/// First-match rules as lowering writes them: each compares two header fields read anew and one that
/// every rule shares, looks into a table now and then, counts, and returns; functions of [`CHUNK`]
/// rules, called one after the other.
fn rules(count: u32) -> Verified<Module> {
    let mut module = Module { counters: count + 1, ..Module::default() };
    let table = module.tables.push(TableData {
        name: "ports".into(),
        wide: false,
        ranges: (0..300).map(|n| (n * 200, n * 200 + 3)).collect(),
    });
    let chunks = count.div_ceil(CHUNK);
    let mut main = Function::new("edge");
    let mut b = Builder::new(&mut main, 0);
    let (len, off) = (b.env(Env::PktLen), b.iconst(14));
    for chunk in 0..chunks {
        let verdict = b.call(Func::from_u32(chunk + 1), vec![off, len]);
        let (decided, next) = (b.new_block(), b.new_block());
        b.br_imm(Cond::Ne, verdict, 0, decided, next);
        b.switch_to(decided);
        b.ret(verdict);
        b.switch_to(next);
    }
    let slot = b.iconst(u64::from(count));
    b.count(slot, len);
    let pass = b.iconst(2);
    b.ret(pass);
    module.entry = module.funcs.push(main).into();
    for chunk in 0..chunks {
        let mut f = Function::new(format!("edge.rules{chunk}"));
        let mut b = Builder::new(&mut f, 2);
        let (off, len) = (b.func.params()[0], b.func.params()[1]);
        for rule in chunk * CHUNK..count.min((chunk + 1) * CHUNK) {
            let line = module.lines.push(LineData {
                file: "big.l4".into(),
                line: rule + 2,
                column: 5,
                text: format!("r{rule}: ip.src == {rule} and udp.dport == {} -> drop", rule % 100),
            });
            b.set_line(Some(line));
            one_rule(&mut b, rule, off, len, table);
        }
        let none = b.iconst(0);
        b.ret(none);
        module.funcs.push(f);
    }
    verified(module)
}

fn one_rule(b: &mut Builder<'_>, rule: u32, off: Value, len: Value, table: l4c_ir::Table) {
    let (matched, next) = (b.new_block(), b.new_block());
    let source = b.guard(off, 20, next);
    let source = b.load_be(source, 12, Width::B4);
    let second = b.new_block();
    b.br_imm(Cond::Eq, source, u64::from(rule) * 7919, second, next);
    b.switch_to(second);
    let behind = b.binary_imm(BinOp::Add, off, 20);
    let ports = b.guard(behind, 4, next);
    let port = b.load_be(ports, 2, Width::B2);
    if rule.is_multiple_of(10) {
        let zero = b.iconst(0);
        let found = b.member(table, zero, port);
        b.br_imm(Cond::Ne, found, 0, matched, next);
    } else {
        b.br_imm(Cond::Eq, port, u64::from(rule % 100), matched, next);
    }
    b.switch_to(matched);
    let slot = b.iconst(rule.into());
    b.count(slot, len);
    let drop = b.iconst(1);
    b.ret(drop);
    b.switch_to(next);
}

fn matching(rule: u32) -> Vec<u8> {
    let mut packet = vec![0; 60];
    packet[14] = 0x45;
    packet[26..30].copy_from_slice(&(rule.wrapping_mul(7919)).to_be_bytes());
    let port = if rule.is_multiple_of(10) { 401 } else { rule % 100 };
    packet[36..38].copy_from_slice(&(port as u16).to_be_bytes());
    packet
}

#[test]
fn five_thousand_rules() {
    let module = rules(5_000);
    let mut all = packets();
    all.extend([0, 1, 10, 399, 400, 401, 2_500, 4_990, 4_999, 5_000].map(matching));
    for kind in HookKind::ALL {
        let report = agree(&module, kind, &all);
        eprintln!("{kind:?}: {:?} verified", report.verified_insns);
    }
}

/// What the verifier walks grows with the rules, not with their square.
#[test]
fn verified_instructions_grow_linearly() {
    for kind in HookKind::ALL {
        let walked = [500, 1_000, 2_000, 4_000].map(|count| {
            let report = agree(&rules(count), kind, &[matching(count - 1)]);
            let insns: u32 = report.object.stats.iter().map(|s| s.insns).sum();
            let verified = report.verified_insns;
            eprintln!("{kind:?}, {count} rules: {insns} instructions, {verified:?} verified");
            verified
        });
        if let (Some(first), Some(last)) = (walked[0], walked[3]) {
            assert!(last < first * 10, "{walked:?}");
        }
    }
}

/// All rules in one function, as long as one may be.
#[test]
fn one_function_of_many_rules() {
    let walked = [150, 300, 600].map(|count| {
        let mut module = Module { counters: count, ..Module::default() };
        let table = module.tables.push(TableData {
            name: "ports".into(),
            wide: false,
            ranges: vec![(1, 2)],
        });
        let mut f = Function::new("all");
        let mut b = Builder::new(&mut f, 0);
        let (len, off) = (b.env(Env::PktLen), b.iconst(14));
        (0..count).for_each(|rule| one_rule(&mut b, rule, off, len, table));
        let pass = b.iconst(2);
        b.ret(pass);
        module.entry = module.funcs.push(f).into();
        let module = verified(module);
        let report = agree(&module, HookKind::Xdp, &[matching(3), matching(count - 2)]);
        eprintln!("{count}: {:?}, {:?} verified", report.object.stats, report.verified_insns);
        report.verified_insns
    });
    if let (Some(first), Some(last)) = (walked[0], walked[2]) {
        assert!(last < first * 5, "{walked:?}");
    }
}

/// Compiling takes time in proportion to the rules, and no more for the many blocks of one function.
#[test]
fn same_bytes_twice() {
    let hook = hook("edge", HookKind::Xdp, 1);
    let module = rules(1_000);
    let programs = [Program { hook: &hook, module: &module }];
    let first = object(&programs).unwrap();
    assert_eq!(first.elf, object(&programs).unwrap().elf);
}
