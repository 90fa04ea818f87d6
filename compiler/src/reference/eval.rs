//! One predicate on one packet.

use super::buckets::Buckets;
use super::conns::{Conns, Step};
use super::dissect::Dissected;
use super::dns;
use super::elements::Sets;
use super::picks::Picks;
use super::trace::{Read, Value, field_value, name_value, slice_value};
use crate::fields::{Arrival, At, Field, Place, Ty};
use crate::hir::{
    Atom, AtomTest, Change, ChangeKind, Kept, KeyPart, Limit, LimitTest, Operand, Pattern, Policy,
    Pred, SetId, TupleTest,
};
use crate::ranges::Ranges;
use l4c_manifest::Key;

/// Everything that a predicate may ask.
pub(super) struct Question<'q, 'p> {
    pub policy: &'q Policy,
    pub packet: &'q Dissected<'p>,
    /// The packet inside, if it is a tunnel's.
    pub inner: Option<&'q Dissected<'p>>,
    /// The interface that the packet came in by.
    pub iface: Option<&'q str>,
    /// How late it is.
    pub now_ns: u64,
    /// Bytes of the packet.
    pub bytes: usize,
    /// The buckets of all limits.
    pub buckets: &'q mut Buckets,
    /// The elements of sets that change.
    pub sets: &'q mut Sets,
    /// The flows of all conns.
    pub conns: &'q mut Conns,
    /// Who is picked.
    pub picks: &'q mut Picks,
    /// What was read so far, if somebody wants to know.
    pub reads: Option<Vec<Read>>,
}

impl Question<'_, '_> {
    /// Is it true? Left to right, and not further than needed.
    pub fn holds(&mut self, pred: &Pred) -> bool {
        match pred {
            Pred::Const(value) => *value,
            Pred::Atom(atom) => self.atom(atom),
            Pred::Limit(test) => self.limit(test),
            Pred::Tuple(test) => self.tuple(test),
            Pred::Random(chance) => {
                let picked = self.picks.random(*chance);
                self.picked(format!("random {chance}"), picked)
            }
            Pred::Nth(test) => {
                let picked = self.picks.nth(test);
                self.picked(format!("nth {}", test.share), picked)
            }
            Pred::Not(inner) => !self.holds(inner),
            Pred::And(parts) => parts.iter().all(|part| self.holds(part)),
            Pred::Or(parts) => parts.iter().any(|part| self.holds(part)),
        }
    }

    fn picked(&mut self, field: String, picked: bool) -> bool {
        if let Some(reads) = &mut self.reads {
            let text = if picked { "picked" } else { "not picked" };
            reads.push(Read { field, value: Some(Value::Text(text.to_owned())) });
        }
        picked
    }

    fn atom(&mut self, atom: &Atom) -> bool {
        match &atom.operand {
            Operand::Field { field, inner, mask } => {
                let packet = if *inner { self.inner } else { Some(self.packet) };
                self.note_field(field, *inner, packet);
                let mask = mask.unwrap_or(u128::MAX);
                packet.is_some_and(|packet| self.field(packet, field, mask, &atom.test))
            }
            Operand::Window(multiple) => self.window(multiple),
            Operand::Name => {
                let labels = self.packet.question_name();
                if let Some(reads) = &mut self.reads {
                    let value = labels.map(name_value);
                    reads.push(Read { field: "dns.qname".to_owned(), value });
                }
                match &atom.test {
                    AtomTest::Name { test, negated } => {
                        labels.is_some_and(|labels| dns::holds(labels, test) != *negated)
                    }
                    AtomTest::Present
                    | AtomTest::In { .. }
                    | AtomTest::InSet { .. }
                    | AtomTest::Equals { .. }
                    | AtomTest::StartsWith(_)
                    | AtomTest::EndsWith(_)
                    | AtomTest::Contains { .. } => false,
                }
            }
            Operand::Bytes { slice, mask } => {
                let bytes = self.packet.slice(slice);
                if let Some(reads) = &mut self.reads {
                    let value = bytes.map(|bytes| slice_value(bytes, &atom.test));
                    reads.push(Read { field: slice.text(), value });
                }
                let mask = mask.map_or(u128::MAX, u128::from);
                bytes.is_some_and(|bytes| self.bytes(bytes, mask, &atom.test))
            }
        }
    }

