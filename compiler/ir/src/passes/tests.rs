//! All passes at once; what each does is tested in `tests/passes`.

use super::{OptLevel, PASSES, generate, optimize};
use crate::interp::{run, run_func};
use crate::{Module, parse, verify};
use proptest::prelude::*;

/// Results and counters of the entry and of each function on some packets.
fn behaviour(module: &Module, packets: &[Vec<u8>], args: &[u64]) -> Vec<(u64, Vec<(u64, u64)>)> {
    let mut seen = Vec::new();
    for packet in packets {
        let mut counters = vec![(0, 0); 3];
        let result = run(module, packet, &mut counters).unwrap();
        seen.push((result, counters));
        for (key, func) in &module.funcs {
            let args = &args[..func.params().len()];
            let mut counters = vec![(0, 0); 3];
            let result = run_func(module, key, args, packet, &mut counters).unwrap();
            seen.push((result, counters));
        }
    }
    seen
}

fn packets() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop::sample::select(vec![0_u8, 1, 2, 6, 8, 11, 17, 0x10, 0xff]);
    prop::collection::vec(prop::collection::vec(byte, 0..32), 6)
}

fn args() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop::sample::select(vec![0, 1, 4, 6, 17, 0x0600, u64::MAX]), 4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packets_do_not_notice(
        choices in prop::collection::vec(any::<u8>(), 0..800),
        packets in packets(),
        args in args(),
    ) {
        let module = verify(generate::module(&choices)).unwrap();
        let before = behaviour(&module, &packets, &args);
        for pass in PASSES {
            let mut changed = module.clone().into_inner();
            pass.apply(&mut changed);
            let changed = verify(changed).unwrap_or_else(|e| panic!("{}: {e}\n{}", pass.name, e.text));
            let after = behaviour(&changed, &packets, &args);
            prop_assert_eq!(&before, &after, "{}\n{}\n{}", pass.name, *module, *changed);
        }
        let mut last = "";
        let optimized = optimize(module.clone(), OptLevel::O2, &mut |name, _| last = name)
            .unwrap_or_else(|e| panic!("after {last}: {e}\n{}", e.text));
        let after = behaviour(&optimized, &packets, &args);
        prop_assert_eq!(&before, &after, "{}\n{}", *module, *optimized);
        let text = optimized.to_string();
        prop_assert_eq!(parse(&text).unwrap().to_string(), text);
    }
}
