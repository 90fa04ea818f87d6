//! What a hook's rules ask of the headers, so that nothing else is read.

use crate::fields::{At, Base, Info, When};
use crate::hir::{Atom, Layer, Operand, Pred, Rule};

/// What the header reader must find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Protocol, fragments, or anything behind the network header.
    pub transport: bool,
    /// Whether a transport with ports is there.
    pub ports: bool,
    /// Whether something is cut or impossible.
    pub unparsed: bool,
}

impl Needs {
    /// What these rules need.
    pub fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut needs = Self::default();
        for rule in rules {
            needs.add_pred(&rule.pred);
        }
        needs
    }

    fn add_pred(&mut self, pred: &Pred) {
        match pred {
            Pred::Const(_) => {}
            Pred::Atom(atom) => self.add_atom(atom),
            Pred::Not(inner) => self.add_pred(inner),
            Pred::And(list) | Pred::Or(list) => list.iter().for_each(|p| self.add_pred(p)),
        }
    }

    fn add_atom(&mut self, atom: &Atom) {
        match &atom.operand {
            Operand::Bytes { layer, .. } => match layer {
                Layer::L4 | Layer::Payload => self.transport = true,
                Layer::L2 | Layer::L3 => {}
            },
            Operand::Field { field, .. } => {
                for place in field.places {
                    self.add_when(place.when);
                    self.transport |= match place.at {
                        At::Info(Info::Proto) => true,
                        At::Bits { base, .. } => base == Base::Transport,
                        At::Nowhere | At::Const(_) | At::Info(Info::PktLen) => false,
                    };
                }
            }
        }
    }

    fn add_when(&mut self, when: When) {
        match when {
            When::Proto
            | When::ProtoIs(_)
            | When::Header(_)
            | When::Form(_)
            | When::Frag
            | When::Ext(_) => {
                self.transport = true;
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
            | When::Ip6
            | When::Arp
            | When::ArpEthIp4 => {}
        }
    }
}