    /// A token of the bucket that the packet's key has. Without key there is no answer but no.
    fn limit(&mut self, test: &LimitTest) -> bool {
        let limit = &self.policy.limits[test.limit];
        let mut key = Vec::new();
        for part in &limit.key {
            let packet = if part.inner { self.inner } else { Some(self.packet) };
            // Addresses of two families are never the same; numbers are, wherever they stand.
            let found = part.field.places.iter().find_map(|place| {
                let value = self.value(packet?, place)? & part.mask(place);
                let of_family = part.field.ty == Ty::Addr && place.width_bits() == 128;
                Some([u128::from(of_family), value])
            });
            self.note_field(part.field, part.inner, packet);
            let Some(found) = found else { return false };
            key.extend(found);
        }
        if let Kept::Flows { idle_ns } = limit.kept {
            return self.flow(test, limit, (key, idle_ns));
        }
        let spent = self.buckets.spend((test.limit, limit), key, self.bytes, self.now_ns);
        if let Some(reads) = &mut self.reads {
            let left = if spent { "a token is spent" } else { "no token is left" };
            let field = format!("limit {}", limit.name);
            reads.push(Read { field, value: Some(Value::Text(left.to_owned())) });
        }
        spent == test.under
    }

    /// Several fields together, in a set.
    fn tuple(&mut self, test: &TupleTest) -> bool {
        let key = self.element(test.set, &test.key);
        for part in &test.key {
            let packet = if part.inner { self.inner } else { Some(self.packet) };
            self.note_field(part.field, part.inner, packet);
        }
        key.is_some_and(|key| self.sets.has(test.set, &key, self.now_ns) != test.negated)
    }

    /// What a rule does to a set.
    pub fn change(&mut self, change: &Change) {
        let Some(key) = self.element(change.set, &change.key) else { return };
        match change.what {
            ChangeKind::Add(ns) => self.sets.add(change.set, key, self.now_ns, ns),
            ChangeKind::Del => self.sets.del(change.set, &key),
        }
    }

    /// The element that a packet's fields are: of one family, if addresses are among them.
    fn element(&self, set: SetId, parts: &[KeyPart]) -> Option<Key> {
        let prefix = self.policy.sets[set].stored.as_ref()?.prefix;
        [false, true].into_iter().find_map(|wide| {
            let value = |part: &KeyPart| {
                let packet = if part.inner { self.inner } else { Some(self.packet) };
                part.field.places.iter().find_map(|place| {
                    let is_address = matches!(part.field.ty, Ty::Addr | Ty::Addr4 | Ty::Addr6);
                    if is_address && (place.width_bits() == 128) != wide {
                        return None;
                    }
                    Some(self.value(packet?, place)? & part.mask(place))
                })
            };
            let has_address =
                parts.iter().any(|part| matches!(part.field.ty, Ty::Addr | Ty::Addr4 | Ty::Addr6));
            if wide && !has_address {
                return None;
            }
            let values = parts.iter().map(value).collect::<Option<Vec<u128>>>()?;
            let prefix_bits = prefix.then(|| parts[0].prefix_bits[usize::from(wide)]);
            Some(Key { wide, values, prefix_bits })
        })
    }

    /// A flow is who speaks to whom by which protocol and ports; without them there is no answer but no.
    fn flow(&mut self, test: &LimitTest, limit: &Limit, (key, idle_ns): (Vec<u128>, u64)) -> bool {
        let value = |name: &str| {
            let places = Field::find(name).into_iter().flat_map(|field| field.places);
            let mut values = places
                .filter_map(|place| Some([place.width_bits().into(), self.packet.value(place)?]));
            values.next()
        };
        let (Some(src), Some(dst), Some(proto)) = (value("src"), value("dst"), value("proto"))
        else {
            return false;
        };
        let mut flow = [src, dst, proto].concat();
        let mut step = Step::Opens;
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        if [6, 17, 33, 132, 136].contains(&proto[1]) {
            let (Some(sport), Some(dport)) = (value("sport"), value("dport")) else { return false };
            flow.extend([sport, dport].concat());
        }
        if proto[1] == 6 {
            let Some([_, flags]) = value("tcp.flags") else { return false };
            let has = |bit: u128| flags & bit != 0;
            let (fin, syn, rst, ack) = (has(1), has(2), has(4), has(16));
            step = match (fin || rst, syn && !ack) {
                (true, _) => Step::Closes,
                (false, true) => Step::Opens,
                (false, false) => Step::GoesOn,
            };
        }
        let numbers = (limit.burst, idle_ns, self.now_ns);
        let taken = self.conns.take((test.limit, key), flow, step, numbers);
        if let Some(reads) = &mut self.reads {
            let text = if taken { "not one too many" } else { "one flow too many" };
            let field = format!("conns {}", limit.name);
            reads.push(Read { field, value: Some(Value::Text(text.to_owned())) });
        }
        taken == test.under
    }

    fn note_field(&mut self, field: &Field, inner: bool, packet: Option<&Dissected<'_>>) {
        if self.reads.is_none() {
            return;
        }
        let value = match self.iface.filter(|_| field.ty == Ty::Iface) {
            Some(name) => Some(Value::Text(name.to_owned())),
            None => field.places.iter().find_map(|place| {
                self.value(packet?, place).map(|n| field_value(field, place.width_bits(), n))
            }),
        };
        if let Some(reads) = &mut self.reads {
            reads.push(Read { field: field.shown(inner).into_owned(), value });
        }
    }

