//! Passes are near-linear: a function of many rules takes no more than its share.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use l4c_ir::passes::{OptLevel, optimize};
use l4c_ir::{BinOp, Builder, Cond, Env, Function, Line, LineData, Module, Width, verify};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Rules of protocol, port and address, as lowering makes them: five blocks each. `protocol` picks
/// the protocol of a rule.
fn rules(count: u64, protocol: impl Fn(u64) -> u64) -> Module {
    let mut module = Module::default();
    let mut func = Function::new("rules");
    let mut b = Builder::new(&mut func, 2);
    let [off, info] = [b.func.params()[0], b.func.params()[1]];
    for rule in 0..count {
        let text = format!("rule {rule}");
        let data = LineData { file: "a.l4".to_owned(), line: 1, column: 1, text };
        let line: Line = module.lines.push(data);
        b.set_line(Some(line));
        let (ports, address, verdict, next) =
            (b.new_block(), b.new_block(), b.new_block(), b.new_block());
        let found = b.binary_imm(BinOp::And, info, 0xff);
        b.br_imm(Cond::Eq, found, protocol(rule), ports, next);
        b.switch_to(ports);
        let ports_off = b.binary_imm(BinOp::Add, off, 2);
        let ptr = b.guard(ports_off, 2, next);
        let port = b.load_be(ptr, 0, Width::B2);
        b.br_imm(Cond::Eq, port, rule & 0xffff, address, next);
        b.switch_to(address);
        let at = b.iconst(26);
        let ptr = b.guard(at, 4, next);
        let found = b.load_be(ptr, 0, Width::B4);
        b.br_imm(Cond::Lt, found, rule << 8, verdict, next);
        b.switch_to(verdict);
        let slot = b.iconst(rule);
        let bytes = b.env(Env::PktLen);
        b.count(slot, bytes);
        let one = b.iconst(1);
        b.ret(one);
        b.switch_to(next);
    }
    let zero = b.iconst(0);
    b.ret(zero);
    let rules = module.funcs.push(func);
    let mut entry = Function::new("entry");
    let mut b = Builder::new(&mut entry, 0);
    let off = b.iconst(34);
    let result = b.call(rules, vec![off, off]);
    b.ret(result);
    module.entry = module.funcs.push(entry).into();
    module
}

/// Time that this thread has spent on a processor, so that the machine's other work does not count;
/// time passed, where the kernel does not tell.
fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|n| n.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

fn time(module: Module) -> Duration {
    let module = verify(module).unwrap();
    let start = now();
    let module = optimize(module, OptLevel::O2, &mut |_, _| {}).unwrap();
    let elapsed = now().saturating_sub(start);
    assert!(module.funcs.values().all(|func| !func.order.is_empty()));
    elapsed
}

/// Four times the rules take some four times as long; sixteen times would say that something is
/// quadratic.
#[test]
fn rules_cost_the_same_in_any_number() {
    let protocols: [fn(u64) -> u64; 4] = [
        |_| 6,
        |rule| [6, 17][(rule & 1) as usize],
        |rule| if rule < 600 { 6 } else { 17 },
        |rule| rule.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56,
    ];
    for (index, protocol) in protocols.into_iter().enumerate() {
        let few = time(rules(300, protocol)).max(Duration::from_millis(5));
        let many = time(rules(1_200, protocol));
        println!("protocols {index}: {few:?} for 300 rules, {many:?} for 1,200");
        assert!(many < few * 12, "protocols {index}: {few:?}, then {many:?}");
    }
}
