//! What is inside a tunnel means what it means alone.
//!
//! Every packet of the zoo is asked by plain rules, then put into each sort of tunnel and asked by the same
//! rules with `inner.` in front of each field: the same rules must match. The tunnels' headers are written out
//! byte by byte, so that nobody who reads them made them.

use l4c_compiler::fields::{FIELDS, Field, Ty};
use l4c_golden::bench::{self, Panel, Rules, panel};
use l4c_golden::zoo::{TUNNELS, packets};
use l4c_judge::{EngineKind, compare};
use l4c_manifest::HookKind;

/// Numbers that packets of the zoo have in one field or another.
const NUMBERS: [u64; 11] = [0, 1, 5, 6, 8, 17, 53, 64, 0x0800, 4000, 0x0102_0304];

/// Questions to a field, which is called `name`.
fn questions(field: &Field, name: &str) -> Vec<String> {
    let most = u64::MAX >> (64 - field.width_bits().clamp(1, 64));
    let compared = |values: &[&str]| {
        values.iter().flat_map(|v| ["==", "!="].map(|op| format!("{name} {op} {v}"))).collect()
    };
    match field.ty {
        Ty::Presence | Ty::Bit => vec![name.to_owned(), format!("not {name}")],
        Ty::Number | Ty::Port => NUMBERS
            .iter()
            .filter(|&&n| n < most)
            .flat_map(|n| [format!("{name} == {n}"), format!("{name} > {n}")])
            .chain([1, 2].map(|bit| format!("{name} & {bit} != 0")))
            .collect(),
        Ty::Flags => field.names.iter().map(|(flag, _)| format!("{name} has {flag}")).collect(),
        Ty::Addr => compared(&["192.0.2.1", "198.51.100.2", "10.0.0.0/8", "2001:db8::/48"]),
        Ty::Addr4 => compared(&["192.0.2.1", "192.0.2.0/24", "239.1.2.3"]),
        Ty::Addr6 => compared(&["2001:db8::1", "2001:db8:53::2", "ff02::/16"]),
        Ty::Mac => compared(&["02:00:00:00:00:01", "02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff"]),
        Ty::Option => vec![name.to_owned(), format!("not {name}")],
        Ty::Name | Ty::Layout | Ty::Iface => Vec::new(),
    }
}

/// A hook that asks everything of the fields that are asked inside tunnels too; nothing where it sees no
/// such field.
fn rules(kind: HookKind, inner: bool, wanted: impl Fn(&Field) -> bool) -> Rules {
    let mut text = String::from("hook xdp asks {\n");
    for field in FIELDS.iter().filter(|field| field.has_inner() && wanted(field)) {
        for question in questions(field, &field.shown(inner)) {
            text.push_str(&format!("    {question} -> count seen\n"));
        }
    }
    text.push_str("}\n");
    bench::text(&text, kind).unwrap_or_else(|e| panic!("{e}"))
}

/// Fields that a hook without link header has.
fn without_link(field: &Field) -> bool {
    !["eth", "vlan", "vlan2", "arp"].contains(&field.name.split('.').next().unwrap_or(""))
}

/// The rules that match, as the reference and the interpreter say it.
fn matched(panel: &mut Panel<'_>, packet: &[u8], what: &str) -> Option<Vec<usize>> {
    let shape = panel[0].1.shape().clone();
    let packet = bench::seen_by(&shape, packet)?;
    let opinion = compare(panel, &packet).unwrap_or_else(|e| panic!("{what}: {e}"));
    Some(opinion.counted.iter().map(|(slot, _)| *slot).collect())
}

/// Carries every packet that `plain_kind` sees, and is in the tunnels' way, in each of `tunnels`.
fn same_inside(plain_kind: HookKind, inner_kind: HookKind, tunnels: &[&str]) -> usize {
    let wanted = |field: &Field| plain_kind == HookKind::Xdp || without_link(field);
    let (plain, inner) = (rules(plain_kind, false, wanted), rules(inner_kind, true, wanted));
    assert_eq!(plain.count(), inner.count());
    let (plain_objects, inner_objects) =
        [&plain, &inner].map(|r| r.objects().unwrap_or_else(|e| panic!("{e}"))).into();
    let panel_of = |rules: &Rules, objects| {
        let hook = rules.policy.hooks.keys().next().expect("there is one");
        (hook, objects)
    };
    let (hook, objects) = panel_of(&plain, &plain_objects);
    let mut outside = panel(&plain.policy, hook, objects, &[EngineKind::Vm]).expect("it is taken");
    let (hook, objects) = panel_of(&inner, &inner_objects);
    let mut inside = panel(&inner.policy, hook, objects, &[EngineKind::Vm]).expect("it is taken");
    let mut compared = 0;
    for packet in packets() {
        // The version tells what is inside IP, the EtherType what is inside GRE: both have to agree here.
        let network = match packet.bytes.get(12..15) {
            Some([0x08, 0x00, first]) => first >> 4 == 4,
            Some([0x86, 0xdd, first]) => first >> 4 == 6,
            _ => false,
        };
        if plain_kind == HookKind::Socket && !network {
            continue;
        }
        let Some(alone) = matched(&mut outside, &packet.bytes, &packet.name) else { continue };
        for (tunnel, carry) in TUNNELS.iter().filter(|(name, _)| tunnels.contains(name)) {
            let frame = carry(&packet.bytes);
            if frame.len() > HookKind::Xdp.max_visible_bytes() {
                continue;
            }
            let what = format!("{} in {tunnel}", packet.name);
            let Some(carried) = matched(&mut inside, &frame, &what) else { continue };
            assert_eq!(alone, carried, "{what}");
            compared += 1;
        }
    }
    compared
}

#[test]
fn a_frame_inside_means_what_it_means_alone() {
    let tunnels = ["vxlan_by4", "vxlan_old_by4", "teb_k_by6"];
    let compared = same_inside(HookKind::Xdp, HookKind::Xdp, &tunnels);
    assert!(compared > 1500, "{compared}");
    let compared = same_inside(HookKind::Xdp, HookKind::Socket, &["vxlan_by6", "teb_by4"]);
    assert!(compared > 1000, "{compared}");
}

#[test]
fn an_ip_packet_inside_means_what_it_means_alone() {
    let tunnels = ["ipip_by4", "ipip_by6", "gre_cks_by6", "gue_by4", "gue1_by6"];
    let compared = same_inside(HookKind::Socket, HookKind::Xdp, &tunnels);
    assert!(compared > 2500, "{compared}");
    let compared = same_inside(HookKind::Socket, HookKind::Socket, &["gre_by4", "gue_3_by6"]);
    assert!(compared > 1000, "{compared}");
}
