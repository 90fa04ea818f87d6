//! Rules with their actions, the chains and hooks that they stand in.

use super::names::{MAX_HOOK_NAME_BYTES, MAX_NAME_BYTES, Sort, nearest};
use super::value::elements;
use super::want::Want;
use super::words::is_name;
use super::{Checker, errors, graph, unsupported};
use crate::fields::DNS_PORTS;
use crate::hir::{Chain, ChainId, CounterId, Effect, Hook, IfaceId, Pred, Rule, Steer};
use crate::ranges::Ranges;
use cranelift_entity::EntityRef;
use l4c_grammar::{self as ast, Action, HookDecl, RuleKind, S, Span, Value};
use l4c_manifest::Verdict;
use std::collections::HashMap;

/// Actions that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Verdict(Verdict),
    Jump,
    Goto,
    Return,
    Count,
    Sample,
    Redirect,
    Mark,
    Change,
}

const VERBS: &[(&str, Verb)] = &[
    ("pass", Verb::Verdict(Verdict::Pass)),
    ("drop", Verb::Verdict(Verdict::Drop)),
    ("jump", Verb::Jump),
    ("goto", Verb::Goto),
    ("return", Verb::Return),
    ("count", Verb::Count),
    ("sample", Verb::Sample),
    ("reject", Verb::Verdict(Verdict::Reject)),
    ("redirect", Verb::Redirect),
    ("mark", Verb::Mark),
    ("add", Verb::Change),
    ("del", Verb::Change),
];

/// The setting of a hook that names the ports of DNS.
const DNS_PORTS_WORD: &str = "dns_ports";

/// Words of other tools for the same.
const ALIASES: &[(&str, &str)] = &[
    ("accept", "pass"),
    ("ACCEPT", "pass"),
    ("allow", "pass"),
    ("permit", "pass"),
    ("deny", "drop"),
    ("block", "drop"),
    ("discard", "drop"),
    ("DROP", "drop"),
    ("REJECT", "reject"),
    ("counter", "count"),
    ("call", "jump"),
];

/// What a list of actions comes to.
#[derive(Debug, Default)]
struct Acts {
    effects: Vec<Effect>,
    steer: Option<(Steer, bool, Span)>,
}

/// Where rules stand.
#[derive(Debug, Clone, Copy)]
struct Place<'n> {
    /// Name of the hook or chain.
    name: &'n str,
    /// It is a chain: its labels are reported behind its name.
    chain: bool,
}

impl<'a> Checker<'a> {
    /// Checks the chains; a [`ChainId`] is a place in the names' list.
    pub(super) fn check_chains(&mut self) {
        for item in self.values.names.chains.clone() {
            let place = Place { name: &item.name.node, chain: true };
            let rules = self.rules(item.rules, place);
            let chain = Chain { name: item.name.node.clone(), rules, span: item.name.span };
            self.policy.chains.push(chain);
        }
        self.report_chain_cycles();
    }

    /// Checks the hooks.
    pub(super) fn check_hooks(&mut self) {
        for decl in self.values.names.hooks.clone() {
            let hook = self.hook(decl);
            self.policy.hooks.push(hook);
        }
    }

    fn hook(&mut self, decl: &HookDecl) -> Hook {
        self.hook_head(decl);
        let place = Place { name: &decl.name.node, chain: false };
        let rules = self.rules(&decl.rules, place);
        let default = self.default_rule(decl);
        let dns_ports = self.dns_ports(decl);
        let name = decl.name.node.clone();
        Hook { name, kind: self.kind, dns_ports, rules, default, span: decl.name.span }
    }

