use super::Facts;
use crate::analysis::Cfg;
use crate::passes::classes::Classes;
use crate::{Cond, Function, InstData, Value, parse};
use proptest::prelude::*;

/// Many views of one word, as tests of a packed header take.
const VIEWS: &str = "function f(v0) -> i64 { block0(v0):
    v1 = const 0xff v2 = const 0xff00 v3 = const 0x80 v4 = const 3 v5 = const 8 v6 = const 0x1106
    v10 = and v0, v1 v11 = and v0, v2 v12 = and v0, v3 v13 = shr v0, v5 v14 = shr v0, v4
    v15 = shl v10, v4 v16 = or v0, v3 v17 = swap.2 v11 v18 = swap.4 v0 v19 = and v13, v4
    v20 = add v10, v5 v21 = sub v6, v10 v22 = shr v6, v10 v23 = xor v0, v6 v24 = and v14, v17
    v25 = shl v5, v12 v26 = mul v10, v4 return v0 }";

fn numbers(func: &Function, word: u64) -> Vec<(Value, u64)> {
    let mut known = vec![(func.params()[0], word)];
    for &inst in &func.blocks[func.order[0]].insts {
        let of = |v: Value| known.iter().find(|(w, _)| *w == v).unwrap().1;
        let n = match func.insts[inst] {
            InstData::Const(n) => n,
            InstData::Binary { op, args: [a, b] } => op.eval(of(a), of(b)),
            InstData::Swap { width, arg } => width.swap_bytes(of(arg)),
            _ => unreachable!("the function only computes"),
        };
        known.push((func.results[inst].unwrap(), n));
    }
    known
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 500,
        ..ProptestConfig::default()
    })]

    /// Whatever true things are assumed of a word, nothing false follows, and forgetting forgets.
    #[test]
    fn nothing_false_follows(
        word in prop_oneof![0..0x400_u64, Just(0x1106), Just(0x1186), 0..0x2_0000_u64, any::<u64>()],
        assumed in prop::collection::vec((0..25_usize, 0..25_usize, -2..3_i64, 0..6_usize), 0..6),
    ) {
        let module = parse(VIEWS).unwrap();
        let func = module.funcs.values().next().unwrap();
        let known = numbers(func, word);
        let mut classes = Classes::new(func, &Cfg::new(func));
        let mut facts = Facts::new();
        let clean = facts.mark();
        for (a, b, step, cond) in assumed {
            let (a, b) = (known[a % known.len()], known[b % known.len()]);
            // Half of the time a number close to what the value is.
            let (class_b, b) = if step == 0 {
                (classes.of(b.0), b.1)
            } else {
                let n = a.1.wrapping_add_signed(step.signum() * (step.abs() - 1));
                (classes.number(n), n)
            };
            let cond = Cond::NAMES[cond].0;
            let cond = if cond.eval(a.1, b) { cond } else { cond.negate() };
            facts.assume(&classes, cond, classes.of(a.0), class_b);
        }
        let mut open = 0;
        for round in 0..2 {
            for &(a, x) in &known {
                for &(b, y) in &known {
                    for (cond, name) in Cond::NAMES {
                        let decided = facts.decide(&classes, cond, classes.of(a), classes.of(b));
                        let right = decided.is_none_or(|holds| holds == cond.eval(x, y));
                        prop_assert!(right, "{name} {a} {b}: {x:#x} {y:#x} is {decided:?}");
                        open += usize::from(round == 1 && decided.is_none());
                    }
                }
            }
            facts.undo_to(clean);
        }
        prop_assert!(open > 100, "without assumptions most is open");
    }
}

/// Facts are found at all.
#[test]
fn what_follows() {
    let module = parse(VIEWS).unwrap();
    let func = module.funcs.values().next().unwrap();
    let known = numbers(func, 0);
    let mut classes = Classes::new(func, &Cfg::new(func));
    let [word, low, high, bit, shifted] = [0, 7, 8, 9, 10].map(|n| classes.of(known[n].0));
    let mut follows = |assumed: (Cond, _, u64), asked: (Cond, _, u64)| {
        let mut facts = Facts::new();
        let n = classes.number(assumed.2);
        facts.assume(&classes, assumed.0, assumed.1, n);
        let n = classes.number(asked.2);
        facts.decide(&classes, asked.0, asked.1, n)
    };
    assert_eq!(follows((Cond::Eq, word, 0x1106), (Cond::Eq, high, 0x1100)), Some(true));
    assert_eq!(follows((Cond::Eq, low, 0x86), (Cond::Ne, bit, 0)), Some(true));
    assert_eq!(follows((Cond::Ne, bit, 0), (Cond::Eq, low, 0x7f)), Some(false));
    assert_eq!(follows((Cond::Eq, shifted, 0x11), (Cond::Eq, high, 0x1200)), Some(false));
    assert_eq!(follows((Cond::Lt, word, 6), (Cond::Ge, word, 6)), Some(false));
    assert_eq!(follows((Cond::Le, low, 0), (Cond::Eq, bit, 0)), Some(true));
    assert_eq!(follows((Cond::Ne, low, 0xff), (Cond::Lt, low, 0xff)), Some(true));
    assert_eq!(follows((Cond::Ne, low, 6), (Cond::Eq, low, 17)), None);
}
