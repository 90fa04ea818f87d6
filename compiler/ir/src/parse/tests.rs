use crate::{Module, parse, verify};

/// Uses every opcode, terminator and kind of declaration.
const EVERYTHING: &str = r#"table blk0 u64 { 0xa000000..0xaffffff, 0xc0a80000..0xc0a8ffff }
table big u128 {
    0x0..0x1,
    0x3..0x4,
    0x6..0x7,
    0x9..0xa,
    0x20010db8000000000000000000000000..0x20010db8ffffffffffffffffffffffff
}
line0 "edge.l4":12:5 "listed: src in @blk -> drop"
line1 "a \"b\"\\.l4":1:1 "tab\u{9}, ü"
counters 5
ifaces 2
entry edge

function edge() -> i64 {
block0:
    v0 = const 0x20
    v1 = env pkt_len
    v2 = call edge.rules0(v0, v1)
    return v2
}

function edge.rules0(v0, v1) -> i64 {
block0(v0, v1):
    v2 = const 0x0
    v3 = shr v0, v2                          @line0
    guard v3, 8 -> v4, block1, block3(v1)    @line0
block1:
    v5 = load.2 v4+2
    v6 = swap.2 v5                           @line1
    v7 = member blk0, v2, v6
    v8 = member big, v6, v6
    br eq v7, v8, block2, block3(v6)         @line1
block2:
    count v0, v1
    v9 = iface_slot 1
    v10 = env iface
    redirect v9
    v11 = call edge.reject(v0, v1, v9, v10)
    jump block3(v11)
block3(v12):
    return v12
}

function edge.reject(v0, v1, v2, v3) -> i64 {
block0(v0, v1, v2, v3):
    v4 = reject v0, v1, v2, v3
    return v4
}
"#;

#[test]
fn what_is_printed_is_read_back() {
    let module = parse(EVERYTHING).unwrap();
    assert_eq!(module.to_string(), EVERYTHING);
    verify(module).unwrap();
}

#[test]
fn free_form_is_read() {
    let text = "function f(v7)->i64{block9(v7): ; a comment
        br lt v7, v3, block4, block5   block4: return v7 block5: v3 = const 10 return v3}";
    let expected = "counters 0

function f(v0) -> i64 {
block0(v0):
    br lt v0, v1, block1, block2
block1:
    return v0
block2:
    v1 = const 0xa
    return v1
}
";
    assert_eq!(parse(text).unwrap().to_string(), expected);
}

#[test]
fn broken_modules_print() {
    let mut module = parse(EVERYTHING).unwrap();
    let func = module.entry.unwrap();
    module.funcs[func].order.clear();
    module.funcs[func].order.push(crate::Block::from_u32(77));
    assert!(module.to_string().contains("block?77:"));
    module.funcs.values_mut().nth(1).unwrap().order.pop();
    assert!(module.to_string().contains("block?2(v1)"));
    assert_eq!(Module::default().to_string(), "counters 0\n");
}

#[test]
fn errors_carry_the_line() {
    let f = |body: &str| format!("counters 1\nfunction f() -> i64 {{\nblock0:\n{body}\n}}\n");
    let cases = [
        ("tabel x".to_owned(), 1, "expected `table`"),
        ("table x u64 { 1..2 3..4 }".to_owned(), 1, "expected `,` or `}`"),
        ("\n\"open".to_owned(), 2, "does not end on its line"),
        ("\n#".to_owned(), 2, "unexpected character"),
        ("line1 \"\":1:1 \"\"".to_owned(), 1, "out of place"),
        ("entry g".to_owned(), 1, "no function `g`"),
        ("counters 99999999999".to_owned(), 1, "a number in range"),
        (f("v0 = frob v1\nreturn v0"), 4, "unknown opcode `frob`"),
        (f("v0 = load.3 v1+0\nreturn v0"), 4, "unknown opcode `load.3`"),
        (f("v0 = const 1\nv0 = const 2\nreturn v0"), 5, "v0 is defined twice"),
        (f("v0 = const +1"), 4, "expected a number"),
        (f("v0 = const 1\nreturn v1"), 5, "v1 is never defined"),
        (f("\njump block3"), 5, "block3 is never defined"),
        (f("const 1\nreturn v0"), 4, "has a result"),
        (f("v0 = call g()\nreturn v0"), 4, "no function `g`"),
        (f("v0 = member t, v0, v0\nreturn v0"), 4, "no table `t`"),
        (f("x = const 1"), 4, "`x` is not a value's name"),
        (f("v0 = const 1"), 5, "expected an instruction"),
        ("function f() -> i64 {".to_owned(), 1, "expected blockN, found the end"),
        (f("return v0").replace("f()", "f(v0)"), 2, "takes the function's parameters"),
    ];
    for (text, line, message) in cases {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

#[test]
fn cut_and_changed_texts_do_not_panic() {
    for at in 0..EVERYTHING.len() {
        if !EVERYTHING.is_char_boundary(at) {
            continue;
        }
        let (before, after) = EVERYTHING.split_at(at);
        let _ = parse(before);
        let _ = parse(after);
        for sign in ["0", "v", ",", "}", "(", "\"", "\\", "@", "="] {
            if let Ok(module) = parse(&format!("{before}{sign}{after}")) {
                let again = parse(&module.to_string()).unwrap();
                assert_eq!(again.to_string(), module.to_string());
                let _ = verify(module);
            }
        }
    }
}
