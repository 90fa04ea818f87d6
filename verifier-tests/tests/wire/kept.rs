//! Maps that outlive a replacement. No rule makes one yet, so that the counters stand for them: what an
//! object says of its maps is changed in its manifest.

use super::{Ask, equal, on_wire};
use l4c_manifest::Manifest;
use l4c_runtime::Object;
use l4c_verifier_tests::wire::{Class, KernelId, Lab, compiled};

/// Its one label is long: what it leaves in the manifest when it is taken out is room for other words.
const RULES: &str = "hook xdp edge {
    a_label_so_long_that_there_is_room_in_the_manifest: udp.dport == 1001 -> drop
}
";

const MORE_RULES: &str = "hook xdp edge {
    a_label_so_long_that_there_is_room_in_the_manifest: udp.dport == 1001 -> drop
    another: udp.dport == 1002 -> drop
}
";

/// The same object with other words in its manifest, which blanks make as long as it was.
fn with(object: &Object, change: fn(&mut Manifest)) -> Result<Object, String> {
    let mut manifest = object.manifest().clone();
    let old = manifest.to_bytes();
    for rule in &mut manifest.hooks[0].rules {
        rule.text.clear();
    }
    change(&mut manifest);
    let mut new = manifest.to_bytes();
    equal("there is room", &(new.len() <= old.len()), &true)?;
    new.resize(old.len(), b' ');
    let mut elf = object.elf().to_vec();
    let at = elf.windows(old.len()).position(|bytes| bytes == old);
    let at = at.ok_or("the manifest is not in the object")?;
    elf[at..at + new.len()].copy_from_slice(&new);
    Object::parse(&elf).map_err(|e| e.to_string())
}

/// Loads; gives the kernel's number of the map that the program counts in, and what starts anew.
fn load(lab: &Lab, object: &Object) -> Result<(KernelId, Vec<String>), String> {
    let iface = lab.veths[0].receiver_iface.as_str();
    let loaded = Ask::new("keeper", object, &[iface]).load(lab)?;
    let policy = lab.pins.policy("keeper");
    let counters = KernelId::pinned(Class::Map, &policy.join("edge/counters"))?;
    if let Some(kept) = object.manifest().maps.iter().find(|map| map.keeps) {
        let path = policy.join("cur-gen/maps-kept").join(&kept.name);
        equal("the kept map", &KernelId::pinned(Class::Map, &path)?, &counters)?;
    }
    Ok((counters, loaded.anew))
}

#[test]
fn kept_maps() {
    on_wire(1, |lab| {
        let plain = compiled(RULES)?;
        let keeps = with(&plain, |manifest| manifest.maps[0].keeps = true)?;
        let more = with(&compiled(MORE_RULES)?, |manifest| manifest.maps[0].keeps = true)?;
        let flags = with(&plain, |manifest| {
            manifest.maps[0].keeps = true;
            manifest.maps[0].flags = 4;
        })?;
        let name = &keeps.manifest().maps[0].name;
        equal("name", name, &more.manifest().maps[0].name)?;
        let (first, anew) = load(lab, &keeps)?;
        equal("what starts anew", &anew, &Vec::new())?;
        let (second, anew) = load(lab, &keeps)?;
        equal("the same shape", &second, &first)?;
        equal("what starts anew", &anew, &Vec::new())?;
        let (third, anew) = load(lab, &more)?;
        equal("another size is another map", &(third != first), &true)?;
        equal("it is told", &anew.contains(name), &true)?;
        let (fourth, anew) = load(lab, &flags)?;
        equal("other flags are another map", &(fourth != third), &true)?;
        equal("it is told", &anew.contains(name), &true)?;
        // An object that keeps nothing ends it.
        let (fifth, _) = load(lab, &plain)?;
        let (sixth, anew) = load(lab, &keeps)?;
        equal("not found again", &(sixth != fifth && sixth != fourth), &true)?;
        equal("what starts anew", &anew, &Vec::new())
    });
}
