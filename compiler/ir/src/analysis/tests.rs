use super::{Cfg, Dominators, KnownBits, known_bits};
use crate::{BinOp, Block, Function, Module, Value, Width, parse};

fn function(body: &str) -> Function {
    let module: Module = parse(&format!("function f(v0) -> i64 {{ {body} }}")).unwrap();
    module.funcs.values().next().unwrap().clone()
}

#[test]
fn dominators_of_a_diamond_with_a_tail() {
    let func = function(
        "block0(v0): br eq v0, v0, block1, block2 block1: jump block3 block2: br ne v0, v0, block3, block4
         block3: jump block4 block4: return v0 block5: jump block4",
    );
    let cfg = Cfg::new(&func);
    let tree = Dominators::new(&cfg);
    let b = |n: usize| func.order[n];
    let idoms: Vec<_> = (0..6).map(|n| tree.idom(b(n))).collect();
    assert_eq!(idoms, [None, Some(b(0)), Some(b(0)), Some(b(0)), Some(b(0)), None]);
    // Against the definition: a dominates b if b cannot be reached around a.
    for x in 0..5 {
        for y in 0..5 {
            let around = reaches(&func, b(0), b(y), b(x));
            assert_eq!(tree.dominates(b(x), b(y)), !around);
        }
    }
    assert!(!tree.dominates(b(5), b(4)) && !tree.dominates(b(0), b(5)));
    assert_eq!(cfg.preds[b(4)].len(), 2, "an unreachable block is no predecessor");
}

fn reaches(func: &Function, from: Block, to: Block, without: Block) -> bool {
    from != without
        && (from == to
            || func.blocks[from].term.successors().any(|s| reaches(func, s, to, without)))
}

#[test]
fn cycles_are_found() {
    let func =
        function("block0(v0): jump block1 block1: br eq v0, v0, block1, block2 block2: none");
    assert_eq!(Cfg::new(&func).back_edge, Some((func.order[1], func.order[1])));
}

#[test]
fn bits_of_a_function() {
    let func = function(
        "block0(v0): v1 = const 0xff v2 = and v0, v1 v3 = const 8 v4 = shl v2, v3 v5 = add v4, v1
         v6 = env pkt_len br eq v0, v1, block1(v2), block1(v3)
         block1(v7): guard v0, 8 -> v8, block2, block3
         block2: v9 = load.2 v8+0 v10 = swap.2 v9 v11 = swap.4 v9 return v10 block3: return v7",
    );
    let bits = known_bits(&func, &Cfg::new(&func));
    let names: Vec<Value> = {
        let mut seen = Vec::new();
        for &block in &func.order {
            seen.extend(&func.blocks[block].params);
            let results = func.blocks[block].insts.iter().filter_map(|&i| func.results[i].expand());
            seen.extend(results);
        }
        seen
    };
    let max = |n: usize| bits[names[n]].max_value();
    let maxima: Vec<u64> = (0..names.len()).map(max).collect();
    let expected =
        [u64::MAX, 0xff, 0xff, 8, 0xff00, 0xffff, 0xffff, 0xff, 0xffff, 0xffff, 0xffff_0000];
    assert_eq!(maxima, expected);
}

/// What is said of all numbers with some bits is true of each of them: all 3-bit patterns, all
/// operations.
#[test]
fn bits_are_sound() {
    let patterns: Vec<KnownBits> = (0..27_u32)
        .map(|n| {
            let trits = [n % 3, n / 3 % 3, n / 9];
            let pick = |wanted: u32| {
                (0..3).filter(|&i| trits[i] == wanted).fold(0, |bits, i| bits | 1_u64 << i)
            };
            KnownBits { zeros: pick(0) | !7, ones: pick(1) }
        })
        .collect();
    let members = |bits: KnownBits| {
        (0..8_u64).filter(move |n| n & bits.zeros == 0 && n & bits.ones == bits.ones)
    };
    for (op, _) in BinOp::NAMES {
        for &a in &patterns {
            for &b in &patterns {
                let result = KnownBits::binary(op, a, b);
                for (x, y) in members(a).flat_map(|x| members(b).map(move |y| (x, y))) {
                    let n = op.eval(x, y);
                    let fits = n & result.zeros == 0 && n & result.ones == result.ones;
                    assert!(fits, "{op} {x} {y}: {result:x?}");
                }
            }
        }
    }
}

#[test]
fn swaps() {
    assert_eq!(Width::B2.swap_bytes(0x0012_3456), 0x5634);
    assert_eq!(Width::B8.swap_bytes(1), 1 << 56);
    assert_eq!(
        KnownBits::swap(Width::B4, KnownBits::constant(0x800)).as_constant(),
        Some(0x8_0000)
    );
    assert_eq!(KnownBits::up_to(0).as_constant(), Some(0));
    assert_eq!(KnownBits::up_to(u64::MAX), KnownBits::default());
}
