use crate::{Block, Function, Inst, InstData, Module, Term, Value, parse, verify};

/// A module of one entry with this body.
fn body(text: &str) -> Module {
    let text = text.replace("; ", "\n");
    parse(&format!("entry f\nfunction f() -> i64 {{\n{text}\n}}")).unwrap()
}

#[track_caller]
fn refused(module: Module, reason: &str) {
    let error = verify(module).unwrap_err();
    assert!(error.reason.contains(reason), "{error}\n{}", error.text);
    assert!(error.text.contains("counters"), "{}", error.text);
}

#[test]
fn errors_name_the_place() {
    let error = verify(body("block0: jump block1; block1: v0 = swap.1 v0; return v0")).unwrap_err();
    assert_eq!(error.to_string(), "function f: block1: v0 = swap.1 v0: one byte has no order");
}

#[test]
fn flow() {
    refused(body("block0: none"), "has no end");
    refused(body("block0: jump block1; block1: jump block2; block2: jump block1"), "a cycle");
    refused(body("block0: jump block0"), "back to the entry");
    refused(body("block0: v0 = const 1; return v0; block1: jump block0"), "back to the entry");
    refused(body("block0: v0 = const 1; jump block1(v0); block1: return v0"), "carries 1");
    refused(body(""), "has no block");
}

#[test]
fn definitions() {
    refused(body("block0: v1 = add v0, v0; v0 = const 1; return v1"), "dominate");
    let arm = "block1: v1 = const 1; jump block2; block2: return v1";
    refused(
        body(&format!("block0: v0 = const 0; br eq v0, v0, block1, block2; {arm}")),
        "dominate",
    );
    let unreachable = "block0: v0 = const 0; return v0; block1: v1 = add v0, v2; return v1";
    refused(
        body(&format!("{unreachable}; block2: v2 = add v3, v2; v3 = const 1; none")),
        "dominate",
    );
    verify(body(&format!("{unreachable}; block2: v2 = const 1; none"))).unwrap();
}

#[test]
fn packet_access() {
    let guard = |ok: &str| {
        body(&format!(
            "block0: v0 = const 0; guard v0, 4 -> v1, block1, block2; block1: {ok}; \
                       block2: return v0"
        ))
    };
    verify(guard("v2 = load.2 v1+2; return v2")).unwrap();
    refused(guard("v2 = load.2 v1+3; return v2"), "reads past the 4 bytes");
    refused(guard("v2 = load.4 v1+4294967295; return v2"), "reads past the 4 bytes");
    refused(guard("v2 = load.1 v0+0; return v2"), "a number stands where a pointer");
    refused(guard("return v1"), "a pointer stands where a number");
    let shared = "block0: v0 = const 0; guard v0, 4 -> v1, block1, block1; block1: return v0";
    refused(body(shared), "another predecessor");
    let bad = "block0: v0 = const 0; guard v0, 4 -> v1, block1, block2; block1: return v0; \
               block2: v2 = load.1 v1+0; return v2";
    refused(body(bad), "dominate");
    refused(
        body(
            "block0: v0 = const 0; guard v0, 0 -> v1, block1, block2; block1: return v0; \
                  block2: return v0",
        ),
        "length",
    );
}

#[test]
fn tables() {
    let table = |ranges: &str, rest: &str| {
        let text = "table t u64 {RANGES}\nentry f\nfunction f() -> i64 {\nblock0:\nREST\n}";
        parse(&text.replace("RANGES", ranges).replace("REST", rest)).unwrap()
    };
    let rest = "v0 = const 0 return v0";
    verify(table("", rest)).unwrap();
    verify(table("0..0, 2..0xffffffffffffffff", rest)).unwrap();
    refused(table("0..1, 2..3", rest), "touches");
    refused(table("4..5, 0..1", rest), "out of order");
    refused(table("0..0xffffffffffffffff, 1..2", rest), "touches");
    refused(table("2..1", rest), "not one of its key's numbers");
    refused(table("0..0x10000000000000000", rest), "not one of its key's numbers");
    refused(table("0..1", "v0 = const 1 v1 = member t, v0, v0 return v1"), "the constant 0");
    verify(table("0..1", "v0 = const 0 v1 = member t, v0, v0 return v1")).unwrap();
    let full = "table t u128 {0..0xffffffffffffffffffffffffffffffff, 0..0}\n";
    refused(parse(full).unwrap(), "touches");
}

