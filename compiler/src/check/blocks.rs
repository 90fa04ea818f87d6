//! `test` blocks: which hook, which packets, what is expected of them.

use super::diags::Diags;
use super::names::{Sort, nearest};
use super::value::{Val, Values, count, duration_ns};
use super::want::Want;
use super::{Checker, errors, unsupported};
use crate::fields::Field;
use crate::hir::{Amount, Expect, HookId, IfaceId, Test, TestStep, TestStepKind};
use crate::source::Base;
use crate::{packet, report};
use cranelift_entity::EntityRef;
use l4c_grammar::{self as ast, Diag, Name, Packet, S, Span, TestDecl, Value};
use l4c_manifest::Verdict;
use std::collections::HashMap;
use std::path::PathBuf;

/// Verdicts that are not there yet.
const LATER_VERDICTS: &[&str] = &["syncookie", "truncate"];

/// A test while its steps are read.
struct Block<'a> {
    hook: &'a Name,
    /// Report names of the hook's rules.
    rules: Vec<String>,
    /// Packets by name, names in them written out, and where the names stand.
    packets: HashMap<&'a str, (Span, Packet)>,
}

impl Checker<'_> {
    /// Checks the tests. Their packets are built only where the rest of the policy is without error.
    pub(super) fn check_tests(&mut self) {
        for decl in self.values.names.tests.clone() {
            let Some(hook) = self.tested_hook(&decl.hook) else { continue };
            // With a rule missing, an unknown name would be told for every one that could not be read.
            let whole = !self.diags.any_error();
            let rules = if whole { report::rules(&self.policy, hook) } else { Vec::new() };
            let rules = rules.into_iter().map(|r| r.name).collect();
            let mut block = Block { hook: &decl.hook, rules, packets: HashMap::new() };
            let steps = self.steps_of(decl, &mut block);
            let title = decl.title.node.clone();
            self.policy.tests.push(Test { title, hook, steps, span: decl.title.span });
        }
    }

    fn tested_hook(&mut self, name: &Name) -> Option<HookId> {
        match self.values.names.find(&name.node) {
            Some(symbol) if symbol.sort == Sort::Hook => Some(HookId::new(symbol.index)),
            Some(symbol) => {
                let diag = errors::wrong_sort(name.span, &name.node, symbol, "a hook");
                self.diags.none(diag)
            }
            None => {
                let like = self.values.names.like(&name.node, Sort::Hook, &self.diags);
                self.diags.none(errors::unknown_hook(name, like))
            }
        }
    }

    fn steps_of<'a>(&mut self, decl: &'a TestDecl, block: &mut Block<'a>) -> Vec<TestStep> {
        let mut steps = Vec::with_capacity(decl.steps.len());
        for step in &decl.steps {
            let kind = self.step(step, block);
            steps.extend(kind.map(|kind| TestStep { kind, span: step.span }));
        }
        steps
    }

    fn step<'a>(&mut self, step: &'a ast::TestStep, block: &mut Block<'a>) -> Option<TestStepKind> {
        match &step.kind {
            ast::TestStepKind::Let { name, packet } => {
                let packet = written_out(packet, block);
                self.packet(&packet);
                let before = block.packets.insert(&name.node, (name.span, packet));
                if let Some((first, _)) = before {
                    self.diags.push(errors::name_twice(name, "a packet", first));
                }
                None
            }
            ast::TestStepKind::Send { packet, times, expect } => {
                let packet = self.packet(&written_out(packet, block));
                let times = match times {
                    Some(word) => count(word, &mut self.diags),
                    None => Some(1),
                };
                let expect = self.expectation(expect.as_ref(), block);
                let (packet, iface) = packet?;
                Some(TestStepKind::Send { packet, iface, times: times?, expect: expect? })
            }
            ast::TestStepKind::Pcap { path, expect } => {
                let path = self.capture(path);
                let expect = self.expectation(expect.as_ref(), block);
                Some(TestStepKind::Pcap { path: path?, expect: expect? })
            }
            ast::TestStepKind::Wait(word) => {
                duration_ns(word, &mut self.diags).map(|ns| TestStepKind::Wait { ns })
            }
            ast::TestStepKind::ExpectSet { set, value } => self.expect_set(set, value),
            ast::TestStepKind::ExpectCount { rule, op, count: word } => {
                let known = self.known_rule(rule, block);
                let count = count(word, &mut self.diags)?;
                known?;
                let rule = rule.node.clone();
                Some(TestStepKind::ExpectCount { rule, op: op.node, count })
            }
        }
    }

    /// The bytes of a packet, as the hook sees it, and the interface that it comes in by.
    fn packet(&mut self, packet: &Packet) -> Option<(Vec<u8>, Option<IfaceId>)> {
        let mut packet = packet.clone();
        let mut iface = Some(None);
        for (_, value) in packet.with.extract_if(.., |(name, _)| name.node == "iface") {
            let value = self.values.value(&value, &[], &mut self.diags);
            iface = self.iface(&value).map(Some);
        }
        match packet::build(&packet, self.kind, &self.values) {
            Ok(bytes) => Some((bytes, iface?)),
            Err(wrong) => {
                wrong.into_iter().for_each(|d| self.diags.push(d));
                None
            }
        }
    }

    fn capture(&mut self, path: &S<String>) -> Option<PathBuf> {
        let from_dir = self.sources.get(path.span.file).map(|s| s.dir.clone()).unwrap_or_default();
        let base = Base { root_dir: self.root_dir, from_dir: &from_dir };
        match self.access.resolve(base, &path.node) {
            Ok(path) => Some(path),
            Err(error) => self.diags.none(errors::file(path, &error)),
        }
    }

    /// `None` for a mistake, `Some(None)` where nothing is expected.
    fn expectation(
        &mut self,
        expect: Option<&ast::Expect>,
        block: &Block<'_>,
    ) -> Option<Option<Expect>> {
        let Some(expect) = expect else { return Some(None) };
        let verdict = self.verdict(&expect.verdict);
        let by = match &expect.by {
            Some(rule) => self.known_rule(rule, block).map(|()| Some(rule.node.clone())),
            None => Some(None),
        };
        let amount = match &expect.amount {
            Some((op, word)) => self.amount(word).map(|amount| Some((op.node, amount))),
            None => Some(None),
        };
        Some(Some(Expect { verdict: verdict?, by: by?, amount: amount? }))
    }

    fn verdict(&mut self, word: &Name) -> Option<Verdict> {
        if let Some(verdict) = Verdict::ALL.into_iter().find(|v| v.name() == word.node) {
            return Some(verdict);
        }
        if LATER_VERDICTS.contains(&word.node.as_str()) {
            return self.diags.none(unsupported::at(word.span, &format!("`{}`", word.node)));
        }
        let word_shown = errors::shown(&word.node);
        let why =
            format!("`{word_shown}` is no verdict: write `pass`, `drop`, `reject` or `redirect`");
        self.diags.none(errors::expectation(word.span, &why))
    }

    fn known_rule(&mut self, rule: &Name, block: &Block<'_>) -> Option<()> {
        if block.rules.is_empty() || block.rules.contains(&rule.node) {
            return Some(());
        }
        let known = block.rules.iter().map(String::as_str);
        let like = nearest(&rule.node, known, &self.diags).map(str::to_owned);
        // A chain's rule is known by both names.
        let behind = |name: &&String| name.ends_with(&format!(".{}", rule.node));
        let like = like.or_else(|| block.rules.iter().find(behind).cloned());
        self.diags.none(errors::unknown_rule(rule, &block.hook.node, like.as_deref()))
    }

    /// `1000`, `99%`
    fn amount(&mut self, word: &Name) -> Option<Amount> {
        let Some(percent) = word.node.strip_suffix('%') else {
            return count(word, &mut self.diags).map(Amount::Packets);
        };
        let plain = percent.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match percent.parse::<f64>() {
            Ok(share) if plain && (0.0..=100.0).contains(&share) => Some(Amount::Percent(share)),
            Ok(_) | Err(_) => {
                let diag = errors::expectation(word.span, "a share is a number from 0% to 100%");
                self.diags.none(diag)
            }
        }
    }
}

