//! Lists of rules as functions.

use super::{FuncBuilder, GO_ON, LEAVE, Lowering, rule_params};
use crate::hir::{ChainId, Effect, Rule, Steer};
use crate::plan::Run;
use l4c_ir::{Block, Builder, Cond, Func, Function};
use l4c_manifest::{HookKind, Verdict};
use std::collections::HashSet;

/// The outcome that says: the rule with counter `slot` gave this verdict.
pub fn decision(slot: u64, kind: HookKind, steer: Option<Steer>) -> u64 {
    let verdict = steer.and_then(Steer::verdict).unwrap_or(Verdict::Pass);
    ((slot + 1) << 32) | u64::from(code(kind, verdict))
}

/// What a program returns for a verdict.
pub fn code(kind: HookKind, verdict: Verdict) -> u32 {
    kind.code(verdict).expect("the checker lets no verdict through that the hook can't give")
}

impl Lowering<'_> {
    /// The chains that run, each behind those it calls.
    pub(super) fn chains_callees_first(&self) -> Vec<ChainId> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        // Depth first with a stack of our own: chains may nest deeper than ours.
        let mut stack: Vec<(ChainId, bool)> =
            callees(&self.policy.hooks[self.hook].rules).map(|chain| (chain, false)).collect();
        while let Some((chain, callees_done)) = stack.pop() {
            if callees_done {
                out.push(chain);
            } else if seen.insert(chain) {
                stack.push((chain, true));
                let inner = callees(&self.policy.chains[chain].rules);
                stack.extend(inner.map(|callee| (callee, false)));
            }
        }
        out
    }

    /// A chain: returns [`GO_ON`] or a decision.
    pub(super) fn chain(&mut self, chain: ChainId, runs: &[Run], hook_name: &str) -> Func {
        let base = chain_name(hook_name, chain, &self.policy.chains[chain].name);
        if let [run] = runs {
            return self.run(&base, Some(chain), run, false);
        }
        let funcs: Vec<Func> = runs
            .iter()
            .enumerate()
            .map(|(i, run)| self.run(&format!("{base}_r{i}"), Some(chain), run, true))
            .collect();
        let line = self.names.rules.get(&(Some(chain), 0)).map(|&(_, line)| line);
        let mut func = Function::new(base);
        let mut b = Builder::new(&mut func, rule_params(self.needs));
        b.set_line(line);
        let args = b.func.params().to_vec();
        for func in funcs {
            let outcome = b.call(func, args.clone());
            let [decided, left, next, open] = [(); 4].map(|()| b.new_block());
            b.br_imm(Cond::Gt, outcome, LEAVE, decided, open);
            b.switch_to(decided);
            b.ret(outcome);
            b.switch_to(open);
            b.br_imm(Cond::Eq, outcome, LEAVE, left, next);
            b.switch_to(left);
            let go_on = b.iconst(GO_ON);
            b.ret(go_on);
            b.switch_to(next);
        }
        let go_on = b.iconst(GO_ON);
        b.ret(go_on);
        self.made.funcs.push(func)
    }

    /// A run of rules. `leaves`: the caller tells [`LEAVE`] from [`GO_ON`].
    pub(super) fn run(
        &mut self,
        name: &str,
        chain: Option<ChainId>,
        run: &Run,
        leaves: bool,
    ) -> Func {
        let policy = self.policy;
        let list = match chain {
            Some(chain) => &policy.chains[chain].rules,
            None => &policy.hooks[self.hook].rules,
        };
        let mut func = Function::new(name);
        func.inline = run.inline;
        let kind = policy.hooks[self.hook].kind;
        let mut f = FuncBuilder::new(&mut func, policy, &mut self.made, &self.names, self.needs);
        for i in run.rules.clone() {
            let (slot, line) = self.names.rules[&(chain, i)];
            f.b.set_line(Some(line));
            f.rule(&list[i], slot, kind, leaves);
        }
        let go_on = f.b.iconst(GO_ON);
        f.b.ret(go_on);
        self.made.funcs.push(func)
    }
}

