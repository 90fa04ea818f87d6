//! Random modules, which no one would write.

use super::harness::{Rng, agree_if_small, verified};
use l4c_ir::{
    BinOp, BlockCall, Builder, Cond, Env, Func, Function, Module, Table, TableData, Term, Value,
    Verified, Width,
};
use l4c_manifest::HookKind;

const OPS: [BinOp; 9] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Rem,
];
const CONDS: [Cond; 6] = [Cond::Eq, Cond::Ne, Cond::Lt, Cond::Le, Cond::Gt, Cond::Ge];
const WIDTHS: [Width; 4] = [Width::B1, Width::B2, Width::B4, Width::B8];
const COUNTERS: u32 = 3;
/// Functions of a module; the last is called by all, and calls none.
const FUNCS: u32 = 3;
/// Parameters of each but the entry.
const PARAMS: [usize; FUNCS as usize] = [0, 4, 2];

struct Grower<'r> {
    rng: &'r mut Rng,
    func: u32,
    /// Numbers, and pointers with their lengths, that are defined here.
    values: Vec<Value>,
    ptrs: Vec<(Value, u32)>,
    /// Instructions that may still be made.
    fuel: u32,
}

impl Grower<'_> {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len() as u64) as usize]
    }

    /// A number: rather a recent one, at times a new constant.
    fn value(&mut self, b: &mut Builder<'_>) -> Value {
        if self.values.is_empty() || self.rng.below(5) == 0 {
            let n = self.rng.edge();
            return b.iconst(n);
        }
        let back = self.rng.below(self.values.len() as u64).min(self.rng.below(40)) as usize;
        self.values[self.values.len() - 1 - back]
    }

    fn region(&mut self, b: &mut Builder<'_>, depth: u32) {
        for _ in 0..1 + self.rng.below(12) {
            if self.fuel == 0 {
                return;
            }
            self.fuel -= 1;
            match self.rng.below(if depth < 6 { 14 } else { 11 }) {
                0..4 => {
                    let (x, y) = (self.value(b), self.value(b));
                    let op = self.pick(&OPS);
                    let v = b.binary(op, x, y);
                    self.values.push(v);
                }
                4 => {
                    let (x, width) = (self.value(b), self.pick(&WIDTHS[1..]));
                    let v = b.swap(width, x);
                    self.values.push(v);
                }
                5 | 6 if !self.ptrs.is_empty() => {
                    let ptrs = self.ptrs.clone();
                    let (ptr, len) = self.pick(&ptrs);
                    let width = self.pick(&WIDTHS);
                    if width.bytes() <= len {
                        let at = self.rng.below(u64::from(len - width.bytes() + 1)) as u32;
                        let v = b.load(ptr, at, width);
                        self.values.push(v);
                    }
                }
                5..=7 => {
                    let v = b.env(Env::PktLen);
                    self.values.push(v);
                }
                8 => {
                    let (hi, lo) = (self.value(b), self.value(b));
                    let wide = self.rng.below(2) == 0;
                    let hi = if wide { hi } else { b.iconst(0) };
                    let v = b.member(Table::from_u32(u32::from(wide)), hi, lo);
                    self.values.push(v);
                }
                9 => {
                    let (slot, bytes) = (self.rng.below(4), self.value(b));
                    let slot = if slot == 3 { self.value(b) } else { b.iconst(slot) };
                    b.count(slot, bytes);
                }
                10 if self.func + 1 < FUNCS => {
                    let callee = self.func + 1;
                    let args = (0..PARAMS[callee as usize]).map(|_| self.value(b)).collect();
                    let v = b.call(Func::from_u32(callee), args);
                    self.values.push(v);
                }
                11 | 12 => self.branch(b, depth),
                _ => self.guard(b, depth),
            }
        }
    }

    /// Two sides that meet again, and hand over some numbers, or one that leaves.
    fn branch(&mut self, b: &mut Builder<'_>, depth: u32) {
        let (x, y) = (self.value(b), self.value(b));
        let (mut cond, mut x) = (self.pick(&CONDS), x);
        let mut y = y;
        if self.rng.below(4) == 0 {
            x = b.binary(BinOp::And, x, y);
            y = b.iconst(0);
            cond = self.pick(&CONDS[..2]);
        }
        let (left, right, join) = (b.new_block(), b.new_block(), b.new_block());
        let params = self.rng.below(4);
        let joined: Vec<Value> = (0..params).map(|_| b.func.add_param(join)).collect();
        b.br(cond, x, y, left, right);
        let leaves = self.rng.below(5) == 0;
        for (side, may_leave) in [(left, leaves), (right, false)] {
            b.switch_to(side);
            self.side(b, depth, join, params, may_leave);
        }
        b.switch_to(join);
        self.values.extend(joined);
    }

    fn side(
        &mut self,
        b: &mut Builder<'_>,
        depth: u32,
        join: l4c_ir::Block,
        params: u64,
        leave: bool,
    ) {
        let known = (self.values.len(), self.ptrs.len());
        self.region(b, depth + 1);
        if leave {
            let v = self.value(b);
            b.ret(v);
        } else {
            let args = (0..params).map(|_| self.value(b)).collect();
            b.jump(join, args);
        }
        self.values.truncate(known.0);
        self.ptrs.truncate(known.1);
    }

    fn guard(&mut self, b: &mut Builder<'_>, depth: u32) {
        let off = match self.rng.below(3) {
            0 => self.value(b),
            1 => {
                let n = self.rng.below(60);
                b.iconst(n)
            }
            _ => {
                let (v, mask) = (self.value(b), self.pick(&[0x3c, 0xff, 0x7fff]));
                b.binary_imm(BinOp::And, v, mask)
            }
        };
        let len = 1 + self.rng.below(24) as u32;
        let (fail, join) = (b.new_block(), b.new_block());
        let params = self.rng.below(3);
        let joined: Vec<Value> = (0..params).map(|_| b.func.add_param(join)).collect();
        let failed: Vec<Value> = (0..params).map(|_| b.func.add_param(fail)).collect();
        let args: Vec<Value> = failed.iter().map(|_| self.value(b)).collect();
        let before = b.block();
        let ptr = b.guard(off, len, fail);
        if let Term::Guard { fail: to, .. } = &mut b.func.blocks[before].term {
            *to = BlockCall { block: fail, args };
        }
        self.ptrs.push((ptr, len));
        self.side(b, depth, join, params, false);
        self.ptrs.retain(|(p, _)| *p != ptr);
        b.switch_to(fail);
        self.values.extend(&failed);
        b.jump(join, failed.clone());
        self.values.truncate(self.values.len() - failed.len());
        b.switch_to(join);
        self.values.extend(joined);
    }
}