/// A packet with the name of another in its first place replaced by that packet.
fn written_out(packet: &Packet, block: &Block<'_>) -> Packet {
    let [layer] = packet.layers.as_slice() else { return packet.clone() };
    let Some((_, known)) = block.packets.get(layer.name.node.as_str()) else {
        return packet.clone();
    };
    if !layer.fields.is_empty() {
        return packet.clone();
    }
    let mut out = known.clone();
    out.with.extend(packet.with.iter().cloned());
    out.span = packet.span;
    out
}

impl packet::Values for Values<'_> {
    fn number(&self, value: &S<Value>, field: &'static Field) -> Result<u128, Vec<Diag>> {
        let mut diags = Diags::default();
        let val = self.value(value, &[], &mut diags);
        let Some(want) = Want::of_field(field, false) else {
            return Err(vec![errors::presence_compared(value.span, field.name)]);
        };
        want.number(&val, &diags).map_err(|misfit| {
            misfit.into_iter().for_each(|d| diags.push(*d));
            diags.finish()
        })
    }

    fn bytes(&self, name: &Name) -> Result<Vec<u8>, Vec<Diag>> {
        let mut diags = Diags::default();
        let word = ast::spanned(Value::Word(name.node.clone()), name.span);
        let val = self.value(&word, &[], &mut diags).node;
        if let Val::Bytes(pattern) = &val
            && pattern.care.iter().all(|c| *c == 0xff)
        {
            return Ok(pattern.want.clone());
        }
        if !matches!(val, Val::Error) {
            diags.push(errors::wrong_type(name.span, "a text", &val));
        }
        Err(diags.finish())
    }
}
