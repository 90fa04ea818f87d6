//! Which values are equal wherever they stand.
//!
//! In an acyclic function each value is computed at most once on a packet, so that two instructions
//! with equal opcodes and operands give the same number even if neither dominates the other. Loads
//! and calls are left apart: each is its own class.

use crate::analysis::{Cfg, KnownBits, known_bits};
use crate::{BinOp, Env, Function, InstData, Table, Value, Width};
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

/// A class of equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Class(u32);

/// What all values of a class are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ClassDef {
    /// A parameter, or what a load, call or guard gives.
    Opaque(Value),
    /// A number.
    Const(u64),
    /// Arithmetic.
    Binary(BinOp, Class, Class),
    /// Bytes in reverse order.
    Swap(Width, Class),
    /// Table membership.
    Member(Table, Class, Class),
    /// Something of the packet's surroundings.
    Env(Env),
    /// The word that says which elements of a set count: a packet sees one.
    SetState(u32),
}

/// The classes of a function's values.
pub(super) struct Classes {
    of: SecondaryMap<Value, Class>,
    defs: Vec<ClassDef>,
    bits: Vec<KnownBits>,
    index: HashMap<ClassDef, Class>,
}

impl Classes {
    /// Classes of all values in the reachable part of `func`.
    pub(super) fn new(func: &Function, cfg: &Cfg) -> Self {
        let known = known_bits(func, cfg);
        let mut classes = Self {
            of: SecondaryMap::with_capacity(func.values.len()),
            defs: Vec::new(),
            bits: Vec::new(),
            index: HashMap::new(),
        };
        for block in cfg.reverse_postorder() {
            let data = &func.blocks[block];
            for &param in &data.params {
                classes.of[param] = classes.intern(ClassDef::Opaque(param), known[param]);
            }
            for &inst in &data.insts {
                let Some(result) = func.results[inst].expand() else { continue };
                let def = ClassDef::of_inst(&func.insts[inst], result, |v| classes.of[v]);
                classes.of[result] = classes.intern(def, known[result]);
            }
        }
        classes
    }

    /// The class of a value.
    pub(super) fn of(&self, value: Value) -> Class {
        self.of[value]
    }

    /// What the values of a class are.
    pub(super) fn def(&self, class: Class) -> ClassDef {
        self.defs[class.0 as usize]
    }

    /// Known bits of the values of a class.
    pub(super) fn bits(&self, class: Class) -> KnownBits {
        self.bits[class.0 as usize]
    }

    /// The number that the values of a class are.
    pub(super) fn constant(&self, class: Class) -> Option<u64> {
        match self.def(class) {
            ClassDef::Const(n) => Some(n),
            ClassDef::Opaque(_)
            | ClassDef::Binary(..)
            | ClassDef::Swap(..)
            | ClassDef::Member(..)
            | ClassDef::Env(_)
            | ClassDef::SetState(_) => None,
        }
    }

    /// The class of a number.
    pub(super) fn number(&mut self, n: u64) -> Class {
        self.intern(ClassDef::Const(n), KnownBits::constant(n))
    }

    /// The class of the packet's length.
    pub(super) fn pkt_len(&mut self) -> Class {
        self.intern(ClassDef::Env(Env::PktLen), KnownBits::up_to(0xffff))
    }

    /// The class of what is defined so, made if it is new. `bits` is what is known beside the
    /// definition.
    fn intern(&mut self, def: ClassDef, bits: KnownBits) -> Class {
        let derived = match def {
            ClassDef::Opaque(_) | ClassDef::Env(_) | ClassDef::SetState(_) => bits,
            ClassDef::Const(n) => KnownBits::constant(n),
            ClassDef::Binary(op, a, b) => KnownBits::binary(op, self.bits(a), self.bits(b)),
            ClassDef::Swap(width, a) => KnownBits::swap(width, self.bits(a)),
            ClassDef::Member(..) => KnownBits::up_to(1),
        };
        // Arithmetic on what edges bring may turn out to be a number.
        let def = derived.as_constant().map_or(def, ClassDef::Const);
        let next = u32::try_from(self.defs.len()).expect("fewer classes than values");
        *self.index.entry(def).or_insert_with(|| {
            self.defs.push(def);
            self.bits.push(derived);
            Class(next)
        })
    }

    /// The class of what an instruction gives when its operands have the classes that `operand`
    /// says.
    pub(super) fn of_inst(
        &mut self,
        data: &InstData,
        result: Value,
        operand: impl Fn(&Self, Value) -> Class,
    ) -> Class {
        let bits = self.bits(self.of[result]);
        let def = ClassDef::of_inst(data, result, |v| operand(self, v));
        self.intern(def, bits)
    }
}

impl ClassDef {
    fn of_inst(data: &InstData, result: Value, operand: impl Fn(Value) -> Class) -> Self {
        match *data {
            InstData::Const(n) => Self::Const(n),
            InstData::Binary { op, args: [a, b] } => {
                let (a, b) = (operand(a), operand(b));
                let exchange = op.is_commutative() && b < a;
                if exchange { Self::Binary(op, b, a) } else { Self::Binary(op, a, b) }
            }
            InstData::Swap { width, arg } => Self::Swap(width, operand(arg)),
            InstData::Member { table, hi, lo } => Self::Member(table, operand(hi), operand(lo)),
            InstData::Env(env) => Self::Env(env),
            InstData::SetState(set) => Self::SetState(set),
            InstData::Load { .. }
            | InstData::Count { .. }
            | InstData::Random
            | InstData::Sample { .. }
            | InstData::Spend { .. }
            | InstData::Find { .. }
            | InstData::Put { .. }
            | InstData::Erase { .. }
            | InstData::Nth { .. }
            | InstData::Hash { .. }
            | InstData::Flow { .. }
            | InstData::Call { .. }
            | InstData::IfaceSlot(_)
            | InstData::Redirect { .. }
            | InstData::Reject { .. } => Self::Opaque(result),
        }
    }
}
