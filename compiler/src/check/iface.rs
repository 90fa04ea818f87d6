//! Interfaces by name, and which of a packet's surroundings a hook is told.

use super::value::Val;
use super::{Checker, errors};
use crate::fields::{Arrival, At, Field};
use crate::hir::IfaceId;
use l4c_grammar::S;
use l4c_manifest::HookKind;

/// Bytes of an interface's name at most (`IFNAMSIZ` of `include/uapi/linux/if.h`, one of them the final zero).
const MAX_IFACE_BYTES: usize = 15;

/// One policy may name so many interfaces: the loader's table is reached by offsets of 16 bits.
const MAX_IFACES: usize = 8000;

impl Checker<'_> {
    /// The interface that a value names.
    pub(super) fn iface(&mut self, value: &S<Val>) -> Option<IfaceId> {
        let diag = match &value.node {
            Val::Error => return None,
            Val::Bytes(pattern) if pattern.care.iter().all(|care| *care == 0xff) => {
                match str::from_utf8(&pattern.want).map_err(|_| "it is no text").and_then(checked) {
                    Ok(name) if self.policy.ifaces.len() < MAX_IFACES => {
                        return Some(self.known_iface(name));
                    }
                    Ok(_) => {
                        let what = format!("this policy names more than {MAX_IFACES} interfaces");
                        errors::too_large(value.span, &what, "leave the interface out of the rule")
                    }
                    Err(why) => errors::iface_name(value.span, why),
                }
            }
            Val::Name(word) => errors::iface_bare(value.span, word),
            other => errors::iface_value(value.span, other),
        };
        self.diags.none(diag)
    }

    fn known_iface(&mut self, name: &str) -> IfaceId {
        let ifaces = &mut self.policy.ifaces;
        let known = ifaces.iter().find(|(_, known)| *known == name).map(|(id, _)| id);
        known.unwrap_or_else(|| ifaces.push(name.to_owned()))
    }
}

/// The name, if an interface can be called that (`net/core/dev.c`, `dev_valid_name`).
fn checked(name: &str) -> Result<&str, &'static str> {
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name.is_empty() {
        Err("it is empty")
    } else if name.len() > MAX_IFACE_BYTES {
        Err("it has more than 15 bytes")
    } else if name == "." || name == ".." {
        Err("this is a folder")
    } else if name.contains(wrong) {
        Err("blanks, `/` and `:` can't stand in it")
    } else {
        Ok(name)
    }
}

/// Why a hook is not told a field of a packet's surroundings, if it is not.
pub(super) fn untold(field: &Field, kind: HookKind) -> Option<&'static str> {
    let untold = |at: At| match (at, kind) {
        (At::Arrival(Arrival::Mark), HookKind::Xdp) => {
            Some("it runs before the kernel gives the packet a mark")
        }
        (At::Arrival(Arrival::RxQueue), HookKind::Socket) => {
            Some("by then the kernel has put other numbers in the queue's place")
        }
        (
            At::Nowhere | At::Bits { .. } | At::Const(_) | At::Info(_) | At::Arrival(_),
            HookKind::Xdp | HookKind::Socket,
        ) => None,
    };
    field.places.iter().find_map(|place| untold(place.at))
}
