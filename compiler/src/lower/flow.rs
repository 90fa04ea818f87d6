//! Flows: who a packet belongs to, and what it does there.

use super::FuncBuilder;
use super::value::Bits;
use crate::fields::Field;
use crate::hir::KeyPart;
use crate::limits::{HookLimit, is_wide};
use l4c_ir::{BinOp, Block, Builder, Cond, Env, FlowStep, Func, Function, Limit, Value};

/// What of a packet tells its flow, and what it does there.
pub(super) const FIELDS: [&str; 6] = ["src", "dst", "proto", "sport", "dport", "tcp.flags"];

/// Protocols that have ports but for TCP: UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u64; 4] = [17, 33, 132, 136];
const TCP: u64 = 6;

/// Bits of `tcp.flags`.
const FIN_RST: u64 = 0x05;
const FIN_SYN_RST_ACK: u64 = 0x17;
const SYN: u64 = 0x02;

/// The function that takes packets of flows of one limit: `(key, flow, step)`, the first two hashes. What it does under
/// its lock is verified once, whoever asks.
pub(super) fn function(name: &str, limit: Limit) -> Function {
    let mut func = Function::new(name);
    let mut b = Builder::new(&mut func, 3);
    let [key, flow, step] = [0, 1, 2].map(|at| b.func.params()[at]);
    let time = b.env(Env::Ticks);
    let taken = b.flow(limit, [key, flow, step, time]);
    b.ret(taken);
    func
}

impl FuncBuilder<'_, '_> {
    /// What became of the packet's flow; on to `no` where it has none.
    pub(super) fn flow(
        &mut self,
        (ir, func): (Limit, Func),
        limit: &HookLimit,
        mut key: Vec<Value>,
        no: Block,
    ) -> Value {
        let mut words = Vec::new();
        for name in ["src", "dst"] {
            match self.flow_field(name, limit, no) {
                Bits::Narrow(word) => words.push(word),
                Bits::Wide { hi, lo } => words.extend([hi, lo]),
            }
        }
        let proto = self.flow_number("proto", limit, no);
        let (ports, step) = self.ports_and_step(proto, limit, no);
        let above = self.b.binary_imm(BinOp::Shl, proto, 32);
        words.push(self.b.binary(BinOp::Or, above, ports));
        if key.is_empty() {
            key.push(self.b.iconst(0));
        }
        let key = self.b.hash(ir, key);
        let flow = self.b.hash(ir, words);
        self.b.call(func, vec![key, flow, step])
    }

    fn flow_field(&mut self, name: &str, limit: &HookLimit, no: Block) -> Bits {
        let field = Field::find(name).expect("a row of the table");
        let part = KeyPart { field, inner: false, prefix_bits: [32, 128] };
        let wide = is_wide(&part, limit.families);
        self.outer_part(&part, limit, wide, no)
    }

    fn flow_number(&mut self, name: &str, limit: &HookLimit, no: Block) -> Value {
        match self.flow_field(name, limit, no) {
            Bits::Narrow(value) | Bits::Wide { lo: value, .. } => value,
        }
    }

    /// Both ports as one number, 0 where the protocol has none, and what the packet does to its flow.
    fn ports_and_step(&mut self, proto: Value, limit: &HookLimit, no: Block) -> (Value, Value) {
        let [tcp, ported, join] = [(); 3].map(|()| self.b.new_block());
        let [ports, step] = [(); 2].map(|()| self.b.func.add_param(join));
        let other = self.b.new_block();
        self.b.br_imm(Cond::Eq, proto, TCP, tcp, other);
        self.b.switch_to(other);
        for number in WITH_PORTS {
            let next = self.b.new_block();
            self.b.br_imm(Cond::Eq, proto, number, ported, next);
            self.b.switch_to(next);
        }
        let [none, opens] = [0, FlowStep::OPENS].map(|n| self.b.iconst(n));
        self.b.jump(join, vec![none, opens]);
        self.b.switch_to(ported);
        let pair = self.ports(limit, no);
        let opens = self.b.iconst(FlowStep::OPENS);
        self.b.jump(join, vec![pair, opens]);
        self.b.switch_to(tcp);
        let pair = self.ports(limit, no);
        let flags = self.flow_number("tcp.flags", limit, no);
        let [closing, open, opening, going] = [(); 4].map(|()| self.b.new_block());
        let ends = self.b.binary_imm(BinOp::And, flags, FIN_RST);
        self.b.br_imm(Cond::Ne, ends, 0, closing, open);
        self.b.switch_to(open);
        let begins = self.b.binary_imm(BinOp::And, flags, FIN_SYN_RST_ACK);
        self.b.br_imm(Cond::Eq, begins, SYN, opening, going);
        for (block, step) in
            [(closing, FlowStep::CLOSES), (opening, FlowStep::OPENS), (going, FlowStep::GOES_ON)]
        {
            self.b.switch_to(block);
            let step = self.b.iconst(step);
            self.b.jump(join, vec![pair, step]);
        }
        self.b.switch_to(join);
        (ports, step)
    }

    fn ports(&mut self, limit: &HookLimit, no: Block) -> Value {
        let [sport, dport] = ["sport", "dport"].map(|name| self.flow_number(name, limit, no));
        let above = self.b.binary_imm(BinOp::Shl, sport, 16);
        self.b.binary(BinOp::Or, above, dport)
    }
}