    /// What a place holds, if it is there. Whoever judges a packet without the wire does it on CPU 0, and took
    /// it from queue 0, unmarked.
    fn value(&self, packet: &Dissected<'_>, place: &Place) -> Option<u128> {
        match place.at {
            At::Arrival(Arrival::Iface) => {
                let name = self.iface?;
                let named = self.policy.ifaces.iter().find(|(_, known)| *known == name);
                Some(named.map_or(0, |(id, _)| id.value().into()))
            }
            At::Arrival(Arrival::RxQueue | Arrival::Cpu | Arrival::Mark) => Some(0),
            At::Nowhere | At::Bits { .. } | At::Const(_) | At::Info(_) => packet.value(place),
        }
    }

    /// Any place that is there and answers yes.
    fn field(&self, packet: &Dissected<'_>, field: &Field, mask: u128, test: &AtomTest) -> bool {
        field.places.iter().enumerate().any(|(nth, place)| {
            let Some(value) = self.value(packet, place).map(|value| value & mask) else {
                return false;
            };
            match test {
                AtomTest::Present => match field.ty {
                    Ty::Bit | Ty::Flags => value != 0,
                    Ty::Number
                    | Ty::Port
                    | Ty::Addr4
                    | Ty::Addr6
                    | Ty::Addr
                    | Ty::Mac
                    | Ty::Presence
                    | Ty::Name
                    | Ty::Option
                    | Ty::Layout
                    | Ty::Iface => true,
                },
                AtomTest::In { values, negated } => {
                    values.get(nth).is_some_and(|set| set.contains(value)) != *negated
                }
                AtomTest::InSet { set, negated } if self.policy.sets[*set].stored.is_some() => {
                    let key = self.sets.key(*set, place.width_bits() == 128, value);
                    self.sets.has(*set, &key, self.now_ns) != *negated
                }
                AtomTest::InSet { set, negated } => {
                    let set = &self.policy.sets[*set];
                    let elements = if place.width_bits() == 128 { &set.wide } else { &set.narrow };
                    elements.contains(value) != *negated
                }
                // The checker asks these of bytes and names only.
                AtomTest::Equals { .. }
                | AtomTest::StartsWith(_)
                | AtomTest::EndsWith(_)
                | AtomTest::Contains { .. }
                | AtomTest::Name { .. } => false,
            }
        })
    }

    /// Bytes that are there.
    fn bytes(&self, bytes: &[u8], mask: u128, test: &AtomTest) -> bool {
        let is_in = |set: &Ranges| number(bytes).is_some_and(|value| set.contains(value & mask));
        match test {
            AtomTest::Present => true,
            AtomTest::In { values, negated } => values.first().is_some_and(is_in) != *negated,
            AtomTest::InSet { set, negated } if self.policy.sets[*set].stored.is_some() => {
                let has = |value| {
                    let key = self.sets.key(*set, false, value & mask);
                    self.sets.has(*set, &key, self.now_ns)
                };
                number(bytes).is_some_and(has) != *negated
            }
            AtomTest::InSet { set, negated } => is_in(&self.policy.sets[*set].narrow) != *negated,
            AtomTest::Equals { pattern, negated } => fits(bytes, pattern) != *negated,
            AtomTest::StartsWith(pattern) => {
                bytes.get(..pattern.want.len()).is_some_and(|first| fits(first, pattern))
            }
            AtomTest::EndsWith(pattern) => bytes
                .len()
                .checked_sub(pattern.want.len())
                .is_some_and(|before| fits(&bytes[before..], pattern)),
            AtomTest::Contains { pattern, within } => {
                let range = within.as_ref().map_or(0..bytes.len(), |within| {
                    within.start as usize..(within.end as usize).min(bytes.len())
                });
                let looked_at = bytes.get(range).unwrap_or(&[]);
                looked_at.windows(pattern.want.len()).any(|window| fits(window, pattern))
            }
            AtomTest::Name { .. } => false,
        }
    }
}

/// Are the bytes those wanted, as many and each where it matters?
fn fits(bytes: &[u8], pattern: &Pattern) -> bool {
    bytes.len() == pattern.want.len()
        && bytes
            .iter()
            .zip(pattern.want.iter().zip(&pattern.care))
            .all(|(byte, (want, care))| byte & care == want & care)
}

/// Up to 16 bytes as a big-endian number.
pub(super) fn number(bytes: &[u8]) -> Option<u128> {
    (bytes.len() <= 16).then(|| bytes.iter().fold(0, |value, &byte| value << 8 | u128::from(byte)))
}
