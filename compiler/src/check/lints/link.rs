//! Does a hook take away what hosts on a link need to find each other?
//!
//! Predicates are worked out for two kinds of packet of which only so much is known: an ARP packet, and an
//! ICMPv6 neighbour solicitation. What the packet's kind does not settle is unknown, and an unknown answer
//! never makes a warning.

use super::super::rules::leads_to;
use super::super::{Checker, errors, graph};
use crate::fields::{At, Field, Info, When};
use crate::hir::{Atom, AtomTest, Operand, Pred, Rule, Steer};
use l4c_grammar::Span;
use l4c_manifest::{Start, Verdict};

/// A kind of packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Arp,
    NeighbourDiscovery,
}

const CLASSES: [(Class, &str, &str); 2] =
    [(Class::Arp, "ARP", "arp"), (Class::NeighbourDiscovery, "IPv6 neighbour discovery", "icmp6")];

/// What is known of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    True,
    False,
    Unknown,
}

impl Known {
    const fn of(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }

    const fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Checker<'_> {
    pub(super) fn lint_link(&mut self) {
        if self.kind.start() != Start::Link {
            return;
        }
        let order = graph::order(&self.chain_edges()).post;
        let mut found = Vec::new();
        for (class, what, rule) in CLASSES {
            // Chains that may pass such a packet; those that they lead to come first in the order.
            let mut passes = vec![false; self.policy.chains.len()];
            for &n in &order {
                let chain = &self.policy.chains[cranelift_entity::EntityRef::new(n)];
                passes[n] = chain.rules.iter().any(|r| may_pass(r, class, &passes));
            }
            for hook in self.policy.hooks.values() {
                if let Some(span) = taken_by(&hook.rules, &hook.default, class, &passes) {
                    found.push(errors::takes_away(span, what, rule));
                }
            }
        }
        found.into_iter().for_each(|d| self.diags.push(d));
    }
}

/// The rule that surely drops such packets, if none before it may pass them.
fn taken_by(rules: &[Rule], default: &Rule, class: Class, passes: &[bool]) -> Option<Span> {
    let drops = |rule: &Rule| {
        let verdict = rule.steer.and_then(Steer::verdict);
        verdict.is_some_and(|verdict| verdict != Verdict::Pass) && !rule.shadow
    };
    for rule in rules {
        if may_pass(rule, class, passes) {
            return None;
        }
        let known = answer(&rule.pred, class);
        if drops(rule) && known == Known::True {
            return Some(rule.span);
        }
        if skips_to_default(rule) && known != Known::False {
            if !drops(default) {
                return None;
            }
            if known == Known::True {
                break;
            }
        }
    }
    drops(default).then_some(default.span)
}

/// True if nothing of the list but the default comes behind this rule, once it matches.
fn skips_to_default(rule: &Rule) -> bool {
    let skips = match rule.steer {
        Some(Steer::Return | Steer::Goto(_)) => true,
        Some(Steer::Verdict(_) | Steer::Jump(_) | Steer::Redirect(_)) | None => false,
    };
    skips && !rule.shadow
}

/// True if the rule may pass such a packet, itself or by its chain.
fn may_pass(rule: &Rule, class: Class, passes: &[bool]) -> bool {
    let leads = rule.steer == Some(Steer::Verdict(Verdict::Pass))
        || leads_to(rule).is_some_and(|chain| passes[chain]);
    leads && !rule.shadow && answer(&rule.pred, class) != Known::False
}

fn answer(pred: &Pred, class: Class) -> Known {
    match pred {
        Pred::Const(truth) => Known::of(*truth),
        Pred::Atom(atom) => atom_answer(atom, class),
        Pred::Limit(_) | Pred::Tuple(_) | Pred::Random(_) | Pred::Nth(_) => Known::Unknown,
        Pred::Not(inner) => answer(inner, class).not(),
        Pred::And(list) => joined(list, class, Known::False),
        Pred::Or(list) => joined(list, class, Known::True),
    }
}

/// `decides` if any answer is that, its contrary if all are, else unknown.
fn joined(list: &[Pred], class: Class, decides: Known) -> Known {
    let mut all = decides.not();
    for pred in list {
        let known = answer(pred, class);
        if known == decides {
            return decides;
        }
        if known == Known::Unknown {
            all = Known::Unknown;
        }
    }
    all
}

fn atom_answer(atom: &Atom, class: Class) -> Known {
    let Operand::Field { field, inner, mask } = &atom.operand else { return Known::Unknown };
    if *inner {
        // Neither is a tunnel.
        return Known::False;
    }
    let mut any = Known::False;
    for (n, place) in field.places.iter().enumerate() {
        let here = match is_there(place.when, class) {
            Known::False => Known::False,
            there => {
                let known = match &atom.test {
                    AtomTest::Present if place.at == At::Nowhere => Known::True,
                    AtomTest::In { values, negated } if mask.is_none() => value(field, n, class)
                        .map_or(Known::Unknown, |v| Known::of(values[n].contains(v) != *negated)),
                    AtomTest::Present
                    | AtomTest::In { .. }
                    | AtomTest::InSet { .. }
                    | AtomTest::Equals { .. }
                    | AtomTest::StartsWith(_)
                    | AtomTest::EndsWith(_)
                    | AtomTest::Contains { .. }
                    | AtomTest::Name { .. } => Known::Unknown,
                };
                if there == Known::True { known } else { Known::Unknown }
            }
        };
        any = match (any, here) {
            (Known::True, _) | (_, Known::True) => Known::True,
            (Known::Unknown, _) | (_, Known::Unknown) => Known::Unknown,
            (Known::False, Known::False) => Known::False,
        };
    }
    any
}

/// Is a field with this condition there?
fn is_there(when: When, class: Class) -> Known {
    let arp = class == Class::Arp;
    match when {
        When::Always | When::Link => Known::True,
        When::Tag1 | When::Tag2 => Known::Unknown,
        When::TypeArp | When::Arp | When::ArpEthIp4 => Known::of(arp),
        When::TypeIp6 | When::Ip6 | When::Proto => Known::of(!arp),
        When::ProtoIs(proto) => Known::of(!arp && proto == 58),
        When::Header(transport) | When::Payload(transport) => {
            Known::of(!arp && transport.proto() == 58)
        }
        When::Form(form) if !arp && form.transport.proto() == 58 => Known::Unknown,
        When::Ext(_) if !arp => Known::Unknown,
        When::TypeIp4
        | When::Ip4
        | When::Ip4Options
        | When::TcpOption(_)
        | When::Ports
        | When::Form(_)
        | When::Dns
        | When::DnsResponse(_)
        | When::Question
        | When::Frag
        | When::Unparsed
        | When::Ext(_) => Known::False,
    }
}

/// The value of a field's place, where the packet's kind settles it.
fn value(field: &Field, place: usize, class: Class) -> Option<u128> {
    match field.places[place].at {
        At::Const(n) => Some(u128::from(n)),
        At::Info(Info::Proto) => Some(58),
        At::Bits { .. } if field.name == "eth.type" => {
            Some(if class == Class::Arp { 0x0806 } else { 0x86dd })
        }
        At::Nowhere | At::Bits { .. } | At::Info(_) | At::Arrival(_) => None,
    }
}