fn module(rng: &mut Rng) -> Verified<Module> {
    let mut module = Module { counters: COUNTERS, ..Module::default() };
    let max = [u128::from(u32::MAX), u128::from(u64::MAX)][rng.below(2) as usize];
    for (wide, max) in [(false, max), (true, u128::MAX)] {
        let ranges = (0..1 + u128::from(rng.below(9)))
            .map(|n| (max / 11 * n, max / 11 * n + u128::from(rng.below(100))))
            .collect();
        module.tables.push(TableData { name: format!("t{wide}"), wide, ranges });
    }
    for func in 0..FUNCS {
        let mut function = Function::new(format!("f{func}"));
        let mut b = Builder::new(&mut function, PARAMS[func as usize]);
        let values = b.func.params().to_vec();
        let fuel = 20 + rng.below(120) as u32;
        let mut grower = Grower { rng, func, values, ptrs: Vec::new(), fuel };
        while grower.fuel > 0 {
            grower.region(&mut b, 0);
        }
        let mut acc = b.iconst(1);
        let live = grower.values.clone();
        for value in live.into_iter().rev().take(25) {
            acc = b.binary_imm(BinOp::Mul, acc, 31);
            let high = b.binary_imm(BinOp::Shr, value, 32);
            acc = b.binary(BinOp::Add, acc, high);
            acc = b.binary(BinOp::Xor, acc, value);
        }
        b.ret(acc);
        module.funcs.push(function);
    }
    module.entry = Some(Func::from_u32(0)).into();
    verified(module)
}

fn packet(rng: &mut Rng) -> Vec<u8> {
    let len = 20 + rng.below(120) as usize;
    let mut packet: Vec<u8> = (0..len).map(|_| rng.edge() as u8).collect();
    packet[0] = 0x45;
    packet
}

/// As many modules as the environment's `L4C_RANDOM_MODULES` says.
#[test]
fn random_modules() {
    let count: u64 = std::env::var("L4C_RANDOM_MODULES").map_or(60, |n| n.parse().unwrap());
    let mut judged = 0;
    for seed in 1..=count {
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let module = module(&mut rng);
        let packets: Vec<Vec<u8>> = (0..12).map(|_| packet(&mut rng)).collect();
        for kind in HookKind::ALL {
            judged += u64::from(agree_if_small(&module, kind, &packets).is_ok());
        }
    }
    eprintln!("{judged} of {} within limits", 2 * count);
    assert!(judged >= count, "{judged} of {count}");
}
