//! What an engine reports about: the rules and counters of one hook.

use l4c_compiler::hir::{HookId, Policy};
use l4c_compiler::report;
use l4c_manifest::{HookKind, Verdict};

/// A hook as reports see it. Counter slots are numbered through `rules` and then `counters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The hook's name.
    pub hook: String,
    /// What it hangs on.
    pub kind: HookKind,
    /// In report order; `default` is last.
    pub rules: Vec<ShapeRule>,
    /// Names made by `count NAME`.
    pub counters: Vec<String>,
}

/// A rule as reports see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeRule {
    /// Name in every report.
    pub name: String,
    /// The steering action in words: `drop`, `jump web`, `none`.
    pub action: String,
    /// The steering action is only counted.
    pub shadow: bool,
    /// The verdict with which the rule ends the hook whenever it matches.
    pub decides: Option<Verdict>,
}

impl ShapeRule {
    fn new(name: String, action: String, shadow: bool) -> Self {
        // A redirect says where to.
        let word = action.split_once(' ').map_or(action.as_str(), |(word, _)| word);
        let verdict = Verdict::ALL.into_iter().find(|v| v.name() == word);
        Self { name, action, shadow, decides: verdict.filter(|_| !shadow) }
    }
}

/// A default that says nothing, or only in shadow, lets the packet pass.
fn with_default(mut rules: Vec<ShapeRule>) -> Vec<ShapeRule> {
    if let Some(default) = rules.last_mut() {
        default.decides = default.decides.or(Some(Verdict::Pass));
    }
    rules
}

impl Shape {
    /// Of a hook of a policy.
    #[must_use]
    pub fn of_policy(policy: &Policy, hook: HookId) -> Self {
        let rules = report::rules(policy, hook).into_iter();
        let rules = rules.map(|rule| ShapeRule::new(rule.name, rule.action, rule.shadow));
        let counters = report::counters(policy, hook);
        Self {
            hook: policy.hooks[hook].name.clone(),
            kind: policy.hooks[hook].kind,
            rules: with_default(rules.collect()),
            counters: counters.into_iter().map(|id| policy.counters[id].clone()).collect(),
        }
    }

    /// Of a hook of an object.
    #[must_use]
    pub fn of_manifest(hook: &l4c_manifest::Hook) -> Self {
        let rules = hook.rules.iter();
        let rules = rules.map(|r| ShapeRule::new(r.name.clone(), r.action.clone(), r.shadow));
        Self {
            hook: hook.name.clone(),
            kind: hook.kind,
            rules: with_default(rules.collect()),
            counters: hook.counters.clone(),
        }
    }

    /// Number of counter slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.rules.len() + self.counters.len()
    }

    /// The part of a packet that this hook is shown, the same in every engine; `None` for a packet
    /// that no engine can show it.
    ///
    /// XDP sees the first part of a long packet, a socket filter all of it or nothing
    /// ([`HookKind::max_visible_bytes`]).
    #[must_use]
    pub fn visible<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let (min_bytes, max_bytes) = (self.kind.min_bytes(), self.kind.max_visible_bytes());
        let visible = match self.kind {
            HookKind::Xdp => &packet[..packet.len().min(max_bytes)],
            HookKind::Socket => packet,
        };
        (min_bytes..=max_bytes).contains(&visible.len()).then_some(visible)
    }
}
