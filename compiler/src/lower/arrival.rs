//! Questions about the interface that a packet came in by.
//!
//! Interfaces are known to a program by numbers that its loader writes into a table: slot 0 is the number of
//! packets that came in by none, and then each name that rules use has a slot.

use super::FuncBuilder;
use crate::hir::AtomTest;
use l4c_ir::{Block, Cond, Env};

impl FuncBuilder<'_, '_> {
    /// Is there an interface, and one of those asked for?
    pub(super) fn iface(&mut self, test: &AtomTest, yes: Block, no: Block) {
        let came = self.b.env(Env::Iface);
        let nowhere = self.b.iface_slot(0);
        let somewhere = self.b.new_block();
        self.b.br(Cond::Ne, came, nowhere, somewhere, no);
        self.b.switch_to(somewhere);
        // The checker asks nothing else of an interface.
        let AtomTest::In { values, negated } = test else { return self.b.jump(yes, Vec::new()) };
        let (yes, no) = if *negated { (no, yes) } else { (yes, no) };
        if let Some(wanted) = values.first() {
            let named = self.policy.ifaces.keys().filter(|id| wanted.contains(id.value().into()));
            for id in named {
                let slot = self.b.iface_slot(self.names.ifaces[&id]);
                let next = self.b.new_block();
                self.b.br(Cond::Eq, came, slot, yes, next);
                self.b.switch_to(next);
            }
        }
        self.b.jump(no, Vec::new());
    }
}
