//! Table search at the edges of ranges.

use super::harness::{Rng, agree, verified};
use l4c_ir::{BinOp, Builder, Function, Module, TableData};
use l4c_manifest::HookKind;

/// Looks the key up that stands at byte 4 of the packet, and gives a bit for each table.
fn lookup(tables: Vec<TableData>) -> Module {
    let mut module = Module::default();
    let wide = tables[0].wide;
    let tables: Vec<_> = tables.into_iter().map(|t| module.tables.push(t)).collect();
    let mut f = Function::new("entry");
    let mut b = Builder::new(&mut f, 0);
    let fail = b.new_block();
    let off = b.iconst(4);
    let ptr = b.guard(off, 16, fail);
    let hi = if wide { b.load(ptr, 0, l4c_ir::Width::B8) } else { b.iconst(0) };
    let lo = b.load(ptr, 8, l4c_ir::Width::B8);
    let mut acc = b.iconst(1);
    for table in tables {
        let found = b.member(table, hi, lo);
        acc = b.binary_imm(BinOp::Shl, acc, 1);
        acc = b.binary(BinOp::Or, acc, found);
    }
    b.ret(acc);
    b.switch_to(fail);
    let none = b.iconst(0);
    b.ret(none);
    module.entry = module.funcs.push(f).into();
    module
}

fn table(n: usize, wide: bool, ranges: &[(u128, u128)]) -> TableData {
    TableData { name: format!("t{n}"), wide, ranges: ranges.to_vec() }
}

/// A packet that holds `key`.
fn packet(key: u128) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0];
    packet.extend(((key >> 64) as u64).to_le_bytes());
    packet.extend((key as u64).to_le_bytes());
    packet.resize(32, 0);
    packet
}

/// Tables over numbers up to `max`, from none to many ranges.
fn tables(max: u128, wide: bool) -> Vec<TableData> {
    let mut rng = Rng(max as u64 | 1);
    let mut all: Vec<Vec<(u128, u128)>> = vec![
        vec![],
        vec![(0, 0)],
        vec![(max, max)],
        vec![(0, max)],
        vec![(0, 0), (max, max)],
        vec![(1, max - 1)],
        vec![(max / 2, max / 2), (max / 2 + 2, max / 2 + 2), (max - 4, max - 2)],
    ];
    for count in [2, 3, 5, 8, 9, 31, 100] {
        let mut edges: Vec<u128> = (0..2 * count)
            .map(|_| (u128::from(rng.next()) << 64 | u128::from(rng.next())) & max)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let ranges = edges.chunks_exact(2).map(|c| (c[0], c[1]));
        let mut kept: Vec<(u128, u128)> = Vec::new();
        for range in ranges {
            if kept.last().is_none_or(|last| last.1 + 1 < range.0) {
                kept.push(range);
            }
        }
        all.push(kept);
    }
    all.iter().enumerate().map(|(n, ranges)| table(n, wide, ranges)).collect()
}

/// Keys at, before and behind each edge, and far from all.
fn keys(tables: &[TableData]) -> Vec<u128> {
    let mut keys = vec![0, 1, u128::MAX, 1 << 64, u128::from(u64::MAX), 1 << 63, 1 << 32, 1 << 127];
    for (first, last) in tables.iter().flat_map(|t| &t.ranges) {
        for edge in [*first, *last] {
            keys.extend([edge.wrapping_sub(1), edge, edge.wrapping_add(1)]);
            keys.extend([edge ^ 1 << 63, edge ^ 1 << 64, edge ^ 1 << 32]);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn edges_of_ranges() {
    for (max, wide) in [
        (0xffff_ffff, false),
        (0xffff_ffff_ffff, false),
        (u128::from(u64::MAX >> 1), false),
        (u128::from(u64::MAX), false),
        (u128::from(u64::MAX), true),
        (u128::MAX, true),
    ] {
        let tables = tables(max, wide);
        let packets: Vec<Vec<u8>> = keys(&tables).into_iter().map(packet).collect();
        agree(&verified(lookup(tables)), HookKind::Xdp, &packets);
    }
}

#[test]
fn many_ranges() {
    for (wide, step) in [(false, 40_000), (false, 1 << 49), (true, 1 << 110)] {
        let ranges: Vec<_> = (0..20_000).map(|n| (n * step, n * step + step / 2)).collect();
        let ranges = if step > 1 << 60 { &ranges[..10_000] } else { &ranges[..] };
        let table = table(0, wide, ranges);
        let mut keys: Vec<_> = keys(std::slice::from_ref(&table)).into_iter().step_by(97).collect();
        keys.extend([0, step / 2, step / 2 + 1]);
        let packets: Vec<Vec<u8>> = keys.into_iter().map(packet).collect();
        agree(&verified(lookup(vec![table])), HookKind::Xdp, &packets);
    }
}
