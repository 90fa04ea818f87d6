//! Chance, and samples that nobody listens to.

use super::harness::{agree, agree_at_all, packets, read};
use crate::{Program, assembly, object};
use l4c_manifest::{HookKind, MapKind, Samples};

#[test]
fn random_numbers_have_32_bits_and_differ() {
    // Of eight numbers at least two differ, but for once in 2^224 runs.
    let mut body = String::from("v0 = random v1 = const 32 v2 = const 0");
    for n in 1..8 {
        let (number, unlike, sum) = (10 * n, 10 * n + 1, 10 * n + 2);
        let before = if n == 1 { 2 } else { 10 * (n - 1) + 2 };
        body += &format!(
            " v{number} = random v{unlike} = xor v{number}, v0 v{sum} = or v{before}, v{unlike}"
        );
    }
    agree_at_all(
        &format!(
            "entry f function f() -> i64 {{
             block0: {body} v3 = shr v72, v1 br eq v72, v2, block1, block2
             block1: v4 = const 9 return v4
             block2: return v3 }}"
        ),
        &packets(),
    );
}

/// Whole packets, no byte of them, and as many as a function is told.
const SAMPLING: &str = "counters 2 entry f
    function g(v0, v1, v2) -> i64 { block0(v0, v1, v2): sample v0, v1, v2 v3 = const 0 return v3 }
    function f() -> i64 {
     block0: v0 = env pkt_len v1 = const 1 v2 = const 0 v3 = const 17
       sample v1, v0, v0 sample v1, v0, v2 v4 = call g(v3, v0, v1) count v1, v0 return v3 }";

#[test]
fn samples_change_nothing() {
    for kind in HookKind::ALL {
        agree(&read(SAMPLING), kind, &packets());
    }
}

#[test]
fn hooks_that_sample_have_a_map_of_rings() {
    let module = read(SAMPLING);
    let mut hook = super::harness::hook("edge", HookKind::Xdp, 2);
    let programs = [Program { hook: &hook, module: &module }];
    let error = object(&programs).unwrap_err().to_string();
    assert!(error.contains("no map"), "{error}");
    hook.samples = Some(Samples { map: "edge_sample".into(), slots: vec![0] });
    let programs = [Program { hook: &hook, module: &module }];
    let maps = object(&programs).unwrap().manifest.maps;
    let maps: Vec<_> = maps.iter().map(|map| (map.name.as_str(), map.kind)).collect();
    let wanted = [("edge_count", MapKind::PercpuArray), ("edge_sample", MapKind::PerfEventArray)];
    assert_eq!(maps, wanted);
    let listing = assembly(&programs).unwrap();
    assert!(listing.contains("= map edge_sample ll"), "{listing}");
    assert!(listing.contains("call bpf_perf_event_output"), "{listing}");
}
