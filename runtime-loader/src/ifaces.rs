//! The table by which a program knows interfaces: their names are in the object, their numbers are not.
//!
//! On the wire the numbers are those of this network namespace. In a dry run every packet comes in by the same
//! number, whatever its interface, for the kernel's test run knows no other: so the table is written anew when
//! packets begin to come by another interface, and says which name that number has now.

use crate::object::Rodata;
use crate::{KernelError, ObjectError};
use l4c_manifest::{Hook, INTERFACE_BYTES};

/// The number by which packets come in when they are judged without the wire: the loopback's, which the
/// kernel's test run takes.
pub const DRY_IFINDEX: u32 = 1;

/// Does the object have room for a hook's numbers, where it has the table at all?
///
/// # Errors
/// When the table has another size.
pub fn check(hook: &Hook, rodata: &[Rodata]) -> Result<(), ObjectError> {
    let name = hook.interface_section();
    let wanted = (1 + hook.interfaces.len()) * INTERFACE_BYTES;
    match rodata.iter().find(|table| table.name == name) {
        Some(table) if table.bytes.len() != wanted => Err(ObjectError::Manifest(format!(
            "section {name} has {} bytes, and its interfaces take {wanted}",
            table.bytes.len()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The table for packets that come in by `iface`, or by none, in a dry run.
pub fn dry(hook: &Hook, iface: Option<&str>) -> Vec<u8> {
    let number = |is_it: bool| if is_it { DRY_IFINDEX } else { 0 };
    let nowhere = number(iface.is_none());
    let names = hook.interfaces.iter().map(|known| number(iface == Some(&known.name)));
    bytes(std::iter::once(nowhere).chain(names))
}

/// The table for programs that are to be attached.
///
/// # Errors
/// When there is no such interface in this network namespace.
pub fn live(hook: &Hook) -> Result<Vec<u8>, KernelError> {
    if hook.interfaces.is_empty() {
        return Ok(bytes([0]));
    }
    let there = crate::net::interfaces()
        .map_err(|e| KernelError::new(format!("the interfaces can't be listed: {e}")))?;
    let mut numbers = vec![0];
    for wanted in &hook.interfaces {
        let found = there.iter().find(|interface| interface.name == wanted.name);
        let found = found.ok_or_else(|| {
            let (name, rule) = (&wanted.name, &wanted.rule);
            KernelError::new(format!(
                "rule `{rule}` of hook `{}` names interface {name}, and there is none here",
                hook.name
            ))
        })?;
        numbers.push(found.index);
    }
    Ok(bytes(numbers))
}

fn bytes(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_ne_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4c_manifest::{HookKind, Interface};

    fn hook(names: &[&str]) -> Hook {
        let interface = |name: &&str| Interface { name: (*name).into(), rule: "r".into() };
        Hook {
            name: "h".into(),
            kind: HookKind::Xdp,
            shadow: false,
            counter_map: "c".into(),
            rules: Vec::new(),
            counters: Vec::new(),
            samples: None,
            interfaces: names.iter().map(interface).collect(),
            rows: None,
            limits: Vec::new(),
            sets: Vec::new(),
        }
    }

    #[test]
    fn a_dry_table_has_one_number_in_one_place() {
        let hook = hook(&["a", "b"]);
        assert_eq!(dry(&hook, None), bytes([1, 0, 0]));
        assert_eq!(dry(&hook, Some("b")), bytes([0, 0, 1]));
        assert_eq!(dry(&hook, Some("c")), bytes([0, 0, 0]));
    }

    #[test]
    fn a_live_table_has_the_numbers_of_this_machine() {
        assert_eq!(live(&hook(&["lo"])).unwrap(), bytes([0, 1]));
        let missing = live(&hook(&["lo", "no_such"])).unwrap_err();
        assert!(missing.message.contains("rule `r` of hook `h` names interface no_such"));
    }

    #[test]
    fn a_table_of_another_size_is_refused() {
        let table =
            |bytes: usize| vec![Rodata { name: ".rodata.h.ifaces".into(), bytes: vec![0; bytes] }];
        assert_eq!(check(&hook(&["a"]), &table(8)), Ok(()));
        assert_eq!(check(&hook(&["a"]), &[]), Ok(()));
        assert!(check(&hook(&["a"]), &table(4)).is_err());
    }
}