    fn hook_head(&mut self, decl: &HookDecl) {
        let kind = decl.kind.node.as_str();
        if unsupported::HOOKS.contains(&kind) {
            self.diags.push(unsupported::at(decl.kind.span, &format!("`hook {kind}`")));
        } else if kind != "xdp" {
            let like = nearest(kind, errors::hook_kinds(), &self.diags);
            self.diags.push(errors::unknown_hook_kind(&decl.kind, like));
        } else {
            for word in &decl.args {
                self.diags.push(errors::hook_words(word, kind));
            }
        }
        let bytes = decl.name.node.len();
        if bytes > MAX_HOOK_NAME_BYTES && bytes <= MAX_NAME_BYTES {
            self.diags.push(errors::name_length(decl.name.span, bytes, MAX_HOOK_NAME_BYTES));
        }
        for prop in decl.props.iter().filter(|prop| prop.name.node != DNS_PORTS_WORD) {
            let like = nearest(&prop.name.node, [DNS_PORTS_WORD].into_iter(), &self.diags);
            self.diags.push(errors::unknown_property(&prop.name, "hook", like));
        }
    }

    /// `dns_ports { 53, 5300 }`: those that are usual if it is left out.
    fn dns_ports(&mut self, decl: &HookDecl) -> Ranges {
        let mut written = decl.props.iter().filter(|prop| prop.name.node == DNS_PORTS_WORD);
        let Some(prop) = written.next() else {
            return Ranges::from_unsorted(DNS_PORTS.map(|port| (port.into(), port.into())).into());
        };
        if let Some(second) = written.next() {
            self.diags.push(errors::setting_twice(&second.name, prop.name.span));
        }
        let want = Want::of_ports(DNS_PORTS_WORD);
        let mut ports = Vec::new();
        for value in &prop.values {
            let value = self.values.value(value, &[], &mut self.diags);
            let elements = elements(&value);
            if elements.is_empty() {
                self.diags.push(errors::list_empty(value.span));
            }
            for element in elements {
                match want.piece(element, &self.diags) {
                    Ok(piece) => ports.push((piece.lo, piece.hi)),
                    Err(misfit) => misfit.into_iter().for_each(|d| self.diags.push(*d)),
                }
            }
        }
        if prop.values.is_empty() {
            self.diags.push(errors::list_empty(prop.span));
        }
        Ranges::from_unsorted(ports)
    }

    /// The hook's default: `pass` if it has none.
    fn default_rule(&mut self, decl: &HookDecl) -> Rule {
        if let [first, second, ..] = decl.defaults.as_slice() {
            self.diags.push(errors::default_twice(second.span, first.span));
        }
        let mut acts = Acts::default();
        let mut span = decl.name.span;
        for default in &decl.defaults {
            acts = self.actions(&default.node);
            span = default.span;
        }
        let pass = Steer::Verdict(Verdict::Pass);
        let steer = match acts.steer {
            Some((steer @ (Steer::Verdict(_) | Steer::Redirect(_)), false, _)) => steer,
            // A shadowed verdict is not given: what is left is what there is without one.
            Some((Steer::Verdict(_) | Steer::Redirect(_), true, _)) | None => pass,
            Some((Steer::Jump(_) | Steer::Goto(_) | Steer::Return, _, at)) => {
                let verb = self.sources.text(at).to_owned();
                self.diags.push(errors::default_steers(at, &errors::shown(&verb)));
                pass
            }
        };
        Rule {
            name: "default".to_owned(),
            pred: Pred::Const(true),
            effects: acts.effects,
            steer: Some(steer),
            shadow: false,
            span,
        }
    }

