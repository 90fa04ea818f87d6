//! What a matched rule does besides steering.

use super::{FuncBuilder, Names};
use crate::hir::{Effect, Rule, Share};
use l4c_ir::{Builder, Cond, Function, Value};
use l4c_manifest::MAX_SAMPLE_BYTES;

/// A threshold that every number is below: chance is not asked.
const ALWAYS: u64 = 1 << 32;

impl FuncBuilder<'_, '_> {
    /// Does the effects of a rule, whose counter is `slot`, in their order.
    pub(super) fn effects(&mut self, rule: &Rule, slot: u64) {
        for effect in &rule.effects {
            match effect {
                Effect::Change(change) => self.change(change),
                other => plain_effect(&mut self.b, self.names, other, slot, self.pkt_len),
            }
        }
    }
}

/// Does an effect that asks nothing of the packet but its length.
pub(super) fn plain_effect(
    b: &mut Builder<'_>,
    names: &Names,
    effect: &Effect,
    slot: u64,
    pkt_len: Value,
) {
    match effect {
        Effect::Count(counter) => {
            let slot = b.iconst(names.counters[counter]);
            b.count(slot, pkt_len);
        }
        Effect::Sample { share, snap_bytes } => {
            // A hook that samples has the function.
            let Some(sampler) = names.sampler else { return };
            let snap_bytes = u64::from(snap_bytes.unwrap_or(u32::MAX).min(MAX_SAMPLE_BYTES));
            let sample = |b: &mut Builder<'_>, threshold: u64| {
                let numbers = [slot, threshold, snap_bytes].map(|n| b.iconst(n));
                b.call(sampler, numbers.into_iter().chain([pkt_len]).collect());
            };
            match share {
                Share::Random(chance) => sample(b, chance.threshold()),
                Share::Nth(test) => {
                    let (wanted, of) = test.share.parts();
                    let picked = b.nth(names.rows[&test.id], wanted, of);
                    let [taken, next] = [(); 2].map(|()| b.new_block());
                    b.br_imm(Cond::Ne, picked, 0, taken, next);
                    b.switch_to(taken);
                    sample(b, ALWAYS);
                    b.jump(next, Vec::new());
                    b.switch_to(next);
                }
            }
        }
        // Done before, where the headers are known.
        Effect::Change(_) => {}
    }
}

/// The function that samples, for all rules of a hook: `(slot, threshold, snap_bytes, pkt_len)`.
///
/// Verified once, for any numbers: in line the verifier would go on from each rule that samples with what it
/// learned there of chance and of the frame.
pub(super) fn sampler(hook: &str) -> Function {
    let mut func = Function::new(format!("{hook}_sample"));
    let mut b = Builder::new(&mut func, 4);
    let [slot, threshold, snap_bytes, pkt_len] = [0, 1, 2, 3].map(|i| b.func.params()[i]);
    let [perhaps, wanted, whole, cut, out] = [(); 5].map(|()| b.new_block());
    let take = b.new_block();
    let kept_bytes = b.func.add_param(take);
    b.br_imm(Cond::Ge, threshold, ALWAYS, wanted, perhaps);
    b.switch_to(perhaps);
    let chance = b.random();
    b.br(Cond::Lt, chance, threshold, wanted, out);
    b.switch_to(wanted);
    b.br(Cond::Le, pkt_len, snap_bytes, whole, cut);
    b.switch_to(whole);
    b.jump(take, vec![pkt_len]);
    b.switch_to(cut);
    b.jump(take, vec![snap_bytes]);
    b.switch_to(take);
    b.sample(slot, pkt_len, kept_bytes);
    b.jump(out, Vec::new());
    b.switch_to(out);
    let nothing = b.iconst(0);
    b.ret(nothing);
    func
}