impl Lowering<'_> {
    /// What the hook's default does to sets, as a function of rules; none if it does nothing to them.
    pub(super) fn default_changes(&mut self, hook_name: &str) -> Option<Func> {
        let policy = self.policy;
        let default = &policy.hooks[self.hook].default;
        let changes = |effect: &&Effect| matches!(effect, Effect::Change(_));
        let changes: Vec<&Effect> = default.effects.iter().filter(changes).collect();
        if changes.is_empty() {
            return None;
        }
        let mut func = Function::new(format!("{hook_name}_default"));
        let mut f = FuncBuilder::new(&mut func, policy, &mut self.made, &self.names, self.needs);
        for effect in changes {
            if let Effect::Change(change) = effect {
                f.change(change);
            }
        }
        let nothing = f.b.iconst(GO_ON);
        f.b.ret(nothing);
        Some(self.made.funcs.push(func))
    }
}

impl FuncBuilder<'_, '_> {
    fn rule(&mut self, rule: &Rule, slot: u64, kind: HookKind, leaves: bool) {
        let [matched, next] = [(); 2].map(|()| self.b.new_block());
        self.pred(&rule.pred, matched, next);
        self.b.switch_to(matched);
        self.effects(rule, slot);
        let steer = if rule.shadow { None } else { rule.steer };
        if let (Some(Steer::Redirect(iface)), false) = (steer, self.names.shadow) {
            let iface = self.b.iface_slot(self.names.ifaces[&iface]);
            self.b.redirect(iface);
        }
        if steer.and_then(Steer::verdict).is_some() {
            // Counted by the entry function, which sees the outcome.
            let outcome = self.b.iconst(decision(slot, kind, steer));
            self.b.ret(outcome);
        } else {
            let own = self.b.iconst(slot);
            self.b.count(own, self.pkt_len);
            self.steer(steer, next, leaves);
        }
        self.b.switch_to(next);
    }

    /// What a matched rule without verdict does; `next` is the next rule.
    fn steer(&mut self, steer: Option<Steer>, next: Block, leaves: bool) {
        let leave = if leaves { LEAVE } else { GO_ON };
        match steer {
            Some(Steer::Jump(chain)) => {
                let outcome = self.b.call(self.names.chains[&chain], self.args.clone());
                let decided = self.b.new_block();
                self.b.br_imm(Cond::Ne, outcome, GO_ON, decided, next);
                self.b.switch_to(decided);
                self.b.ret(outcome);
            }
            Some(Steer::Goto(chain)) => {
                let outcome = self.b.call(self.names.chains[&chain], self.args.clone());
                let [decided, through] = [(); 2].map(|()| self.b.new_block());
                self.b.br_imm(Cond::Ne, outcome, GO_ON, decided, through);
                self.b.switch_to(decided);
                self.b.ret(outcome);
                self.b.switch_to(through);
                let left = self.b.iconst(leave);
                self.b.ret(left);
            }
            Some(Steer::Return) => {
                let left = self.b.iconst(leave);
                self.b.ret(left);
            }
            Some(Steer::Verdict(_) | Steer::Redirect(_)) | None => self.b.jump(next, Vec::new()),
        }
    }
}

/// Chains that rules go to; a shadowed jump does not.
fn callees(rules: &[Rule]) -> impl Iterator<Item = ChainId> {
    rules.iter().filter_map(|rule| match rule.steer {
        Some(Steer::Jump(to) | Steer::Goto(to)) if !rule.shadow => Some(to),
        Some(_) | None => None,
    })
}

/// A function's name for a chain: chains may be called what functions may not.
fn chain_name(hook_name: &str, chain: ChainId, name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(40).collect();
    format!("{hook_name}_c{}_{plain}", chain.as_u32())
}