    fn rules(&mut self, rules: &[ast::Rule], place: Place<'_>) -> Vec<Rule> {
        let mut labels: HashMap<&str, Span> = HashMap::new();
        let mut out = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            if let Some(label) = &rule.label {
                if label.node == "default" {
                    self.diags.push(errors::name_reserved(label, "it names the hook's `default`"));
                } else if label.node.len() > MAX_NAME_BYTES {
                    let bytes = label.node.len();
                    self.diags.push(errors::name_length(label.span, bytes, MAX_NAME_BYTES));
                }
                if let Some(first) = labels.get(label.node.as_str()) {
                    self.diags.push(errors::label_twice(label, *first));
                } else {
                    labels.insert(&label.node, label.span);
                }
            }
            out.extend(self.rule(rule, index, place));
        }
        out
    }

    fn rule(&mut self, rule: &ast::Rule, index: usize, place: Place<'_>) -> Option<Rule> {
        let (pred, actions) = match &rule.kind {
            RuleKind::Plain { pred, actions } => (pred, actions),
            RuleKind::Iptables(line) => {
                return self.diags.none(unsupported::at(line.span, "an iptables line"));
            }
        };
        let pred = self.predicate(pred, &[]);
        let Acts { effects, steer } = self.actions(actions);
        let name = match &rule.label {
            Some(label) if place.chain => format!("{}.{}", place.name, label.node),
            Some(label) => label.node.clone(),
            None => format!("{}.{}", place.name, index + 1),
        };
        let shadow = steer.is_some_and(|(_, shadow, _)| shadow);
        let steer = steer.map(|(steer, _, _)| steer);
        Some(Rule { name, pred: pred?, effects, steer, shadow, span: rule.span })
    }

    /// All actions of a rule, in their order, the one that steers apart.
    fn actions(&mut self, actions: &[Action]) -> Acts {
        let mut acts = Acts::default();
        for action in actions {
            let Some(verb) = self.verb(action) else { continue };
            let steer = match verb {
                Verb::Verdict(verdict) => self.given(action, verdict).map(Steer::Verdict),
                Verb::Redirect => self.redirect(action).map(Steer::Redirect),
                Verb::Mark => {
                    self.diags.push(errors::action_of_other_hooks(&action.verb, self.kind));
                    continue;
                }
                Verb::Return => self.no_words(action).map(|()| Steer::Return),
                Verb::Jump => self.target_chain(action).map(Steer::Jump),
                Verb::Goto => self.target_chain(action).map(Steer::Goto),
                Verb::Count => {
                    let counter = self.counter(action);
                    let counter = counter.filter(|_| action.shadow.is_none());
                    acts.effects.extend(counter.map(Effect::Count));
                    continue;
                }
                Verb::Change => {
                    let change = self.change(action);
                    acts.effects.extend(change.filter(|_| action.shadow.is_none()));
                    continue;
                }
                Verb::Sample => {
                    let sample = self.sample(action);
                    acts.effects.extend(sample.filter(|_| action.shadow.is_none()));
                    continue;
                }
            };
            let Some(steer) = steer else { continue };
            match acts.steer {
                Some((_, _, first)) => {
                    self.diags.push(errors::steers_twice(action.span, first));
                }
                None => acts.steer = Some((steer, action.shadow.is_some(), action.span)),
            }
        }
        acts
    }

    fn verb(&mut self, action: &Action) -> Option<Verb> {
        let word = action.verb.node.as_str();
        if let Some((_, verb)) = VERBS.iter().find(|(name, _)| *name == word) {
            return Some(*verb);
        }
        if unsupported::ACTIONS.contains(&word) {
            return self.diags.none(unsupported::at(action.verb.span, &format!("`{word}`")));
        }
        let alias = ALIASES.iter().find(|(theirs, _)| *theirs == word).map(|&(_, ours)| ours);
        let known = VERBS.iter().map(|(name, _)| *name).chain(unsupported::ACTIONS.iter().copied());
        let like = alias.or_else(|| nearest(word, known, &self.diags));
        self.diags.none(errors::unknown_action(&action.verb, like))
    }

    fn no_words(&mut self, action: &Action) -> Option<()> {
        match action.args.first() {
            None => Some(()),
            Some(first) => {
                let diag = errors::action_words(first.span, &action.verb.node, "nothing");
                self.diags.none(diag)
            }
        }
    }

    /// A verdict that stands alone, if the hook can give it.
    fn given(&mut self, action: &Action, verdict: Verdict) -> Option<Verdict> {
        self.no_words(action)?;
        self.can_give(action, verdict)
    }

    fn can_give(&mut self, action: &Action, verdict: Verdict) -> Option<Verdict> {
        if self.kind.code(verdict).is_none() {
            let diag = errors::action_of_other_hooks(&action.verb, self.kind);
            return self.diags.none(diag);
        }
        Some(verdict)
    }

    /// `redirect "eth1"`
    fn redirect(&mut self, action: &Action) -> Option<IfaceId> {
        self.can_give(action, Verdict::Redirect)?;
        let [value] = action.args.as_slice() else {
            let span = action.args.get(1).map_or(action.span, |second| second.span);
            let asked = "the name of an interface in quotes";
            return self.diags.none(errors::action_words(span, &action.verb.node, asked));
        };
        let value = self.values.value(value, &[], &mut self.diags);
        self.iface(&value)
    }

    /// The one word or quoted name behind an action.
    fn one_word<'v>(&mut self, action: &'v Action, asked: &str) -> Option<(&'v S<Value>, String)> {
        let word = match action.args.as_slice() {
            [value] => match &value.node {
                Value::Word(word) => Some((value, word.clone())),
                Value::Text { bytes, nocase: false } => {
                    Some((value, String::from_utf8_lossy(bytes).into_owned()))
                }
                Value::Text { .. }
                | Value::Hex(_)
                | Value::List(_)
                | Value::Tuple(_)
                | Value::SetRef(_)
                | Value::Flags(_) => None,
            },
            _ => None,
        };
        if word.is_none() {
            let span = action.args.first().map_or(action.span, |first| first.span);
            self.diags.push(errors::action_words(span, &action.verb.node, asked));
        }
        word
    }

    fn target_chain(&mut self, action: &Action) -> Option<ChainId> {
        let (value, name) = self.one_word(action, "the name of a chain")?;
        match self.values.names.find(&name) {
            Some(symbol) if symbol.sort == Sort::Chain => {
                self.steps.entry(symbol.index).or_default().push(value.span);
                Some(ChainId::new(symbol.index))
            }
            Some(symbol) => {
                let diag = errors::wrong_sort(value.span, &name, symbol, "a chain");
                self.diags.none(diag)
            }
            None if self.values.names.of_module(&name) => None,
            None => {
                let like = self.values.names.like(&name, Sort::Chain, &self.diags);
                self.diags.none(errors::unknown_chain(value.span, &name, like))
            }
        }
    }

    fn counter(&mut self, action: &Action) -> Option<CounterId> {
        let (value, name) = self.one_word(action, "the name of a counter")?;
        if !is_name(&name) {
            let diag = errors::action_words(value.span, "count", "the name of a counter");
            return self.diags.none(diag);
        }
        if name.len() > MAX_NAME_BYTES {
            return self.diags.none(errors::name_length(value.span, name.len(), MAX_NAME_BYTES));
        }
        let policy = &mut self.policy;
        let id = *self
            .counters
            .entry(name)
            .or_insert_with_key(|name| policy.counters.push(name.clone()));
        Some(id)
    }

    fn report_chain_cycles(&mut self) {
        let edges = self.chain_edges();
        for cycle in graph::order(&edges).cycles {
            let chains = &self.policy.chains;
            let names: Vec<&str> =
                cycle.iter().map(|&n| chains[ChainId::new(n)].name.as_str()).collect();
            // The jump of each step: the one in the chain's own rules that names the next chain.
            let steps: Vec<Span> = (0..cycle.len())
                .filter_map(|n| {
                    let from = &chains[ChainId::new(cycle[n])];
                    let to = cycle[(n + 1) % cycle.len()];
                    let rule = from.rules.iter().find(|r| leads_to(r) == Some(to))?;
                    let jumps = self.steps.get(&to)?;
                    jumps.iter().copied().find(|s| within(*s, rule.span))
                })
                .collect();
            let diag = errors::chain_cycle(&names, &steps);
            self.diags.push(diag);
        }
    }

    /// The chains that each chain jumps or goes to.
    pub(super) fn chain_edges(&self) -> Vec<Vec<usize>> {
        let rules = self.policy.chains.values().map(|c| &c.rules);
        rules.map(|rules| rules.iter().filter_map(leads_to).collect()).collect()
    }
}

fn within(inner: Span, outer: Span) -> bool {
    inner.file == outer.file && inner.start >= outer.start && inner.end <= outer.end
}

/// The chain that a rule jumps or goes to.
pub(super) fn leads_to(rule: &Rule) -> Option<usize> {
    match rule.steer {
        Some(Steer::Jump(chain) | Steer::Goto(chain)) => Some(chain.index()),
        Some(Steer::Verdict(_) | Steer::Return | Steer::Redirect(_)) | None => None,
    }
}
