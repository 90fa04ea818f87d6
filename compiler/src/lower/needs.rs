//! What a hook's rules ask of the headers, so that nothing else is read.

use super::flow;
use crate::fields::{At, Base, Field, Info, When};
use crate::hir::{Atom, Effect, Kept, KeyPart, Layer, Operand, Policy, Pred, Rule, Steer};
use l4c_manifest::Verdict;

/// What the header reader must find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Protocol, fragments, or anything behind the network header.
    pub transport: bool,
    /// Whether it is a fragment.
    pub frag: bool,
    /// Whether a transport with ports is there.
    pub ports: bool,
    /// Whether something is cut or impossible.
    pub unparsed: bool,
    /// Where the payload lies: the lengths word.
    pub payload: bool,
    /// Where a DNS message lies.
    pub dns: bool,
    /// Its first question.
    pub question: bool,
    /// Anything of the packet inside a tunnel.
    pub inner: bool,
    /// What an answer to the packet asks of it.
    pub answers: bool,
}

impl Needs {
    /// What these rules need.
    pub fn of<'r>(policy: &Policy, rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut needs = Self::default();
        for rule in rules {
            needs.add_pred(policy, &rule.pred, false);
            needs.add_effects(rule, false);
            if rule.steer == Some(Steer::Verdict(Verdict::Reject)) && !rule.shadow {
                (needs.transport, needs.answers) = (true, true);
            }
        }
        needs
    }

    /// What they need of the packet inside a tunnel.
    pub fn inside<'r>(policy: &Policy, rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut needs = Self::default();
        for rule in rules {
            needs.add_pred(policy, &rule.pred, true);
            needs.add_effects(rule, true);
        }
        needs
    }

    fn add_pred(&mut self, policy: &Policy, pred: &Pred, inside: bool) {
        match pred {
            Pred::Const(_) | Pred::Random(_) | Pred::Nth(_) => {}
            Pred::Atom(atom) if inside => {
                if let Operand::Field { field, inner: true, .. } = atom.operand {
                    self.add_field(field);
                }
            }
            Pred::Atom(atom) => self.add_atom(atom),
            Pred::Limit(test) => {
                if let Kept::Flows { .. } = policy.limits[test.limit].kept
                    && !inside
                {
                    flow::FIELDS.iter().for_each(|name| self.add_named(name));
                }
                self.add_key(&policy.limits[test.limit].key, inside);
            }
            Pred::Tuple(test) => self.add_key(&test.key, inside),
            Pred::Not(negated) => self.add_pred(policy, negated, inside),
            Pred::And(list) | Pred::Or(list) => {
                list.iter().for_each(|p| self.add_pred(policy, p, inside));
            }
        }
    }

    fn add_key(&mut self, key: &[KeyPart], inside: bool) {
        for part in key {
            match (part.inner, inside) {
                (false, false) | (true, true) => self.add_field(part.field),
                // A transport may be a tunnel's.
                (true, false) => (self.transport, self.inner) = (true, true),
                (false, true) => {}
            }
        }
    }

    fn add_effects(&mut self, rule: &Rule, inside: bool) {
        for effect in &rule.effects {
            if let Effect::Change(change) = effect {
                self.add_key(&change.key, inside);
            }
        }
    }

    fn add_atom(&mut self, atom: &Atom) {
        match &atom.operand {
            // A transport may be a tunnel's.
            Operand::Field { inner: true, .. } => (self.transport, self.inner) = (true, true),
            Operand::Bytes { slice, .. } => {
                match slice.layer {
                    Layer::L4 => self.transport = true,
                    Layer::Payload => (self.transport, self.payload) = (true, true),
                    Layer::L2 | Layer::L3 => {}
                }
                slice.off_field.into_iter().for_each(|field| self.add_field(field));
            }
            Operand::Window(_) => self.transport = true,
            Operand::Name => self.add_when(When::Question),
            Operand::Field { field, inner: false, .. } => self.add_field(field),
        }
    }

    fn add_named(&mut self, name: &str) {
        Field::find(name).into_iter().for_each(|field| self.add_field(field));
    }

    fn add_field(&mut self, field: &Field) {
        for place in field.places {
            self.add_when(place.when);
            self.transport |= match place.at {
                At::Info(Info::Proto) => true,
                At::Bits { base, .. } => base == Base::Transport,
                At::Nowhere | At::Const(_) | At::Info(_) | At::Arrival(_) => false,
            };
        }
    }

    fn add_when(&mut self, when: When) {
        match when {
            When::Proto
            | When::ProtoIs(_)
            | When::Header(_)
            | When::Form(_)
            | When::TcpOption(_)
            | When::Ext(_) => {
                self.transport = true;
            }
            When::Frag => (self.transport, self.frag) = (true, true),
            When::Payload(_) => (self.transport, self.payload) = (true, true),
            When::Dns | When::DnsResponse(_) => {
                (self.transport, self.payload, self.dns) = (true, true, true);
            }
            When::Question => {
                (self.transport, self.payload, self.dns) = (true, true, true);
                self.question = true;
            }
            When::Ports => (self.transport, self.ports) = (true, true),
            When::Unparsed => (self.transport, self.unparsed) = (true, true),
            When::Always
            | When::Link
            | When::Tag1
            | When::Tag2
            | When::TypeIp4
            | When::TypeIp6
            | When::TypeArp
            | When::Ip4
            | When::Ip4Options
            | When::Ip6
            | When::Arp
            | When::ArpEthIp4 => {}
        }
    }
}
