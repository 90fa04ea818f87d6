//! Tokens: the key out of the packet, the bucket asked, and both answers.

use super::FuncBuilder;
use super::value::Bits;
use crate::fields::Place;
use crate::hir::{KeyPart, LimitTest};
use crate::limits::{HookLimit, places};
use l4c_ir::{BinOp, Block, Cond, Env, Func, Limit, Spent, Value};
use l4c_manifest::{Full, LimitClock, Unit};

/// An IPv4 address where there may be an IPv6 one: `::ffff:a.b.c.d` (RFC 4291 2.5.5.2). No packet has such an address
/// of its own; who forges one could as well forge the IPv4 address.
const MAPPED: u64 = 0xffff_0000_0000;

/// What rules know of a limit of their hook.
pub(super) struct NamedLimit {
    pub ir: Limit,
    pub limit: HookLimit,
    /// The function that takes packets of flows, if flows are what it counts.
    pub flows: Option<Func>,
}

impl FuncBuilder<'_, '_> {
    /// Spends a token, and goes to `yes` or `no`; to `no` too where the key is not there.
    pub(super) fn limit(&mut self, test: &LimitTest, yes: Block, no: Block) {
        let names = self.names;
        let Some(NamedLimit { ir, limit, flows }) = names.limits.get(&test.limit) else {
            return self.b.jump(no, Vec::new());
        };
        let parts = &self.policy.limits[test.limit].key;
        let key = self.key(parts, limit, no);
        let spent = match flows {
            Some(flows) => self.flow((*ir, *flows), limit, key, no),
            None => self.spend(*ir, limit, key),
        };
        self.answers(test, limit, spent, (yes, no));
    }

    fn spend(&mut self, ir: Limit, limit: &HookLimit, key: Vec<Value>) -> Value {
        let manifest = &limit.manifest;
        let units = match manifest.unit {
            Unit::Packets => self.b.iconst(1),
            Unit::Bytes => self.pkt_len,
        };
        let time = match manifest.clock {
            LimitClock::Fine => self.b.env(Env::Now),
            LimitClock::Coarse => self.b.env(Env::Ticks),
            LimitClock::Stopped => self.b.iconst(0),
        };
        self.b.spend(ir, key, units, time)
    }

    /// Goes where what became of a token, or of a flow, says.
    fn answers(
        &mut self,
        test: &LimitTest,
        limit: &HookLimit,
        spent: Value,
        (yes, no): (Block, Block),
    ) {
        let manifest = &limit.manifest;
        let (over, under) = if test.under { (no, yes) } else { (yes, no) };
        let other = self.b.new_block();
        self.b.br_imm(Cond::Eq, spent, Spent::YES, under, other);
        self.b.switch_to(other);
        let (over_slot, full_slot) = (manifest.slot, manifest.slot + 1);
        let (code, also_over, target) = match manifest.full {
            Full::Evict => (Spent::EVICTED, false, under),
            Full::Drop => (Spent::OVER_FULL, true, over),
            Full::Pass => (Spent::PASS_FULL, false, under),
        };
        if !manifest.key.is_empty() {
            let [full, not_full] = [(); 2].map(|()| self.b.new_block());
            self.b.br_imm(Cond::Eq, spent, code, full, not_full);
            self.b.switch_to(full);
            self.count_slot(full_slot);
            if also_over {
                self.count_slot(over_slot);
            }
            self.b.jump(target, Vec::new());
            self.b.switch_to(not_full);
        }
        self.count_slot(over_slot);
        self.b.jump(over, Vec::new());
    }

    pub(super) fn count_slot(&mut self, slot: u32) {
        let slot = self.b.iconst(slot.into());
        self.b.count(slot, self.pkt_len);
    }

    /// The words of a key; on to `no` where a part of it is not there.
    fn key(&mut self, parts: &[KeyPart], limit: &HookLimit, no: Block) -> Vec<Value> {
        let mut words: Vec<Option<Value>> = vec![None; limit.manifest.key_words()];
        for (part, (word, shift)) in parts.iter().zip(limit.manifest.key_places()) {
            let wide = limit.manifest.key.iter().zip(parts).any(|(m, p)| p == part && m.bits > 64);
            let bits = self.key_part(part, limit, wide, no);
            self.add_part(&mut words, (word, shift), bits);
        }
        words.into_iter().map(|word| word.unwrap_or_else(|| self.b.iconst(0))).collect()
    }

    /// Puts a part of a key to its place.
    pub(super) fn add_part(
        &mut self,
        words: &mut [Option<Value>],
        (word, shift): (usize, u32),
        bits: Bits,
    ) {
        match bits {
            Bits::Wide { hi, lo } => (words[word], words[word + 1]) = (Some(hi), Some(lo)),
            Bits::Narrow(value) => {
                let value = self.b.binary_imm(BinOp::Shl, value, shift.into());
                words[word] = Some(match words[word] {
                    Some(others) => self.b.binary(BinOp::Or, others, value),
                    None => value,
                });
            }
        }
    }

    fn key_part(&mut self, part: &KeyPart, limit: &HookLimit, wide: bool, no: Block) -> Bits {
        let mut bits = None;
        match (part.inner, self.inner) {
            (false, _) => bits = Some(self.outer_part(part, limit, wide, no)),
            (true, Some(inner)) => {
                self.inside(inner, |f| bits = Some(f.outer_part(part, limit, wide, no)));
            }
            (true, None) => {}
        }
        bits.unwrap_or_else(|| {
            let zero = self.b.iconst(0);
            if wide { Bits::Wide { hi: zero, lo: zero } } else { Bits::Narrow(zero) }
        })
    }

    /// The first of its places that is there.
    pub(super) fn outer_part(
        &mut self,
        part: &KeyPart,
        limit: &HookLimit,
        wide: bool,
        no: Block,
    ) -> Bits {
        self.first_place(part, &places(part, limit.families), wide, no)
    }

    /// The first of some places of a part that is there.
    pub(super) fn first_place(
        &mut self,
        part: &KeyPart,
        places: &[&Place],
        wide: bool,
        no: Block,
    ) -> Bits {
        if let [place] = places {
            let bits = self.key_place(part, place, no);
            return self.widened(bits, wide);
        }
        let found = self.b.new_block();
        let params = if wide { 2 } else { 1 };
        let values: Vec<Value> = (0..params).map(|_| self.b.func.add_param(found)).collect();
        for place in places {
            let next = self.b.new_block();
            let bits = self.key_place(part, place, next);
            let args = match self.widened(bits, wide) {
                Bits::Narrow(value) => vec![value],
                Bits::Wide { hi, lo } => vec![hi, lo],
            };
            self.b.jump(found, args);
            self.b.switch_to(next);
        }
        self.b.jump(no, Vec::new());
        self.b.switch_to(found);
        match values.as_slice() {
            &[hi, lo] => Bits::Wide { hi, lo },
            _ => Bits::Narrow(values[0]),
        }
    }

    fn widened(&mut self, bits: Bits, wide: bool) -> Bits {
        match bits {
            Bits::Narrow(value) if wide => {
                Bits::Wide { hi: self.b.iconst(0), lo: self.b.binary_imm(BinOp::Or, value, MAPPED) }
            }
            Bits::Narrow(_) | Bits::Wide { .. } => bits,
        }
    }

    fn key_place(&mut self, part: &KeyPart, place: &Place, no: Block) -> Bits {
        let raw = self.read(place, no);
        let bits = self.scaled_place(raw, place);
        match part.mask(place) {
            u128::MAX => bits,
            mask => self.masked(bits, mask),
        }
    }
}