#[test]
fn calls() {
    let module = |text: &str| parse(text).unwrap();
    let f = "entry f function f() -> i64 { block0: v0 = call g(v1) v1 = const 0 return v0 }";
    let f = f.replace("v0 = call g(v1) v1 = const 0", "v1 = const 0 v0 = call g(v1)");
    let g = |body: &str| format!("{f} function g(v0) -> i64 {{ block0(v0): {body} }}");
    verify(module(&g("return v0"))).unwrap();
    refused(module(&g("v1 = call g(v0) return v1")), "calls itself");
    refused(module(&g("v1 = call f() return v1")), "calls the module's entry");
    refused(module(&g("v1 = call g() return v1")), "takes 1 arguments, not 0");
    let h = "function h(v0) -> i64 { block0(v0): v1 = call g(v0) return v1 }";
    refused(module(&format!("{} {h}", g("v1 = call h(v0) return v1"))), "calls itself");
    let many = "v0, v1, v2, v3, v4";
    refused(
        module(&format!("{f} function g({many}) -> i64 {{ block0({many}): return v0 }}")),
        "takes 5 arguments, not 1",
    );
    refused(
        module(&format!(
            "{} function x({many}) -> i64 {{ block0({many}): return v0 }}",
            g("return v0")
        )),
        "more than 4",
    );
    refused(module("entry f function f(v0) -> i64 { block0(v0): return v0 }"), "takes parameters");
    refused(Module::default(), "no entry");
}

/// An answer is made by a function that does nothing else; a slot of the table of interfaces exists.
#[test]
fn answers_and_interfaces() {
    let with = |module: &str, g: &str| {
        let f =
            "function f() -> i64 { block0: v0 = const 0 v1 = call g(v0, v0, v0, v0) return v1 }";
        let text = format!(
            "{module} entry f {f} function g(v0, v1, v2, v3) -> i64 {{ block0(v0, v1, v2, v3): {g} }}"
        );
        parse(&text).unwrap()
    };
    verify(with("", "v4 = reject v0, v1, v2, v3 return v4")).unwrap();
    let alone = "a function of its own";
    refused(with("", "v4 = reject v1, v0, v2, v3 return v4"), alone);
    refused(with("", "v4 = const 1 v5 = reject v0, v1, v2, v3 return v5"), alone);
    refused(with("", "v4 = reject v0, v1, v2, v3 v5 = add v4, v4 return v5"), alone);
    verify(with("ifaces 2", "v4 = iface_slot 1 redirect v4 return v4")).unwrap();
    refused(with("ifaces 2", "v4 = iface_slot 2 return v4"), "no such slot");
}

#[test]
fn names_that_resolve_to_nothing() {
    let with = |change: fn(&mut Function)| {
        let mut module =
            body("block0: v0 = const 0; v1 = add v0, v0; jump block1; block1: return v1");
        change(module.funcs.values_mut().next().unwrap());
        module
    };
    verify(with(|_| {})).unwrap();
    refused(with(|f| f.order.push(Block::from_u32(9))), "does not exist");
    refused(with(|f| f.order.push(f.order[1])), "in the order twice");
    refused(with(|f| f.order.truncate(1)), "a target does not stand");
    refused(with(|f| f.blocks[f.order[1]].insts.push(Inst::from_u32(0))), "twice");
    refused(with(|f| f.blocks[f.order[1]].insts.push(Inst::from_u32(9))), "does not exist");
    refused(
        with(|f| f.blocks[f.order[1]].term = Term::Return(Value::from_u32(9))),
        "does not exist",
    );
    refused(with(|f| f.blocks[f.order[0]].params.push(Value::from_u32(0))), "takes parameters");
    refused(with(|f| f.blocks[f.order[1]].params.push(Value::from_u32(0))), "carries 0");
    refused(with(|f| f.results[Inst::from_u32(0)] = None.into()), "has a result where");
    refused(with(|f| f.results[Inst::from_u32(1)] = Value::from_u32(0).into()), "not recorded");
    refused(
        with(|f| {
            let count = InstData::Count { slot: Value::from_u32(0), bytes: Value::from_u32(0) };
            f.insts[Inst::from_u32(1)] = count;
        }),
        "has a result where",
    );
    let marked = "entry f function f() -> i64 { block0: v0 = const 0 @line3 return v0 }";
    refused(parse(marked).unwrap(), "no line3");
}

/// Rows and limits that there are, and shares that can be.
#[test]
fn rows_and_hashes() {
    let with = |head: &str, body: &str| {
        let text = format!("{head} entry f function f() -> i64 {{ block0: {body} }}");
        parse(&text).unwrap()
    };
    verify(with("rows 1", "v0 = nth 0, 1, 1 return v0")).unwrap();
    refused(with("rows 1", "v0 = nth 1, 1, 1 return v0"), "no such row");
    refused(with("rows 1", "v0 = nth 0, 0, 1 return v0"), "no share");
    refused(with("rows 1", "v0 = nth 0, 2, 1 return v0"), "no share");
    verify(with("limit l 1", "v0 = const 1 v1 = hash l, (v0) return v1")).unwrap();
    refused(with("limit l 1", "v1 = hash l, () return v1"), "nothing to hash");
}
