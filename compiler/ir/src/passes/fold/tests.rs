use crate::interp::run_func;
use crate::{BinOp, Builder, Cond, Function, InstData, Module, Width};
use proptest::prelude::*;

/// One step of what is done to a field before it is compared.
#[derive(Debug, Clone, Copy)]
enum Step {
    Number(BinOp, u64),
    Swap(Width),
}

fn step() -> impl Strategy<Value = Step> {
    let op = prop::sample::select(BinOp::NAMES.map(|(op, _)| op).to_vec());
    let numbers = vec![0, 1, 3, 4, 8, 13, 60, 63, 64, 0xff, 0xf0, 0xff00, 0xffff, 0x1fff];
    let n = prop_oneof![prop::sample::select(numbers), any::<u64>()];
    let widths = vec![Width::B2, Width::B4, Width::B8];
    prop_oneof![
        3 => (op, n).prop_map(|(op, n)| Step::Number(op, n)),
        2 => prop::sample::select(widths).prop_map(Step::Swap),
    ]
}

/// `0 or 1 = steps(v0 & mask) cond n`
fn comparison(mask: u64, steps: &[Step], cond: Cond, n: u64, on_left: bool) -> Function {
    let mut func = Function::new("compare");
    let mut b = Builder::new(&mut func, 1);
    let (yes, no) = (b.new_block(), b.new_block());
    let param = b.func.params()[0];
    let mut v = b.binary_imm(BinOp::And, param, mask);
    for step in steps {
        v = match *step {
            Step::Number(op, n) => b.binary_imm(op, v, n),
            Step::Swap(width) => b.swap(width, v),
        };
    }
    if on_left {
        let n = b.inst(InstData::Const(n)).unwrap();
        b.br(cond.swap_args(), n, v, yes, no);
    } else {
        b.br_imm(cond, v, n, yes, no);
    }
    for (block, n) in [(yes, 1), (no, 0)] {
        b.switch_to(block);
        let n = b.iconst(n);
        b.ret(n);
    }
    func
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 4_000,
        ..ProptestConfig::default()
    })]

    /// A comparison close to what the field is gives the same, for this field and others.
    #[test]
    fn comparisons_keep_their_outcome(
        mask in prop::sample::select(vec![1, 0xff, 0xfff0, 0xffff, 0xffff_ffff, u64::MAX]),
        steps in prop::collection::vec(step(), 0..5),
        cond in 0..6_usize,
        near in -1..3_i64,
        on_left: bool,
        words in prop::collection::vec(prop_oneof![any::<u64>(), 0..20_u64], 4),
    ) {
        let value = steps.iter().fold(words[0] & mask, |n, step| match *step {
            Step::Number(op, m) => op.eval(n, m),
            Step::Swap(width) => width.swap_bytes(n),
        });
        // Or a small number, since comparisons to those have forms of their own.
        let n = if near == 2 { words[1] & 3 } else { value.wrapping_add_signed(near) };
        let mut func = comparison(mask, &steps, Cond::NAMES[cond].0, n, on_left);
        let mut module = Module::default();
        let key = module.funcs.push(func.clone());
        let run = |module: &Module, word| run_func(module, key, &[word], &[], &mut []).unwrap();
        let bits = (0..8).map(|bit| words[0] ^ 1 << bit);
        let inputs: Vec<u64> = words.iter().copied().chain(bits).collect();
        let before: Vec<u64> = inputs.iter().map(|&word| run(&module, word)).collect();
        super::run(&mut func);
        module.funcs[key] = func;
        let after: Vec<u64> = inputs.iter().map(|&word| run(&module, word)).collect();
        prop_assert_eq!(before, after, "{}", module);
    }
}
