//! Few instructions on the straight way: what is there already is not made again.

use super::harness::{agree, agree_at_all, hook, numbered, packets, read};
use crate::{Program, assembly};
use l4c_manifest::HookKind;

fn xdp(text: &str) -> String {
    let hook = hook("edge", HookKind::Xdp, 2);
    assembly(&[Program { hook: &hook, module: &read(text) }]).unwrap()
}

const GUARDS: &str = "entry f function f() -> i64 {
     block0: v0 = const 0 guard v0, 14 -> v1, block1, block4
     block1: v2 = const 14 guard v2, 20 -> v3, block2, block4
     block2: v4 = const 34 v5 = load.1 v1+13 guard v4, 8 -> v6, block3, block5
     block3: v7 = load.1 v3+19 v8 = load.2 v6+6 v9 = add v7, v8 v10 = add v9, v5 return v10
     block4: v11 = const 0x1234 return v11
     block5: guard v2, 24 -> v12, block6, block4
     block6: v13 = load.4 v12+20 return v13 }";

#[test]
fn guards_of_fixed_places_share_the_packets_ends() {
    let text = xdp(GUARDS);
    assert_eq!(text.matches("*(u32 *)(r6 +0)").count(), 1, "{text}");
    assert_eq!(text.matches("*(u32 *)(r6 +4)").count(), 1, "{text}");
    let all = (20..60).map(|len| numbered(len, 7)).chain(packets()).collect::<Vec<_>>();
    agree_at_all(GUARDS, &all);
}

/// Over a call they would have to be kept; where ways meet there may be none.
#[test]
fn not_over_calls_and_where_ways_meet() {
    let text = "entry f function f() -> i64 {
         block0: v0 = const 0 guard v0, 14 -> v1, block1, block2
         block1: v2 = load.1 v1+0 v3 = call g(v2) v4 = const 30 guard v4, 4 -> v5, block3, block2
         block2: v6 = const 3 guard v6, 2 -> v7, block4, block5
         block3: v8 = load.4 v5+0 v9 = add v8, v3 return v9
         block4: v10 = load.2 v7+0 return v10
         block5: return v6 }
         function g(v0) -> i64 { block0(v0): v1 = mul v0, v0 return v1 }";
    let all = (20..50).map(|len| numbered(len, 9)).collect::<Vec<_>>();
    agree_at_all(text, &all);
}

#[test]
fn a_mask_of_64_bits_is_made_where_the_result_goes() {
    let text = "entry f function f() -> i64 {
         block0: v0 = const 0 guard v0, 16 -> v1, block1, block3
         block1: v2 = load.8 v1+0 v3 = const 0xffffffff0000000f v4 = and v2, v3
           v5 = const 0x40000000000005 br eq v4, v5, block2, block3
         block2: v6 = const 1 return v6
         block3: v7 = const 2 return v7 }";
    let lines = xdp(text);
    let body = "    r5 = *(u64 *)(r3 +0)
    r4 = 0xffffffff0000000f ll
    r4 &= r5
    r5 = 0x40000000000005 ll
    if r4 != r5 goto";
    assert!(lines.contains(body), "{lines}");
    agree_at_all(text, &packets());
}

/// A number that only the unequal side goes on with is compared so that the equal side, which comes next, is not
/// jumped to.
#[test]
fn the_next_block_is_not_jumped_to() {
    let text = "entry f function f() -> i64 {
         block0: v0 = const 0 guard v0, 16 -> v1, block1, block4
         block1: v2 = load.1 v1+0 v3 = const 0x45 br eq v2, v3, block2, block3
         block2: v4 = load.1 v1+1 return v4
         block3: v5 = const 4 v6 = shr v2, v5 return v6
         block4: v7 = const 2 return v7 }";
    let lines = xdp(text);
    assert!(lines.contains("!= 69 goto L4\nL3:"), "{lines}");
    agree_at_all(text, &packets());
}

/// Numbers that no move holds come last: what they replace may be read by the moves.
#[test]
fn wide_numbers_on_edges() {
    let text = "entry f function f() -> i64 {
         block0: v0 = const 0 guard v0, 16 -> v1, block1, block4
         block1: v2 = load.1 v1+0 v3 = load.1 v1+1 jump block2(v2, v3)
         block2(v4, v5): v6 = const 0x1234567890 v7 = const 9 br lt v4, v7, block3(v6, v4), block3(v5, v6)
         block3(v8, v9): v10 = const 3 v11 = mul v8, v10 v12 = add v11, v9 v13 = const 8
           v14 = shr v12, v13 v15 = add v14, v12 return v15
         block4: v16 = const 2 return v16 }";
    for kind in HookKind::ALL {
        agree(&read(text), kind, &packets());
    }
}
