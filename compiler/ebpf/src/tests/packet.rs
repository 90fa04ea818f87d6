//! Reaching the packet, directly and by copies.

use super::harness::{agree, agree_at_all, numbered, packets, read};
use l4c_manifest::HookKind;
use std::fmt::Write as _;

#[test]
fn guards_hold_at_the_last_byte() {
    for (off, len) in [(0, 1), (0, 20), (19, 1), (20, 1), (13, 8), (36, 4), (56, 8), (1400, 100)] {
        agree_at_all(
            &format!(
                "entry f function f() -> i64 {{
                 block0: v0 = const {off} guard v0, {len} -> v1, block1, block2
                 block1: v2 = load.1 v1+{} return v2
                 block2: v3 = const 0xffffffff return v3 }}",
                len - 1
            ),
            &packets(),
        );
    }
}

#[test]
fn offsets_out_of_all_packets() {
    for off in ["0xffff", "0x10000", "0xfffffff8", "0x100000000", "0xffffffffffffffff"] {
        agree_at_all(
            &format!(
                "entry f function f() -> i64 {{
                 block0: v0 = const {off} guard v0, 4 -> v1, block1, block2
                 block1: v2 = load.4 v1+0 return v2
                 block2: v3 = const 7 v4 = env pkt_len v5 = const 40 v6 = sub v4, v5
                    guard v6, 2 -> v7, block3, block4
                 block3: v8 = load.2 v7+0 return v8
                 block4: return v3 }}"
            ),
            &packets(),
        );
    }
}

/// Every width at every place of a guarded stretch that begins anywhere.
#[test]
fn loads_at_all_places() {
    for off in 0..9 {
        let mut body = String::new();
        let mut acc = 3;
        for width in [1, 2, 4, 8] {
            for at in 0..=(16 - width) {
                let (load, product, sum) = (acc + 1, acc + 2, acc + 3);
                writeln!(
                    body,
                    "v{load} = load.{width} v1+{at} v{product} = mul v{acc}, v2
                     v{sum} = add v{product}, v{load}"
                )
                .unwrap();
                acc = sum;
            }
        }
        agree_at_all(
            &format!(
                "entry f function f() -> i64 {{
                 block0: v0 = const {off} v2 = const 31 v3 = const 1
                   guard v0, 16 -> v1, block1, block2
                 block1: {body} v900 = const 32 v901 = shr v{acc}, v900 v902 = add v901, v{acc}
                   return v902
                 block2: return v3 }}"
            ),
            &packets(),
        );
    }
}

/// An offset read from the packet, bounded or not, as headers of variable length need.
#[test]
fn variable_offsets() {
    for bound in [
        "v5 = and v4, v3 v6 = add v5, v2",
        "v5 = and v4, v3 v7 = shl v5, v8 v6 = shr v7, v8",
        "v6 = add v4, v2",
        "v6 = sub v2, v4",
        "v7 = swap.2 v4 v6 = shr v7, v8",
    ] {
        agree_at_all(
            &format!(
                "entry f function f() -> i64 {{
                 block0: v0 = const 3 guard v0, 1 -> v1, block1, block3
                 block1: v2 = const 14 v3 = const 0x3c v8 = const 2 v4 = load.1 v1+0
                    {bound}
                    guard v6, 12 -> v9, block2, block3
                 block2: v10 = load.8 v9+3 v11 = load.1 v9+11 v12 = const 5 v13 = mul v10, v12
                    v14 = add v13, v11 return v14
                 block3: v15 = const 99 return v15 }}"
            ),
            &[packets(), (0..=255).map(|seed| numbered(90, seed)).collect()].concat(),
        );
    }
}

/// A pointer that is used after calls, and after many other values were made.
#[test]
fn pointers_outlive_calls() {
    agree_at_all(
        "counters 2 entry f
         function f() -> i64 {
         block0: v0 = const 4 v1 = env pkt_len v2 = const 0
           guard v0, 12 -> v3, block1, block3
         block1: v4 = load.4 v3+0 v5 = call g(v4, v1)
           count v2, v5
           v6 = load.4 v3+4 v7 = call g(v6, v5)
           guard v0, 16 -> v8, block2, block3
         block2: v9 = load.4 v3+8 v10 = load.4 v8+12 v11 = add v9, v10 v12 = add v11, v7
           v13 = xor v12, v4 return v13
         block3: return v0 }
         function g(v0, v1) -> i64 {
         block0(v0, v1): v2 = const 31 v3 = mul v0, v2 v4 = add v3, v1
           guard v2, 2 -> v5, block1, block2
         block1: v6 = load.2 v5+0 v7 = add v4, v6 return v7
         block2: return v4 }",
        &packets(),
    );
}

/// Copies of packet bytes share the frame when their lives allow it.
#[test]
fn windows_are_used_again() {
    let mut text =
        String::from("entry f function f() -> i64 {\nblock0: v0 = const 0 jump block1(v0)\n");
    for n in 0..40 {
        let (block, v) = (1 + 2 * n, 10 * n + 1);
        write!(
            text,
            "block{block}(v{v}): v{} = const {} guard v{0}, 24 -> v{}, block{}, block100
             block{3}: v{} = load.8 v{2}+16 v{} = add v{v}, v{4} jump block{}(v{5})\n",
            v + 1,
            n * 2,
            v + 2,
            block + 1,
            v + 3,
            v + 4,
            block + 2,
        )
        .unwrap();
    }
    text += "block81(v900): return v900 block100: v901 = const 0 return v901 }";
    let report = agree(&read(&text), HookKind::Socket, &packets());
    assert!(report.object.stats[0].stack_bytes <= 48, "{:?}", report.object.stats);
}

/// Offsets beyond what a load can add.
#[test]
fn far_offsets() {
    agree_at_all(
        "entry f function f() -> i64 {
         block0: v0 = const 40000 guard v0, 8 -> v1, block1, block2
         block1: v2 = load.4 v1+4 return v2
         block2: v3 = const 1 return v3 }",
        &packets(),
    );
}
